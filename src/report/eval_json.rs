//! The document of `nf-gpu eval --json` (`cli.md`). Accuracies are per cent.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{error::Result, files::atomic};

/// Version of the document.
pub const VERSION: u32 = 1;

/// What `eval` found for one generator, or without any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// [`VERSION`].
    pub version: u32,
    /// Where it ran.
    pub adapter: Adapter,
    /// Commit of the program.
    pub commit: String,
    /// The network under protection.
    pub base: Base,
    /// The images.
    pub dataset: Dataset,
    /// Bits per stored weight.
    pub precision: u32,
    /// Accuracies without faults.
    pub clean: Clean,
    /// The generator in front, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Accuracies with faults, an entry per fault model and rate.
    pub perturbed: Vec<Perturbed>,
    /// Energy, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
}

/// The adapter that did the work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// Vulkan, Metal, DX12 or GL.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
}

/// A base network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its model, such as `resnet20`.
    pub model: String,
    /// SHA-256 of its file.
    pub file_sha256: String,
}

/// A generator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generator {
    /// Its name, such as `ConvL`.
    pub name: String,
    /// SHA-256 of its file.
    pub file_sha256: String,
}

/// The images that were classified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Name of the data set.
    pub name: String,
    /// `test`, `train` or `held-out`.
    pub split: String,
    /// How many.
    pub images: u64,
}

/// Accuracies without faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clean {
    /// CA.
    pub accuracy: f64,
    /// CA(NF).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_nf: Option<f64>,
}

/// Accuracies under one fault model at one rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perturbed {
    /// The fault model, as `--faults` takes it.
    pub faults: String,
    /// Probability that a cell is faulty.
    pub ber: f64,
    /// A fault map each.
    pub seeds: Vec<u64>,
    /// PA.
    pub accuracy: Spread,
    /// PA(NF).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_nf: Option<Spread>,
    /// RP = PA(NF) - PA, in percentage points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<f64>,
    /// Bits that the faults changed.
    pub flipped_bits: FlippedBits,
}

impl Perturbed {
    /// Puts an entry together; `accuracy` and `accuracy_nf` are per seed.
    #[must_use]
    pub fn new(
        faults: impl Into<String>,
        ber: f64,
        seeds: &[u64],
        accuracy: &[f64],
        accuracy_nf: Option<&[f64]>,
        flipped_bits: FlippedBits,
    ) -> Self {
        let accuracy = Spread::of(accuracy);
        let accuracy_nf = accuracy_nf.map(Spread::of);
        let recovery = accuracy_nf.as_ref().map(|nf| nf.mean - accuracy.mean);
        let (faults, seeds) = (faults.into(), seeds.to_vec());
        Self { faults, ber, seeds, accuracy, accuracy_nf, recovery, flipped_bits }
    }
}

/// A value per seed, and their mean and standard deviation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean; 0 without values.
    pub mean: f64,
    /// Population standard deviation (divided by n, as the paper's); 0 without values.
    pub std: f64,
    /// The values, in the order of the seeds.
    pub each: Vec<f64>,
}

impl Spread {
    /// Mean and population standard deviation of `each`.
    #[must_use]
    pub fn of(each: &[f64]) -> Self {
        let n = each.len().max(1) as f64;
        let mean = each.iter().sum::<f64>() / n;
        let variance = each.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        Self { mean, std: variance.sqrt(), each: each.to_vec() }
    }
}

/// Stored bits that the faults changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlippedBits {
    /// Share of all stored bits, a mean over the seeds.
    pub mean_rate: f64,
    /// Number of them, per seed.
    pub each: Vec<u64>,
    /// Number of them at bit 0 (least significant), 1, ... of the stored weight, over all seeds.
    pub per_bit: Vec<u64>,
}

impl FlippedBits {
    /// From counts: `cells` stored bits in the network, changed ones per seed and per position.
    #[must_use]
    pub fn new(cells: u64, each: &[u64], per_bit: &[u64]) -> Self {
        let all = cells as f64 * each.len() as f64;
        let mean_rate = if all > 0.0 { each.iter().sum::<u64>() as f64 / all } else { 0.0 };
        Self { mean_rate, each: each.to_vec(), per_bit: per_bit.to_vec() }
    }
}

/// Energy of the memory accesses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Saved against running at the nominal voltage without a generator, in per cent.
    pub saving_percent: f64,
}

/// The document: one evaluation, or one per generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Document {
    /// Several generators were given.
    Several {
        /// An evaluation per generator.
        runs: Vec<Evaluation>,
    },
    /// One generator, or none.
    One(Box<Evaluation>),
}

