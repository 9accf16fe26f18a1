//! The folder of a run: settings, checkpoint, results.

use super::{checkpoint::Checkpoint, config::TrainConfig, identity::Identity, recovery::History};
use crate::{
    error::{Error, Result},
    files::{Lock, atomic, read_text, toml_problem},
    nn::TrainableNet,
    run::{Gpu, Recorded},
    tuning::Choices,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use toml::Table;

/// The settings file: the settings of the run, then the variants of kernels that were chosen for it.
#[derive(Serialize)]
struct Saved<'a> {
    #[serde(flatten)]
    config: &'a TrainConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernels: Option<&'a Choices>,
}

/// The variants of kernels in a settings file.
#[derive(Default, Deserialize)]
struct Kernels {
    kernels: Option<Choices>,
}

/// Name of the file that locks the folder against other processes.
const LOCK: &str = ".lock";

/// The folder of a run, and the names of its files.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
    /// Held while this process runs or resumes the run.
    lock: Option<Arc<Lock>>,
}

impl RunFolder {
    /// Makes the folder of a new run. The folder may hold a run that never reached its first step: a
    /// run that lacked memory is tried again with other settings.
    ///
    /// # Errors
    /// A run is there already, or going on; the folder cannot be made.
    pub fn create(root: &Path, config: &TrainConfig) -> Result<Self> {
        let folder = Self::at(root);
        folder.is_free()?;
        fs::create_dir_all(root).map_err(|e| Error::write(root, e))?;
        let folder = folder.claimed()?;
        // Another run may have begun and ended between the first check and the lock.
        folder.is_free()?;
        folder.save_config(&Saved { config, kernels: None })?;
        Ok(folder)
    }

    /// Refuses a folder that holds a run.
    pub(super) fn is_free(&self) -> Result<()> {
        let begun = fs::metadata(self.metrics()).is_ok_and(|m| m.len() > 0);
        if !begun && !self.saved().exists() {
            return Ok(());
        }
        let root = self.root.display();
        Err(Error::argument(
            "--out",
            format!("{root} holds a run already"),
            format!("choose another folder, or go on with it: --resume {root}"),
        ))
    }

    /// Locks this folder for this process, and removes what an earlier process left when it was killed.
    fn claimed(mut self) -> Result<Self> {
        self.lock = Some(Arc::new(Lock::take(self.file(LOCK), &self.root)?));
        atomic::sweep(&self.root);
        Ok(self)
    }

    /// Resumes a run that was interrupted: locks its folder for this process and reads its settings.
    pub fn resume(root: &Path) -> Result<(Self, TrainConfig)> {
        // Checked before the lock, which would leave a file in a folder without a run.
        let (folder, _) = Self::open(root)?;
        let folder = folder.claimed()?;
        let (_, config) = Self::open(root)?;
        Ok((folder, config))
    }

    fn save_config(&self, saved: &Saved<'_>) -> Result<()> {
        let text = toml::to_string_pretty(saved)
            .map_err(|e| Error::write(self.config(), std::io::Error::other(e)))?;
        let header = format!("# nf-gpu {} ({})\n", env!("CARGO_PKG_VERSION"), env!("NF_COMMIT"));
        atomic::write(self.config(), header + &text)
    }

    /// Writes the settings with which a run is resumed.
    pub(super) fn note_settings(&self, config: &TrainConfig) -> Result<()> {
        let kernels = kernels(&read_text(&self.config())?);
        self.save_config(&Saved { config, kernels: kernels.as_ref() })
    }

    /// Adds the variants of kernels that the run uses to its settings.
    pub fn note_choices(&self, choices: &Choices) -> Result<()> {
        let (_, config) = Self::open(&self.root)?;
        self.save_config(&Saved { config: &config, kernels: Some(choices) })
    }

    /// The variants of kernels that the run began with, from its checkpoint; without a checkpoint, from
    /// its settings.
    pub fn recorded(&self) -> Result<Recorded> {
        let checkpoint = self.saved();
        let choices = if checkpoint.exists() {
            checkpoint.choices()?
        } else {
            Some(kernels(&read_text(&self.config())?).unwrap_or_default())
        };
        Ok(Recorded { choices, flag: "--resume" })
    }

    /// Opens the folder of a run for reading, with its settings.
    pub fn open(root: &Path) -> Result<(Self, TrainConfig)> {
        let folder = Self::at(root);
        let path = folder.config();
        let config = settings(&path, &read_text(&path)?)?;
        Ok((folder, config))
    }

