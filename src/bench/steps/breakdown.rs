//! Where the time of a step goes.

use crate::{
    report::bench_json::{KernelShare, TimedStep, per_second},
    run::StepTime,
};
use std::collections::BTreeMap;

/// Assumed rate of convolutions, in billions of operations per second. The time that they would take at this
/// rate is what the time of everything else is compared with.
const BUDGET_GFLOPS: f64 = 30.0;

/// Merges several profiles of the same step into one, with the median time of each dispatch.
pub(super) fn medians(profiles: &[Vec<StepTime>]) -> Vec<StepTime> {
    let Some(first) = profiles.first() else { return Vec::new() };
    let median = |i: usize| {
        let mut times: Vec<f64> = profiles.iter().map(|p| p[i].seconds).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let with_median =
        |(i, time): (usize, &StepTime)| StepTime { seconds: median(i), ..time.clone() };
    first.iter().enumerate().map(with_median).collect()
}

/// Whether a kernel is (part of) a convolution: Winograd's transforms and products count, the sum over
/// the partial results of a weight gradient does not.
fn is_convolution(kernel: &str) -> bool {
    ["conv2d", "matmul", "winograd"].iter().any(|begin| kernel.starts_with(begin))
}

/// The sums over a step's dispatches, whose convolutions have `conv_flops` operations. Fields that these do not
/// determine stay empty.
pub(super) fn of(times: &[StepTime], conv_flops: u64) -> TimedStep {
    let mut kernels: BTreeMap<&str, KernelShare> = BTreeMap::new();
    let mut step = TimedStep { conv_flops, ..TimedStep::default() };
    for time in times {
        let (kernel, variant) = time.name.split_once(' ').unwrap_or((&time.name, ""));
        let ms = 1e3 * time.seconds;
        step.dispatches += 1;
        step.flops += time.flops;
        step.gpu_ms += ms;
        if is_convolution(kernel) {
            step.conv_ms += ms;
        }
        if kernel == "fault_dequantize" {
            step.fault_share += ms;
        }
        let all = kernels.entry(&time.name).or_default();
        (all.kernel, all.variant) = (kernel.to_owned(), variant.to_owned());
        all.dispatches += 1;
        all.ms += ms;
        all.flops += time.flops;
        all.bytes += time.bytes;
    }
    let share = |ms: f64| if step.gpu_ms > 0.0 { ms / step.gpu_ms } else { 0.0 };
    step.kernels = kernels.into_values().collect();
    for all in &mut step.kernels {
        all.share = share(all.ms);
        all.gflops = per_second(all.flops, all.ms);
        all.gb_s = per_second(all.bytes, all.ms);
    }
    step.kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    let rest_ms = step.gpu_ms - step.conv_ms;
    (step.fault_share, step.rest_share) = (share(step.fault_share), share(rest_ms));
    step.conv_gflops = per_second(step.conv_flops, step.conv_ms);
    let budget_ms = step.conv_flops as f64 / BUDGET_GFLOPS / 1e6;
    step.rest_of_budget = if budget_ms > 0.0 { rest_ms / budget_ms } else { 0.0 };
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Clock;

    fn time(name: &str, flops: u64, ms: f64) -> StepTime {
        let (section, clock) = (0, Clock::GpuTimestamps);
        StepTime { name: name.into(), section, flops, bytes: flops, seconds: ms / 1e3, clock }
    }

    #[test]
    fn shares_are_of_the_whole_and_the_rest_of_thirty_gigaflops() {
        let times = [
            time("conv2d tile", 300_000_000, 10.0),
            time("add plain", 1_000_000, 1.0),
            time("conv2d tile", 300_000_000, 30.0),
            time("fault_dequantize plain", 2_000_000, 4.0),
            time("conv2d_grad_weight plain", 300_000_000, 4.0),
            time("winograd_input plain", 10, 1.0),
        ];
        // Three tenths of a billion each.
        let step = of(&times, 900_000_000);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(step.gpu_ms, 50.0) && close(step.conv_ms, 45.0), "{step:?}");
        assert!(close(step.conv_gflops, 20.0) && close(step.fault_share, 0.08), "{step:?}");
        // 5 ms beside the 30 ms that 0.9 Gflop take at 30 Gflop/s.
        assert!(close(step.rest_of_budget, 5.0 / 30.0) && close(step.rest_share, 0.1), "{step:?}");
        let first = &step.kernels[0];
        assert_eq!((first.kernel.as_str(), first.variant.as_str()), ("conv2d", "tile"));
        assert!(first.dispatches == 2 && close(first.gflops, 15.0) && close(first.share, 0.8));
    }

    #[test]
    fn medians_are_taken_dispatch_by_dispatch() {
        let profile = |a, b| vec![time("add plain", 1, a), time("add plain", 1, b)];
        let middle = medians(&[profile(1.0, 9.0), profile(5.0, 2.0), profile(3.0, 4.0)]);
        let ms: Vec<f64> = middle.iter().map(|t| (1e3 * t.seconds).round()).collect();
        assert_eq!(ms, [3.0, 4.0]);
        assert!(medians(&[]).is_empty());
    }
}
