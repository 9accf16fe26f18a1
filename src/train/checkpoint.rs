//! A checkpoint: what a training goes on from, bit for bit.

use crate::{
    error::{Error, Result},
    files::Weights,
    gpu::Gpu,
    nn::TrainableNet,
    tuning::Choices,
};
use std::path::PathBuf;

/// Names of the optimiser's state in the file.
const FIRST: &str = "optimiser.first";
const SECOND: &str = "optimiser.second";

/// A checkpoint's file, there or not yet.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
}

impl Checkpoint {
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Writes it: parameters, statistics, optimiser state, step. Waits for the device.
    ///
    /// # Errors
    /// The device failed, or the file cannot be written (an older checkpoint then stays).
    pub(super) fn save(
        &self,
        gpu: &Gpu,
        net: &TrainableNet,
        step: u64,
        identity: &str,
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
        note("identity", identity.to_owned());
        note("cut", cut.to_owned());
        note("dtype", net.operands().name().to_owned());
        note("kernels", serde_json::json!(gpu.choices()).to_string());
        note("commit", env!("NF_COMMIT").to_owned());
        weights.save(&self.path)
    }

    /// What its metadata says under a key.
    fn says(&self, key: &str) -> Result<Option<String>> {
        if !self.path.exists() {
            return Ok(None);
        }
        Ok(Weights::load(&self.path)?.meta(key).map(str::to_owned))
    }

    /// The version of the program that wrote it.
    ///
    /// # Errors
    /// A broken checkpoint.
    pub(super) fn commit(&self) -> Result<Option<String>> {
        self.says("commit")
    }

    /// Whether it is there.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
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
    pub(super) fn restore(&self, gpu: &Gpu, net: &TrainableNet, identity: &str) -> Result<u64> {
        let path = &self.path;
        if !path.exists() {
            return Ok(0);
        }
        let weights = Weights::load(path)?;
        if weights.meta("identity") != Some(identity) {
            return Err(Error::format(
                path,
                format!(
                    "it is of another run: it says {:?}, this run is {identity:?}",
                    weights.meta("identity").unwrap_or("nothing")
                ),
                "use the base network, the generator and the adapter of that run",
            ));
        }
        // Checkpoints from before there was a choice are of f32.
        let (began, now) = (weights.meta("dtype").unwrap_or("f32"), net.operands().name());
        if began != now {
            let what = format!("its steps were computed in {began}; this run computes in {now}");
            let hint = format!("go on with --dtype {began}, or begin anew");
            return Err(Error::format(path, what, hint));
        }
        let len = net.offsets.len as usize;
        net.restore(gpu, &weights)?;
        for (name, buffer) in [(FIRST, &net.first), (SECOND, &net.second)] {
            buffer.write(gpu, 0, &weights.get(name, &[len])?.data);
        }
        weights
            .meta_as("step")?
            .ok_or_else(|| Error::format(path, "it does not say its step", "start the run anew"))
    }
}
