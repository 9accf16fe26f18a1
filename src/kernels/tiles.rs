//! Which tile of 8 x 8 results a lane a hardware adapter should use before anything is measured, in convolutions, their
//! weight gradients and products of matrices.

/// A tile that one workgroup computes, and what a compiler made of its shader.
pub(super) struct Tile {
    /// Output channels, or columns.
    pub(super) width: u32,
    /// Pixels, rows, or row groups of a weight gradient.
    pub(super) height: u32,
    /// Per cent of the vector unit's slots in the inner loop that multiply and add, on RDNA2
    /// (`docs/benchmarks/isa.md`).
    pub(super) share: u32,
}

/// Workgroups that fill a large GPU: about four for each of its 96 to 132 cores.
const ENOUGH: u64 = 512;

/// Variants to try first.
pub(super) type Preferred = &'static [&'static str];

/// How often `width` x `height` results should be computed, each from a part of the summands, to fill a large GPU.
pub(super) fn parts_that_fill(tiles: &[(Tile, Preferred)], width: u32, height: u32) -> u32 {
    let many = ENOUGH as u32;
    let groups = best(tiles, width, height, many).map_or(1, |(tile, _)| tile.groups(width, height));
    ENOUGH.div_ceil(groups.max(1)) as u32
}

/// The variants of the tile with the least time for `width` x `height` results, `repeats` times. A tile takes as long for results
/// that do not exist as for others, and with too few workgroups a part of the GPU idles. The first of equals wins.
pub(super) fn fastest(
    tiles: &[(Tile, Preferred)],
    width: u32,
    height: u32,
    repeats: u32,
) -> Preferred {
    best(tiles, width, height, repeats).map_or(&[], |best| best.1)
}

fn best(
    tiles: &[(Tile, Preferred)],
    width: u32,
    height: u32,
    repeats: u32,
) -> Option<&(Tile, Preferred)> {
    let time = |tile: &Tile| {
        let groups = (tile.groups(width, height) * u64::from(repeats)).max(ENOUGH);
        groups as f64 * f64::from(tile.width) * f64::from(tile.height) / f64::from(tile.share)
    };
    tiles.iter().min_by(|a, b| time(&a.0).total_cmp(&time(&b.0)))
}

impl Tile {
    /// Workgroups that compute `width` x `height` results.
    fn groups(&self, width: u32, height: u32) -> u64 {
        u64::from(width.div_ceil(self.width)) * u64::from(height.div_ceil(self.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tile_is_wider_than_it_must_be_and_small_work_is_spread() {
        let tile = |width, height, share| Tile { width, height, share };
        let tiles: [(Tile, Preferred); 4] = [
            (tile(128, 128, 96), &["128"]),
            (tile(64, 128, 95), &["64"]),
            (tile(32, 256, 91), &["32"]),
            (tile(16, 256, 86), &["16"]),
        ];
        let width = |k, pixels| fastest(&tiles, k, pixels, 1)[0];
        let many = 1 << 20;
        assert_eq!([128, 256, 64].map(|k| width(k, many)), ["128", "128", "64"]);
        assert_eq!([32, 16, 10].map(|k| width(k, many)), ["32", "16", "16"]);
        assert_eq!([96, 192, 40].map(|k| width(k, many)), ["32", "64", "16"]);
        // 512 channels of 32 images of 4 x 4 are 16 workgroups of 128 x 128, and 64 of 256 x 16.
        assert_eq!(width(512, 512), "16");
    }
}
