//! Packs a network's weights as stored words for a file, and reports how that changes them.

use super::{Graph, stored_layers};
use crate::{
    error::{Error, Result},
    fault::{dequantize, quantize},
    files::{Packed, PackedLayer, Weights},
    words,
};

/// Weights as stored words.
#[derive(Clone, Debug, PartialEq)]
pub struct Packing {
    /// The words.
    pub packed: Packed,
    /// Layers whose weights are not exactly what their words stand for.
    pub changed: usize,
    /// Of all weights, the one that changes most, in steps of its layer.
    pub largest: Option<Change>,
}

/// A weight whose stored word stands for another value.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Name of the tensor.
    pub name: String,
    /// Value before packing.
    pub from: f32,
    /// Value that the word stands for.
    pub to: f32,
    /// The difference in steps of its layer.
    pub steps: f64,
}

impl Packing {
    /// A line for the user: `the weights of all 9 layers are stored as 8-bit words, unchanged`.
    #[must_use]
    pub fn line(&self, layers: usize) -> String {
        let Packed { bits, layers: stored } = &self.packed;
        let of = match (stored.len(), layers) {
            (stored, layers) if stored == layers => format!("all {layers}"),
            (stored, layers) => format!("{stored} of {layers}"),
        };
        let begin = format!("the weights of {of} layers are stored as {bits}-bit words");
        let Some(Change { name, from, to, steps }) = &self.largest else {
            return format!("{begin}, unchanged");
        };
        let steps = words::percents(*steps, 2);
        format!(
            "{begin}; quantised, those of {} change, by at most {steps} steps ({name}: {from:e} to {to:e})",
            self.changed
        )
    }
}

