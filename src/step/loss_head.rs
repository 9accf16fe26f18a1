//! The end of a forward pass in training: the losses of a network's logits, and their gradient.

use crate::{
    error::Result,
    kernels::{loss, plan::Dtype},
    nn::NodeValue,
    run::{BufferId, Tape},
};
use serde::{Deserialize, Serialize};

/// What networks are trained to answer to images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// The class of each image, as in the paper: the loss is softmax cross-entropy.
    Labels,
    /// What the clean network answers to the untouched image, so that no image needs a label: the loss is the
    /// distance from its logits ([`distillation_loss`](loss::distillation_loss)).
    Distill {
        /// What logits are divided by.
        temperature: f32,
    },
}

impl Loss {
    /// The temperature of a distillation.
    pub fn temperature(self) -> Option<f32> {
        match self {
            Self::Labels => None,
            Self::Distill { temperature } => Some(temperature),
        }
    }
}

/// The losses of `copies` networks that answer to the same images. Their sums add up over the parts of a batch,
/// and over the steps until somebody clears them.
#[derive(Clone, Copy, Debug)]
pub struct LossHead {
    copies: u32,
    /// What the networks are trained to answer.
    pub loss: Loss,
    /// f32 `[copies]`: the factor of each copy's gradient.
    pub weights: BufferId,
    /// u32 `[copies, 2]`: the bits of the f32 sum of a copy's losses, and how often it answered as wanted.
    pub totals: BufferId,
}

impl LossHead {
    /// Makes room for the factors and the sums of `copies` networks.
    pub fn new(tape: &mut Tape, copies: u32, loss: Loss) -> Self {
        let weights = tape.kept("loss weights", u64::from(copies) * 4);
        let totals = tape.kept("loss totals", u64::from(copies) * 8);
        Self { copies, loss, weights, totals }
    }

    /// Appends the losses of the `logits` of a part, `n` of each copy, and returns their gradient. `wanted` holds the
    /// classes of the part's images (u32), or the clean network's logits.
    pub fn append(self, tape: &mut Tape, logits: NodeValue, wanted: BufferId) -> Result<BufferId> {
        self.losses(tape, logits, wanted, None)
    }

    /// The same where the gradient has its buffer already.
    pub fn append_to(
        self,
        tape: &mut Tape,
        logits: NodeValue,
        wanted: BufferId,
        gradient: BufferId,
    ) -> Result<()> {
        self.losses(tape, logits, wanted, Some(gradient)).map(drop)
    }

    fn losses(
        self,
        tape: &mut Tape,
        logits: NodeValue,
        wanted: BufferId,
        gradient: Option<BufferId>,
    ) -> Result<BufferId> {
        let (n, classes) = (logits.shape.n, logits.shape.c);
        let plan = match self.loss {
            Loss::Labels => loss::softmax_cross_entropy::plan(self.copies, n, classes)?,
            Loss::Distill { temperature } => {
                loss::distillation_loss::plan(self.copies, n, classes, temperature)?
            }
        };
        // Both kernels have the same bindings but for what is wanted.
        let mut transient = |label, binding| tape.transient(label, plan.bytes_of(binding));
        let gradient = gradient.unwrap_or_else(|| transient("gradient of the logits", "dlogits"));
        let row_loss = transient("losses", "row_loss");
        let correct = transient("hits", "correct");
        tape.push(plan, &[logits.id, wanted, self.weights, gradient, row_loss, correct])?;
        let plan = loss::loss_totals::plan(self.copies, n)?;
        tape.push(plan, &[row_loss, correct, self.totals])?;
        Ok(gradient)
    }
}

/// The largest gradient of a logit that scaling the loss aims at. In all networks that were tried
/// (`docs/numerics.md`) it may be 4000 times smaller or larger before gradients are lost or cut off.
const LARGEST: f64 = 1.0;

/// The power of two by which a loss is multiplied before the backward pass; the gradients are divided by it in the
/// update. `weight` is the largest weight of an image in the loss: with cross-entropy no gradient of a logit is larger.
/// (With distillation none is larger than the weight times the temperature, which callers pass then.)
/// So the scale follows from the settings alone: nothing is measured, read back or adapted during a run. It is 1 in f32.
pub fn loss_scale(dtype: Dtype, weight: f64) -> f32 {
    let known = dtype == Dtype::F16 && weight.is_normal() && weight > 0.0;
    if known { (LARGEST / weight).log2().floor().clamp(-60.0, 60.0).exp2() as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_powers_of_two_that_bring_the_largest_weight_near_the_largest_gradient() {
        for weight in [1.0, 1.0 / 256.0, 5.0 / 2560.0, 0.3, 7.0, 1e-9] {
            let scale = f64::from(loss_scale(Dtype::F16, weight));
            assert_eq!(scale.log2().fract(), 0.0, "{scale}");
            assert!(
                scale * weight <= LARGEST && 2.0 * scale * weight > LARGEST,
                "{weight}: {scale}"
            );
        }
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(loss_scale(Dtype::F16, weight), 1.0);
        }
        assert_eq!(loss_scale(Dtype::F32, 1.0 / 256.0), 1.0);
    }
}
