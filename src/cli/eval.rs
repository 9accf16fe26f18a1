//! `nf-gpu eval`.

mod journal;
mod setup;

use super::{gpu::TunedArgs, interrupt, places::Places, terminal};
use crate::{
    data::{self, DEFAULT_DIR},
    error::{Error, Result},
    eval::{
        Details, Journal, Named, Request, Study, Subject, document, measure, passes, sensitivity,
        study_maps,
    },
    files::npy,
    nn::{DtypeChoice, dtype_line},
    report::{
        eval_json::{Document, Evaluation, Given},
        progress::{Progress, Unit},
        saving, table, words,
        wrap::paragraph,
    },
    run::Gpu,
    train::{BaseHints, FaultArgs, Generator},
};
use clap::Args;
use journal::{is_device, journal_of};
use setup::Setup;
use std::path::PathBuf;

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
    /// Data set, or a folder of images (default: the one that the generator and the base were trained on)
    #[arg(long, value_name = "NAME|DIR")]
    dataset: Option<String>,
    /// Evaluate although the classes of the data set are not those of the base: labels are taken by number
    /// where they are not found by name
    #[arg(long)]
    allow_mismatch: bool,
    /// Where data sets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    data_dir: PathBuf,
    #[command(flatten)]
    faults: FaultArgs,
    /// Probabilities that a cell is faulty, as in 0.01,0.005 (default: the rate that the generator was
    /// trained for, as its chip, faults, bits and layers; without one 0.01)
    #[arg(long, value_name = "P,...", value_delimiter = ',', allow_negative_numbers = true)]
    ber: Vec<f64>,
    /// Seeds of the fault maps: a number, a list, or a half-open range (default: 50000..50010)
    #[arg(long, value_name = "A..B", allow_negative_numbers = true)]
    seeds: Option<String>,
    /// Bits per stored weight, 2 to 8 (default: those that the base was trained for)
    #[arg(long, value_name = "BITS")]
    precision: Option<u32>,
    /// Precision in which inputs and weights are multiplied, sums being f32: f16 rounds them everywhere
    /// alike, auto does where the adapter has matrix units for it
    #[arg(long, value_enum, default_value_t)]
    dtype: DtypeChoice,
    /// So many test images (default: all): of a named set the first ones, of a folder images at even distances
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Images per dispatch
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch_size: u32,
    /// Write the document of --json to this file; beside it a journal, from which the same command goes
    /// on when it was interrupted or killed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a table with a row for each fault map to this file, as comma-separated values
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Voltages, rates and energies of your memory (default: the paper's two; see `nf-gpu energy`)
    #[arg(long, value_name = "FILE.toml")]
    points: Option<PathBuf>,
    /// Voltage of one of these points, in their unit, at which the memory has the faults: of a measured
    /// map, say (default: that of the nearest rate, within 1 %)
    #[arg(long, value_name = "V", allow_negative_numbers = true)]
    voltage: Option<f64>,
    /// Accuracy of each class
    #[arg(long)]
    per_class: bool,
    /// Confusion matrices
    #[arg(long)]
    confusion: bool,
    /// Accuracy when only one bit position or one layer is faulty, at the first rate
    #[arg(long)]
    sensitivity: bool,
    /// With the sensitivity study: protect the N worst bit positions and layers, one after another
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "4")]
    protect: Option<usize>,
    /// Write the logits `[seed, image, class]` of what was evaluated to this .npy file
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    #[command(flatten)]
    gpu: TunedArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// Evaluates a base network, alone and behind generators.
