//! Stored words on the host: symmetric quantisation in IEEE f32, so that the words are the same everywhere, and
//! words as a toolchain stored them.

use super::Memory;
use crate::{
    error::{Error, Result},
    files::{FloatFormat, QuantisationParameters, StoredWords},
};

/// The weights of one layer as they lie in memory that can fail.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// `[ceil(len / 4)]`: four weights per word, the first in the lowest byte. A weight is the low
    /// `bits` bits of its byte; the other bits, and bytes past `len`, are 0. Of floats `[ceil(len / 2)]`.
    pub words: Vec<u32>,
    /// What the words stand for; quantised here, a tensor of zeros has the scale 0.
    pub parameters: QuantisationParameters,
    /// Number of weights.
    pub len: usize,
    /// Bits per weight: 2 to 8, or 16 of floats.
    pub bits: u32,
}

impl Quantized {
    /// The memory that holds these words.
    pub fn memory(&self) -> Memory {
        Memory::of_weights(self.bits)
    }

    /// The bits of word `i` that store something.
    pub fn stored_bits(&self, i: usize) -> u32 {
        let memory = self.memory();
        let per_word = memory.per_word();
        let weights = self.len.saturating_sub(per_word as usize * i).min(per_word as usize) as u32;
        let there = u32::MAX.checked_shr(32 - memory.cells() * weights).unwrap_or(0);
        there & memory.repeated((1 << self.bits) - 1)
    }

    /// Every word as an integer.
    pub fn steps(&self) -> Vec<i32> {
        let (per_word, cells) = (self.memory().per_word() as usize, self.memory().cells());
        let word = |i: usize| {
            let stored = self.words[i / per_word] >> (cells * (i % per_word) as u32);
            self.parameters.word(stored, self.bits)
        };
        (0..self.len).map(word).collect()
    }

    /// Real value of one step; the largest where channels have their own.
    pub fn scale(&self) -> f32 {
        self.parameters.scales.iter().copied().fold(0.0, f32::max)
    }
}

/// Quantises a tensor: `scale = max|w| / (2^(bits - 1) - 1)`, `q = round_half_even(w / scale)`.
///
/// # Errors
/// [`Error::Argument`] unless 2 <= bits <= 8; [`Error::Shape`] for a weight that is not finite, and for weights
/// so large that one with a flipped sign bit, `-2^(bits - 1)` steps, would not be finite.
pub fn quantize(weights: &[f32], bits: u32) -> Result<Quantized> {
    check_bits(bits)?;
    if let Some(i) = weights.iter().position(|w| !w.is_finite()) {
        return Err(Error::Shape(format!(
            "weight {i} is {} and cannot be quantised: the file is broken or training diverged",
            weights[i]
        )));
    }
    let most = f32::from(((1u16 << (bits - 1)) - 1).cast_signed());
    let largest = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
    let scale = largest / most;
    if !(scale * (most + 1.0)).is_finite() {
        return Err(Error::Shape(format!(
            "weights up to {largest:e} are too large: with a flipped bit one may be {:.3e} in {bits} bits, \
             which float32 does not hold",
            f64::from(scale) * f64::from(-most - 1.0),
        )));
    }
    let field = (1u32 << bits) - 1;
    let mut words = vec![0u32; weights.len().div_ceil(4)];
    for (i, w) in weights.iter().enumerate() {
        // A subnormal scale is coarse, and a quotient may exceed `most`. A scale of 0 would give 0 / 0.
        let q = if scale > 0.0 { (w / scale).round_ties_even().clamp(-most, most) } else { 0.0 };
        words[i / 4] |= ((q as i32).cast_unsigned() & field) << (8 * (i % 4));
    }
    let parameters = QuantisationParameters::symmetric(scale);
    Ok(Quantized { words, parameters, len: weights.len(), bits })
}

impl From<&StoredWords> for Quantized {
    fn from(stored: &StoredWords) -> Self {
        let StoredWords { bytes, bits, parameters } = stored;
        let word = |four: &[u8]| four.iter().rev().fold(0, |word, &b| word << 8 | u32::from(b));
        let (words, parameters) = (bytes.chunks(4).map(word).collect(), parameters.clone());
        let len = bytes.len() / bits.div_ceil(8) as usize;
        Self { words, parameters, len, bits: *bits }
    }
}

/// The weights as the network sees them: `(q - zero point) * scale`, rounded once; floats as they are.
pub fn dequantize(layer: &Quantized) -> Vec<f32> {
    layer.steps().into_iter().enumerate().map(|(i, q)| layer.parameters.value(i, q)).collect()
}

/// Checks the bits of a weight that is stored as an integer or as a float.
///
/// # Errors
/// [`Error::Argument`] unless 2 <= bits <= 8, or bits = 16.
pub(super) fn check_word(bits: u32) -> Result<u32> {
    if bits == FloatFormat::BITS { Ok(bits) } else { check_bits(bits) }
}

