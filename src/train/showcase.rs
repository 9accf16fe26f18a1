//! Pictures of what a generator does: original, transformed, difference, and the faulty network's
//! answers.

use super::base::BaseNet;
use crate::{
    data::ImageSet,
    error::Result,
    eval::{Evaluator, argmax},
    fault::Faults,
    files::Weights,
    gpu::Gpu,
    models::GENERATOR_BITS,
    nn::{DeviceImages, FrozenNet, Graph},
    ops::operands::Operands,
    report::images::{Example, Image, save_grid},
};
use std::path::Path;

/// Columns of the grid.
const EXAMPLES: usize = 10;

/// Draws the first image of each of ten classes (or the first ten images).
///
/// # Errors
/// The device failed, or the file cannot be written.
#[expect(clippy::too_many_arguments, reason = "everything that the picture shows")]
pub fn save(
    gpu: &Gpu,
    base: &BaseNet,
    generator: (&Graph, &Weights),
    set: &ImageSet,
    (precision, operands): (u32, Operands),
    faults: &Faults,
    seed: u64,
    path: &Path,
) -> Result<()> {
    let mut chosen: Vec<usize> = (0..set.classes)
        .filter_map(|class| set.labels.iter().position(|&l| u32::from(l) == class))
        .collect();
    chosen.extend(0..set.len());
    chosen.truncate(EXAMPLES);
    let set = set.select(&chosen);
    let images = DeviceImages::upload(gpu, &set)?;
    let fuse = FrozenNet::for_inference(gpu, generator.0, generator.1, GENERATOR_BITS, 1)?
        .with_operands(operands);
    fuse.injector(gpu, 1, None)?.run(gpu, &[0])?;
    let faulty = FrozenNet::for_inference(gpu, &base.graph, &base.weights, precision, 1)?
        .with_operands(operands);
    faulty.injector(gpu, 0, Some(faults))?.run(gpu, &[seed])?;
    let n = set.len() as u32;
    let answers = |logits: &[f32]| -> Vec<usize> {
        logits.chunks(set.classes as usize).map(argmax).collect()
    };
    let alone = Evaluator::new(gpu, &faulty, None, &images, n)?;
    let name = |_| format!("{}, {faults}, seed {seed}", base.graph.name);
    let before = answers(&alone.logits(gpu, (&images, &set), 0, &name)?);
    let originals = planar(&alone.seen(gpu)?, set.len());
    let behind = Evaluator::new(gpu, &faulty, Some(&fuse), &images, n)?;
    let name =
        |_| format!("{} behind {}, {faults}, seed {seed}", base.graph.name, generator.0.name);
    let after = answers(&behind.logits(gpu, (&images, &set), 0, &name)?);
    let transformed = planar(&behind.seen(gpu)?, set.len());
    let (h, w) = (set.height as usize, set.width as usize);
    let name = |class: usize| set.class_names.get(class).cloned();
    let mut examples = Vec::new();
    for i in 0..set.len() {
        examples.push(Example {
            original: Image::new(h, w, &originals[i])?,
            transformed: Image::new(h, w, &transformed[i])?,
            label: name(set.labels[i].into()),
            before: name(before[i]),
            after: name(after[i]),
        });
    }
    save_grid(path, &examples)
}

/// Images `[n, H, W, 3]` as `n` planar ones `[3, H, W]`.
#[must_use]
pub fn planar(nhwc: &[f32], n: usize) -> Vec<Vec<f32>> {
    let image =
        |pixels: &[f32]| (0..3).flat_map(|c| pixels.iter().skip(c).step_by(3)).copied().collect();
    nhwc.chunks(nhwc.len() / n.max(1)).take(n).map(image).collect()
}
