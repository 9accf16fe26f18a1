//! Faults in the weights of a whole network on the host: what an [`super::Injector`] does on a GPU, bit
//! for bit.

use super::{Graph, biases::faulty_bias, graph::Layer, places::FailingParts};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips, Memory, Place, Quantized, dequantize, inject, quantize},
    files::Weights,
};
use std::collections::BTreeMap;

/// A network's weights as the network reads them: quantised to `bits`, with the faults of a seed. All
/// other tensors are unchanged.
#[derive(Clone, Debug)]
pub struct FaultyWeights {
    /// Every tensor, with the metadata of the clean weights.
    pub weights: Weights,
    /// Bits that faults flip, per faultable layer.
    pub flips: Vec<Flips>,
    /// Stored bits that are faulty, whether a fault flips them or not, per faultable layer.
    pub faulty_cells: Vec<u64>,
    /// The biases that fail.
    pub biases: Vec<FaultyBias>,
}

/// The words of 32 bits of a bias with faults.
#[derive(Clone, Debug)]
pub struct FaultyBias {
    /// Name of its tensor.
    pub name: String,
    /// The words as they read.
    pub words: Vec<i32>,
    /// Bits that faults flip.
    pub flips: Flips,
    /// Stored bits that are faulty.
    pub faulty_cells: u64,
}

/// The stored words of the layers of a network, one by one: those of the file where it stores words, else its weights
/// quantised to `bits`.
///
/// # Errors
/// A tensor is missing, has another shape, or values that cannot be quantised; `bits` is not
/// from 2 to 8.
pub fn stored_layers<'a>(
    graph: &'a Graph,
    weights: &'a Weights,
    bits: u32,
) -> impl Iterator<Item = Result<Quantized>> + 'a {
    graph.layers.iter().map(move |layer| {
        let param = &graph.params[layer.weight];
        let tensor = weights.get(&param.name, &param.shape)?;
        if let Some(words) = weights.words.get(&param.name) {
            return Ok(Quantized::from(words));
        }
        quantize(&tensor.data, bits).map_err(|error| match error {
            Error::Shape(what) => {
                let hint =
                    "such weights are no trained ones: check the file, and what its tensors are";
                Error::format(weights.name(), format!("tensor {}: {what}", param.name), hint)
            }
            other => other,
        })
    })
}

impl Graph {
    /// Bits that each layer stores: those of its file's words, else `bits` per weight.
    pub fn stored_bits(&self, weights: &Weights, bits: u32) -> Vec<u64> {
        let of = |(layer, bits): (&Layer, u32)| u64::from(layer.shape.len()) * u64::from(bits);
        self.layers.iter().zip(self.word_bits(weights, bits)).map(of).collect()
    }

    /// Bits of a weight of each layer: those of its file's words, else `bits`.
    pub fn word_bits(&self, weights: &Weights, bits: u32) -> Vec<u32> {
        let words = self.layer_names().map(|name| weights.words.get(name));
        words.map(|words| words.map_or(bits, |words| words.bits)).collect()
    }

    /// Whether the weights of all layers are words already, of a file or of `--stored`.
    pub fn stores_words(&self, weights: &Weights) -> bool {
        self.layer_names().all(|name| weights.words.contains_key(name))
    }
}

/// The weights of each layer as its words can store them, by the name of their tensor, in its order.
///
/// # Errors
/// As [`stored_layers`].
pub fn on_grid(
    (graph, weights): (&Graph, &Weights),
    bits: u32,
) -> Result<BTreeMap<String, Vec<f32>>> {
    let names = graph.layer_names().map(str::to_owned);
    let stored = stored_layers(graph, weights, bits);
    names.zip(stored).map(|(name, stored)| Ok((name, dequantize(&stored?)))).collect()
}

/// Bits that the fault map of a seed flips in each layer of a network.
pub fn count_flips(
    (graph, weights): (&Graph, &Weights),
    bits: u32,
    faults: &Faults,
    seed: u64,
) -> Result<Vec<Flips>> {
    let (chosen, map) = (graph.chosen(faults)?.weights, faults.map(seed)?);
    let (places, _) = graph.places_under(faults)?;
    let layers = stored_layers(graph, weights, bits).zip(places).zip(chosen);
    layers
        .map(|((stored, place), chosen)| {
            let stored = stored?;
            Ok(if chosen { inject(&stored, &map, place).1 } else { Flips::default() })
        })
        .collect()
}

/// The weights with the faults of a seed.
///
/// # Errors
/// A tensor is missing, has another shape or is not finite; `bits` is none that words have, or none of the
/// bits can fail; the network lacks the layers that can fail; the seed has no map.
pub fn faulty_weights(
    (graph, weights): (&Graph, &Weights),
    bits: u32,
    faults: &Faults,
    seed: u64,
) -> Result<FaultyWeights> {
    if faults.memories().weights {
        faults.weight_cells(bits)?;
    }
    let (FailingParts { weights: chosen, biases, .. }, map) =
        (graph.chosen(faults)?, faults.map(seed)?);
    let (mut read, mut flips, mut faulty_cells) = (weights.clone(), Vec::new(), Vec::new());
    let (places, _) = graph.places_under(faults)?;
    let layers = stored_layers(graph, weights, bits).zip(places).zip(chosen);
    for (((stored, place), chosen), layer) in layers.zip(&graph.layers) {
        let stored = stored?;
        let (faulty, changed) =
            if chosen { inject(&stored, &map, place) } else { (stored.clone(), Flips::default()) };
        let cells = |i: usize| {
            let cells = map.faulty_in(stored.memory(), place, i as u32);
            u64::from(((cells.to_1 | cells.to_0) & stored.stored_bits(i)).count_ones())
        };
        faulty_cells.push(if chosen { (0..stored.words.len()).map(cells).sum() } else { 0 });
        flips.push(changed);
        let param = &graph.params[layer.weight];
        read.insert(param.name.clone(), &param.shape, dequantize(&faulty));
    }
    let mut of_biases = Vec::new();
    for (layer, name) in graph.failing_biases().filter(|(layer, _)| biases[*layer]) {
        let (stored, place) =
            (weights.wide_words(name)?, Place { layer: layer as u32, address: 0 });
        let (words, flips) = faulty_bias(stored, &map, place.layer);
        let values = words.iter().enumerate().map(|(i, &word)| stored.value(i, word)).collect();
        let cells = (0..words.len() as u32).map(|i| map.faulty_in(Memory::Biases, place, i));
        let faulty_cells = cells.map(|of| u64::from((of.to_1 | of.to_0).count_ones())).sum();
        read.insert(name, &[words.len()], values);
        of_biases.push(FaultyBias { name: name.to_owned(), words, flips, faulty_cells });
    }
    Ok(FaultyWeights { weights: read, flips, faulty_cells, biases: of_biases })
}
