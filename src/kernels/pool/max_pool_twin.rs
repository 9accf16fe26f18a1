//! Twin of `shaders/pool/max_pool.wgsl`.

use crate::{
    error::Result,
    kernels::{
        pool,
        twin::{Axes, Case, Data, Random, Want, at, elements, nan_padded},
    },
    shape::{Nhwc, Window, pad_channels},
};

/// Images and windows for all pools: halving, overlaps, gaps, padding, one window for the whole.
pub(crate) fn pools() -> [(Nhwc, Window); 8] {
    let oblong = |r, s, stride, padding| Window { kernel: [r, s], stride, padding };
    [
        (Nhwc::new(1, 1, 1, 1), Window::square(1, 1, 0)),
        (Nhwc::new(2, 6, 8, 3), Window::square(2, 2, 0)),
        (Nhwc::new(2, 7, 5, 10), Window::square(3, 2, 1)),
        (Nhwc::new(1, 9, 9, 4), Window::square(3, 1, 1)),
        (Nhwc::new(1, 8, 4, 8), oblong(8, 4, 1, 0)),
        (Nhwc::new(1, 11, 7, 5), Window::square(2, 3, 0)),
        (Nhwc::new(1, 5, 9, 6), oblong(2, 4, 1, 1)),
        (Nhwc::new(2, 17, 16, 16), Window::square(2, 2, 1)),
    ]
}

/// Images of at most some thousand values, and a window that fits them.
pub(crate) fn draw(random: &mut Random) -> (Nhwc, Window) {
    let shape = random.images(10_000);
    let window = random.window(shape.h, shape.w);
    let [r, s] = window.kernel;
    (shape, Window { padding: window.padding.min(r.min(s) / 2), ..window })
}

/// Row and column of x that tap `(r, s)` of window `(i, j)` meets, if it lies inside the image.
fn pixel(x: Nhwc, window: Window, [i, j]: [u32; 2], [r, s]: [u32; 2]) -> Option<[u32; 2]> {
    let row = (i * window.stride + r).checked_sub(window.padding)?;
    let column = (j * window.stride + s).checked_sub(window.padding)?;
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
pub(crate) fn pack(taps: &[u32], c: u32) -> Vec<u32> {
    let pixels = taps.chunks(c as usize);
    let words = pixels.flat_map(|pixel| pixel.chunks(4));
    words.map(|word| word.iter().rev().fold(0, |packed, tap| packed << 8 | tap)).collect()
}

fn case(label: &str, x: &[f32], shape: Nhwc, window: Window) -> Result<Case> {
    let y = pool::max_pool::output(shape, window)?;
    let (maxima, taps) = max_pool(x, shape, window, y);
    // Copies of inputs: the same bits, NaN included.
    let words = pad_channels(&maxima, y.c, 0.0).iter().map(|y| y.to_bits()).collect();
    Ok(Case {
        label: format!("{label} {shape} by {window}"),
        plan: pool::max_pool::plan(shape, window)?,
        data: vec![
            Data::input(&nan_padded(x, shape.c)),
            Data::Output(Want::words(words).of(y)),
            Data::Output(Want::words(pack(&taps, y.c)).of(Axes::new("pixel", &[("c4", y.c4())]))),
        ],
    })
}

/// What the windows choose among.
#[derive(Clone, Copy)]
enum Values {
    /// All negative: a zero of the padding would win.
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

/// Cases of [`pool::max_pool`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in pools() {
        let mut random = Random::new(4);
        for values in VALUES {
            cases.push(drawn(values, shape, window, &mut random)?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (shape, window) = draw(random);
    let values = random.of(&VALUES);
    drawn(values, shape, window, random)
}
