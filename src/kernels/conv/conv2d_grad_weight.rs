//! Weight gradient of a convolution, `shaders/conv/conv2d_grad_weight*.wgsl`.

mod variants;

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{
            Conv2d,
            cases::{UNEVEN, draw, general},
            class_name,
            twin::{Values, general_label, meetings},
        },
        desc::{Access, KernelDesc, Params},
        plan::{Class, DispatchGrid, Dtype, Less, Plan},
        tiles,
        twin::{Axes, Case, Data, Random, Suite, Want, nan_padded, numbers, suite},
    },
    shape::{Nhwc, Rsck, Window},
};
use std::sync::Arc;

crate::params! {
    /// Uniform block of `shaders/conv/conv2d_grad_weight*.wgsl`.
    pub struct Conv2dGradWeightParams {
        /// Images.
        images: u32,
        /// Rows of x.
        x_h: u32,
        /// Columns of x.
        x_w: u32,
        /// Channels of x.
        c: u32,
        /// Rows of dy.
        y_h: u32,
        /// Columns of dy.
        y_w: u32,
        /// Channels of dy.
        k: u32,
        /// Kernel rows.
        r: u32,
        /// Kernel columns.
        s: u32,
        /// Rows from one window to the next.
        stride_y: u32,
        /// Columns from one window to the next.
        stride_x: u32,
        /// Zeros above the first row.
        pad_y: u32,
        /// Zeros left of the first column.
        pad_x: u32,
        /// Number of partial results.
        chunks: u32,
        /// Image rows of dy per partial result.
        chunk_rows: u32,
    }
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "conv2d_grad_weight",
    params_name: Conv2dGradWeightParams::NAME,
    params: Conv2dGradWeightParams::FIELDS,
    bindings: &[
        ("params", Access::Uniform),
        ("x", Access::Read),
        ("dy", Access::Read),
        ("partial", Access::ReadWrite),
    ],
    variants: &variants::ALL,
};

/// Approximate number of pixels that one partial result sums, at least and at most: enough to pay for storing it, few
/// enough for parallelism and for llvmpipe's limit of 65,535 loop turns.
const CHUNK_PIXELS: [u32; 2] = [256, 2048];
/// Most bytes of all partial results, unless a single one is larger: half of the smallest limit of a
/// binding that WebGPU guarantees.
const PARTIAL_BYTES: u64 = 64 << 20;

/// Image rows of dy per partial result, and the number of partial results: so many that the workgroups of all fill a large
/// GPU, if there are so many pixels. Both depend on the shape alone, so that sums have the same order on every adapter.
fn chunking(conv: Conv2d) -> (u32, u32) {
    let small = if conv.transposed { conv.x } else { conv.y };
    let lines = small.n * small.h;
    let parts = tiles::parts_that_fill(&variants::TILES, small.c, row_groups(conv));
    let pixels = (lines * small.w / parts).clamp(CHUNK_PIXELS[0], CHUNK_PIXELS[1]);
    let most =
        (PARTIAL_BYTES / partial_shape(conv).bytes().max(1)).clamp(1, u64::from(lines)) as u32;
    let rows = (pixels / small.w).max(lines.div_ceil(most)).clamp(1, lines);
    (rows, lines.div_ceil(rows))
}

/// Number of partial results that [`plan`] writes.
#[must_use]
pub fn chunks(conv: Conv2d) -> u32 {
    chunking(conv).1
}

/// Shape of one partial result: rows are the channels of the image that the taps slide over (the
/// input of a convolution, the output of a transposed one) in one group.
#[must_use]
pub fn partial_shape(conv: Conv2d) -> Rsck {
    let (large, small) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    let [r, s] = conv.window.kernel;
    Rsck::new(r, s, large.c / conv.groups, small.c)
}

/// Rows of a partial result, in groups of four channels of a tap.
fn row_groups(conv: Conv2d) -> u32 {
    let Rsck { r, s, c, .. } = partial_shape(conv);
    r * s * c.div_ceil(4)
}

/// The convolution that is differentiated, from which smaller plans are made.
#[derive(Debug)]
struct Forward(Conv2d);

impl Less for Forward {
    fn half(&self) -> Option<Result<Plan>> {
        self.0.half().map(plan)
    }
}

