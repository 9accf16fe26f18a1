//! The paper's printed numbers beside ours, entry by entry.

use serde::Serialize;

use super::{
    Cost, Published,
    published::{PublishedNetwork, with_unit},
};
use crate::{error::Result, models};

/// The kind of number that a table entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Trainable elements (tables 6 and 7).
    Parameters,
    /// Multiply-adds in the paper's convention (tables 6 and 7).
    PaperMacs,
    /// Weight-memory accesses (tables 6 and 7).
    WeightAccesses,
    /// Cycles (SCALE-SIM's report).
    Cycles,
    /// Energy saving in per cent (Table 2).
    EnergySaving,
    /// Energy saving by multiply-adds in per cent (Table 8).
    MacSaving,
    /// Points recovered per million parameters (Table 3).
    Efficiency,
    /// Points recovered (Table 12), from its two accuracies.
    Recovery,
}

impl Quantity {
    /// The table in which the paper prints this quantity.
    pub fn table(self) -> &'static str {
        match self {
            Self::Parameters | Self::PaperMacs | Self::WeightAccesses => "6/7",
            Self::Cycles => "SCALE-SIM",
            Self::EnergySaving => "2",
            Self::MacSaving => "8",
            Self::Efficiency => "3",
            Self::Recovery => "12",
        }
    }
}

/// A printed number and the one that we compute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The kind of number.
    pub quantity: Quantity,
    /// The table in which the paper prints it.
    pub table: &'static str,
    /// The network, or the base network of a pair.
    pub network: String,
    /// Rows and columns of the image.
    pub side: u32,
    /// The generator, where the number is about a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// The fault rate, where the table has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ber: Option<f64>,
    /// Computed from our graphs and the paper's other numbers.
    pub ours: f64,
    /// The number as the paper prints it.
    pub printed: String,
    /// Whether our number equals the printed one within the rounding of the printed digits.
    pub agrees: bool,
    /// The known reason for a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// All networks and all printed numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PaperComparison {
    /// Every base network (10 classes) and every generator (on images of 32x32 and 224x224).
    pub networks: Vec<Cost>,
    /// Every printed number.
    pub compared: Vec<Compared>,
}

impl PaperComparison {
    /// The cost of a network for images of `side` x `side` pixels.
    pub fn cost(&self, name: &str, side: u32) -> Option<&Cost> {
        self.networks.iter().find(|c| c.name == name && c.side == side)
    }

    /// The printed number of a network, or of a pair.
    pub fn entry(
        &self,
        quantity: Quantity,
        network: (&str, u32),
        generator: Option<&str>,
        ber: Option<f64>,
    ) -> Option<&Compared> {
        self.compared.iter().find(|c| {
            let key = (c.quantity, (c.network.as_str(), c.side), c.generator.as_deref(), c.ber);
            key == (quantity, network, generator, ber)
        })
    }

    /// Entries where the paper contradicts its other numbers or our graphs.
    pub fn differences(&self) -> impl Iterator<Item = &Compared> {
        self.compared.iter().filter(|c| !c.agrees)
    }

    fn push(&mut self, mut entry: Compared, paper: &Published) {
        if !entry.agrees {
            let explanation = paper.explanation.iter().find(|e| {
                let key = (e.table.as_str(), &e.base, Some(&e.generator), e.ber);
                key == (entry.table, &entry.network, entry.generator.as_ref(), entry.ber)
            });
            entry.explanation = explanation.map(|e| e.text.clone());
        }
        self.compared.push(entry);
    }
}

/// Compares a computed number with a printed one; `half` is half a unit of the printed last digit (0: exact).
fn beside(
    quantity: Quantity,
    cost: &Cost,
    ours: f64,
    (printed, text): (f64, String),
    half: f64,
) -> Compared {
    Compared {
        quantity,
        table: quantity.table(),
        network: cost.name.clone(),
        side: cost.side,
        generator: None,
        ber: None,
        ours,
        printed: text,
        // The small tolerance is needed because printed decimals are not exact in binary.
        agrees: (ours - printed).abs() <= half + 1e-9 * printed.abs(),
        explanation: None,
    }
}

/// Computes every number that the paper prints about size, cost and energy from our graphs.
pub fn compare(paper: &Published) -> Result<PaperComparison> {
    let mut all = PaperComparison { networks: Vec::new(), compared: Vec::new() };
    for base in models::BASES {
        all.networks.push(Cost::of(&models::base(base.name, 10, None)?));
    }
    for side in [32, 224] {
        for name in models::GENERATORS {
            all.networks.push(Cost::of(&models::generator(name, side)?));
        }
    }
    sizes(&mut all, paper);
    savings(&mut all, paper);
    recoveries(&mut all, paper);
    Ok(all)
}

