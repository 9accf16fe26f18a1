//! Twin of `shaders/conv2d*.wgsl`, and the one definition of which element meets which.

use crate::{
    conformance::{Case, Data, Random, Want, nan_padded},
    error::Result,
    ops::{
        self,
        conv2d::{Conv2d, Fusion, mask_bytes},
        operands::Operands,
    },
    reference::numbers,
    shape::{Nhwc, Rsck, Window},
};

/// Calls `f(large, tap, small)` for every pair of pixels that a window joins: pixel indices into the
/// image it slides over and into the image of its positions, and the tap `r * S + s`.
pub fn meetings(large: Nhwc, small: Nhwc, window: Window, mut f: impl FnMut(usize, usize, usize)) {
    let [rows, columns] = window.kernel;
    for n in 0..small.n {
        for (oy, ox) in (0..small.h).flat_map(|oy| (0..small.w).map(move |ox| (oy, ox))) {
            for (r, s) in (0..rows).flat_map(|r| (0..columns).map(move |s| (r, s))) {
                let iy = i64::from(oy * window.stride + r) - i64::from(window.padding);
                let ix = i64::from(ox * window.stride + s) - i64::from(window.padding);
                if (0..i64::from(large.h)).contains(&iy) && (0..i64::from(large.w)).contains(&ix) {
                    let at = (i64::from(n * large.h) + iy) * i64::from(large.w) + ix;
                    let small_at = (n * small.h + oy) * small.w + ox;
                    f(at as usize, (r * columns + s) as usize, small_at as usize);
                }
            }
        }
    }
}

/// A sum with the sum of its terms' absolute values and their number, for error bounds.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    size: f64,
    terms: f64,
}

/// `y = x * w` of one copy, unpadded: x `[pixels, C]`, w `[R S, C, K]`.
fn gather(conv: Conv2d, x: &[f32], w: &[f32]) -> Vec<Sum> {
    let rounded = |values: &[f32]| -> Vec<f32> {
        values.iter().map(|&v| numbers::operand(conv.operands, v)).collect()
    };
    let (x, w) = (rounded(x), rounded(w));
    let (c, k) = (conv.x.c as usize, conv.y.c as usize);
    let mut y = vec![Sum::default(); conv.y.pixels() as usize * k];
    let (large, small) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    meetings(large, small, conv.window, |large, tap, small| {
        let (from, to) = if conv.transposed { (small, large) } else { (large, small) };
        for ci in 0..c {
            for ki in 0..k {
                let term = f64::from(x[from * c + ci]) * f64::from(w[(tap * c + ci) * k + ki]);
                let sum = &mut y[to * k + ki];
                sum.value += term;
                sum.size += term.abs();
                sum.terms += 1.0;
            }
        }
    });
    y
}

/// Weights `[R S, C, K]` as they lie in memory: `past` in rows past C, NaN in columns past K.
pub(super) fn padded_weights(w: &[f32], shape: Rsck, past: f32) -> Vec<f32> {
    let (c, k) = (shape.c as usize, shape.k as usize);
    let mut out = Vec::new();
    for tap in w.chunks(c * k) {
        for row in tap.chunks(k) {
            out.extend(nan_padded(row, shape.k));
        }
        let missing = c.next_multiple_of(4) - c;
        out.resize(out.len() + missing * k.next_multiple_of(4), past);
    }
    out
}

/// Mask words of values `[pixels, C]`: bit set where positive.
pub fn mask_of(values: &[f64], shape: Nhwc) -> Vec<u32> {
    let (c, c4) = (shape.c as usize, shape.c4() as usize);
    let mut words = vec![0; (mask_bytes(shape, 1) / 4) as usize];
    for (i, &v) in values.iter().enumerate() {
        let (pixel, channel) = (i / c, i % c);
        if v > 0.0 {
            words[pixel / 8 * c4 + channel / 4] |= 1 << (4 * (pixel % 8) + channel % 4);
        }
    }
    words
}

/// What a case multiplies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// In [-1, 1).
    Floats,
    /// Small ones, whose sums f32 holds exactly.
    Integers,
    /// Of every size that f16 has, and beyond it at both ends.
    Wide,
}

impl Values {
    pub(super) fn draw(self, random: &mut Random, len: usize) -> Vec<f32> {
        match self {
            Self::Floats => random.floats(len),
            Self::Integers => random.integers(len, 3),
            Self::Wide => {
                (0..len).map(|_| random.float() * 2f32.powi(random.below(47) as i32 - 28)).collect()
            }
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Floats => "floats",
            Self::Integers => "integers",
            Self::Wide => "wide floats",
        }
    }
}