pub fn run(args: &EvalArgs) -> Result<()> {
    args.check()?;
    let (setup, mut set) = Setup::of(args)?;
    let Setup { base, generators, faults, seeds, precision, .. } = &setup;
    if !args.quiet {
        setup.notes.iter().for_each(|note| terminal::say(note));
    }
    interrupt::watch(args.quiet);
    let gpu = args.gpu.open(args.quiet)?;
    let dtype = args.dtype.on(&gpu);
    base.answer_for(&gpu, &mut set, *precision, dtype, &interrupt::pressed)?;
    let set = &set;
    let alone = Subject {
        base: (&base.graph, &base.weights),
        generator: None,
        generator_id: "",
        set,
        precision: *precision,
        batch: args.batch_size,
        dtype,
    };
    let mut journal = match &args.out {
        // The journal has no room for logits, and a device such as /dev/null cannot have a journal
        // beside it.
        Some(out) if args.logits.is_none() && !is_device(out) => {
            Journal::open(journal_of(out), &alone.identity(&gpu, &base.sha256))?
        }
        _ => Journal::default(),
    };
    if !journal.is_empty() && !args.quiet {
        terminal::say(&format!("going on: {} results are there", journal.len()));
    }
    let mut runs = Vec::new();
    // If one file cannot be written, the others still are; the error is reported at the end.
    let mut written = Ok(());
    for generator in generators.iter().map(Some).chain(generators.is_empty().then_some(None)) {
        let subject = Subject {
            generator: generator.map(|g| (&g.graph, &g.weights)),
            generator_id: generator.map_or("", |g| &g.sha256),
            ..alone
        };
        let keep_logits = args.logits.is_some();
        let request = Request { subject, faults, seeds, keep_logits };
        let measured = args.measure(&gpu, &request, &setup, generator, &mut journal);
        if matches!(measured, Err(Error::Interrupted)) && args.out.is_some() && !args.quiet {
            terminal::say(&format!("{} results are kept: the same command goes on", journal.len()));
        }
        let (evaluation, logits) = measured?;
        written = written.and(logits);
        runs.push(evaluation);
    }
    if let Some(csv) = &args.csv {
        written = written.and(words::save_maps(csv, &runs));
    }
    let document = Document::new(runs.clone());
    if let Some(out) = &args.out {
        written = written.and(document.save(out).and_then(|()| journal.remove()));
    }
    if args.json {
        return written.and(terminal::print(&document.to_json()));
    }
    let about = |generator: &str| {
        let (model, images, adapter) = (&base.model, set.images(), gpu.report().line());
        let arithmetic = dtype_line(&gpu, dtype);
        format!("{model}, {generator}, {images}; {adapter}; {arithmetic}")
    };
    written.and(args.print(&runs, &setup.labels(), about))?;
    if let Some(out) = args.out.as_ref().filter(|_| !args.quiet) {
        terminal::say(&format!("wrote {0}; a page of it: nf-gpu report {0}", out.display()));
    }
    Ok(())
}

