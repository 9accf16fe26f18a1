//! Faults in the weights of a whole network on the host: what an [`super::Injector`] does on a GPU, bit
//! for bit.

use super::Graph;
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips, Quantized, dequantize, inject, quantize},
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
}

/// Quantises the layers of a network one by one.
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
        quantize(&weights.get(&param.name, &param.shape)?.data, bits).map_err(|error| match error {
            Error::Shape(what) => {
                let hint =
                    "such weights are no trained ones: check the file, and what its tensors are";
                Error::format(weights.name(), format!("tensor {}: {what}", param.name), hint)
            }
            other => other,
        })
    })
}

/// The weights of each layer as `bits` can store them, by the name of their tensor, in its order.
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
    let (chosen, map) = (faults.layers.of(graph.layer_names())?, faults.map(seed)?);
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
/// A tensor is missing, has another shape or is not finite; `bits` is not from 2 to 8, or none of the
/// bits can fail; the network lacks the layers that can fail; the seed has no map.
pub fn faulty_weights(
    (graph, weights): (&Graph, &Weights),
    bits: u32,
    faults: &Faults,
    seed: u64,
) -> Result<FaultyWeights> {
    faults.positions.stored(bits)?;
    let (chosen, map) = (faults.layers.of(graph.layer_names())?, faults.map(seed)?);
    let (mut read, mut flips, mut faulty_cells) = (weights.clone(), Vec::new(), Vec::new());
    let (places, _) = graph.places_under(faults)?;
    let layers = stored_layers(graph, weights, bits).zip(places).zip(chosen);
    for (((stored, place), chosen), layer) in layers.zip(&graph.layers) {
        let stored = stored?;
        let (faulty, changed) =
            if chosen { inject(&stored, &map, place) } else { (stored.clone(), Flips::default()) };
        let cells = |i: usize| {
            let cells = map.faulty(place, i as u32);
            u64::from(((cells.to_1 | cells.to_0) & stored.stored_bits(i)).count_ones())
        };
        faulty_cells.push(if chosen { (0..stored.words.len()).map(cells).sum() } else { 0 });
        flips.push(changed);
        let param = &graph.params[layer.weight];
        read.insert(param.name.clone(), &param.shape, dequantize(&faulty));
    }
    Ok(FaultyWeights { weights: read, flips, faulty_cells })
}
