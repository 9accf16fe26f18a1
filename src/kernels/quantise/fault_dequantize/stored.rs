//! A layer as its words lie in memory, and what the words stand for.

use crate::{
    fault::{FloatFormat, Memory, Place},
    shape::Rsck,
};

/// Order of a layer's stored weights, as PyTorch has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// `[K, C, R, S]`: convolutions and linear layers.
    OutIn,
    /// `[C, K, R, S]`: transposed convolutions.
    InOut,
}

/// Second layout of the weights, for input gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transposed {
    /// There is none: wt is not touched.
    Absent,
    /// wt is `[copies, R, S, K, C]`.
    PerTap,
    /// wt is `[copies, K, R S C]`, as a fully connected layer on R x S pixels reads it.
    Flat,
}

/// What the words of a layer stand for: `(word - zero point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WordMeaning {
    /// Whether words are in two's complement; else they begin at 0.
    pub signed: bool,
    /// Whether every output channel has a scale of its own, one behind the other, and a zero point.
    pub per_channel: bool,
    /// Index among the scales of the zero point of the tensor, or of output channel 0; `None` where all are 0.
    pub zero_point: Option<u32>,
    /// The format of words that are floats, which have no sign, scale or zero point beside it.
    pub float: Option<FloatFormat>,
}

impl WordMeaning {
    /// Words in two's complement with one scale.
    pub const SYMMETRIC: Self =
        Self { signed: true, per_channel: false, zero_point: None, float: None };

    /// Positions of a word whose flips are counted.
    #[must_use]
    pub fn counts(self) -> u32 {
        self.memory().cells()
    }

    pub(super) fn memory(self) -> Memory {
        if self.float.is_some() { Memory::Halves } else { Memory::Bytes }
    }
}

/// A stored layer, or the words of some of its output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoredLayer {
    /// Shape of the weights; a linear layer on 1x1 pixels has R = S = 1.
    pub shape: Rsck,
    /// Order of the stored weights.
    pub order: Order,
    /// Number of groups of channels, each with its own `shape.c` input channels; with several the order is
    /// [`Order::OutIn`].
    pub groups: u32,
    /// Index among all faultable layers, and address in memory.
    pub place: Place,
    /// Bits per weight: 2 to 8, or 16 of floats.
    pub bits: u32,
    /// What its words stand for.
    pub meaning: WordMeaning,
    /// Offset in, and length of, a buffer of channel scales that multiply wt. They are a frozen batch
    /// norm's, so that the input gradient needs no dispatch for them.
    pub fold: Option<(u32, u32)>,
    /// Index in the layer of the first word here.
    pub first_word: u32,
    /// Whether and how wt is written.
    pub transposed: Transposed,
}
