//! A measurement as the document of `nf-gpu eval --json`.

use super::{Answers, Measurement, PerturbedMeasurement, Request};
use crate::{
    data::LabelsFrom,
    energy::{self, OperatingPoint, OperatingPoints},
    fault::Flips,
    report::eval_json::{self, ClassCounts, Clean, Evaluation, FlippedBits, LayerFlips, Perturbed},
    run::Gpu,
};

/// The name of a network and the SHA-256 of its file.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The network, such as `resnet20` or `ConvS`.
    pub name: &'a str,
    /// SHA-256 of its weights file.
    pub sha256: &'a str,
}

/// Parts that a document holds on request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details<'a> {
    /// Accuracy per class.
    pub classes: bool,
    /// The whole confusion matrices.
    pub confusion: bool,
    /// Voltages whose energy is known.
    pub points: Option<&'a OperatingPoints>,
    /// The operating point that the faults belong to, if it is known and need not be looked up by
    /// their rate.
    pub voltage: Option<&'a OperatingPoint>,
}

/// The document of a measurement.
pub fn document(
    gpu: &Gpu,
    request: &Request<'_>,
    base: Named<'_>,
    generator: Option<Named<'_>>,
    m: &Measurement,
    details: Details<'_>,
) -> Evaluation {
    let (report, set) = (gpu.report(), request.subject.set);
    let of = |p| perturbed(request, p, generator.is_some(), details);
    let perturbed = m.perturbed.iter().map(of).collect::<Vec<_>>();
    let classes = |answers: &Answers| of_classes(answers, details);
    Evaluation {
        version: eval_json::VERSION,
        adapter: eval_json::Adapter {
            name: report.name.clone(),
            backend: report.backend.clone(),
            driver: report.driver.clone(),
        },
        commit: env!("NF_COMMIT").to_owned(),
        base: eval_json::Base { model: base.name.to_owned(), file_sha256: base.sha256.to_owned() },
        dataset: eval_json::EvaluatedSet {
            name: set.name.clone(),
            split: set.split.to_string(),
            images: set.len() as u64,
            subset: set.subset,
            classes: set.class_names.clone(),
            labels: (set.labels_from == LabelsFrom::CleanNetwork)
                .then(|| eval_json::CLEAN_NETWORK.to_owned()),
        },
        precision: request.subject.precision,
        dtype: Some(request.subject.dtype.name().to_owned()),
        clean: Clean {
            accuracy: m.clean.accuracy(),
            accuracy_nf: m.clean_nf.as_ref().map(Answers::accuracy),
            classes: classes(&m.clean),
            classes_nf: m.clean_nf.as_ref().and_then(classes),
        },
        generator: generator.map(|generator| eval_json::EvaluatedGenerator {
            name: generator.name.to_owned(),
            file_sha256: generator.sha256.to_owned(),
        }),
        energy: perturbed.iter().find_map(|p: &Perturbed| p.energy.clone()),
        perturbed,
        sensitivity: None,
        given: eval_json::Given::default(),
    }
}

fn perturbed(
    request: &Request<'_>,
    p: &PerturbedMeasurement,
    behind: bool,
    details: Details<'_>,
) -> Perturbed {
    let (graph, bits) = (request.subject.base.0, request.subject.precision);
    let generator = request.subject.generator.map(|(graph, _)| graph);
    let total = |layers: &Vec<Flips>| layers.iter().map(|f| f.total).sum();
    let each: Vec<u64> = p.flips().map(total).collect();
    let mut per_bit = [0; 8];
    for flips in p.flips().flatten() {
        per_bit.iter_mut().zip(flips.per_bit).for_each(|(sum, count)| *sum += count);
    }
    let layer = |(i, name): (usize, &str)| LayerFlips {
        name: name.to_owned(),
        stored_bits: u64::from(graph.layers[i].shape.len()) * u64::from(bits),
        flips: p.flips().filter_map(|layers| layers.get(i)).map(|f| f.total).sum(),
    };
    let cells = graph.faultable_weights() * u64::from(bits);
    let mut flipped = FlippedBits::new(cells, &each, &per_bit[..bits as usize]);
    flipped.per_layer = graph.layer_names().enumerate().map(layer).collect();
    let (accuracy, nf) = (p.accuracy(), p.accuracy_nf());
    let nf = behind.then_some(&nf[..]);
    let sum = |of: Vec<&Answers>| of_classes(&Answers::sum(of), details);
    let faults = graph.described(&p.faults);
    let by_rate = || details.points.filter(|_| energy::tells_voltage(&faults))?.at(faults.ber());
    let point = details.voltage.or_else(by_rate);
    Perturbed {
        voltage: details.voltage.map(|point| point.voltage),
        classes: sum(p.alone.iter().map(|m| &m.answers).collect()),
        // Accesses are counted for weights of a byte each, all of which are at the low voltage.
        energy: point.filter(|_| bits == 8).map(|point| energy::at_point(graph, generator, point)),
        classes_nf: nf.and_then(|_| sum(p.behind.iter().map(|m| &m.answers).collect())),
        ..Perturbed::new(faults, request.seeds, &accuracy, nf, flipped)
    }
}

fn of_classes(answers: &Answers, details: Details<'_>) -> Option<ClassCounts> {
    let mut counts = ClassCounts::new(answers.0.clone());
    if !details.confusion {
        counts.confusion.clear();
    }
    (details.classes || details.confusion).then_some(counts)
}
