//! `nf-gpu eval`.
#![expect(clippy::print_stderr, reason = "messages for the user")]

use super::{gpu::GpuArgs, interrupt, output};
use crate::{
    data::{self, DEFAULT_DIR, Split},
    error::{Error, Result},
    eval::{Measurement, Request, measure},
    fault::{FaultModel, Faults, check_seed},
    files::{Weights, atomic, npy, sha256},
    models,
    nn::Graph,
    report::{eval_json::Document, table},
    train::{BaseHints, BaseNet, document},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::{
    io::{self, IsTerminal as _},
    ops::Range,
    path::PathBuf,
};

/// Arguments of `nf-gpu eval`.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Weights of the base network
    #[arg(long, value_name = "FILE")]
    base: PathBuf,
    /// Name of the base network, where its file does not say
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Mean of the base's input per channel, of values from 0 to 1 (default: the file's)
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    input_mean: Option<Vec<f32>>,
    /// Standard deviation of the base's input per channel
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    input_std: Option<Vec<f32>>,
    /// Weights of a generator; several files give several tables
    #[arg(long, value_name = "FILE")]
    generator: Vec<PathBuf>,
    /// Data set, or a folder of images (default: the one that the base was trained on)
    #[arg(long, value_name = "NAME|DIR")]
    dataset: Option<String>,
    /// Where data sets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    data_dir: PathBuf,
    /// What faulty cells do: flip, stuck-at, reference (the map of the paper's code)
    #[arg(long, value_name = "MODEL", default_value = "stuck-at")]
    faults: String,
    /// Probabilities that a cell is faulty, as in 0.01,0.005
    #[arg(
        long,
        value_name = "P,...",
        value_delimiter = ',',
        default_value = "0.01",
        allow_negative_numbers = true
    )]
    ber: Vec<f64>,
    /// Seeds of the fault maps: a number, a list, or a half-open range
    #[arg(
        long,
        value_name = "A..B",
        default_value = "50000..50010",
        allow_negative_numbers = true
    )]
    seeds: String,
    /// Bits per stored weight, 2 to 8 (default: those that the base was trained for)
    #[arg(long, value_name = "BITS")]
    precision: Option<u32>,
    /// The first N test images (default: all)
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Images per dispatch
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch_size: u32,
    /// Write the logits `[seed, image, class]` of what was evaluated to this .npy file
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    #[command(flatten)]
    gpu: GpuArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// Evaluates a base network, alone and behind generators.
///
/// # Errors
/// Bad arguments or files, no memory, or Ctrl-C.
pub fn run(args: &EvalArgs) -> Result<()> {
    let model: FaultModel = args.faults.parse()?;
    let faults = args.ber.iter().map(|&p| Faults::new(model, p)).collect::<Result<Vec<_>>>()?;
    let seeds = parse_seeds(&args.seeds)?;
    if args.batch_size == 0 {
        return Err(Error::argument("--batch-size", "0 means nothing to do", "try 100"));
    }
    if args.logits.is_some() && args.generator.len() > 1 {
        let hint = "evaluate one generator at a time";
        return Err(Error::argument("--logits", "several generators share one file", hint));
    }
    if let Some(path) = &args.logits {
        atomic::check(path)?;
    }
    let hints = BaseHints {
        model: args.model.clone(),
        mean: args.input_mean.clone(),
        std: args.input_std.clone(),
    };
    let base = BaseNet::load(&args.base, &hints)?;
    let dataset = base.dataset(args.dataset.as_deref())?;
    let mut set = data::open_sized(&dataset, &args.data_dir, Split::Test, base.side())?;
    base.fits(&dataset, set.classes)?;
    let precision = base.precision(args.precision)?;
    if let Some(images) = args.images {
        if images == 0 || images > set.len() {
            let what = format!("{images} of {} test images", set.len());
            return Err(Error::argument("--images", what, "leave it out for all"));
        }
        set = set.take(images);
    }
    let generators =
        args.generator.iter().map(|p| load(p, set.height)).collect::<Result<Vec<_>>>()?;
    interrupt::watch();
    let gpu = args.gpu.open(args.quiet)?;
    let mut runs = Vec::new();
    for generator in generators.iter().map(Some).chain(generators.is_empty().then_some(None)) {
        let request = Request {
            base: (&base.graph, &base.weights),
            generator: generator.map(|g| (&g.graph, &g.weights)),
            set: &set,
            precision,
            faults: &faults,
            seeds: &seeds,
            batch: args.batch_size,
            keep_logits: args.logits.is_some(),
        };
        let bar = progress(args.quiet);
        let measured = measure(&gpu, &request, |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            !interrupt::pressed()
        });
        bar.finish_and_clear();
        let measured = measured?;
        if let Some(path) = &args.logits {
            save_logits(path, &measured, seeds.len() * faults.len(), set.len())?;
        }
        let named = generator.map(|g| (g.graph.name.as_str(), g.sha256.as_str()));
        runs.push(document(&gpu, &base, named, &set, precision, &seeds, &measured));
    }
    if args.json {
        return output::print(&Document::new(runs).to_json());
    }
    for run in &runs {
        if !args.quiet {
            let name = run.generator.as_ref().map_or("no generator", |g| g.name.as_str());
            eprintln!("{}, {name}, {} images", base.model, set.len());
        }
        output::print(&table::evaluation(run).to_string())?;
    }
    Ok(())
}

struct Loaded {
    graph: Graph,
    weights: Weights,
    sha256: String,
}

fn load(path: &PathBuf, side: u32) -> Result<Loaded> {
    let weights = Weights::load(path)?;
    let Some(name) = weights.meta("model") else {
        let hint = "give a file that `nf-gpu train` wrote";
        return Err(Error::format(path, "the file does not say which generator it holds", hint));
    };
    let graph = models::generator(name, side)?;
    graph.check(&weights)?;
    Ok(Loaded { graph, weights, sha256: sha256(path)? })
}

fn progress(quiet: bool) -> ProgressBar {
    let target = if quiet || !io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    ProgressBar::with_draw_target(None, target)
}

fn save_logits(path: &PathBuf, m: &Measurement, maps: usize, images: usize) -> Result<()> {
    npy::save_f32(path, &[maps, images, m.classes as usize], &m.logits)
}

/// `7`, `7,8` or `7..9` (half open).
pub(super) fn parse_seeds(text: &str) -> Result<Vec<u64>> {
    let wrong = || {
        let hint = "as in 50000..50010 (the end is not included), 7 or 7,8";
        Error::argument("--seeds", format!("{text:?} is no seed, list or range"), hint)
    };
    let number = |t: &str| t.trim().parse::<u64>().map_err(|_| wrong());
    let seeds: Vec<u64> = match text.split_once("..") {
        Some((first, end)) => {
            let range: Range<u64> = number(first)?..number(end)?;
            if range.is_empty() || range.end - range.start > 1_000_000 {
                return Err(wrong());
            }
            range.collect()
        }
        None => text.split(',').map(number).collect::<Result<_>>()?,
    };
    for &seed in &seeds {
        check_seed("--seeds", seed)?;
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_half_open_ranges_or_lists() {
        assert_eq!(parse_seeds("5..8").unwrap(), [5, 6, 7]);
        assert_eq!(parse_seeds("7").unwrap(), [7]);
        assert_eq!(parse_seeds("7,1").unwrap(), [7, 1]);
        for wrong in ["8..5", "a", "", "1..", "0..99999999", "-1"] {
            assert_eq!(parse_seeds(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