impl Document {
    /// The document for one evaluation, or for several.
    #[must_use]
    pub fn new(mut runs: Vec<Evaluation>) -> Self {
        match runs.pop() {
            Some(only) if runs.is_empty() => Self::One(Box::new(only)),
            last => {
                runs.extend(last);
                Self::Several { runs }
            }
        }
    }

    /// JSON for a person's eyes, with a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Cannot fail: the document has no maps with keys other than text.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Writes [`Document::to_json`], whole or not at all.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::write(path, self.to_json())
    }
}

/// Per cent of `images` that were classified correctly; 0 without images.
#[must_use]
pub fn percent(correct: u64, images: u64) -> f64 {
    // The multiplication first: 9173 of 10,000 is then 91.73 and not 91.73000000000002.
    100.0 * correct as f64 / images.max(1) as f64
}

#[cfg(test)]
pub(crate) fn sample() -> Evaluation {
    let flips = FlippedBits::new(1000, &[4, 6], &[1, 2, 3, 4, 0, 0, 0, 0]);
    let text = str::to_owned;
    Evaluation {
        version: VERSION,
        adapter: Adapter { name: text("a"), backend: text("Vulkan"), driver: text("d 1") },
        commit: text("abc"),
        base: Base { model: text("resnet18"), file_sha256: text("00") },
        dataset: Dataset { name: text("cifar10"), split: text("test"), images: 10_000 },
        precision: 8,
        clean: Clean { accuracy: 92.6, accuracy_nf: Some(89.8) },
        generator: Some(Generator { name: text("ConvL"), file_sha256: text("11") }),
        perturbed: vec![Perturbed::new(
            "stuck-at",
            0.01,
            &[50_000, 50_001],
            &[30.0, 50.0],
            Some(&[80.0, 90.0]),
            flips,
        )],
        energy: Some(Energy { saving_percent: 19.0 }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_document_is_the_one_of_the_contract() {
        let wanted = json!({"version": 1,
            "adapter": {"name": "a", "backend": "Vulkan", "driver": "d 1"}, "commit": "abc",
            "base": {"model": "resnet18", "file_sha256": "00"},
            "dataset": {"name": "cifar10", "split": "test", "images": 10000}, "precision": 8,
            "clean": {"accuracy": 92.6, "accuracy_nf": 89.8},
            "generator": {"name": "ConvL", "file_sha256": "11"},
            "perturbed": [{"faults": "stuck-at", "ber": 0.01, "seeds": [50000, 50001],
                "accuracy": {"mean": 40.0, "std": 10.0, "each": [30.0, 50.0]},
                "accuracy_nf": {"mean": 85.0, "std": 5.0, "each": [80.0, 90.0]},
                "recovery": 45.0,
                "flipped_bits": {"mean_rate": 0.005, "each": [4, 6],
                    "per_bit": [1, 2, 3, 4, 0, 0, 0, 0]}}],
            "energy": {"saving_percent": 19.0}});
        let document = Document::new(vec![sample()]);
        let text = document.to_json();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), wanted);
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
    }

    #[test]
    fn without_a_generator_its_fields_are_absent() {
        let mut e = sample();
        (e.generator, e.energy, e.clean.accuracy_nf) = (None, None, None);
        e.perturbed =
            vec![Perturbed::new("flip", 0.01, &[1], &[50.0], None, FlippedBits::default())];
        let text = Document::new(vec![e]).to_json();
        for absent in ["_nf", "generator", "recovery", "energy", "null"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }

    #[test]
    fn several_generators_are_runs() {
        let document = Document::new(vec![sample(), sample()]);
        let value: Value = serde_json::from_str(&document.to_json()).unwrap();
        assert_eq!(value["runs"].as_array().unwrap().len(), 2);
        assert_eq!(value["runs"][1]["precision"], 8);
        assert_eq!(serde_json::from_value::<Document>(value).unwrap(), document);
    }

    #[test]
    fn the_deviation_is_the_populations_and_a_per_cent_is_short() {
        assert_eq!(Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).std, 2.0);
        assert_eq!((Spread::of(&[]).mean, Spread::of(&[]).std), (0.0, 0.0));
        assert_eq!(percent(9173, 10_000).to_string(), "91.73");
        assert_eq!(percent(0, 0), 0.0);
        assert_eq!(FlippedBits::new(0, &[], &[]).mean_rate, 0.0);
    }
}
