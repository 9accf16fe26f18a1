//! Makes the missing parts of a plan, cell after cell. A queue that was stopped resumes when it is started
//! again.

use super::{
    artefacts::Artefacts,
    estimate::Stopwatch,
    evaluate::{Conditions, evaluate},
    folders::{JSON, MARKDOWN, claimed, given_bases, make_folder, unmixed},
    forecast::{Forecast, Shared, Work},
    plan::{IMAGENET10, PlannedCell, QueuePlan},
    recipe,
    results::{Results, State},
    settings::ReproSettings,
};
use crate::{
    data::{self, ImageSet, Split},
    error::{Error, Result},
    files::{FORMAT, Weights, atomic},
    models,
    nn::initialise,
    report::{
        Event, Sink,
        eval_json::{Document, Evaluation},
    },
    run::Gpu,
    train::{BaseHints, BaseNet, Mismatch, pretrain, remove_checkpoint, train},
};
use std::{cell::RefCell, collections::BTreeMap, fs, rc::Rc, time::Instant};

/// The end of a queue.
#[derive(Debug)]
pub struct QueueOutcome {
    /// The results that exist now.
    pub results: Results,
    /// The cells that were not begun for lack of time, and their durations; empty without a limit in hours.
    pub left_out: Forecast,
    /// The error of the first cell that failed; the others were run all the same.
    pub failure: Option<Error>,
}

/// Runs the missing parts of a plan. `stop` is asked after every step; results are written to `settings.out`
/// after every cell.
///
/// With a limit in hours, steps are timed first, and `planned` receives the forecast of the cells that fit.
/// Cells run in order. A cell is begun if its estimate fits in the time that is left, and is not cut off if
/// it takes longer.
///
/// A training that diverges or runs out of memory fails its cells, and the queue goes on with the others.
pub fn run(
    gpu: &Gpu,
    plan: &QueuePlan,
    settings: &ReproSettings,
    sink: &mut dyn Sink,
    planned: &mut dyn FnMut(&Forecast) -> Result<()>,
    stop: &dyn Fn() -> bool,
) -> Result<QueueOutcome> {
    let deadline = settings.hours.map(Deadline::in_hours);
    let queue = Queue::open(gpu, plan, settings, stop)?;
    let _locks = claimed(settings)?;
    let mut results = queue.found()?;
    queue.save(&mut results)?;
    let mut work = None;
    if let Some(deadline) = &deadline {
        let timed = queue.work(&results, sink)?;
        let forecast = timed.forecast(deadline.left());
        planned(&forecast)?;
        results.forecast = Some(forecast);
        queue.save(&mut results)?;
        work = Some(timed);
    }
    let mut failure = None;
    for (i, planned) in plan.cells.iter().enumerate() {
        let left_out = deadline.as_ref().zip(work.as_ref());
        let left_out = left_out.is_some_and(|(end, work)| work.seconds(i) > end.left());
        if results.cells[i].state != State::NotRun || left_out {
            continue;
        }
        let mut done = false;
        match queue.cell(i, sink) {
            Ok(Ok(e)) => {
                results.cells[i].set(&e, settings.smoke);
                done = true;
            }
            Ok(Err(why)) => results.cells[i].fail(&why),
            Err(error) if of_the_cell(&error) => {
                say(sink, format!("{} failed: {error}", planned.cell.id()))?;
                results.cells[i].fail(&error.to_string());
                failure.get_or_insert(error);
            }
            Err(error) => {
                if matches!(error, Error::Interrupted) {
                    say(sink, "the same command goes on from here".into())?;
                }
                return Err(error);
            }
        }
        match &mut work {
            Some(work) if done => work.done(i),
            // It is unknown what the cell made before it failed: its needs count as missing for
            // other cells.
            Some(work) => work.gave_up(i),
            None => {}
        }
        queue.save(&mut results)?;
    }
    let left_out = work.map_or_else(Forecast::default, |work| work.forecast(f64::INFINITY));
    Ok(QueueOutcome { results, left_out, failure })
}

