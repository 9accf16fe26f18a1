//! Mean of a sliding window and its gradient, `shaders/pool/avg_pool*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        pool::{
            max_pool,
            window::{Divisor, PoolParams},
        },
        twin::{Case, Data, Random, Suite, Want, at, elements, nan_padded, suite},
    },
    shape::{Nhwc, Window},
};

crate::kernel! {
    KERNEL: "pool" / "avg_pool", PoolParams,
    lib: ["lib/grid", "lib/each", "lib/pool", "lib/mean", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Shape of the pooled image.
///
/// # Errors
/// The window does not fit, is empty, lies in the padding alone somewhere, or has more than about
/// 65,000 taps (some drivers cut longer loops off).
pub fn output(x: Nhwc, window: Window) -> Result<Nhwc> {
    let [rows, columns] = window.kernel.map(u64::from);
    // Turns of both loops, with the last test of each.
    if rows.saturating_mul(columns + 2) > 65_000 {
        let what = format!("average pooling {x} by {window}: the window is too large");
        return Err(Error::Shape(what));
    }
    max_pool::pooled(x, window)
}

/// The mean over each window; bindings x, y. Global pooling is a window of the image's size.
pub fn plan(x: Nhwc, window: Window, divisor: Divisor) -> Result<Plan> {
    let y = output(x, window)?;
    let params = PoolParams::new(x, y, window, y).dividing(divisor);
    let taps = u64::from(window.kernel[0] * window.kernel[1]);
    let grid = DispatchGrid::Items(u64::from(y.vec4s()));
    let plan = Plan::new(&KERNEL, &params, grid, vec![x.bytes(), y.bytes()]);
    let plan = plan.with("DIVISOR", divisor.code());
    Ok(plan.costing(u64::from(y.pixels()) * u64::from(y.c) * taps))
}

crate::kernel! {
    GRAD: "pool" / "avg_pool_grad", PoolParams,
    lib: ["lib/grid", "lib/each", "lib/pool", "lib/mean", "lib/lanes", "lib/place", "lib/windows"],
    bindings: [("dy", Read), ("dx", ReadWrite)],
}

/// Shares each window's gradient among its taps; `x` is the shape of dx; bindings dy, dx.
pub fn plan_grad(x: Nhwc, window: Window, divisor: Divisor) -> Result<Plan> {
    let y = output(x, window)?;
    let params = PoolParams::new(x, y, window, x).dividing(divisor);
    let grid = DispatchGrid::Items(u64::from(x.vec4s()));
    let plan = Plan::new(&GRAD, &params, grid, vec![y.bytes(), x.bytes()]);
    Ok(plan.with("DIVISOR", divisor.code()))
}

/// The mean of each window of x.
#[must_use]
pub fn avg_pool(x: &[f32], shape: Nhwc, (window, divisor): (Window, Divisor), y: Nhwc) -> Vec<f64> {
    let [rows, columns] = window.kernel;
    let mean = |[n, i, j, c]: [u32; 4]| {
        let mut sum = 0.0;
        for r in 0..rows {
            for s in 0..columns {
                // An index in the padding before the image wraps around and is outside too.
                let row = (i * window.stride[0] + r).wrapping_sub(window.before[0]);
                let column = (j * window.stride[1] + s).wrapping_sub(window.before[1]);
                if row < shape.h && column < shape.w {
                    sum += f64::from(x[at(shape, [n, row, column, c])]);
                }
            }
        }
        sum / f64::from(divisor.taps(window, [shape.h, shape.w], [i, j]))
    };
    elements(y).map(mean).collect()
}

/// Bounds for a kernel that sums at most `R S` terms and scales the sum, from the twin's result on
/// absolute values: the additions, the rounding of the scale and the product. The scale is the host's
/// quotient, or the device's, which WGSL allows an error of 2.5 ULP. Exact where the inputs are whole
/// numbers and all windows divide by a power of two.
pub(crate) fn bounds(
    absolute: &[f64],
    (window, divisor): (Window, Divisor),
    whole: bool,
) -> Vec<f64> {
    let taps = window.kernel[0] * window.kernel[1];
    let exact = whole && taps.is_power_of_two() && divisor == Divisor::Window;
    let scale = if divisor == Divisor::Window { 2 } else { 4 };
    let eps = if exact { 0.0 } else { f64::from(taps + scale) * f64::from(f32::EPSILON) };
    absolute.iter().map(|sum| eps * sum).collect()
}

fn case(shape: Nhwc, pool: (Window, Divisor), whole: bool, random: &mut Random) -> Result<Case> {
    let y = output(shape, pool.0)?;
    let len = (shape.pixels() * shape.c) as usize;
    let x = if whole { random.integers(len, 99) } else { random.floats(len) };
    let absolute: Vec<f32> = x.iter().map(|x| x.abs()).collect();
    let bounds = bounds(&avg_pool(&absolute, shape, pool, y), pool, whole);
    let means = avg_pool(&x, shape, pool, y);
    Ok(Case {
        label: label(shape, pool, whole),
        plan: plan(shape, pool.0, pool.1)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&means, &bounds, y)),
        ],
    })
}

