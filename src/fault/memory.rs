//! The kinds of memory that can fail: how wide their words are, and which random numbers decide over their cells.

/// A kind of memory. Each draws its cells from streams of its own, so that no map of one is that of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Memory {
    /// Weights of up to 8 bits, a byte each: version 1 of the format.
    #[default]
    Bytes,
    /// Weights that are floats of 16 bits: version 2.
    Halves,
    /// Quantised activations of up to 8 bits, a byte each: version 2.
    Activations,
    /// Biases that are words of 32 bits: version 2.
    Biases,
}

impl Memory {
    /// The memory of weights of this many bits.
    #[must_use]
    pub fn of_weights(bits: u32) -> Self {
        if bits > 8 { Self::Halves } else { Self::Bytes }
    }

    /// Cells that a stored number takes, used or not.
    #[must_use]
    pub fn cells(self) -> u32 {
        match self {
            Self::Bytes | Self::Activations => 8,
            Self::Halves => 16,
            Self::Biases => 32,
        }
    }

    /// Numbers in a word of 32 cells.
    #[must_use]
    pub fn per_word(self) -> u32 {
        32 / self.cells()
    }

    /// A word whose numbers all have these bits.
    pub(super) fn repeated(self, bits: u32) -> u32 {
        (0..self.per_word()).fold(0, |word, i| word | bits << (self.cells() * i))
    }

    /// The stream that draws which cells are faulty. The next one draws what they read when they are stuck, the one
    /// behind that the cells of a lot.
    #[must_use]
    pub fn stream(self) -> u32 {
        match self {
            Self::Bytes => 0,
            // Those up to 6 are patterns'.
            Self::Halves => 7,
            Self::Activations => 10,
            Self::Biases => 13,
        }
    }
}
