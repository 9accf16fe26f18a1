//! Padding, cropping, subsampling, channel slices and their gradients, `shaders/layout/gather2d.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, at, elements, nan_padded, suite},
    },
    shape::Nhwc,
};

/// The source of each element of y: `y[n, i, j, c] = x[n, (i mul + offset) / div, (j mul + offset) /
/// div, c + channel_offset]` where both quotients are whole and every index lies inside x, else 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gather {
    /// Step in x per step in y, at least 1.
    pub mul: u32,
    /// Step in y per step in x, at least 1.
    pub div: u32,
    /// Offset of rows and columns, before the division.
    pub offset: i32,
    /// Offset of channels.
    pub channel_offset: i32,
}

impl Gather {
    /// Adds `p` pixels of zeros on every side.
    #[must_use]
    pub fn pad(p: u32) -> Self {
        Self { offset: p.cast_signed().wrapping_neg(), ..Self::channels(0) }
    }

    /// Removes `p` pixels on every side; the gradient of [`Self::pad`].
    #[must_use]
    pub fn crop(p: u32) -> Self {
        Self { offset: p.cast_signed(), ..Self::channels(0) }
    }

    /// Takes every `s`-th pixel of each row and column, the first included.
    #[must_use]
    pub fn subsample(s: u32) -> Self {
        Self { mul: s, ..Self::channels(0) }
    }

    /// Puts `s - 1` zeros between neighbouring pixels; the gradient of [`Self::subsample`].
    #[must_use]
    pub fn spread(s: u32) -> Self {
        Self { div: s, ..Self::channels(0) }
    }

    /// Takes the channels from `offset` on; a negative offset puts zeros before them.
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
        /// Offset of rows and columns, before the division.
        offset: i32,
        /// Offset of channels.
        channel_offset: i32,
    }
}

crate::kernel! {
    KERNEL: "layout" / "gather2d", Gather2dParams,
    lib: ["lib/grid", "lib/each", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Fills y from x as [`Gather`] says; bindings x, y.
///
/// # Errors
/// Batches that differ, a `mul` or `div` of 0, or indices of more than 31 bits.
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
    let grid = DispatchGrid::Items(u64::from(y.vec4s()));
    Ok(Plan::new(&KERNEL, &params, grid, vec![x.bytes(), y.bytes()]))
}

/// The index in x that index `i` of y comes from, if it is whole and below `extent`.
fn source(i: u32, mul: u32, div: u32, offset: i32, extent: u32) -> Option<u32> {
    let numerator = i64::from(i) * i64::from(mul) + i64::from(offset);
    let quotient = numerator / i64::from(div);
    let whole = quotient * i64::from(div) == numerator;
    u32::try_from(quotient).ok().filter(|&q| whole && q < extent)
}

/// Elements of y taken from x, or 0.
#[must_use]
pub fn gather2d(x: &[f32], from: Nhwc, to: Nhwc, gather: Gather) -> Vec<f64> {
    let Gather { mul, div, offset, channel_offset } = gather;
    let value = |[n, i, j, c]: [u32; 4]| {
        let row = source(i, mul, div, offset, from.h)?;
        let column = source(j, mul, div, offset, from.w)?;
        let channel = source(c, 1, 1, channel_offset, from.c)?;
        Some(f64::from(x[at(from, [n, row, column, channel])]))
    };
    elements(to).map(|to| value(to).unwrap_or(0.0)).collect()
}

/// Shapes of x and y with a gather, for cases and for the adjoint identity.
#[must_use]
pub fn gathers() -> Vec<(Nhwc, Nhwc, Gather)> {
    let of = Nhwc::new;
    vec![
        (of(1, 1, 1, 1), of(1, 1, 1, 1), Gather::channels(0)),
        (of(2, 3, 5, 3), of(2, 5, 7, 3), Gather::pad(1)),
        (of(2, 5, 7, 3), of(2, 3, 5, 3), Gather::crop(1)),
        (of(1, 4, 4, 8), of(1, 8, 8, 8), Gather::pad(2)),
        (of(1, 7, 6, 10), of(1, 4, 3, 10), Gather::subsample(2)),
        (of(1, 4, 3, 10), of(1, 7, 6, 10), Gather::spread(2)),
        (of(2, 3, 3, 4), of(2, 8, 9, 4), Gather::spread(3)),
        (of(2, 3, 2, 24), of(2, 3, 2, 16), Gather::channels(8)),
        (of(2, 3, 2, 10), of(2, 3, 2, 7), Gather::channels(3)),
        (of(2, 3, 2, 7), of(2, 3, 2, 10), Gather::channels(-3)),
        (of(1, 3, 2, 5), of(1, 3, 2, 20), Gather::channels(-8)),
        // A shortcut of a ResNet: every second pixel, with zero channels on both sides.
        (of(2, 8, 8, 16), of(2, 4, 4, 32), Gather { channel_offset: -8, ..Gather::subsample(2) }),
        (of(2, 5, 6, 3), of(2, 9, 4, 6), Gather { mul: 2, div: 3, offset: -4, channel_offset: -2 }),
        (of(2, 5, 6, 3), of(2, 4, 4, 6), Gather { mul: 3, div: 2, offset: 1, channel_offset: 1 }),
    ]
}

fn case(from: Nhwc, to: Nhwc, gather: Gather, random: &mut Random) -> Result<Case> {
    let x = random.floats((from.pixels() * from.c) as usize);
    let y = gather2d(&x, from, to, gather);
    Ok(Case {
        label: format!("{from} to {to}, {gather:?}"),
        plan: plan(from, to, gather)?,
        data: vec![
            Data::input(&nan_padded(&x, from.c)),
            Data::Output(Want::channels(&y, to, |_| 0.0)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    gathers()
        .into_iter()
        .map(|(from, to, gather)| case(from, to, gather, &mut Random::new(11)))
        .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let (from, mut to) = (random.images(10_000), random.images(20_000));
    to.n = from.n;
    let offset = |random: &mut Random, most: u32| random.below(2 * most + 1) as i32 - most as i32;
    let gather = Gather {
        mul: random.between(1, 3),
        div: random.between(1, 3),
        offset: offset(random, from.h.max(from.w)),
        channel_offset: offset(random, from.c),
    };
    if to.pixels() > 20_000 {
        to = from;
    }
    case(from, to, gather, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

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
