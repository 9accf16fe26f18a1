//! Where a network's weights lie in a memory that can fail.

use super::graph::{Graph, Layer};
use crate::{
    error::{Error, Result},
    fault::{Description, Faults, Mapping, Place, Placed},
};

impl Graph {
    /// Where the stored words of each faultable layer are.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        Place::of_layers(self.layers.iter().map(|l| u64::from(l.shape.len())))
    }

    /// Places of the stored words under faults, whose measured map may have its own layout; with such a
    /// map, also the number of its words up to the last one in use.
    ///
    /// # Errors
    /// A layout that does not fit this network; faults in none of its layers.
    pub fn places_under(&self, faults: &Faults) -> Result<(Vec<Place>, Option<u64>)> {
        let bytes = faults.bytes_per_weight();
        let Some(profile) = faults.measured() else {
            let lengths = self.layers.iter().map(|l| bytes * u64::from(l.shape.len()));
            return Ok((Place::of_layers(lengths), None));
        };
        if profile.cells.mapping == Mapping::Reference && bytes > 1 {
            let what = "the mapping of the paper's code is one of weights of a byte each";
            return Err(Error::argument("--mapping", what, "use the linear mapping"));
        }
        let can_fail = self.chosen(faults)?.weights;
        let layers = self.layer_names().zip(&self.layers).zip(can_fail);
        let layers = layers.map(|((name, layer), can_fail)| Placed {
            name,
            bytes: bytes * u64::from(layer.shape.len()),
            can_fail,
        });
        let (places, reach) = profile.places(&layers.collect::<Vec<_>>())?;
        Ok((places, Some(reach)))
    }

    /// What a user should know of the measured map of `faults` under this network, one remark per line.
    pub fn remarks(&self, faults: &Faults) -> Result<Vec<String>> {
        let (_, reach) = self.places_under(faults)?;
        let of_map = faults.measured().zip(reach);
        let mut remarks = of_map.map_or_else(Vec::new, |(profile, reach)| profile.remarks(reach));
        if let Some(pattern) = faults.pattern() {
            let bytes = faults.bytes_per_weight();
            let words = |l: &Layer| (bytes * u64::from(l.shape.len())).div_ceil(4);
            let needed = self.layers.iter().map(words).sum();
            remarks.extend(pattern.remark(needed));
        }
        Ok(remarks)
    }

    /// The description of faults in this network, for a document.
    #[must_use]
    pub fn described(&self, faults: &Faults) -> Description {
        // A layout that does not fit was refused long before there were results.
        faults.described(self.places_under(faults).ok().and_then(|(_, reach)| reach))
    }

    /// What fails in this network.
    ///
    /// # Errors
    /// [`Error::Argument`]: nothing can fail, or a pattern of `--layers` fits nothing; the message lists the names.
    pub fn chosen(&self, faults: &Faults) -> Result<FailingParts> {
        let of_weights = self.layer_names().filter(|_| faults.memories().weights);
        let mut names: Vec<&str> = of_weights.collect();
        let weights = names.len();
        names.extend(self.failing_biases().map(|(_, name)| name));
        let biases = names.len();
        names.extend(self.failing().map(|of| of.name.as_str()));
        let mut chosen = faults.layers.of(names)?;
        let activations = chosen.split_off(biases);
        let of_biases = chosen.split_off(weights);
        chosen.resize(self.layers.len(), false);
        let mut biases = vec![false; self.layers.len()];
        self.failing_biases().zip(of_biases).for_each(|((i, _), chosen)| biases[i] = chosen);
        Ok(FailingParts { weights: chosen, biases, activations })
    }
}

/// Which parts of a network fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailingParts {
    /// For each layer, whether its weights fail.
    pub weights: Vec<bool>,
    /// For each layer, whether its bias fails.
    pub biases: Vec<bool>,
    /// For each quantised activation behind a layer ([`Graph::failing`]), whether it fails; empty where none can.
    pub activations: Vec<bool>,
}
