//! The loss of a training: cross-entropy with labels, or distillation from the clean network.

use crate::{
    data,
    error::{Error, Result},
    kernels::loss::distillation_loss,
    step::Loss,
};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// What the networks behind a generator are to answer, as the flag says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossFlag {
    /// The label of the image, as in the paper: cross-entropy.
    #[default]
    Labels,
    /// What the clean network answers to the image as it is, so that no image needs a label:
    /// Kullback-Leibler divergence.
    Distill,
}

/// Flags of the loss.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossArgs {
    /// What the networks behind the generator are to answer
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    pub loss: LossFlag,
    /// With --loss distill: what logits are divided by; the higher, the more counts how the clean network
    /// ranks the wrong classes (default: 1)
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub temperature: Option<f64>,
}

/// Temperature of a distillation where none is given: the network's own probabilities. The loss is then
/// cross-entropy with these probabilities as labels, minus a term that no generator can change, so that
/// the paper's weights and learning rates fit.
const TEMPERATURE: f64 = 1.0;

impl LossArgs {
    /// The loss that the flags describe.
    ///
    /// # Errors
    /// [`Error::Argument`]: a temperature without a distillation, or one by which logits cannot be
    /// divided.
    pub fn loss(&self) -> Result<Loss> {
        let refuse = |what: String, hint| Err(Error::argument("--temperature", what, hint));
        match (self.loss, self.temperature) {
            (LossFlag::Labels, None) => Ok(Loss::Labels),
            (LossFlag::Labels, Some(_)) => {
                let what = "labels have no temperature".to_owned();
                refuse(what, "add --loss distill, or leave it out")
            }
            (LossFlag::Distill, given) => match given.unwrap_or(TEMPERATURE) {
                t if distillation_loss::takes(t as f32) => {
                    Ok(Loss::Distill { temperature: t as f32 })
                }
                t => refuse(
                    format!("{t} divides no logits"),
                    "give a number above 0, such as 1 or 4",
                ),
            },
        }
    }

    /// The loss in words, on which checkpoints and generators depend. `None` if labels are learnt, as
    /// in versions that had no other loss.
    pub(super) fn words(&self) -> Result<Option<String>> {
        Ok(self.loss()?.temperature().map(|t| format!("distill at temperature {t}")))
    }

    /// Refuses images without labels if labels are learnt.
    pub fn suits(&self, dataset: &str) -> Result<()> {
        match self.loss {
            LossFlag::Labels => data::need_labels(dataset),
            LossFlag::Distill => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_is_a_number_above_0_and_belongs_to_a_distillation() {
        let of = |loss, temperature| LossArgs { loss, temperature }.loss();
        assert_eq!(of(LossFlag::Labels, None).unwrap(), Loss::Labels);
        assert_eq!(of(LossFlag::Distill, None).unwrap(), Loss::Distill { temperature: 1.0 });
        assert_eq!(of(LossFlag::Distill, Some(4.0)).unwrap(), Loss::Distill { temperature: 4.0 });
        let error = of(LossFlag::Labels, Some(1.0)).unwrap_err();
        assert!(error.hint().unwrap().contains("--loss distill") && error.exit_code() == 2);
        // The squares of the last two are 0 and infinite in f32.
        for t in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-30, 1e30] {
            let error = of(LossFlag::Distill, Some(t)).unwrap_err();
            assert!(error.to_string().starts_with("--temperature: "), "{t}: {error}");
        }
    }
}
