//! Maximum of a sliding window and its gradient, `shaders/pool/max_pool*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        pool::window::PoolParams,
        twin::{Axes, Case, Data, Random, Suite, Want, at, elements, nan_padded, suite},
    },
    shape::{Nhwc, Window, pad_channels},
};

crate::kernel! {
    KERNEL: "pool" / "max_pool", PoolParams,
    lib: ["lib/grid", "lib/each", "lib/pool", "lib/lanes", "lib/special", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite), ("arg", ReadWrite)],
}

/// Shape of the pooled image.
///
/// # Errors
/// The window does not fit, is empty, lies in the padding alone somewhere, or has more than 256 taps.
pub fn output(x: Nhwc, window: Window) -> Result<Nhwc> {
    let [rows, columns] = window.kernel;
    if rows.checked_mul(columns).is_none_or(|taps| taps > 256) {
        let what = format!("max pooling {x} by {window}: a window may have 256 taps");
        return Err(Error::Shape(what));
    }
    pooled(x, window)
}

/// Shape of an image pooled in any way; every window must meet the image.
pub(crate) fn pooled(x: Nhwc, window: Window) -> Result<Nhwc> {
    let x = x.checked()?;
    let [rows, columns] = window.kernel;
    if rows.min(columns) == 0 {
        return Err(Error::Shape(format!("pooling {x} by {window}: an empty window")));
    }
    let [h, w] = window.output(x.h, x.w)?;
    let meets = |i: usize, image: u32, windows: u32| {
        window.before[i] < window.kernel[i]
            && u64::from(windows - 1) * u64::from(window.stride[i])
                < u64::from(image + window.before[i])
    };
    if !(meets(0, x.h, h) && meets(1, x.w, w)) {
        return Err(Error::Shape(format!(
            "pooling {x} by {window}: a window lies in the padding alone"
        )));
    }
    Nhwc { h, w, ..x }.checked()
}

/// The maximum over each window; bindings x, y, arg. A word of arg belongs to a group of four
/// channels: byte j is `r S + s` of lane j's maximum, 0 in padding lanes.
pub fn plan(x: Nhwc, window: Window) -> Result<Plan> {
    let y = output(x, window)?;
    let params = PoolParams::new(x, y, window, y);
    let taps = u64::from(window.kernel[0] * window.kernel[1]);
    let bytes = vec![x.bytes(), y.bytes(), y.bytes() / 4];
    let plan = Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(y.vec4s())), bytes);
    Ok(plan.costing(u64::from(y.pixels()) * u64::from(y.c) * taps))
}

crate::kernel! {
    GRAD: "pool" / "max_pool_grad", PoolParams,
    lib: ["lib/grid", "lib/each", "lib/pool", "lib/lanes", "lib/place", "lib/windows"],
    bindings: [("dy", Read), ("arg", Read), ("dx", ReadWrite)],
}

/// Hands each window's gradient to its maximum; `x` is the shape of dx; bindings dy, arg, dx.
pub fn plan_grad(x: Nhwc, window: Window) -> Result<Plan> {
    let y = output(x, window)?;
    let params = PoolParams::new(x, y, window, x);
    let bytes = vec![y.bytes(), y.bytes() / 4, x.bytes()];
    Ok(Plan::new(&GRAD, &params, DispatchGrid::Items(u64::from(x.vec4s())), bytes))
}

/// Images and windows for cases of all pools: halving, overlaps, gaps, padding, one window over the
/// whole image.
pub(crate) fn pools() -> [(Nhwc, Window); 10] {
    let oblong = |r, s, stride, padding| Window::even([r, s], stride, padding);
    // The last window of ceil_mode, and axes that differ in everything.
    let past = Window { after: [1, 1], ..Window::square(2, 2, 0) };
    let uneven = Window { kernel: [3, 4], stride: [2, 3], before: [0, 2], after: [1, 3] };
    [
        (Nhwc::new(1, 1, 1, 1), Window::square(1, 1, 0)),
        (Nhwc::new(2, 6, 8, 3), Window::square(2, 2, 0)),
        (Nhwc::new(2, 7, 5, 10), Window::square(3, 2, 1)),
        (Nhwc::new(1, 9, 9, 4), Window::square(3, 1, 1)),
        (Nhwc::new(1, 8, 4, 8), oblong(8, 4, 1, 0)),
        (Nhwc::new(1, 11, 7, 5), Window::square(2, 3, 0)),
        (Nhwc::new(1, 5, 9, 6), oblong(2, 4, 1, 1)),
        (Nhwc::new(2, 17, 16, 16), Window::square(2, 2, 1)),
        (Nhwc::new(2, 5, 7, 6), past),
        (Nhwc::new(2, 8, 9, 6), uneven),
    ]
}

