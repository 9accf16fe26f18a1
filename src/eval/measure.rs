//! CA, PA, CA(NF) and PA(NF) of a network over fault models and seeds.

use super::Evaluator;
use crate::{
    data::ImageSet,
    error::{Error, Result},
    fault::{Faults, Flips},
    files::Weights,
    gpu::Gpu,
    models::GENERATOR_BITS,
    nn::{DeviceImages, FrozenNet, Graph, most_images},
};

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The base network and its weights.
    pub base: (&'a Graph, &'a Weights),
    /// A generator in front of it.
    pub generator: Option<(&'a Graph, &'a Weights)>,
    /// Images with labels.
    pub set: &'a ImageSet,
    /// Bits per stored weight of the base network.
    pub precision: u32,
    /// Fault models with their rates.
    pub faults: &'a [Faults],
    /// Seeds of the fault maps, the same for every model and rate.
    pub seeds: &'a [u64],
    /// Images per dispatch.
    pub batch: u32,
    /// Keep the logits.
    pub keep_logits: bool,
}

/// What came out. Accuracies are per cent.
#[derive(Clone, Debug, Default)]
pub struct Measurement {
    /// CA.
    pub clean: f64,
    /// CA(NF).
    pub clean_nf: Option<f64>,
    /// One per fault model and rate.
    pub perturbed: Vec<PerturbedMeasurement>,
    /// Logits `[fault model][seed][image][class]` (behind the generator if there is one), flat.
    pub logits: Vec<f32>,
    /// Classes of a logit row.
    pub classes: u32,
}

/// What came out under one fault model and rate.
#[derive(Clone, Debug)]
pub struct PerturbedMeasurement {
    /// The fault model and rate.
    pub faults: Faults,
    /// PA per seed.
    pub accuracy: Vec<f64>,
    /// PA(NF) per seed.
    pub accuracy_nf: Vec<f64>,
    /// Bits that read differently, per seed and layer.
    pub flips: Vec<Vec<Flips>>,
}

/// Sets of faulty weights that one pass over the images serves, at most.
const COPIES: usize = 4;
/// Bytes that they may take together.
const COPIES_BYTES: u64 = 1 << 30;

fn copies_together(base: &Graph) -> usize {
    let fit = COPIES_BYTES / (4 * base.faultable_weights()).max(1);
    usize::try_from(fit).map_or(COPIES, |fit| fit.clamp(1, COPIES))
}

/// Measures; `progress(done, all)` counts passes over the images and stops with `false`.
///
/// # Errors
/// Shapes do not fit, no memory is left, the device failed, or [`Error::Interrupted`].
pub fn measure(
    gpu: &Gpu,
    request: &Request<'_>,
    mut progress: impl FnMut(usize, usize) -> bool,
) -> Result<Measurement> {
    let Request { base, generator, set, precision, faults, seeds, batch, .. } = *request;
    if set.is_empty() {
        return Err(Error::Shape("there are no images to evaluate".into()));
    }
    let images = DeviceImages::upload(gpu, set)?;
    let copies = seeds.len().min(copies_together(base.0)).max(1);
    let mut nets = vec![(base.0, copies as u32)];
    nets.extend(generator.map(|(graph, _)| (graph, 1)));
    let n = batch.min(images.len() as u32).min(most_images(gpu, &nets, u64::MAX)).max(1);
    let fuse = generator
        .map(|(graph, weights)| -> Result<FrozenNet> {
            let net = FrozenNet::for_inference(gpu, graph, weights, GENERATOR_BITS, 1)?;
            net.injector(gpu, 1, None)?.run(gpu, &[0])?;
            Ok(net)
        })
        .transpose()?;
    let kinds = 1 + usize::from(fuse.is_some());
    let groups = seeds.len().div_ceil(copies);
    let all = (1 + faults.len() * groups) * kinds * images.len();
    let mut done = 0;
    let mut count = |copy: usize| {
        if copy > 0 {
            return true; // copies of one pass count once
        }
        done += 1;
        progress(done, all)
    };
    let percent = |right: u64| right as f64 * 100.0 / images.len() as f64;
    let mut out = Measurement::default();

    let clean = FrozenNet::for_inference(gpu, base.0, base.1, precision, 1)?;
    clean.injector(gpu, 1, None)?.run(gpu, &[0])?;
    let run = Evaluator::new(gpu, &clean, None, &images, n)?;
    out.clean = percent(run.run(gpu, &images, |copy, _, _| count(copy))?[0]);
    if let Some(fuse) = &fuse {
        let run = Evaluator::new(gpu, &clean, Some(fuse), &images, n)?;
        out.clean_nf = Some(percent(run.run(gpu, &images, |copy, _, _| count(copy))?[0]));
    }
    if seeds.is_empty() || faults.is_empty() {
        return Ok(out);
    }
    let faulty = FrozenNet::for_inference(gpu, base.0, base.1, precision, copies as u32)?;
    let alone = Evaluator::new(gpu, &faulty, None, &images, n)?;
    let behind = fuse
        .as_ref()
        .map(|fuse| Evaluator::new(gpu, &faulty, Some(fuse), &images, n))
        .transpose()?;
    for &faults in faults {
        let injector = faulty.injector(gpu, 0, Some(faults))?;
        let (mut accuracy, mut accuracy_nf, mut flips) = (Vec::new(), Vec::new(), Vec::new());
        for group in seeds.chunks(copies) {
            // A short last group repeats its last seed; what comes of that is dropped.
            let seed = |i: usize| group[i.min(group.len() - 1)];
            injector.run(gpu, &(0..copies).map(seed).collect::<Vec<_>>())?;
            flips.extend(injector.flips(gpu)?.into_iter().take(group.len()));
            let mut kept: Vec<Vec<f32>> = vec![Vec::new(); group.len()];
            let mut keep = |behind: bool, copy: usize, row: &[f32]| {
                let wanted = request.keep_logits && behind == fuse.is_some();
                if let Some(kept) = kept.get_mut(copy).filter(|_| wanted) {
                    kept.extend_from_slice(row);
                }
            };
            let right = alone.run(gpu, &images, |copy, _, row| {
                keep(false, copy, row);
                count(copy)
            })?;
            accuracy.extend(right.iter().take(group.len()).map(|&r| percent(r)));
            if let Some(behind) = &behind {
                let right = behind.run(gpu, &images, |copy, _, row| {
                    keep(true, copy, row);
                    count(copy)
                })?;
                accuracy_nf.extend(right.iter().take(group.len()).map(|&r| percent(r)));
            }
            out.logits.extend(kept.into_iter().flatten());
        }
        out.perturbed.push(PerturbedMeasurement { faults, accuracy, accuracy_nf, flips });
    }
    out.classes = set.classes;
    Ok(out)
}