    /// The folder of a run that may or may not exist.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: None }
    }

    /// The files that every run writes into its folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![
            self.file(LOCK),
            self.config(),
            self.metrics(),
            self.state(),
            History::path(&self.root),
            self.generator(),
            self.eval(),
            self.curves(),
            self.images(),
            self.report(),
            self.tensorboard(),
        ];
        files.extend(self.saved().files());
        files
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Settings of the run.
    pub fn config(&self) -> PathBuf {
        self.file("config.toml")
    }

    /// Numbers of every step and evaluation.
    pub fn metrics(&self) -> PathBuf {
        self.file("metrics.jsonl")
    }

    /// The same numbers as events for TensorBoard, which looks for such a name.
    pub fn tensorboard(&self) -> PathBuf {
        self.file("events.out.tfevents.nf-gpu")
    }

    /// State from which the run is resumed.
    pub fn checkpoint(&self) -> PathBuf {
        self.file("checkpoint.safetensors")
    }

    /// Step of the checkpoint, in readable form.
    pub fn state(&self) -> PathBuf {
        self.file("state.json")
    }

    /// The trained generator.
    pub fn generator(&self) -> PathBuf {
        self.file("generator.safetensors")
    }

    /// The final table as JSON.
    pub fn eval(&self) -> PathBuf {
        self.file("eval.json")
    }

    /// Loss and accuracy over the steps.
    pub fn curves(&self) -> PathBuf {
        self.file("curves.svg")
    }

    /// Report of the run.
    pub fn report(&self) -> PathBuf {
        self.file("report.html")
    }

    /// The timeline of `--profile`.
    pub fn trace(&self) -> PathBuf {
        self.file("trace.json")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Images before and after the generator.
    pub fn images(&self) -> PathBuf {
        self.file("images.png")
    }

    /// Writes a checkpoint: parameters, statistics, optimiser state, step. Waits for the device.
    ///
    /// # Errors
    /// The device failed, or the file cannot be written (an older checkpoint then stays).
    pub(super) fn save(
        &self,
        gpu: &Gpu,
        net: &TrainableNet,
        step: u64,
        identity: &Identity,
        cut: &str,
    ) -> Result<()> {
        self.saved().save(gpu, net, step, identity, cut)?;
        let state = serde_json::json!({
            "step": step, "checkpoint": "checkpoint.safetensors", "commit": env!("NF_COMMIT"),
            "adapter": gpu.report().line(), "kernels": gpu.choices(),
            "dtype": net.dtype().name(),
            "random": "images and fault maps of a step follow from the seed and the step",
        });
        atomic::write(self.state(), format!("{state:#}\n"))
    }

    /// The checkpoint from which the run is resumed, if it is there.
    pub(super) fn saved(&self) -> Checkpoint {
        Checkpoint::at(self.checkpoint())
    }
}

/// The variants of kernels in a run's settings; `None` for a run that never reached its first step.
fn kernels(text: &str) -> Option<Choices> {
    toml::from_str::<Kernels>(text).unwrap_or_default().kernels
}

/// Reads the settings of a run's file. An unknown name is refused: otherwise the setting that was meant
/// would silently have its default, and another run would go on, perhaps for 150 epochs.
fn settings(path: &Path, text: &str) -> Result<TrainConfig> {
    let wrong = |what: String| {
        Error::format(path, what, "it is damaged, or written by another version: start anew")
    };
    let config: TrainConfig = toml::from_str(text).map_err(|e| wrong(toml_problem(text, &e)))?;
    let there: Table = toml::from_str(text).map_err(|e| wrong(toml_problem(text, &e)))?;
    let known = Table::try_from(&config).map_err(|e| wrong(e.to_string()))?;
    let odd = there.keys().find(|name| *name != "kernels" && !known.contains_key(*name));
    odd.map_or(Ok(config), |name| Err(wrong(format!("no setting is called {name:?}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_by_another_name_is_refused() {
        let path = Path::new("config.toml");
        let flags = "--base b --steps 2 --seed 7".split(' ').map(Into::into);
        let config = TrainConfig::from_flags(flags).unwrap();
        let choices = Choices::default();
        let saved = Saved { config: &config, kernels: Some(&choices) };
        let text = toml::to_string_pretty(&saved).unwrap();
        let read = settings(path, &text).unwrap();
        assert_eq!((read.steps, read.seed), (Some(2), 7));
        for (broken, says) in [
            (text.replace("steps", "ste0s"), "no setting is called \"ste0s\""),
            (text.replace("seed = 7", "seed = x"), "line "),
        ] {
            let e = settings(path, &broken).unwrap_err();
            assert!(e.to_string().contains(says) && !e.to_string().contains('\n'), "{e}");
        }
    }
}
