//! The results of a table: our numbers beside the paper's, and the settings behind them.

use super::{
    cell::{Accuracies, Cell},
    evaluate::accuracies,
    forecast::Forecast,
    plan::{PlannedCell, QueuePlan},
    settings::ReproSettings,
};
use crate::report::eval_json::{Adapter, Evaluation};
use serde::Serialize;
use std::path::PathBuf;

/// The document `results.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Version of this document's format.
    pub version: u32,
    pub table: String,
    /// One line that describes the table.
    pub title: String,
    /// The data set.
    pub dataset: String,
    /// Whether this is a smoke run: random networks and a single step, so that the numbers mean nothing.
    pub smoke: bool,
    /// Whether all cells of the table are measured, under the paper's settings, with base networks trained
    /// here.
    pub complete: bool,
    /// How the settings differ from the paper's.
    pub deviations: Vec<String>,
    /// The pattern that chose the cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    pub settings: ReproSettings,
    /// The adapter of the last run; every cell names its own.
    pub adapter: String,
    /// The commit of the program in the last run; every cell names its own.
    pub commit: String,
    /// The base networks that exist.
    pub bases: Vec<BaseRecord>,
    /// The forecast of the last run, if it had a limit in hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Number of measured cells.
    pub done: usize,
    pub cells: Vec<CellResult>,
}

/// A base network that cells were measured with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaseRecord {
    pub model: String,
    pub file: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Origin of the weights: `pretrained` here, `random`, or `given` by the user.
    pub origin: &'static str,
}

/// Whether a cell has been measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The cell has been measured.
    Done,
    /// The cell has not been measured yet.
    NotRun,
    /// The cell was tried, and failed.
    Failed,
    /// This program cannot run the cell.
    CannotRun,
}

#[derive(Clone, Debug, Serialize)]
pub struct CellResult {
    /// The cell's name.
    pub id: String,
    #[serde(flatten)]
    pub cell: Cell,
    /// Whether the cell has been measured.
    pub state: State,
    /// The reason why the cell failed or cannot be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Our numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Accuracies>,
    /// The paper's.
    pub paper: Accuracies,
    /// Ours less the paper's, in percentage points; absent in a smoke run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Accuracies>,
    /// An explanation, where the paper contradicts itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The evaluation's document, relative to the folder of the results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<PathBuf>,
    /// The adapter that measured the cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// The commit of the program that measured the cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl CellResult {
    fn new(planned: &PlannedCell) -> Self {
        let cell = planned.cell.clone();
        let why = planned.training.err().map(str::to_owned);
        Self {
            id: cell.id(),
            state: if why.is_some() { State::CannotRun } else { State::NotRun },
            why,
            ours: None,
            paper: cell.paper,
            difference: None,
            note: cell.note.clone(),
            evaluation: None,
            adapter: None,
            commit: None,
            cell,
        }
    }

    /// Records the evaluation of the cell. The numbers of a smoke run mean nothing, so they are not compared.
    pub(super) fn set(&mut self, e: &Evaluation, smoke: bool) {
        let ours = accuracies(e);
        self.state = State::Done;
        self.why = None;
        self.ours = Some(ours);
        self.difference = (!smoke).then(|| ours.less(&self.paper));
        self.evaluation = Some(PathBuf::from("cells").join(&self.id).join("eval.json"));
        self.adapter = Some(e.adapter.clone());
        self.commit = Some(e.commit.clone());
    }

    /// Records that the cell failed.
    pub(super) fn fail(&mut self, why: &str) {
        self.state = State::Failed;
        self.why = Some(why.to_owned());
    }
}

impl Results {
    /// Results in which no cell is measured yet.
    pub fn new(plan: &QueuePlan, settings: &ReproSettings, adapter: &str) -> Self {
        Self {
            version: 1,
            table: plan.table.name.to_owned(),
            title: plan.table.title.to_owned(),
            dataset: plan.dataset_name.clone(),
            smoke: settings.smoke,
            complete: false,
            deviations: {
                let mut all = settings.deviations();
                if plan.cells.iter().any(|planned| planned.cell.bits < 8) {
                    all.push(
                        "below 8 bits faults act on two's complement (the paper's code forgets to \
                         extend the sign)"
                            .into(),
                    );
                }
                all
            },
            only: plan.only.clone(),
            settings: settings.clone(),
            adapter: adapter.to_owned(),
            commit: env!("NF_COMMIT").to_owned(),
            bases: Vec::new(),
            forecast: None,
            done: 0,
            cells: plan.cells.iter().map(CellResult::new).collect(),
        }
    }

    /// Updates the counts after cells have changed.
    pub(super) fn count(&mut self) {
        self.done = self.in_state(State::Done).count();
        let all = self.done == self.cells.len() && self.only.is_none();
        let own = self.bases.iter().all(|base| base.origin == "pretrained");
        self.complete = all && own && self.deviations.is_empty();
    }

    pub fn in_state(&self, state: State) -> impl Iterator<Item = &CellResult> {
        self.cells.iter().filter(move |row| row.state == state)
    }

    /// The document, with a newline at its end.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
