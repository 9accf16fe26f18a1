//! Winograd's forms of a 3x3 convolution: which convolutions have one, and the images transformed at
//! once.

pub mod input;
pub mod output;
pub mod weights;

use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::{Conv2d, mask_bytes},
        matmul::Matmul,
        plan::Operands,
    },
    shape::{Nhwc, Window},
};

/// How large the tiles of output pixels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// F(2x2, 3x3): 16 multiplications where the taps have 36.
    F2,
    /// F(4x4, 3x3): 36 multiplications where the taps have 144. Rounds about three times as much.
    F4,
}

impl Form {
    /// Output pixels of a tile along an axis.
    #[must_use]
    pub const fn outputs(self) -> u32 {
        match self {
            Self::F2 => 2,
            Self::F4 => 4,
        }
    }

    /// Values of a transformed patch, weight or sum along an axis.
    #[must_use]
    pub const fn side(self) -> u32 {
        self.outputs() + 2
    }

    /// All of them.
    #[must_use]
    pub const fn values(self) -> u32 {
        self.side() * self.side()
    }

    /// How much more than the plain sum it may round: F(2x2, 3x3) has about seven times its terms, the
    /// larger tiles round three times as much (`docs/numerics.md`).
    #[must_use]
    pub const fn growth(self) -> f64 {
        match self {
            Self::F2 => 8.0,
            Self::F4 => 24.0,
        }
    }

    /// Whether a gather has the form: 3x3, stride 1, rows in which every word of a ReLU mask, eight
    /// pixels, is of tiles that one invocation can take, and each copy with input and output of its
    /// own, in f32: the products are of other numbers than those that f16 rounds.
    #[must_use]
    pub fn fits(self, conv: Conv2d) -> bool {
        let Window { kernel, stride, padding } = conv.window;
        let alone = conv.copies == 1 || !conv.shared_input && !conv.sum_copies;
        let plain = conv.operands == Operands::F32 && alone && !conv.is_general();
        let [h, w] = [conv.y.h, conv.y.w];
        let rows = match self {
            Self::F2 => w.is_multiple_of(2),
            Self::F4 => w.is_multiple_of(8) || w == 4 && h.is_multiple_of(2),
        };
        kernel == [3, 3] && stride == 1 && padding <= 2 && rows && plain
    }
}

/// Some images of a convolution in tiles of output pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// The convolution.
    pub conv: Conv2d,
    /// Its form.
    pub form: Form,
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
    pub fn new(conv: Conv2d, form: Form, first: u32, count: u32) -> Result<Self> {
        let refuse = |why: &str| Err(Error::Shape(format!("{} to {}: {why}", conv.x, conv.y)));
        if !form.fits(conv) {
            return refuse(match form {
                Form::F2 => "only 3x3 windows of stride 1 with an even number of columns",
                Form::F4 => "only 3x3 windows of stride 1 with columns in eights, or four",
            });
        }
        let end = first.checked_add(count);
        if count == 0 || end.is_none_or(|end| end > conv.y.n) {
            return refuse(&format!("no images {first}..{first}+{count}"));
        }
        if !(first * conv.y.h * conv.y.w).is_multiple_of(8) {
            return refuse(&format!("image {first} begins inside a mask word"));
        }
        let tiles = Self { conv, form, first, count };
        tiles.values(conv.x.c.max(conv.y.c)).checked()?;
        Ok(tiles)
    }

    /// All images, as few times as possible with transformed values of at most `bytes` bytes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn cover(conv: Conv2d, form: Form, bytes: u64) -> Result<Vec<Self>> {
        let n = conv.y.n;
        let widest = conv.x.c.max(conv.y.c);
        let one = Self { conv, form, first: 0, count: 1 }.values(widest).bytes();
        let most = (bytes / one.max(1)).clamp(1, u64::from(n.max(1))) as u32;
        // Whole words of the mask: eight pixels.
        let whole = (1..=8).find(|count| (count * conv.y.h * conv.y.w).is_multiple_of(8));
        let whole = whole.unwrap_or(8);
        let even = n.div_ceil(n.div_ceil(most).max(1)).next_multiple_of(whole);
        let each = |i: u32| Self::new(conv, form, i, even.min(n - i));
        (0..n).step_by(even.max(1) as usize).map(each).collect()
    }

    /// Rows and columns of tiles of an image.
    #[must_use]
    pub fn grid(self) -> [u32; 2] {
        [self.conv.y.h, self.conv.y.w].map(|extent| extent.div_ceil(self.form.outputs()))
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
        Nhwc::new(self.form.values() * self.conv.copies, 1, self.tiles(), c)
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
        let batches = self.form.values() * self.conv.copies;
        Matmul { rows: self.tiles(), c: self.conv.x.c, k: self.conv.y.c, batches }
    }

    /// Bytes of the ReLU masks of input and output, whole.
    pub(crate) fn masks(self) -> [u64; 2] {
        [self.conv.x, self.conv.y].map(|shape| mask_bytes(shape, self.conv.copies))
    }
}