impl EvalArgs {
    fn check(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::argument("--batch-size", "0 means nothing to do", "try 100"));
        }
        let repeated = |i: usize| self.ber[..i].contains(&self.ber[i]);
        if let Some(i) = (0..self.ber.len()).find(|&i| repeated(i)) {
            let what = format!("{} is there twice", self.ber[i]);
            return Err(Error::argument("--ber", what, "leave one out"));
        }
        if self.protect.is_some() && !self.sensitivity {
            let what = "it orders bits and layers by their sensitivity";
            return Err(Error::argument("--protect", what, "add --sensitivity"));
        }
        if self.logits.is_some() && self.generator.len() > 1 {
            let hint = "evaluate one generator at a time";
            return Err(Error::argument("--logits", "several generators share one file", hint));
        }
        Ok(())
    }

    /// Checks that no output replaces another file or goes into the data set.
    fn places(&self, dataset: &str, faults: &FaultArgs) -> Result<()> {
        let journal = self.out.as_deref().map(journal_of);
        Places::default()
            .reads("--base", [&self.base])
            .reads("--generator", &self.generator)
            .reads("--points", &self.points)
            .reads_faults(faults)?
            .reads("--dataset", data::places(dataset, &self.data_dir))
            .writes("--logits", &self.logits)
            .writes("--out", &self.out)
            .writes("--csv", &self.csv)
            .makes("the journal of --out", journal)
            .check()
    }

    /// The flags that a user would have to type again for the same evaluation.
    fn given(&self, setup: &Setup, generator: Option<&Generator>) -> Given {
        let generator = generator.map(|g| &*g.path);
        let given = Given::new(&self.base, generator, &setup.dataset, &self.data_dir);
        let hints = BaseHints {
            model: self.model.clone(),
            mean: self.input_mean.clone(),
            std: self.input_std.clone(),
        };
        hints
            .note(given)
            .with("--allow-mismatch", self.allow_mismatch.then(String::new))
            .with("--points", self.points.as_ref().map(|file| file.display().to_string()))
            .with("--voltage", self.voltage.map(|v| v.to_string()))
            // These flags are recorded even if they say "all", because the generator may have been
            // trained for some.
            .with("--bits", self.faults.bits.clone())
            .with("--layers", self.faults.layers.clone())
    }

    /// Prints the tables. Each stands below the line that `about` makes for its generator.
    fn print(
        &self,
        runs: &[Evaluation],
        labels: &[String],
        about: impl Fn(&str) -> String,
    ) -> Result<()> {
        let width = terminal::columns();
        for (i, run) in runs.iter().enumerate() {
            let name = labels.get(i).map_or("no generator", String::as_str);
            if !self.quiet {
                terminal::say(&about(name));
            }
            // With several tables each needs its name on stdout too, in case stdout goes to a file.
            if runs.len() > 1 {
                terminal::print(&format!("{}{name}\n", if i > 0 { "\n" } else { "" }))?;
            }
            terminal::print(&table::with_energy(run, width))?;
            if self.per_class {
                terminal::print(&format!("\n{}", table::per_class(run, width)))?;
            }
            if self.confusion {
                terminal::print(&format!("\n{}", table::confusion(run, width)))?;
            }
            if let Some(study) = &run.sensitivity {
                terminal::print(&format!("\n{:width$}", table::sensitivity(study)))?;
            }
        }
        // The explanation is printed once for all tables.
        if let Some(how) = saving::unknown(runs).filter(|_| !self.quiet) {
            terminal::say(&paragraph(&how, width, 2));
        }
        Ok(())
    }

    /// Measures the accuracies and, if asked for, the sensitivity. The inner result is that of writing the
    /// logits' file.
    fn measure(
        &self,
        gpu: &Gpu,
        request: &Request<'_>,
        setup: &Setup,
        generator: Option<&Generator>,
        journal: &mut Journal,
    ) -> Result<(Evaluation, Result<()>)> {
        let study = Study { protect: self.protect.unwrap_or(0) };
        let images = request.subject.set.len();
        let of_study = if self.sensitivity { study_maps(request, study) } else { 0 };
        let all = passes(request) + of_study * images as u64;
        let progress = Progress::new(self.quiet, Unit::Many("images"), Some(all));
        let mut tick = |done| {
            progress.add(done);
            !interrupt::pressed()
        };
        let measured = measure(gpu, request, journal, &mut tick)?;
        let saved = self.logits.as_ref().map_or(Ok(()), |path| {
            let maps = request.seeds.len() * request.faults.len();
            let classes = setup.base.outputs();
            npy::save_f32(path, &[maps, images, classes as usize], &measured.logits)
        });
        let base = &setup.base;
        let named = Named { name: &base.model, sha256: &base.sha256 };
        let behind = generator.map(|g| Named { name: &g.graph.name, sha256: &g.sha256 });
        let (classes, confusion) = (self.per_class, self.confusion);
        let (points, voltage) = (Some(&setup.points), setup.voltage.as_ref());
        let details = Details { classes, confusion, points, voltage };
        let mut evaluation = document(gpu, request, named, behind, &measured, details);
        evaluation.given = self.given(setup, generator);
        if self.sensitivity {
            evaluation.sensitivity = sensitivity(gpu, request, study, journal, &mut tick)?;
        }
        Ok((evaluation, saved))
    }
}
