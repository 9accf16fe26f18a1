//! Settings of a run. One struct serves as flags, as the saved `config.toml` and as the settings of the
//! code.

use super::{
    augment::Augment,
    base::BaseHints,
    every::Every,
    faults::FaultArgs,
    loss::LossArgs,
    recovery::OnNan,
    schedule::Schedule,
    settings::{MicroBatch, RECOVERIES, micro_batch, real},
};
use crate::{
    data::{PreprocessArgs, WantedImages},
    error::{Error, Result},
    fault::{Faults, FloatFormat, Maps, check_bits, check_seed},
    flags::{given, parsed, positive, unicode},
    nn::DtypeChoice,
};
use clap::{
    Args, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser as _},
};
use serde::{Deserialize, Serialize};
use std::{ffi::OsString, path::PathBuf};

/// Settings that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// A few minutes on two cores without a GPU: with --init 80 steps that tune a generator, as the quickstart
    /// does, else 250 steps
    Quick,
}

/// Generator that is used if none is named.
pub(super) const DEFAULT_GENERATOR: &str = "ConvS";

/// Settings of `nf-gpu train`.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Weights of the base network
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "resume",
        // A path that may be empty: with --resume the saved settings name the file.
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        default_value = "",
        hide_default_value = true
    )]
    pub base: PathBuf,
    /// What the user says about the base network
    #[command(flatten)]
    #[serde(flatten)]
    pub hints: BaseHints,
    /// Data set, folder of images, or arrays
    #[arg(
        long,
        value_name = "NAME|DIR|FILE",
        help = "Data set, a folder of images, or NumPy's arrays x_train, y_train, x_test, y_test in data.npz or as .npy \
                files in one folder (default: the one that the base was trained on)"
    )]
    pub dataset: Option<String>,
    /// How images become those of the base network
    #[command(flatten)]
    #[serde(flatten)]
    pub images_form: PreprocessArgs,
    /// Where data sets are
    #[arg(long, value_name = "DIR", default_value = crate::data::DEFAULT_DIR)]
    pub data_dir: PathBuf,
    /// Name of the generator
    #[arg(
        long,
        value_name = "NAME",
        default_value = DEFAULT_GENERATOR,
        help = "Generator: ConvL, ConvS, DeConvL, DeConvS, UNetL, UNetS, UIP; with --init what that is"
    )]
    pub generator: String,
    /// Begin with the weights of this generator, trained for another chip, rate or network, instead of
    /// random ones; the optimiser begins anew
    #[arg(long, value_name = "FILE")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// SHA-256 of that generator's file, of a run that began with it
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_sha256: Option<String>,
    /// Which faults; without --chip or a measured map each step draws fresh ones
    #[command(flatten)]
    #[serde(flatten)]
    pub faults: FaultArgs,
    /// Probability that a cell is faulty (default: 0.01, one per cent)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub ber: Option<f64>,
    /// Bits per stored weight, 2 to 8 (default: those that the base was trained for)
    #[arg(long, value_name = "BITS")]
    pub precision: Option<u32>,
    /// Precision in which inputs, weights and gradients are multiplied, sums being f32: f16 rounds them
    /// everywhere alike, auto does where the adapter has matrix units for it (default: f32)
    #[arg(long, value_enum)]
    pub dtype: Option<DtypeChoice>,
    /// Perturbed copies of the base per step; a chip has one
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub copies: u32,
    /// Weight of the perturbed copies' loss
    #[arg(long, value_name = "X", default_value_t = 5.0, allow_negative_numbers = true)]
    pub lambda: f64,
    /// What the networks behind the generator are to answer
    #[command(flatten)]
    #[serde(flatten)]
    pub goal: LossArgs,
    /// Passes over the training set
    #[arg(long, value_name = "N", default_value_t = 150, conflicts_with = "steps")]
    pub epochs: u64,
    /// Steps, instead of epochs
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub batch_size: u32,
    /// Images that run together, at most; the result is that of the whole batch
    #[arg(long, value_name = "auto|N", value_parser = micro_batch, default_value = "auto")]
    pub micro_batch: MicroBatch,
    /// Networks of a step, the clean one and the perturbed copies, that run together at most: gradients are added
    /// group by group, so that it does not matter who computes which (default: as many as fit; 1 under mpirun)
    #[arg(long, value_name = "N")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// Under mpirun: train on unlike adapters; each keeps its groups, and the run needs the same ones to go on
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mixed: bool,
    /// Learning rate of Adam
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, allow_negative_numbers = true)]
    pub lr: f64,
    /// How the learning rate moves
    #[arg(long, value_enum, default_value = "reference")]
    pub schedule: Schedule,
    /// What happens to training images
    #[arg(long, value_enum, default_value = "safe")]
    pub augment: Augment,
    /// Steps between evaluations on held-out training images (default: an epoch)
    #[arg(long, value_name = "N")]
    pub eval_every: Option<u64>,
    /// Steps or time between checkpoints, as in 100, 90s, 15m, 2h (default: an epoch)
    #[arg(long, value_name = "N|DURATION")]
    pub checkpoint_every: Option<Every>,
    /// Folder of the run
    #[arg(long, value_name = "DIR", default_value = "runs/train")]
    pub out: PathBuf,
    /// Goes on with a run that was interrupted; its own settings hold
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    pub resume: Option<PathBuf>,
    /// Print what a step would need, what would not fit, and about how long it takes: one step is timed (not
    /// before an ONNX file's network), nothing is trained or written
    #[arg(long, conflicts_with = "resume")]
    #[serde(skip)]
    pub dry_run: bool,
    /// Write a timeline of a few steps for Perfetto or Chrome tracing (default: OUT/trace.json)
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "",
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    #[serde(skip)]
    pub profile: Option<PathBuf>,
    /// Write the metrics also as events for TensorBoard, into the folder of the run
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tensorboard: bool,
    /// Times that the run goes on from its last checkpoint after the GPU was lost or numbers went wrong
    #[arg(long, value_name = "N", default_value_t = RECOVERIES)]
    #[serde(skip)]
    pub max_recoveries: u32,
    /// When a loss, a parameter or a gradient is not finite any more: stop, or go back to the last
    /// checkpoint and on at half the learning rate
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    pub on_nan: OnNan,
    /// Compute a convolution of every N-th step again on the CPU, from the GPU's own inputs, and stop
    /// where they differ
    #[arg(long, value_name = "N")]
    pub verify_every: Option<u64>,
    /// Settings that belong together; flags given beside it win
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    /// Test images of the final table (default: all): of a named set the first ones, of a folder images at
    /// even distances
    #[arg(long, value_name = "N")]
    pub images: Option<usize>,
    /// Train although the classes of the data set are not those of the base network: labels are taken by
    /// number where they are not found by name
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_mismatch: bool,
    /// Seed of everything random but the chip
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Names of the settings that the user gave: beside `resume` they must be those of the run
    #[arg(skip)]
    #[serde(skip)]
    pub given: Vec<String>,
    /// Fault maps of the final table, at most; without it all that the paper has
    #[arg(skip)]
    #[serde(skip)]
    pub final_maps: Option<usize>,
}

