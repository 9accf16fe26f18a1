//! Settings of a base network's training.

use super::{
    augment::Augment,
    checkpoint::Checkpoint,
    schedule::Schedule,
    settings::{MicroBatch, RECOVERIES, micro_batch, real},
};
use crate::{
    data::PreprocessArgs,
    error::Result,
    fault::check_bits,
    flags::{parsed, positive, unicode},
    nn::DtypeChoice,
    report::pictures::page,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{ffi::OsString, path::PathBuf};

/// Settings of `nf-gpu pretrain`.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// Network: vgg-small; resnet20, 32, 44, 56; the paper's resnet18, resnet50, vgg11, vgg16, vgg19, and
    /// these for 224x224 images, as in resnet18-224
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// Data set, folder of images, or arrays
    #[arg(
        long,
        value_name = "NAME|DIR|FILE",
        help = "Data set, a folder of images (train/CLASS/IMAGE, test/CLASS/IMAGE), or NumPy's arrays x_train, y_train, \
                x_test, y_test in data.npz or as .npy files in one folder"
    )]
    pub dataset: String,
    /// How images become those of the network
    #[command(flatten)]
    #[serde(flatten)]
    pub images_form: PreprocessArgs,
    /// Where data sets are
    #[arg(long, value_name = "DIR", default_value = crate::data::DEFAULT_DIR)]
    pub data_dir: PathBuf,
    /// Weights file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Begin with the weights of this file, of the same network and classes, instead of random ones
    #[arg(long, value_name = "FILE")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// Passes over the training set
    #[arg(long, value_name = "N", default_value_t = 30, conflicts_with = "steps")]
    pub epochs: u64,
    /// Steps, instead of epochs
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub batch_size: u32,
    /// Images that run together, at most; the result is that of the whole batch
    #[arg(long, value_name = "auto|N", value_parser = micro_batch, default_value = "auto")]
    pub micro_batch: MicroBatch,
    /// Learning rate of SGD
    #[arg(long, value_name = "RATE", default_value_t = 0.05, allow_negative_numbers = true)]
    pub lr: f64,
    /// Momentum of SGD
    #[arg(long, value_name = "X", default_value_t = 0.9, allow_negative_numbers = true)]
    pub momentum: f64,
    /// Weight decay
    #[arg(long, value_name = "X", default_value_t = 5e-4, allow_negative_numbers = true)]
    pub weight_decay: f64,
    /// How the learning rate moves
    #[arg(long, value_enum, default_value = "cosine")]
    pub schedule: Schedule,
    /// What happens to training images
    #[arg(long, value_enum, default_value = "safe")]
    pub augment: Augment,
    /// Bits per weight, 2 to 8
    #[arg(long, value_name = "BITS", default_value_t = 8)]
    pub precision: u32,
    /// Precision in which inputs, weights and gradients are multiplied, sums being f32: f16 rounds them
    /// everywhere alike, auto does where the adapter has matrix units for it
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    pub dtype: DtypeChoice,
    /// Keep what was reached in this file at every epoch and at Ctrl-C, and go on from it if it is there
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Times that the run goes on after the GPU was lost, from its checkpoint if it keeps one
    #[arg(long, value_name = "N", default_value_t = RECOVERIES)]
    #[serde(skip)]
    pub max_recoveries: u32,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl PretrainConfig {
    /// The settings that flags of `nf-gpu pretrain` give. `--model`, `--dataset` and `--out` are
    /// required; all other settings have defaults.
    ///
    /// # Errors
    /// [`crate::Error::Argument`]: a flag does not exist, or its value is not allowed.
    pub fn from_flags(flags: impl IntoIterator<Item = OsString>) -> Result<Self> {
        Ok(parsed(flags)?.0)
    }

    /// The files that belong to its checkpoint; empty without one.
    pub fn checkpoint_files(&self) -> Vec<PathBuf> {
        self.checkpoint.iter().flat_map(|file| Checkpoint::at(file).files()).collect()
    }

    /// The command with these settings that ends after `steps`, as the network's file keeps it.
    pub(super) fn command(&self, steps: u64) -> Option<String> {
        let settings = toml::to_string(&Self { steps: Some(steps), ..self.clone() }).ok()?;
        page::anywhere("pretrain", &settings)
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] naming the flag.
    pub fn checked(&self) -> Result<()> {
        unicode("--data-dir", [&self.data_dir])?;
        unicode("--out", [&self.out])?;
        unicode("--init", &self.init)?;
        unicode("--checkpoint", &self.checkpoint)?;
        positive("--batch-size", self.batch_size.into())?;
        positive("--steps", self.steps.unwrap_or(1))?;
        positive("--epochs", self.epochs)?;
        real("--lr", self.lr)?;
        real("--momentum", self.momentum)?;
        real("--weight-decay", self.weight_decay)?;
        check_bits(self.precision).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_flags_are_the_defaults() {
        let flags = ["--model", "vgg11", "--dataset", "cifar10", "--out", "b"];
        let pretrain = PretrainConfig::from_flags(flags.map(OsString::from)).unwrap();
        assert_eq!((pretrain.model.as_str(), pretrain.momentum), ("vgg11", 0.9));
    }

    #[test]
    fn the_command_in_a_file_has_every_setting() {
        let flags = "--model vgg11 --dataset signs --side 40 --preprocess center-crop --out b --init a.safetensors \
                     --epochs 3 --batch-size 7 --micro-batch 2 --lr 0.3 --momentum 0.5 --weight-decay 0 \
                     --schedule constant --augment none --precision 4 --dtype f16 --seed 9";
        let of = |flags: &str| {
            PretrainConfig::from_flags(flags.split_whitespace().map(OsString::from)).unwrap()
        };
        let config = of(flags);
        let command = config.command(12).unwrap();
        let again = of(&format!("{} --out b", command.strip_prefix("nf-gpu pretrain ").unwrap()));
        let wanted = PretrainConfig { steps: Some(12), epochs: again.epochs, ..config };
        assert_eq!(format!("{again:?}"), format!("{wanted:?}"));
    }
}
