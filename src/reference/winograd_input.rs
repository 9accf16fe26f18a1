//! Twin of `shaders/winograd_input.wgsl`.

use super::{at, conv2d::mask_of};
use crate::{
    conformance::{Case, Data, Random, Want, nan_padded},
    error::Result,
    ops::{
        self,
        conv2d::Conv2d,
        winograd::{Tiles, VALUES},
    },
    shape::{Nhwc, Window},
};

/// Winograd's B^T for F(2, 3).
const B_T: [[f64; 4]; 4] =
    [[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]];

/// Transformed patches `[16, tiles, C]` of one copy x `[N, H, W, C]`, and the sums of the terms'
/// absolute values.
#[must_use]
pub fn winograd_input(tiles: Tiles, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (shape, [rows, columns]) = (tiles.conv.x, tiles.grid());
    let (mut values, mut sizes) = (Vec::new(), Vec::new());
    for p in 0..VALUES as usize {
        for t in 0..tiles.tiles() {
            let n = tiles.first + t / (rows * columns);
            let first = [t / columns % rows, t % columns]
                .map(|i| 2 * i64::from(i) - i64::from(tiles.padding()));
            for c in 0..shape.c {
                let pixel = |i: usize, j: usize| {
                    let (h, w) = (first[0] + i as i64, first[1] + j as i64);
                    let inside = (0..i64::from(shape.h)).contains(&h)
                        && (0..i64::from(shape.w)).contains(&w);
                    if inside { x[at(shape, [n, h as u32, w as u32, c])] } else { 0.0 }
                };
                let terms = (0..16).map(|ij| {
                    let (i, j) = (ij / 4, ij % 4);
                    B_T[p / 4][i] * pixel(i, j) * B_T[p % 4][j]
                });
                values.push(terms.clone().sum());
                sizes.push(terms.map(f64::abs).sum());
            }
        }
    }
    (values, sizes)
}

/// Convolutions for the cases of the three transforms, with the first image and the number of images.
///
/// # Errors
/// A window that does not fit.
pub fn convolutions() -> Result<Vec<(Conv2d, u32, u32)>> {
    let of = |n, h, w, c, k, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(3, 1, padding))
    };
    let copies = |copies, conv| Conv2d { copies, ..conv };
    Ok(vec![
        (of(1, 2, 2, 1, 1, 1)?, 0, 1),
        (of(2, 5, 6, 3, 10, 1)?, 0, 2),
        (of(3, 4, 4, 36, 33, 1)?, 1, 2),
        (of(2, 8, 8, 5, 40, 1)?.grad_input(), 1, 1),
        (of(1, 7, 8, 6, 7, 0)?, 0, 1),
        (of(1, 6, 4, 7, 3, 2)?.grad_input(), 0, 1),
        (copies(3, of(5, 2, 2, 8, 12, 1)?), 2, 3),
        // Images that end inside a word of the mask, with others behind them.
        (of(3, 3, 6, 5, 7, 1)?, 0, 2),
        (copies(2, of(2, 4, 6, 9, 4, 1)?.grad_input()), 0, 2),
    ])
}

/// One of them drawn.
///
/// # Errors
/// A window that does not fit.
pub(super) fn draw(random: &mut Random) -> Result<(Conv2d, u32, u32)> {
    let (c, k, copies) = (random.length(70), random.length(70), random.length(3));
    let most = 20_000 / (c.max(k) * copies);
    // Padding of 0 and 2 changes the extents by two, which keeps an even number of columns.
    let (h, w) = (random.between(3, 9), 2 * random.between(2, (most / 18).clamp(2, 20)));
    let n = random.length((most / (h * w)).clamp(1, 9));
    let conv = Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(3, 1, random.below(3)))?;
    let conv = if random.flag() { conv.grad_input() } else { conv };
    // Images begin with a word of the mask.
    let pixels = conv.y.h * conv.y.w;
    let firsts: Vec<u32> = (0..n).filter(|first| (first * pixels).is_multiple_of(8)).collect();
    let first = random.of(&firsts);
    Ok((Conv2d { copies, ..conv }, first, random.between(1, n - first)))
}

fn case(
    (conv, first, count): (Conv2d, u32, u32),
    masked: bool,
    exact: bool,
    random: &mut Random,
) -> Result<Case> {
    let tiles = Tiles::new(conv, first, count)?;
    let len = (conv.x.pixels() * conv.x.c) as usize;
    let mut draw = |len: usize| if exact { random.integers(len, 3) } else { random.floats(len) };
    let (mut xs, mut masks) = (Vec::new(), Vec::new());
    let (mut values, mut bounds) = (Vec::new(), Vec::new());
    for _ in 0..conv.copies {
        let x = draw(len);
        let gate: Vec<f64> = draw(len).into_iter().map(f64::from).collect();
        let kept = |(&v, &g): (&f32, &f64)| if masked && g <= 0.0 { 0.0 } else { f64::from(v) };
        let kept: Vec<f64> = x.iter().zip(&gate).map(kept).collect();
        let (value, size) = winograd_input(tiles, &kept);
        values.extend(value);
        // Two additions along each axis, each of which may round.
        bounds.extend(size.iter().map(|s| if exact { 0.0 } else { 3.0 * 6e-8 * s }));
        masks.extend(mask_of(&gate, conv.x));
        xs.extend(nan_padded(&x, conv.x.c));
    }
    Ok(Case {
        label: format!("{} {first}+{count} masked {masked} exact {exact}", conv.x),
        plan: ops::winograd_input::plan(tiles, masked)?,
        data: vec![
            Data::input(&xs),
            if masked { Data::input(&masks) } else { Data::input(&[0u32; 4]) },
            Data::Output(Want::channels_bounded(&values, &bounds, tiles.values(conv.x.c))),
        ],
    })
}

/// Cases of [`ops::winograd_input`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for conv in convolutions()? {
        for (masked, exact) in [(false, true), (true, true), (conv.0.transposed, false)] {
            let mut random = Random::new(conv.0.x.vec4s() + conv.0.y.c);
            cases.push(case(conv, masked, exact, &mut random)?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(draw(random)?, random.flag(), random.flag(), random)
}
