//! Makes the missing parts of a plan, cell after cell. A queue that was stopped resumes when it is started
//! again, and several processes can share one.

mod make;

use super::{
    artefacts::Artefacts,
    estimate::Stopwatch,
    evaluate::Conditions,
    folders::{JSON, MARKDOWN, claimed, given_bases, make_folder, results_claimed, unmixed},
    forecast::{Forecast, Shared, Work},
    plan::{IMAGENET10, PlannedCell, QueuePlan},
    results::{Results, State},
    settings::ReproSettings,
};
use crate::{
    data::{self, ImageSet, Split},
    error::{Error, Result},
    files::{Lock, atomic},
    report::{Event, Sink},
    run::Gpu,
    train::BaseNet,
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

/// Time between two looks at cells that other processes have.
const WAIT: Duration = Duration::from_secs(2);

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
/// after every cell. Several processes may run the same plan in the same folders: each takes cells that no other
/// has claimed, and returns when all are done.
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
    let mut told = false;
    loop {
        let mut round = Round::default();
        for i in 0..plan.cells.len() {
            // Another process has measured it: what it needed exists now.
            if let (State::Done, Some(work)) = (&results.cells[i].state, &mut work) {
                work.done(i);
            }
            let left_out = deadline.as_ref().zip(work.as_ref());
            let left_out = left_out.is_some_and(|(end, work)| work.seconds(i) > end.left());
            if results.cells[i].state != State::NotRun || left_out {
                continue;
            }
            let Some(_claim) = queue.claim(i)? else {
                round.elsewhere += 1;
                continue;
            };
            round.here += 1;
            let done = queue.claimed_cell(i, &mut results, &mut failure, sink)?;
            match &mut work {
                Some(work) if done => work.done(i),
                // It is unknown what the cell made before it failed: its needs count as missing for
                // other cells.
                Some(work) => work.gave_up(i),
                None => {}
            }
            queue.save(&mut results)?;
        }
        if round.elsewhere == 0 {
            break;
        }
        if round.here == 0 {
            if !told {
                let cells = round.elsewhere;
                say(
                    sink,
                    format!("waiting for other processes, which have the last {cells} cells"),
                )?;
                told = true;
            }
            queue.wait()?;
        }
    }
    let left_out = work.map_or_else(Forecast::default, |work| work.forecast(f64::INFINITY));
    Ok(QueueOutcome { results, left_out, failure })
}

/// How many cells one pass over the queue has run, and how many it has left to other processes.
#[derive(Default)]
struct Round {
    here: usize,
    elsewhere: usize,
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

    /// Claims cell `i` and the networks that it needs and that are not made yet; `None` if another process has one
    /// of them.
    fn claim(&self, i: usize) -> Result<Option<Vec<Lock>>> {
        let planned = &self.plan.cells[i];
        let mut made = vec![self.artefacts.evaluation(planned)];
        if let Ok(training) = planned.training {
            let mut bases = vec![planned.base, self.artefacts.source(training)];
            bases.dedup();
            for base in bases {
                if !self.artefacts.has_base(base)? {
                    made.push(self.artefacts.base(base).weights);
                }
            }
            if !self.artefacts.has_generator(training)? {
                made.push(self.artefacts.training(training));
            }
        }
        claimed(&made)
    }

    /// Runs cell `i`, which this process has claimed, unless another process has finished it. Returns whether it is
    /// measured now; the error of a cell that failed is kept in `failure`.
    fn claimed_cell(
        &self,
        i: usize,
        results: &mut Results,
        failure: &mut Option<Error>,
        sink: &mut dyn Sink,
    ) -> Result<bool> {
        let planned = &self.plan.cells[i];
        if let Some(e) = self.artefacts.evaluated(planned, &self.conditions(planned)?)? {
            results.cells[i].set(&e, self.settings.smoke);
            return Ok(true);
        }
        match self.cell(i, sink) {
            Ok(Ok(e)) => {
                results.cells[i].set(&e, self.settings.smoke);
                return Ok(true);
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
        Ok(false)
    }

    /// Waits a moment for other processes.
    fn wait(&self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < WAIT {
            if (self.stop)() {
                return Err(Error::Interrupted);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Takes over what other processes have measured.
    fn refresh(&self, results: &mut Results) -> Result<()> {
        for (planned, row) in self.plan.cells.iter().zip(&mut results.cells) {
            if row.state != State::NotRun || !self.artefacts.evaluation(planned).exists() {
                continue;
            }
            if let Some(e) = self.artefacts.evaluated(planned, &self.conditions(planned)?)? {
                row.set(&e, self.settings.smoke);
            }
        }
        Ok(())
    }

    /// Writes the results, with those of other processes.
    fn save(&self, results: &mut Results) -> Result<()> {
        make_folder(&self.settings.out)?;
        let _claim = results_claimed(self.settings, self.stop)?;
        self.refresh(results)?;
        let names = 0..self.plan.bases.len();
        let records = names.map(|i| self.artefacts.base_record(i)).collect::<Result<Vec<_>>>()?;
        results.bases = records.into_iter().flatten().collect();
        results.count();
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
}
