//! Winograd's forms of a 3x3 convolution: which convolutions have one, and how images are grouped into
//! tiles that are transformed at once.

pub mod input;
pub mod output;
pub mod weights;

use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::{Conv2d, mask_bytes},
        matmul::Matmul,
        plan::Dtype,
    },
    shape::{Nhwc, Window},
};

/// Size of the tiles of output pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// F(2x2, 3x3): 16 multiplications per tile instead of 36.
    F2,
    /// F(4x4, 3x3): 36 multiplications per tile instead of 144. It rounds about three times as much as
    /// F2.
    F4,
}

impl Form {
    /// Output pixels of a tile along an axis.
    pub const fn outputs(self) -> u32 {
        match self {
            Self::F2 => 2,
            Self::F4 => 4,
        }
    }

    /// Values of a transformed patch, weight or sum along an axis.
    pub const fn side(self) -> u32 {
        self.outputs() + 2
    }

    /// Values of a transformed patch, weight or sum along both axes.
    pub const fn values(self) -> u32 {
        self.side() * self.side()
    }

    /// Factor by which the form may round more than the plain sum: F(2x2, 3x3) has about seven times
    /// its terms, and the larger tiles round three times as much (`docs/numerics.md`).
    pub const fn growth(self) -> f64 {
        match self {
            Self::F2 => 8.0,
            Self::F4 => 24.0,
        }
    }

    /// Whether a convolution has the form. It must be 3x3 with stride 1, and the eight pixels of each
    /// word of a ReLU mask must lie in tiles that one invocation can take. Each copy must have input
    /// and output of its own. Operands must be f32, because rounding transformed values to f16 would
    /// give other results.
    pub fn fits(self, conv: Conv2d) -> bool {
        let Window { kernel, stride, before, .. } = conv.window;
        let alone = conv.copies == 1 || !conv.shared_input && !conv.sum_copies;
        let plain = conv.dtype == Dtype::F32 && alone && !conv.is_general();
        let [h, w] = [conv.y.h, conv.y.w];
        let rows = match self {
            Self::F2 => w.is_multiple_of(2),
            Self::F4 => w.is_multiple_of(8) || w == 4 && h.is_multiple_of(2),
        };
        kernel == [3, 3] && stride == [1; 2] && before.iter().all(|&n| n <= 2) && rows && plain
    }
}

/// Some images of a convolution in tiles of output pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// The convolution.
    pub conv: Conv2d,
    /// Winograd's form of the convolution.
    pub form: Form,
    /// Index of the first image.
    pub first: u32,
    /// Number of images.
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

    /// All images in as few groups as possible, each with at most `bytes` bytes of transformed values.
    pub fn cover(conv: Conv2d, form: Form, bytes: u64) -> Result<Vec<Self>> {
        let n = conv.y.n;
        let widest = conv.x.c.max(conv.y.c);
        let one = Self { conv, form, first: 0, count: 1 }.values(widest).bytes();
        let most = (bytes / one.max(1)).clamp(1, u64::from(n.max(1))) as u32;
        // Groups must end with a whole word of the mask, eight pixels.
        let whole = (1..=8).find(|count| (count * conv.y.h * conv.y.w).is_multiple_of(8));
        let whole = whole.unwrap_or(8);
        let even = n.div_ceil(n.div_ceil(most).max(1)).next_multiple_of(whole);
        let each = |i: u32| Self::new(conv, form, i, even.min(n - i));
        (0..n).step_by(even.max(1) as usize).map(each).collect()
    }

    /// Rows and columns of tiles of an image.
    pub fn grid(self) -> [u32; 2] {
        [self.conv.y.h, self.conv.y.w].map(|extent| extent.div_ceil(self.form.outputs()))
    }

    /// Tiles of the images of one copy.
    pub fn tiles(self) -> u32 {
        let [rows, columns] = self.grid();
        self.count * rows * columns
    }

    /// Shape of the transformed values of `c` channels: a row of tiles per copy and value.
    pub fn values(self, c: u32) -> Nhwc {
        Nhwc::new(self.form.values() * self.conv.copies, 1, self.tiles(), c)
    }

    /// Zeros above the first row and left of the first column, if taps are read in ascending order.
    pub fn before(self) -> [u32; 2] {
        let before = self.conv.window.before;
        if self.conv.transposed { before.map(|n| 2 - n) } else { before }
    }

    /// The sum over channels as a batched product of matrices, one per copy and value.
    pub fn product(self) -> Matmul {
        let batches = self.form.values() * self.conv.copies;
        Matmul { rows: self.tiles(), c: self.conv.x.c, k: self.conv.y.c, batches }
    }

    /// Bytes of the ReLU masks of the whole input and output.
    pub(crate) fn masks(self) -> [u64; 2] {
        [self.conv.x, self.conv.y].map(|shape| mask_bytes(shape, self.conv.copies))
    }
}
