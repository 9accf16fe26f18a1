//! `nf-gpu bench`.

use super::{gpu::TunedArgs, interrupt, job, places::Places, terminal};
use crate::{
    bench::{self, CasePosition, CaseSettings, Effort, StepSettings},
    error::{Error, Result},
    nn::DtypeChoice,
    report::{
        bench_json::{self, Report, Settings},
        csv::Csv,
        pictures,
        progress::{Progress, Unit},
        words::bench::{self as words, Comparison},
        wrap::paragraph,
    },
    run::Gpu,
};
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// Arguments of `nf-gpu bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    gpu: TunedArgs,
    /// Only this kernel (a name or a glob, such as 'conv2d*'), and no steps unless asked for
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Only cases of kernels whose shape fits this glob, such as '*groups 64*'
    #[arg(long, value_name = "SHAPE", conflicts_with = "steps")]
    case: Option<String>,
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
    dtype: DtypeChoice,
    /// Only how a training step (ConvS before ResNet-20) grows: its time and memory for more copies, larger batches, larger
    /// images and a wider base network, with the powers that fit
    #[arg(long, conflicts_with_all = ["kernel", "case", "steps", "no_steps", "roofline"], group = "drawn")]
    scaling: bool,
    /// A glance in half a minute: one case of each kernel and one step, small batches, few repeats
    #[arg(long)]
    quick: bool,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draw every kernel under the measured roof
    #[arg(long, value_name = "FILE.svg")]
    roofline: Option<PathBuf>,
    /// Compare reports instead of measuring; needs no GPU
    #[arg(long, value_name = "FILE", num_args = 1.., group = "drawn",
          conflicts_with_all = ["kernel", "case", "steps", "no_steps", "quick", "out", "batch_size", "copies",
                                "dtype"])]
    compare: Vec<PathBuf>,
    /// Draw the comparison, or what --scaling measured, also of one report that has it
    #[arg(long, value_name = "FILE.svg", requires = "drawn")]
    plot: Option<PathBuf>,
    /// Write the cases of kernels to this file, or the kernels of steps where there are no cases, or the points of --scaling,
    /// or the rows of --compare: with the fields of --json as columns
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Measures, or compares reports of earlier measurements.
pub fn run(args: &BenchArgs) -> Result<()> {
    job::alone("bench")?;
    let plots = [("--plot", &args.plot), ("--roofline", &args.roofline)];
    for (flag, path) in plots {
        path.as_ref().map_or(Ok(()), |path| pictures::check_ending(flag, path))?;
    }
    // Paths are checked first: a missing folder must not lose what took minutes to measure.
    Places::default()
        .reads("--compare", &args.compare)
        .writes("--out", &args.out)
        .writes("--roofline", &args.roofline)
        .writes("--plot", &args.plot)
        .writes("--csv", &args.csv)
        .check()?;
    if !args.compare.is_empty() {
        return compare(args);
    }
    // Names are resolved before the GPU is opened, so that a mistyped one fails at once.
    let kernels = match (&args.kernel, &args.steps) {
        (None, Some(_)) => Vec::new(),
        (None, None) if args.scaling => Vec::new(),
        (pattern, _) => bench::kernel_names(pattern.as_deref().unwrap_or("*"))?,
    };
    let steps = match (&args.steps, args.kernels_only() || args.scaling) {
        (Some(pattern), _) => bench::step_names(pattern)?,
        (None, false) if args.quick => vec![bench::GLANCE],
        (None, false) => bench::step_names("*")?,
        (None, true) => Vec::new(),
    };
    if args.roofline.is_some() && kernels.is_empty() {
        let what = "there are no kernels to draw";
        return Err(Error::argument("--roofline", what, "leave out --steps, or add --kernel '*'"));
    }
    let gpu = args.gpu.open(args.quiet)?;
    let (mut report, mut printed) = (bench::empty_report(&gpu), Ok(()));
    let measured = measure(args, &gpu, &kernels, &steps, &mut report, &mut printed);
    if let Err(error) = &measured {
        if report.cases.is_empty() && report.steps.is_empty() && report.growth.is_empty() {
            return measured;
        }
        report.warnings.push(format!("this report is not complete: {error}"));
    }
    let printed = if args.json { terminal::print_json(&report.document()) } else { printed };
    let csv = |path: &PathBuf| Csv::of_records(&report.records()).save(path);
    // A file that cannot be written takes no other with it: to measure again takes long.
    first_error([
        measured,
        printed,
        args.out.as_ref().map_or(Ok(()), |path| report.save(path)),
        args.roofline.as_ref().map_or(Ok(()), |path| pictures::bench::save_roofline(path, &report)),
        args.plot.as_ref().map_or(Ok(()), |path| pictures::bench::save_growth(path, &report)),
        args.csv.as_ref().map_or(Ok(()), csv),
    ])
}

/// The first of several errors; the others are told at once.
fn first_error(results: [Result<()>; 6]) -> Result<()> {
    let mut errors = results.into_iter().filter_map(Result::err);
    let Some(first) = errors.next() else { return Ok(()) };
    errors.for_each(|error| terminal::say(&crate::error::report(&error)));
    Err(first)
}

