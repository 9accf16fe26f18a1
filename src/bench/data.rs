//! Contents of buffers while a kernel is timed. They are random, because kernels may be slower or
//! faster with zeros and denormals than with the values that networks compute with.

use crate::{
    kernels::{images, plan::Plan},
    run::Clock,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Classes that labels stay below.
pub(super) const FEW: u32 = 10;

/// Words of the random block that is repeated to fill a buffer: quick to make, yet equal cache
/// lines are far apart.
const BLOCK: usize = 1 << 16;

/// Contents of storage binding `binding` of a plan, counted from 0.
pub(super) fn contents(plan: &Plan, binding: usize) -> Vec<u32> {
    let name = plan.kernel.bindings[binding + 1].0;
    let mut random = StdRng::seed_from_u64(binding as u64);
    let len = (plan.bytes[binding] / 4) as usize;
    let mut word = || match name {
        "packed" | "seeds" | "seed" | "mask" | "mask_in" | "map" | "pixels" => random.random(),
        // Labels are classes; `arg` below holds places in windows of 2x2.
        "labels" | "correct" => random.random_range(0..FEW),
        "arg" => random.random::<u32>() & 0x0303_0303,
        // Squares and scales are positive.
        "v" | "second" | "scales" | "stats" | "running" | "schedule" => {
            random.random_range(0.1f32..1.0).to_bits()
        }
        _ => random.random_range(-1.0f32..1.0).to_bits(),
    };
    if name == "picks" {
        let [moved, scale] = images::motion(0, 0, 1.0);
        let pick = |i: usize| [i as u32, images::shift(1, -2, i.is_multiple_of(2)), moved, scale];
        return (0..len / 4).flat_map(pick).collect();
    }
    let block: Vec<u32> = (0..len.min(BLOCK)).map(|_| word()).collect();
    block.iter().copied().cycle().take(len).collect()
}

/// A clock as reports name it.
pub(super) fn clock(clock: Clock) -> String {
    match clock {
        Clock::GpuTimestamps => "gpu-timestamps",
        Clock::SubmitToIdle => "submit-to-idle",
    }
    .into()
}
