//! Which images make up each step's batch: shuffled epochs, random crops and mirrors, from a seed.

use super::augment::Changes;
use crate::nn::Pick;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// Most pixels by which a random crop moves an image; the reference code pads by as many.
const CROP: i32 = 4;
/// Largest share of its side by which a traffic sign moves, as in the reference code.
const MOVE: f64 = 0.35;
/// Range of factors by which a traffic sign is scaled, as in the reference code.
const SCALE: std::ops::Range<f64> = 0.65..1.35;

/// Batches of a training set. A step of a seed must always give the same batch, in every version, so
/// that a resumed run continues exactly.
#[derive(Clone, Debug)]
pub struct Sampler {
    len: usize,
    batch: usize,
    seed: u64,
    side: u32,
    changes: Changes,
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl Sampler {
    /// Batches of `batch` out of `len` images with `side` rows and columns, with these changes.
    pub fn new(len: usize, batch: u32, seed: u64, side: u32, changes: Changes) -> Self {
        let order = (0..len as u32).collect();
        Self { len, batch: batch as usize, seed, side, changes, epoch: None, order }
    }

    /// Whole batches per epoch. Images that do not fill a batch are left out until the next shuffle.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.len / self.batch).max(1) as u64
    }

    /// The batch of a step, counted from 0.
    pub fn batch(&mut self, step: u64) -> Vec<Pick> {
        let epoch = step / self.steps_per_epoch();
        if self.epoch != Some(epoch) {
            self.order = (0..self.len as u32).collect();
            self.order.shuffle(&mut StdRng::seed_from_u64(mix(self.seed, epoch)));
            self.epoch = Some(epoch);
        }
        let mut random = StdRng::seed_from_u64(mix(!self.seed, step));
        let first = (step % self.steps_per_epoch()) as usize * self.batch;
        let mut pick = |i: usize| {
            let mut pick = Pick { index: self.order[(first + i) % self.len], ..Pick::default() };
            // The order of these draws must not change, because a seed must always give the same
            // batch.
            if self.changes.crop {
                pick.dy = random.random_range(-CROP..=CROP);
                pick.dx = random.random_range(-CROP..=CROP);
            }
            pick.flip = self.changes.mirror && random.random();
            if self.changes.scale {
                let most = MOVE * f64::from(self.side);
                let mut by = || (most * (2.0 * random.random::<f64>() - 1.0)).round() as i32;
                (pick.right, pick.down) = (by(), by());
                pick.scale = SCALE.start + (SCALE.end - SCALE.start) * random.random::<f64>();
            }
            pick
        };
        (0..self.batch).map(&mut pick).collect()
    }
}

/// Mixes two numbers into one seed (the finaliser of splitmix64).
fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::augment::Augment;
    use std::collections::BTreeSet;

    #[test]
    fn an_epoch_meets_every_image_once_and_steps_replay() {
        let mut sampler = Sampler::new(40, 8, 7, 32, Augment::Reference.of("cifar10"));
        let steps: Vec<Vec<Pick>> = (0..10).map(|s| sampler.batch(s)).collect();
        for epoch in steps.chunks(5) {
            let seen: BTreeSet<u32> = epoch.iter().flatten().map(|p| p.index).collect();
            assert_eq!(seen.len(), 40);
        }
        assert_ne!(steps[0], steps[5], "two epochs alike");
        let mut resumed = Sampler::new(40, 8, 7, 32, Augment::Reference.of("cifar10"));
        assert_eq!(resumed.batch(7), steps[7]);
        assert!(steps.iter().flatten().any(|p| p.flip) && steps.iter().flatten().any(|p| !p.flip));
        let plain = Sampler::new(40, 8, 7, 32, Augment::None.of("gtsrb")).batch(0);
        assert!(plain.iter().all(|p| *p == Pick { index: p.index, ..Pick::default() }));
    }

    #[test]
    fn traffic_signs_are_scaled_and_mirrored_only_as_the_reference_code_does() {
        for (augment, mirrored) in [(Augment::Safe, false), (Augment::Reference, true)] {
            let mut sampler = Sampler::new(400, 400, 7, 32, augment.of("gtsrb"));
            let batch = sampler.batch(0);
            assert_eq!(batch.iter().any(|p| p.flip), mirrored);
            let most = batch.iter().map(|p| p.right.abs().max(p.down.abs())).max();
            assert_eq!(most, Some(11));
            let scales: Vec<f64> = batch.iter().map(|p| p.scale).collect();
            let [least, most] = [f64::min, f64::max].map(|f| scales.iter().copied().reduce(f));
            assert!(
                (0.65..0.67).contains(&least.unwrap()) && (1.33..1.35).contains(&most.unwrap())
            );
        }
        let mut photos = Sampler::new(40, 40, 7, 32, Augment::Safe.of("cifar10"));
        assert!(photos.batch(0).iter().all(|p| p.scale == 1.0 && p.right == 0));
        assert!(photos.batch(0).iter().any(|p| p.flip));
    }
}
