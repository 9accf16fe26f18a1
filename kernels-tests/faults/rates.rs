//! Rates of flipped bits over twenty chips agree with theory, and no bit position is favoured.
use crate::{cli::random_base, extent::skipped};
use nf_gpu::{
    fault::{FaultModel, Faults},
    files::Weights,
    models,
    nn::{count_flips, stored_layers},
};

const SEEDS: std::ops::Range<u64> = 300..320;

/// Mean of values, and its standard error estimated from their spread.
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn every_models_effective_rate_is_its_theory_and_no_bit_is_favoured() {
    let weights = random_base("resnet20", 3);
    let graph = models::base("resnet20", 10, None).unwrap();
    for bits in [8, 3] {
        let cells = (graph.faultable_weights() * u64::from(bits)) as f64;
        // Shares of stored ones, overall and per bit.
        let (mut ones, mut ones_of) = (0.0, vec![0.0; bits as usize]);
        for stored in stored_layers(&graph, &weights, bits).map(Result::unwrap) {
            for (bit, of) in ones_of.iter_mut().enumerate() {
                let count = |w: &u32| f64::from((w & (0x0101_0101 << bit)).count_ones());
                let set: f64 = stored.words.iter().map(count).sum();
                *of += set / (cells / f64::from(bits));
                ones += set / cells;
            }
        }
        let mut all: Vec<Faults> =
            FaultModel::RATED.into_iter().map(|model| Faults::new(model, 0.01).unwrap()).collect();
        all.push(Faults::asymmetric(0.016, 0.002).unwrap());
        for faults in all {
            let chips: Vec<_> = SEEDS
                .map(|seed| count_flips((&graph, &weights), bits, &faults, seed).unwrap())
                .collect();
            let total = |c: &Vec<_>| c.iter().map(|f: &nf_gpu::fault::Flips| f.total).sum::<u64>();
            let rates: Vec<f64> = chips.iter().map(|c| total(c) as f64 / cells).collect();
            let (rate, error) = mean(&rates);
            let theory = faults.flip_rate(ones);
            assert!(
                (rate - theory).abs() < 4.0 * error,
                "{faults}, {bits} bits: {rate} +- {error}, {theory}"
            );
            assert!(error < 0.1 * theory, "{faults}: twenty chips say little");
            for (bit, &ones) in ones_of.iter().enumerate() {
                let of_bit = |c: &Vec<nf_gpu::fault::Flips>| {
                    let flips: u64 = c.iter().map(|f| f.per_bit[bit]).sum();
                    flips as f64 / (cells / f64::from(bits))
                };
                let (rate, error) = mean(&chips.iter().map(of_bit).collect::<Vec<_>>());
                let theory = faults.flip_rate(ones);
                assert!(
                    (rate - theory).abs() < 4.0 * error,
                    "{faults}, bit {bit} of {bits}: {rate} +- {error}, {theory}"
                );
            }
        }
    }
}

/// Compares with flips counted by another program, for a network that is not part of this repository.
#[test]
fn flips_of_the_shared_resnet20_are_those_counted_elsewhere() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/models/resnet20-cifar10.safetensors");
    if !std::path::Path::new(path).exists() {
        skipped("the network is not part of this repository");
        return;
    }
    let weights = Weights::load(path).unwrap();
    let graph = models::base("resnet20", 10, None).unwrap();
    for (seed, ber, flips) in [(7, 0.005, 5_401), (50_000, 0.01, 11_669)] {
        let faults = Faults::new(FaultModel::Reference, ber).unwrap();
        let counted = count_flips((&graph, &weights), 8, &faults, seed).unwrap();
        assert_eq!(counted.iter().map(|f| f.total).sum::<u64>(), flips);
    }
}

/// The cells of the reference's map are not independent: its flips vary far more from chip to chip.
#[test]
fn the_references_map_varies_far_more_than_independent_cells() {
    let weights = random_base("resnet20", 3);
    let graph = models::base("resnet20", 10, None).unwrap();
    let spread = |model| {
        let faults = Faults::new(model, 0.01).unwrap();
        let flips: Vec<f64> = SEEDS
            .map(|seed| count_flips((&graph, &weights), 8, &faults, seed).unwrap())
            .map(|chip| chip.iter().map(|f| f.total).sum::<u64>() as f64)
            .collect();
        mean(&flips).1
    };
    let ratio = spread(FaultModel::Reference) / spread(FaultModel::StuckAt);
    assert!((4.0..20.0).contains(&ratio), "{ratio}");
}
