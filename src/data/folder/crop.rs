//! Random crops as torchvision's `RandomResizedCrop` chooses them.

use crate::data::resize::CropArea;

/// Share of the image's area that a crop has.
const SCALE: (f64, f64) = (0.08, 1.0);
/// Width to height of a crop.
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
const TRIES: u32 = 10;

/// A random area of an image of `height x width`: up to ten tries at an area and a ratio that fit
/// (area uniform, ratio uniform in its logarithm), then the largest centred area whose ratio is
/// allowed. The same seed gives the same area.
pub(super) fn random_area(height: u32, width: u32, seed: u64) -> CropArea {
    let mut random = SplitMix64(seed);
    let (h, w) = (f64::from(height), f64::from(width));
    for _ in 0..TRIES {
        let area = h * w * random.between(SCALE.0, SCALE.1);
        let ratio = random.between(RATIO.0.ln(), RATIO.1.ln()).exp();
        let columns = (area * ratio).sqrt().round_ties_even() as u32;
        let rows = (area / ratio).sqrt().round_ties_even() as u32;
        if (1..=width).contains(&columns) && (1..=height).contains(&rows) {
            let top = random.below(height - rows + 1);
            let left = random.below(width - columns + 1);
            return CropArea { top, left, height: rows, width: columns };
        }
    }
    let (rows, columns) = if w / h < RATIO.0 {
        ((w / RATIO.0).round_ties_even() as u32, width)
    } else if w / h > RATIO.1 {
        (height, (h * RATIO.1).round_ties_even() as u32)
    } else {
        (height, width)
    };
    // Rounding may go one too far, or to nothing.
    let (rows, columns) = (rows.clamp(1, height), columns.clamp(1, width));
    let (top, left) = ((height - rows) / 2, (width - columns) / 2);
    CropArea { top, left, height: rows, width: columns }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): enough for crops, and the same in every version.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        // 53 bits: every value is exact.
        low + (high - low) * ((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// 0 to `n - 1`; the bias of at most n / 2^64 shows in no image.
    fn below(&mut self, n: u32) -> u32 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for seed 1234567, as Vigna's C code prints them.
        let mut random = SplitMix64(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn areas_are_inside_and_distributed_as_torchvisions() {
        let (h, w) = (300, 400);
        let areas: Vec<_> = (0..20_000).map(|seed| random_area(h, w, seed)).collect();
        assert_eq!(areas[77], random_area(h, w, 77));
        let mean =
            |f: &dyn Fn(&CropArea) -> f64| areas.iter().map(f).sum::<f64>() / areas.len() as f64;
        for a in &areas {
            assert!(a.top + a.height <= h && a.left + a.width <= w, "{a:?}");
            let (share, ratio) = (
                f64::from(a.height * a.width) / 120_000.0,
                f64::from(a.width) / f64::from(a.height),
            );
            assert!((0.079..=1.0).contains(&share) && (0.73..=1.36).contains(&ratio), "{a:?}");
        }
        // Means of 400,000 draws of the same rule written in Python with its `random`; the bounds
        // are five standard errors of ours.
        for (what, found, want, bound) in [
            ("height", mean(&|a| a.height.into()), 216.14, 2.0),
            ("width", mean(&|a| a.width.into()), 225.45, 2.4),
            ("top", mean(&|a| a.top.into()), 41.84, 1.4),
            ("left", mean(&|a| a.left.into()), 87.21, 2.3),
        ] {
            assert!((found - want).abs() < bound, "{what}: {found}, not {want}");
        }
    }

    #[test]
    fn what_never_fits_is_the_centre() {
        // A ratio of 4 to 3 at most; three quarters of one row round to one row.
        let area = |top, left, height, width| CropArea { top, left, height, width };
        assert_eq!(random_area(1000, 2, 5), area(498, 0, 3, 2));
        assert_eq!(random_area(3, 1001, 5), area(0, 498, 3, 4));
        assert_eq!(random_area(1, 1, 9), area(0, 0, 1, 1));
    }
}
