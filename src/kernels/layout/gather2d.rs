//! Padding, cropping, subsampling, channel slices and their gradients, `shaders/layout/gather2d.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

/// From where each element comes: `y[n, i, j, c] = x[n, (i mul + offset) / div,
/// (j mul + offset) / div, c + channel_offset]` where both quotients are whole and every index lies
/// inside x, else 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gather {
    /// Step in x per step in y, at least 1.
    pub mul: u32,
    /// Step in y per step in x, at least 1.
    pub div: u32,
    /// Rows and columns, before the division.
    pub offset: i32,
    /// Channels.
    pub channel_offset: i32,
}

impl Gather {
    /// `p` zeros on every side.
    #[must_use]
    pub fn pad(p: u32) -> Self {
        Self { offset: p.cast_signed().wrapping_neg(), ..Self::channels(0) }
    }

    /// Without `p` pixels on every side; the gradient of [`Self::pad`].
    #[must_use]
    pub fn crop(p: u32) -> Self {
        Self { offset: p.cast_signed(), ..Self::channels(0) }
    }

    /// Every `s`-th pixel, the first included.
    #[must_use]
    pub fn subsample(s: u32) -> Self {
        Self { mul: s, ..Self::channels(0) }
    }

    /// Zeros between the pixels; the gradient of [`Self::subsample`].
    #[must_use]
    pub fn spread(s: u32) -> Self {
        Self { div: s, ..Self::channels(0) }
    }

    /// Channels from `offset` on; a negative offset puts zeros before them.
    #[must_use]
    pub fn channels(offset: i32) -> Self {
        Self { mul: 1, div: 1, offset: 0, channel_offset: offset }
    }

    /// The gather that computes dx from dy.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            mul: self.div,
            div: self.mul,
            offset: self.offset.wrapping_neg(),
            channel_offset: self.channel_offset.wrapping_neg(),
        }
    }
}

crate::params! {
    /// Uniform block of `shaders/layout/gather2d.wgsl`.
    pub struct Gather2dParams {
        /// Groups of four channels of y.
        vec4s: u32,
        /// Rows of x.
        x_h: u32,
        /// Columns of x.
        x_w: u32,
        /// Channels of x, without padding.
        x_c: u32,
        /// Rows of y.
        y_h: u32,
        /// Columns of y.
        y_w: u32,
        /// Channels of y, without padding.
        y_c: u32,
        /// Step in x per step in y.
        mul: u32,
        /// Step in y per step in x.
        div: u32,
        /// Rows and columns, before the division.
        offset: i32,
        /// Channels.
        channel_offset: i32,
    }
}

crate::kernel! {
    "layout" / "gather2d", Gather2dParams,
    lib: ["lib/grid", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Fills y from x as [`Gather`] says; bindings x, y.
///
/// # Errors
/// Batches that differ, a `mul` or `div` of 0, or indices past 31 bits.
pub fn plan(x: Nhwc, y: Nhwc, gather: Gather) -> Result<Plan> {
    let (x, y) = (x.checked()?, y.checked()?);
    let Gather { mul, div, offset, channel_offset } = gather;
    if x.n != y.n {
        return Err(Error::Shape(format!("gathering {y} from {x}: the batches differ")));
    }
    if mul == 0 || div == 0 {
        return Err(Error::Shape(format!("gathering {y} from {x}: steps of {mul} and {div}")));
    }
    let side = i64::from(y.h.max(y.w)) * i64::from(mul) + i64::from(offset);
    let channel = i64::from(y.c) + 4 + i64::from(channel_offset);
    if side.max(channel).max(i64::from(y.h.max(y.w)) * i64::from(mul)) > i64::from(i32::MAX) {
        return Err(Error::Shape(format!("gathering {y} from {x}: indices past 31 bits")));
    }
    let params = Gather2dParams {
        vec4s: y.vec4s(),
        x_h: x.h,
        x_w: x.w,
        x_c: x.c,
        y_h: y.h,
        y_w: y.w,
        y_c: y.c,
        mul,
        div,
        offset,
        channel_offset,
    };
    let grid = Grid::Items(u64::from(y.vec4s()));
    Ok(Plan::new(&KERNEL, &params, grid, vec![x.bytes(), y.bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meaningless_steps_and_indices_past_31_bits_are_refused() {
        let x = Nhwc::new(2, 3, 4, 5);
        let same = Gather::channels(0);
        assert!(plan(x, x, same).is_ok());
        assert!(plan(x, Nhwc::new(1, 3, 4, 5), same).is_err());
        for gather in [
            Gather { mul: 0, ..same },
            Gather { div: 0, ..same },
            Gather { mul: u32::MAX, ..same },
            Gather { mul: 1 << 30, offset: i32::MIN, ..same },
            Gather { offset: i32::MAX, ..same },
            Gather { channel_offset: i32::MAX, ..same },
        ] {
            assert!(plan(x, x, gather).is_err(), "{gather:?}");
        }
    }
}
