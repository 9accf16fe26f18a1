//! `nf-gpu train`: a NeuralFuse generator in front of a faulty base network.

use super::{
    base::BaseNet,
    config::TrainConfig,
    feed::{TrainSet, tell},
    folder::RunFolder,
    identity::{self, Identity},
    labelling::{Labelling, Mismatch},
    profile::Profiler,
    recovery::{Attempt, History, Setback, keep_going},
    resumable::is_a_fact_of,
    resume::{Resumed, goes_on},
    settings::batch_of,
};
use crate::{
    data::{self, Split},
    error::{Error, Result},
    fault::{Faults, Maps},
    models,
    nn::{Graph, TrainableNet, initialise},
    ranks::Link,
    report::{Event, JsonLines, Sink, Tee, TensorBoard, eval_json::Evaluation},
    run::Gpu,
};
use std::path::PathBuf;

/// Training images held out for the evaluations during training.
pub(super) const HELD_OUT: usize = 1000;

/// A run with everything it needs.
pub(super) struct Run<'a> {
    pub(super) gpu: &'a Gpu,
    /// The way to the other ranks of the job.
    pub(super) link: Option<&'a dyn Link>,
    pub(super) config: &'a TrainConfig,
    pub(super) folder: RunFolder,
    /// Whether the settings differ from those with which the run began.
    pub(super) changed: bool,
    pub(super) base: BaseNet,
    pub(super) graph: Graph,
    pub(super) net: TrainableNet,
    pub(super) dataset: String,
    pub(super) labelling: Labelling,
    pub(super) faults: Faults,
    pub(super) maps: Maps,
    pub(super) precision: u32,
    /// The loss in words, unless labels are learnt.
    pub(super) goal: Option<String>,
    pub(super) history: History,
    /// Images of the training set, those that are held out among them.
    pub(super) images: usize,
}

