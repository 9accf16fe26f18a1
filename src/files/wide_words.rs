//! Words of 32 bits, as quantised networks store their biases.

/// Words of 32 bits and what they stand for: `word * scale`, with a scale for each.
#[derive(Clone, Debug, PartialEq)]
pub struct WideWords {
    /// The words, in two's complement.
    pub words: Vec<i32>,
    /// Real value of one step of each word.
    pub scales: Vec<f64>,
    /// Whether the word is rounded to f32 before the product, and the product once more, as `DequantizeLinear` does, and
    /// floats are added up; else the product is rounded once, and integers of 32 bits are added up, which wrap.
    pub twice: bool,
}

impl WideWords {
    /// Bits of a word.
    pub const BITS: u32 = 32;

    /// The real value of a word at index `i`.
    #[must_use]
    pub fn value(&self, i: usize, word: i32) -> f32 {
        let scale = self.scales[i];
        if self.twice { word as f32 * scale as f32 } else { (f64::from(word) * scale) as f32 }
    }

    /// The real values of the words.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        self.words.iter().enumerate().map(|(i, &word)| self.value(i, word)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_rounded_once_or_twice() {
        let of =
            |scale, twice| WideWords { words: vec![16_777_217, -3], scales: vec![scale; 2], twice };
        assert_eq!(of(0.5, true).values(), [8_388_608.0, -1.5]);
        let once = of(f64::from(0.1f32) * f64::from(0.3f32), false);
        assert_eq!(once.value(1, 7), (7.0 * once.scales[1]) as f32);
        assert_eq!(of(0.5, true).value(0, i32::MIN), -1_073_741_824.0);
    }
}
