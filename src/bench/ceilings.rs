//! Ceilings: the most that an adapter can do, measured by kernels that are made for nothing else.

use super::{Effort, data, time::Timed};
use crate::{
    error::Result,
    kernels::{
        bench::{bench_copy, bench_fma, bench_integer, bench_matrix},
        desc::{Requires, Variant},
        plan::Plan,
    },
    report::bench_json::{Ceiling, Times},
    run::Gpu,
};

/// Seconds that one dispatch should take: far more than it takes to start, far less than a watchdog
/// allows.
const LONG_ENOUGH: f64 = 0.02;

/// A ceiling: its name and unit, the variants that reach for it, and the plan for a size.
struct Kind {
    name: &'static str,
    unit: &'static str,
    wants: fn(&Variant) -> bool,
    /// The plan of the given number of units of work; `None` where that is more than can be planned.
    plan: fn(&Gpu, u32) -> Result<Option<Plan>>,
}

/// Bytes of each of the two buffers of a copy: far more than caches hold.
fn copy_bytes(gpu: &Gpu) -> u64 {
    let limits = gpu.limits();
    let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let wanted = if gpu.report().is_software() { 128 << 20 } else { 512 << 20 };
    limit.min(wanted) / 16 * 16
}

/// Invocations that fill an adapter.
fn invocations(gpu: &Gpu) -> u32 {
    if gpu.report().is_software() { 1 << 14 } else { 1 << 20 }
}

fn fma(gpu: &Gpu, turns: u32) -> Result<Option<Plan>> {
    match turns {
        // With factor 1 and addend 0.5 values stay finite, and neither 0 nor denormal.
        1..=bench_fma::MOST_TURNS => Ok(Some(bench_fma::plan(invocations(gpu), turns, 1.0, 0.5)?)),
        _ => Ok(None),
    }
}

const KINDS: &[Kind] = &[
    Kind {
        name: "copy",
        unit: "GB/s",
        wants: |_| true,
        // A copy has only one size, that of its buffers.
        plan: |gpu, size| match size {
            1 => Ok(Some(bench_copy::plan((copy_bytes(gpu) / 16) as u32)?)),
            _ => Ok(None),
        },
    },
    Kind { name: "fma-f32", unit: "GFLOP/s", wants: |v| v.requires != Requires::Half, plan: fma },
    Kind { name: "fma-f16", unit: "GFLOP/s", wants: |v| v.requires == Requires::Half, plan: fma },
    Kind {
        name: "cooperative-matrix",
        unit: "GFLOP/s",
        wants: |v| v.requires.matrix().is_some(),
        plan: |gpu, turns| match turns {
            // A block fills a subgroup.
            1..=bench_matrix::MOST_TURNS => {
                Ok(Some(bench_matrix::plan(invocations(gpu) / 32, turns)?))
            }
            _ => Ok(None),
        },
    },
    Kind {
        name: "integer",
        unit: "Gop/s",
        wants: |_| true,
        plan: |gpu, turns| match turns {
            1..=bench_integer::MOST_TURNS => {
                Ok(Some(bench_integer::plan(invocations(gpu), turns)?))
            }
            _ => Ok(None),
        },
    },
];

/// Measures every ceiling that the adapter has.
pub fn ceilings(gpu: &Gpu, effort: Effort) -> Result<Vec<Ceiling>> {
    let mut found = Vec::new();
    for kind in KINDS {
        found.extend(ceiling(gpu, kind, effort)?);
    }
    Ok(found)
}

/// Measures the same ceilings once more, with the variants that reached them. On a machine at rest they have
/// not changed. The better rate counts.
pub fn ceilings_again(gpu: &Gpu, effort: Effort, ceilings: &mut [Ceiling]) -> Result<()> {
    for ceiling in ceilings {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == ceiling.name) else { continue };
        let Some((plan, variant)) = same(gpu, kind, ceiling)? else { continue };
        let dispatch = Timed::dispatch(gpu, &plan, (variant, ceiling.workgroup))?;
        let (times, _) = dispatch.repeat(gpu, effort)?;
        let rate = per_second(&plan, times);
        ceiling.rates.push(rate);
        if rate > ceiling.rate {
            (ceiling.rate, ceiling.times) = (rate, times);
        }
    }
    Ok(())
}

/// The plan and the variant that a ceiling was reached with.
fn same(gpu: &Gpu, kind: &Kind, ceiling: &Ceiling) -> Result<Option<(Plan, &'static str)>> {
    let mut size = 1;
    while let Some(plan) = (kind.plan)(gpu, size)? {
        if plan.flops == ceiling.work {
            let variant = plan.kernel.variants.iter().find(|v| v.name == ceiling.variant);
            return Ok(variant.map(|v| (plan, v.name)));
        }
        size *= 2;
    }
    Ok(None)
}

/// The best of all variants and workgroup sizes; `None` where no variant runs.
fn ceiling(gpu: &Gpu, kind: &Kind, effort: Effort) -> Result<Option<Ceiling>> {
    let Some(small) = (kind.plan)(gpu, 1)? else { return Ok(None) };
    let mut best: Option<Ceiling> = None;
    for variant in small.kernel.variants.iter().filter(|v| (kind.wants)(v)) {
        let Some(plan) = long_enough(gpu, kind, variant)? else { continue };
        for &workgroup in variant.workgroups {
            if gpu.lacks(variant, workgroup).is_some() {
                continue;
            }
            let dispatch = Timed::dispatch(gpu, &plan, (variant.name, workgroup))?;
            let (times, clock) = dispatch.repeat(gpu, effort)?;
            let rate = per_second(&plan, times);
            if best.as_ref().is_none_or(|b| rate > b.rate) {
                best = Some(Ceiling {
                    rates: vec![rate],
                    name: kind.name.into(),
                    unit: kind.unit.into(),
                    rate,
                    variant: variant.name.into(),
                    workgroup,
                    work: plan.flops,
                    clock: data::clock(clock),
                    times,
                });
            }
        }
    }
    Ok(best)
}

/// Billions of operations per second in the fastest repeat: what slows other repeats is not the adapter.
fn per_second(plan: &Plan, times: Times) -> f64 {
    Times { median_ms: times.min_ms, ..times }.rate(plan.flops)
}

/// The plan whose dispatch takes [`LONG_ENOUGH`], or the longest that there is.
fn long_enough(gpu: &Gpu, kind: &Kind, variant: &'static Variant) -> Result<Option<Plan>> {
    let runs = |&&size: &&u32| gpu.lacks(variant, size).is_none();
    let Some(&workgroup) = variant.workgroups.iter().find(runs) else { return Ok(None) };
    let (mut size, mut best) = (1, None);
    while let Some(plan) = (kind.plan)(gpu, size)? {
        let dispatch = Timed::dispatch(gpu, &plan, (variant.name, workgroup))?;
        dispatch.once(gpu)?;
        let (seconds, _) = dispatch.once(gpu)?;
        best = Some(plan);
        if seconds >= LONG_ENOUGH {
            break;
        }
        size *= 2;
    }
    Ok(best)
}
