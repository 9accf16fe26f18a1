//! A checkpoint: the state from which a training run continues, bit for bit.

use super::identity::Identity;
use crate::{
    error::{Error, Result},
    files::{Lock, Weights},
    nn::TrainableNet,
    run::Gpu,
    tuning::Choices,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Names of the optimiser's state in the file.
const FIRST: &str = "optimiser.first";
const SECOND: &str = "optimiser.second";
/// Version of the checkpoint's contents. Version 1 had no digest and described its run in words.
const LAYOUT: &str = "2";

/// Paths of a checkpoint and of the one before it; the files may not exist yet.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    previous: PathBuf,
}

/// A checkpoint that was read and found undamaged.
struct Loaded {
    weights: Weights,
    /// What is wrong with the last checkpoint, if the one before it was read instead.
    damage: Option<Error>,
}

impl Checkpoint {
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let previous = path.with_file_name(format!("{stem}-previous.safetensors"));
        Self { path, previous }
    }

    /// Locks this checkpoint against all other processes.
    ///
    /// # Errors
    /// [`Error::Busy`]: another process has it. [`Error::Write`].
    pub(super) fn lock(&self) -> Result<Lock> {
        Lock::take(self.lock_file(), &self.path)
    }

    /// The files that belong to a checkpoint.
    pub(super) fn files(&self) -> [PathBuf; 3] {
        [self.path.clone(), self.previous.clone(), self.lock_file()]
    }

    fn lock_file(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.lock"))
    }

    /// Writes a checkpoint: parameters, statistics, optimiser state, step. Waits for the device. The
    /// previous checkpoint is kept beside it.
    ///
    /// # Errors
    /// The device failed, or the file cannot be written (the older checkpoints then stay).
    pub(super) fn save(
        &self,
        gpu: &Gpu,
        net: &TrainableNet,
        step: u64,
        identity: &Identity,
        cut: &str,
    ) -> Result<()> {
        let mut weights = net.weights(gpu)?;
        let len = net.offsets.len as usize;
        for (name, buffer) in [(FIRST, &net.first), (SECOND, &net.second)] {
            let mut values: Vec<f32> = buffer.read(gpu)?;
            values.truncate(len);
            weights.insert(name, &[len], values);
        }
        let mut note = |key: &str, value: String| weights.metadata.insert(key.to_owned(), value);
        note("step", step.to_string());
        note("layout", LAYOUT.to_owned());
        note("identity", identity.text());
        note("cut", cut.to_owned());
        note("dtype", net.dtype().name().to_owned());
        note("kernels", serde_json::json!(gpu.choices()).to_string());
        note("commit", env!("NF_COMMIT").to_owned());
        weights.seal()?;
        weights.save_keeping(&self.path, &self.previous)
    }

    /// Whether there is a checkpoint, or the one before it.
    pub(super) fn exists(&self) -> bool {
        self.path.exists() || self.previous.exists()
    }

    /// The last checkpoint that is undamaged; `None` if there is no checkpoint.
    ///
    /// # Errors
    /// All checkpoints are damaged, or another version of the program wrote them.
    fn load(&self) -> Result<Option<Loaded>> {
        let damage = match (self.path.exists(), self.previous.exists()) {
            (false, false) => return Ok(None),
            // The process was killed while it replaced the file, on a file system without hard links.
            (false, true) => None,
            (true, there) => match whole(&self.path) {
                Ok(weights) => return Ok(Some(Loaded { weights, damage: None })),
                Err(damage) if there && is_damage(&damage) => Some(damage),
                Err(damage) => return Err(damage),
            },
        };
        match whole(&self.previous) {
            Ok(weights) => Ok(Some(Loaded { weights, damage })),
            // Reports the damage of the last checkpoint, because that is the file that a user knows.
            Err(older) => Err(damage.unwrap_or(older)),
        }
    }

    /// Value of a key in the checkpoint's metadata.
    fn says(&self, key: &str) -> Result<Option<String>> {
        Ok(self.load()?.and_then(|loaded| loaded.weights.meta(key).map(str::to_owned)))
    }

    /// What is wrong with the last checkpoint, if the one before it has to be used.
    pub(super) fn damage(&self) -> Result<Option<String>> {
        Ok(self.load()?.and_then(|loaded| loaded.damage).map(|damage| damage.to_string()))
    }

    /// The version of the program that wrote the checkpoint.
    pub(super) fn commit(&self) -> Result<Option<String>> {
        self.says("commit")
    }

    /// The checkpoint's step; 0 without a checkpoint.
    pub(super) fn step(&self) -> Result<u64> {
        let loaded = self.load()?;
        Ok(loaded.map(|loaded| loaded.weights.meta_as("step")).transpose()?.flatten().unwrap_or(0))
    }

    /// The variants of kernels with which the checkpoint was made; `None` if it does not record them.
    pub(super) fn choices(&self) -> Result<Option<Choices>> {
        let text = self.says("kernels")?;
        let parsed = text.map(|text| serde_json::from_str(&text)).transpose();
        parsed.map_err(|e| Error::format(&self.path, e.to_string(), "start the run anew"))
    }

    /// Refuses to continue if steps are cut in another way than before: sums would have another order,
    /// and the rest of the run would not be the same bit for bit.
    pub(super) fn same_cut(&self, cut: &str) -> Result<()> {
        match self.says("cut")? {
            Some(before) if before != cut => Err(Error::format(
                &self.path,
                format!("its steps ran in {before}; now they would run in {cut}"),
                "free the adapter's memory, so that they run as before",
            )),
            _ => Ok(()),
        }
    }

    /// Restores the state of a network and returns its step, 0 without a checkpoint. `identity` lists
    /// what the run depends on: a checkpoint with another identity is refused.
    pub(super) fn restore(
        &self,
        gpu: &Gpu,
        net: &TrainableNet,
        identity: &Identity,
    ) -> Result<u64> {
        let Some(Loaded { weights, .. }) = self.load()? else { return Ok(0) };
        let path = &weights.origin;
        // The precision is not part of the identity, so that it can have its own hint.
        let (began, now) = (weights.meta("dtype").unwrap_or("f32"), net.dtype().name());
        if began != now {
            let what = format!("its steps were computed in {began}; this run computes in {now}");
            let hint = format!("go on with --dtype {began}, or begin anew");
            return Err(Error::format(path, what, hint));
        }
        identity.check(weights.meta("identity").unwrap_or_default(), path)?;
        let len = net.offsets.len as usize;
        let step = weights
            .meta_as("step")?
            .ok_or_else(|| Error::format(path, "it does not say its step", "start the run anew"))?;
        let state = [(FIRST, &net.first), (SECOND, &net.second)];
        let state = state.map(|(name, buffer)| Ok((weights.get(name, &[len])?, buffer)));
        net.restore(gpu, &weights)?;
        for read in state {
            let (tensor, buffer) = read?;
            buffer.write(gpu, 0, &tensor.data);
        }
        Ok(step)
    }
}

/// Removes the checkpoint at `path` and the files that belong to it. No process may be using it.
pub(crate) fn remove(path: &Path) {
    let checkpoint = Checkpoint::at(path);
    for file in checkpoint.files() {
        // A file that cannot be removed does no harm.
        let _ = fs::remove_file(file);
    }
}

/// Loads the checkpoint at `path` if it is undamaged.
fn whole(path: &Path) -> Result<Weights> {
    let mut weights = Weights::load(path)?;
    let layout = weights.meta("layout").unwrap_or("1");
    if layout != LAYOUT {
        let commit = weights.meta("commit").unwrap_or("unknown");
        let what = format!(
            "a version of nf-gpu wrote it (commit {commit}) whose checkpoints have layout {layout}, \
             not {LAYOUT}"
        );
        let hint = "go on with that version, or begin anew in another folder";
        return Err(Error::format(path, what, hint));
    }
    weights.unseal()?;
    Ok(weights)
}

/// Whether an error means that a file is damaged or has disappeared.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Format { .. } | Error::Read { .. })
}