/// Trains a generator as `config` says and evaluates it; all results are written to the run's folder.
/// `stop` is called after every step. If the device is lost, it is opened again, and the run
/// continues from its last checkpoint.
///
/// # Errors
/// Bad settings or files, a number that is not finite, no memory, a device that is lost again and
/// again, a file that cannot be written, or [`crate::Error::Interrupted`] after a checkpoint.
pub fn train(
    gpu: &Gpu,
    config: &TrainConfig,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Evaluation> {
    train_with(gpu, config, None, sink, stop)
}

/// Like [`train`], with the ranks behind `link`, of which this is the first: they compute groups of each step
/// ([`serve`](super::serve)). The bits of the result depend on `config.group`, which is 1 if it is not given, and not on
/// the number of ranks.
///
/// # Errors
/// Those of [`train`]; [`Error::Rank`] after a checkpoint.
pub fn train_with(
    gpu: &Gpu,
    config: &TrainConfig,
    link: Option<&dyn Link>,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Evaluation> {
    let mut begun = config.resume.clone();
    let group = config.group.or(link.map(|_| 1));
    let config = TrainConfig { group, ..config.clone() };
    keep_going(gpu, config.max_recoveries, sink, |gpu, setback, sink| {
        attempt((gpu, link), &config, &mut begun, setback, sink, stop)
    })
}

/// One attempt, which continues the run in the folder `begun`, if there is one; a new run stores its
/// folder there.
fn attempt(
    (gpu, link): (&Gpu, Option<&dyn Link>),
    config: &TrainConfig,
    begun: &mut Option<PathBuf>,
    setback: Option<&Setback>,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Attempt<Evaluation>> {
    let profile = config.profile.clone();
    let resumed = begun.as_ref().map(|root| RunFolder::resume(root)).transpose()?;
    let resumed =
        resumed.map(|(folder, saved)| goes_on(gpu, folder, &saved, config)).transpose()?;
    let config = resumed.as_ref().map_or(config, |resumed| &resumed.config);
    config.checked()?;
    let recorded = resumed.as_ref().map(|resumed| resumed.folder.recorded()).transpose()?;
    let _session = gpu.session(recorded);
    let mut base = BaseNet::load(&config.base, &config.hints)?;
    let dataset = base.dataset(config.dataset.as_deref())?;
    config.goal.suits(&dataset)?;
    let labelling = base.labelling(&dataset, Mismatch::allowed(config.allow_mismatch))?;
    // Settings and files are checked before the images are read, which may take an hour. A run with a
    // checkpoint does not need the generator that it began with.
    let goes_on = resumed.as_ref().is_some_and(|resumed| resumed.folder.saved().exists());
    let warm = if goes_on { None } else { config.warm_start(base.input())? };
    let config = &config.begun_with(warm.as_ref());
    let form = config.images_form.for_input(base.input())?;
    let graph = models::generator(&config.generator, base.input())?;
    let (faults, maps) = (config.fault_model()?, config.maps()?);
    base.suffer(&faults)?;
    let precision = base.precision(config.precision)?;
    base.can_have(&faults, precision)?;
    if resumed.is_none() {
        RunFolder::at(&config.out).is_free()?;
    }
    let changes = config.augment.of(&dataset);
    let say = &mut |note| tell(sink, note, stop);
    let mut train_set = TrainSet::open(&dataset, &config.data_dir, form, changes, say)?;
    let (data_dir, wanted) = (&config.data_dir, config.test_images());
    let mut test_set = data::open_some(&dataset, data_dir, Split::Test, form, wanted)?;
    trainable(&base, &dataset, train_set.classes())?;
    train_set.relabel(&labelling);
    labelling.apply(&mut test_set);
    if let Some(note) = labelling.note() {
        sink.event(&Event::Note(note.to_owned()))?;
    }
    if let Some(generator) = &warm {
        sink.event(&Event::Note(generator.begins()))?;
    }
    let images = train_set.len();
    let mut held_out = train_set.held_out(HELD_OUT.min(train_set.len() / 10))?;
    batch_of(config.batch_size, train_set.len())?;
    let dtype = config.dtype.unwrap_or_default().on(gpu);
    for set in [&mut held_out, &mut test_set] {
        base.answer_for(gpu, set, precision, dtype, stop)?;
    }
    let weights = match &warm {
        Some(generator) => generator.weights.clone(),
        None => initialise(&graph, false, config.seed),
    };
    let net = TrainableNet::new(gpu, &graph, &weights, models::GENERATOR_BITS)?.with_dtype(dtype);
    let (folder, history) = match &resumed {
        Some(Resumed { folder, .. }) => (folder.clone(), History::load(folder.root())?),
        None => {
            let dataset = Some(dataset.clone());
            // Saves what `auto` means on this adapter: on another adapter it may mean something else.
            let (precision, dtype) = (Some(precision), Some(dtype.into()));
            let saved = TrainConfig { dataset, precision, dtype, ..config.clone() };
            let folder = RunFolder::create(&config.out, &saved)?;
            let history = History::begin(folder.root())?;
            *begun = Some(config.out.clone());
            (folder, history)
        }
    };
    let mut run = Run {
        gpu,
        link,
        config,
        folder,
        base,
        graph,
        net,
        changed: resumed.as_ref().is_some_and(|resumed| resumed.changed),
        dataset,
        labelling,
        faults,
        maps,
        precision,
        goal: config.goal.words()?,
        history,
        images,
    };
    let done = match &resumed {
        Some(_) => run.restore(sink)?,
        None => 0,
    };
    let mut lines = JsonLines::resume(run.folder.metrics(), done)?;
    let board = config.tensorboard.then(|| run.folder.tensorboard());
    let mut board =
        board.map(|file| TensorBoard::resume(file, run.folder.metrics())).transpose()?;
    let mut sinks: Vec<&mut dyn Sink> = vec![sink, &mut lines];
    sinks.extend(board.as_mut().map(|board| board as &mut dyn Sink));
    let mut tee = Tee(sinks);
    if let Some(setback) = setback {
        let recovered = run.history.add(setback, done)?;
        tee.event(&Event::Recovered(recovered))?;
    }
    let profile =
        profile.map(|file| if file.as_os_str().is_empty() { run.folder.trace() } else { file });
    let profiler = Profiler::new(profile)?;
    let trained = match run.steps(train_set, &held_out, done, profiler, &mut tee, stop)? {
        Attempt::Done(trained) => trained,
        Attempt::RollBack(error) => return Ok(Attempt::RollBack(error)),
    };
    run.finish(&test_set, trained, &mut tee, stop).map(Attempt::Done)
}

/// Refuses labels for which the base network has no output: they have no loss.
fn trainable(base: &BaseNet, dataset: &str, classes: u32) -> Result<()> {
    if classes <= base.outputs() {
        return Ok(());
    }
    let what = format!("it tells {} classes apart; {dataset} has {classes}", base.outputs());
    let hint = "name its data set with --dataset: it cannot learn more classes than it has";
    Err(Error::format(&base.weights.origin, what, hint))
}

/// How far the training came, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trained {
    pub(super) steps: u64,
    pub(super) epochs: u64,
    pub(super) seconds: f64,
}

impl Run<'_> {
    /// The facts that a checkpoint depends on.
    pub(super) fn identity(&self) -> Identity {
        Identity::of(self.config, |name| is_a_fact_of(name, self.config.schedule))
            .with_any("class order", self.labelling.order())
            .with("base network", format!("{} ({})", self.base.model, &self.base.sha256[..12]))
            .with("faults", self.faults.identity())
            .with("fault maps", self.maps.describe())
            .with("precision", self.precision)
            .with(identity::IMAGES, self.images)
            .with_any("loss", self.goal.as_deref())
            .with("adapter", self.gpu.report().line())
    }

    /// Restores the checkpoint, and reports damage or another version of the program that wrote it.
    fn restore(&self, sink: &mut dyn Sink) -> Result<u64> {
        let done = self.folder.saved().restore(self.gpu, &self.net, &self.identity())?;
        if let Some(damage) = self.folder.saved().damage()? {
            let what = format!("{damage}; going on from the checkpoint before it, of step {done}");
            sink.event(&Event::Note(what))?;
        }
        let (then, now) = (self.folder.saved().commit()?, env!("NF_COMMIT"));
        if let Some(then) = then.filter(|then| then != now) {
            let what = format!(
                "commit {then} wrote the checkpoint, this is {now}: the rest may differ in last bits"
            );
            sink.event(&Event::Note(what))?;
        }
        Ok(done)
    }
}
