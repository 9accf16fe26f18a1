//! The paper's settings, and the budgets that make them affordable.

use super::plan::Training;
use crate::{
    data::DEFAULT_DIR,
    error::{Error, Result},
    fault::{FaultModel, Faults, check_seed},
    train::{Augment, PretrainConfig, Schedule, TrainConfig},
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Epochs of a generator, seeds of the evaluation: the paper's. Epochs, batch and rate of a base network:
/// those of its code.
const EPOCHS: u64 = 150;
const SEEDS: std::ops::Range<u64> = 50_000..50_010;
const BASE_EPOCHS: u64 = 100;
const BASE_LR: f64 = 0.01;
const BATCH: u32 = 256;

/// How the experiments are run. The default is the paper's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Folder of everything that comes out.
    pub out: PathBuf,
    /// Folder of base networks and generators, which tables can share.
    pub artefacts: PathBuf,
    /// Folder of base networks to use as they are: `MODEL-DATASET.safetensors`.
    pub bases: Option<PathBuf>,
    /// Where data sets are.
    pub data_dir: PathBuf,
    /// What faulty cells do, in training and evaluation.
    pub faults: String,
    /// Seeds of the fault maps of the evaluations.
    pub seeds: Vec<u64>,
    /// Base networks may have other classes than the data set.
    pub allow_mismatch: bool,
    /// So many test images, of a folder at even distances, else the first ones; all by default.
    pub images: Option<usize>,
    /// Passes over the training set for a generator.
    pub epochs: u64,
    /// Steps instead of epochs for a generator.
    pub steps: Option<u64>,
    /// Passes over the training set for a base network.
    pub base_epochs: u64,
    /// Steps instead of epochs for a base network.
    pub base_steps: Option<u64>,
    /// Images per step, for generators and base networks; by default the paper's.
    pub batch_size: Option<u32>,
    /// Seed of everything random in training.
    pub seed: u64,
    /// Hours that are planned for: only cells that fit in what is left of them are begun.
    pub hours: Option<f64>,
    /// Random base networks, two images, one copy, one step: only the machinery is tested.
    pub smoke: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            out: PathBuf::from("runs/repro"),
            artefacts: PathBuf::from("runs/repro"),
            bases: None,
            data_dir: PathBuf::from(DEFAULT_DIR),
            faults: FaultModel::Reference.to_string(),
            seeds: SEEDS.collect(),
            allow_mismatch: false,
            images: None,
            epochs: EPOCHS,
            steps: None,
            base_epochs: BASE_EPOCHS,
            base_steps: None,
            batch_size: None,
            seed: 0,
            hours: None,
            smoke: false,
        }
    }
}

impl Settings {
    /// The same for a smoke run: the smallest work that runs every part.
    #[must_use]
    pub fn smoke(self) -> Self {
        let (steps, batch_size, images) = (Some(1), Some(2), Some(4));
        Self {
            smoke: true,
            bases: None,
            steps,
            batch_size,
            images,
            seeds: vec![SEEDS.start],
            ..self
        }
    }

    /// Refuses values that mean nothing.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the flag, or an unknown fault model.
    pub fn checked(&self) -> Result<()> {
        self.faults(0.01)?;
        for &seed in &self.seeds {
            check_seed("--seeds", seed)?;
        }
        check_seed("--seed", self.seed)?;
        let count = |n: Option<u64>| n.unwrap_or(1);
        for (flag, value) in [
            ("--seeds", self.seeds.len() as u64),
            ("--images", count(self.images.map(|n| n as u64))),
            ("--epochs", self.epochs),
            ("--steps", count(self.steps)),
            ("--base-epochs", self.base_epochs),
            ("--base-steps", count(self.base_steps)),
            ("--batch-size", count(self.batch_size.map(u64::from))),
        ] {
            if value == 0 {
                let hint = "give a number from 1 up";
                return Err(Error::argument(flag, "0 means nothing to do", hint));
            }
        }
        let hours = self.hours.unwrap_or(1.0);
        if !(hours.is_finite() && hours > 0.0) {
            let hint = "as in --hours 7.5";
            return Err(Error::argument("--hours", format!("{hours} is no time"), hint));
        }
        Ok(())
    }

    /// The faults of a rate.
    ///
    /// # Errors
    /// An unknown fault model, one without a rate, or a rate that is none.
    pub(super) fn faults(&self, ber: f64) -> Result<Faults> {
        Faults::new(self.faults.parse()?, ber)
    }

