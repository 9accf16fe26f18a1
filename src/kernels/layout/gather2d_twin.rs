//! Twin of `shaders/layout/gather2d.wgsl`.

use crate::{
    error::Result,
    kernels::{
        layout::{self, gather2d::Gather},
        twin::{Case, Data, Random, Want, at, elements, nan_padded},
    },
    shape::Nhwc,
};

/// Index `i` of y seen in x, if it is whole and below `extent`.
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
        // A shortcut of ResNet: every second pixel, with zero channels on both sides.
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
        plan: layout::gather2d::plan(from, to, gather)?,
        data: vec![
            Data::input(&nan_padded(&x, from.c)),
            Data::Output(Want::channels(&y, to, |_| 0.0)),
        ],
    })
}

/// Cases of [`layout::gather2d`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    gathers()
        .into_iter()
        .map(|(from, to, gather)| case(from, to, gather, &mut Random::new(11)))
        .collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
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
