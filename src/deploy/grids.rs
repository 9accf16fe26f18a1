//! The grids on which activations lie in an int8 network, and its stored integers.

use super::network::{DeviceConv, DeviceNetwork};

/// Signed 8-bit numbers: `x = scale (q - zero)`, q from -128 to 127.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationGrid {
    /// Real value of one step, positive.
    pub scale: f32,
    /// The number that stands for 0.
    pub zero: i8,
}

impl ActivationGrid {
    /// The grid that spans a range, and 0: onnxruntime's rule for asymmetric activations.
    #[must_use]
    pub fn spanning(low: f32, high: f32) -> Self {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let scale = ((high - low) / 255.0) as f32;
        // Nothing but zeros, or next to it: any grid with a 0 will do.
        if scale < f32::MIN_POSITIVE {
            return Self { scale: 1.0, zero: 0 };
        }
        let zero = (-128.0 - low / f64::from(scale)).round_ties_even().clamp(-128.0, 127.0);
        Self { scale, zero: zero as i8 }
    }

    /// The grid of images: as many steps above 0 as below.
    ///
    /// A byte's value `2 (b / 255) - 1` would lie in the middle between two steps of the grid from -1 to 1, for every b, and
    /// each runtime would round it its own way.
    #[must_use]
    pub fn of_images(low: f32, high: f32) -> Self {
        let scale = low.abs().max(high.abs()) / 127.0;
        if scale < f32::MIN_POSITIVE {
            Self { scale: 1.0, zero: 0 }
        } else {
            Self { scale, zero: 0 }
        }
    }

    /// The number that stands for a value: rounded half to even, and clipped to what the grid spans.
    #[must_use]
    pub fn step(self, value: f64) -> i8 {
        let steps = (value / f64::from(self.scale)).round_ties_even() + f64::from(self.zero);
        steps.clamp(-128.0, 127.0) as i8
    }

    /// The value on the grid that stands for a value.
    #[must_use]
    pub fn nearest(self, value: f64) -> f64 {
        f64::from(self.scale) * (f64::from(self.step(value)) - f64::from(self.zero))
    }
}

/// A generator with the grids of its activations.
#[derive(Clone, Debug)]
pub struct Quantised<'a> {
    /// The generator.
    pub network: &'a DeviceNetwork,
    /// The grid of each value; `None` where a value stays as it is.
    pub grids: Vec<Option<ActivationGrid>>,
    /// Number of images that the ranges are of.
    pub images: usize,
    /// What is stored for the convolution that makes a value.
    pub(crate) stored: Vec<Option<StoredConv>>,
}

/// The integers of a convolution.
#[derive(Clone, Debug)]
pub(crate) struct StoredConv {
    /// The generator's words; those of a channel with a negative factor are negated, so that all scales are positive.
    pub(crate) words: Vec<i8>,
    /// Per output channel; the batch norm is in it.
    pub(crate) scales: Vec<f32>,
    pub(crate) shifts: Shifts,
}

/// How the shifts of channels are stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shifts {
    /// In steps of these scales: the input's times the words' of the channel.
    Int32(Vec<i32>, Vec<f32>),
    /// As they are, where the steps of a channel would not fit 32 bits.
    Float(Vec<f32>),
}

/// The largest number of steps of a shift: half of what 32 bits hold is left for the sum that it is added to.
const MOST_STEPS: f64 = (1u32 << 30) as f64;

impl StoredConv {
    pub(super) fn of(conv: &DeviceConv, input: ActivationGrid) -> Self {
        let taps = conv.window.kernel.iter().product::<u32>() as usize;
        let k = conv.factor.len();
        let mut words = conv.words.clone();
        for (at, word) in words.iter_mut().enumerate() {
            let channel = if conv.transposed { at / taps % k } else { at * k / conv.words.len() };
            *word *= sign(conv.factor[channel]);
        }
        // Words of 0 need a scale that is one.
        let scale = |factor: &f64| if sign(*factor) == 0 { 1.0 } else { factor.abs() as f32 };
        let scales: Vec<f32> = conv.factor.iter().map(scale).collect();
        let steps: Vec<f32> = scales.iter().map(|scale| input.scale * scale).collect();
        let counts = conv.shift.iter().zip(&steps);
        let counts: Vec<f64> =
            counts.map(|(shift, step)| (shift / f64::from(*step)).round_ties_even()).collect();
        let shifts = if counts.iter().all(|count| count.abs() < MOST_STEPS) {
            Shifts::Int32(counts.into_iter().map(|count| count as i32).collect(), steps)
        } else {
            Shifts::Float(conv.shift.iter().map(|&shift| shift as f32).collect())
        };
        Self { words, scales, shifts }
    }