/// Plans the partial sums for the forward convolution `conv`. For a transposed convolution, binding x
/// is its output's gradient and binding dy its input.
///
/// # Errors
/// Shapes that do not fit each other, or are too large for 32-bit indices.
pub fn plan(conv: Conv2d) -> Result<Plan> {
    let (x, dy) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    conv.checked()?;
    let (chunk_rows, chunks) = chunking(conv);
    let [r, s] = conv.window.kernel;
    let params = Conv2dGradWeightParams {
        images: x.n,
        x_h: x.h,
        x_w: x.w,
        c: x.c,
        y_h: dy.h,
        y_w: dy.w,
        k: dy.c,
        r,
        s,
        stride_y: conv.window.stride[0],
        stride_x: conv.window.stride[1],
        pad_y: conv.window.before[0],
        pad_x: conv.window.before[1],
        chunks,
        chunk_rows,
    };
    let partial = partial_shape(conv);
    let bytes = vec![x.bytes(), dy.bytes(), partial.bytes() * u64::from(chunks)];
    let grid = DispatchGrid::Tiles([dy.c4(), row_groups(conv), chunks]);
    let class = Class {
        name: class_name(conv),
        words: &[],
        eps: conv.dtype.eps(),
        less: Arc::new(Forward(conv)),
    };
    let mut plan = Plan::new(&KERNEL, &params, grid, bytes)
        .with("DTYPE", conv.dtype.code())
        .with("GENERAL", u32::from(conv.is_general()))
        .costing(conv.flops())
        .classed(class);
    if conv.is_general() {
        let [rows, columns] = conv.dilation;
        plan = plan.with("GROUPS", conv.groups);
        plan = plan.with("DILATION_Y", rows).with("DILATION_X", columns);
    }
    let narrow = !conv.is_general() && (s, conv.window.stride[1]) == (3, 1);
    plan = plan.with("NARROW", u32::from(narrow));
    // `narrow8` computes 8 output channels, the other subgroups 32, of which few would be used.
    let row_groups = row_groups(conv);
    Ok(match dy.c4() {
        0..=2 if narrow => plan.preferring(&["narrow8", "plain"]),
        3..=4 if narrow => plan.preferring(&["narrow8", "tile16"]),
        0..=2 if row_groups < 8 => plan.preferring(&["plain"]),
        0..=2 => plan.preferring(&["subgroup8", "plain"]),
        _ => plan.preferring(tiles::fastest(&variants::TILES, dy.c, row_groups, chunks)),
    })
}

/// One case. The partial results are compared one by one; which pixels a chunk holds is read from the
/// plan's parameters.
fn case(conv: Conv2d, kind: Values) -> Result<Case> {
    case_of(conv, kind, &mut Random::new(conv.x.vec4s() + conv.y.c))
}

