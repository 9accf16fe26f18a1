//! The evaluation of one cell.

use super::cell::{Accuracies, MeanStd};
use crate::{
    data::ImageSet,
    error::Result,
    eval::{Request, measure},
    fault::Faults,
    files::{Weights, sha256},
    gpu::Gpu,
    models,
    report::eval_json::{Evaluation, Spread},
    train::{BaseNet, document},
};
use std::path::Path;

/// Images of an evaluation batch.
const BATCH: u32 = 100;

/// What a cell asks of its evaluation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions<'a> {
    /// Bits per stored weight of the base network.
    pub(super) bits: u32,
    /// The fault model and its rate.
    pub(super) faults: Faults,
    /// Seeds of the fault maps.
    pub(super) seeds: &'a [u64],
    /// Number of test images.
    pub(super) images: usize,
}

impl Conditions<'_> {
    /// What of an evaluation is not as asked for, such as `images 100 there, 10000 wanted`.
    pub(super) fn missed_by(&self, e: &Evaluation) -> Option<String> {
        let differs = |what: &str, there: String, wanted: String| {
            (there != wanted).then(|| format!("{what} {there} there, {wanted} wanted"))
        };
        let Some(p) = e.perturbed.first().filter(|_| e.perturbed.len() == 1) else {
            return Some(format!("{} rates there, 1 wanted", e.perturbed.len()));
        };
        let Faults { model, ber } = self.faults;
        differs("faults", p.faults.clone(), model.to_string())
            .or_else(|| differs("BER", p.ber.to_string(), ber.to_string()))
            .or_else(|| differs("bits", e.precision.to_string(), self.bits.to_string()))
            .or_else(|| differs("images", e.dataset.images.to_string(), self.images.to_string()))
            .or_else(|| differs("seeds", format!("{:?}", p.seeds), format!("{:?}", self.seeds)))
    }
}

/// Measures a base network behind the generator in `generator`; `stop` ends it.
pub(super) fn evaluate(
    gpu: &Gpu,
    base: &BaseNet,
    generator: &Path,
    set: &ImageSet,
    conditions: &Conditions<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Evaluation> {
    let weights = Weights::load(generator)?;
    let graph = models::generator(weights.meta("model").unwrap_or_default(), base.side())?;
    graph.check(&weights)?;
    let Conditions { bits, faults, seeds, .. } = *conditions;
    let request = Request {
        base: (&base.graph, &base.weights),
        generator: Some((&graph, &weights)),
        set,
        precision: bits,
        faults: &[faults],
        seeds,
        batch: BATCH,
        keep_logits: false,
    };
    let measured = measure(gpu, &request, |_, _| !stop())?;
    let named = Some((graph.name.as_str(), sha256(generator)?));
    let named = named.as_ref().map(|(name, sha256)| (*name, sha256.as_str()));
    Ok(document(gpu, base, named, set, bits, seeds, &measured))
}

/// The numbers of an evaluation as a table has them.
pub(super) fn accuracies(e: &Evaluation) -> Accuracies {
    let spread = |s: &Spread| MeanStd { mean: s.mean, std: Some(s.std) };
    let p = e.perturbed.first();
    Accuracies {
        ca: Some(e.clean.accuracy),
        pa: p.map(|p| spread(&p.accuracy)),
        ca_nf: e.clean.accuracy_nf,
        pa_nf: p.and_then(|p| p.accuracy_nf.as_ref()).map(spread),
        rp: p.and_then(|p| p.recovery),
    }
}