impl Graph {
    /// Stores the weights of this network's layers as words of `bits`, for [`Weights::save_packed`].
    /// Quantising what such a file holds gives the same words and scales as quantising these weights,
    /// bit for bit. A layer for which this does not hold keeps its floats: a layer of zeros, which has
    /// no scale, or one of numbers so small that its step has only a few bits.
    ///
    /// # Errors
    /// As [`stored_layers`]; [`Error::Format`] where no layer can be stored so.
    pub fn pack(&self, weights: &Weights, bits: u32) -> Result<Packing> {
        let mut packing =
            Packing { packed: Packed { bits, layers: [].into() }, changed: 0, largest: None };
        for (layer, stored) in self.layers.iter().zip(stored_layers(self, weights, bits)) {
            let (param, stored) = (&self.params[layer.weight], stored?);
            let read = dequantize(&stored);
            if stored.scale() == 0.0 || quantize(&read, bits)? != stored {
                continue;
            }
            let step = f64::from(stored.scale());
            let data = &weights.get(&param.name, &param.shape)?.data;
            let changes = data.iter().zip(&read).filter(|(from, to)| from != to);
            let changes = changes.map(|(&from, &to)| Change {
                name: param.name.clone(),
                from,
                to,
                steps: (f64::from(from) - f64::from(to)).abs() / step,
            });
            let most = changes.max_by(|a, b| a.steps.total_cmp(&b.steps));
            packing.changed += usize::from(most.is_some());
            let before = packing.largest.as_ref().map_or(0.0, |change| change.steps);
            if let Some(most) = most.filter(|change| change.steps > before) {
                packing.largest = Some(most);
            }
            let words = stored.steps().into_iter().map(|step| step as i8).collect();
            let layer = PackedLayer { words, scale: stored.scale() };
            packing.packed.layers.insert(param.name.clone(), layer);
        }
        if packing.packed.layers.is_empty() {
            let what = format!("no layer of {} has weights that stored words can hold", self.name);
            return Err(Error::format(weights.name(), what, "leave out --packed"));
        }
        Ok(packing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fault::Quantized, models, nn::initialise};
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    /// What a file of packed weights holds when it is read again.
    fn through_a_file(weights: &Weights, packing: &Packing) -> Weights {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        weights.save_packed(&path, &packing.packed).unwrap();
        Weights::load(&path).unwrap()
    }

    fn words(graph: &Graph, weights: &Weights, bits: u32) -> Vec<Quantized> {
        stored_layers(graph, weights, bits).map(Result::unwrap).collect()
    }

    /// A network of many small layers whose weights have every order of magnitude of f32.
    fn of_any_size(seed: u64) -> (Graph, Weights) {
        let mut graph = Graph::new("many", [5, 1, 1]);
        for i in 0..300 {
            graph.linear(graph.output(), &format!("layer{i}"), 5).unwrap();
        }
        let (mut weights, mut random) = (initialise(&graph, true, 1), StdRng::seed_from_u64(seed));
        for (i, layer) in graph.layers.iter().enumerate() {
            // Every third layer has subnormal or very small weights, with steps of a few bits or of
            // many.
            let exponent = match i % 3 {
                0 => random.random_range(-149..-120),
                _ => random.random_range(-120..124),
            };
            let tensor = weights.tensors.get_mut(&graph.params[layer.weight].name).unwrap();
            for weight in &mut tensor.data {
                *weight = (random.random_range(-1.0..1.0) * 2f64.powi(exponent)) as f32;
            }
        }
        (graph, weights)
    }

    #[test]
    fn quantised_again_the_words_and_scales_are_those_of_the_floats() {
        let (mut kept, mut stored) = (0, 0);
        for bits in 2..=8 {
            for seed in 0..20 {
                let (graph, weights) = of_any_size(100 * u64::from(bits) + seed);
                let packing = graph.pack(&weights, bits).unwrap();
                let read = through_a_file(&weights, &packing);
                let (before, after) = (words(&graph, &weights, bits), words(&graph, &read, bits));
                for (i, (before, after)) in before.iter().zip(&after).enumerate() {
                    let name = &graph.params[graph.layers[i].weight].name;
                    assert_eq!(before, after, "{bits} bits, seed {seed}, {name}");
                    let layer = packing.packed.layers.get(name);
                    kept += usize::from(layer.is_none());
                    stored += usize::from(layer.is_some());
                    // A step of at least 128 times the smallest float is fine enough for the largest
                    // word to reach.
                    assert!(layer.is_some() || before.scale().to_bits() < 128, "{name}");
                }
            }
        }
        assert!(kept > 100 && stored > 28_000, "{kept} layers kept their floats, {stored} did not");
    }

    /// Tries scales with many significands. For one float in 128 its product with 127 is a rounding
    /// tie, and quantising again would turn such a step into its neighbour; but quantisation never
    /// produces such a step.
    #[test]
    fn no_scale_becomes_its_neighbour() {
        for bits in 2..=8 {
            for seed in 0..100_000u32 {
                let largest = f32::from_bits(0x3f80_0000 | seed.wrapping_mul(0x9e37_79b9) >> 9);
                let stored = quantize(&[largest, -0.3 * largest], bits).unwrap();
                assert_eq!(quantize(&dequantize(&stored), bits).unwrap(), stored, "{largest:e}");
            }
        }
        let tie = f32::from_bits(1.5f32.to_bits() + 64);
        assert_ne!(quantize(&[127.0 * tie, tie], 8).unwrap().scale(), tie);
    }

    #[test]
    fn what_changes_is_said() {
        let graph = models::base("vgg-small", 10, None).unwrap();
        let mut weights = initialise(&graph, true, 1);
        let name = "classifier.weight";
        let row = weights.tensors.get_mut(name).unwrap();
        row.data.fill(0.0);
        row.data[..3].copy_from_slice(&[1.27, 0.0149, -0.5]);
        let packing = graph.pack(&weights, 8).unwrap();
        let read = through_a_file(&weights, &packing);
        assert_eq!(packing.changed, graph.layers.len());
        // No weight changes by more than half a step, and the named weight changes by as much as is
        // said.
        let largest = packing.largest.clone().unwrap();
        assert!((0.4999..=0.5001).contains(&largest.steps), "{largest:?}");
        let (before, after) = (&weights.tensors[&largest.name], &read.tensors[&largest.name]);
        let is_it = |(from, to): (&f32, &f32)| (*from, *to) == (largest.from, largest.to);
        assert!(before.data.iter().zip(&after.data).any(is_it));
        let says = "the weights of all 5 layers are stored as 8-bit words; quantised, those of 5 change, by at most 0.5";
        assert!(packing.line(5).starts_with(says), "{}", packing.line(5));
        // Packing the words again leaves them unchanged.
        let again = graph.pack(&read, 8).unwrap();
        assert_eq!((&again.packed, again.changed, &again.largest), (&packing.packed, 0, &None));
        assert_eq!(
            again.line(5),
            "the weights of all 5 layers are stored as 8-bit words, unchanged"
        );
        // A layer of zeros has no scale.
        let mut zeros = weights;
        zeros.tensors.get_mut(name).unwrap().data.fill(0.0);
        let packing = graph.pack(&zeros, 8).unwrap();
        assert!(!packing.packed.layers.contains_key(name));
        assert!(packing.line(5).starts_with("the weights of 4 of 5 layers"));
        assert_eq!(through_a_file(&zeros, &packing).tensors[name].data, [0.0; 1280]);
        let uip = models::generator("UIP", [3, 32, 32]).unwrap();
        let error = uip.pack(&initialise(&uip, false, 1), 8).unwrap_err();
        assert!(error.to_string().contains("no layer of UIP"), "{error}");
    }
}
