//! The document of `nf-gpu eval --json`. Accuracies are per cent.

mod energy;
mod perturbed;
mod savings;
mod shard;
mod study;

pub use crate::fault::Description;
pub use energy::Energy;
pub use perturbed::{ClassCounts, FlippedBits, LayerFlips, Perturbed, Spread};
pub use savings::Savings;
pub use shard::{Shard, ShardRecord};
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
    report::documents::measure::Measure,
    words,
};

/// Version of the document's format.
pub const VERSION: u32 = 1;

/// Value of [`EvaluatedSet::labels`] if the labels are the answers of the network without faults to the original
/// images.
pub const CLEAN_NETWORK: &str = "clean network";

/// The results of `eval` for one generator, or without a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// [`VERSION`].
    pub version: u32,
    /// The adapter that computed the results.
    pub adapter: Adapter,
    /// Commit of the program.
    pub commit: String,
    /// The network under protection.
    pub base: Base,
    /// The images.
    pub dataset: EvaluatedSet,
    /// Bits per stored weight.
    pub precision: u32,
    /// Precision in which inputs and weights enter products, `f32` or `f16`; absent in documents that were
    /// written before f16 was introduced, which are f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Accuracies without faults.
    pub clean: Clean,
    /// The generator in front, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<EvaluatedGenerator>,
    /// Accuracies with faults, an entry per fault model and rate.
    pub perturbed: Vec<Perturbed>,
    /// Energy at the first rate whose voltage is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
    /// The contributions of single bits and layers, on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// The share of the fault maps that these results are of; absent where they are of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardRecord>,
    /// The files and data as the user named them; empty in documents that were written before these were
    /// recorded.
    #[serde(default, skip_serializing_if = "Given::is_empty")]
    pub given: Given,
}

/// Files and data as the user named them, relative to the folder in which the program ran, so that the
/// evaluation can be repeated. Their SHA-256 tells whether the files still exist unchanged.
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
    /// The folder of data sets, where it is not the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Further flags and their values, which no other field of the document records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, String>,
}

impl Given {
    /// Records a base network, a generator, a data set and its folder, which is left out if it is the
    /// default.
    pub(crate) fn new(
        base: &Path,
        generator: Option<&Path>,
        dataset: &str,
        data_dir: &Path,
    ) -> Self {
        let written = |path: &Path| PathBuf::from(words::path(path));
        Self {
            base: Some(written(base)),
            generator: generator.map(written),
            dataset: Some(dataset.to_owned()),
            data_dir: Some(written(data_dir)).filter(|dir| dir != Path::new(DEFAULT_DIR)),
            flags: BTreeMap::new(),
        }
    }

    /// Adds a flag, if it was given.
    #[must_use]
    pub(crate) fn with(mut self, flag: &str, value: Option<String>) -> Self {
        self.flags.extend(value.map(|value| (flag.to_owned(), value)));
        self
    }

    /// Adds several flags, those that were given.
    #[must_use]
    pub(crate) fn with_all(
        self,
        flags: impl IntoIterator<Item = (&'static str, Option<String>)>,
    ) -> Self {
        flags.into_iter().fold(self, |given, (flag, value)| given.with(flag, value))
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The adapter that did the work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// Name of the adapter.
    pub name: String,
    /// Vulkan, Metal, DX12 or GL.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
}

/// A base network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Name of the model, such as `resnet20`.
    pub model: String,
    /// SHA-256 of the weights file.
    pub file_sha256: String,
}

/// A generator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluatedGenerator {
    /// Name of the generator, such as `ConvL`.
    pub name: String,
    /// SHA-256 of the generator's file.
    pub file_sha256: String,
}

/// The images that were classified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluatedSet {
    /// Name of the data set.
    pub name: String,
    /// `test`, `train` or `held-out`.
    pub split: String,
    /// Number of images.
    pub images: u64,
    /// Which images of the split, where not all were used; absent in older documents, which used the first
    /// ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// Names of the classes, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The source of the labels, where the images have none of their own: [`CLEAN_NETWORK`]. The accuracies
    /// are then agreement with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
}

impl EvaluatedSet {
    /// Identifies the images: the split, their number, and the number over which they are spread, if they
    /// are. Documents in which these agree used the same images.
    pub fn which(&self) -> (&str, u64, Option<u64>) {
        let spread = self.subset.filter(|subset| subset.which == Which::Spread);
        (&self.split, self.images, spread.map(|subset| subset.of))
    }

    /// Whether the numbers are accuracies or agreement.
    pub fn measure(&self) -> Measure {
        Measure::agreement(self.labels.is_some())
    }

    /// The images in words; `count` formats the numbers.
    pub fn words(&self, count: impl Fn(u64) -> String) -> String {
        Subset::words(self.subset, self.images, &self.split, count)
    }
}

/// Accuracies without faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clean {
    /// CA: clean network.
    pub accuracy: f64,
    /// CA(NF): clean network behind the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_nf: Option<f64>,
    /// Answers per class, on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassCounts>,
    /// Answers per class behind the generator, on request.
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

    /// Indented JSON with a newline at the end.
    pub fn to_json(&self) -> String {
        // Serialisation cannot fail, because all maps in the document have text as keys.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Writes [`Document::to_json`], whole or not at all.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::write(path, self.to_json())
    }
}

/// Share in per cent of `images` that were classified correctly; 0 without images.
pub fn percent(correct: u64, images: u64) -> f64 {
    // Multiplying first gives 91.73 for 9173 of 10,000, and not 91.73000000000002.
    100.0 * correct as f64 / images.max(1) as f64
}

#[cfg(test)]
pub(crate) fn stuck_at(ber: f64) -> Description {
    let faults = crate::fault::Faults::new(crate::fault::FaultModel::StuckAt, ber);
    faults.unwrap_or_default().described(None)
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
        dataset: EvaluatedSet {
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
        generator: Some(EvaluatedGenerator { name: text("ConvL"), file_sha256: text("11") }),
        perturbed: vec![Perturbed::new(
            stuck_at(0.01),
            &[50_000, 50_001],
            &[30.0, 50.0],
            Some(&[80.0, 90.0]),
            flips,
        )],
        energy: Some(Energy { saving_percent: 19.0, ..Energy::default() }),
        sensitivity: None,
        shard: None,
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
            vec![Perturbed::new(stuck_at(0.01), &[1], &[50.0], None, FlippedBits::default())];
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