fn label(shape: Nhwc, (window, divisor): (Window, Divisor), whole: bool) -> String {
    let counted = match divisor {
        Divisor::Window => String::new(),
        Divisor::Image => " of the image".to_owned(),
        Divisor::Padded(after) => format!(" with {after:?} behind"),
    };
    format!("{shape} by {window}{counted}{}", if whole { ", whole numbers" } else { "" })
}

/// The pools of all cases with every divisor.
fn pools() -> impl Iterator<Item = (Nhwc, (Window, Divisor))> {
    // Two rows behind the image count, of the three that the last windows reach.
    let below = Window { kernel: [4, 3], stride: [3, 2], before: [2, 0], after: [3, 1] };
    let all = max_pool::pools().into_iter().chain([(Nhwc::new(2, 9, 8, 6), below)]);
    all.flat_map(|(shape, window)| {
        let padded = Divisor::Padded(window.after.map(|after| after.saturating_sub(1)));
        let divisors = [Divisor::Window, Divisor::Image, padded];
        divisors.map(|divisor| (shape, (window, divisor)))
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, pool) in pools() {
        for whole in [false, true] {
            cases.push(case(shape, pool, whole, &mut Random::new(6))?);
        }
    }
    Ok(cases)
}

fn draw(random: &mut Random) -> (Nhwc, (Window, Divisor)) {
    let (shape, window) = max_pool::draw(random);
    let behind = window.after.map(|after| random.below(after + 1));
    let divisor = random.of(&[Divisor::Window, Divisor::Image, Divisor::Padded(behind)]);
    (shape, (window, divisor))
}

fn random(random: &mut Random) -> Result<Case> {
    let (shape, pool) = draw(random);
    case(shape, pool, random.flag(), random)
}

/// Shares each dy among the pixels of its window; shares of the padding are dropped.
#[must_use]
pub fn avg_pool_grad(
    dy: &[f32],
    x: Nhwc,
    (window, divisor): (Window, Divisor),
    y: Nhwc,
) -> Vec<f64> {
    let ([rows, columns], [above, left_of]) = (window.kernel, window.before);
    let mut dx = vec![0.0; (x.pixels() * x.c) as usize];
    for ([n, i, j, c], &dy) in elements(y).zip(dy) {
        let [top, left] = [i * window.stride[0], j * window.stride[1]];
        let taps = divisor.taps(window, [x.h, x.w], [i, j]);
        for row in top.max(above)..(top + rows).min(x.h + above) {
            for column in left.max(left_of)..(left + columns).min(x.w + left_of) {
                let pixel = [n, row - above, column - left_of, c];
                dx[at(x, pixel)] += f64::from(dy) / f64::from(taps);
            }
        }
    }
    dx
}

fn grad_case(
    shape: Nhwc,
    pool: (Window, Divisor),
    whole: bool,
    random: &mut Random,
) -> Result<Case> {
    let y = output(shape, pool.0)?;
    let len = (y.pixels() * y.c) as usize;
    let dy = if whole { random.integers(len, 99) } else { random.floats(len) };
    let absolute: Vec<f32> = dy.iter().map(|dy| dy.abs()).collect();
    let absolute = avg_pool_grad(&absolute, shape, pool, y);
    let bounds = bounds(&absolute, pool, whole);
    let dx = avg_pool_grad(&dy, shape, pool, y);
    Ok(Case {
        label: label(shape, pool, whole),
        plan: plan_grad(shape, pool.0, pool.1)?,
        data: vec![
            Data::input(&nan_padded(&dy, y.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, pool) in pools() {
        for whole in [false, true] {
            cases.push(grad_case(shape, pool, whole, &mut Random::new(7))?);
        }
    }
    Ok(cases)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    let (shape, pool) = draw(random);
    grad_case(shape, pool, random.flag(), random)
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
        let global = Window::even([224, 224], 1, 0);
        assert_eq!(output(x, global).unwrap(), Nhwc::new(1, 1, 1, 64));
        let larger = Window::even([256, 256], 1, 0);
        assert!(output(Nhwc::new(1, 256, 256, 4), larger).is_err());
        assert!(output(x, Window::square(0, 1, 0)).is_err());
    }
}
