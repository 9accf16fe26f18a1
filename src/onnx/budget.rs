//! How much memory constants may take: a budget for all results together keeps a small file from asking for
//! much.

use super::reasons::{Reason, Taken};

/// Bytes that constants may still take.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    /// For a file with this many bytes: what it stores, as 8 bytes per element at most, and 64 MiB.
    pub(super) fn new(file: usize) -> Self {
        Self(file.saturating_mul(4).saturating_add(64 << 20))
    }

    /// Adds what a file beside the file stores.
    pub(super) fn grow(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes.saturating_mul(4));
    }

    /// Takes bytes away.
    pub(super) fn take(&mut self, bytes: Option<usize>) -> Taken<()> {
        let left = bytes.and_then(|bytes| self.0.checked_sub(bytes));
        let advice = "fold constants before: python -m onnxsim in.onnx out.onnx";
        self.0 =
            left.ok_or_else(|| Reason::new("its constants would take too much memory", advice))?;
        Ok(())
    }
}

/// Bytes of a tensor with these extents, as 8 per element.
pub(super) fn bytes_of(dims: &[usize]) -> Option<usize> {
    let count = dims.iter().try_fold(8usize, |product, &extent| product.checked_mul(extent));
    count.filter(|&bytes| u32::try_from(bytes / 8).is_ok())
}
