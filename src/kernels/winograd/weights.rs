//! Winograd's weight transforms, `shaders/winograd/winograd*_weights.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        matmul::panels,
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::scaled, suite},
        winograd::Form,
    },
    shape::Rsck,
};

crate::params! {
    /// Uniform block of `shaders/lib/winograd_weights.wgsl`.
    pub struct WinogradWeightsParams {
        /// Input channels, without padding.
        c: u32,
        /// Output channels, without padding.
        k: u32,
        /// Number of copies.
        copies: u32,
    }
}

crate::kernel! {
    KERNEL: "winograd" / "winograd_weights", WinogradWeightsParams,
    lib: ["lib/grid", "lib/lanes", "lib/panels", "lib/winograd_weights"],
    bindings: [("w", Read), ("u", ReadWrite)],
}

crate::kernel! {
    KERNEL4: "winograd" / "winograd4_weights", WinogradWeightsParams,
    lib: ["lib/grid", "lib/lanes", "lib/panels", "lib/winograd4", "lib/winograd_weights"],
    bindings: [("w", Read), ("u", ReadWrite)],
}

/// Bytes of the transformed weights.
pub fn bytes(w: Rsck, form: Form, copies: u32) -> u64 {
    Rsck { r: form.side(), s: form.side(), ..w }.bytes() * u64::from(copies)
}

/// Transforms `copies` sets of 3x3 weights, with both axes reversed if `flip`; bindings w, u.
///
/// # Errors
/// The kernel is not 3x3, or indices need more than 32 bits.
pub fn plan(w: Rsck, form: Form, copies: u32, flip: bool) -> Result<Plan> {
    let large = bytes(w, form, copies) > u64::from(u32::MAX) * 16;
    if [w.r, w.s] != [3, 3] || w.c * w.k * copies == 0 || large {
        return Err(Error::Shape(format!("{copies} copies of {w} have no Winograd form")));
    }
    let params = WinogradWeightsParams { c: w.c, k: w.k, copies };
    let items = u64::from(w.c.next_multiple_of(4)) * u64::from(w.k.div_ceil(4)) * u64::from(copies);
    let of_copies = w.bytes() * u64::from(copies);
    let kernel = match form {
        Form::F2 => &KERNEL,
        Form::F4 => &KERNEL4,
    };
    let bytes = vec![of_copies, bytes(w, form, copies)];
    let plan = Plan::new(kernel, &params, DispatchGrid::Items(items), bytes);
    Ok(plan.with("FLIP", f64::from(u8::from(flip))))
}

/// Winograd's G for F(2, 3).
const G: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
/// Winograd's G for F(4, 3), times 243: powers of the points 0, 3/4, -3/4, 3/2 and -3/2, each row divided
/// by the product of its point's distances from the others; the last row is infinity's.
const G4: [[f64; 3]; 6] = [
    [192.0, 0.0, 0.0],
    [-128.0, -96.0, -72.0],
    [-128.0, 96.0, -72.0],
    [32.0, 48.0, 72.0],
    [32.0, -48.0, 72.0],
    [0.0, 0.0, 243.0],
];

fn g(form: Form, row: usize, column: usize) -> f64 {
    match form {
        Form::F2 => G[row][column],
        Form::F4 => G4[row][column] / 243.0,
    }
}

/// Transformed weights `[values, C, K]` of w `[3, 3, C, K]`, and the sums of the terms' absolute values.
pub fn winograd_weights(shape: Rsck, form: Form, w: &[f64], flip: bool) -> (Vec<f64>, Vec<f64>) {
    let of_tap = (shape.c * shape.k) as usize;
    let (mut values, mut sizes) = (Vec::new(), Vec::new());
    let side = form.side() as usize;
    for p in 0..side * side {
        for i in 0..of_tap {
            let terms = (0..9).map(|tap| {
                let w = w[if flip { 8 - tap } else { tap } * of_tap + i];
                scaled(g(form, p / side, tap / 3) * g(form, p % side, tap % 3), w)
            });
            values.push(terms.clone().sum());
            sizes.push(terms.map(f64::abs).sum());
        }
    }
    (values, sizes)
}

/// Values `[taps, C, K]` with rows of `past` added up to a multiple of 4 rows per tap.
fn rows(values: &[f64], shape: Rsck, past: f64) -> Vec<f64> {
    let (c, k) = (shape.c as usize, shape.k as usize);
    let missing = (c.next_multiple_of(4) - c) * k;
    let tap = |tap: &[f64]| [tap, &vec![past; missing]].concat();
    values.chunks(c * k).flat_map(tap).collect()
}

fn case(
    form: Form,
    (shape, copies): (Rsck, u32),
    flip: bool,
    whole: bool,
    random: &mut Random,
) -> Result<Case> {
    // F(4, 3) divides by numbers that are no powers of two.
    let exact = whole && form == Form::F2;
    let (mut ws, mut values, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..copies {
        let len = shape.len() as usize;
        let w = if whole { random.integers(len, 3) } else { random.floats(len) };
        let w: Vec<f64> = w.into_iter().map(f64::from).collect();
        let (value, size) = winograd_weights(shape, form, &w, flip);
        values.extend(rows(&value, shape, 0.0));
        // Two additions along each axis; halving is exact. The larger form rounds two constants, two
        // products and one addition more.
        let rounded = match form {
            Form::F2 => 4.0,
            Form::F4 => 10.0,
        };
        let bound = |s: &f64| if exact { 0.0 } else { rounded * 6e-8 * s };
        bounds.extend(rows(&size.iter().map(bound).collect::<Vec<_>>(), shape, 0.0));
        ws.extend(rows(&w, shape, f64::NAN).into_iter().map(|v| v as f32));
    }
    let lanes = shape.k.next_multiple_of(4) as usize;
    let of_value = shape.c.next_multiple_of(4) as usize * lanes;
    let in_panels = |u: &[f64]| u.chunks(of_value).flat_map(|u| panels(u, lanes)).collect();
    Ok(Case {
        label: format!("{copies} of {shape} flip {flip} exact {exact}"),
        plan: plan(shape, form, copies, flip)?,
        data: vec![
            Data::input(&nan_padded(&ws, shape.k)),
            Data::Output(Want::channels_bounded(&values, &bounds, shape.k).reordered(in_panels)),
        ],
    })
}

/// Cases of a form's transform.
fn cases(form: Form) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (c, k, copies) in [(1, 1, 1), (3, 10, 1), (8, 12, 3), (5, 33, 2), (5, 70, 1)] {
        for (flip, whole) in [(false, true), (true, true), (true, false)] {
            let shape = Rsck::new(3, 3, c, k);
            let mut random = Random::new(shape.len() + copies);
            cases.push(case(form, (shape, copies), flip, whole, &mut random)?);
        }
    }
    Ok(cases)
}

/// A case of a form's transform of a random shape.
fn random(form: Form, random: &mut Random) -> Result<Case> {
    let (c, k) = (random.length(70), random.length(70));
    let copies = random.length((10_000 / (c * k)).clamp(1, 9));
    case(form, (Rsck::new(3, 3, c, k), copies), random.flag(), random.flag(), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] = [
    suite!(KERNEL, || cases(Form::F2), |r| random(Form::F2, r)),
    suite!(KERNEL4, || cases(Form::F4), |r| random(Form::F4, r)),
];
