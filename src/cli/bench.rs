//! `nf-gpu bench`.

use super::{gpu::GpuArgs, output};
use crate::{
    bench::{self, Effort, StepSettings},
    error::Result,
    report::{Table, bench_json::Step},
};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `nf-gpu bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    gpu: GpuArgs,
    /// Only these steps: a name or a glob, such as 'eopm/*'
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "*")]
    steps: Option<String>,
    /// Images of a step's batch (32 on a software adapter, else 256)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch_size: Option<u32>,
    /// Perturbed copies of a step's base network (2 on a software adapter, else 10)
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(1..=1000))]
    copies: Option<u32>,
    /// Measure less
    #[arg(long)]
    quick: bool,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Measures what was asked for.
///
/// # Errors
/// The device failed, or the report cannot be written.
pub fn run(args: &BenchArgs) -> Result<()> {
    let gpu = args.gpu.open(args.quiet)?;
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let mut report = bench::empty_report(&gpu);
    let names = bench::step_names(args.steps.as_deref().unwrap_or("*"))?;
    let mut settings = StepSettings::of(&gpu);
    settings.batch = args.batch_size.unwrap_or(settings.batch);
    settings.copies = args.copies.unwrap_or(settings.copies);
    report.steps = bench::steps(&gpu, &names, settings, effort, |step| {
        if args.json { Ok(()) } else { output::print(&step_text(step)) }
    })?;
    if let Some(path) = &args.out {
        report.save(path)?;
    }
    if args.json { output::print_json(&report.document()) } else { Ok(()) }
}

/// A step and where its time goes.
fn step_text(step: &Step) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let copies = match step.copies {
        0 => String::new(),
        copies => format!(", {copies} perturbed copies"),
    };
    let mut text = format!("\n{}, batch {}{copies} ({})\n", step.name, step.batch, step.cut);
    let times = &step.times;
    text += &format!(
        "wall {:.1} ms ({:.1} to {:.1}, {} steps), {:.0} images/s; GPU {:.1} ms in {} dispatches{}\n",
        times.median_ms,
        times.lower_ms,
        times.upper_ms,
        times.samples,
        step.images_per_second,
        step.gpu_ms,
        step.dispatches,
        step.busy.map_or(String::new(), |busy| format!(", busy {}", percent(busy))),
    );
    text += &format!(
        "convolutions {:.2} GFLOP in {:.1} ms: {:.1} GFLOP/s; the rest {:.1} ms = {}, {:.3} of the \
         convolutions at 30 GFLOP/s; faults {}\n",
        step.conv_flops as f64 / 1e9,
        step.conv_ms,
        step.conv_gflops,
        step.gpu_ms - step.conv_ms,
        percent(step.rest_share),
        step.rest_of_budget,
        percent(step.fault_share),
    );
    let mut table =
        Table::new(["kernel", "variant", "dispatches", "ms", "share", "GFLOP/s", "GB/s"]);
    for k in &step.kernels {
        table.row([
            k.kernel.clone(),
            k.variant.clone(),
            k.dispatches.to_string(),
            format!("{:.2}", k.ms),
            percent(k.share),
            format!("{:.1}", k.gflops),
            format!("{:.1}", k.gb_s),
        ]);
    }
    text + &table.to_string()
}
