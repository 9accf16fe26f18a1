//! What becomes of a gradient that is there already.

/// Whether a gradient replaces what its place holds, or is added to it: the parts of a batch after the
/// first add to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// Replaces it.
    Replace,
    /// Is added to it.
    Add,
}

impl Accumulate {
    /// For the part of a batch with this index.
    #[must_use]
    pub fn of_part(part: usize) -> Self {
        if part == 0 { Self::Replace } else { Self::Add }
    }
}
