//! Length of a run, computed for plans before any image is read.

use super::{
    attempt::HELD_OUT, checkpoint::Checkpoint, config::TrainConfig, outcome, pretrain,
    pretrain_config::PretrainConfig,
};
use crate::{
    data::{self, Split},
    error::Result,
};
use std::path::Path;

/// Numbers of steps, images and maps that a run needs from start to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Number of steps.
    pub steps: u64,
    /// Steps per epoch. Each epoch ends with an evaluation.
    pub per_epoch: u64,
    /// Images of the evaluation after an epoch.
    pub glance: u64,
    /// Fault maps of the evaluation after the last step; 0 without faults.
    pub final_maps: u64,
}

impl Length {
    /// Length of a generator's training on a data set, which is a name or a folder.
    pub fn of_training(config: &TrainConfig, dataset: &str) -> Result<Self> {
        let all = images(dataset, &config.data_dir, Split::Train)?;
        let glance = (HELD_OUT as u64).min(all / 10);
        let per_epoch = per_epoch(all - glance, config.batch_size);
        let steps = config.steps.unwrap_or(config.epochs * per_epoch);
        let final_maps = outcome::final_maps(config).count() as u64;
        Ok(Self { steps, per_epoch, glance, final_maps })
    }

    /// Length of a base network's training.
    pub fn of_pretraining(config: &PretrainConfig) -> Result<Self> {
        let of = |split| images(&config.dataset, &config.data_dir, split);
        let per_epoch = per_epoch(of(Split::Train)?, config.batch_size);
        let steps = config.steps.unwrap_or(config.epochs * per_epoch);
        let glance = (pretrain::GLANCE as u64).min(of(Split::Test)?);
        Ok(Self { steps, per_epoch, glance, final_maps: 0 })
    }
}

/// Steps that a training has done, according to its checkpoint at `path`; 0 without a checkpoint.
///
/// # Errors
/// The checkpoint is damaged, and there is no older one.
pub(crate) fn steps_done(path: &Path) -> Result<u64> {
    Checkpoint::at(path).step()
}

/// Number of images of a split. No image is read; those of a folder are counted.
fn images(dataset: &str, dir: &Path, split: Split) -> Result<u64> {
    match data::info(dataset) {
        Ok(info) => Ok(u64::from(info.images(split))),
        Err(_) => Ok(data::contents(dataset, dir, split)?.1.iter().map(|&n| n as u64).sum()),
    }
}

/// Whole batches in a number of images, at least one.
fn per_epoch(images: u64, batch: u32) -> u64 {
    (images / u64::from(batch.max(1))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::ImageSet, train::Sampler};

    fn flags(text: &str) -> Vec<std::ffi::OsString> {
        text.split(' ').map(Into::into).collect()
    }

    #[test]
    fn a_run_is_as_long_as_its_sampler_makes_it() {
        let set: ImageSet = data::open("fashion-sample", Path::new("none"), Split::Train).unwrap();
        let steps = |len, batch| {
            let changes = crate::train::Augment::None.of("fashion-sample");
            Sampler::new(len, batch, 0, 28, changes).steps_per_epoch()
        };
        let config = TrainConfig::from_flags(flags("--base b --epochs 3 --batch-size 64")).unwrap();
        let length = Length::of_training(&config, "fashion-sample").unwrap();
        let held_out = set.len() / 10;
        assert_eq!(length.per_epoch, steps(set.len() - held_out, 64));
        let wanted = (3 * length.per_epoch, held_out as u64, 10);
        assert_eq!((length.steps, length.glance, length.final_maps), wanted);
        let pretraining =
            "--model resnet20 --dataset fashion-sample --out o --steps 7 --batch-size 9000";
        let config = PretrainConfig::from_flags(flags(pretraining)).unwrap();
        let length = Length::of_pretraining(&config).unwrap();
        assert_eq!((length.steps, length.per_epoch, length.final_maps), (7, 1, 0));
        assert!(
            Length::of_training(&TrainConfig::from_flags(flags("--base b")).unwrap(), "no")
                .is_err()
        );
        assert_eq!(steps_done(Path::new("no such checkpoint.safetensors")).unwrap(), 0);
    }
}
