//! What is compiled: every variant with every set of constants that conformance runs, which holds all that
//! networks use.

use crate::device::Outcome;
use nf_gpu::kernels::{
    desc::{KernelDesc, Requires, Variant},
    list::suites,
};
use std::collections::BTreeSet;

/// One shader to compile.
pub struct Job {
    pub kernel: &'static KernelDesc,
    pub variant: &'static Variant,
    /// Override constants, `WG_SIZE` the last.
    pub constants: Vec<(&'static str, f64)>,
}

/// Constants that decide what an inner loop does; the others are about what comes after it.
const DECISIVE: &[&str] =
    &["TRANSPOSED", "MASK_IN", "SUM_COPIES", "DTYPE", "GENERAL", "WHOLE", "TYPE"];

impl Job {
    /// The constants on which bounds depend, as text: `TRANSPOSED MASK_IN`, or `-`.
    pub fn mode(&self) -> String {
        let on = |name: &&&str| self.constants.iter().any(|(n, v)| *n == **name && *v != 0.0);
        let names: Vec<_> = DECISIVE.iter().filter(on).copied().collect();
        if names.is_empty() { "-".into() } else { names.join(" ") }
    }
}

/// The jobs of kernels whose names contain `only`, for a driver with matrices or without and subgroups of `wave` lanes
/// (0: its choice). Each variant has the workgroup size that it is used with before anything is measured.
pub fn jobs(only: &str, matrices: bool, wave: u32) -> Outcome<Vec<Job>> {
    let mut seen = BTreeSet::new();
    let mut jobs = Vec::new();
    for suite in suites().filter(|suite| suite.kernel.name.contains(only)) {
        for case in (suite.cases)()? {
            let plan = case.plan;
            let can = |v: &&Variant| match v.requires {
                // Subgroups of eight are those of llvmpipe.
                Requires::Subgroup(_) | Requires::CooperativeMatrix(8) => false,
                Requires::CooperativeMatrix(_) => matrices,
                Requires::WideCooperativeMatrix(_) => matrices && wave != 32,
                Requires::Nothing | Requires::Half | Requires::Int64 => true,
            };
            for variant in plan.kernel.variants.iter().filter(|v| v.serves(&plan)).filter(can) {
                let mut constants = plan.constants.clone();
                constants.push(("WG_SIZE", f64::from(variant.workgroups[0])));
                if seen.insert(format!("{} {} {constants:?}", plan.kernel.name, variant.name)) {
                    jobs.push(Job { kernel: plan.kernel, variant, constants });
                }
            }
        }
    }
    Ok(jobs)
}