/// Says which cells would fit in the settings' hours, without writing anything.
pub fn forecast(
    gpu: &Gpu,
    plan: &QueuePlan,
    settings: &ReproSettings,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Forecast> {
    // The clock starts before the steps are timed, as in a run.
    let deadline = Deadline::in_hours(settings.hours.unwrap_or(f64::INFINITY));
    let queue = Queue::open(gpu, plan, settings, stop)?;
    Ok(queue.work(&queue.found()?, sink)?.forecast(deadline.left()))
}

/// The point in time at which the hours are over.
struct Deadline {
    began: Instant,
    seconds: f64,
}

impl Deadline {
    fn in_hours(hours: f64) -> Self {
        Self { began: Instant::now(), seconds: hours * 3600.0 }
    }

    /// Seconds until the deadline; negative after it.
    fn left(&self) -> f64 {
        self.seconds - self.began.elapsed().as_secs_f64()
    }
}

/// Whether other cells may succeed although one failed with this error.
fn of_the_cell(error: &Error) -> bool {
    let diverged = matches!(error, Error::NotFinite { .. } | Error::NotFiniteOutput { .. });
    error.is_size() || diverged
}

fn say(sink: &mut dyn Sink, text: String) -> Result<()> {
    sink.event(&Event::Note(text))
}

struct Queue<'a> {
    gpu: &'a Gpu,
    plan: &'a QueuePlan,
    settings: &'a ReproSettings,
    artefacts: Artefacts<'a>,
    set: ImageSet,
    stop: &'a dyn Fn() -> bool,
    /// The base network that was used last, because the next cell often has the same one.
    base: RefCell<Option<(usize, Rc<BaseNet>)>>,
    /// Error messages of what failed: it is not tried again for the next cell.
    failed: RefCell<BTreeMap<Shared, String>>,
}

impl<'a> Queue<'a> {
    /// Checks the settings and opens the test set.
    fn open(
        gpu: &'a Gpu,
        plan: &'a QueuePlan,
        settings: &'a ReproSettings,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Self> {
        settings.checked()?;
        given_bases(plan, settings)?;
        data::need_labels(&plan.dataset)?;
        let (dir, side, wanted) = (&settings.data_dir, plan.side()?, settings.images.into());
        let set = data::open_some(&plan.dataset, dir, Split::Test, side, wanted)?;
        unmixed(plan, settings)?;
        let artefacts = Artefacts::new(plan, settings);
        let (base, failed) = (RefCell::default(), RefCell::default());
        Ok(Self { gpu, plan, settings, artefacts, set, stop, base, failed })
    }

    /// The remaining work, with its times.
    fn work(&self, results: &Results, sink: &mut dyn Sink) -> Result<Work> {
        let Self { gpu, plan, settings, artefacts, stop, .. } = self;
        let (images, known) = (self.set.len() as u64, BTreeMap::new());
        Stopwatch { gpu, plan, settings, artefacts, images, sink, stop, known }.work(results)
    }

    /// The results that exist already. All artefacts are checked before any work begins.
    fn found(&self) -> Result<Results> {
        let mut results = Results::new(self.plan, self.settings, &self.gpu.report().line());
        for i in 0..self.plan.bases.len() {
            self.artefacts.has_base(i)?;
        }
        for i in 0..self.plan.trainings.len() {
            self.artefacts.has_generator(i)?;
        }
        for (planned, row) in self.plan.cells.iter().zip(&mut results.cells) {
            if let Some(e) = self.artefacts.evaluated(planned, &self.conditions(planned)?)? {
                row.set(&e, self.settings.smoke);
            }
        }
        if self.plan.table.dataset == IMAGENET10 && !self.settings.smoke {
            let (images, classes) = (self.set.len(), self.set.classes);
            if self.settings.images.is_none() && (images, classes) != (500, 10) {
                let what =
                    format!("a test set of {images} images in {classes} classes (500 in 10)");
                results.deviations.push(what);
            }
        }
        Ok(results)
    }

    /// Writes the results.
    fn save(&self, results: &mut Results) -> Result<()> {
        let names = 0..self.plan.bases.len();
        let records = names.map(|i| self.artefacts.base_record(i)).collect::<Result<Vec<_>>>()?;
        results.bases = records.into_iter().flatten().collect();
        results.count();
        make_folder(&self.settings.out)?;
        atomic::write(self.settings.out.join(JSON), results.to_json())?;
        atomic::write(self.settings.out.join(MARKDOWN), results.to_markdown())
    }