    /// The shift of a channel, as it is stored.
    pub(super) fn shift(&self, channel: usize) -> f64 {
        match &self.shifts {
            Shifts::Int32(counts, steps) => f64::from(counts[channel]) * f64::from(steps[channel]),
            Shifts::Float(shifts) => shifts[channel].into(),
        }
    }
}

/// The sign of a factor; 0 for one that float32 does not hold with all its digits.
fn sign(factor: f64) -> i8 {
    if (factor.abs() as f32) < f32::MIN_POSITIVE { 0 } else { factor.signum() as i8 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Window;

    #[test]
    fn a_grid_spans_its_range_and_has_a_zero() {
        for (low, high, zero) in [
            (0.0, 6.0, -128),
            (-1.0, 2.0, -43),
            (-3.0, 0.0, 127),
            (2.0, 5.1, -128),
            (-0.5, 1.5, -64),
        ] {
            let grid = ActivationGrid::spanning(low, high);
            assert_eq!(grid.zero, zero, "{low} to {high}");
            let span = f64::from(high.max(0.0)) - f64::from(low.min(0.0));
            assert!((f64::from(grid.scale) * 255.0 - span).abs() < 1e-6);
            assert_eq!(grid.nearest(0.0), 0.0);
            // The ends are half a step away at most, and what lies beyond is clipped to them.
            for end in [low, high] {
                let off = (grid.nearest(end.into()) - f64::from(end)).abs();
                assert!(off <= 0.5001 * f64::from(grid.scale), "{end}: {off}");
                assert_eq!(grid.nearest(f64::from(end) * 3.0), grid.nearest(f64::from(end) * 9.0));
            }
        }
        // No byte is next to a tie.
        let grid = ActivationGrid::of_images(-1.0, 1.0);
        for byte in 0..=255u8 {
            let steps = (2.0 * (f64::from(byte) / 255.0) - 1.0) / f64::from(grid.scale);
            assert!((steps - steps.floor() - 0.5).abs() > 1e-3, "{byte}: {steps}");
        }
        assert_eq!((grid.step(-1.0), grid.step(1.0)), (-127, 127));
        assert_eq!(ActivationGrid::of_images(0.0, 0.0).scale, 1.0);
        assert_eq!(ActivationGrid::spanning(0.0, 0.0), ActivationGrid { scale: 1.0, zero: 0 });
        // Half to even, as QuantizeLinear says.
        let grid = ActivationGrid { scale: 0.5, zero: 3 };
        assert_eq!([0.25, 0.75, -0.25, -0.75].map(|v| grid.step(v)), [3, 5, 3, 1]);
    }

    fn conv(transposed: bool, shift: f64) -> DeviceConv {
        DeviceConv {
            words: vec![1, -2, 3, -4, 5, -6, 7, -127],
            scale: 0.5,
            folded: true,
            factor: vec![0.25, -0.5],
            shift: vec![shift, 1.0],
            window: Window::even([1, 2], 1, 0),
            transposed,
            relu: false,
        }
    }

    #[test]
    fn scales_are_positive_and_products_are_the_same() {
        let input = ActivationGrid { scale: 0.125, zero: 0 };
        // [K, C, R, S] and [C, K, R, S] of two channels each and a kernel of 1x2.
        for (transposed, words) in
            [(false, [1, -2, 3, -4, -5, 6, -7, 127]), (true, [1, -2, -3, 4, 5, -6, -7, 127])]
        {
            let stored = StoredConv::of(&conv(transposed, 0.7), input);
            assert_eq!((&stored.words[..], &stored.scales[..]), (&words[..], &[0.25, 0.5][..]));
            // 0.7 in steps of 1/32, and 1 in steps of 1/16.
            assert_eq!(stored.shifts, Shifts::Int32(vec![22, 16], vec![0.03125, 0.0625]));
            assert_eq!([0, 1].map(|channel| stored.shift(channel)), [0.6875, 1.0]);
        }
        let stored = StoredConv::of(&conv(false, 1e9), input);
        assert_eq!(stored.shifts, Shifts::Float(vec![1e9, 1.0]));
        let lost = DeviceConv { factor: vec![0.0, 1e-40], ..conv(false, 0.0) };
        let stored = StoredConv::of(&lost, input);
        assert_eq!((&stored.words[..], &stored.scales[..]), (&[0; 8][..], &[1.0; 2][..]));
    }
}
