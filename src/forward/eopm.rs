//! One EOPM step (expectation over perturbed models) up to the gradients.
//!
//! `L = CE(M0(F(x))) + (lambda / P) sum_i CE(Mp_i(F(x)))`, `F(x) = clamp(x + G(x), -1, 1)`: the
//! generator runs forward once and backward once; the clean network and all perturbed ones run as
//! copies of one network, and their gradients of F(x) are summed (arXiv 2306.16869, section 3).

use super::{Images, base::check_labels};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    files::Weights,
    gpu::{BufferId, Gpu, Program, Tape},
    models::GENERATOR_BITS,
    nn::{FrozenNet, Graph, Mode, TrainableNet, Value},
    ops,
    shape::nhwc_from_nchw,
};

/// Buffers of a step that the host writes or reads.
#[derive(Clone, Copy, Debug)]
pub struct EopmBuffers {
    /// f32 `[copies]`: the factor of each copy's gradient, see [`loss_weights`].
    pub weights: BufferId,
    /// u32 `[copies, 2]`: bits of the f32 sum of losses, and hits; they add up over the runs.
    pub totals: BufferId,
    /// The gradient of every generator parameter, flat.
    pub gradients: BufferId,
}

/// Appends forward and backward of a step: `generator` in front of `base`, whose first copy is
/// clean, on `images` with their classes (u32 `[n]`).
///
/// # Errors
/// Shapes do not fit.
pub fn eopm_tape(
    gpu: &Gpu,
    tape: &mut Tape,
    generator: &TrainableNet,
    base: &FrozenNet,
    images: Value,
    labels: BufferId,
) -> Result<EopmBuffers> {
    let (copies, x) = (base.copies(), images);
    let n = x.shape.n;
    let weights = tape.kept("loss weights", u64::from(copies) * 4);
    let totals = tape.kept("loss totals", u64::from(copies) * 8);
    let gradients = tape.import("gradients", &generator.gradients);

    let mut fuse = generator.compiler(gpu, tape)?;
    let g = fuse.forward(tape, x)?;
    let fused = tape.transient("fused images", x.shape.bytes());
    tape.push(ops::fuse_clamp::plan(x.shape)?, &[x.id, g.id, fused])?;

    let mut frozen = base.compiler(gpu, tape, Mode::Frozen);
    let y = frozen.forward(tape, Value { id: fused, ..x })?;
    let plan = ops::softmax_cross_entropy::plan(copies, n, y.shape.c)?;
    let dlogits = tape.transient("gradient of the logits", plan.bytes[3]);
    let row_loss = tape.transient("losses", plan.bytes[4]);
    let correct = tape.transient("hits", plan.bytes[5]);
    tape.push(plan, &[y.id, labels, weights, dlogits, row_loss, correct])?;
    tape.push(ops::loss_totals::plan(copies, n)?, &[row_loss, correct, totals])?;

    if let Some(dfused) = frozen.backward(tape, dlogits, None, true)? {
        let dg = tape.transient("gradient of G", x.shape.bytes());
        tape.push(ops::fuse_clamp_grad::plan(x.shape)?, &[dfused, x.id, g.id, dg])?;
        fuse.backward(tape, dg, Some(gradients), false)?;
    }
    Ok(EopmBuffers { weights, totals, gradients })
}

/// Factors of the copies' gradients for batches of `n`: mean cross-entropy of the clean copy, `lambda`
/// times the mean over the `perturbed` ones.
#[must_use]
pub fn loss_weights(n: u32, perturbed: u32, lambda: f64) -> Vec<f32> {
    let mut factors = vec![(lambda / f64::from(perturbed * n)) as f32; perturbed as usize + 1];
    factors[0] = 1.0 / n as f32;
    factors
}

/// A step without the update.
#[derive(Clone, Copy, Debug)]
pub struct EopmRequest<'a> {
    /// The generator and its weights; it runs in training mode.
    pub generator: (&'a Graph, &'a Weights),
    /// The base network and its weights; frozen.
    pub base: (&'a Graph, &'a Weights),
    /// Bits per stored weight of the base network.
    pub precision: u32,
    /// Faults of the perturbed copies.
    pub faults: Faults,
    /// The map of each perturbed copy.
    pub seeds: &'a [u64],
    /// Weight of the perturbed copies' mean loss.
    pub lambda: f64,
    /// The images.
    pub images: Images<'a>,
    /// Their classes.
    pub labels: &'a [u32],
}

/// Losses and gradients of a step.
#[derive(Clone, Debug, Default)]
pub struct EopmPass {
    /// Mean cross-entropy of the clean network.
    pub clean: f64,
    /// Mean cross-entropy of the network under each seed.
    pub faulty: Vec<f64>,
    /// `clean + lambda * mean(faulty)`.
    pub loss: f64,
    /// Its gradient with respect to every generator parameter, by name.
    pub gradients: Weights,
    /// Bits that read differently, per seed and faultable layer.
    pub flips: Vec<Vec<Flips>>,
}

/// Runs one EOPM step without the update.
///
/// # Errors
/// Shapes or labels that do not fit, no seeds, no memory, or the device failed.
pub fn eopm(gpu: &Gpu, request: &EopmRequest<'_>) -> Result<EopmPass> {
    let EopmRequest { generator, base, precision, faults, seeds, lambda, images, labels } =
        *request;
    let shape = images.shape;
    for graph in [generator.0, base.0] {
        images.fit(&graph.name, graph.nodes[graph.input()].chw)?;
    }
    check_labels(labels, shape.n, base.0.nodes[base.0.output()].chw[0])?;
    let perturbed = u32::try_from(seeds.len()).unwrap_or(u32::MAX);
    if perturbed == 0 {
        return Err(Error::Shape("a step needs the seed of at least one perturbed copy".into()));
    }
    let net = TrainableNet::new(gpu, generator.0, generator.1, GENERATOR_BITS)?;
    let frozen = FrozenNet::new(gpu, base.0, base.1, precision, 1 + perturbed)?;
    let injector = frozen.injector(gpu, 1, Some(faults))?;
    let of_copies: Vec<u64> = [0].iter().chain(seeds).copied().collect();
    injector.run(gpu, &of_copies)?;

    let mut tape = Tape::new();
    let x = tape.kept("images", shape.bytes());
    let classes = tape.kept("labels", u64::from(shape.n) * 4);
    let value = Value { id: x, shape, copies: 1 };
    let step = eopm_tape(gpu, &mut tape, &net, &frozen, value, classes)?;
    let program = Program::build(gpu, &tape)?;
    program.write(gpu, x, 0, &nhwc_from_nchw(images.data, shape, 0.0));
    program.write(gpu, classes, 0, labels);
    program.write(gpu, step.weights, 0, &loss_weights(shape.n, perturbed, lambda));
    program.run(gpu)?;

    let totals: Vec<f32> = program.read(gpu, step.totals)?;
    let losses = totals.chunks(2).take(of_copies.len());
    let mut losses = losses.map(|copy| f64::from(copy[0]) / f64::from(shape.n));
    let clean = losses.next().unwrap_or(f64::NAN);
    let faulty: Vec<f64> = losses.collect();
    let loss = clean + lambda * faulty.iter().sum::<f64>() / f64::from(perturbed);
    let gradients = net.named(&net.gradients.read::<f32>(gpu)?);
    let flips = injector.flips(gpu)?.split_off(1);
    Ok(EopmPass { clean, faulty, loss, gradients, flips })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_a_mean_and_lambda_means() {
        assert_eq!(loss_weights(4, 2, 5.0), [0.25, 0.625, 0.625]);
    }
}
