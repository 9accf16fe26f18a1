//! `nf-gpu eval`.

use super::{gpu::TunedArgs, interrupt, places, seeds::parse_seeds, terminal};
use crate::{
    data::{self, DEFAULT_DIR, ImageSet, Split},
    energy::OperatingPoints,
    error::{Error, Result},
    eval::{
        Details, Journal, Named, Request, Study, Subject, document, measure, passes, sensitivity,
        study_maps,
    },
    files::{Weights, npy, sha256, sha256_of},
    gpu::Gpu,
    models,
    nn::{Dtype, Graph, arithmetic},
    ops::operands::Operands,
    report::{
        eval_json::{Document, Evaluation},
        table,
    },
    train::{BaseHints, BaseNet, FaultArgs},
};
use clap::Args;
use indicatif::ProgressBar;
use std::{
    fs,
    path::{Path, PathBuf},
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
    #[command(flatten)]
    faults: FaultArgs,
    /// Probabilities that a cell is faulty, as in 0.01,0.005 (default: 0.01)
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
    dtype: Dtype,
    /// The first N test images (default: all)
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Images per dispatch
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch_size: u32,
    /// Write the document of --json to this file; beside it a journal, from which the same command goes
    /// on when it was interrupted or killed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Voltages, rates and energies of your memory (default: the paper's two; see `nf-gpu energy`)
    #[arg(long, value_name = "FILE.toml")]
    points: Option<PathBuf>,
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
///
/// # Errors
/// Bad arguments or files, no memory, or Ctrl-C.
pub fn run(args: &EvalArgs) -> Result<()> {
    args.check()?;
    let faults = args.faults.at_each(&args.ber)?;
    let seeds = args.seeds()?;
    for faults in &faults {
        seeds.iter().try_for_each(|&seed| faults.check_seed(seed))?;
    }
    let hints = BaseHints {
        model: args.model.clone(),
        mean: args.input_mean.clone(),
        std: args.input_std.clone(),
    };
    let base = BaseNet::load(&args.base, &hints)?;
    let precision = base.precision(args.precision)?;
    faults.iter().try_for_each(|faults| base.can_have(faults, precision))?;
    let points = match &args.points {
        Some(file) => OperatingPoints::load(file)?,
        None => OperatingPoints::built_in()?,
    };
    let set = args.images(&base)?;
    let generators = args
        .generator
        .iter()
        .map(|p| Generator::load(p, set.height))
        .collect::<Result<Vec<_>>>()?;
    interrupt::watch();
    let gpu = args.gpu.open(args.quiet)?;
    let operands = args.dtype.operands(&gpu);
    let mut journal = match &args.out {
        // Logits are not kept in it; a device such as /dev/null has no room beside it.
        Some(out) if args.logits.is_none() && !is_device(out) => {
            Journal::open(journal_of(out), &identity(&gpu, &base, (precision, operands), &set))?
        }
        _ => Journal::default(),
    };
    if !journal.is_empty() && !args.quiet {
        terminal::say(&format!("going on: {} results are there", journal.len()));
    }
    let mut runs = Vec::new();
    for generator in generators.iter().map(Some).chain(generators.is_empty().then_some(None)) {
        let subject = Subject {
            base: (&base.graph, &base.weights),
            generator: generator.map(|g| (&g.graph, &g.weights)),
            generator_id: generator.map_or("", |g| &g.sha256),
            set: &set,
            precision,
            batch: args.batch_size,
            operands,
        };
        let keep_logits = args.logits.is_some();
        let request = Request { subject, faults: &faults, seeds: &seeds, keep_logits };
        let measured = args.measure(&gpu, &request, &base, generator, &points, &mut journal);
        if matches!(measured, Err(Error::Interrupted)) && args.out.is_some() && !args.quiet {
            terminal::say(&format!("{} results are kept: the same command goes on", journal.len()));
        }
        runs.push(measured?);
    }
    let document = Document::new(runs.clone());
    if let Some(out) = &args.out {
        document.save(out)?;
        journal.remove()?;
    }
    if args.json {
        return terminal::print(&document.to_json());
    }
    for run in &runs {
        if !args.quiet {
            let name = run.generator.as_ref().map_or("no generator", |g| g.name.as_str());
            let (model, images, adapter) = (&base.model, set.len(), gpu.report().line());
            let arithmetic = arithmetic(&gpu, operands);
            terminal::say(&format!("{model}, {name}, {images} images; {adapter}; {arithmetic}"));
        }
        terminal::print(&table::evaluation(run).to_string())?;
        if let Some(study) = &run.sensitivity {
            terminal::print(&format!("\n{}", table::sensitivity(study)))?;
        }
    }
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
        let journal = self.out.as_deref().map(journal_of);
        let maps = self.faults.map_files()?;
        let mut inputs = vec![("--base", Some(&self.base)), ("--points", self.points.as_ref())];
        inputs.extend(self.generator.iter().map(|file| ("--generator", Some(file))));
        inputs.extend(maps.iter().map(|file| ("--fault-map", Some(file))));
        let outputs = [
            ("--logits", self.logits.as_ref()),
            ("--out", self.out.as_ref()),
            ("the journal of --out", journal.as_ref().filter(|file| file.exists())),
        ];
        places::check(&inputs, &outputs)
    }

    /// Seeds of the maps: a chip has one.
    fn seeds(&self) -> Result<Vec<u64>> {
        match (self.faults.only_seed()?, &self.seeds) {
            (Some(_), Some(_)) => {
                let what = "one chip, or a measured map, has one map";
                Err(Error::argument("--seeds", what, "leave out one of the two"))
            }
            (Some(seed), None) => Ok(vec![seed]),
            (None, seeds) => parse_seeds(seeds.as_deref().unwrap_or("50000..50010")),
        }
    }

    fn images(&self, base: &BaseNet) -> Result<ImageSet> {
        let dataset = base.dataset(self.dataset.as_deref())?;
        if !self.quiet {
            data::remarks(&dataset, Split::Test, base.side())?
                .iter()
                .for_each(|r| terminal::say(r));
        }
        let set = data::open_sized(&dataset, &self.data_dir, Split::Test, base.side())?;
        base.fits(&dataset, set.classes)?;
        let Some(images) = self.images else { return Ok(set) };
        if images == 0 || images > set.len() {
            let what = format!("{images} of {} test images", set.len());
            return Err(Error::argument("--images", what, "leave it out for all"));
        }
        Ok(set.take(images))
    }

    fn measure(
        &self,
        gpu: &Gpu,
        request: &Request<'_>,
        base: &BaseNet,
        generator: Option<&Generator>,
        points: &OperatingPoints,
        journal: &mut Journal,
    ) -> Result<Evaluation> {
        let study = Study { protect: self.protect.unwrap_or(0) };
        let images = request.subject.set.len();
        let of_study = if self.sensitivity { study_maps(request, study) } else { 0 };
        let bar = progress(self.quiet, passes(request) + of_study * images as u64);
        let mut tick = |done| {
            bar.inc(done);
            !interrupt::pressed()
        };
        let measured = measure(gpu, request, journal, &mut tick)?;
        if let Some(path) = &self.logits {
            let (maps, classes) =
                (request.seeds.len() * request.faults.len(), request.subject.set.classes);
            npy::save_f32(path, &[maps, images, classes as usize], &measured.logits)?;
        }
        let named = Named { name: &base.model, sha256: &base.sha256 };
        let behind = generator.map(|g| Named { name: &g.graph.name, sha256: &g.sha256 });
        let (classes, confusion) = (self.per_class, self.confusion);
        let details = Details { classes, confusion, points: Some(points) };
        let mut evaluation = document(gpu, request, named, behind, &measured, details);
        if self.sensitivity {
            evaluation.sensitivity = sensitivity(gpu, request, study, journal, &mut tick)?;
        }
        bar.finish_and_clear();
        Ok(evaluation)
    }
}

