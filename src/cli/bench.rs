//! `nf-gpu bench`.

use super::{gpu::TunedArgs, places::Places, terminal};
use crate::{
    bench::{self, CaseSettings, Effort, StepSettings},
    error::{Error, Result},
    gpu::Gpu,
    nn::Dtype,
    report::{
        bench_json::{self, Report},
        bench_view::{self, Comparison},
    },
};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `nf-gpu bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    gpu: TunedArgs,
    /// Only this kernel (a name or a glob, such as 'conv2d*'), and no steps unless asked for
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Only steps, or those of a name or a glob, such as 'eopm/*'; beside kernels with --kernel
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "*")]
    steps: Option<String>,
    /// No steps
    #[arg(long, conflicts_with = "steps")]
    no_steps: bool,
    /// Images of a batch (32 on a software adapter, else 256)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch_size: Option<u32>,
    /// Perturbed copies of a step's base network (2 on a software adapter, else 10)
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(1..=1000))]
    copies: Option<u32>,
    /// Precision in which inputs, weights and gradients of steps are multiplied, sums being f32; kernels
    /// are timed in both where the adapter has f16
    #[arg(long, value_enum, default_value_t)]
    dtype: Dtype,
    /// Small batches and few repeats: for a glance
    #[arg(long)]
    quick: bool,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draw every kernel under the measured roof
    #[arg(long, value_name = "FILE.svg")]
    roofline: Option<PathBuf>,
    /// Compare reports instead of measuring; needs no GPU
    #[arg(long, value_name = "FILE", num_args = 1..,
          conflicts_with_all = ["kernel", "steps", "no_steps", "quick", "out", "batch_size", "copies",
                                "dtype"])]
    compare: Vec<PathBuf>,
    /// Draw the comparison
    #[arg(long, value_name = "FILE.svg", requires = "compare")]
    plot: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Measures, or compares what was measured.
///
/// # Errors
/// Unknown kernels or steps, the device failed, or a file cannot be read or written.
pub fn run(args: &BenchArgs) -> Result<()> {
    let plots = [("--plot", &args.plot), ("--roofline", &args.roofline)];
    for (flag, path) in plots {
        path.as_ref().map_or(Ok(()), |path| bench_view::check_ending(flag, path))?;
    }
    // What takes minutes to measure must not be lost for want of a folder.
    Places::default()
        .reads("--compare", &args.compare)
        .writes("--out", &args.out)
        .writes("--roofline", &args.roofline)
        .writes("--plot", &args.plot)
        .check()?;
    if !args.compare.is_empty() {
        return compare(args);
    }
    // Before the GPU is opened: a mistyped name costs nothing.
    let kernels = match (&args.kernel, &args.steps) {
        (None, Some(_)) => Vec::new(),
        (pattern, _) => bench::kernel_names(pattern.as_deref().unwrap_or("*"))?,
    };
    let steps = match (&args.steps, args.no_steps || args.kernel.is_some()) {
        (Some(pattern), _) => bench::step_names(pattern)?,
        (None, false) => bench::step_names("*")?,
        (None, true) => Vec::new(),
    };
    if args.roofline.is_some() && kernels.is_empty() {
        let what = "there are no kernels to draw";
        return Err(Error::argument("--roofline", what, "leave out --steps, or add --kernel '*'"));
    }
    let gpu = args.gpu.open(args.quiet)?;
    let mut printed = Ok(());
    let report = measure(args, &gpu, &kernels, &steps, &mut printed)?;
    if let Some(path) = &args.out {
        report.save(path)?;
    }
    if let Some(path) = &args.roofline {
        bench_view::save_roofline(path, &report)?;
    }
    if args.json { terminal::print_json(&report.document()) } else { printed }
}

/// Measures and prints what is done, unless one document is wanted. That something cannot be printed is
/// left in `printed`: what takes minutes goes on, for the files.
fn measure(
    args: &BenchArgs,
    gpu: &Gpu,
    kernels: &[&str],
    steps: &[&str],
    printed: &mut Result<()>,
) -> Result<Report> {
    let effort = if args.quick { Effort::QUICK } else { Effort::full(gpu) };
    let mut report = bench::empty_report(gpu);
    let mut print = |text: String| {
        if !args.json && printed.is_ok() {
            *printed = terminal::print(&text);
        }
    };
    print(format!("{}, commit {}\n", bench_view::adapter(&report.adapter), report.commit));
    if !kernels.is_empty() {
        report.ceilings = bench::ceilings(gpu, effort)?;
        print(format!("\n{}", bench_view::ceilings(&report.ceilings)));
        let mut settings = CaseSettings::of(gpu, args.quick);
        settings.batch = args.batch_size.unwrap_or(settings.batch);
        let each = |case: &bench_json::Case| {
            progress(args, &bench_view::case_line(case));
            Ok(())
        };
        let ceilings = &report.ceilings;
        (report.cases, report.summary) =
            bench::cases(gpu, kernels, settings, effort, ceilings, each)?;
        print(format!("\n{}", bench_view::cases(&report.cases)));
        print("* is what networks use here\n".into());
        if !report.summary.is_empty() {
            print(format!("\n{}", bench_view::summary(&report.summary)));
        }
    }
    let clocks = report.ceilings.iter().map(|c| c.clock.as_str());
    let clocks = clocks.chain(report.cases.iter().map(|c| c.clock.as_str()));
    report.clock = bench::common_clock(clocks);
    if !steps.is_empty() {
        let mut settings = StepSettings::of(gpu, args.quick);
        settings.batch = args.batch_size.unwrap_or(settings.batch);
        settings.copies = args.copies.unwrap_or(settings.copies);
        settings.operands = args.dtype.operands(gpu);
        report.steps = bench::steps(gpu, steps, settings, effort, |step| {
            print(format!("\n{}", bench_view::step(step)));
            Ok(())
        })?;
    }
    Ok(report)
}

/// A line for those who wait at a terminal.
fn progress(args: &BenchArgs, line: &str) {
    if !args.quiet && terminal::is_watched() {
        terminal::say(line);
    }
}

/// Reads reports and shows them beside each other.
fn compare(args: &BenchArgs) -> Result<()> {
    let mut reports = Vec::new();
    for path in &args.compare {
        reports.push((path.clone(), bench_json::load(path)?));
    }
    if let Some(path) = &args.roofline {
        let [(_, report)] = &reports[..] else {
            let what = "several reports have several roofs";
            return Err(Error::argument("--roofline", what, "give --compare one report"));
        };
        bench_view::save_roofline(path, report)?;
    }
    let comparison = Comparison::of(&reports);
    if let Some(path) = &args.plot {
        bench_view::save_comparison(path, &comparison)?;
    }
    if args.json {
        return terminal::print_json(&serde_json::to_value(&comparison).unwrap_or_default());
    }
    terminal::print(&bench_view::compared(&comparison))
}
