//! An open device with what a run has decided and measured about it.

use super::{
    choose::{Chooser, Recorded},
    record::{Recorder, Recording, Span},
    sabotage::Sabotage,
    tune::{Tuned, Tuner, Tuning},
};
use crate::{
    error::Result,
    gpu::{AdapterChoice, Device},
    tuning::{CacheFolder, Choices},
};
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
    time::Instant,
};

/// A device that programs run on. Cheap to pass by reference, safe to share.
#[derive(Debug)]
pub struct Gpu {
    device: Device,
    pub(super) chooser: Chooser,
    pub(super) tuner: Option<Arc<Tuner>>,
    pub(super) recorder: Recorder,
    pub(super) sabotage: Option<Arc<Sabotage>>,
    /// The device that was opened when this one was lost.
    pub(super) successor: OnceLock<Box<Self>>,
}

impl Deref for Gpu {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

/// Keeps recorded choices in force until it is dropped.
#[derive(Debug)]
pub struct Session<'a> {
    chooser: &'a Chooser,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.chooser.forget_recorded();
    }
}

impl Gpu {
    /// Opens the adapter that fits the choice best, with every feature and limit that the program
    /// can use.
    ///
    /// # Errors
    /// No adapter fits, only a software adapter fits where a GPU is required, or the driver refuses
    /// a device.
    pub fn open(choice: &AdapterChoice) -> Result<Self> {
        Self::open_at(choice, None)
    }

    /// From now on compiles trusted variants with run-time checks too, to prove them before they
    /// are trusted.
    pub fn check_shaders(&mut self) {
        self.device.check_shaders();
    }

    /// Like [`Self::open`]; with a `place`, compiled pipelines are kept there if the driver can
    /// export them.
    pub fn open_at(choice: &AdapterChoice, place: Option<&CacheFolder>) -> Result<Self> {
        let device = Device::open(choice, place)?;
        let (chooser, tuner, recorder, sabotage, successor) = Default::default();
        Ok(Self { device, chooser, tuner, recorder, sabotage, successor })
    }

    /// The same adapter's next device, with the same preferences and measurements. It has no recorded
    /// choices: a run hands its own over again when it goes on.
    pub(super) fn heir(&self, device: Device) -> Self {
        Self {
            device,
            chooser: self.chooser.heir(),
            tuner: self.tuner.clone(),
            recorder: Recorder::default(),
            sabotage: self.sabotage.clone(),
            successor: OnceLock::new(),
        }
    }

    /// Turns measuring on, beginning with earlier measurements.
    pub fn tune(&mut self, tuning: Tuning) {
        self.tuner = Some(Arc::new(Tuner::new(tuning)));
    }

    /// What measuring candidates has cost so far; zeros where measuring is off.
    pub fn tuned(&self) -> Tuned {
        self.tuner.as_deref().map(Tuner::done).unwrap_or_default()
    }

    /// Prefers a variant of a kernel, or an algorithm, wherever it can run (`--kernel-variant`).
    pub fn prefer(&mut self, subject: &str, candidate: &str) {
        self.chooser.prefer(subject, candidate);
    }

    /// Begins a run: forgets the choices so far, and keeps to recorded ones until the session is
    /// dropped.
    pub fn session(&self, recorded: Option<Recorded>) -> Session<'_> {
        self.chooser.begin(recorded);
        Session { chooser: &self.chooser }
    }

    /// The choices of all programs built since the run began.
    pub fn choices(&self) -> Choices {
        self.chooser.choices()
    }

    /// Begins a recording.
    pub fn record(&self) -> Result<()> {
        self.recorder.begin(self)
    }

    /// Begins a span of host work; it is noted if a recording is on.
    pub fn span(&self, name: &'static str) -> Span<'_> {
        self.recorder.span(name)
    }

    /// Notes what another process did for this run from `began` on, in its row of the timeline, if a recording is on.
    pub fn note_elsewhere(&self, track: &str, name: &str, began: Instant, seconds: f64) {
        self.recorder.note(track, name, began, seconds);
    }

    /// Ends the recording. Waits for the device.
    pub fn recording(&self) -> Result<Recording> {
        self.recorder.end(self)
    }

    /// Makes something go wrong, for tests.
    pub fn sabotage(&mut self, sabotage: Arc<Sabotage>) {
        self.device.set_hook(Arc::<Sabotage>::clone(&sabotage));
        self.sabotage = Some(sabotage);
    }
}
