//! Settings of an evaluation, which are the flags of `nf-gpu eval`.

use crate::{
    data::{DEFAULT_DIR, PreprocessArgs},
    error::{Error, Result},
    flags::parsed,
    nn::DtypeChoice,
    report::eval_json::Shard,
    train::{BaseHints, FaultArgs},
};
use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser as _},
};
use std::{ffi::OsString, path::PathBuf};

/// Settings of an evaluation.
#[derive(Args, Clone, Debug)]
pub struct EvalConfig {
    /// Weights of the base network
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "merge",
        // A path that may be empty: with --merge the documents name the network.
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        default_value = "",
        hide_default_value = true
    )]
    pub base: PathBuf,
    /// What the user says about the base network
    #[command(flatten)]
    pub hints: BaseHints,
    /// Weights of a generator; several files give several tables
    #[arg(long, value_name = "FILE")]
    pub generator: Vec<PathBuf>,
    /// Data set, folder of images, or arrays
    #[arg(
        long,
        value_name = "NAME|DIR|FILE",
        help = "Data set, a folder of images, or NumPy's arrays x_test and y_test in data.npz or as x_test.npy beside \
                y_test.npy (default: the one that the generator and the base were trained on)"
    )]
    pub dataset: Option<String>,
    /// How images become those of the base network
    #[command(flatten)]
    pub images_form: PreprocessArgs,
    /// Evaluate although the classes of the data set are not those of the base: labels are taken by number
    /// where they are not found by name
    #[arg(long)]
    pub allow_mismatch: bool,
    /// Where data sets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub data_dir: PathBuf,
    /// Which faults
    #[command(flatten)]
    pub faults: FaultArgs,
    /// Probabilities that a cell is faulty, as in 0.01,0.005 (default: the rate that the generator was
    /// trained for, as its chip, faults, bits and layers; without one 0.01)
    #[arg(long, value_name = "P,...", value_delimiter = ',', allow_negative_numbers = true)]
    pub ber: Vec<f64>,
    /// Seeds of the fault maps: a number, a list, or a half-open range (default: 50000..50010)
    #[arg(long, value_name = "A..B", allow_negative_numbers = true)]
    pub seeds: Option<String>,
    /// Bits per stored weight, 2 to 8 (default: those that the base was trained for)
    #[arg(long, value_name = "BITS")]
    pub precision: Option<u32>,
    /// Precision in which inputs and weights are multiplied, sums being f32: f16 rounds them everywhere
    /// alike, auto does where the adapter has matrix units for it
    #[arg(long, value_enum, default_value_t)]
    pub dtype: DtypeChoice,
    /// So many test images (default: all): of a named set the first ones, of a folder or of arrays
    /// images at even distances
    #[arg(long, value_name = "N")]
    pub images: Option<usize>,
    /// Images per dispatch
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub batch_size: u32,
    /// Voltages, rates and energies of your memory (default: the paper's two; see `nf-gpu energy`)
    #[arg(long, value_name = "FILE.toml")]
    pub points: Option<PathBuf>,
    /// Voltage of one of these points, in their unit, at which the memory has the faults: of a measured
    /// map, say (default: that of the nearest rate, within 1 %)
    #[arg(long, value_name = "V", allow_negative_numbers = true)]
    pub voltage: Option<f64>,
    /// Accuracy of each class
    #[arg(long)]
    pub per_class: bool,
    /// Confusion matrices
    #[arg(long)]
    pub confusion: bool,
    /// Accuracy when only one bit position or one layer is faulty, at the first rate
    #[arg(long)]
    pub sensitivity: bool,
    /// With the sensitivity study: protect the N worst bit positions and layers, one after another
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "4")]
    pub protect: Option<usize>,
    /// Measure only share I of N of the fault maps, as in 1/4: one of several processes, on one machine or many; wants --out or
    /// --json
    #[arg(long, value_name = "I/N", conflicts_with = "sensitivity")]
    pub shard: Option<Shard>,
    /// Put the documents of all shares together, as if one process had measured all maps; nothing is measured
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all = ["base", "generator", "dataset", "ber", "seeds", "precision", "images", "points",
            "voltage", "shard", "sensitivity", "per_class", "confusion"]
    )]
    pub merge: Vec<PathBuf>,
    /// Put results of unlike adapters together, whose last bits may differ; the document names all of them
    #[arg(long)]
    pub mixed: bool,
}

impl EvalConfig {
    /// The settings that flags of `nf-gpu eval` give, as in `["--base", "b.safetensors"]`. `--base` is required;
    /// all other settings have defaults.
    ///
    /// # Errors
    /// [`Error::Argument`]: a flag does not exist, or its value is not allowed.
    pub fn from_flags(flags: impl IntoIterator<Item = OsString>) -> Result<Self> {
        Ok(parsed::<Self>(flags)?.0)
    }

    /// Refuses settings that do not go together.
    pub fn checked(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::argument("--batch-size", "0 means nothing to do", "try 100"));
        }
        let repeated = |i: usize| self.ber[..i].contains(&self.ber[i]);
        if let Some(i) = (0..self.ber.len()).find(|&i| repeated(i)) {
            let what = format!("{} is there twice", self.ber[i]);
            return Err(Error::argument("--ber", what, "leave one out"));
        }
        if self.protect.is_some() && !self.sensitivity {
            let what = "it orders bits and layers by their sensitivity";
            return Err(Error::argument("--protect", what, "add --sensitivity"));
        }
        Ok(())
    }
}
