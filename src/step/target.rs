//! What the copies of a step are to answer: labels, or what a clean network answers to the images as they
//! are.

use super::loss_head::Wanted;
use crate::{
    error::{Error, Result},
    files::Weights,
    gpu::{BufferId, Gpu, Tape},
    kernels::plan::Operands,
    nn::{Convolution, FrozenNet, Graph, Mode, Value},
};

/// What the copies of a step are to answer to the fused images.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The classes of the images (u32), a buffer per part: the loss is cross-entropy, as in the paper.
    Labels(&'a [BufferId]),
    /// A teacher's answers to the images as they are: the loss is the distance from these.
    Teacher(&'a Teacher),
}

/// A clean copy of a base network, whose answers to the untouched images the copies are to give, so that no
/// image needs a label. Per copy the loss is `T^2 KL(softmax(t / T) || softmax(z / T))` of its logits z and
/// the teacher's t, with T the temperature (Hinton et al., arXiv:1503.02531).
#[derive(Debug)]
pub struct Teacher {
    net: FrozenNet,
    temperature: f32,
}

impl Teacher {
    /// Quantises a network to `bits` and puts it on the device.
    ///
    /// # Errors
    /// As [`FrozenNet::new`], or the device failed.
    pub fn new(
        gpu: &Gpu,
        (graph, weights): (&Graph, &Weights),
        bits: u32,
        operands: Operands,
        temperature: f32,
    ) -> Result<Self> {
        let net = FrozenNet::for_inference(gpu, graph, weights, bits, 1)?.with_operands(operands);
        net.injector(gpu, 1, None)?.run(gpu, &[0])?;
        Ok(Self { net, temperature })
    }
}

impl Target<'_> {
    /// Appends what is needed of the images as they are, before the generator sees them: a teacher's logits,
    /// part by part. Its `convolutions` are added.
    pub(super) fn append(
        self,
        gpu: &Gpu,
        tape: &mut Tape,
        images: &[Value],
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

    /// How large the gradient of a logit may be, in weights of its image.
    pub(super) fn steepness(self) -> f32 {
        match self {
            Self::Labels(_) => 1.0,
            Self::Teacher(teacher) => teacher.temperature,
        }
    }
}