/// One case; `exact` draws small integers, whose sums f32 holds exactly.
///
/// # Errors
/// The plan was refused.
pub fn case(label: &str, conv: Conv2d, fusion: Fusion, exact: bool) -> Result<Case> {
    case_of(label, conv, fusion, if exact { Values::Integers } else { Values::Floats })
}

fn case_of(label: &str, conv: Conv2d, fusion: Fusion, kind: Values) -> Result<Case> {
    let exact = kind == Values::Integers;
    let mut random = Random::new(conv.x.vec4s() + conv.y.c);
    let mut draw = |len: usize| kind.draw(&mut random, len);
    let x_copies = if conv.shared_input { 1 } else { conv.copies } as usize;
    let y_copies = if conv.sum_copies { 1 } else { conv.copies } as usize;
    let x_len = (conv.x.pixels() * conv.x.c) as usize;
    let y_len = (conv.y.pixels() * conv.y.c) as usize;
    let k = conv.y.c as usize;
    let xs: Vec<Vec<f32>> = (0..x_copies).map(|_| draw(x_len)).collect();
    let ws: Vec<Vec<f32>> = (0..conv.copies).map(|_| draw(conv.weights().len() as usize)).collect();
    let affine = draw(fusion.affine_len as usize);
    let residual = draw(y_len * y_copies);
    let gates: Vec<Vec<f64>> =
        (0..x_copies).map(|_| draw(x_len).iter().map(|&v| f64::from(v)).collect()).collect();

    let mut sums = vec![Sum::default(); y_len * y_copies];
    for copy in 0..conv.copies as usize {
        let mut input = xs[copy % x_copies].clone();
        if fusion.mask_in {
            for (v, gate) in input.iter_mut().zip(&gates[copy % x_copies]) {
                *v = if *gate > 0.0 { *v } else { 0.0 };
            }
        }
        let first = if conv.sum_copies { 0 } else { copy * y_len };
        for (sum, term) in sums[first..].iter_mut().zip(gather(conv, &input, &ws[copy])) {
            sum.value += term.value;
            sum.size += term.size;
            sum.terms += term.terms;
        }
    }
    let (mut values, mut bounds) = (Vec::new(), Vec::new());
    for (i, sum) in sums.iter().enumerate() {
        let at = |offset: Option<u32>, or: f64| {
            offset.map_or(or, |o| f64::from(affine[o as usize + i % k]))
        };
        let (scale, shift) = (at(fusion.scale, 1.0), at(fusion.shift, 0.0));
        let extra = if fusion.residual { f64::from(residual[i]) } else { 0.0 };
        let v = sum.value * scale + shift + extra;
        values.push(if fusion.relu && v < 0.0 { 0.0 } else { v });
        // Each of the sum's terms and of the epilogue's three steps may round once.
        let size = sum.size * scale.abs() + shift.abs() + extra.abs();
        let error = (sum.terms + 4.0) * f64::from(f32::EPSILON) * size;
        bounds.push(if exact { 0.0 } else { error });
    }
    let masks = |values: &[Vec<f64>], shape: Nhwc| -> Vec<u32> {
        values.iter().flat_map(|v| mask_of(v, shape)).collect()
    };
    let plan = ops::conv2d::plan(conv, fusion)?;
    let unused = [f32::NAN; 4];
    let pick = |wanted: bool, values: Vec<f32>| if wanted { values } else { unused.to_vec() };
    let padded_xs: Vec<f32> = xs.iter().flat_map(|x| nan_padded(x, conv.x.c)).collect();
    let padded_ws: Vec<f32> =
        ws.iter().flat_map(|w| padded_weights(w, conv.weights(), 0.0)).collect();
    let data = vec![
        Data::input(&padded_xs),
        Data::input(&padded_ws),
        Data::input(&pick(fusion.affine_len > 0, affine)),
        Data::input(&pick(fusion.residual, nan_padded(&residual, conv.y.c))),
        if fusion.mask_in { Data::input(&masks(&gates, conv.x)) } else { Data::input(&[0u32; 4]) },
        Data::Output(Want::channels_bounded(&values, &bounds, conv.y.c)),
        if fusion.mask_out {
            let copies: Vec<Vec<f64>> = values.chunks(y_len).map(<[f64]>::to_vec).collect();
            Data::Output(Want::Words(masks(&copies, conv.y)))
        } else {
            Data::in_out(&[7u32; 4], Want::Words(vec![7; 4]))
        },
    ];
    let half = if conv.operands == Operands::F16 { " f16" } else { "" };
    let label = format!("{label} {} -> {} {}{half}", conv.x, conv.y, kind.label());
    Ok(Case { label, plan, data })
}