    fn conditions(&self, planned: &PlannedCell) -> Result<Conditions<'_>> {
        Ok(Conditions {
            bits: planned.cell.bits,
            faults: self.settings.faults(planned.cell.ber)?,
            seeds: &self.settings.seeds,
            images: (self.set.len(), self.set.subset),
        })
    }

    /// Makes what cell `i` needs, and measures it. The inner error is the message of a need that failed
    /// before.
    fn cell(
        &self,
        i: usize,
        sink: &mut dyn Sink,
    ) -> Result<std::result::Result<Evaluation, String>> {
        let planned = &self.plan.cells[i];
        let training = match planned.training {
            Ok(training) => training,
            Err(why) => return Ok(Err(why.to_owned())),
        };
        let source = self.artefacts.source(training);
        let needs = [Shared::Base(planned.base), Shared::Base(source), Shared::Training(training)];
        if let Some(why) = needs.iter().find_map(|need| self.failed.borrow().get(need).cloned()) {
            return Ok(Err(why));
        }
        say(sink, format!("cell {} of {}: {}", i + 1, self.plan.cells.len(), planned.cell.id()))?;
        for need in needs {
            self.make(need, sink).inspect_err(|error| {
                self.failed.borrow_mut().insert(need, error.to_string());
            })?;
        }
        let conditions = self.conditions(planned)?;
        let path = self.artefacts.evaluation(planned);
        path.parent().map_or(Ok(()), make_folder)?;
        if let Some(e) = self.artefacts.trained_evaluation(planned, training, &conditions) {
            // The evaluation at the end of the training is this cell's.
            Document::new(vec![e.clone()]).save(path)?;
            return Ok(Ok(e));
        }
        say(sink, format!("evaluating {} on {}", planned.cell.id(), self.set.images()))?;
        let (base, generator) = (self.load(planned.base)?, self.artefacts.generator(training));
        let mismatch = Mismatch::allowed(self.settings.allow_mismatch);
        let (labelling, mut set) =
            (base.labelling(&self.plan.dataset, mismatch)?, self.set.clone());
        labelling.apply(&mut set);
        labelling.note().map_or(Ok(()), |note| say(sink, note.to_owned()))?;
        let subject = (&*base, &*generator, &set);
        Ok(Ok(evaluate(self.gpu.latest(), subject, &conditions, &path, (sink, self.stop))?))
    }

    /// Makes a base network or a generator, unless it exists.
    fn make(&self, what: Shared, sink: &mut dyn Sink) -> Result<()> {
        if (self.stop)() {
            return Err(Error::Interrupted);
        }
        match what {
            Shared::Base(i) if !self.artefacts.has_base(i)? => self.make_base(i, sink),
            Shared::Training(i) if !self.artefacts.has_generator(i)? => self.train(i, sink),
            _ => Ok(()),
        }
    }

    fn make_base(&self, i: usize, sink: &mut dyn Sink) -> Result<()> {
        let files = self.artefacts.base(i);
        files.weights.parent().map_or(Ok(()), make_folder)?;
        recipe::save(&files.recipe(), &self.artefacts.base_recipe(i)?)?;
        if self.settings.smoke {
            return self.random_base(&self.plan.bases[i])?.save(&files.weights);
        }
        pretrain(self.gpu, &self.artefacts.pretraining(i)?, sink, self.stop)?;
        let done = files.training();
        fs::rename(&done, &files.weights).map_err(|e| Error::write(&files.weights, e))?;
        // The checkpoint is three times as large as the weights, and useless now. Failing to delete
        // it does no harm.
        remove_checkpoint(&files.checkpoint());
        Ok(())
    }

    fn random_base(&self, model: &str) -> Result<Weights> {
        let graph = models::base(model, self.set.classes, None)?;
        let mut weights = initialise(&graph, true, self.settings.seed);
        for (key, value) in [
            ("format", FORMAT),
            ("model", model),
            ("dataset", &self.plan.dataset),
            ("precision", "8"),
            ("input", "[-1,1]"),
            ("command", "nf-gpu repro --smoke: random weights"),
            ("commit", env!("NF_COMMIT")),
        ] {
            weights.metadata.insert(key.to_owned(), value.to_owned());
        }
        Ok(weights)
    }

    fn train(&self, i: usize, sink: &mut dyn Sink) -> Result<()> {
        let mut config = self.artefacts.train_config(i)?;
        config.resume = self.artefacts.is_begun(i).then(|| config.out.clone());
        train(self.gpu, &config, sink, self.stop).map(drop)
    }

    fn load(&self, i: usize) -> Result<Rc<BaseNet>> {
        if let Some((_, base)) = self.base.borrow().as_ref().filter(|(last, _)| *last == i) {
            return Ok(base.clone());
        }
        let hints = BaseHints { model: Some(self.plan.bases[i].clone()), ..BaseHints::default() };
        let base = Rc::new(BaseNet::load(&self.artefacts.base(i).weights, &hints)?);
        *self.base.borrow_mut() = Some((i, base.clone()));
        Ok(base)
    }
}