/// Most perturbed copies of a step.
const MAX_COPIES: u32 = 1000;

impl TrainConfig {
    /// The settings that flags of `nf-gpu train` give, as in `["--base", "b.safetensors"]`. `--base` is
    /// required; all other settings have defaults.
    ///
    /// # Errors
    /// [`Error::Argument`]: a flag does not exist, or its value is not allowed.
    pub fn from_flags(flags: impl IntoIterator<Item = OsString>) -> Result<Self> {
        let (mut config, matches) = parsed::<Self>(flags)?;
        config.given = given(&matches);
        Ok(config)
    }

    /// The faults for which the generator is trained.
    pub fn fault_model(&self) -> Result<Faults> {
        self.faults.at(self.ber)
    }

    /// Test images of the final table. A preset's number is an upper limit, because the data set may
    /// have fewer.
    pub(super) fn test_images(&self) -> WantedImages {
        let of_preset = self.preset.is_some() && self.given.iter().all(|name| name != "images");
        match self.images {
            Some(images) if of_preset => WantedImages::AtMost(images),
            images => images.into(),
        }
    }

    /// Where fault maps come from.
    pub fn maps(&self) -> Result<Maps> {
        check_seed("--seed", self.seed)?;
        Ok(match self.faults.only_seed()? {
            Some(chip) => Maps::Chip(chip),
            None => Maps::Fresh { run_seed: self.seed },
        })
    }

    /// Perturbed copies of a step. A chip has a single map, so one copy suffices.
    pub fn perturbed_copies(&self) -> Result<u32> {
        Ok(if matches!(self.maps()?, Maps::Chip(_)) { 1 } else { self.copies })
    }

    /// Refuses paths that `config.toml` cannot name.
    pub(crate) fn check_paths(&self) -> Result<()> {
        unicode("--base", [&self.base])?;
        unicode("--data-dir", [&self.data_dir])?;
        unicode("--init", &self.init)?;
        unicode("--out", [&self.out])?;
        unicode("--fault-map", self.faults.map_files()?)?;
        unicode("--layout", &self.faults.layout)
    }

    /// Refuses values that make no sense.
    pub fn checked(&self) -> Result<()> {
        self.fault_model()?;
        self.maps()?;
        self.goal.loss()?;
        self.check_paths()?;
        positive("--copies", self.copies.into())?;
        if self.copies > MAX_COPIES {
            let what = format!("{} copies", self.copies);
            return Err(Error::argument("--copies", what, "the paper has 10; 1000 is the most"));
        }
        positive("--batch-size", self.batch_size.into())?;
        positive("--group", self.group.unwrap_or(1).into())?;
        positive("--steps", self.steps.unwrap_or(1))?;
        positive("--epochs", self.epochs)?;
        positive("--eval-every", self.eval_every.unwrap_or(1))?;
        positive("--verify-every", self.verify_every.unwrap_or(1))?;
        positive("--images", self.images.unwrap_or(1) as u64)?;
        real("--lr", self.lr)?;
        real("--lambda", self.lambda)?;
        // A run that stores floats has recorded their bits.
        match (self.faults.stored.is_some(), self.precision) {
            (true, Some(FloatFormat::BITS)) => Ok(()),
            (_, bits) => check_bits(bits.unwrap_or(8)).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_flags_are_the_defaults() {
        let flags = |flags: &[&str]| flags.iter().map(OsString::from).collect::<Vec<_>>();
        let train = TrainConfig::from_flags(flags(&["--base", "b", "--ber", "0.005"])).unwrap();
        assert_eq!((train.base.to_str(), train.ber), (Some("b"), Some(0.005)));
        assert_eq!((train.copies, train.lambda, train.epochs, train.steps), (10, 5.0, 150, None));
        assert_eq!((train.batch_size, train.lr, train.schedule), (256, 1e-3, Schedule::Reference));
        train.checked().unwrap();
        for wrong in [&["--base"][..], &["--bers", "1"], &[]] {
            assert_eq!(
                TrainConfig::from_flags(flags(wrong)).unwrap_err().exit_code(),
                2,
                "{wrong:?}"
            );
        }
    }
}
