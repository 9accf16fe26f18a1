//! Estimates how long work takes, for plans, by timing only a small part of it. Weights and images are random.

use super::{
    Repeated as _, StepSettings,
    networks::{BASE_BITS, CLASSES, GeneratorStep, frozen_flops, image_set, training_flops},
};
use crate::{
    error::Result,
    eval::Evaluator,
    files::Weights,
    kernels::plan::Dtype,
    models::{self, GENERATOR_BITS},
    nn::{DeviceImages, FrozenNet, Graph, Pick, TrainableNet, initialise},
    run::Gpu,
    step::{Supervised, SupervisedSettings, TrainingStep as _},
    train::images_to_time,
};
use std::time::Instant;

/// Seconds of one training step of a generator in front of a base network, after a first step that compiles.
pub fn seconds_of_a_step(gpu: &Gpu, names: (&str, &str), settings: StepSettings) -> Result<f64> {
    let mut step = GeneratorStep::new(gpu, names, settings)?;
    again(gpu, &mut |_| step.run(gpu))
}

/// Like [`seconds_of_a_step`], but estimated from a step of as many images as [`images_to_time`] says.
pub fn estimate_step(
    gpu: &Gpu,
    (generator, base): (&str, &str),
    settings: StepSettings,
) -> Result<f64> {
    let base_graph = models::base(base, CLASSES, None)?;
    let generator_graph = models::generator(generator, side(&base_graph))?;
    let flops = training_flops(&generator_graph) + frozen_flops(&base_graph, 1 + settings.copies);
    scaled(gpu, settings.batch, flops, |batch| {
        seconds_of_a_step(gpu, (generator, base), StepSettings { batch, ..settings })
    })
}

/// Seconds of a step of `batch` images in the training of a base network, estimated in the same way.
pub fn estimate_pretraining_step(gpu: &Gpu, model: &str, batch: u32, dtype: Dtype) -> Result<f64> {
    let graph = models::base(model, CLASSES, None)?;
    scaled(gpu, batch, training_flops(&graph), |n| {
        let weights = initialise(&graph, true, 1);
        let net = TrainableNet::new(gpu, &graph, &weights, BASE_BITS)?.with_dtype(dtype);
        let images = DeviceImages::upload(gpu, &image_set(side(&graph), n))?;
        let picks: Vec<Pick> = (0..n).map(|index| Pick { index, ..Pick::default() }).collect();
        let settings = SupervisedSettings {
            batch: n,
            micro_batch: None,
            momentum: 0.9,
            weight_decay: 0.0,
            seed: 1,
        };
        let mut step = Supervised::new(gpu, &net, &images, &settings)?;
        again(gpu, &mut |at| step.run(gpu, &images, (&picks, &[]), (at, 1e-3)))
    })
}

/// Seconds in which one image passes a base network in an evaluation in batches of `batch`, behind a
/// generator if there is one; estimated in the same way.
pub fn estimate_pass(gpu: &Gpu, base: &str, generator: Option<&str>, batch: u32) -> Result<f64> {
    let base = models::base(base, CLASSES, None)?;
    let generator = generator.map(|name| models::generator(name, side(&base))).transpose()?;
    let flops = 2 * (base.macs() + generator.as_ref().map_or(0, Graph::macs));
    let seconds = scaled(gpu, batch, flops, |n| {
        let frozen = |graph: &Graph, weights: &Weights, bits: u32| -> Result<FrozenNet> {
            let net = FrozenNet::for_inference(gpu, graph, weights, bits, 1)?;
            net.injector(gpu, 1, None)?.run(gpu, &[0])?;
            Ok(net)
        };
        let net = frozen(&base, &initialise(&base, true, 1), BASE_BITS)?;
        let fuse = |graph: &Graph| frozen(graph, &initialise(graph, false, 1), GENERATOR_BITS);
        let fuse = generator.as_ref().map(fuse).transpose()?;
        let set = image_set(side(&base), n);
        let images = DeviceImages::upload(gpu, &set)?;
        let evaluator = Evaluator::new(gpu, &net, fuse.as_ref(), &images, n)?;
        let name = |_| "a network of random weights".to_owned();
        again(gpu, &mut |_| evaluator.logits(gpu, (&images, &set), 0, &name).map(drop))
    })?;
    Ok(seconds / f64::from(batch.max(1)))
}

fn side(base: &Graph) -> u32 {
    base.nodes[base.input()].chw[1]
}

/// Seconds for `batch` images, of `flops` operations each, estimated from a run of as many as
/// [`images_to_time`] says.
fn scaled(gpu: &Gpu, batch: u32, flops: u64, seconds: impl Fn(u32) -> Result<f64>) -> Result<f64> {
    let all = flops.saturating_mul(u64::from(batch));
    let soon = images_to_time(batch, all, gpu.report().is_software());
    let n = soon.max(2).min(batch);
    let some = seconds(n)?;
    if n == batch { Ok(some) } else { Ok(extended(batch, (n, some), seconds(1)?)) }
}

/// Seconds for `batch` images where `n` took `some` and one took `one`. Work that does not depend on images,
/// such as drawing faults, is counted once; where noise hides the time of one image, it is counted with each.
fn extended(batch: u32, (n, some): (u32, f64), one: f64) -> f64 {
    let proportional = some * f64::from(batch) / f64::from(n.max(1));
    if some <= one || n < 2 {
        return proportional;
    }
    let of_image = (some - one) / f64::from(n - 1);
    (some + of_image * f64::from(batch.saturating_sub(n))).min(proportional)
}

/// Seconds of the second run: the first compiles.
fn again(gpu: &Gpu, run: &mut dyn FnMut(u64) -> Result<()>) -> Result<f64> {
    let mut seconds = 0.0;
    for at in 0..2 {
        let began = Instant::now();
        run(at)?;
        gpu.wait("time a step")?;
        seconds = began.elapsed().as_secs_f64();
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_does_once_is_counted_once() {
        // Five seconds, and one for each image.
        assert_eq!(extended(100, (11, 16.0), 6.0), 105.0);
        // Only images, and what noise made of that.
        assert_eq!(extended(100, (10, 10.0), 1.0), 100.0);
        assert_eq!(extended(100, (10, 10.0), 0.5), 100.0);
        for one in [10.0, 11.0] {
            assert_eq!(extended(100, (10, 10.0), one), 100.0);
        }
        assert_eq!(extended(3, (1, 2.0), 2.0), 6.0);
    }
}
