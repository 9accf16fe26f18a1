//! Comparison element by element, never of a mean: a kernel with one wrong element is wrong.

use crate::kernels::twin::Axes;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

/// A NaN that no kernel computes, which tells elements that were not written from computed NaN.
pub const POISON: u32 = 0x7FC0_DEAD;

/// Expected contents of a buffer.
#[derive(Clone, Debug)]
pub struct Want {
    values: Values,
    axes: Option<Axes>,
}

#[derive(Clone, Debug)]
enum Values {
    /// f32 values, each within its own absolute bound. A bound of 0 requires the exact value, and so does
    /// one that is not finite. An infinity must be that infinity, and any NaN but [`POISON`] counts as
    /// NaN.
    Floats {
        /// Exact results of the twin.
        values: Vec<f64>,
        /// Largest admissible distance of each.
        bounds: Vec<f64>,
    },
    /// 32-bit words, which must be equal.
    Words(Vec<u32>),
}

impl Want {
    /// f32 values without padding; `bound` gives each value's absolute bound.
    pub fn flat(values: &[f64], bound: impl Fn(f64) -> f64) -> Self {
        let bounds = values.iter().map(|&v| bound(v)).collect();
        Self::bounded(values.to_vec(), bounds)
    }

    /// 32-bit words, which must be equal.
    pub fn words(words: Vec<u32>) -> Self {
        Self { values: Values::Words(words), axes: None }
    }

    /// f32 values without padding and their bounds.
    pub fn bounded(values: Vec<f64>, bounds: Vec<f64>) -> Self {
        Self { values: Values::Floats { values, bounds }, axes: None }
    }

    /// The same contents with named axes.
    #[must_use]
    pub fn of(self, axes: impl Into<Axes>) -> Self {
        Self { axes: Some(axes.into()), ..self }
    }

    /// f32 values that must come out exactly (sums of small integers, copies).
    pub fn exact(values: &[f64]) -> Self {
        Self::flat(values, |_| 0.0)
    }

    /// Values whose fastest axis is padded; the padding lanes must be exactly 0.
    pub fn channels(values: &[f64], axes: impl Into<Axes>, bound: impl Fn(f64) -> f64) -> Self {
        let bounds: Vec<f64> = values.iter().map(|&v| bound(v)).collect();
        Self::channels_bounded(values, &bounds, axes)
    }

    /// Values whose fastest axis is padded, with a bound each; the padding lanes must be exactly 0.
    pub fn channels_bounded(values: &[f64], bounds: &[f64], axes: impl Into<Axes>) -> Self {
        let axes = axes.into();
        let c = axes.last();
        Self::bounded(pad(values, c), pad(bounds, c)).of(axes)
    }

    /// The same floats in another order, without named axes.
    #[must_use]
    pub fn reordered(mut self, order: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        if let Values::Floats { values, bounds } = &mut self.values {
            (*values, *bounds) = (order(values), order(bounds));
        }
        Self { axes: None, ..self }
    }

    /// The expected floats, for changes; empty where words are expected.
    pub fn floats_mut(&mut self) -> &mut [f64] {
        match &mut self.values {
            Values::Floats { values, .. } => values,
            Values::Words(_) => &mut [],
        }
    }

    /// Words of 32 bits in the buffer.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Floats { values, .. } => values.len(),
            Values::Words(words) => words.len(),
        }
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the axes, if any, fit the length of the buffer.
    pub fn fits_its_axes(&self) -> bool {
        self.axes.as_ref().is_none_or(|axes| axes.fit(self.len()))
    }

    /// Compares a buffer's words with the expected contents.
    ///
    /// # Errors
    /// The first wrong element, and the number of wrong ones.
    pub fn compare(&self, got: &[u32]) -> Result<(), WrongElements> {
        if got.len() != self.len() {
            let (got, want) = (format!("{} words", got.len()), format!("{} words", self.len()));
            let (at, place) = (0, None);
            return Err(WrongElements { at, place, wrong: 1, of: self.len(), got, want });
        }
        let wrong: Vec<usize> = (0..got.len()).filter(|&i| !self.admits(i, got[i])).collect();
        let Some(&at) = wrong.first() else {
            return Ok(());
        };
        let (got, want) = match &self.values {
            Values::Floats { values, bounds } => (
                format!("{:e}", f32::from_bits(got[at])),
                format!("{:e} +- {:.1e}", values[at], bounds[at]),
            ),
            Values::Words(words) => (format!("{:#010x}", got[at]), format!("{:#010x}", words[at])),
        };
        let place = self.axes.as_ref().map(|axes| axes.name(at, self.len()));
        Err(WrongElements { at, place, wrong: wrong.len(), of: self.len(), got, want })
    }

    /// Length, and values with bounds or words, for a web page that compares them. `text` encodes the
    /// numbers' little-endian bytes.
    pub(crate) fn for_web(&self, text: impl Fn(&[u8]) -> String) -> Value {
        let of = |numbers: &[f64]| {
            text(&numbers.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
        };
        let bytes = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        match &self.values {
            Values::Words(words) => json!({ "length": words.len(), "words": text(&bytes(words)) }),
            Values::Floats { values, bounds } => {
                json!({ "length": values.len(), "values": of(values), "bounds": of(bounds) })
            }
        }
    }

    /// Whether word `i` may be `got`. NaN satisfies no bound; where NaN is expected, only NaN is right.
    fn admits(&self, i: usize, got: u32) -> bool {
        match &self.values {
            Values::Words(words) => words[i] == got,
            Values::Floats { values, bounds } => {
                let (value, bound) = (f64::from(f32::from_bits(got)), bounds[i]);
                if values[i].is_nan() {
                    return value.is_nan() && got != POISON;
                }
                let near = bound.is_finite() && (value - values[i]).abs() <= bound;
                value == values[i] || near
            }
        }
    }
}

