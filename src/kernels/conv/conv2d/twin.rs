//! Twin of `shaders/conv/conv2d*.wgsl`: the one definition of which pixels a window joins, and the expected
//! results of a convolution with everything fused, with bounds for rounding. The cases use it, and a training
//! that verifies its layers.

use crate::{
    error::Result,
    kernels::{
        conv::{
            self,
            conv2d::{Conv2d, Epilogue, mask_bytes},
        },
        plan,
        twin::{
            Axes, Case, Data, Random, Want, nan_padded,
            numbers::{self, passes},
        },
    },
    shape::{Nhwc, Rsck, Window},
};

/// Calls `f(large, tap, small)` for every pair of pixels that a window joins. `large` is a pixel index into
/// the image that the window slides over, `small` one into the image of its positions, and `tap` is `r * S +
/// s`. Taps are `dilation` rows and columns apart.
pub fn meetings(
    large: Nhwc,
    small: Nhwc,
    window: Window,
    dilation: [u32; 2],
    mut f: impl FnMut(usize, usize, usize),
) {
    let [rows, columns] = window.kernel;
    let place = |i: usize, at: u32, tap: u32| {
        i64::from(at * window.stride[i] + tap * dilation[i]) - i64::from(window.before[i])
    };
    for n in 0..small.n {
        for (oy, ox) in (0..small.h).flat_map(|oy| (0..small.w).map(move |ox| (oy, ox))) {
            for (r, s) in (0..rows).flat_map(|r| (0..columns).map(move |s| (r, s))) {
                let (iy, ix) = (place(0, oy, r), place(1, ox, s));
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
struct PixelSum {
    value: f64,
    size: f64,
    terms: f64,
}

/// `y = x * w` of one copy, unpadded: x `[pixels, C]`, w `[R S, C / groups, K]`.
fn gather(conv: Conv2d, x: &[f32], w: &[f32]) -> Vec<PixelSum> {
    let rounded = |values: &[f32]| -> Vec<f32> {
        values.iter().map(|&v| numbers::operand(conv.dtype, v)).collect()
    };
    let (x, w) = (rounded(x), rounded(w));
    let (c, k) = (conv.x.c as usize, conv.y.c as usize);
    let mut y = vec![PixelSum::default(); conv.y.pixels() as usize * k];
    let (large, small) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    let (rows, columns) = (c / conv.groups as usize, k / conv.groups as usize);
    meetings(large, small, conv.window, conv.dilation, |large, tap, small| {
        let (from, to) = if conv.transposed { (small, large) } else { (large, small) };
        for ci in 0..rows {
            for ki in 0..k {
                let at = from * c + ki / columns * rows + ci;
                let term = f64::from(x[at]) * f64::from(w[(tap * rows + ci) * k + ki]);
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
pub(crate) fn padded_weights(w: &[f32], shape: Rsck, past: f32) -> Vec<f32> {
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

/// Mask words of values `[pixels, C]`: a bit is set where a gradient passes ReLU.
pub fn mask_of(values: &[f64], shape: Nhwc) -> Vec<u32> {
    let (c, c4) = (shape.c as usize, shape.c4() as usize);
    let mut words = vec![0; (mask_bytes(shape, 1) / 4) as usize];
    for (i, &v) in values.iter().enumerate() {
        let (pixel, channel) = (i / c, i % c);
        if passes(v) {
            words[pixel / 8 * c4 + channel / 4] |= 1 << (4 * (pixel % 8) + channel % 4);
        }
    }
    words
}

/// A value behind the fused ReLU.
pub(crate) fn rectified(epilogue: Epilogue, v: f64) -> f64 {
    let v = if epilogue.relu && v < 0.0 { 0.0 } else { v };
    epilogue.ceiling.map_or(v, |ceiling| if v > ceiling.into() { ceiling.into() } else { v })
}

/// Outputs as the mask takes them: 0 where the ReLU has cut off above.
pub(crate) fn below_ceiling(epilogue: Epilogue, values: &[f64]) -> Vec<f64> {
    let open = |v: f64| epilogue.ceiling.is_none_or(|ceiling| v < ceiling.into());
    values.iter().map(|&v| if open(v) { v } else { 0.0 }).collect()
}

/// Words of a mask: eight pixels of four channels each.
pub(crate) fn mask_axes(shape: Nhwc) -> Axes {
    Axes::new("octet", &[("c4", shape.c4())])
}

/// Kinds of numbers that a case multiplies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// Floats in [-1, 1).
    Floats,
    /// Small integers, whose sums f32 holds exactly.
    Integers,
    /// Floats of every magnitude of f16, and beyond its range at both ends. A quarter of them lie halfway
    /// between two numbers of f16, and another quarter halfway between two of its denormal ones.
    Wide,
}

impl Values {
    pub(crate) fn draw(self, random: &mut Random, len: usize) -> Vec<f32> {
        match self {
            Self::Floats => random.floats(len),
            Self::Integers => random.integers(len, 3),
            Self::Wide => (0..len).map(|_| wide_float(random)).collect(),
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Floats => "floats",
            Self::Integers => "integers",
            Self::Wide => "wide floats",
        }
    }
}

fn wide_float(random: &mut Random) -> f32 {
    let v = random.float() * 2f32.powi(random.below(47) as i32 - 28);
    match random.below(4) {
        0 => f32::from_bits(v.to_bits() & !0x1fff | 0x1000),
        1 => (random.below(1024) as f32 + 0.5) * 2f32.powi(-24),
        _ => v,
    }
}

/// Label of groups and dilation; empty without them.
pub(crate) fn general_label(conv: Conv2d) -> String {
    if !conv.is_general() {
        return String::new();
    }
    let [rows, columns] = conv.dilation;
    let dilation = if rows == columns { rows.to_string() } else { format!("{rows}x{columns}") };
    format!(" groups {} dilation {dilation}", conv.groups)
}

/// One case; `exact` draws small integers, whose sums f32 holds exactly.
pub fn case(label: &str, conv: Conv2d, epilogue: Epilogue, exact: bool) -> Result<Case> {
    let kind = if exact { Values::Integers } else { Values::Floats };
    let mut random = Random::new(conv.x.vec4s() + conv.y.c);
    case_of(label, conv, epilogue, kind, &mut random)
}

pub(super) fn case_of(
    label: &str,
    conv: Conv2d,
    epilogue: Epilogue,
    kind: Values,
    random: &mut Random,
) -> Result<Case> {
    let exact = kind == Values::Integers;
    let weights = conv.weights().len() as usize;
    let x_copies = if conv.shared_input { 1 } else { conv.copies } as usize;
    let y_copies = if conv.sum_copies { 1 } else { conv.copies } as usize;
    let x_len = (conv.x.pixels() * conv.x.c) as usize;
    let y_len = (conv.y.pixels() * conv.y.c) as usize;
    let xs: Vec<Vec<f32>> = (0..x_copies).map(|_| kind.draw(random, x_len)).collect();
    let weights = |_| random.ordinary(|random| kind.draw(random, weights));
    let ws: Vec<Vec<f32>> = (0..conv.copies).map(weights).collect();
    let mut draw = |len: usize| kind.draw(random, len);
    let affine = draw(epilogue.affine_len as usize);
    let residual = draw(y_len * y_copies);
    let gates: Vec<Vec<f64>> =
        (0..x_copies).map(|_| draw(x_len).iter().map(|&v| f64::from(v)).collect()).collect();

    let read =
        TwinOperands { xs: &xs, ws: &ws, affine: &affine, residual: &residual, gates: &gates };
    let wanted = expected(conv, epilogue, &read);
    let values: Vec<f64> = wanted.iter().map(|w| w.value).collect();
    let bounds: Vec<f64> = wanted.iter().map(|w| if exact { 0.0 } else { w.bound }).collect();
    let masks = |values: &[Vec<f64>], shape: Nhwc| -> Vec<u32> {
        values.iter().flat_map(|v| mask_of(v, shape)).collect()
    };
    let plan = conv::conv2d::plan(conv, epilogue)?;
    let unused = [f32::NAN; 4];
    let pick = |wanted: bool, values: Vec<f32>| if wanted { values } else { unused.to_vec() };
    let padded_xs: Vec<f32> = xs.iter().flat_map(|x| nan_padded(x, conv.x.c)).collect();
    let padded_ws: Vec<f32> =
        ws.iter().flat_map(|w| padded_weights(w, conv.weights(), 0.0)).collect();
    let data = vec![
        Data::input(&padded_xs),
        Data::input(&padded_ws),
        Data::input(&pick(epilogue.affine_len > 0, affine)),
        Data::input(&pick(epilogue.residual, nan_padded(&residual, conv.y.c))),
        if epilogue.mask_in {
            Data::input(&masks(&gates, conv.x))
        } else {
            Data::input(&[0u32; 4])
        },
        Data::Output(Want::channels_bounded(&values, &bounds, conv.y)),
        if epilogue.mask_out {
            let copies: Vec<Vec<f64>> =
                values.chunks(y_len).map(|copy| below_ceiling(epilogue, copy)).collect();
            Data::Output(Want::words(masks(&copies, conv.y)).of(mask_axes(conv.y)))
        } else {
            Data::in_out(&[7u32; 4], Want::words(vec![7; 4]))
        },
    ];
    let half = if conv.dtype == plan::Dtype::F16 { " f16" } else { "" };
    let general = general_label(conv);
    let label = format!("{label} {} -> {} {}{half}{general}", conv.x, conv.y, kind.label());
    Ok(Case { label, plan, data })
}

/// Inputs of a convolution, without padding.
pub struct TwinOperands<'a> {
    /// `[x_copies][N H W C]`
    pub xs: &'a [Vec<f32>],
    /// `[copies][R S C K]`
    pub ws: &'a [Vec<f32>],
    /// Buffer of scales and shifts, at the epilogue's offsets.
    pub affine: &'a [f32],
    /// `[y_copies N H W K]`; read if the epilogue adds it.
    pub residual: &'a [f32],
    /// Like `xs`, positive where the input counts; read if the epilogue masks the input.
    pub gates: &'a [Vec<f64>],
}

/// A result as the CPU computes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The exact value.
    pub value: f64,
    /// How far from it the rounding of a plain sum may lead.
    pub bound: f64,
}

/// All outputs, `[y_copies N H W K]`.
#[must_use]
pub fn expected(conv: Conv2d, epilogue: Epilogue, operands: &TwinOperands<'_>) -> Vec<Expected> {
    let TwinOperands { xs, ws, affine, residual, gates } = *operands;
    let (y_len, k) = ((conv.y.pixels() * conv.y.c) as usize, conv.y.c as usize);
    let y_copies = if conv.sum_copies { 1 } else { conv.copies as usize };
    let mut sums = vec![PixelSum::default(); y_len * y_copies];
    for copy in 0..conv.copies as usize {
        let mut input = xs[copy % xs.len()].clone();
        if epilogue.mask_in {
            for (v, gate) in input.iter_mut().zip(&gates[copy % xs.len()]) {
                *v = if passes(*gate) { *v } else { 0.0 };
            }
        }
        let first = if conv.sum_copies { 0 } else { copy * y_len };
        for (sum, term) in sums[first..].iter_mut().zip(gather(conv, &input, &ws[copy])) {
            sum.value += term.value;
            sum.size += term.size;
            sum.terms += term.terms;
        }
    }
    let each = |(i, sum): (usize, &PixelSum)| {
        let at = |offset: Option<u32>, or: f64| {
            offset.map_or(or, |o| f64::from(affine[o as usize + i % k]))
        };
        let (scale, shift) = (at(epilogue.scale, 1.0), at(epilogue.shift, 0.0));
        let extra = if epilogue.residual { f64::from(residual[i]) } else { 0.0 };
        let v = sum.value * scale + shift + extra;
        // Each of the sum's terms and of the epilogue's three steps may round once.
        let size = sum.size * scale.abs() + shift.abs() + extra.abs();
        let bound = (sum.terms + 4.0) * f64::from(f32::EPSILON) * size;
        Expected { value: rectified(epilogue, v), bound }
    };
    sums.iter().enumerate().map(each).collect()
}
