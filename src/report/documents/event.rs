//! The events of a run. Listeners decide what is printed, kept or drawn.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::{error::Result, words};

/// An event in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The run has made its plan.
    Started(Started),
    /// One training step is done.
    Step(Step),
    /// Accuracies were measured.
    Evaluated(Evaluated),
    /// An evaluation is going on.
    Evaluating(Evaluating),
    /// A message for the user.
    Note(String),
    /// A checkpoint was written to this file.
    Checkpoint(PathBuf),
    /// The run goes on after a setback, from its last checkpoint.
    Recovered(Recovered),
    /// The run is over.
    Finished(Finished),
}

impl Event {
    /// The event as a document, in which `event` is its kind. Paths that are no Unicode are written as well as they can be.
    pub fn document(&self) -> Map<String, Value> {
        let (kind, value) = match self {
            Self::Started(s) => (
                "started",
                json!({"title": s.title, "adapter": s.adapter, "plan": s.plan, "steps": s.steps, "done": s.done}),
            ),
            Self::Step(step) => ("step", json!(step)),
            Self::Evaluated(evaluated) => ("evaluation", json!(evaluated)),
            Self::Evaluating(e) => ("evaluating", json!({"done": e.done, "all": e.all})),
            Self::Note(text) => ("note", json!({"text": text})),
            Self::Checkpoint(file) => ("checkpoint", json!({"file": words::path(file)})),
            Self::Recovered(recovered) => ("recovery", json!(recovered)),
            Self::Finished(f) => (
                "finished",
                json!({
                    "complete": f.outcome == Outcome::Complete,
                    "step": f.step,
                    "seconds": f.seconds,
                    "files": f.files.iter().map(words::path).collect::<Vec<_>>(),
                }),
            ),
        };
        let mut document = Map::from_iter([("event".to_owned(), json!(kind))]);
        if let Value::Object(fields) = value {
            document.extend(fields);
        }
        document
    }
}

/// The plan of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Started {
    /// What the run does, in one line.
    pub title: String,
    /// Adapter, driver and backend, in one line.
    pub adapter: String,
    /// The plan in a few lines: sizes, variants, memory.
    pub plan: Vec<String>,
    /// Steps in all.
    pub steps: u64,
    /// Steps done before, when resumed.
    pub done: u64,
}

/// One training step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Steps done, this one included.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Epoch that the step belongs to, from 1.
    pub epoch: u64,
    /// Loss of the clean network, a mean over the batch.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_clean: f32,
    /// Loss of the perturbed networks, a mean over the batch and the networks; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_perturbed: Option<f32>,
    /// Whether the losses are distances from the clean network's answers (a distillation's), and not
    /// cross-entropy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub distance: bool,
    /// Learning rate.
    pub lr: f64,
    /// Training images per second.
    pub images_per_s: f64,
    /// Milliseconds per step.
    pub step_ms: f64,
    /// Share of the stored bits that the faults changed, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flip_rate: Option<f64>,
    /// Seconds until the last step, estimated.
    pub seconds_left: f64,
}

/// Progress of an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluating {
    /// Images that have passed through the networks, all fault maps counted.
    pub done: u64,
    /// Number of images that will have passed at the end.
    pub all: u64,
}

/// Accuracies in per cent, or agreement with the clean network, each absent where it was not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Steps done.
    pub step: u64,
    /// Epoch of the last step, from 1.
    pub epoch: u64,
    /// CA: clean network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// CA(NF): clean network behind the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_nf: Option<f64>,
    /// PA: perturbed network, a mean over the fault maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perturbed: Option<f64>,
    /// PA(NF): perturbed network behind the generator, a mean over the fault maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perturbed_nf: Option<f64>,
    /// Split of the images: `held-out`, `test`.
    pub split: String,
    /// Whether the numbers are agreement, because the images have no labels but the answers of the clean
    /// network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agreement: bool,
}

/// How a run goes on after a setback.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovered {
    /// Number of steps done at the point to which the run returns.
    pub step: u64,
    /// Number of this setback within the run, from 1.
    pub recovery: u32,
    /// The cause of the setback.
    pub reason: String,
    /// Factor applied to the learning rate: it differs from 1 after a divergence.
    pub lr_factor: f64,
}

/// The end of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    /// Whether the run is complete.
    pub outcome: Outcome,
    /// Steps done.
    pub step: u64,
    /// Seconds of wall time.
    pub seconds: f64,
    /// Files that the user may want to see now.
    pub files: Vec<PathBuf>,
}

/// Whether a run is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    #[default]
    Complete,
    /// Ctrl-C ended the run early.
    Interrupted,
}

/// A listener to the events of a run.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    /// Whatever must stop the run, such as [`crate::Error::Write`] for a full disk.
    fn event(&mut self, event: &Event) -> Result<()>;
}

/// Keeps every event.
impl Sink for Vec<Event> {
    fn event(&mut self, event: &Event) -> Result<()> {
        self.push(event.clone());
        Ok(())
    }
}

/// Passes each event to several listeners, of which there may be none.
#[derive(Default)]
pub struct Tee<'a>(pub Vec<&'a mut dyn Sink>);

impl Sink for Tee<'_> {
    /// Passes the event to every listener, even after one has failed, and returns the first error.
    fn event(&mut self, event: &Event) -> Result<()> {
        self.0.iter_mut().map(|sink| sink.event(event)).fold(Ok(()), Result::and)
    }
}

/// Reads `null` as NaN, since JSON has no NaN.
fn null_is_nan<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<f32, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f32::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    struct Broken;

    impl Sink for Broken {
        fn event(&mut self, _: &Event) -> Result<()> {
            Err(Error::Interrupted)
        }
    }

    #[test]
    fn all_listeners_hear_and_an_error_comes_back() {
        let (mut a, mut broken, mut b) = (Vec::new(), Broken, Vec::new());
        let event = Event::Note("hello".into());
        let result = Tee(vec![&mut a, &mut broken, &mut b]).event(&event);
        assert!(matches!(result, Err(Error::Interrupted)));
        assert_eq!((a, b), (vec![event.clone()], vec![event.clone()]));
        assert!(Tee::default().event(&event).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_unicode_is_told() {
        use std::os::unix::ffi::OsStringExt as _;
        let file = PathBuf::from(std::ffi::OsString::from_vec(b"run\xff".into()));
        let told = Event::Checkpoint(file).document();
        assert_eq!(
            serde_json::to_string(&told).unwrap(),
            "{\"event\":\"checkpoint\",\"file\":\"run\u{fffd}\"}"
        );
    }
}
