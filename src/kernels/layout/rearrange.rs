//! Any other order of the values of an image, `shaders/layout/rearrange.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, suite},
    },
    shape::Nhwc,
};

/// Stands in a table for a value that comes from nowhere and is the fill.
pub const FILL: u32 = u32::MAX;
/// Stands in a table in memory for a padding lane, which is 0.
const PADDING: u32 = u32::MAX - 1;

crate::params! {
    /// Uniform block of `shaders/layout/rearrange.wgsl`.
    pub struct RearrangeParams {
        /// Groups of four channels of y.
        vec4s: u32,
        /// Groups of four channels of one image of y.
        image: u32,
        /// Floats of one image of x, padding included.
        x_image: u32,
        /// Value where the table has no source.
        fill: f32,
    }
}

crate::kernel! {
    KERNEL: "layout" / "rearrange", RearrangeParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [("x", Read), ("table", Read), ("y", ReadWrite)],
}

/// Fills every image of y from the image of x as a table in memory says ([`in_memory`]); bindings x, table, y.
///
/// # Errors
/// Batches that differ, a fill that is not finite, or shapes too large for 32-bit indices.
pub fn plan(x: Nhwc, y: Nhwc, fill: f32) -> Result<Plan> {
    let (x, y) = (x.checked()?, y.checked()?);
    if x.n != y.n || !fill.is_finite() {
        return Err(Error::Shape(format!("{y} rearranged from {x}, filled with {fill}")));
    }
    let image = y.vec4s() / y.n;
    let params = RearrangeParams { vec4s: y.vec4s(), image, x_image: 4 * x.vec4s() / x.n, fill };
    let bytes = vec![x.bytes(), u64::from(image) * 16, y.bytes()];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(y.vec4s())), bytes))
}

/// The position in memory of each value of an image in PyTorch's order `[C, H, W]`.
fn positions([c, h, w]: [u32; 3]) -> impl Iterator<Item = u32> {
    let padded = c.next_multiple_of(4);
    (0..c).flat_map(move |c| (0..h * w).map(move |pixel| pixel * padded + c))
}

/// A table over images as they lie in memory, from one in PyTorch's order: `table[i]` is the index in `x` of value `i`
/// of `y`, or [`FILL`].
///
/// # Errors
/// A table that is not as long as an image of `y`, or an index outside `x`.
pub fn in_memory(table: &[u32], x: [u32; 3], y: [u32; 3]) -> Result<Vec<u32>> {
    let from: Vec<u32> = positions(x).collect();
    let [c, h, w] = y;
    let mut out = vec![PADDING; (h * w * c.next_multiple_of(4)) as usize];
    if table.len() != (c * h * w) as usize {
        return Err(Error::Shape(format!("a table of {} values for {y:?}", table.len())));
    }
    for (at, &source) in positions(y).zip(table) {
        let place = if source == FILL { Some(&FILL) } else { from.get(source as usize) };
        let Some(&place) = place else {
            return Err(Error::Shape(format!("value {source} of an image of {x:?}")));
        };
        out[at as usize] = place;
    }
    Ok(out)
}

/// The table that takes the gradient back: where each value of `x` went, or [`FILL`] (of 0) where it went nowhere.
///
/// # Errors
/// A value of `x` that went to two places, whose gradient would be a sum.
pub fn inverse(table: &[u32], x: [u32; 3]) -> Result<Vec<u32>> {
    let mut back = vec![FILL; x.iter().product::<u32>() as usize];
    for (at, &source) in table.iter().enumerate().filter(|&(_, &source)| source != FILL) {
        match back.get_mut(source as usize) {
            Some(place) if *place == FILL => *place = at as u32,
            Some(_) => return Err(Error::Shape(format!("value {source} used twice"))),
            None => return Err(Error::Shape(format!("value {source} of an image of {x:?}"))),
        }
    }
    Ok(back)
}

/// Images `[N, H, W, C]` without padding, rearranged by a table in PyTorch's order.
#[must_use]
pub fn rearrange(values: &[f32], x: Nhwc, table: &[u32], y: Nhwc, fill: f32) -> Vec<f64> {
    let index = |of: Nhwc, n: usize, chw: usize| {
        let plane = (of.h * of.w) as usize;
        (n * plane + chw % plane) * of.c as usize + chw / plane
    };
    let mut out = vec![0.0; (y.pixels() * y.c) as usize];
    for n in 0..y.n as usize {
        for (chw, &source) in table.iter().enumerate() {
            let value = if source == FILL { fill } else { values[index(x, n, source as usize)] };
            out[index(y, n, chw)] = f64::from(value);
        }
    }
    out
}

/// A random table that uses each value of `x` at most once, with some fill.
fn shuffled(x: Nhwc, y: Nhwc, random: &mut Random) -> Vec<u32> {
    let mut sources: Vec<u32> = (0..x.c * x.h * x.w).collect();
    for i in (1..sources.len()).rev() {
        sources.swap(i, random.below(i as u32 + 1) as usize);
    }
    let mut sources = sources.into_iter();
    let mut source = || if random.below(5) == 0 { FILL } else { sources.next().unwrap_or(FILL) };
    (0..y.c * y.h * y.w).map(|_| source()).collect()
}

fn case(x: Nhwc, y: Nhwc, back: bool, random: &mut Random) -> Result<Case> {
    let chw = |of: Nhwc| [of.c, of.h, of.w];
    let table = shuffled(x, y, random);
    // The gradient is the same kernel with the inverse table.
    let (from, to, table) = if back { (y, x, inverse(&table, chw(x))?) } else { (x, y, table) };
    let fill = if back { 0.0 } else { 0.375 };
    let values = random.floats((from.pixels() * from.c) as usize);
    let wanted = rearrange(&values, from, &table, to, fill);
    Ok(Case {
        label: format!("{from} to {to}{}", if back { ", gradient" } else { "" }),
        plan: plan(from, to, fill)?,
        data: vec![
            Data::input(&nan_padded(&values, from.c)),
            Data::input(&in_memory(&table, chw(from), chw(to))?),
            Data::Output(Want::channels(&wanted, to, |_| 0.0)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (x, y) in [
        (Nhwc::new(1, 1, 1, 1), Nhwc::new(1, 1, 1, 1)),
        (Nhwc::new(2, 3, 5, 3), Nhwc::new(2, 1, 1, 45)),
        (Nhwc::new(3, 4, 4, 10), Nhwc::new(3, 6, 7, 5)),
        (Nhwc::new(2, 8, 8, 8), Nhwc::new(2, 5, 3, 6)),
    ] {
        for back in [false, true] {
            cases.push(case(x, y, back, &mut Random::new(46))?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let (x, y) = (random.images(10_000), random.images(10_000));
    case(x, Nhwc { n: x.n, ..y }, random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        let x = [2, 1, 2];
        assert_eq!(
            in_memory(&[3, FILL], x, [1, 1, 2]).unwrap(),
            [5, PADDING, PADDING, PADDING, FILL, PADDING, PADDING, PADDING]
        );
        assert!(
            in_memory(&[0], x, [1, 1, 2]).is_err() && in_memory(&[4, 0], x, [1, 1, 2]).is_err()
        );
        assert_eq!(inverse(&[3, FILL, 0], x).unwrap(), [2, FILL, FILL, 0]);
        assert!(inverse(&[1, 1], x).is_err() && inverse(&[4], x).is_err());
    }
}
