//! Energy saved under the faults of an evaluation, alone and behind its generator.

use super::{Energy, Evaluation, Perturbed};

/// Energy saved at one fault rate, in per cent, relative to the base network alone at the nominal voltage; a
/// field is absent where the number is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Savings {
    /// Saving of the base network alone.
    pub alone: Option<f64>,
    /// Saving behind the generator, whose own accesses are counted; absent without a generator.
    pub behind: Option<f64>,
    /// Supply voltage, relative to the nominal one.
    pub voltage: Option<f64>,
}

impl Evaluation {
    /// The energy under the faults `p`, which belong to this evaluation. The evaluation's own `energy` is
    /// that of the first rate with a known voltage, so it is used only if there is a single rate.
    pub fn energy_of<'p>(&'p self, p: &'p Perturbed) -> Option<&'p Energy> {
        p.energy.as_ref().or(self.energy.as_ref().filter(|_| self.perturbed.len() == 1))
    }

    /// Weight-memory accesses for one image, of the base network and of the generator if there is one, where the energy of
    /// any rate was counted.
    pub fn accesses(&self) -> Option<(u64, Option<u64>)> {
        let counted =
            self.energy.iter().chain(self.perturbed.iter().filter_map(|p| p.energy.as_ref()));
        counted
            .filter_map(|e| Some((e.base_accesses.filter(|&n| n > 0)?, e.generator_accesses)))
            .next()
    }

    /// The savings under the faults `p`, if their voltage is known.
    pub fn savings(&self, p: &Perturbed) -> Option<Savings> {
        let energy = self.energy_of(p)?;
        let finite = |saving: Option<f64>| saving.filter(|v| v.is_finite());
        let (whole, voltage) = (finite(Some(energy.saving_percent)), energy.voltage);
        if self.generator.is_none() {
            return Some(Savings { alone: whole, behind: None, voltage });
        }
        let by_access = || Some(100.0 * (1.0 - energy.energy_per_access?));
        let alone = finite(energy.base_saving_percent.or_else(by_access));
        Some(Savings { alone, behind: whole, voltage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::sample;

    #[test]
    fn savings_are_of_the_base_alone_and_behind_its_generator() {
        let mut e = sample();
        let of = |e: &Evaluation| e.savings(&e.perturbed[0]).unwrap();
        // Older documents have no numbers of accesses.
        assert_eq!(of(&e), Savings { alone: None, behind: Some(19.0), voltage: None });
        let energy = e.energy.as_mut().unwrap();
        (energy.energy_per_access, energy.voltage) = (Some(0.75), Some(0.83));
        let wanted = Savings { alone: Some(25.0), behind: Some(19.0), voltage: Some(0.83) };
        assert_eq!(of(&e), wanted);
        e.energy.as_mut().unwrap().base_saving_percent = Some(26.0);
        assert_eq!(of(&e).alone, Some(26.0));
        e.generator = None;
        assert_eq!((of(&e).alone, of(&e).behind), (Some(19.0), None));
        e.energy.as_mut().unwrap().saving_percent = f64::NAN;
        assert_eq!(of(&e).alone, None);
        // With two rates it is unclear which one the evaluation's own energy belongs to.
        e.perturbed.push(e.perturbed[0].clone());
        assert_eq!(e.savings(&e.perturbed[0]), None);
        e.perturbed[1].energy = Some(Energy { saving_percent: 3.0, ..Energy::default() });
        assert_eq!(e.savings(&e.perturbed[1]).unwrap().alone, Some(3.0));
    }
}
