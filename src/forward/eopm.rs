//! One EOPM step on a user's tensors, without the update: losses and gradients.

use super::{ImageBatch, Images, bad, base::check_labels, parts_of};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    files::Weights,
    kernels::plan::Dtype,
    models::GENERATOR_BITS,
    nn::{
        Cut, FrozenNet, Graph, Together, TrainableNet, check_finite, count_flips, first_not_finite,
        fit,
    },
    run::{BufferId, Gpu, Tape},
    step::{EopmStep, EopmTape, Loss, Target},
};

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
    pub faults: &'a Faults,
    /// The map of each perturbed copy.
    pub seeds: &'a [u64],
    /// Weight of the perturbed copies' mean loss.
    pub lambda: f64,
    pub images: Images<'a>,
    /// What the copies are trained to answer.
    pub loss: Loss,
    /// The classes of the images; empty unless they are learnt.
    pub labels: &'a [u32],
    /// Most images of a part of the batch; by default as many as fit.
    pub micro_batch: Option<u32>,
    /// Precision in which inputs, weights and gradients enter products.
    pub dtype: Dtype,
    /// Loss scale, a power of two, instead of the usual one.
    pub loss_scale: Option<f32>,
}

/// Losses and gradients of a step.
#[derive(Clone, Debug)]
pub struct EopmPass {
    /// Mean loss of the clean network.
    pub clean: f64,
    /// Mean loss of the network under each seed.
    pub faulty: Vec<f64>,
    /// `clean + lambda * mean(faulty)`.
    pub loss: f64,
    /// Gradient of the loss with respect to every generator parameter, by name.
    pub gradients: Weights,
    /// Bits that faults flip, per seed and faultable layer.
    pub flips: Vec<Vec<Flips>>,
    /// How the step was cut to fit the adapter.
    pub cut: Cut,
}

/// Runs one EOPM step without the update.
///
/// # Errors
/// Shapes or labels that do not fit, no seeds, no memory, the device failed, or
/// [`Error::NotFiniteOutput`].
pub fn eopm(gpu: &Gpu, request: &EopmRequest<'_>) -> Result<EopmPass> {
    let EopmRequest { generator, base, precision, faults, seeds, lambda, images, .. } = *request;
    let EopmRequest { loss, labels, micro_batch, .. } = *request;
    let shape = images.shape;
    for graph in [generator.0, base.0] {
        images.fit(&graph.name, graph.nodes[graph.input()].chw)?;
    }
    let labelled = if loss == Loss::Labels { shape.n } else { 0 };
    check_labels(labels, labelled, base.0.nodes[base.0.output()].chw[0])?;
    let perturbed = u32::try_from(seeds.len()).unwrap_or(u32::MAX);
    if perturbed == 0 {
        return Err(Error::Shape("a step needs the seed of at least one perturbed copy".into()));
    }
    let net =
        TrainableNet::new(gpu, generator.0, generator.1, GENERATOR_BITS)?.with_dtype(request.dtype);
    let copies = 1 + perturbed;
    let nets = [(generator.0, 1), (base.0, copies)];
    let together = Together { images: micro_batch, copies: None };
    let pass = fit(gpu, shape.n, copies, &nets, together, |cut| {
        let frozen =
            FrozenNet::new(gpu, base.0, base.1, precision, cut.copies)?.with_dtype(request.dtype);
        let mut tape = Tape::new();
        let parts = parts_of(cut);
        let x = ImageBatch::kept(&mut tape, "images", shape, &parts);
        let label = |&n: &u32| tape.kept("labels", u64::from(n) * 4);
        let with_labels = if labels.is_empty() { &[][..] } else { &cut.parts };
        let classes: Vec<BufferId> = with_labels.iter().map(label).collect();
        let values = x.values();
        let target = Target { loss, labels: &classes, clean: (base.1, precision) };
        let step = EopmTape::append(gpu, &mut tape, &net, &frozen, &values, target, cut, copies)?;
        let mut step = EopmStep::new(gpu, &tape, step, &frozen, faults, lambda)?;
        if let Some(scale) = request.loss_scale {
            step = step.with_loss_scale(scale);
        }
        x.write(gpu, step.program(), images.data);
        for (part, &id) in parts.iter().zip(&classes) {
            step.program().write(gpu, id, 0, part.of(labels, 1));
        }
        step.run(gpu, Some(seeds))?;
        let mut losses = step.losses(gpu)?.into_iter().map(|sum| sum / f64::from(shape.n));
        let clean = losses.next().unwrap_or(f64::NAN);
        let faulty: Vec<f64> = losses.collect();
        let loss = clean + lambda * faulty.iter().sum::<f64>() / f64::from(perturbed);
        let mut gradients: Vec<f32> = net.gradients.read(gpu)?;
        gradients.iter_mut().for_each(|g| *g /= step.loss_scale());
        let gradients = net.named(&gradients);
        let place = || {
            let mut first = None;
            step.run_by(gpu, Some(seeds), &mut |program, entries| {
                let here = first_not_finite(gpu, program, entries)?;
                first = first.take().or(here);
                Ok(())
            })?;
            Ok(first)
        };
        let check = |network: &str, what: &str, shape: &[usize], data: &[f32]| {
            check_finite([network, what], shape, data, place)
        };
        let maps = seeds.iter().map(|seed| format!("seed {seed}"));
        let maps = std::iter::once("without faults".to_owned()).chain(maps);
        for (map, &loss) in maps.zip(std::iter::once(&clean).chain(&faulty)) {
            let network = format!("{}, {map}", base.0.name);
            check(&network, "the loss", &[], bad(Some(loss)).as_slice())?;
        }
        for (name, tensor) in &gradients.tensors {
            check(&generator.0.name, &format!("grad.{name}"), &tensor.shape, &tensor.data)?;
        }
        Ok(EopmPass { clean, faulty, loss, gradients, flips: Vec::new(), cut: cut.clone() })
    })?;
    let flips = seeds.iter().map(|&seed| count_flips(base, precision, faults, seed));
    Ok(EopmPass { flips: flips.collect::<Result<_>>()?, ..pass })
}