/// Measures into `report`, which keeps what there was when the measurement comes to an early end, and prints each part
/// when it is finished, unless one JSON document is wanted. An error of printing is only stored in `printed`: the
/// measurement goes on for the sake of the report files.
fn measure(
    args: &BenchArgs,
    gpu: &Gpu,
    kernels: &[&str],
    steps: &[&str],
    report: &mut Report,
    printed: &mut Result<()>,
) -> Result<()> {
    let effort = if args.quick { Effort::QUICK } else { Effort::full(gpu) };
    let (of_cases, of_steps) = args.sizes(gpu);
    let width = terminal::columns();
    report.settings = Some(args.settings(effort, of_cases, of_steps));
    let mut print = |text: String| {
        if !args.json && printed.is_ok() {
            *printed = terminal::print(&text);
        }
    };
    let warn = |doubts: &[String], print: &mut dyn FnMut(String)| {
        for doubt in doubts.iter().map(|doubt| format!("warning: {doubt}")) {
            print(format!("\n{}\n", paragraph(&doubt, width, 2)));
            if args.json && !args.quiet {
                terminal::say(&doubt);
            }
        }
    };
    print(format!("{}, commit {}\n", words::adapter(&report.adapter), report.commit));
    if !kernels.is_empty() {
        report.ceilings = bench::ceilings(gpu, effort)?;
    }
    // Until here there is nothing to keep, and Ctrl-C ends the program at once.
    interrupt::watch(args.quiet);
    let stop = &interrupt::pressed;
    let mut timed = Ok(());
    if !kernels.is_empty() {
        let progress = Progress::new(args.quiet, Unit::Many("cases"), None);
        let (cases, ceilings) = (&mut report.cases, &report.ceilings);
        let each = |case: bench_json::TimedCase, place: CasePosition| {
            progress.set(place.before as u64, Some(place.all as u64));
            progress.doing(&words::case_line(&case));
            cases.push(case);
        };
        let shapes = (kernels, args.case.as_deref());
        timed =
            bench::cases(gpu, shapes, of_cases, effort, ceilings, each, stop).and_then(|sums| {
                report.summary = sums;
                bench::ceilings_again(gpu, effort, &mut report.ceilings)
            });
    }
    let clocks = report.ceilings.iter().map(|c| c.clock.as_str());
    let clocks = clocks.chain(report.cases.iter().map(|c| c.clock.as_str()));
    report.clock = bench::common_clock(clocks);
    if !report.cases.is_empty() {
        bench::place_again(&mut report.cases, &mut report.summary, &report.ceilings);
        report.warnings.extend(report.ceilings.iter().filter_map(bench_json::Ceiling::doubt));
        print(format!("\n{}", words::ceilings(&report.ceilings, width)));
        print(format!("\n{}", words::cases(&report.cases, width)));
        print("* is what networks use here\n".into());
        if !report.summary.is_empty() {
            print(format!("\n{}", words::summary(&report.summary, width)));
        }
        warn(&report.warnings, &mut print);
    }
    timed?;
    if !steps.is_empty() {
        let progress = Progress::new(args.quiet, Unit::Many("steps"), Some(steps.len() as u64));
        let each = |step: bench_json::TimedStep| {
            progress.add(1);
            progress.aside(|| print(format!("\n{}", words::step(&step, width))));
            report.steps.push(step);
        };
        bench::steps(gpu, steps, of_steps, effort, each, stop)?;
    }
    if args.scaling {
        let progress = Progress::new(args.quiet, Unit::Many("steps"), None);
        let each = |at: usize, of: usize| progress.set(at as u64, Some(of as u64));
        let done = |growth: bench_json::Growth, missing: Vec<String>| {
            progress.aside(|| {
                print(format!("\n{}", words::growth(&growth, width)));
                warn(&missing, &mut print);
            });
            report.growth.push(growth);
            report.warnings.extend(missing);
        };
        bench::scaling(gpu, of_steps, args.quick, effort, each, done, stop)?;
        drop(progress);
        print(format!("\n{}", words::powers(report, width)));
    }
    Ok(())
}

impl BenchArgs {
    /// Whether no step was asked for beside kernels.
    fn kernels_only(&self) -> bool {
        self.no_steps || self.kernel.is_some() || self.case.is_some()
    }

    /// Problem sizes for kernels and for steps.
    fn sizes(&self, gpu: &Gpu) -> (CaseSettings, StepSettings) {
        let mut cases = CaseSettings::of(gpu, self.quick);
        cases.batch = self.batch_size.unwrap_or(cases.batch);
        // A user who names kernels or shapes wants all of their cases.
        cases.glance = self.quick && self.kernel.is_none() && self.case.is_none();
        let mut steps = StepSettings::of(gpu, self.quick);
        steps.batch = self.batch_size.unwrap_or(steps.batch);
        steps.copies = self.copies.unwrap_or(steps.copies);
        steps.dtype = self.dtype.on(gpu);
        (cases, steps)
    }

    fn settings(&self, effort: Effort, cases: CaseSettings, steps: StepSettings) -> Settings {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Settings {
            quick: self.quick,
            kernel: self.kernel.clone(),
            case: self.case.clone(),
            steps: self.steps.clone(),
            batch_size: cases.batch,
            step_batch_size: steps.batch,
            copies: steps.copies,
            dtype: steps.dtype.name().to_owned(),
            kernel_ms: ms(effort.kernel),
            step_ms: ms(effort.step),
            samples: effort.samples,
        }
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
        pictures::bench::save_roofline(path, report)?;
    }
    let comparison = Comparison::of(&reports);
    if let Some(path) = &args.plot {
        match &reports[..] {
            [(_, report)] if !report.growth.is_empty() => {
                pictures::bench::save_growth(path, report)?;
            }
            _ => pictures::bench::save_comparison(path, &comparison)?,
        }
    }
    if let Some(path) = &args.csv {
        Csv::of_records(&comparison.records()).save(path)?;
    }
    if args.json {
        return terminal::print_json(&serde_json::to_value(&comparison).unwrap_or_default());
    }
    terminal::print(&words::compared(&comparison, terminal::columns()))
}