/// A generator from its file.
struct Generator {
    graph: Graph,
    weights: Weights,
    sha256: String,
}

impl Generator {
    fn load(path: &Path, side: u32) -> Result<Self> {
        let weights = Weights::load(path)?;
        let Some(name) = weights.meta("model") else {
            let hint = "give a file that `nf-gpu train` wrote";
            let what = "the file does not say which generator it holds";
            return Err(Error::format(path, what, hint));
        };
        let graph = models::generator(name, side)?;
        graph.check(&weights)?;
        Ok(Self { graph, weights, sha256: sha256(path)? })
    }
}

/// Where an evaluation keeps what it has measured until its document is whole.
fn journal_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// What results depend on beside the generator, the faults and the seed.
fn identity(
    gpu: &Gpu,
    base: &BaseNet,
    (precision, operands): (u32, Operands),
    set: &ImageSet,
) -> String {
    let (model, sha256) = (&base.model, &base.sha256[..16]);
    let normalised = base.graph.nodes.get(1).map(|node| format!("{:?}", node.op));
    let input = &sha256_of(normalised.unwrap_or_default().as_bytes())[..8];
    let labels: Vec<u8> = set.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
    let [pixels, labels] = [&set.pixels, &labels].map(|bytes| sha256_of(bytes));
    let (images, split, name) = (set.len(), set.split, &set.name);
    let dtype = operands.name();
    format!(
        "{model} {sha256} input {input} in {precision} bits, computed in {dtype}, on {images} {split} images of {name} \
         ({} {}), {}, commit {}",
        &pixels[..16],
        &labels[..8],
        gpu.report().line(),
        env!("NF_COMMIT")
    )
}

/// Whether a path is there and is no file, such as `/dev/null`.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| !m.is_file())
}

fn progress(quiet: bool, images: u64) -> ProgressBar {
    ProgressBar::with_draw_target(Some(images), terminal::draw_target(!quiet))
}
