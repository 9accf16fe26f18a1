//! Which answers the copies of a step are trained to give: labels, or a clean network's answers to the
//! untouched images.

use super::loss_head::Wanted;
use crate::{
    error::{Error, Result},
    files::Weights,
    kernels::plan::Dtype,
    nn::{Convolution, FrozenNet, Graph, Mode, NodeValue},
    run::{BufferId, Gpu, Tape},
};

/// Which answers the copies of a step are trained to give to the fused images.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The classes of the images (u32), one buffer per part: the loss is cross-entropy, as in the
    /// paper.
    Labels(&'a [BufferId]),
    /// A teacher's answers to the untouched images: the loss is the distance from these answers.
    Teacher(&'a Teacher),
}

/// A clean copy of a base network. The perturbed copies are trained to give its answers to the
/// untouched images, so that no image needs a label. With a copy's logits z, the teacher's logits t and
/// the temperature T, the loss of a copy is `T^2 KL(softmax(t / T) || softmax(z / T))` (Hinton et al.,
/// arXiv:1503.02531).
#[derive(Debug)]
pub struct Teacher {
    net: FrozenNet,
    temperature: f32,
}

impl Teacher {
    /// Quantises a network to `bits` and puts it on the device.
    pub fn new(
        gpu: &Gpu,
        (graph, weights): (&Graph, &Weights),
        bits: u32,
        dtype: Dtype,
        temperature: f32,
    ) -> Result<Self> {
        let net = FrozenNet::for_inference(gpu, graph, weights, bits, 1)?.with_dtype(dtype);
        net.injector(gpu, 1, None)?.run(gpu, &[0])?;
        Ok(Self { net, temperature })
    }
}

impl Target<'_> {
    /// Appends what is computed from the untouched images, before the generator changes them: a
    /// teacher's logits, part by part. Convolutions of the teacher are added to `convolutions`.
    pub(super) fn append(
        self,
        gpu: &Gpu,
        tape: &mut Tape,
        images: &[NodeValue],
        convolutions: &mut Vec<Convolution>,
    ) -> Result<Vec<Wanted>> {
        let teacher = match self {
            Self::Labels(labels) if labels.len() != images.len() => {
                let [parts, labels] = [images.len(), labels.len()];
                return Err(Error::Shape(format!("{parts} parts of images, {labels} of labels")));
            }
            Self::Labels(labels) => {
                return Ok(labels.iter().copied().map(Wanted::Labels).collect());
            }
            Self::Teacher(teacher) => teacher,
        };
        let mut answers = Vec::new();
        for &part in images {
            let mut compiler = teacher.net.compiler(gpu, tape, Mode::Inference);
            let logits = compiler.forward(tape, part)?.id;
            answers.push(Wanted::Answers(logits, teacher.temperature));
            convolutions.extend_from_slice(compiler.convolutions());
        }
        Ok(answers)
    }

    /// Bound of the gradient of a logit, as a multiple of its image's weight in the loss.
    pub(super) fn steepness(self) -> f32 {
        match self {
            Self::Labels(_) => 1.0,
            Self::Teacher(teacher) => teacher.temperature,
        }
    }
}