/// Cases of [`ops::conv2d`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let none = Fusion::default();
    let forward = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let backward = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::transposed(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let mut cases = Vec::new();
    for conv in [
        forward(1, 1, 1, 1, 1, 1, 1, 0)?,
        forward(2, 5, 7, 3, 10, 3, 1, 1)?,
        forward(1, 9, 4, 10, 33, 3, 2, 1)?,
        forward(3, 4, 4, 36, 64, 3, 1, 1)?,
        forward(1, 8, 6, 5, 4, 5, 3, 2)?,
        forward(1, 1, 19, 70, 10, 1, 1, 0)?,
        Conv2d::forward(
            Nhwc::new(2, 6, 7, 3),
            5,
            Window { kernel: [2, 4], stride: 1, padding: 1 },
        )?,
        backward(1, 1, 1, 1, 1, 1, 1, 0)?,
        backward(2, 4, 3, 5, 36, 4, 2, 1)?,
        backward(1, 4, 4, 12, 6, 2, 2, 1)?,
        backward(1, 3, 5, 3, 40, 3, 1, 1)?,
        backward(1, 3, 2, 7, 9, 5, 3, 2)?,
        // An even image under stride 2: the last row and column meet no window.
        forward(1, 8, 8, 6, 34, 3, 2, 1)?.grad_input(),
        forward(2, 7, 5, 3, 8, 1, 2, 0)?.grad_input(),
        backward(1, 4, 4, 8, 3, 4, 2, 1)?.grad_input(),
    ] {
        cases.push(case("", conv, none, false)?);
        cases.push(case("", conv, none, true)?);
    }
    let conv = forward(2, 5, 3, 6, 37, 3, 1, 1)?;
    let affine = Fusion { affine_len: 90, scale: Some(5), shift: Some(48), ..none };
    let full = Fusion { residual: true, relu: true, mask_out: true, ..affine };
    for (label, conv, fusion, exact) in [
        ("affine", conv, affine, false),
        ("bias", conv, Fusion { scale: None, ..affine }, true),
        ("bias", backward(2, 3, 3, 6, 40, 2, 2, 0)?, Fusion { scale: None, ..affine }, false),
        ("relu", conv, Fusion { relu: true, ..none }, false),
        ("residual", conv, Fusion { residual: true, ..none }, false),
        ("all", conv, full, true),
        ("copies", Conv2d { copies: 3, ..conv }, full, true),
        ("shared", Conv2d { copies: 3, shared_input: true, ..conv }, full, true),
        ("mask", conv.grad_input(), Fusion { mask_in: true, residual: true, ..none }, true),
        (
            "mask",
            Conv2d { copies: 2, ..conv }.grad_input(),
            Fusion { mask_in: true, ..none },
            false,
        ),
        (
            "mask plain",
            backward(2, 3, 3, 6, 40, 2, 2, 0)?.grad_input(),
            Fusion { mask_in: true, ..none },
            true,
        ),
        (
            "sum",
            Conv2d { copies: 3, shared_input: true, ..forward(2, 5, 3, 3, 37, 3, 1, 1)? }
                .grad_input(),
            Fusion { mask_in: true, ..none },
            true,
        ),
        (
            "sum",
            Conv2d { copies: 2, shared_input: true, ..forward(1, 5, 3, 40, 9, 3, 2, 1)? }
                .grad_input(),
            none,
            true,
        ),
    ] {
        cases.push(case(label, conv, fusion, exact)?);
    }
    cases.extend(edges_of_tiles()?);
    cases.extend(f16_operands()?);
    Ok(cases)
}

