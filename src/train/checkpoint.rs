//! A checkpoint: what a training goes on from, bit for bit.

use super::identity::Identity;
use crate::{
    error::{Error, Result},
    files::{Lock, Weights},
    gpu::Gpu,
    nn::TrainableNet,
    tuning::Choices,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Names of the optimiser's state in the file.
const FIRST: &str = "optimiser.first";
const SECOND: &str = "optimiser.second";
/// Version of what a checkpoint holds; 1 had no digest, and its run in words.
const LAYOUT: &str = "2";

/// A checkpoint's file, there or not yet, and the one before it.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    previous: PathBuf,
}

/// A checkpoint that was read, whole.
struct Loaded {
    weights: Weights,
    /// Why it is the one before the last.
    damage: Option<Error>,
}

impl Checkpoint {
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let previous = path.with_file_name(format!("{stem}-previous.safetensors"));
        Self { path, previous }
    }

    /// Keeps every other process from this checkpoint.
    ///
    /// # Errors
    /// [`Error::Busy`]: another one has it. [`Error::Write`].
    pub(super) fn lock(&self) -> Result<Lock> {
        Lock::take(self.lock_file(), &self.path)
    }

    /// The files that it consists of.
    pub(super) fn files(&self) -> [PathBuf; 3] {
        [self.path.clone(), self.previous.clone(), self.lock_file()]
    }

    fn lock_file(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.lock"))
    }

    /// Writes it: parameters, statistics, optimiser state, step. Waits for the device. The last one is
    /// kept beside it.
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
        note("dtype", net.operands().name().to_owned());
        note("kernels", serde_json::json!(gpu.choices()).to_string());
        note("commit", env!("NF_COMMIT").to_owned());
        weights.seal()?;
        weights.save_keeping(&self.path, &self.previous)
    }

    /// Whether it is there, or the one before it.
    pub(super) fn exists(&self) -> bool {
        self.path.exists() || self.previous.exists()
    }

    /// The last checkpoint that is whole; none where there is no checkpoint.
    ///
    /// # Errors
    /// There are checkpoints, and none is whole; or they are of another version of the program.
    fn load(&self) -> Result<Option<Loaded>> {
        let damage = match (self.path.exists(), self.previous.exists()) {
            (false, false) => return Ok(None),
            // Killed in between, where a file system gives a file one name only.
            (false, true) => None,
            (true, there) => match whole(&self.path) {
                Ok(weights) => return Ok(Some(Loaded { weights, damage: None })),
                Err(damage) if there && is_damage(&damage) => Some(damage),
                Err(damage) => return Err(damage),
            },
        };
        match whole(&self.previous) {
            Ok(weights) => Ok(Some(Loaded { weights, damage })),
            // The last one is what a user knows of.
            Err(older) => Err(damage.unwrap_or(older)),
        }
    }

    /// What its metadata says under a key.
    fn says(&self, key: &str) -> Result<Option<String>> {
        Ok(self.load()?.and_then(|loaded| loaded.weights.meta(key).map(str::to_owned)))
    }

    /// What is wrong with the last checkpoint, where the one before it has to do.
    ///
    /// # Errors
    /// A broken checkpoint, and no older one.
    pub(super) fn damage(&self) -> Result<Option<String>> {
        Ok(self.load()?.and_then(|loaded| loaded.damage).map(|damage| damage.to_string()))
    }

    /// The version of the program that wrote it.
    ///
    /// # Errors
    /// A broken checkpoint.
    pub(super) fn commit(&self) -> Result<Option<String>> {
        self.says("commit")
    }

    /// Its step, 0 where there is none.
    ///
    /// # Errors
    /// A broken checkpoint, and no older one.
    pub(super) fn step(&self) -> Result<u64> {
        let loaded = self.load()?;
        Ok(loaded.map(|loaded| loaded.weights.meta_as("step")).transpose()?.flatten().unwrap_or(0))
    }

    /// The variants of kernels that it was made with; none in a checkpoint that does not say.
    ///
    /// # Errors
    /// A broken checkpoint.
    pub(super) fn choices(&self) -> Result<Option<Choices>> {
        let text = self.says("kernels")?;
        let parsed = text.map(|text| serde_json::from_str(&text)).transpose();
        parsed.map_err(|e| Error::format(&self.path, e.to_string(), "start the run anew"))
    }

    /// Refuses to go on with steps that are cut in another way than before: sums would have another
    /// order, and the rest of the run other bits.
    ///
    /// # Errors
    /// [`Error::Format`]: they are.
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

    /// Puts it back; returns its step, 0 where there is none. `identity` says what the run depends on: a
    /// checkpoint of something else is refused.
    ///
    /// # Errors
    /// A broken checkpoint, or one of another run.
    pub(super) fn restore(
        &self,
        gpu: &Gpu,
        net: &TrainableNet,
        identity: &Identity,
    ) -> Result<u64> {
        let Some(Loaded { weights, .. }) = self.load()? else { return Ok(0) };
        let path = &weights.origin;
        // Not among the facts: f32 and f16 have a hint of their own.
        let (began, now) = (weights.meta("dtype").unwrap_or("f32"), net.operands().name());
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

/// Removes the checkpoint at `path` and what belongs to it, where nobody works with it any more.
pub(crate) fn remove(path: &Path) {
    let checkpoint = Checkpoint::at(path);
    for file in checkpoint.files() {
        // One that stays does no harm.
        let _ = fs::remove_file(file);
    }
}

/// The checkpoint at `path`.
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

/// Whether it says that a file is broken, or not there any more.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Format { .. } | Error::Read { .. })
}
