//! What came out: our numbers beside the paper's, and what they were made with.

use super::{
    cell::Accuracies,
    evaluate::accuracies,
    forecast::Forecast,
    plan::{Plan, PlannedCell},
    settings::Settings,
};
use crate::report::eval_json::{Adapter, Evaluation};
use serde::Serialize;
use std::path::PathBuf;

/// `results.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Of this document.
    pub version: u32,
    /// The table.
    pub table: String,
    /// What it is.
    pub title: String,
    /// The data set.
    pub dataset: String,
    /// Random networks, one step: the numbers mean nothing.
    pub smoke: bool,
    /// All cells of the table are measured, under the paper's settings, with base networks trained here.
    pub complete: bool,
    /// How the settings differ from the paper's.
    pub deviations: Vec<String>,
    /// The pattern that chose the cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The settings.
    pub settings: Settings,
    /// The adapter of the last run; every cell names its own.
    pub adapter: String,
    /// The commit of the program in the last run; every cell names its own.
    pub commit: String,
    /// The base networks that are there.
    pub bases: Vec<BaseRecord>,
    /// Which cells fitted in the hours of the last run, where it had any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Cells that are done.
    pub done: usize,
    /// The cells.
    pub cells: Vec<Row>,
}

/// A base network that cells were measured with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaseRecord {
    /// Its model.
    pub model: String,
    /// Its file.
    pub file: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// `pretrained` here, `random`, or `given` by the user.
    pub origin: &'static str,
}

/// Whether a cell has been measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has.
    Done,
    /// Not yet.
    NotRun,
    /// It was tried.
    Failed,
    /// This program cannot.
    CannotRun,
}

/// A cell.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub id: String,
    /// Where the paper prints it.
    pub printed_in: String,
    /// The base network that is evaluated.
    pub base: String,
    /// The base networks that the generator was trained in front of.
    pub sources: Vec<String>,
    /// The generator.
    pub generator: String,
    /// Probability of a faulty cell while the generator was trained.
    pub train_ber: f64,
    /// Probability of a faulty cell in the evaluation.
    pub ber: f64,
    /// Weight of the perturbed copies' loss.
    pub lambda: f64,
    /// Perturbed copies per step that the paper has.
    pub copies: u32,
    /// Bits per stored weight in the evaluation.
    pub bits: u32,
    /// Whether it has been measured.
    pub state: State,
    /// Why not.
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
    /// Where the paper contradicts itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The evaluation's document, relative to the folder of the results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<PathBuf>,
    /// The adapter that measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// The commit of the program that measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Row {
    fn new(planned: &PlannedCell) -> Self {
        let cell = planned.cell.clone();
        let why = planned.training.err().map(str::to_owned);
        Self {
            id: cell.id(),
            printed_in: cell.printed_in,
            base: cell.base,
            sources: cell.sources,
            generator: cell.generator,
            train_ber: cell.train_ber,
            ber: cell.ber,
            lambda: cell.lambda,
            copies: cell.copies,
            bits: cell.bits,
            state: if why.is_some() { State::CannotRun } else { State::NotRun },
            why,
            ours: None,
            paper: cell.paper,
            difference: None,
            note: cell.note,
            evaluation: None,
            adapter: None,
            commit: None,
        }
    }

    /// Notes what came out. The numbers of a smoke run mean nothing, and are compared with nothing.
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

    /// Notes that it did not work.
    pub(super) fn fail(&mut self, why: &str) {
        self.state = State::Failed;
        self.why = Some(why.to_owned());
    }
}

impl Results {
    /// Results without any cell done.
    #[must_use]
    pub fn new(plan: &Plan, settings: &Settings, adapter: &str) -> Self {
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
            cells: plan.cells.iter().map(Row::new).collect(),
        }
    }

    /// Counts again, after cells changed.
    pub(super) fn count(&mut self) {
        self.done = self.in_state(State::Done).count();
        let all = self.done == self.cells.len() && self.only.is_none();
        let own = self.bases.iter().all(|base| base.origin == "pretrained");
        self.complete = all && own && self.deviations.is_empty();
    }

    /// The cells in a state.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &Row> {
        self.cells.iter().filter(move |row| row.state == state)
    }

    /// The document, with a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
