//! The evaluation of one cell.

use super::cell::{Accuracies, MeanStd};
use crate::{
    data::{ImageSet, Subset, Which},
    energy::OperatingPoints,
    error::Result,
    eval::{Details, Journal, Named, Request, Subject, document, measure_with},
    fault::Faults,
    kernels::plan::Dtype,
    report::{
        Sink,
        eval_json::{Document, Evaluation, Spread},
    },
    run::Gpu,
    train::{BaseNet, Generator, GeneratorFile},
};
use std::path::Path;

/// Images of an evaluation batch.
pub(super) const BATCH: u32 = 100;

/// The conditions that a cell sets for its evaluation.
#[derive(Clone, Debug)]
pub(super) struct Conditions<'a> {
    /// Bits per stored weight of the base network.
    pub(super) bits: u32,
    /// The fault model and its rate.
    pub(super) faults: Faults,
    /// Seeds of the fault maps.
    pub(super) seeds: &'a [u64],
    /// Number of test images, and which ones.
    pub(super) images: (usize, Option<Subset>),
}

impl Conditions<'_> {
    /// The first condition that an evaluation does not fulfil, such as `images 100 there, 10000 wanted`.
    pub(super) fn missed_by(&self, e: &Evaluation) -> Option<String> {
        let differs = |what: &str, there: String, wanted: String| {
            (there != wanted).then(|| format!("{what} {there} there, {wanted} wanted"))
        };
        let Some(p) = e.perturbed.first().filter(|_| e.perturbed.len() == 1) else {
            return Some(format!("{} rates there, 1 wanted", e.perturbed.len()));
        };
        let images = which(self.images.0 as u64, self.images.1);
        let faults = &self.faults;
        differs("faults", p.faults.kind().to_string(), faults.kind().to_string())
            .or_else(|| differs("BER", p.ber().to_string(), faults.ber().to_string()))
            .or_else(|| differs("bits", e.precision.to_string(), self.bits.to_string()))
            .or_else(|| differs("images", which(e.dataset.images, e.dataset.subset), images))
            .or_else(|| differs("seeds", format!("{:?}", p.seeds), format!("{:?}", self.seeds)))
    }
}

/// The choice of images in words. As in all documents, a number alone means the first images.
fn which(n: u64, subset: Option<Subset>) -> String {
    match subset {
        Some(Subset { which: Which::Spread, of }) => format!("{n} spread over {of}"),
        _ => n.to_string(),
    }
}

/// Measures a base network alone and behind the generator in a file, map by map, and writes the document to
/// `out`. `stop` ends the measurement; what was measured until then is kept in a journal beside `out`.
pub(super) fn evaluate(
    gpu: &Gpu,
    (base, generator, set): (&BaseNet, &Path, &ImageSet),
    conditions: &Conditions<'_>,
    out: &Path,
    (sink, stop): (&mut dyn Sink, &dyn Fn() -> bool),
) -> Result<Evaluation> {
    let Generator { graph, weights, sha256: generator, .. } =
        GeneratorFile::load_network(generator)?.network(base.input())?;
    let Conditions { bits, faults, seeds, .. } = conditions;
    base.can_have(faults, *bits)?;
    let subject = Subject {
        base: (&base.graph, &base.weights),
        generator: Some((&graph, &weights)),
        generator_id: &generator,
        set,
        precision: *bits,
        batch: BATCH,
        dtype: Dtype::F32,
    };
    let faults = std::slice::from_ref(faults);
    let request = Request { subject, faults, seeds, keep_logits: false };
    let identity = subject.identity(gpu, &base.sha256);
    let mut journal = Journal::open(out.with_extension("journal"), &identity)?;
    let measured = measure_with(gpu, &request, &mut journal, sink, stop)?;
    let base = Named { name: &base.model, sha256: &base.sha256 };
    let behind = Some(Named { name: &graph.name, sha256: &generator });
    let points = OperatingPoints::built_in()?;
    let details = Details { classes: true, points: Some(&points), ..Details::default() };
    let e = document(gpu, &request, base, behind, &measured, details);
    Document::new(vec![e.clone()]).save(out)?;
    journal.remove()?;
    Ok(e)
}

/// Converts an evaluation to the accuracies of a table cell.
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
