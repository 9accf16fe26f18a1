//! The cost of an inference, and what a lower voltage saves of it.

use serde::Serialize;

use super::{StoredBits, accesses_of, cycles, paper_macs, points::OperatingPoint, weight_accesses};
use crate::{nn::Graph, report::eval_json::Energy};

/// The cost of one image in one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Name of the network.
    pub name: String,
    /// Rows and columns of the image.
    pub side: u32,
    /// Trainable elements.
    pub parameters: u64,
    /// Multiply-adds of convolutions and linear layers.
    pub macs: u64,
    /// Multiply-adds in the paper's convention ([`paper_macs`]).
    pub paper_macs: u64,
    /// Accesses of 64 bits to the weight memory ([`weight_accesses`]).
    pub weight_accesses: u64,
    /// Cycles of the paper's accelerator ([`cycles`]).
    pub cycles: u64,
}

impl Cost {
    /// The cost of a network whose weights are stored in so many bits, layer by layer; of layers that are not listed
    /// in 8.
    pub fn stored(graph: &Graph, bits: &[StoredBits]) -> Self {
        Self { weight_accesses: accesses_of(graph, bits), ..Self::of(graph) }
    }

    /// The cost of a network.
    pub fn of(graph: &Graph) -> Self {
        Self {
            name: graph.name.clone(),
            side: graph.nodes[graph.input()].chw[1],
            parameters: graph.parameter_count() as u64,
            macs: graph.macs(),
            paper_macs: paper_macs(graph),
            weight_accesses: weight_accesses(graph),
            cycles: cycles(graph),
        }
    }

    /// Energy per image of this base network with its memory at a lower voltage, and of the generator in
    /// front with its memory at the nominal voltage; relative to the base alone at the nominal voltage.
    /// `energy_per_access` is the energy of an access at the lower voltage, relative to the nominal one.
    pub fn energy(&self, generator: Option<&Self>, energy_per_access: f64) -> f64 {
        energy(self.weight_accesses, generator.map(|g| g.weight_accesses), energy_per_access)
    }

    /// Energy saved, in per cent: the paper's equation 6 over weight accesses.
    pub fn energy_saving(&self, generator: Option<&Self>, energy_per_access: f64) -> f64 {
        100.0 * (1.0 - self.energy(generator, energy_per_access))
    }

    /// Energy saved, in per cent, if energy followed multiply-adds instead of accesses (the paper's equation 7).
    /// `macs` picks the convention; the paper uses [`Cost::paper_macs`].
    pub fn mac_saving(
        &self,
        generator: Option<&Self>,
        energy_per_access: f64,
        macs: fn(&Self) -> u64,
    ) -> f64 {
        100.0 * (1.0 - energy_per_access - share(generator.map(macs), macs(self)))
    }

    /// Cycles that a generator in front adds, in per cent of this base network's. The paper's own
    /// latencies (Table 9) are bound by launching layers on a GPU and say nothing of an
    /// accelerator.
    pub fn latency_overhead(&self, generator: &Self) -> f64 {
        100.0 * share(Some(generator.cycles), self.cycles)
    }

    /// The paper's efficiency ratio (Table 3) of this generator: percentage points of accuracy that
    /// it recovers, per million of its parameters.
    pub fn efficiency_ratio(&self, recovery: f64) -> f64 {
        recovery / (self.parameters as f64 / 1e6)
    }
}

/// [`Cost::energy`] of so many accesses of the base network and of the generator.
pub(super) fn energy(base: u64, generator: Option<u64>, energy_per_access: f64) -> f64 {
    energy_per_access + share(generator, base)
}

/// A number of the generator, as a share of the same number of the base.
fn share(generator: Option<u64>, base: u64) -> f64 {
    generator.map_or(0.0, |g| g as f64 / base as f64)
}

/// Energy of a base network whose memory is at this operating point, with or without a generator in
/// front, as `eval` reports it. The base's weights are stored in so many bits, as [`Cost::stored`] takes them.
pub fn at_point(
    (base, bits): (&Graph, &[StoredBits]),
    generator: Option<&Graph>,
    point: &OperatingPoint,
) -> Energy {
    let (base, generator) = (Cost::stored(base, bits), generator.map(Cost::of));
    let alone = base.energy_saving(None, point.energy_per_access);
    Energy {
        saving_percent: base.energy_saving(generator.as_ref(), point.energy_per_access),
        base_saving_percent: generator.as_ref().map(|_| alone),
        voltage: Some(point.voltage),
        energy_per_access: Some(point.energy_per_access),
        base_accesses: Some(base.weight_accesses),
        generator_accesses: generator.map(|g| g.weight_accesses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{energy::OperatingPoints, models};

    #[test]
    fn what_eval_reports() {
        let base = models::base("resnet18", 10, None).unwrap();
        let generator = models::generator("ConvL", [3, 32, 32]).unwrap();
        let points = OperatingPoints::built_in().unwrap();
        let low = points.at(0.01).unwrap();
        let energy = at_point((&base, &[]), Some(&generator), low);
        let wanted = 100.0 * (1.0 - 0.69395 - 320_256.0 / 2_755_968.0);
        assert!((energy.saving_percent - wanted).abs() < 1e-9, "{energy:?}");
        assert_eq!((energy.voltage, energy.energy_per_access), (Some(0.83), Some(0.69395)));
        assert_eq!(energy.base_accesses, Some(2_755_968));
        assert_eq!(energy.generator_accesses, Some(320_256));

        let alone = at_point((&base, &[]), None, low);
        assert!((alone.saving_percent - 30.605).abs() < 1e-9, "{alone:?}");
        assert_eq!((alone.generator_accesses, alone.base_saving_percent), (None, None));
        assert_eq!(energy.base_saving_percent, Some(alone.saving_percent));
        // At the nominal voltage a generator costs energy and saves none.
        let nominal = at_point((&base, &[]), Some(&generator), points.at(0.0).unwrap());
        assert!((nominal.saving_percent + 100.0 * 320_256.0 / 2_755_968.0).abs() < 1e-9);
    }

    #[test]
    fn the_side_is_that_of_the_images() {
        let cost = Cost::of(&models::generator("ConvS", [3, 224, 224]).unwrap());
        assert_eq!((cost.side, cost.name.as_str(), cost.parameters), (224, "ConvS", 113_187));
        assert_eq!(cost.efficiency_ratio(113.187), 1000.0);
    }
}
