//! What the paper prints about size, cost and energy, as data.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    report::documents::published::PublishedPoint,
};

const TEXT: &str = include_str!("published.toml");
/// The share of faulty cells at the voltage of Table 2.
const TABLE_2_BER: f64 = 0.01;

/// The paper's numbers (`src/energy/published.toml`). Lists are in the order of `generators`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where the numbers come from.
    pub source: String,
    /// The paper's generators.
    pub generators: Vec<String>,
    /// Energy saved per access, in per cent, from which the paper computed Table 2.
    pub saving_per_access_table_2: f64,
    /// Energy saved per access, in per cent, from which the paper computed Table 8.
    pub saving_per_access_table_8: f64,
    pub(super) network: Vec<PublishedNetwork>,
    /// Energy saving in per cent, by base network.
    pub(super) table_2: BTreeMap<String, Vec<f64>>,
    /// Energy saving by multiply-adds in per cent, by base network.
    pub(super) table_8: BTreeMap<String, Vec<f64>>,
    pub(super) recovery: Vec<Recovery>,
    pub(super) explanation: Vec<Explanation>,
}

/// Size and cost of a network: Tables 6 and 7, and SCALE-SIM's cycles.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishedNetwork {
    pub(super) name: String,
    pub(super) side: u32,
    pub(super) parameters: u64,
    /// Multiply-adds as printed: `557.14M`.
    pub(super) macs: String,
    pub(super) weight_accesses: Option<u64>,
    pub(super) cycles: Option<u64>,
}

/// Accuracies of one base at one fault rate (Table 12), and the efficiency ratios computed from them (Table
/// 3).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recovery {
    pub(super) base: String,
    pub(super) ber: f64,
    pub(super) accuracy: f64,
    pub(super) accuracy_nf: Vec<f64>,
    pub(super) recovery: Vec<f64>,
    pub(super) efficiency: Vec<f64>,
}

/// The known reason why an entry contradicts the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explanation {
    pub(super) table: String,
    pub(super) base: String,
    pub(super) generator: String,
    pub(super) ber: Option<f64>,
    pub(super) text: String,
}

/// The paper's numbers.
pub fn published() -> Result<Published> {
    let path = Path::new("src/energy/published.toml");
    toml::from_str(TEXT).map_err(|e| Error::format(path, e.message(), "report this as a bug"))
}

impl Published {
    /// Accuracy and energy of each base network at the rate whose energy Table 2 gives: alone and behind each
    /// generator.
    pub fn points(&self) -> Vec<PublishedPoint> {
        let mut points = Vec::new();
        for (base, savings) in &self.table_2 {
            let at_rate = |r: &&Recovery| r.base == *base && r.ber == TABLE_2_BER;
            let Some(r) = self.recovery.iter().find(at_rate) else { continue };
            let point = |generator: Option<&String>, accuracy, saving: f64| PublishedPoint {
                base: base.clone(),
                dataset: "cifar10".into(),
                generator: generator.cloned(),
                ber: r.ber,
                accuracy,
                energy: 100.0 - saving,
            };
            points.push(point(None, r.accuracy, self.saving_per_access_table_2));
            let behind = self.generators.iter().zip(&r.accuracy_nf).zip(savings);
            points.extend(behind.map(|((name, &nf), &saving)| point(Some(name), nf, saving)));
        }
        points
    }
}

/// Parses a number printed with a unit, such as `557.14M`. The result is its value and half a unit of its
/// last digit (the second decimal, even where trailing zeros are not printed).
pub(super) fn with_unit(printed: &str) -> Option<(f64, f64)> {
    let unit = match printed.chars().last()? {
        'M' => 1e6,
        'G' => 1e9,
        _ => return None,
    };
    let value: f64 = printed[..printed.len() - 1].parse().ok()?;
    Some((value * unit, 0.005 * unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::OperatingPoints;

    #[test]
    fn the_data_are_whole() {
        let p = published().unwrap();
        assert_eq!((p.network.len(), p.recovery.len(), p.generators.len()), (23, 10, 6));
        for table in [&p.table_2, &p.table_8] {
            assert_eq!(table.len(), 5);
            assert!(table.values().all(|row| row.len() == 6));
        }
        for r in &p.recovery {
            let lengths = [r.accuracy_nf.len(), r.recovery.len(), r.efficiency.len()];
            assert_eq!(lengths, [6; 3], "{} {}", r.base, r.ber);
        }
        assert!(p.network.iter().all(|n| with_unit(&n.macs).is_some()));
        // Two files hold the same constant for two purposes.
        let point = OperatingPoints::built_in().unwrap().at(0.01).unwrap().energy_per_access;
        assert!((100.0 * (1.0 - point) - p.saving_per_access_table_2).abs() < 1e-9);
    }

    #[test]
    fn every_network_of_table_2_has_its_accuracies_beside_its_energies() {
        let points = published().unwrap().points();
        assert_eq!(points.len(), 5 * 7);
        let vgg11: Vec<_> = points.iter().filter(|p| p.base == "vgg11").collect();
        let of = |i: usize| (vgg11[i].generator.as_deref(), vgg11[i].accuracy, vgg11[i].energy);
        // Tables 12 and 2 of the paper.
        assert_eq!(of(0), (None, 42.2, 100.0 - 30.605));
        assert_eq!(of(1), (Some("ConvL"), 87.2, 100.0 - 6.6));
        assert_eq!(of(6), (Some("UNetS"), 72.7, 100.0 - 27.2));
    }

    #[test]
    fn printed_numbers_have_units() {
        assert_eq!(with_unit("557.14M"), Some((557.14e6, 5e3)));
        assert_eq!(with_unit("1.1G"), Some((1.1e9, 5e6)));
        assert_eq!((with_unit("12"), with_unit(""), with_unit("xM")), (None, None, None));
    }
}
