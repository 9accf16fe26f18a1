//! Sums of every channel, per chunk of pixels, `shaders/reduce/channel_sum.wgsl`.

use crate::{
    error::Result,
    kernels::{
        norm::backward::sum_rows,
        plan::{DispatchGrid, Plan},
        reduce::chunking::{self, ChunkParams, Chunking},
        twin::{
            Case, Data, Random, Suite, Want, nan_padded,
            numbers::{EPS, wide},
            suite,
        },
    },
    shape::Nhwc,
};

crate::kernel! {
    KERNEL: "reduce" / "channel_sum", ChunkParams,
    lib: ["lib/grid", "lib/lanes", "lib/chunks", "lib/reduce"],
    bindings: [("x", Read), ("partial", ReadWrite)],
}

/// The sum of every chunk and channel; [`super::sum_partials`] adds the chunks.
///
/// Bindings: x `[N, H, W, C]`, partial f32 `[chunks, C4 * 4]`.
pub fn plan(x: Nhwc) -> Result<Plan> {
    let cut = Chunking::of(x)?;
    let bytes = vec![x.bytes(), chunking::partial_bytes(x, cut.chunks, 1)];
    let plan = Plan::new(&KERNEL, &cut.params(x), DispatchGrid::Groups(cut.groups), bytes);
    Ok(plan.costing(x.bytes() / 4))
}

/// Sum of each channel of x `[pixels, c]` over each chunk, `[chunks, c]`.
pub fn partial(x: &[f64], c: u32, chunk: u32) -> Vec<f64> {
    x.chunks((chunk * c) as usize).flat_map(|pixels| sum_rows(pixels, c as usize)).collect()
}

fn case(shape: Nhwc, whole: bool, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let x = if whole { random.integers(len, 99) } else { random.floats(len) };
    let chunk = Chunking::of(shape)?.chunk;
    let sums = partial(&wide(&x), shape.c, chunk);
    // Adding a pixel rounds a number of at most the sum of absolute values.
    let absolute: Vec<f64> = x.iter().map(|v| f64::from(v.abs())).collect();
    let per_pixel = if whole { 0.0 } else { EPS * f64::from(chunk.min(shape.pixels())) };
    let bounds: Vec<f64> =
        partial(&absolute, shape.c, chunk).iter().map(|a| per_pixel * a).collect();
    Ok(Case {
        label: format!("{shape}{}", if whole { " integers" } else { "" }),
        plan: plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&sums, &bounds, shape.c)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(8);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), false),
        (Nhwc::new(2, 3, 5, 3), false),
        (Nhwc::new(1, 17, 31, 10), false),
        (Nhwc::new(1, 257, 1, 33), true),
        (Nhwc::new(2, 16, 16, 3), true),
    ];
    shapes.into_iter().map(|(shape, whole)| case(shape, whole, &mut random)).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(40_000), random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