/// Draws images of at most 10,000 values, and a window that fits them.
pub(crate) fn draw(random: &mut Random) -> (Nhwc, Window) {
    let shape = random.images(10_000);
    let window = random.window(shape.h, shape.w);
    let [r, s] = window.kernel;
    // A window that reaches past the image must begin before its end.
    (shape, if pooled(shape, window).is_ok() { window } else { Window::even([r, s], 1, 0) })
}

/// Row and column of x that tap `(r, s)` of window `(i, j)` meets, if it lies inside the image.
fn pixel(x: Nhwc, window: Window, [i, j]: [u32; 2], [r, s]: [u32; 2]) -> Option<[u32; 2]> {
    let row = (i * window.stride[0] + r).checked_sub(window.before[0])?;
    let column = (j * window.stride[1] + s).checked_sub(window.before[1])?;
    (row < x.h && column < x.w).then_some([row, column])
}

/// The maximum of each window of x, and its tap `r S + s`.
#[must_use]
pub fn max_pool(x: &[f32], shape: Nhwc, window: Window, y: Nhwc) -> (Vec<f32>, Vec<u32>) {
    let [rows, columns] = window.kernel;
    let mut maxima = Vec::new();
    for [n, i, j, c] in elements(y) {
        let mut best: Option<(f32, u32)> = None;
        for tap in 0..rows * columns {
            let at_tap = pixel(shape, window, [i, j], [tap / columns, tap % columns]);
            let Some([row, column]) = at_tap else { continue };
            let v = x[at(shape, [n, row, column, c])];
            if best.is_none_or(|(most, _)| v > most || v.is_nan()) {
                best = Some((v, tap));
            }
        }
        maxima.extend(best);
    }
    maxima.into_iter().unzip()
}

/// Taps as they lie in memory: a byte per channel, four to a word, 0 in the padding lanes.
fn pack(taps: &[u32], c: u32) -> Vec<u32> {
    let pixels = taps.chunks(c as usize);
    let words = pixels.flat_map(|pixel| pixel.chunks(4));
    words.map(|word| word.iter().rev().fold(0, |packed, tap| packed << 8 | tap)).collect()
}

fn case(label: &str, x: &[f32], shape: Nhwc, window: Window) -> Result<Case> {
    let y = output(shape, window)?;
    let (maxima, taps) = max_pool(x, shape, window, y);
    // Maxima are copies of inputs: they must have the same bits, NaN included.
    let words = pad_channels(&maxima, y.c, 0.0).iter().map(|y| y.to_bits()).collect();
    Ok(Case {
        label: format!("{label} {shape} by {window}"),
        plan: plan(shape, window)?,
        data: vec![
            Data::input(&nan_padded(x, shape.c)),
            Data::Output(Want::words(words).of(y)),
            Data::Output(Want::words(pack(&taps, y.c)).of(Axes::new("pixel", &[("c4", y.c4())]))),
        ],
    })
}

/// Kinds of values that the windows choose among.
#[derive(Clone, Copy)]
enum Values {
    /// All values are negative: a zero of the padding would win.
    Negative,
    Ties,
    /// NaN and infinities.
    Special,
}

fn drawn(values: Values, shape: Nhwc, window: Window, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let special = [f32::NEG_INFINITY, f32::NAN, 1.0, f32::NEG_INFINITY, f32::INFINITY, -1.0];
    let (label, x): (_, Vec<f32>) = match values {
        Values::Negative => ("negative", random.floats(len).iter().map(|x| x - 2.0).collect()),
        Values::Ties => ("ties", random.integers(len, 1).iter().map(|x| x + 2.0).collect()),
        Values::Special => ("special", (0..len).map(|_| random.of(&special)).collect()),
    };
    case(label, &x, shape, window)
}