/// One less and one more than tiles hold (32, 64 or 128 pixels, 64 channels, 16 channels a step, 64
/// in a partial sum), odd primes, many copies of a matrix product.
fn edges_of_tiles() -> Result<Vec<Case>> {
    let none = Fusion::default();
    let product =
        |pixels, c, k| Conv2d::forward(Nhwc::new(1, 1, pixels, c), k, Window::square(1, 1, 0));
    let mut cases = Vec::new();
    for (pixels, c, k) in [
        (31, 15, 63),
        (32, 16, 64),
        (33, 17, 65),
        (63, 63, 64),
        (64, 64, 65),
        (65, 65, 63),
        (127, 67, 31),
        (128, 5, 128),
        (129, 12, 33),
        (257, 130, 9),
    ] {
        cases.push(case("edge", product(pixels, c, k)?, none, true)?);
    }
    let conv = Conv2d::forward(Nhwc::new(3, 7, 13, 19), 67, Window::square(3, 1, 1))?;
    let full = Fusion { relu: true, mask_out: true, residual: true, ..none };
    for (label, conv, fusion) in [
        ("edge", conv, full),
        ("edge", conv.grad_input(), Fusion { mask_in: true, ..none }),
        ("edge", Conv2d { copies: 2, shared_input: true, ..conv }.grad_input(), none),
        (
            "edge",
            Conv2d::transposed(Nhwc::new(3, 5, 7, 37), 71, Window::square(4, 2, 1))?,
            Fusion { residual: true, ..none },
        ),
        ("copies", Conv2d { copies: 17, ..product(67, 12, 68)? }, none),
        ("copies", Conv2d { copies: 32, ..product(9, 36, 20)? }, none),
    ] {
        cases.push(case(label, conv, fusion, true)?);
        cases.push(case(label, conv, Fusion { mask_out: false, ..fusion }, false)?);
    }
    Ok(cases)
}

/// Operands rounded to f16, in every use of the gather.
fn f16_operands() -> Result<Vec<Case>> {
    let none = Fusion::default();
    let half = |conv: Conv2d| Conv2d { operands: Operands::F16, ..conv };
    let forward = |n, h, w, c, k, kernel, stride, padding| {
        let x = Nhwc::new(n, h, w, c);
        Conv2d::forward(x, k, Window::square(kernel, stride, padding)).map(half)
    };
    let conv = forward(3, 7, 13, 19, 67, 3, 1, 1)?;
    let strided = forward(2, 9, 8, 6, 34, 3, 2, 1)?;
    let up = half(Conv2d::transposed(Nhwc::new(3, 5, 7, 37), 71, Window::square(4, 2, 1))?);
    let affine = Fusion { affine_len: 150, scale: Some(5), shift: Some(78), ..none };
    let full = Fusion { residual: true, relu: true, mask_out: true, ..affine };
    let copies = Conv2d { copies: 3, ..conv };
    let shared = Conv2d { copies: 2, shared_input: true, ..conv };
    let gated = Fusion { mask_in: true, residual: true, ..none };
    let mut cases = Vec::new();
    for (label, conv, fusion, kind) in [
        // One product each, so that every size of operand counts in some result.
        ("", forward(1, 1, 67, 1, 16, 1, 1, 0)?, none, Values::Wide),
        ("", forward(1, 1, 129, 1, 65, 1, 1, 0)?, none, Values::Wide),
        ("", forward(1, 1, 1, 1, 1, 1, 1, 0)?, none, Values::Floats),
        ("", forward(2, 5, 7, 3, 10, 3, 1, 1)?, none, Values::Floats),
        ("", forward(3, 4, 4, 36, 64, 3, 1, 1)?, none, Values::Floats),
        ("", forward(1, 1, 257, 130, 9, 1, 1, 0)?, none, Values::Floats),
        ("", conv, none, Values::Floats),
        ("all", conv, full, Values::Integers),
        ("all", copies, full, Values::Integers),
        ("all", shared, full, Values::Integers),
        ("affine", conv, affine, Values::Floats),
        ("", up, none, Values::Floats),
        ("", up, Fusion { shift: Some(78), affine_len: 150, ..none }, Values::Integers),
        ("", up.grad_input(), none, Values::Floats),
        ("", strided, none, Values::Floats),
        ("", strided.grad_input(), none, Values::Floats),
        ("mask", conv.grad_input(), gated, Values::Integers),
        ("mask", copies.grad_input(), gated, Values::Floats),
        ("sum", shared.grad_input(), gated, Values::Integers),
        ("sum", shared.grad_input(), none, Values::Floats),
        (
            "copies",
            Conv2d { copies: 17, ..forward(1, 1, 67, 12, 68, 1, 1, 0)? },
            none,
            Values::Integers,
        ),
        (
            "copies",
            Conv2d { copies: 16, ..forward(1, 1, 9, 36, 20, 1, 1, 0)? },
            none,
            Values::Floats,
        ),
    ] {
        cases.push(case_of(label, conv, fusion, kind)?);
    }
    Ok(cases)
}
