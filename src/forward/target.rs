//! Which answers the copies of a step are trained to give: labels, or a clean network's answers to the
//! untouched images.

use crate::{
    error::{Error, Result},
    files::Weights,
    gpu::{BufferId, Gpu, Tape},
    kernels::{loss, plan::Operands},
    nn::{Convolution, FrozenNet, Graph, Mode, Value},
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

impl<'a> Target<'a> {
    /// Appends what is computed from the untouched images, before the generator changes them: a
    /// teacher's logits, part by part. Convolutions of the teacher are added to `convolutions`.
    pub(super) fn append(
        self,
        gpu: &Gpu,
        tape: &mut Tape,
        images: &[Value],
        convolutions: &mut Vec<Convolution>,
    ) -> Result<Wanted<'a>> {
        let teacher = match self {
            Self::Labels(labels) => return Ok(Wanted::Labels(labels)),
            Self::Teacher(teacher) => teacher,
        };
        let mut answers = Vec::new();
        for &part in images {
            let mut compiler = teacher.net.compiler(gpu, tape, Mode::Inference);
            answers.push(compiler.forward(tape, part)?.id);
            convolutions.extend_from_slice(compiler.convolutions());
        }
        Ok(Wanted::Answers(answers, teacher.temperature))
    }

    /// Bound of the gradient of a logit, as a multiple of its image's weight in the loss.
    pub(super) fn steepness(self) -> f32 {
        match self {
            Self::Labels(_) => 1.0,
            Self::Teacher(teacher) => teacher.temperature,
        }
    }
}

/// Buffers of the right answers on a tape, one per part.
#[derive(Debug)]
pub(super) enum Wanted<'a> {
    Labels(&'a [BufferId]),
    /// A teacher's logits, and the temperature.
    Answers(Vec<BufferId>, f32),
}

impl Wanted<'_> {
    /// Appends the loss of `copies` networks on a part, from their output `logits`. Returns the
    /// gradient of the logits, the loss of each row, and whether the row's answer is right.
    pub(super) fn loss(
        &self,
        tape: &mut Tape,
        part: usize,
        copies: u32,
        logits: Value,
        weights: BufferId,
    ) -> Result<[BufferId; 3]> {
        let (n, classes) = (logits.shape.n, logits.shape.c);
        let (wanted, plan) = match self {
            Self::Labels(labels) => {
                (labels.get(part), loss::softmax_cross_entropy::plan(copies, n, classes)?)
            }
            Self::Answers(answers, temperature) => (
                answers.get(part),
                loss::distillation_loss::plan(copies, n, classes, *temperature)?,
            ),
        };
        let absent = || Error::Shape(format!("part {part} of the batch has no wanted answers"));
        let wanted = *wanted.ok_or_else(absent)?;
        // Both kernels have the same bindings, except for the one of the right answers.
        let dlogits = tape.transient("gradient of the logits", plan.bytes[3]);
        let row_loss = tape.transient("losses", plan.bytes[4]);
        let correct = tape.transient("hits", plan.bytes[5]);
        tape.push(plan, &[logits.id, wanted, weights, dlogits, row_loss, correct])?;
        Ok([dlogits, row_loss, correct])
    }
}
