//! A base network from a file: its kind, the input that it expects, the data set that it was trained
//! on.

use crate::{
    data::{self, ImageSet},
    error::{Error, Result},
    eval,
    fault::{Faults, FloatFormat, bit_grid, check_bits},
    files::{Normalisation, StoredWords, Weights, sha256},
    kernels::plan::Dtype,
    models,
    nn::{Graph, Stored},
    onnx::{self, ReadOptions},
    report::eval_json::Given,
    run::Gpu,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Key in the metadata of a file whose weights have faults already (`nf-gpu inject`).
pub const INJECTED: &str = "injected";

/// Number of images of a batch when a network is evaluated or its answers are taken as labels.
pub(super) const EVAL_BATCH: u32 = 100;

/// A base network with its weights, from a weights file or an ONNX file.
#[derive(Clone, Debug)]
pub struct BaseNet {
    /// The network.
    pub graph: Graph,
    /// Its weights.
    pub weights: Weights,
    /// Name of the network; of an ONNX file's, the file's without its ending.
    pub model: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// What the command line says about a base network where its file does not.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
pub struct BaseHints {
    /// Name of the base network, where its file does not say
    #[arg(long, value_name = "NAME")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Channels, rows and columns of images, where an ONNX file leaves them open
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_shape: Option<Vec<u32>>,
    /// Mean of the base's input per channel, of values from 0 to 1 (default: the file's)
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_mean: Option<Vec<f32>>,
    /// Standard deviation of the base's input per channel
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_std: Option<Vec<f32>>,
}

impl BaseHints {
    /// Adds these flags to a document.
    pub(crate) fn note(&self, given: Given) -> Given {
        let list = |numbers: &Option<Vec<f32>>| {
            let numbers = numbers.as_ref()?.iter().map(f32::to_string);
            Some(numbers.collect::<Vec<_>>().join(","))
        };
        given
            .with("--model", self.model.clone())
            .with("--input-shape", self.input_shape.as_ref().map(|shape| shape_text(shape)))
            .with("--input-mean", list(&self.input_mean))
            .with("--input-std", list(&self.input_std))
    }

    /// The input that the network expects: from the flags, else from its file.
    ///
    /// # Errors
    /// One flag of the pair without the other, not three numbers, values that data from 0 to 1 cannot
    /// have, or metadata that is not understood.
    pub fn normalisation(&self, weights: &Weights) -> Result<Option<Normalisation>> {
        let three = |flag: &str, values: &[f32]| match values {
            &[r, g, b] if values.iter().all(|v| v.is_finite()) => Ok([r, g, b]),
            _ => Err(Error::argument(flag, "three numbers are needed", "as in 0.485,0.456,0.406")),
        };
        let Some((mean, std)) = self.mean_and_std()? else { return weights.normalisation() };
        let (mean, std) = (three("--input-mean", mean)?, three("--input-std", std)?);
        let checked = Normalisation::of(mean, std).map(Some);
        checked.map_err(|(what, hint)| Error::argument("--input-mean", what, hint))
    }

    /// Mean and standard deviation, of which both are given or none.
    fn mean_and_std(&self) -> Result<Option<(&Vec<f32>, &Vec<f32>)>> {
        if self.input_mean.is_some() != self.input_std.is_some() {
            let hint = "give both --input-mean and --input-std";
            return Err(Error::argument("--input-mean", "only one of the two is given", hint));
        }
        Ok(self.input_mean.as_ref().zip(self.input_std.as_ref()))
    }

    /// What an ONNX file does not say of itself, from the flags.
    ///
    /// # Errors
    /// Not three numbers of `--input-shape`; one flag of mean and deviation without the other.
    pub fn read_options(&self) -> Result<ReadOptions> {
        let input_shape = match self.input_shape.as_deref() {
            None => None,
            Some(&[c, h, w]) if c.min(h).min(w) > 0 => Some([c, h, w]),
            Some(other) => {
                let what = format!("{} is not the shape of an image", shape_text(other));
                let hint = "give channels, rows and columns, as in 3,224,224";
                return Err(Error::argument("--input-shape", what, hint));
            }
        };
        let normalisation = self.mean_and_std()?.map(|(mean, std)| (mean.clone(), std.clone()));
        Ok(ReadOptions { input_shape, normalisation })
    }
}

/// Refuses a file that says which faults its weights have already.
fn without_faults(path: &Path, injected: Option<&str>) -> Result<()> {
    let Some(faults) = injected else { return Ok(()) };
    let what = format!("its weights have faults already: {faults}");
    let hint =
        "give the clean network, and the faults as flags: those are drawn in words without faults";
    Err(Error::format(path, what, hint))
}

fn shape_text(shape: &[u32]) -> String {
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

impl BaseNet {
    /// Loads a weights file, or an ONNX file. The number of classes follows from its last layer.
    pub fn load(path: &Path, hints: &BaseHints) -> Result<Self> {
        if onnx::is_onnx(path) {
            return Self::load_onnx(path, hints);
        }
        if hints.input_shape.is_some() {
            let what = "only an ONNX file may leave the shape of images open";
            return Err(Error::argument("--input-shape", what, "leave it out"));
        }
        let weights = Weights::load(path)?;
        without_faults(path, weights.meta(INJECTED))?;
        let model = weights.network(hints.model.as_ref(), "--model", &models::base_names())?;
        let normalisation = hints.normalisation(&weights)?.map(|n| (n.mean, n.std));
        let classes = models::classes(&model, &weights)?;
        let graph = models::base(&model, classes, normalisation)?;
        graph.check(&weights)?;
        let model = graph.name.clone();
        Ok(Self { graph, weights, model, sha256: sha256(path)? })
    }

    fn load_onnx(path: &Path, hints: &BaseHints) -> Result<Self> {
        let read = onnx::load(path, &hints.read_options()?)?;
        without_faults(path, read.metadata.get(INJECTED).map(String::as_str))?;
        let (mut graph, weights) = (read.graph, read.weights);
        // A record may call the network by the name that its file had then.
        if let Some(model) = &hints.model {
            model.clone_into(&mut graph.name);
        }
        let model = graph.name.clone();
        Ok(Self { graph, weights, model, sha256: sha256(path)? })
    }

    /// Stores the weights of all layers as floats of 16 bits (`--stored`), rounded to the nearest. Without a format
    /// nothing changes.
    ///
    /// # Errors
    /// [`Error::Argument`] for a network that is quantised; [`Error::Format`] for a weight that the format does not reach.
    pub fn store(&mut self, format: Option<FloatFormat>) -> Result<()> {
        let Some(format) = format else { return Ok(()) };
        if !self.weights.words.is_empty() {
            let what = "the file stores words of its own, and faults hit those";
            return Err(Error::argument("--stored", what, "leave it out"));
        }
        for layer in &self.graph.layers {
            let param = &self.graph.params[layer.weight];
            let weights = &self.weights.get(&param.name, &param.shape)?.data;
            let words = StoredWords::floats(weights, format).map_err(|error| {
                let what = format!("tensor {}: {error}", param.name);
                let hint =
                    "bf16 reaches as far as f32; weights that are not finite are no trained ones";
                Error::format(&self.weights.origin, what, hint)
            })?;
            self.weights.insert_words(param.name.clone(), &param.shape, words);
        }
        Ok(())
    }

    /// Stores what can fail as the faults say: floats of 16 bits ([`Self::store`]), and biases and quantised activations in
    /// a memory that fails.
    ///
    /// # Errors
    /// Those of [`Self::store`]; [`Error::Argument`] for faults in activations where none is quantised behind a layer, or one has
    /// words of more than 8 bits, and in biases that are no words.
    pub fn suffer(&mut self, faults: &Faults) -> Result<()> {
        self.store(faults.stored())?;
        self.graph.activations_fail = faults.memories().activations;
        if self.graph.activations_fail {
            self.graph.check_activations()?;
        }
        self.graph.biases_fail = faults.memories().biases;
        if self.graph.biases_fail {
            self.graph.check_biases(&self.weights)?;
        }
        Ok(())
    }

    /// The data set `named` by the user, else the one that the file names as its training data.
    pub fn dataset(&self, named: Option<&str>) -> Result<String> {
        let known = named.or(self.weights.meta("dataset"));
        known.map(str::to_owned).ok_or_else(|| {
            let what = "the file does not name a data set";
            Error::format(&self.weights.origin, what, "name it with --dataset")
        })
    }

    /// Bits per stored weight: those of the words that the file stores; of weights that it stores as floats the given
    /// number, else what the file says, else 8. Where a file has both, the larger of the two.
    ///
    /// # Errors
    /// The number is not from 2 to 8, or not that of the file's words, or the file's metadata is not a number.
    /// Where neither states it:
    /// weights that lie on the grid of fewer bits, that have faults already, or that lack their scale
    /// ([`Stored`]).
    pub fn precision(&self, given: Option<u32>) -> Result<u32> {
        let of_words = self.weights.words.values().map(|words| words.bits).max();
        let whole = self.weights.words.len() == self.graph.layers.len();
        let Some(bits) = of_words else { return self.of_floats(given) };
        match given {
            Some(given) if whole && given != bits && self.weights.floats().is_some() => {
                let what = format!("--stored keeps weights in words of {bits} bits");
                Err(Error::argument("--precision", what, "leave out one of the two"))
            }
            Some(given) if whole && given != bits => {
                let what = format!("the file stores words of {bits} bits, and faults hit those");
                Err(Error::argument("--precision", what, "leave it out"))
            }
            _ if whole => Ok(bits),
            given => Ok(bits.max(self.of_floats(given)?)),
        }
    }

    /// Bits per weight of layers that are stored as floats.
    fn of_floats(&self, given: Option<u32>) -> Result<u32> {
        if let Some(bits) = given.or(self.weights.meta_as("precision")?) {
            return check_bits(bits);
        }
        let stored = self.graph.stored(&self.weights);
        stored.check(&self.weights.origin)?;
        match stored {
            Stored::Words { bits } if bits < 8 => {
                let what = format!(
                    "its weights lie on {}, and it does not say its precision",
                    bit_grid(bits)
                );
                let hint = format!("give --precision {bits}; --precision 8 quantises them again");
                Err(Error::format(&self.weights.origin, what, hint))
            }
            _ => Ok(8),
        }
    }

    /// Refuses faults in no layer or no stored bit of this network.
    pub fn can_have(&self, faults: &Faults, precision: u32) -> Result<()> {
        if faults.memories().weights {
            faults.weight_cells(precision)?;
        }
        self.graph.chosen(faults)?;
        self.graph.places_under(faults)?;
        Ok(())
    }

    /// Names of the network's classes, in the order of its outputs: from its file, or from the known
    /// data set that the file names.
    ///
    /// # Errors
    /// Names that cannot be parsed, or whose number is not the number of outputs.
    pub fn class_names(&self) -> Result<Option<Vec<String>>> {
        let of_dataset = || {
            let info = data::info(self.weights.meta("dataset")?).ok()?;
            Some(info.class_names.iter().map(ToString::to_string).collect::<Vec<_>>())
                // An imported file may name a data set with other classes.
                .filter(|names| names.len() == self.outputs() as usize)
        };
        let Some(names) = self.weights.class_names()? else { return Ok(of_dataset()) };
        if names.len() == self.outputs() as usize {
            return Ok(Some(names));
        }
        let what = format!("it names {} classes and tells {} apart", names.len(), self.outputs());
        Err(Error::format(&self.weights.origin, what, "correct its metadata class_names"))
    }

    /// Labels images without labels with the answers of this network, free of faults
    /// ([`eval::answer_for`]).
    pub fn answer_for(
        &self,
        gpu: &Gpu,
        set: &mut ImageSet,
        precision: u32,
        dtype: Dtype,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let network = (&self.graph, &self.weights);
        eval::answer_for(gpu, network, (precision, dtype), EVAL_BATCH, set, stop)
    }

    /// Number of classes.
    #[must_use]
    pub fn outputs(&self) -> u32 {
        self.graph.nodes[self.graph.output()].chw[0]
    }

    /// Channels, rows and columns of the images that the network takes.
    #[must_use]
    pub fn input(&self) -> [u32; 3] {
        self.graph.nodes[self.graph.input()].chw
    }
}
