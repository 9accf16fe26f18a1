//! Variants with cooperative matrices of 16 on an adapter that only has matrices of 8: every
//! operation on a matrix of 16 is replaced by operations on its quarters, and the cases must still
//! pass. This tests the variant's own loading, staging, regions and output, but not its
//! instructions.

use crate::extent::skipped;
use nf_gpu::{
    conformance::{CaseOutcome, run_case},
    gpu::{self, AdapterChoice},
    kernels::{
        desc::{KernelDesc, Requires, Variant},
        list::suites,
    },
    run::Gpu,
};
use std::fmt::Write;

/// `&tile[at]` and `stride` of an operation's arguments, moved to the quarter `(row, column)`.
fn quarter(memory: &str, [row, column]: [u32; 2], row_major: bool) -> String {
    let (pointer, stride) = memory.rsplit_once(", ").unwrap();
    let at = pointer.strip_suffix(']').unwrap();
    let [lines, items] = if row_major { [row, column] } else { [column, row] };
    format!("{at} + {}u * {stride} + {}u], {stride}", 8 * lines, 8 * items)
}

const QUARTERS: [[u32; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

/// Translates a statement on matrices of 16 into statements on their quarters; `None` for other
/// statements.
fn statement(line: &str) -> Option<String> {
    let mut out = String::new();
    if let Some((name, rest)) = line.split_once(" = coopMultiplyAdd(") {
        let mut operands = rest.strip_suffix(");")?.split(", ");
        let (a, b, c) = (operands.next()?, operands.next()?, operands.next()?);
        for [i, j] in QUARTERS {
            for k in 0..2 {
                writeln!(
                    out,
                    "{name}_{i}{j} = coopMultiplyAdd({a}_{i}{k}, {b}_{k}{j}, {c}_{i}{j});"
                )
                .ok()?;
            }
        }
    } else if let Some((name, rest)) = line.split_once(" = coopLoad") {
        let (ty, memory) = rest.strip_suffix(");")?.split_once(">>(")?;
        let ty = ty.replace("coop_mat16x16", "coop_mat8x8");
        for [i, j] in QUARTERS {
            let memory = quarter(memory, [i, j], ty.starts_with('T'));
            writeln!(out, "{name}_{i}{j} = coopLoad{ty}>>({memory});").ok()?;
        }
    } else {
        let (name, memory) =
            line.strip_prefix("coopStoreT(")?.strip_suffix(");")?.split_once(", ")?;
        for [i, j] in QUARTERS {
            writeln!(out, "coopStoreT({name}_{i}{j}, {});", quarter(memory, [i, j], true)).ok()?;
        }
    }
    Some(out)
}

/// The kernel with a single variant: `variant`, translated to matrices of 8.
fn in_quarters(kernel: &'static KernelDesc, variant: &Variant) -> &'static KernelDesc {
    let lines = variant.wgsl.lines();
    let text: Vec<String> =
        lines.map(|l| statement(l.trim()).unwrap_or_else(|| l.to_owned())).collect();
    let text = text.join("\n");
    assert!(!text.contains("coop_mat16x16"), "{text}");
    let variants = vec![Variant {
        name: "quarters",
        wgsl: text.leak(),
        requires: Requires::CooperativeMatrix(8),
        ..*variant
    }];
    Box::leak(Box::new(KernelDesc { variants: variants.leak(), ..*kernel }))
}

#[test]
fn matrices_of_16_compute_the_same_from_quarters_of_8() {
    let adapters = gpu::list();
    let Some(adapter) = adapters.iter().find(|a| a.cooperative_matrix.contains(&8)) else {
        skipped("no adapter with cooperative matrices of 8 (scripts/newer-llvmpipe.sh)");
        return;
    };
    let adapter = Some(adapter.index.to_string());
    let gpu = Gpu::open(&AdapterChoice { adapter, ..Default::default() }).unwrap();
    let mut tried = 0;
    for suite in suites() {
        let of_16 = |v: &&Variant| v.requires == Requires::CooperativeMatrix(16);
        for variant in suite.kernel.variants.iter().filter(of_16) {
            let kernel = in_quarters(suite.kernel, variant);
            for mut case in (suite.cases)().unwrap() {
                if !variant.serves(&case.plan) {
                    continue;
                }
                case.plan.kernel = kernel;
                for &workgroup in variant.workgroups {
                    let outcome = run_case(&gpu, &case, &kernel.variants[0], workgroup).unwrap();
                    assert_eq!(outcome, CaseOutcome::Ok, "{} {}", variant.stem, case.label);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 20, "{tried} cases");
}
