//! What a run says while it runs. Whoever listens decides what is printed, kept or drawn.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::Result;

/// Something happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The run knows what it will do.
    Started(Started),
    /// One training step is done.
    Step(Step),
    /// Accuracies were measured.
    Evaluated(Evaluated),
    /// An evaluation is going on.
    Evaluating(Evaluating),
    /// Something worth a line.
    Note(String),
    /// A checkpoint was written to this file.
    Checkpoint(PathBuf),
    /// The run goes on after a setback, from its last checkpoint.
    Recovered(Recovered),
    /// The run is over.
    Finished(Finished),
}

/// What a run will do.
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
    /// The same, a mean over the perturbed networks too; absent when there are none.
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

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluating {
    /// Images that have passed through the networks, all fault maps counted.
    pub done: u64,
    /// How many will.
    pub all: u64,
}

/// Accuracies in per cent, or agreement with the clean network, each absent where it was not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Steps done.
    pub step: u64,
    /// Epoch of the last of them, from 1.
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
    /// Images that were looked at: `held-out`, `test`.
    pub split: String,
    /// Whether these are no accuracies: images without labels have those that the clean network gives them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agreement: bool,
}

/// How a run goes on after a setback.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovered {
    /// Steps done that it goes on from.
    pub step: u64,
    /// Which of its setbacks, from 1.
    pub recovery: u32,
    /// What happened.
    pub reason: String,
    /// What the learning rate is multiplied by from here on.
    pub lr_factor: f64,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    /// Whether it came to its end.
    pub outcome: Outcome,
    /// Steps done.
    pub step: u64,
    /// Seconds of wall time.
    pub seconds: f64,
    /// Files that are of interest now.
    pub files: Vec<PathBuf>,
}

/// Whether a run came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    #[default]
    Complete,
    /// Ctrl-C came first.
    Interrupted,
}

/// Somebody who listens to a run.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    ///
    /// Whatever must stop the run, such as [`crate::Error::Write`] for a full disk.
    fn event(&mut self, event: &Event) -> Result<()>;
}

/// Keeps everything.
impl Sink for Vec<Event> {
    fn event(&mut self, event: &Event) -> Result<()> {
        self.push(event.clone());
        Ok(())
    }
}

/// Tells several listeners; without any, nobody.
#[derive(Default)]
pub struct Tee<'a>(pub Vec<&'a mut dyn Sink>);

impl Sink for Tee<'_> {
    /// Tells every listener, also after one failed, and returns the first error.
    fn event(&mut self, event: &Event) -> Result<()> {
        self.0.iter_mut().map(|sink| sink.event(event)).fold(Ok(()), Result::and)
    }
}

/// JSON has no NaN: it is written as `null`.
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
}
