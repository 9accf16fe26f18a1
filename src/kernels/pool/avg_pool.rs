//! Mean of a sliding window and its gradient, `shaders/pool/avg_pool*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        pool::{max_pool, window::PoolParams},
        twin::{Case, Data, Random, Suite, Want, at, elements, nan_padded, suite},
    },
    shape::{Nhwc, Window},
};

crate::kernel! {
    KERNEL: "pool" / "avg_pool", PoolParams,
    lib: ["lib/grid", "lib/each", "lib/pool", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Shape of the pooled image.
///
/// # Errors
/// The window does not fit, is empty, is padded by more than half of its size, or has more than
/// about 65,000 taps (some drivers cut longer loops off).
pub fn output(x: Nhwc, window: Window) -> Result<Nhwc> {
    let [rows, columns] = window.kernel.map(u64::from);
    // Turns of both loops, with the last test of each.
    if rows.saturating_mul(columns + 2) > 65_000 {
        let what = format!("average pooling {x} by {window}: the window is too large");
        return Err(Error::Shape(what));
    }
    max_pool::pooled(x, window)
}

/// The mean over each window, zeros of the padding included; bindings x, y. Global pooling is a
/// window of the image's size.
pub fn plan(x: Nhwc, window: Window) -> Result<Plan> {
    let y = output(x, window)?;
    let params = PoolParams::new(x, y, window, y);
    let taps = u64::from(window.kernel[0] * window.kernel[1]);
    let grid = DispatchGrid::Items(u64::from(y.vec4s()));
    let plan = Plan::new(&KERNEL, &params, grid, vec![x.bytes(), y.bytes()]);
    Ok(plan.costing(u64::from(y.pixels()) * u64::from(y.c) * taps))
}

crate::kernel! {
    GRAD: "pool" / "avg_pool_grad", PoolParams,
    lib: ["lib/grid", "lib/each", "lib/pool", "lib/lanes", "lib/place", "lib/windows"],
    bindings: [("dy", Read), ("dx", ReadWrite)],
}

/// Shares each window's gradient among its taps; `x` is the shape of dx; bindings dy, dx.
pub fn plan_grad(x: Nhwc, window: Window) -> Result<Plan> {
    let y = output(x, window)?;
    let params = PoolParams::new(x, y, window, x);
    let grid = DispatchGrid::Items(u64::from(x.vec4s()));
    Ok(Plan::new(&GRAD, &params, grid, vec![y.bytes(), x.bytes()]))
}

/// The mean of each window of x, zeros of the padding included.
#[must_use]
pub fn avg_pool(x: &[f32], shape: Nhwc, window: Window, y: Nhwc) -> Vec<f64> {
    let [rows, columns] = window.kernel;
    let mean = |[n, i, j, c]: [u32; 4]| {
        let mut sum = 0.0;
        for r in 0..rows {
            for s in 0..columns {
                // An index in the padding before the image wraps around and is outside too.
                let row = (i * window.stride + r).wrapping_sub(window.padding);
                let column = (j * window.stride + s).wrapping_sub(window.padding);
                if row < shape.h && column < shape.w {
                    sum += f64::from(x[at(shape, [n, row, column, c])]);
                }
            }
        }
        sum / f64::from(rows * columns)
    };
    elements(y).map(mean).collect()
}

/// Bounds for a kernel that sums at most `R S` terms and scales the sum, from the twin's result on
/// absolute values: the additions, the rounding of `1 / (R S)` and the product. Exact where the
/// inputs are whole numbers and `R S` is a power of two.
pub(crate) fn bounds(absolute: &[f64], window: Window, whole: bool) -> Vec<f64> {
    let taps = window.kernel[0] * window.kernel[1];
    let exact = whole && taps.is_power_of_two();
    let eps = if exact { 0.0 } else { f64::from(taps + 2) * f64::from(f32::EPSILON) };
    absolute.iter().map(|sum| eps * sum).collect()
}

fn case(shape: Nhwc, window: Window, whole: bool, random: &mut Random) -> Result<Case> {
    let y = output(shape, window)?;
    let len = (shape.pixels() * shape.c) as usize;
    let x = if whole { random.integers(len, 99) } else { random.floats(len) };
    let absolute: Vec<f32> = x.iter().map(|x| x.abs()).collect();
    let bounds = bounds(&avg_pool(&absolute, shape, window, y), window, whole);
    let means = avg_pool(&x, shape, window, y);
    Ok(Case {
        label: format!("{shape} by {window}{}", if whole { ", whole numbers" } else { "" }),
        plan: plan(shape, window)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&means, &bounds, y)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in max_pool::pools() {
        for whole in [false, true] {
            cases.push(case(shape, window, whole, &mut Random::new(6))?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let (shape, window) = max_pool::draw(random);
    case(shape, window, random.flag(), random)
}

/// Shares each dy among the pixels of its window; shares of the padding are dropped.
#[must_use]
pub fn avg_pool_grad(dy: &[f32], x: Nhwc, window: Window, y: Nhwc) -> Vec<f64> {
    let [rows, columns] = window.kernel;
    let mut dx = vec![0.0; (x.pixels() * x.c) as usize];
    for ([n, i, j, c], &dy) in elements(y).zip(dy) {
        let [top, left] = [i * window.stride, j * window.stride];
        for row in top.max(window.padding)..(top + rows).min(x.h + window.padding) {
            for column in left.max(window.padding)..(left + columns).min(x.w + window.padding) {
                let pixel = [n, row - window.padding, column - window.padding, c];
                dx[at(x, pixel)] += f64::from(dy) / f64::from(rows * columns);
            }
        }
    }
    dx
}

fn grad_case(shape: Nhwc, window: Window, whole: bool, random: &mut Random) -> Result<Case> {
    let y = output(shape, window)?;
    let len = (y.pixels() * y.c) as usize;
    let dy = if whole { random.integers(len, 99) } else { random.floats(len) };
    let absolute: Vec<f32> = dy.iter().map(|dy| dy.abs()).collect();
    let absolute = avg_pool_grad(&absolute, shape, window, y);
    let bounds = bounds(&absolute, window, whole);
    let dx = avg_pool_grad(&dy, shape, window, y);
    Ok(Case {
        label: format!("{shape} by {window}{}", if whole { ", whole numbers" } else { "" }),
        plan: plan_grad(shape, window)?,
        data: vec![
            Data::input(&nan_padded(&dy, y.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in max_pool::pools() {
        for whole in [false, true] {
            cases.push(grad_case(shape, window, whole, &mut Random::new(7))?);
        }
    }
    Ok(cases)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    let (shape, window) = max_pool::draw(random);
    grad_case(shape, window, random.flag(), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(KERNEL, cases, random), suite!(GRAD, grad_cases, random_grad)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_the_whole_image_is_global_and_longer_loops_are_refused() {
        let x = Nhwc::new(1, 224, 224, 64);
        let global = Window { kernel: [224, 224], stride: 1, padding: 0 };
        assert_eq!(output(x, global).unwrap(), Nhwc::new(1, 1, 1, 64));
        let larger = Window { kernel: [256, 256], stride: 1, padding: 0 };
        assert!(output(Nhwc::new(1, 256, 256, 4), larger).is_err());
        assert!(output(x, Window::square(0, 1, 0)).is_err());
    }
}
