//! Which adapter each of several processes of a machine uses.

use super::adapter::{AdapterChoice, AdapterReport, list, would_use};
use crate::error::Result;

/// The adapters of the first `processes` processes of this machine, in the order of their local ranks: the best kind of
/// adapter that the choice allows, one after another in the order of their PCI bus ids, and again from the first where
/// there are more processes than adapters.
///
/// # Errors
/// Those of [`would_use`].
pub fn assigned(choice: &AdapterChoice, processes: usize) -> Result<Vec<AdapterReport>> {
    let best = would_use(choice)?;
    let allowed: Vec<AdapterReport> = list().into_iter().filter(|a| choice.allows(a)).collect();
    Ok(spread(&best, &allowed, processes))
}

fn spread(best: &AdapterReport, allowed: &[AdapterReport], processes: usize) -> Vec<AdapterReport> {
    let alike = |a: &&AdapterReport| {
        let (one, other) = (&a.kind, &best.kind);
        !best.is_software() && one == other && a.backend == best.backend
    };
    let mut alike: Vec<&AdapterReport> = allowed.iter().filter(alike).collect();
    alike.sort_by_key(|a| &a.pci_bus_id);
    // Two drivers may show the same card.
    alike.dedup_by(|a, b| !a.pci_bus_id.is_empty() && a.pci_bus_id == b.pci_bus_id);
    if alike.is_empty() {
        alike.push(best);
    }
    (0..processes).map(|rank| alike[rank % alike.len()].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_take_cards_in_the_order_of_the_bus() {
        let card = |index, kind, bus: &str| AdapterReport {
            index,
            kind,
            pci_bus_id: bus.into(),
            ..AdapterReport::for_tests("card")
        };
        let all = [
            card(0, "discrete", "0000:81:00.0"),
            card(1, "discrete", "0000:01:00.0"),
            card(2, "discrete", "0000:01:00.0"),
            card(3, "integrated", "0000:00:02.0"),
            card(4, "software", ""),
        ];
        let indices = |best: usize, allowed: &[AdapterReport], processes| -> Vec<usize> {
            spread(&all[best], allowed, processes).iter().map(|a| a.index).collect()
        };
        assert_eq!(indices(0, &all, 5), [1, 0, 1, 0, 1]);
        // One that was named stays alone, and so does a software adapter.
        assert_eq!(indices(0, &all[..1], 2), [0, 0]);
        assert_eq!(indices(4, &all[4..], 3), [4, 4, 4]);
    }
}
