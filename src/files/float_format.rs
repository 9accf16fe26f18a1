//! Floats of 16 bits, as memories of networks that are not quantised store them.

use crate::error::{Error, Result};
use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A format of 16-bit floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloatFormat {
    /// IEEE binary16: a sign, 5 bits of exponent, 10 of the fraction.
    F16,
    /// bfloat16, the upper half of an f32: a sign, 8 bits of exponent, 7 of the fraction.
    Bf16,
}

impl FloatFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::F16, Self::Bf16];

    /// Bits of a word.
    pub const BITS: u32 = 16;

    /// The nearest word, ties to even. A value beyond the largest becomes infinite.
    #[must_use]
    pub fn word(self, value: f32) -> u16 {
        match self {
            Self::F16 => f16::from_f32(value).to_bits(),
            Self::Bf16 => bf16::from_f32(value).to_bits(),
        }
    }

    /// The value of a word, which f32 holds exactly. It is put together from bits, as the kernel does it: a conversion
    /// of the hardware may change a NaN or take a small number for 0.
    #[must_use]
    pub fn value(self, word: u16) -> f32 {
        let word = u32::from(word);
        if self == Self::Bf16 {
            return f32::from_bits(word << 16);
        }
        let (sign, exponent, fraction) = ((word & 0x8000) << 16, word >> 10 & 31, word & 0x3ff);
        let size = match exponent {
            0 => (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits(), // times 2^-24
            31 => 0x7f80_0000 | fraction << 13,
            _ => (exponent + 112) << 23 | fraction << 13,
        };
        f32::from_bits(sign | size)
    }

    /// The largest finite value.
    #[must_use]
    pub fn largest(self) -> f32 {
        match self {
            Self::F16 => f16::MAX.to_f32(),
            Self::Bf16 => bf16::MAX.to_f32(),
        }
    }

    /// The bits below the exponent, as `--bits` takes them: their faults leave every number finite.
    #[must_use]
    pub fn finite_bits(self) -> &'static str {
        match self {
            Self::F16 => "0-9",
            Self::Bf16 => "0-6",
        }
    }
}

impl fmt::Display for FloatFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for FloatFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.to_string() == name);
        found.ok_or_else(|| Error::unknown("format of stored floats", name, Self::ALL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_the_value_of_its_format_and_comes_back() {
        for word in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(word), bf16::from_bits(word));
            for (format, value, nan) in [
                (FloatFormat::F16, half.to_f64(), half.is_nan()),
                (FloatFormat::Bf16, brain.to_f64(), brain.is_nan()),
            ] {
                let ours = format.value(word);
                if nan {
                    assert!(ours.is_nan() && ours.is_sign_negative() == (word >> 15 == 1));
                    continue;
                }
                assert_eq!(f64::from(ours), value, "{format} {word:#x}");
                assert_eq!(format.word(ours), word, "{format} {word:#x}");
            }
        }
    }

    #[test]
    fn words_are_the_nearest_with_ties_to_even() {
        let [f16, bf16] = FloatFormat::ALL;
        let above = |ulps: f32| 1.0 + ulps * 2f32.powi(-10);
        for (ulps, word) in [(0.49, 0x3c00), (0.5, 0x3c00), (0.51, 0x3c01), (1.5, 0x3c02)] {
            assert_eq!(f16.word(above(ulps)), word, "{ulps}");
        }
        for (bits, word) in [(0x3f80_8000, 0x3f80), (0x3f80_8001, 0x3f81), (0x3f81_8000, 0x3f82)] {
            assert_eq!(bf16.word(f32::from_bits(bits)), word);
        }
        assert_eq!([f16.word(65_519.0), f16.word(65_520.0)], [0x7bff, 0x7c00]);
        assert_eq!((f16.largest(), f16.value(1)), (65_504.0, 2f32.powi(-24)));
        for format in FloatFormat::ALL {
            assert_eq!(format.to_string().parse::<FloatFormat>().unwrap(), format);
            assert_eq!(format.value(format.word(format.largest())), format.largest());
        }
        let e = "f32".parse::<FloatFormat>().unwrap_err();
        assert!(e.hint().unwrap().contains("f16, bf16"), "{e}");
    }
}
