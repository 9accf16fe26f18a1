//! A measurement as the document of `nf-gpu eval --json`.

use super::{Answers, Measurement, PerturbedMeasurement, Request};
use crate::{
    data::LabelsFrom,
    energy::{self, OperatingPoint, OperatingPoints, StoredBits},
    fault::Flips,
    files::{Weights, WideWords},
    nn::{Graph, Layer},
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
        shard: None,
        given: eval_json::Given::default(),
    }
}

fn perturbed(
    request: &Request<'_>,
    p: &PerturbedMeasurement,
    behind: bool,
    details: Details<'_>,
) -> Perturbed {
    let ((graph, weights), bits) = (request.subject.base, request.subject.precision);
    let generator = request.subject.generator.map(|(graph, _)| graph);
    let total = |layers: &Vec<Flips>| layers.iter().map(|f| f.total).sum();
    let each: Vec<u64> = p.flips().map(total).collect();
    let mut per_bit = [0; 32];
    for flips in p.flips().flatten() {
        per_bit.iter_mut().zip(flips.per_bit).for_each(|(sum, count)| *sum += count);
    }
    let stored = graph.stored_bits(weights, bits);
    let words = graph.word_bits(weights, bits);
    let layer = |(i, name): (usize, &str)| LayerFlips {
        name: name.to_owned(),
        stored_bits: stored[i],
        word_bits: Some(words[i]).filter(|own| *own != bits),
        flips: p.flips().filter_map(|layers| layers.get(i)).map(|f| f.total).sum(),
    };
    let mut flipped = FlippedBits::new(stored.iter().sum(), &each, &per_bit[..bits as usize]);
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
        // Accesses are counted by the bits that a memory stores, all of which are at the low voltage. Words that
        // `--precision` makes are counted as bytes only.
        energy: point.filter(|_| bits == 8 || graph.stores_words(weights)).map(|point| {
            energy::at_point((graph, &of_memory(graph, weights, bits)), generator, point)
        }),
        flipped_activation_bits: of_activations(request, p),
        flipped_bias_bits: of_biases(request, p),
        classes_nf: nf.and_then(|_| sum(p.behind.iter().map(|m| &m.answers).collect())),
        ..Perturbed::new(faults, request.seeds, &accuracy, nf, flipped)
    }
}

/// The bits in which the memory holds each layer.
fn of_memory(graph: &Graph, weights: &Weights, bits: u32) -> Vec<StoredBits> {
    let bias = |layer: &Layer| {
        let wide = graph.bias_name(layer).is_some_and(|name| weights.wide.contains_key(name));
        if wide { WideWords::BITS } else { 0 }
    };
    let layers = graph.layers.iter().zip(graph.word_bits(weights, bits));
    layers.map(|(layer, weight)| StoredBits { weight, bias: bias(layer) }).collect()
}

/// Flipped bits of activations, of which each image has its own; `None` where none can fail.
fn of_activations(request: &Request<'_>, p: &PerturbedMeasurement) -> Option<FlippedBits> {
    let (graph, images) = (request.subject.base.0, request.subject.set.len() as u64);
    let buffers = graph.failing().map(|of| (of.name.as_str(), images * graph.activation_bits(of)));
    let maps: Vec<_> = p.alone.iter().map(|map| &map.activation_flips[..]).collect();
    apart(&maps, buffers, 8)
}

/// Flipped bits of biases; `None` where none can fail.
fn of_biases(request: &Request<'_>, p: &PerturbedMeasurement) -> Option<FlippedBits> {
    let graph = request.subject.base.0;
    let bits = |layer: usize| u64::from(graph.layers[layer].shape.k * WideWords::BITS);
    let biases = graph.failing_biases().map(|(layer, name)| (name, bits(layer)));
    let maps: Vec<_> = p.alone.iter().map(|map| &map.bias_flips[..]).collect();
    apart(&maps, biases, WideWords::BITS as usize)
}

/// Flipped bits of a memory beside the weights: those of each map and part of it, whose names and stored bits `parts`
/// are, in so many positions.
fn apart<'a>(
    maps: &[&[Flips]],
    parts: impl Iterator<Item = (&'a str, u64)>,
    positions: usize,
) -> Option<FlippedBits> {
    maps.iter().find(|map| !map.is_empty())?;
    let each: Vec<u64> = maps.iter().map(|map| map.iter().map(|f| f.total).sum()).collect();
    let mut per_bit = vec![0; positions];
    for flips in maps.iter().copied().flatten() {
        per_bit.iter_mut().zip(flips.per_bit).for_each(|(sum, count)| *sum += count);
    }
    let layers = parts.enumerate().map(|(i, (name, stored_bits))| LayerFlips {
        name: name.to_owned(),
        stored_bits,
        word_bits: None,
        flips: maps.iter().filter_map(|map| map.get(i)).map(|f| f.total).sum(),
    });
    let per_layer: Vec<LayerFlips> = layers.collect();
    let cells = per_layer.iter().map(|layer| layer.stored_bits).sum();
    Some(FlippedBits { per_layer, ..FlippedBits::new(cells, &each, &per_bit) })
}

fn of_classes(answers: &Answers, details: Details<'_>) -> Option<ClassCounts> {
    let mut counts = ClassCounts::new(answers.0.clone());
    if !details.confusion {
        counts.confusion.clear();
    }
    (details.classes || details.confusion).then_some(counts)
}
