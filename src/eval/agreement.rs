//! Answers of a clean network in place of labels. Accuracy then says how often a network agrees with the clean
//! one.

use super::{Evaluator, argmax, meter::RESIDENT};
use crate::{
    data::{ImageSet, LabelsFrom},
    error::Result,
    files::Weights,
    kernels::plan::Dtype,
    nn::{DeviceImages, FrozenNet, Graph, most_images},
    run::Gpu,
};

/// Labels images without labels with the answers of a network that is quantised to `bits` and has no faults;
/// images with labels keep them. `stop` is asked after every image.
pub fn answer_for(
    gpu: &Gpu,
    (graph, weights): (&Graph, &Weights),
    (bits, dtype): (u32, Dtype),
    batch: u32,
    set: &mut ImageSet,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    if set.labels_from != LabelsFrom::Nobody || set.is_empty() {
        return Ok(());
    }
    let images = DeviceImages::resident(gpu, set, RESIDENT)?;
    let clean = FrozenNet::for_inference(gpu, graph, weights, bits, 1)?.with_dtype(dtype);
    clean.injector(gpu, 1, None)?.run(gpu, &[0])?;
    let most = most_images(gpu, &[(graph, 1)], u64::MAX);
    let n = batch.min(set.len() as u32).min(most).max(1);
    let name = |_| format!("{}, without faults", graph.name);
    let (mut answers, mut outputs) = (Vec::with_capacity(set.len()), 0);
    Evaluator::new(gpu, &clean, None, &images, n)?.run(
        gpu,
        (&images, set),
        &name,
        |_, _, row| {
            outputs = row.len() as u32;
            answers.push(argmax(row) as u16);
            !stop()
        },
    )?;
    // The classes are the network's outputs; the set itself has only one class.
    if set.classes < outputs {
        set.classes = outputs;
        set.class_names = (0..set.classes).map(|class| class.to_string()).collect();
    }
    set.labels = answers;
    set.labels_from = LabelsFrom::CleanNetwork;
    Ok(())
}
