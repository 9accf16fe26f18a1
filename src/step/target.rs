//! Where the answers come from that the copies of a step are trained to give: labels, or a clean network's answers to
//! the untouched images.

use super::loss_head::Loss;
use crate::{
    error::{Error, Result},
    files::Weights,
    nn::{Convolution, FrozenNet, Mode, NodeValue},
    run::{BufferId, Gpu, Tape},
};

/// Which answers the copies of a step are trained to give to the fused images.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Labels, or a clean network's answers.
    pub loss: Loss,
    /// The classes of the images (u32), one buffer per part, if labels are learnt.
    pub labels: &'a [BufferId],
    /// Weights of the clean network, and bits per stored weight.
    pub clean: (&'a Weights, u32),
}

impl Target<'_> {
    /// Appends what is computed from the untouched images, before the generator changes them: the logits of a clean
    /// copy of `base`, if these are learnt. Returns the buffer of labels or logits of each part. Convolutions are added
    /// to `convolutions`.
    pub(super) fn append(
        self,
        gpu: &Gpu,
        tape: &mut Tape,
        base: &FrozenNet,
        images: &[NodeValue],
        convolutions: &mut Vec<Convolution>,
    ) -> Result<Vec<BufferId>> {
        if self.loss == Loss::Labels {
            let [parts, labels] = [images.len(), self.labels.len()];
            if parts != labels {
                return Err(Error::Shape(format!("{parts} parts of images, {labels} of labels")));
            }
            return Ok(self.labels.to_vec());
        }
        let (weights, bits) = self.clean;
        let net = FrozenNet::for_inference(gpu, &base.graph, weights, bits, 1)?;
        let net = net.with_dtype(base.dtype());
        net.injector(gpu, 1, None)?.run(gpu, &[0])?;
        let mut answers = Vec::new();
        for &part in images {
            let mut compiler = net.compiler(gpu, tape, Mode::Inference);
            answers.push(compiler.forward(tape, part)?.id);
            convolutions.extend_from_slice(compiler.convolutions());
        }
        Ok(answers)
    }
}
