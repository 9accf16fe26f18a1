//! The words of a layer as they are stored, and the numbers that they stand for.

use super::FloatFormat;
use crate::error::{Error, Result};

/// What stored words stand for: the real value of word `q` is `(q - zero point) * scale`, with one scale and zero
/// point for the whole tensor or one of each for every channel. Or words are floats.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisationParameters {
    /// Whether words are in two's complement; else they begin at 0.
    pub signed: bool,
    /// Real values of one step: one, or one for each channel.
    pub scales: Vec<f32>,
    /// The words that stand for 0: none where all are 0, else as many as there are scales.
    pub zero_points: Vec<i32>,
    /// Consecutive words with one scale, where there are several: the product of the extents behind the channels'.
    pub inner: usize,
    /// The format of words that are floats, which have neither sign nor scale nor zero point beside it.
    pub float: Option<FloatFormat>,
}

impl QuantisationParameters {
    /// Signed words with one scale and without a zero point.
    #[must_use]
    pub fn symmetric(scale: f32) -> Self {
        Self { signed: true, scales: vec![scale], zero_points: Vec::new(), inner: 1, float: None }
    }

    /// Words that are floats.
    #[must_use]
    pub fn floats(format: FloatFormat) -> Self {
        Self { signed: false, float: Some(format), ..Self::symmetric(1.0) }
    }

    /// Index among the scales of the word at index `i` of its tensor.
    #[must_use]
    pub fn channel(&self, i: usize) -> usize {
        if self.scales.len() == 1 { 0 } else { i / self.inner % self.scales.len() }
    }

    /// The word of a channel that stands for 0.
    #[must_use]
    pub fn zero_point(&self, channel: usize) -> i32 {
        self.zero_points.get(channel).copied().unwrap_or(0)
    }

    /// The real value of the word at index `i` of its tensor: the difference is exact, the product rounded once.
    #[must_use]
    pub fn value(&self, i: usize, word: i32) -> f32 {
        if let Some(format) = self.float {
            return format.value(word as u16);
        }
        let channel = self.channel(i);
        (word - self.zero_point(channel)) as f32 * self.scales[channel]
    }

    /// The word at index `i` of its tensor that stands for a real value, which must be the value of a word.
    #[must_use]
    pub fn word_of(&self, i: usize, value: f32) -> i32 {
        let channel = self.channel(i);
        (value / self.scales[channel]).round_ties_even() as i32 + self.zero_point(channel)
    }

    /// The integer in the low `bits` bits of a byte or of two.
    #[must_use]
    pub fn word(&self, stored: u32, bits: u32) -> i32 {
        let unused = 32 - bits;
        let high = stored << unused;
        if self.signed { high.cast_signed() >> unused } else { (high >> unused).cast_signed() }
    }
}

/// The words of a layer in the order of its tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredWords {
    /// A byte for each weight, whose low `bits` bits are the word and whose other bits are 0; of floats two bytes, the
    /// lower first.
    pub bytes: Vec<u8>,
    /// Bits of a word: 2 to 8, or 16 of floats.
    pub bits: u32,
    /// What they stand for.
    pub parameters: QuantisationParameters,
}

impl StoredWords {
    /// These weights as floats of 16 bits, the nearest, ties to even.
    ///
    /// # Errors
    /// [`Error::Shape`] for a weight that is not finite, or beyond the largest of the format.
    pub fn floats(weights: &[f32], format: FloatFormat) -> Result<Self> {
        let mut bytes = Vec::with_capacity(2 * weights.len());
        for (i, &weight) in weights.iter().enumerate() {
            let word = format.word(weight);
            if !format.value(word).is_finite() {
                let most = format.largest();
                let what = format!("weight {i} is {weight:e}, and {format} reaches {most:e}");
                return Err(Error::Shape(what));
            }
            bytes.extend(word.to_le_bytes());
        }
        let parameters = QuantisationParameters::floats(format);
        Ok(Self { bytes, bits: FloatFormat::BITS, parameters })
    }

    /// The real values, in the order of the tensor.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let Self { bytes, bits, parameters } = self;
        let size = bits.div_ceil(8) as usize;
        let stored = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &b| word << 8 | u32::from(b));
        let of = |(i, bytes)| parameters.value(i, parameters.word(stored(bytes), *bits));
        bytes.chunks(size).enumerate().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_sign_or_none_and_channels_their_own_scale_and_zero() {
        let of = |signed, scales: &[f32], zero_points: &[i32], inner| QuantisationParameters {
            signed,
            scales: scales.to_vec(),
            zero_points: zero_points.to_vec(),
            inner,
            float: None,
        };
        let bytes = vec![0x80, 0x7f, 0xff, 0x00];
        let words = |parameters| StoredWords { bytes: bytes.clone(), bits: 8, parameters };
        for (parameters, signed) in [
            (of(true, &[0.1, 0.013], &[3, -7], 2), true),
            (of(false, &[0.3, 1e-9], &[128, 255], 1), false),
        ] {
            let all: Vec<u8> = (0..=255).collect();
            let stored = StoredWords { bytes: all, bits: 8, parameters };
            for (i, value) in stored.values().into_iter().enumerate() {
                let word = if signed { i32::from(i as u8 as i8) } else { i as i32 };
                assert_eq!(stored.parameters.word_of(i, value), word);
            }
        }
        assert_eq!(words(of(true, &[0.5], &[], 1)).values(), [-64.0, 63.5, -0.5, 0.0]);
        assert_eq!(words(of(false, &[0.5], &[128], 1)).values(), [0.0, -0.5, 63.5, -64.0]);
        // Two channels of two words; two channels that alternate.
        let two = |inner| words(of(true, &[1.0, 2.0], &[0, 1], inner)).values();
        assert_eq!(two(2), [-128.0, 127.0, -4.0, -2.0]);
        assert_eq!(two(1), [-128.0, 252.0, -1.0, -2.0]);
        let floats = |weights: &[f32], format| StoredWords::floats(weights, format);
        let two = floats(&[1.0, -2.5], FloatFormat::F16).unwrap();
        assert_eq!((&two.bytes[..], two.values()), (&[0, 0x3c, 0, 0xc1][..], vec![1.0, -2.5]));
        for (weight, format) in [
            (65_520.0, FloatFormat::F16),
            (f32::MAX, FloatFormat::Bf16),
            (f32::NAN, FloatFormat::Bf16),
        ] {
            let e = floats(&[0.0, weight], format).unwrap_err();
            assert!(e.to_string().starts_with("weight 1 is "), "{e}");
        }
        let four = of(true, &[1.0], &[], 1);
        assert_eq!([0x7, 0x8, 0xf].map(|byte| four.word(byte, 4)), [7, -8, -1]);
        assert_eq!(of(false, &[1.0], &[], 1).word(0xf, 4), 15);
    }
}