fn pad(values: &[f64], c: u32) -> Vec<f64> {
    let padded = c.next_multiple_of(4) as usize;
    let mut out = Vec::new();
    for pixel in values.chunks(c as usize) {
        out.extend_from_slice(pixel);
        out.resize(out.len().next_multiple_of(padded), 0.0);
    }
    out
}

/// The first wrong element of a buffer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrongElements {
    /// Index of the element in 32-bit words.
    pub at: usize,
    /// Coordinate of the element, where the buffer's axes are known: `n=0 h=3 w=2 c=5`.
    pub place: Option<String>,
    /// Number of wrong elements in the buffer.
    pub wrong: usize,
    /// Number of elements in the buffer.
    pub of: usize,
    /// The value in the buffer.
    pub got: String,
    /// The expected value.
    pub want: String,
}

impl fmt::Display for WrongElements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, place, wrong, of, got, want } = self;
        let place = place.as_ref().map_or(String::new(), |place| format!(" {place}"));
        write!(f, "{wrong} of {of} wrong; first at [{at}]{place}: got {got}, want {want}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparator_can_fail() {
        let values = [1.0, -2.0, 0.0, 4.0];
        let want = Want::flat(&values, |_| 1e-6);
        let bits = |v: [f32; 4]| v.map(f32::to_bits);
        assert!(want.compare(&bits([1.0, -2.0, 0.0, 4.0])).is_ok());
        for (at, bad) in [(0, f32::NAN), (1, 2.0), (2, 1e-3), (3, f32::INFINITY)] {
            let mut got = [1.0, -2.0, 0.0, 4.0];
            got[at] = bad;
            let e = want.compare(&bits(got)).unwrap_err();
            assert_eq!((e.at, e.wrong), (at, 1));
        }
        assert!(Want::flat(&[f64::INFINITY], |_| f64::INFINITY).compare(&[0]).is_err());
        assert!(Want::exact(&[1.0]).compare(&[1.0f32.to_bits() + 1]).is_err());
        assert!(Want::words(vec![1, 2]).compare(&[1]).is_err());
    }

    #[test]
    fn infinities_are_themselves_and_nan_is_nan_unless_nobody_wrote_it() {
        let want =
            Want::flat(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0], |_| f64::INFINITY);
        let bits = |v: [f32; 4]| v.map(f32::to_bits);
        let [nan, inf] = [f32::NAN, f32::INFINITY];
        assert!(want.compare(&bits([nan, inf, -inf, 0.0])).is_ok());
        assert!(want.compare(&bits([-nan, inf, -inf, -0.0])).is_ok());
        for (at, bad) in
            [(0, inf), (0, 1.0), (1, -inf), (1, f32::MAX), (2, nan), (3, 1.0), (3, nan)]
        {
            let mut got = [nan, inf, -inf, 0.0];
            got[at] = bad;
            assert_eq!(want.compare(&bits(got)).unwrap_err().at, at, "{bad}");
        }
        let unwritten = [POISON, inf.to_bits(), (-inf).to_bits(), 0];
        assert_eq!(want.compare(&unwritten).unwrap_err().at, 0);
    }

    #[test]
    fn padding_lanes_must_be_zero_and_values_near_zero_keep_their_bound() {
        let want = Want::channels(&[0.0, 1.0, 2.0], 3u32, |_| 1e-3);
        assert!(want.fits_its_axes() && !want.clone().of(5).fits_its_axes());
        let bits = |v: [f32; 4]| v.map(f32::to_bits);
        assert!(want.compare(&bits([5e-4, 1.0, 2.0, 0.0])).is_ok());
        let wrong = want.compare(&bits([0.0, 1.0, 2.0, 1e-9])).unwrap_err();
        assert_eq!((wrong.at, wrong.place.as_deref()), (3, Some("c=3 (padding)")));
        assert_eq!(
            wrong.to_string(),
            "1 of 4 wrong; first at [3] c=3 (padding): got 1e-9, want 0e0 +- 0.0e0"
        );
    }
}