/// Compares tables 6 and 7, and cycles.
fn sizes(all: &mut PaperComparison, paper: &Published) {
    for printed in &paper.network {
        let Some(cost) = all.cost(&printed.name, printed.side).cloned() else { continue };
        let mut exact = |quantity, ours: u64, printed: Option<u64>| {
            let Some(printed) = printed else { return };
            let printed = (printed as f64, printed.to_string());
            all.push(beside(quantity, &cost, ours as f64, printed, 0.0), paper);
        };
        exact(Quantity::Parameters, cost.parameters, Some(printed.parameters));
        exact(Quantity::WeightAccesses, cost.weight_accesses, printed.weight_accesses);
        exact(Quantity::Cycles, cost.cycles, printed.cycles);
        if let Some((value, half)) = with_unit(&printed.macs) {
            let (ours, printed) = (cost.paper_macs as f64, (value, printed.macs.clone()));
            all.push(beside(Quantity::PaperMacs, &cost, ours, printed, half), paper);
        }
    }
}

/// Compares tables 2 and 8. The paper computed Table 8 from multiply-adds as printed: 24.5 for `ResNet50` +
/// `ConvL` follows from 1.31G, not from 1,307,570,176.
fn savings(all: &mut PaperComparison, paper: &Published) {
    let printed_macs = |cost: &Cost| {
        let printed = |n: &&PublishedNetwork| (&n.name, n.side) == (&cost.name, cost.side);
        let macs = paper.network.iter().find(printed).and_then(|n| with_unit(&n.macs));
        Cost { paper_macs: macs.map_or(cost.paper_macs, |(macs, _)| macs as u64), ..cost.clone() }
    };
    let table_2 = |base: &Cost, generator: &Cost| {
        base.energy_saving(Some(generator), 1.0 - paper.saving_per_access_table_2 / 100.0)
    };
    let table_8 = |base: &Cost, generator: &Cost| {
        let (base, generator) = (printed_macs(base), printed_macs(generator));
        let energy = 1.0 - paper.saving_per_access_table_8 / 100.0;
        base.mac_saving(Some(&generator), energy, |c| c.paper_macs)
    };
    type Saving<'a> = &'a dyn Fn(&Cost, &Cost) -> f64;
    for (quantity, table, saving) in [
        (Quantity::EnergySaving, &paper.table_2, &table_2 as Saving<'_>),
        (Quantity::MacSaving, &paper.table_8, &table_8),
    ] {
        for (base, row) in table {
            for (name, &printed) in paper.generators.iter().zip(row) {
                let pair = (all.cost(base, 32), all.cost(name, 32));
                let (Some(base), Some(generator)) = pair else { continue };
                let printed = (printed, format!("{printed:.1}"));
                let entry = beside(quantity, base, saving(base, generator), printed, 0.05);
                all.push(Compared { generator: Some(name.clone()), ..entry }, paper);
            }
        }
    }
}

/// Compares tables 3 and 12.
fn recoveries(all: &mut PaperComparison, paper: &Published) {
    for r in &paper.recovery {
        let Some(base) = all.cost(&r.base, 32).cloned() else { continue };
        let rows = r.accuracy_nf.iter().zip(&r.recovery).zip(&r.efficiency);
        for (name, ((accuracy_nf, &recovery), &efficiency)) in paper.generators.iter().zip(rows) {
            let Some(generator) = all.cost(name, 32) else { continue };
            let ratio = generator.efficiency_ratio(recovery);
            // The paper computed the ratio from the recovery before rounding it.
            let half = 0.05 + generator.efficiency_ratio(0.05);
            let entries = [
                (Quantity::Efficiency, ratio, efficiency, half),
                // The tolerance covers three rounded numbers.
                (Quantity::Recovery, accuracy_nf - r.accuracy, recovery, 0.15),
            ];
            for (quantity, ours, printed, half) in entries {
                let entry =
                    beside(quantity, &base, ours, (printed, format!("{printed:.1}")), half + 1e-9);
                let (generator, ber) = (Some(name.clone()), Some(r.ber));
                all.push(Compared { generator, ber, ..entry }, paper);
            }
        }
    }
}

#[cfg(test)]
mod tests;
