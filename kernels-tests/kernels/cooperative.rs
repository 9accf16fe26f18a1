//! Variants with cooperative matrices of 16 on an adapter that only has matrices of 8: every
//! operation on a matrix of 16 is replaced by operations on its quarters, and the cases must still
//! pass. This tests the variant's own loading, staging, regions and output, but not its
//! instructions. On an adapter with more subgroups than there is work for, only a few of them work
//! too, as where subgroups have 64 lanes.

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

/// The text with matrices of 8 in the place of those of 16.
fn in_quarters(text: &str) -> String {
    let lines = text.lines();
    let text: Vec<String> =
        lines.map(|l| statement(l.trim()).unwrap_or_else(|| l.to_owned())).collect();
    let text = text.join("\n");
    assert!(!text.contains("coop_mat16x16"), "{text}");
    text
}

/// The text as if a workgroup had `n` subgroups: the others get numbers that are past every region. Their
/// lanes still fetch.
fn with_few_subgroups(text: &str, n: u32) -> String {
    let mut text = text.to_owned();
    let few = format!(
        ") {{
        let subgroups = {n}u;
        let subgroup = select(0xffffu, subgroup_here, subgroup_here < {n}u);"
    );
    for (old, new) in [
        ("@builtin(subgroup_id) subgroup: u32", "@builtin(subgroup_id) subgroup_here: u32"),
        ("    @builtin(num_subgroups) subgroups: u32,\n", ""),
    ] {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        text = text.replace(old, new);
    }
    let (head, main) = text.split_once("fn main(").unwrap();
    format!("{head}fn main({}", main.replacen(") {", &few, 1))
}

/// The kernel with a single variant: `variant` with another text, which needs matrices of 8. It keeps its name, by which a
/// device remembers pipelines.
fn only(kernel: &'static KernelDesc, variant: &Variant, text: String) -> &'static KernelDesc {
    let variants =
        vec![Variant { wgsl: text.leak(), requires: Requires::CooperativeMatrix(8), ..*variant }];
    Box::leak(Box::new(KernelDesc { variants: variants.leak(), ..*kernel }))
}

/// Runs the cases that `wanted` accepts by kernel and label, with every variant with matrices of this size whose text
/// `change` changes; the number of cases.
fn every_case(
    size: u32,
    wanted: impl Fn(&str, &str) -> bool,
    change: impl Fn(&str) -> Option<String>,
) -> usize {
    let adapters = gpu::list();
    let Some(adapter) = adapters.iter().find(|a| a.cooperative_matrix.contains(&8)) else {
        skipped("no adapter with cooperative matrices of 8 (scripts/newer-llvmpipe.sh)");
        return usize::MAX;
    };
    let adapter = Some(adapter.index.to_string());
    let gpu = Gpu::open(&AdapterChoice { adapter, ..Default::default() }).unwrap();
    let mut tried = 0;
    for suite in suites() {
        let of_size = |v: &&Variant| v.requires.matrix() == Some(size);
        for variant in suite.kernel.variants.iter().filter(of_size) {
            let Some(text) = change(variant.wgsl) else { continue };
            let kernel = only(suite.kernel, variant, text);
            for mut case in (suite.cases)().unwrap() {
                if !variant.serves(&case.plan) || !wanted(kernel.name, &case.label) {
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
    tried
}

#[test]
fn matrices_of_16_compute_the_same_from_quarters_of_8() {
    assert!(every_case(16, |_, _| true, |text| Some(in_quarters(text))) > 100);
}

#[test]
fn few_subgroups_take_turns() {
    // Tiles of several regions in both directions, with everything that comes after the sums.
    let wanted = |kernel: &str, label: &str| kernel != "conv2d" || label.starts_with("all");
    // What a benchmark multiplies lies in registers; there is nothing to share.
    let convolutions = |text: &str| text.contains("struct Fetcher");
    for n in [3, 4] {
        let few = |text: &str| convolutions(text).then(|| with_few_subgroups(text, n));
        assert!(every_case(16, wanted, |text| few(text).map(|text| in_quarters(&text))) > 20);
        assert!(every_case(8, wanted, few) > 10);
    }
}
