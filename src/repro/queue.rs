//! Makes what a plan needs and is not there, cell after cell; stopped and started again, it goes on.

use super::{
    artefacts::Artefacts,
    evaluate::{Conditions, evaluate},
    plan::{IMAGENET10, Plan, PlannedCell},
    recipe,
    results::{Results, State},
    settings::Settings,
};
use crate::{
    data::{self, ImageSet, Split},
    error::{Error, Result},
    files::{FORMAT, Lock, Weights, atomic},
    gpu::Gpu,
    models,
    nn::initialise,
    report::{
        Event, Sink,
        eval_json::{Document, Evaluation},
    },
    train::{BaseHints, BaseNet, Mismatch, pretrain, remove_checkpoint, train},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

/// Files of the results.
const JSON: &str = "results.json";
const MARKDOWN: &str = "results.md";

/// How a queue ended.
#[derive(Debug)]
pub struct Outcome {
    /// What is there now.
    pub results: Results,
    /// The hours were used up before all was done.
    pub out_of_time: bool,
    /// What the first cell that failed failed of; the others were run all the same.
    pub failure: Option<Error>,
}

/// Runs what is missing of a plan. `stop` is asked after every step; results are written to
/// `settings.out` after every cell.
///
/// A training that diverges or finds no memory fails its cells, and the queue goes on with the others.
///
/// # Errors
/// Bad settings; a data set that is not there; something that is there, made under other settings;
/// files that cannot be read or written; a device that fails; [`Error::Interrupted`].
pub fn run(
    gpu: &Gpu,
    plan: &Plan,
    settings: &Settings,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Outcome> {
    settings.checked()?;
    // A time that no clock can tell is none.
    let deadline = settings.hours.and_then(|hours| {
        Instant::now().checked_add(Duration::try_from_secs_f64(hours * 3600.0).ok()?)
    });
    given_bases(plan, settings)?;
    let (dir, side, wanted) = (&settings.data_dir, plan.side()?, settings.images.into());
    let set = data::open_some(&plan.dataset, dir, Split::Test, side, wanted)?;
    unmixed(plan, settings)?;
    let _locks = claimed(settings)?;
    let queue = Queue {
        gpu,
        plan,
        settings,
        artefacts: Artefacts::new(plan, settings),
        set,
        stop: &|| stop() || deadline.is_some_and(|end| Instant::now() >= end),
        base: RefCell::default(),
        failed: RefCell::default(),
    };
    let mut results = queue.found()?;
    if plan.table.dataset == IMAGENET10 && !settings.smoke {
        let (images, classes) = (queue.set.len(), queue.set.classes);
        if settings.images.is_none() && (images, classes) != (500, 10) {
            let what = format!("a test set of {images} images in {classes} classes (500 in 10)");
            results.deviations.push(what);
        }
    }
    queue.save(&mut results)?;
    let mut outcome = (None, false);
    for (i, planned) in plan.cells.iter().enumerate() {
        if results.cells[i].state != State::NotRun {
            continue;
        }
        match queue.cell(i, sink) {
            Ok(Ok(e)) => results.cells[i].set(&e, settings.smoke),
            Ok(Err(why)) => results.cells[i].fail(&why),
            Err(Error::Interrupted) if !stop() => {
                outcome.1 = true;
                break;
            }
            Err(error) if of_the_cell(&error) => {
                say(sink, format!("{} failed: {error}", planned.cell.id()))?;
                results.cells[i].fail(&error.to_string());
                outcome.0.get_or_insert(error);
            }
            Err(error) => {
                if matches!(error, Error::Interrupted) {
                    say(sink, "the same command goes on from here".into())?;
                }
                return Err(error);
            }
        }
        queue.save(&mut results)?;
    }
    let (failure, out_of_time) = outcome;
    Ok(Outcome { results, out_of_time, failure })
}

/// The folders of results and of artefacts, for this process alone.
fn claimed(settings: &Settings) -> Result<Vec<Lock>> {
    let mut folders = vec![&settings.out, &settings.artefacts];
    folders.dedup();
    let lock = |folder: &PathBuf| {
        make_folder(folder)?;
        Lock::take(folder.join(".lock"), folder)
    };
    folders.into_iter().map(lock).collect()
}

/// Refuses a folder with the results of another table.
fn unmixed(plan: &Plan, settings: &Settings) -> Result<()> {
    let path = settings.out.join(JSON);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
    let there: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match there["table"].as_str() {
        Some(table) if table != plan.table.name => {
            let what = format!("{} holds the results of {table}", settings.out.display());
            let hint = "give each table a folder; with --artefacts they share networks";
            Err(Error::argument("--out", what, hint))
        }
        Some(_) if there["smoke"] != settings.smoke || there["dataset"] != plan.dataset_name => {
            let of = if there["smoke"] == true { "a smoke test" } else { "real networks" };
            let dataset = there["dataset"].as_str().unwrap_or("another data set");
            let out = settings.out.display();
            let what = format!("{out} holds the results of {of} on {dataset}");
            Err(Error::argument("--out", what, "give this run a folder of its own"))
        }
        _ => Ok(()),
    }
}

/// Refuses a folder of base networks that has none of the plan's.
fn given_bases(plan: &Plan, settings: &Settings) -> Result<()> {
    let Some(folder) = &settings.bases else { return Ok(()) };
    let file = |model: &String| format!("{model}-{}.safetensors", plan.dataset_name);
    let names: Vec<String> = plan.bases.iter().map(file).collect();
    if names.iter().any(|name| folder.join(name).exists()) {
        return Ok(());
    }
    let what = format!("{} has no base network of these cells", folder.display());
    Err(Error::argument("--bases", what, format!("it must hold {}", names.join(" or "))))
}

/// Whether other cells may do although one failed so.
fn of_the_cell(error: &Error) -> bool {
    let diverged = matches!(error, Error::NotFinite { .. } | Error::NotFiniteOutput { .. });
    error.is_size() || diverged
}

fn say(sink: &mut dyn Sink, text: String) -> Result<()> {
    sink.event(&Event::Note(text))
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::write(path, e))
}

/// Something that cells share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    /// A base network of the plan.
    Base(usize),
    /// A generator of the plan.
    Training(usize),
}

struct Queue<'a> {
    gpu: &'a Gpu,
    plan: &'a Plan,
    settings: &'a Settings,
    artefacts: Artefacts<'a>,
    set: ImageSet,
    stop: &'a dyn Fn() -> bool,
    /// The base network that was used last: the next cell often has the same.
    base: RefCell<Option<(usize, Rc<BaseNet>)>>,
    /// What failed, and of what: it is not tried again for the next cell.
    failed: RefCell<BTreeMap<Shared, String>>,
}

impl Queue<'_> {
    /// What is there already, all of it checked before any work begins.
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

    /// Makes what cell `i` needs and measures it; or says what it needs that failed before.
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
            // What the training ended with is this cell.
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

    /// Makes a base network or a generator, unless it is there.
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
        // Of no use any more, and three times as large; that it stays is no harm.
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