    /// How these settings differ from the paper's, which stand in brackets; nothing for a full
    /// reproduction.
    #[must_use]
    pub fn deviations(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |text: String| lines.push(text);
        let many = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let paper = Self::default();
        match self.steps {
            Some(steps) => {
                line(format!("generators had {} ({EPOCHS} epochs)", many(steps, "step")));
            }
            None if self.epochs != EPOCHS => {
                line(format!("generators had {} ({EPOCHS})", many(self.epochs, "epoch")));
            }
            None => {}
        }
        if self.smoke {
            line("base networks have random weights".into());
        } else if let Some(steps) = self.base_steps {
            line(format!("base networks had {} ({BASE_EPOCHS} epochs)", many(steps, "step")));
        } else if self.base_epochs != BASE_EPOCHS {
            let epochs = many(self.base_epochs, "epoch");
            line(format!("base networks had {epochs} ({BASE_EPOCHS})"));
        }
        if let Some(batch) = self.batch_size {
            line(format!(
                "batches of {} ({BATCH}; ImageNet-10: 64 and 32)",
                many(batch.into(), "image")
            ));
        }
        if self.smoke {
            line("one perturbed copy per step (10)".into());
        }
        if let Some(images) = self.images {
            line(format!("evaluated on {} (all)", many(images as u64, "test image")));
        }
        if self.seeds != paper.seeds {
            let seeds: Vec<String> = self.seeds.iter().take(12).map(u64::to_string).collect();
            let more = if self.seeds.len() > seeds.len() { ", ..." } else { "" };
            let maps = many(self.seeds.len() as u64, "fault map");
            let seeds = seeds.join(", ");
            line(format!("evaluated on {maps}, seeds {seeds}{more} (50000 to 50009)"));
        }
        if self.faults != paper.faults {
            line(format!("faults: {} ({})", self.faults, paper.faults));
        }
        lines
    }

    /// Images per step in front of, or of, a base network.
    fn batch(&self, model: &str) -> u32 {
        // The paper gives 64 for ImageNet-10 (ResNets, VGG11) and 32 (VGG16, VGG19); else 256, which
        // it prints as 25 (its code's default and its training times say 256).
        let paper = match model {
            "vgg16-224" | "vgg19-224" => 32,
            _ if model.contains("-224") => 64,
            _ => BATCH,
        };
        self.batch_size.unwrap_or(paper)
    }

    /// How a base network is trained: as the paper's code does, without weight decay, at a constant rate.
    ///
    /// # Errors
    /// None for settings that [`Self::checked`] takes.
    pub fn pretraining(&self, model: &str, dataset: &str, out: &Path) -> Result<PretrainConfig> {
        let flags = ["--model".into(), model.into(), "--dataset".into(), dataset.into()];
        let mut config = PretrainConfig::from_flags(
            flags.into_iter().chain(["--out".into(), out.as_os_str().to_owned()]),
        )?;
        config.data_dir.clone_from(&self.data_dir);
        (config.epochs, config.steps) = (self.base_epochs, self.base_steps);
        config.batch_size = self.batch(model);
        (config.lr, config.momentum, config.weight_decay) = (BASE_LR, 0.9, 0.0);
        (config.schedule, config.augment) = (Schedule::Constant, Augment::Reference);
        config.seed = self.seed;
        Ok(config)
    }

    /// How a generator is trained in front of the base network in `base`.
    ///
    /// # Errors
    /// None for settings that [`Self::checked`] takes.
    pub fn training(
        &self,
        training: &Training,
        dataset: &str,
        base: &Path,
        out: &Path,
    ) -> Result<TrainConfig> {
        let mut config = TrainConfig::from_flags(["--base".into(), base.as_os_str().to_owned()])?;
        config.out = out.to_owned();
        config.dataset = Some(dataset.to_owned());
        config.data_dir.clone_from(&self.data_dir);
        config.generator.clone_from(&training.generator);
        config.faults.faults = Some(self.faults.clone());
        config.ber = Some(training.ber);
        config.precision = Some(8);
        config.lambda = training.lambda;
        config.copies = if self.smoke { 1 } else { training.copies };
        (config.epochs, config.steps) = (self.epochs, self.steps);
        config.batch_size = self.batch(&training.base);
        (config.schedule, config.augment) = (Schedule::Reference, Augment::Reference);
        // In a smoke run the training's own table takes as little as can be.
        config.images = if self.smoke { Some(1) } else { self.images };
        config.final_maps = self.smoke.then_some(1);
        config.seed = self.seed;
        config.allow_mismatch = self.allow_mismatch;
        Ok(config)
    }
}