fn case_of(conv: Conv2d, kind: Values, random: &mut Random) -> Result<Case> {
    let exact = kind == Values::Integers;
    let (large, small) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    let [x_len, dy_len] = [large, small].map(|of| (of.pixels() * of.c) as usize);
    let x = kind.draw(random, x_len);
    let dy = random.ordinary(|random| kind.draw(random, dy_len));
    let plan = plan(conv)?;
    let params: Conv2dGradWeightParams = bytemuck::pod_read_unaligned(&plan.params);
    let shape = partial_shape(conv);
    let (c, k) = (large.c as usize, small.c as usize);
    let (in_group, of_group) = (c / conv.groups as usize, k / conv.groups as usize);
    let (rows, columns) = (in_group.next_multiple_of(4), k.next_multiple_of(4));
    let part = shape.padded_len() as usize;
    let mut values = vec![0.0; part * chunks(conv) as usize];
    let mut sizes = values.clone();
    let mut terms = values.clone();
    let operand = |v| f64::from(numbers::operand(conv.dtype, v));
    meetings(large, small, conv.window, conv.dilation, |from, tap, to| {
        let chunk = to / (params.chunk_rows * small.w) as usize;
        for ci in 0..in_group {
            for ki in 0..k {
                let term =
                    operand(x[from * c + ki / of_group * in_group + ci]) * operand(dy[to * k + ki]);
                let at = chunk * part + (tap * rows + ci) * columns + ki;
                values[at] += term;
                sizes[at] += term.abs();
                terms[at] += 1.0;
            }
        }
    });
    let error = |(size, n): (&f64, &f64)| {
        if exact { 0.0 } else { (n + 1.0) * f64::from(f32::EPSILON) * size }
    };
    let bounds = sizes.iter().zip(&terms).map(error).collect();
    let half = if conv.dtype == Dtype::F16 { " f16" } else { "" };
    Ok(Case {
        label: format!("{} -> {} {}{half}{}", conv.x, conv.y, kind.label(), general_label(conv)),
        plan,
        data: vec![
            Data::input(&nan_padded(&x, large.c)),
            Data::input(&nan_padded(&dy, small.c)),
            Data::Output(Want::bounded(values, bounds).of(Axes::from(shape).per("chunk"))),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let forward = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let transposed = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::transposed(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let mut cases = Vec::new();
    for conv in [
        forward(1, 1, 1, 1, 1, 1, 1, 0)?,
        forward(2, 5, 7, 3, 10, 3, 1, 1)?,
        forward(1, 9, 4, 10, 33, 3, 2, 1)?,
        forward(2, 4, 4, 20, 40, 3, 1, 1)?,
        forward(2, 9, 13, 33, 3, 3, 1, 1)?,
        forward(1, 8, 6, 5, 4, 5, 3, 2)?,
        forward(1, 1, 19, 38, 10, 1, 1, 0)?,
        // Twelve chunks, of which the last is shorter.
        forward(3, 37, 25, 3, 9, 3, 1, 1)?,
        Conv2d::forward(Nhwc::new(2, 7, 9, 6), 10, UNEVEN)?,
        Conv2d::transposed(Nhwc::new(2, 4, 5, 6), 34, UNEVEN)?,
        transposed(2, 4, 3, 5, 36, 4, 2, 1)?,
        transposed(1, 4, 4, 12, 6, 2, 2, 1)?,
    ] {
        cases.push(case(conv, Values::Floats)?);
        cases.push(case(conv, Values::Integers)?);
    }
    for conv in general()? {
        cases.push(case(conv, Values::Floats)?);
        cases.push(case(conv, Values::Integers)?);
    }
    // Extents one below and one above those of tiles: 64 or 128 rows (channels of taps), 64 columns,
    // 16 pixels a step.
    for (pixels, c, k) in
        [(15, 63, 64), (16, 64, 65), (17, 65, 63), (33, 128, 12), (129, 131, 33), (7, 130, 67)]
    {
        cases.push(case(forward(1, 1, pixels, c, k, 1, 1, 0)?, Values::Integers)?);
    }
    for conv in [
        forward(3, 7, 13, 19, 67, 3, 1, 1)?,
        forward(2, 9, 1, 6, 12, 3, 1, 1)?,
        transposed(3, 5, 7, 37, 71, 4, 2, 1)?,
    ] {
        cases.push(case(conv, Values::Integers)?);
        cases.push(case(conv, Values::Floats)?);
    }
    for (conv, kind) in [
        // Sums of a single product, so that operands of every magnitude show in some result.
        (forward(1, 1, 1, 64, 65, 1, 1, 0)?, Values::Wide),
        (forward(1, 1, 1, 67, 16, 1, 1, 0)?, Values::Wide),
        (forward(1, 1, 1, 1, 1, 1, 1, 0)?, Values::Floats),
        (forward(2, 5, 7, 3, 10, 3, 1, 1)?, Values::Floats),
        (forward(3, 37, 25, 3, 9, 3, 1, 1)?, Values::Floats),
        (forward(3, 7, 13, 19, 67, 3, 1, 1)?, Values::Floats),
        (forward(3, 7, 13, 19, 67, 3, 1, 1)?, Values::Integers),
        (forward(1, 9, 4, 10, 33, 3, 2, 1)?, Values::Floats),
        // Pixels one below and one above a step of 32.
        (forward(1, 1, 31, 63, 64, 1, 1, 0)?, Values::Integers),
        (forward(1, 1, 32, 64, 65, 1, 1, 0)?, Values::Integers),
        (forward(1, 1, 33, 129, 63, 1, 1, 0)?, Values::Integers),
        (forward(2, 7, 9, 6, 10, 3, 1, 1)?, Values::Wide),
        (transposed(3, 5, 7, 37, 71, 4, 2, 1)?, Values::Floats),
    ] {
        cases.push(case(Conv2d { dtype: Dtype::F16, ..conv }, kind)?);
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let conv = Conv2d { copies: 1, ..draw(random)? };
    let kind = random.of(&[Values::Floats, Values::Integers]);
    case_of(conv, kind, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
