//! Names for the axes of a buffer, so that a wrong element can be reported with its coordinate.

use crate::shape::{Nhwc, Rsck};
use std::fmt::Write;

/// One axis of an array in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    name: &'static str,
    /// Elements without padding.
    extent: u32,
    /// Elements in memory, with padding.
    padded: u32,
}

/// The axes of a buffer, the slowest first. A buffer may hold several arrays with these axes one
/// after another; `outer` names the axis that counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    outer: &'static str,
    inner: Vec<Axis>,
}

impl Axes {
    /// Axes without padding; `outer` counts arrays of this shape.
    pub fn new(outer: &'static str, inner: &[(&'static str, u32)]) -> Self {
        let axis = |&(name, extent): &(&'static str, u32)| Axis { name, extent, padded: extent };
        Self { outer, inner: inner.iter().map(axis).collect() }
    }

    /// The same axes with another name of the outer one.
    #[must_use]
    pub fn per(self, outer: &'static str) -> Self {
        Self { outer, ..self }
    }

    /// Extent of the fastest axis without its padding.
    pub(crate) fn last(&self) -> u32 {
        self.inner.last().map_or(1, |axis| axis.extent)
    }

    /// Elements of one array in memory.
    fn len(&self) -> usize {
        self.inner.iter().map(|axis| axis.padded as usize).product()
    }

    /// Whether a buffer of `len` elements holds a whole number of arrays with these axes.
    pub(crate) fn fit(&self, len: usize) -> bool {
        self.len() > 0 && len.is_multiple_of(self.len())
    }

    /// The coordinate of element `at` of a buffer of `len`: `n=0 h=3 w=2 c=5`, `c=6 (padding)`.
    pub fn name(&self, at: usize, len: usize) -> String {
        let mut text = String::new();
        if len > self.len() {
            // Writing to a string does not fail.
            let _ = write!(text, "{}={} ", self.outer, at / self.len());
        }
        let mut rest = at % self.len();
        let mut size = self.len();
        for axis in &self.inner {
            size /= axis.padded as usize;
            let i = rest / size;
            rest %= size;
            let padding = if i < axis.extent as usize { "" } else { " (padding)" };
            let _ = write!(text, "{}={i}{padding} ", axis.name);
        }
        text.trim_end().to_owned()
    }
}

fn padded(name: &'static str, extent: u32) -> Axis {
    Axis { name, extent, padded: extent.next_multiple_of(4) }
}

/// Images `[N, H, W, C]`, of every copy.
impl From<Nhwc> for Axes {
    fn from(Nhwc { n, h, w, c }: Nhwc) -> Self {
        let axes = Self::new("copy", &[("n", n), ("h", h), ("w", w)]);
        Self { inner: [axes.inner, vec![padded("c", c)]].concat(), ..axes }
    }
}

/// Weights `[R, S, C, K]`, of every copy.
impl From<Rsck> for Axes {
    fn from(Rsck { r, s, c, k }: Rsck) -> Self {
        let axes = Self::new("copy", &[("r", r), ("s", s)]);
        Self { inner: [axes.inner, vec![padded("c", c), padded("k", k)]].concat(), ..axes }
    }
}

/// Rows of `c` channels.
impl From<u32> for Axes {
    fn from(c: u32) -> Self {
        Self { outer: "row", inner: vec![padded("c", c)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_coordinates() {
        let images = Axes::from(Nhwc::new(2, 3, 5, 6));
        let len = 2 * 3 * 5 * 8;
        assert_eq!(images.name(0, len), "n=0 h=0 w=0 c=0");
        assert_eq!(images.name(((3 + 2) * 5 + 4) * 8 + 5, len), "n=1 h=2 w=4 c=5");
        assert_eq!(images.name(6, len), "n=0 h=0 w=0 c=6 (padding)");
        assert_eq!(images.name(len + 8, 3 * len), "copy=1 n=0 h=0 w=1 c=0");
        let weights = Axes::from(Rsck::new(2, 3, 3, 5)).per("chunk");
        assert_eq!(weights.name(((3 + 1) * 4 + 3) * 8 + 4, 6 * 32), "r=1 s=1 c=3 (padding) k=4");
        assert_eq!(weights.name(6 * 32, 12 * 32), "chunk=1 r=0 s=0 c=0 k=0");
        assert_eq!(Axes::from(3).name(5, 8), "row=1 c=1");
        assert_eq!(Axes::new("row", &[("h", 2), ("w", 3)]).name(5, 6), "h=1 w=2");
        assert!(images.fit(2 * len) && !images.fit(len + 1) && !Axes::new("", &[("h", 0)]).fit(4));
    }
}
