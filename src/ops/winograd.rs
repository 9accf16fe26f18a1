//! Winograd F(2x2, 3x3): which convolutions have such a form, and the images transformed at once.

use super::{
    conv2d::{Conv2d, mask_bytes},
    matmul::Matmul,
    operands::Operands,
};
use crate::{
    error::{Error, Result},
    shape::{Nhwc, Window},
};

/// Values of a transformed patch, weight or sum: 4 x 4.
pub const VALUES: u32 = 16;

/// Some images of a convolution in tiles of 2 x 2 output pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// The convolution: 3x3, stride 1, W of the output even.
    pub conv: Conv2d,
    /// First image.
    pub first: u32,
    /// Images.
    pub count: u32,
}

impl Tiles {
    /// `count` images from `first` on.
    ///
    /// # Errors
    /// The convolution has no such form, there are no such images, or they begin inside a word of the
    /// ReLU mask.
    pub fn new(conv: Conv2d, first: u32, count: u32) -> Result<Self> {
        let refuse = |why: &str| Err(Error::Shape(format!("{} to {}: {why}", conv.x, conv.y)));
        if !possible(conv) {
            return refuse("only 3x3 windows of stride 1 with an even number of columns");
        }
        let end = first.checked_add(count);
        if count == 0 || end.is_none_or(|end| end > conv.y.n) {
            return refuse(&format!("no images {first}..{first}+{count}"));
        }
        if !(first * conv.y.h * conv.y.w).is_multiple_of(8) {
            return refuse(&format!("image {first} begins inside a mask word"));
        }
        let tiles = Self { conv, first, count };
        tiles.values(conv.x.c.max(conv.y.c)).checked()?;
        Ok(tiles)
    }

    /// All images, as few times as possible with transformed values of at most `bytes` bytes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn cover(conv: Conv2d, bytes: u64) -> Result<Vec<Self>> {
        let n = conv.y.n;
        let widest = conv.x.c.max(conv.y.c);
        let one = Self { conv, first: 0, count: 1 }.values(widest).bytes();
        let most = (bytes / one.max(1)).clamp(1, u64::from(n.max(1))) as u32;
        // Whole words of the mask: eight pixels.
        let whole = (1..=8).find(|count| (count * conv.y.h * conv.y.w).is_multiple_of(8));
        let whole = whole.unwrap_or(8);
        let even = n.div_ceil(n.div_ceil(most).max(1)).next_multiple_of(whole);
        (0..n).step_by(even.max(1) as usize).map(|i| Self::new(conv, i, even.min(n - i))).collect()
    }

    /// Rows and columns of tiles of an image.
    #[must_use]
    pub fn grid(self) -> [u32; 2] {
        [self.conv.y.h.div_ceil(2), self.conv.y.w.div_ceil(2)]
    }

    /// Tiles of the images of one copy.
    #[must_use]
    pub fn tiles(self) -> u32 {
        let [rows, columns] = self.grid();
        self.count * rows * columns
    }

    /// Transformed values of `c` channels: a row of tiles per copy and value.
    #[must_use]
    pub fn values(self, c: u32) -> Nhwc {
        Nhwc::new(VALUES * self.conv.copies, 1, self.tiles(), c)
    }

    /// Zero padding before the first row and column, if taps are read in ascending order.
    #[must_use]
    pub fn padding(self) -> u32 {
        let padding = self.conv.window.padding;
        if self.conv.transposed { 2 - padding } else { padding }
    }

    /// The sum over channels: a product of matrices per copy and value.
    #[must_use]
    pub fn product(self) -> Matmul {
        let batches = VALUES * self.conv.copies;
        Matmul { rows: self.tiles(), c: self.conv.x.c, k: self.conv.y.c, batches }
    }

    /// Bytes of the ReLU masks of input and output, whole.
    pub(super) fn masks(self) -> [u64; 2] {
        [self.conv.x, self.conv.y].map(|shape| mask_bytes(shape, self.conv.copies))
    }
}

/// Whether a gather has the form: 3x3, stride 1, an even number of output columns, and each copy with
/// input and output of its own, in f32: its products are of other numbers than those that f16 rounds.
#[must_use]
pub fn possible(conv: Conv2d) -> bool {
    let Window { kernel, stride, padding } = conv.window;
    let alone = conv.copies == 1 || !conv.shared_input && !conv.sum_copies;
    let plain = conv.operands == Operands::F32 && alone && !conv.is_general();
    kernel == [3, 3] && stride == 1 && padding <= 2 && conv.y.w.is_multiple_of(2) && plain
}
