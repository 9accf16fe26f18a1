//! `nf-gpu conform`: the kernels' conformance cases on the user's adapters.

use super::{gpu::GpuArgs, output};
use crate::{
    conformance::{Outcome, run_suite},
    error::{Error, Result},
    gpu::{self, AdapterChoice, Gpu},
    reference::SUITES,
    report::Table,
};
use clap::Args;
use serde_json::json;

/// Arguments of `nf-gpu conform`.
#[derive(Args, Debug)]
pub struct ConformArgs {
    /// Only this kernel
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// On every adapter of this machine
    #[arg(long, conflicts_with_all = ["adapter", "backend"])]
    all_adapters: bool,
    #[command(flatten)]
    gpu: GpuArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Counts of one kernel's variant on one adapter.
struct Row {
    adapter: String,
    kernel: &'static str,
    variant: &'static str,
    ok: usize,
    unsupported: Option<String>,
    wrong: Vec<String>,
}

/// Runs every case of every kernel and variant against its CPU twin.
///
/// # Errors
/// [`Error::Gpu`] when a result is wrong, after the table.
pub fn run(args: &ConformArgs) -> Result<()> {
    let known = SUITES.iter().map(|s| s.kernel.name);
    if let Some(name) = args.kernel.as_ref().filter(|&n| !known.clone().any(|k| k == n)) {
        return Err(Error::unknown("kernel", name, known));
    }
    let choices: Vec<AdapterChoice> = if args.all_adapters {
        let each = |index: usize| AdapterChoice {
            adapter: Some(index.to_string()),
            ..AdapterChoice::default()
        };
        gpu::list().iter().map(|a| each(a.index)).collect()
    } else {
        vec![args.gpu.choice()]
    };
    if choices.is_empty() {
        return Err(Error::NoAdapter { wanted: "any adapter".into(), found: Vec::new() });
    }
    let mut rows: Vec<Row> = Vec::new();
    for choice in &choices {
        let gpu = Gpu::open(choice)?;
        for suite in SUITES {
            if args.kernel.as_ref().is_some_and(|k| k != suite.kernel.name) {
                continue;
            }
            let from = rows.len();
            rows.extend(suite.kernel.variants.iter().map(|v| Row {
                adapter: gpu.report().line(),
                kernel: suite.kernel.name,
                variant: v.name,
                ok: 0,
                unsupported: None,
                wrong: Vec::new(),
            }));
            let rows = &mut rows[from..];
            run_suite(&gpu, suite, |variant, workgroup, case, outcome| {
                let Some(row) = rows.iter_mut().find(|r| r.variant == variant.name) else { return };
                match outcome {
                    Outcome::Ok => row.ok += 1,
                    Outcome::Unsupported(why) => row.unsupported = Some(why.clone()),
                    Outcome::Wrong(what) => {
                        row.wrong.push(format!("{} at {workgroup}: {what}", case.label));
                    }
                }
            })?;
        }
    }
    print(args.json, &rows)?;
    let wrong: usize = rows.iter().map(|r| r.wrong.len()).sum();
    if wrong == 0 {
        return Ok(());
    }
    let first = rows.iter().find(|r| !r.wrong.is_empty());
    let message = first.map_or_else(String::new, |r| {
        format!("{wrong} cases are wrong, the first of {} {}: {}", r.kernel, r.variant, r.wrong[0])
    });
    Err(Error::Gpu { doing: "compute what the CPU computes".into(), message })
}

fn print(json: bool, rows: &[Row]) -> Result<()> {
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|r| {
                json!({
                    "adapter": r.adapter, "kernel": r.kernel, "variant": r.variant, "ok": r.ok,
                    "wrong": r.wrong, "unsupported": r.unsupported,
                })
            })
            .collect();
        return output::print_json(&json!({ "commit": env!("NF_COMMIT"), "results": rows }));
    }
    let mut table = Table::new(["kernel", "variant", "adapter", "ok", "wrong", ""]);
    for r in rows {
        let lacks = |why: &String| match r.ok {
            0 => format!("not run: needs {why}"),
            _ => format!("in part: needs {why}"),
        };
        let note = r.wrong.first().cloned().or(r.unsupported.as_ref().map(lacks));
        let note = note.unwrap_or_default();
        table.row([
            r.kernel.to_owned(),
            r.variant.to_owned(),
            r.adapter.clone(),
            r.ok.to_string(),
            r.wrong.len().to_string(),
            note,
        ]);
    }
    output::print(&table.to_string())
}