const VALUES: [Values; 3] = [Values::Negative, Values::Ties, Values::Special];

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in pools() {
        let mut random = Random::new(4);
        for values in VALUES {
            cases.push(drawn(values, shape, window, &mut random)?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let (shape, window) = draw(random);
    let values = random.of(&VALUES);
    drawn(values, shape, window, random)
}

/// Adds each dy to the pixel that won its window; also returns the sums of absolute values, for
/// bounds.
#[must_use]
pub fn max_pool_grad(
    dy: &[f32],
    taps: &[u32],
    (x, window, y): (Nhwc, Window, Nhwc),
) -> (Vec<f64>, Vec<f64>) {
    let len = (x.pixels() * x.c) as usize;
    let (mut dx, mut absolute) = (vec![0.0; len], vec![0.0; len]);
    for ([n, i, j, c], (&dy, tap)) in elements(y).zip(dy.iter().zip(taps)) {
        let row = i * window.stride[0] + tap / window.kernel[1] - window.before[0];
        let column = j * window.stride[1] + tap % window.kernel[1] - window.before[1];
        dx[at(x, [n, row, column, c])] += f64::from(dy);
        absolute[at(x, [n, row, column, c])] += f64::from(dy.abs());
    }
    (dx, absolute)
}

fn grad_case(shape: Nhwc, window: Window, whole: bool, random: &mut Random) -> Result<Case> {
    let y = output(shape, window)?;
    let x = random.floats((shape.pixels() * shape.c) as usize);
    let (_, taps) = max_pool(&x, shape, window, y);
    let len = (y.pixels() * y.c) as usize;
    let dy = if whole { random.integers(len, 99) } else { random.floats(len) };
    let (dx, absolute) = max_pool_grad(&dy, &taps, (shape, window, y));
    // A pixel sums at most as many terms as a window has taps; whole numbers must be exact.
    let terms = f64::from(window.kernel[0] * window.kernel[1]);
    let eps = if whole { 0.0 } else { terms * f64::from(f32::EPSILON) };
    let bounds: Vec<f64> = absolute.iter().map(|sum| eps * sum).collect();
    Ok(Case {
        label: format!("{shape} by {window}{}", if whole { ", exact" } else { "" }),
        plan: plan_grad(shape, window)?,
        data: vec![
            Data::input(&nan_padded(&dy, y.c)),
            Data::input(&pack(&taps, y.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in pools() {
        for whole in [false, true] {
            cases.push(grad_case(shape, window, whole, &mut Random::new(5))?);
        }
    }
    Ok(cases)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    let (shape, window) = draw(random);
    grad_case(shape, window, random.flag(), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(KERNEL, cases, random), suite!(GRAD, grad_cases, random_grad)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_miss_the_image_are_refused() {
        let x = Nhwc::new(2, 16, 17, 3);
        assert_eq!(output(x, Window::square(3, 2, 1)).unwrap(), Nhwc::new(2, 8, 9, 3));
        assert_eq!(output(x, Window::square(16, 1, 0)).unwrap(), Nhwc::new(2, 1, 2, 3));
        for window in [
            Window::square(17, 1, 0),
            Window::square(2, 0, 0),
            Window::square(3, 1, 3),
            Window { after: [0, 4], ..Window::square(3, 1, 0) },
            Window { before: [3, 0], ..Window::square(3, 1, 0) },
            Window::square(0, 1, 0),
            Window::even([1 << 16, 1 << 16], 1, 0),
        ] {
            let refused = plan(x, window).unwrap_err().to_string();
            assert!(refused.contains("16x17") || refused.contains("h=16 w=17"), "{refused}");
        }
    }

    #[test]
    fn a_tap_fits_a_byte() {
        let x = Nhwc::new(1, 1, 300, 3);
        let line = |s| Window::even([1, s], 1, 0);
        assert_eq!(output(x, line(256)).unwrap(), Nhwc::new(1, 1, 45, 3));
        assert!(output(x, line(257)).is_err());
    }

    #[test]
    fn the_index_takes_a_word_per_four_channels() {
        let plan = plan(Nhwc::new(2, 6, 8, 10), Window::square(2, 2, 0)).unwrap();
        let pixels = 2 * 3 * 4;
        assert_eq!(plan.bytes, [2 * 6 * 8 * 12 * 4, pixels * 12 * 4, pixels * 3 * 4]);
    }
}
