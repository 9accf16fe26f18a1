//! The roofline model: what a kernel can reach is bounded by arithmetic or by memory.

use super::{Ceiling, TimedCase};

/// The name of the ceiling that bounds a kernel's arithmetic.
pub(crate) fn arithmetic(kernel: &str, variant: &str) -> &'static str {
    match kernel {
        // These kernels draw random numbers with Philox, which is integer arithmetic.
        "fault_dequantize" | "dropout" => "integer",
        _ if variant.contains("coop") => "cooperative-matrix",
        _ if variant.contains("f16") => "fma-f16",
        _ => "fma-f32",
    }
}

/// The roof, in billions of operations per second, for `intensity` operations per byte; and whether memory,
/// rather than arithmetic, is the bound.
pub(crate) fn at(intensity: f64, copy: f64, arithmetic: f64) -> (f64, bool) {
    let by_memory = copy * intensity;
    (by_memory.min(arithmetic), by_memory < arithmetic)
}

/// Fills in a case's share of its roof and the bounding ceiling, where both ceilings are known.
pub(crate) fn place(case: &mut TimedCase, ceilings: &[Ceiling]) {
    let rate = |name: &str| ceilings.iter().find(|c| c.name == name).map(|c| c.rate);
    let own = arithmetic(&case.kernel, &case.variant);
    let (Some(copy), Some(most)) = (rate("copy"), rate(own)) else { return };
    if case.bytes == 0 || case.flops == 0 {
        return;
    }
    let (roof, memory) = at(case.flops as f64 / case.bytes as f64, copy, most);
    case.share = (roof > 0.0).then(|| case.gflops / roof);
    case.bound = Some(if memory { "copy" } else { own }.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling(name: &str, rate: f64) -> Ceiling {
        Ceiling { name: name.into(), rate, ..Ceiling::default() }
    }

    #[test]
    fn the_lower_roof_counts() {
        let ceilings = [ceiling("copy", 10.0), ceiling("fma-f32", 100.0), ceiling("integer", 8.0)];
        let placed = |kernel: &str, flops, gflops| {
            let kernel = kernel.to_owned();
            let mut case = TimedCase { kernel, flops, bytes: 1000, gflops, ..TimedCase::default() };
            place(&mut case, &ceilings);
            (case.share.unwrap(), case.bound.unwrap())
        };
        // At 2 operations per byte the roof is 20 (10 GB/s of memory); at 50 it is 100, the
        // arithmetic's ceiling.
        assert_eq!(placed("add", 2000, 5.0), (0.25, "copy".into()));
        assert_eq!(placed("conv2d", 50_000, 25.0), (0.25, "fma-f32".into()));
        assert_eq!(placed("fault_dequantize", 50_000, 2.0), (0.25, "integer".into()));
    }

    #[test]
    fn without_ceilings_there_is_no_share() {
        let mut case = TimedCase { flops: 1, bytes: 1, gflops: 1.0, ..TimedCase::default() };
        place(&mut case, &[ceiling("copy", 10.0)]);
        assert_eq!((case.share, case.bound), (None, None));
    }
}
