//! Pictures of what a generator does: original, transformed, difference, and the faulty network's
//! answers.

use super::base::BaseNet;
use crate::{
    data::{ImageSet, Which},
    error::Result,
    eval::{Evaluator, argmax},
    fault::Faults,
    files::Weights,
    kernels::plan::Dtype,
    models::GENERATOR_BITS,
    nn::{DeviceImages, FrozenNet, Graph, most_images},
    report::images::{Example, Image, save_grid},
    run::Gpu,
};
use std::path::Path;

/// Columns of the grid.
const EXAMPLES: usize = 10;

/// Draws the first image of each of ten classes. If there are fewer classes, more images of the set are
/// added, chosen by `which` according to the data set.
#[expect(clippy::too_many_arguments, reason = "everything that the picture shows")]
pub fn save(
    gpu: &Gpu,
    base: &BaseNet,
    generator: (&Graph, &Weights),
    (set, which): (&ImageSet, Which),
    (precision, dtype): (u32, Dtype),
    faults: &Faults,
    seed: u64,
    path: &Path,
) -> Result<()> {
    let set = set.select(&examples(set, which));
    let images = DeviceImages::upload(gpu, &set)?;
    let fuse = FrozenNet::for_inference(gpu, generator.0, generator.1, GENERATOR_BITS, 1)?
        .with_dtype(dtype);
    fuse.injector(gpu, 1, None)?.run(gpu, &[0])?;
    let faulty =
        FrozenNet::for_inference(gpu, &base.graph, &base.weights, precision, 1)?.with_dtype(dtype);
    faulty.injector(gpu, 0, Some(faults))?.run(gpu, &[seed])?;
    let most =
        most_images(gpu, &[generator, (&base.graph, &base.weights)].map(|(g, _)| (g, 1)), u64::MAX);
    let n = most.clamp(1, set.len() as u32);
    // The network's answers, and the images that it received.
    let seen = |generator: Option<&FrozenNet>| -> Result<(Vec<usize>, Vec<Vec<f32>>)> {
        let behind = generator.map_or(String::new(), |g| format!(" behind {}", g.graph.name));
        let name = |_| format!("{}{behind}, {faults}, seed {seed}", base.graph.name);
        let evaluator = Evaluator::new(gpu, &faulty, generator, &images, n)?;
        let evaluator = evaluator.with_faults_in_floats(faulty.stores_floats());
        let (mut answers, mut pictures) = (Vec::new(), Vec::new());
        for first in (0..set.len()).step_by(n as usize) {
            let logits = evaluator.logits(gpu, (&images, &set), first, &name)?;
            answers.extend(logits.chunks(set.classes as usize).map(argmax));
            pictures.extend(planar(&evaluator.seen(gpu)?, n as usize, set.channels));
        }
        Ok((answers, pictures))
    };
    let (before, originals) = seen(None)?;
    let (after, transformed) = seen(Some(&fuse))?;
    let chw = set.chw();
    let name = |class: usize| set.class_names.get(class).cloned();
    let mut examples = Vec::new();
    for i in 0..set.len() {
        examples.push(Example {
            original: Image::new(chw, &originals[i])?,
            transformed: Image::new(chw, &transformed[i])?,
            label: name(set.labels[i].into()),
            before: name(before[i]),
            after: name(after[i]),
        });
    }
    save_grid(path, &examples)
}

/// Indices of an image of each class, as far as there is room, and of further images if room is left.
fn examples(set: &ImageSet, which: Which) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..set.classes)
        .filter_map(|class| set.labels.iter().position(|&l| u32::from(l) == class))
        .take(EXAMPLES)
        .collect();
    let others: Vec<usize> = (0..set.len()).filter(|i| !chosen.contains(i)).collect();
    let more = which.indices(EXAMPLES - chosen.len(), others.len());
    chosen.extend(more.into_iter().map(|i| others[i]));
    chosen
}

/// Images `[n, H, W, C]` as `n` planar ones `[C, H, W]`.
pub fn planar(nhwc: &[f32], n: usize, channels: u32) -> Vec<Vec<f32>> {
    let channels = channels.max(1) as usize;
    let plane = |pixels: &[f32], c| pixels.iter().skip(c).step_by(channels).copied().collect();
    let image = |pixels: &[f32]| {
        let planes: Vec<Vec<f32>> = (0..channels).map(|c| plane(pixels, c)).collect();
        planes.concat()
    };
    nhwc.chunks(nhwc.len() / n.max(1)).take(n).map(image).collect()
}
