//! The document of `nf-gpu eval --json`. Accuracies are per cent.

mod energy;
mod perturbed;
mod study;

pub use energy::{Energy, Savings};
pub use perturbed::{
    ClassCounts, FaultDetail, FlippedBits, LayerFlips, LayoutDetail, LotDetail, MapDetail,
    Perturbed, Spread,
};
pub use study::{Part, Protected, Sensitivity};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    data::{DEFAULT_DIR, Subset, Which},
    error::Result,
    files::atomic,
    report::measure::Measure,
};

/// Version of the document.
pub const VERSION: u32 = 1;

/// Labels that are the answers of the network without faults to the images as they are.
pub const CLEAN_NETWORK: &str = "clean network";

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
    /// Precision in which inputs and weights enter products, `f32` or `f16`; absent in documents from
    /// before there was a choice, which are f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Accuracies without faults.
    pub clean: Clean,
    /// The generator in front, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Accuracies with faults, an entry per fault model and rate.
    pub perturbed: Vec<Perturbed>,
    /// Energy at the first rate whose voltage is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
    /// What single bits and layers contribute, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// How the user named what was evaluated; empty in documents from before it was kept.
    #[serde(default, skip_serializing_if = "Given::is_empty")]
    pub given: Given,
}

/// Files and data as the user named them, seen from the folder where the program ran: what is needed to
/// do it again. Whether they are still there, and still the same, is told by their SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Given {
    /// File of the base network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<PathBuf>,
    /// File of the generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<PathBuf>,
    /// The data set: its name, or its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The folder of data sets, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Flags, and their values, of which nothing else in the document tells.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, String>,
}

impl Given {
    /// A base network, a generator, a data set and its folder; of the usual folder nothing is said.
    pub(crate) fn new(
        base: &Path,
        generator: Option<&Path>,
        dataset: &str,
        data_dir: &Path,
    ) -> Self {
        Self {
            base: Some(base.to_owned()),
            generator: generator.map(Path::to_owned),
            dataset: Some(dataset.to_owned()),
            data_dir: Some(data_dir.to_owned()).filter(|dir| dir != Path::new(DEFAULT_DIR)),
            flags: BTreeMap::new(),
        }
    }

    /// The same with a flag, where it was given.
    #[must_use]
    pub(crate) fn with(mut self, flag: &str, value: Option<String>) -> Self {
        self.flags.extend(value.map(|value| (flag.to_owned(), value)));
        self
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
    /// Which of the split, where they are not all; absent in documents from before, which hold the first ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// Names of the classes, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// What the labels are, where the images have none of their own: [`CLEAN_NETWORK`]. What is called
    /// accuracy is agreement with these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
}

impl Dataset {
    /// Which images of a data set: the split, how many, and over how many they are spread, if they are.
    /// Documents that agree in it are of the same images.
    #[must_use]
    pub fn which(&self) -> (&str, u64, Option<u64>) {
        let spread = self.subset.filter(|subset| subset.which == Which::Spread);
        (&self.split, self.images, spread.map(|subset| subset.of))
    }

    /// What the accuracies of these images are.
    #[must_use]
    pub fn measure(&self) -> Measure {
        Measure::agreement(self.labels.is_some())
    }

    /// The same in words; `count` writes the numbers.
    #[must_use]
    pub fn words(&self, count: impl Fn(u64) -> String) -> String {
        Subset::words(self.subset, self.images, &self.split, count)
    }
}

/// Accuracies without faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clean {
    /// CA.
    pub accuracy: f64,
    /// CA(NF).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_nf: Option<f64>,
    /// Answers per class, on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassCounts>,
    /// The same behind the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes_nf: Option<ClassCounts>,
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
        dataset: Dataset {
            name: text("cifar10"),
            split: text("test"),
            images: 10_000,
            subset: None,
            classes: Vec::new(),
            labels: None,
        },
        precision: 8,
        dtype: Some(text("f32")),
        clean: Clean { accuracy: 92.6, accuracy_nf: Some(89.8), ..Clean::default() },
        generator: Some(Generator { name: text("ConvL"), file_sha256: text("11") }),
        perturbed: vec![Perturbed::new(
            "stuck-at",
            0.01,
            &[50_000, 50_001],
            &[30.0, 50.0],
            Some(&[80.0, 90.0]),
            flips,
        )],
        energy: Some(Energy { saving_percent: 19.0, ..Energy::default() }),
        sensitivity: None,
        given: Given::default(),
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
            "dtype": "f32",
            "clean": {"accuracy": 92.6, "accuracy_nf": 89.8},
            "generator": {"name": "ConvL", "file_sha256": "11"},
            "perturbed": [{"faults": "stuck-at", "ber": 0.01, "seeds": [50000, 50001],
                "accuracy": {"mean": 40.0, "std": 10.0, "interval": [0.0, 100.0],
                    "each": [30.0, 50.0]},
                "accuracy_nf": {"mean": 85.0, "std": 5.0, "interval": [21.47, 100.0],
                    "each": [80.0, 90.0]},
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