/// Checks a precision.
///
/// # Errors
/// [`Error::Argument`] unless 2 <= bits <= 8.
pub(crate) fn check_bits(bits: u32) -> Result<u32> {
    if (2..=8).contains(&bits) {
        return Ok(bits);
    }
    Err(Error::argument(
        "--precision",
        format!("{bits} bits per weight"),
        "2 to 8 bits fit the four weights per word that the fault map knows",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_even_step_at_every_precision() {
        for bits in 2..=8 {
            let most = ((1 << (bits - 1)) - 1) as f32;
            // A step of 1/8: quotients and ties are exact.
            let w: Vec<f32> =
                [most, -most, 0.5, -0.5, 0.4999, 0.0, -0.0].iter().map(|q| q / 8.0).collect();
            let q = quantize(&w, bits).unwrap();
            assert_eq!((q.scale(), q.len, q.words.len()), (0.125, 7, 2));
            assert_eq!(q.steps(), [most as i32, -most as i32, 0, 0, 0, 0, 0]);
        }
        let q = quantize(&[127.0, 1.5, 2.5, -1.5, -2.5, 3.49, -3.51], 8).unwrap();
        assert_eq!(q.steps(), [127, 2, 2, -2, -2, 3, -4]);
    }

    #[test]
    fn a_word_holds_four_weights_with_the_first_lowest() {
        let q = quantize(&[127.0, -1.0, 2.0, -127.0, 3.0], 8).unwrap();
        assert_eq!(q.words, [0x8102_ff7f, 0x0000_0003]);
        assert_eq!([0, 1, 2].map(|i| q.stored_bits(i)), [u32::MAX, 0xff, 0]);
        assert_eq!(dequantize(&q), [127.0, -1.0, 2.0, -127.0, 3.0]);
        // Four bits: the upper half of each byte stays 0, and the sign comes back.
        let q = quantize(&[7.0, -1.0, -7.0], 4).unwrap();
        assert_eq!((q.words.as_slice(), q.stored_bits(0)), (&[0x0009_0f07][..], 0x000f_0f0f));
        assert_eq!(dequantize(&q), [7.0, -1.0, -7.0]);
    }

    #[test]
    fn every_stored_pattern_is_sign_extended() {
        for bits in 2..=8u32 {
            let patterns: Vec<u32> = (0..1 << bits).collect();
            let words =
                patterns.chunks(4).map(|c| c.iter().rev().fold(0, |w, p| w << 8 | p)).collect();
            let parameters = QuantisationParameters::symmetric(1.0);
            let q = Quantized { words, parameters, len: patterns.len(), bits };
            let half = 1 << (bits - 1);
            for (p, q) in (0..).zip(q.steps()) {
                assert_eq!(q, if p < half { p } else { p - 2 * half });
            }
        }
    }

    #[test]
    fn words_of_a_toolchain_are_taken_as_they_are() {
        let parameters = QuantisationParameters {
            signed: false,
            scales: vec![0.5, 2.0],
            zero_points: vec![128, 3],
            inner: 3,
            float: None,
        };
        let stored = StoredWords { bytes: vec![0, 128, 255, 3, 4, 0], bits: 8, parameters };
        let q = Quantized::from(&stored);
        assert_eq!((q.words.as_slice(), q.len), (&[0x03ff_8000, 0x0004][..], 6));
        assert_eq!(q.steps(), [0, 128, 255, 3, 4, 0]);
        assert_eq!(dequantize(&q), [-64.0, 0.0, 63.5, 0.0, 2.0, -6.0]);
        assert_eq!((dequantize(&q), q.scale()), (stored.values(), 2.0));
    }

    #[test]
    fn two_floats_share_a_word() {
        for format in FloatFormat::ALL {
            let stored = StoredWords::floats(&[1.0, -2.0, 0.5], format).unwrap();
            let q = Quantized::from(&stored);
            let [one, two, half] = [1.0, -2.0, 0.5].map(|v| u32::from(format.word(v)));
            assert_eq!((q.words.as_slice(), q.len), (&[one | two << 16, half][..], 3));
            assert_eq!((q.memory(), q.bits), (Memory::Halves, 16));
            assert_eq!([0, 1, 2].map(|i| q.stored_bits(i)), [u32::MAX, 0xffff, 0]);
            assert_eq!((dequantize(&q), q.steps()[1]), (stored.values(), two as i32));
        }
    }

    #[test]
    fn zeros_stay_zeros_and_what_is_not_finite_is_refused() {
        let q = quantize(&[0.0, -0.0, 0.0], 8).unwrap();
        assert_eq!((q.words.as_slice(), q.scale()), (&[0][..], 0.0));
        assert_eq!(dequantize(&q), [0.0; 3]);
        assert!(quantize(&[], 8).unwrap().words.is_empty());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let e = quantize(&[1.0, bad], 8).unwrap_err();
            assert!(e.to_string().starts_with("weight 1 is "), "{e}");
        }
        for bits in [0, 1, 9, 32] {
            assert_eq!(quantize(&[1.0], bits).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn a_step_of_every_pattern_is_finite() {
        for (bits, largest) in [(8, f32::MAX / 128.0 * 127.0), (2, f32::MAX / 2.0)] {
            let fits = quantize(&[largest * 0.999, 0.0], bits).unwrap();
            assert!((fits.scale() * -((1 << (bits - 1)) as f32)).is_finite());
            let error = quantize(&[0.0, -largest * 1.001], bits).unwrap_err().to_string();
            assert!(error.contains("too large") && error.contains("e38"), "{error}");
        }
    }

    #[test]
    fn subnormal_tensors_stay_within_the_range() {
        let tiny = f32::from_bits(190); // 190 / 127 rounds to one smallest step
        assert_eq!(quantize(&[tiny, -tiny], 8).unwrap().steps(), [127, -127]);
        assert_eq!(quantize(&[f32::from_bits(1)], 8).unwrap().steps(), [0]);
    }
}
