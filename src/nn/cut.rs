//! How a step is cut so that it fits an adapter: a batch into parts, copies of a network into groups.

use super::graph::Graph;
use crate::{error::Result, run::Gpu};
use serde::{Deserialize, Serialize};

/// A batch in parts and copies in groups. The result is that of the whole: gradients add up, and batch
/// norm in training sees all parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Images of each part.
    pub parts: Vec<u32>,
    /// Copies of the frozen network that run together.
    pub copies: u32,
    /// Number of groups. Each has `copies` copies; the last may have fewer.
    pub groups: u32,
}

/// What a user wants to run together at most; without a number as much as fits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Together {
    /// Images of a part.
    pub images: Option<u32>,
    /// Copies of a group.
    pub copies: Option<u32>,
}

impl Cut {
    /// Cuts `n` images into parts of at most `most`, as evenly as possible, and `copies` into groups of at most
    /// `together`.
    #[must_use]
    pub fn new(n: u32, most: u32, copies: u32, together: u32) -> Self {
        let count = n.div_ceil(most.max(1));
        let even = n.div_ceil(count.max(1)).max(1);
        let parts = (0..n).step_by(even as usize).map(|first| even.min(n - first)).collect();
        let groups = copies.div_ceil(together.max(1));
        Self { parts, copies: copies.div_ceil(groups.max(1)), groups }
    }

    /// The cut that lets every tensor of `nets` (with the copies that each has) fit one binding, as far
    /// as can be said before anything is built.
    #[must_use]
    pub fn that_fits(
        gpu: &Gpu,
        n: u32,
        copies: u32,
        nets: &[(&Graph, u32)],
        wanted: Together,
    ) -> Self {
        let mut together = wanted.copies.unwrap_or(copies).clamp(1, copies.max(1));
        let most = |together: u32| {
            let capped: Vec<_> =
                nets.iter().map(|&(g, copies)| (g, copies.min(together))).collect();
            most_images(gpu, &capped, u64::MAX)
        };
        while together > 1 && most(together) == 0 {
            together = together.div_ceil(2);
        }
        let fits = most(together).clamp(1, n.max(1));
        let parts = wanted.images.map_or(fits, |asked| fits.min(asked));
        Self::new(n, parts, copies, together)
    }

    /// The next smaller cut: half as many copies together, because their weights and values take most of the memory;
    /// with one copy, half as many images in a part.
    fn smaller(&self, copies: u32) -> Option<Self> {
        let (n, most) = (self.parts.iter().sum(), self.parts.iter().copied().max()?);
        match (self.copies, most) {
            (2.., _) => Some(Self::new(n, most, copies, self.copies / 2)),
            (_, 2..) => Some(Self::new(n, most / 2, copies, 1)),
            _ => None,
        }
    }

    /// Describes the cut in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let images = match &self.parts[..] {
            [all] => format!("{all} images at once"),
            parts => format!("{} parts of {} images", parts.len(), parts[0]),
        };
        match self.groups {
            1 => images,
            groups => format!("{images}, {groups} groups of {} copies", self.copies),
        }
    }
}

/// Largest number of images whose values fit one binding, and `largest` bytes, in every network (each with its number
/// of copies).
#[must_use]
pub fn most_images(gpu: &Gpu, nets: &[(&Graph, u32)], largest: u64) -> u32 {
    let limits = gpu.limits();
    let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(largest);
    let image = nets.iter().map(|&(graph, copies)| graph.largest() * u64::from(copies)).max();
    u32::try_from(limit / image.unwrap_or(1).max(1)).unwrap_or(u32::MAX)
}

/// Builds a step of frozen copies for a batch of `n` images, cut so that every tensor of `nets` (with the copies that
/// each has) fits one binding, and further as long as the adapter runs out of memory. A part
/// has as many images, and a group as many copies, as `wanted` says, at most.
///
/// # Errors
/// The errors of `build`, among them a size that does not fit even for one image and one copy.
pub fn fit<T>(
    gpu: &Gpu,
    n: u32,
    copies: u32,
    nets: &[(&Graph, u32)],
    wanted: Together,
    mut build: impl FnMut(&Cut) -> Result<T>,
) -> Result<T> {
    let mut cut = Cut::that_fits(gpu, n, copies, nets, wanted);
    loop {
        let error = match build(&cut) {
            Ok(built) => return Ok(built),
            Err(error) => error,
        };
        let next = cut.smaller(copies).filter(|_| error.is_size());
        match next {
            Some(next) => cut = next,
            None => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_even_and_whole() {
        let cut = |n, most, copies, together| Cut::new(n, most, copies, together);
        assert_eq!(cut(256, 256, 11, 11), Cut { parts: vec![256], copies: 11, groups: 1 });
        assert_eq!(cut(256, 46, 11, 5).parts, [43, 43, 43, 43, 43, 41]);
        assert_eq!((cut(8, 8, 11, 5).copies, cut(8, 8, 11, 5).groups), (4, 3));
        assert_eq!(cut(7, 2, 1, 1).parts, [2, 2, 2, 1]);
        for n in 1..40 {
            for most in 1..9 {
                let parts = cut(n, most, 3, 2).parts;
                assert!(
                    parts.iter().sum::<u32>() == n && parts.iter().all(|&p| p <= most && p > 0)
                );
            }
        }
    }

    #[test]
    fn getting_smaller_ends_with_one_image_and_one_copy() {
        let mut cut = Cut::new(100, 100, 11, 11);
        let mut steps = 0;
        while let Some(next) = cut.smaller(11) {
            let size = |c: &Cut| u64::from(c.parts[0]) * u64::from(c.copies);
            assert!(next.groups * next.copies >= 11 && next.parts.iter().sum::<u32>() == 100);
            assert!(size(&next) != size(&cut), "{next:?}");
            cut = next;
            steps += 1;
            assert!(steps < 100, "it does not end");
        }
        assert_eq!((cut.parts[0], cut.copies), (1, 1));
    }
}
