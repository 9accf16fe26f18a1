//! A device that fails: the failure is noticed, turned into an error, and the device is opened again.

use super::{
    adapter::{self, AdapterReport},
    device::{Gpu, lock},
    sabotage::Sabotage,
};
use crate::error::{Error, Result};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Time after which a GPU that has not finished its work is taken to hang. It is long because a step
/// has many submissions of up to a second and waits for the step before it. A software adapter is never
/// taken to hang.
const PATIENCE: Duration = Duration::from_secs(600);
/// Pauses before each attempt to open the device again: a driver that resets is away for a moment.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Errors that a driver has reported.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    error: Option<String>,
    lost: Option<String>,
    /// Submitted work never ended: another wait for it would hang.
    hung: bool,
}

impl Troubles {
    /// Registers callbacks that collect the device's errors from here on.
    pub(super) fn of(device: &wgpu::Device) -> Arc<Mutex<Self>> {
        let troubles = Arc::new(Mutex::new(Self::default()));
        let seen = Arc::clone(&troubles);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&seen).error.get_or_insert_with(|| error.to_string());
        }));
        let seen = Arc::clone(&troubles);
        device.set_device_lost_callback(move |reason, message| {
            let destroyed = reason == wgpu::DeviceLostReason::Destroyed;
            let message = if destroyed { "it was destroyed".into() } else { message };
            lock(&seen).lost.get_or_insert(message);
        });
        troubles
    }
}

impl Gpu {
    /// Waits until everything submitted is done.
    pub fn wait(&self, doing: &str) -> Result<()> {
        self.wait_for(None)?;
        self.check(doing)
    }

    /// Waits for one submission and what was submitted before it, or for everything.
    pub(super) fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        if lock(&self.troubles).hung {
            return self.check("wait for it");
        }
        let timeout = (!self.report().is_software()).then_some(PATIENCE);
        let wait = wgpu::PollType::Wait { submission_index: submission, timeout };
        // wgpu panics if the driver reports a lost device during the wait.
        let polled = match self.hangs_now() {
            true => Ok(Err(wgpu::PollError::Timeout)),
            false => catch_unwind(AssertUnwindSafe(|| self.device.poll(wait))),
        };
        let message = match polled {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) => {
                lock(&self.troubles).hung = true;
                format!("its work did not come back in {} s", PATIENCE.as_secs())
            }
            // Work that was refused cannot be waited for: the error of the refusal says why.
            Ok(Err(e)) => {
                self.check("run a program")?;
                e.to_string()
            }
            Err(_) => "the driver gave up while it was waited for".into(),
        };
        let message = lock(&self.troubles).lost.get_or_insert(message).clone();
        Err(Error::DeviceLost { message })
    }

    /// Turns what the driver complained about since the last call into an error.
    pub fn check(&self, doing: &str) -> Result<()> {
        let mut troubles = lock(&self.troubles);
        if let Some(message) = troubles.lost.clone() {
            return Err(Error::DeviceLost { message });
        }
        match troubles.error.take() {
            Some(message) => {
                drop(troubles);
                Err(self.refused(doing, message))
            }
            None => Ok(()),
        }
    }

    /// The error to report for something that the device refused: its loss, if the device is lost.
    pub(super) fn refused(&self, doing: &str, message: String) -> Error {
        match self.lost() {
            Some(message) => Error::DeviceLost { message },
            None => Error::Gpu { doing: doing.to_owned(), message },
        }
    }

    /// Why the device is lost, if it is. Waits for submitted work, because only then is a loss
    /// reported.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        if lock(&self.troubles).lost.is_none() {
            // The error is ignored: a loss is noted in `troubles`, which is read below.
            let _ = self.wait_for(None);
        }
        lock(&self.troubles).lost.clone()
    }

    /// Opens the adapter again after its device was lost, with the same preferences. The new device
    /// lives as long as this one; further calls return the same one.
    ///
    /// # Errors
    /// [`Error::AdapterGone`] if the adapter is gone, or the driver refuses another device.
    pub fn reopen(&self) -> Result<&Self> {
        if let Some(next) = self.successor.get() {
            return Ok(next);
        }
        let mut last = None;
        for pause in PAUSES {
            if self.sabotage.is_none() {
                thread::sleep(pause);
            }
            match self.again() {
                Ok(next) => return Ok(self.successor.get_or_init(|| Box::new(next))),
                Err(error) => last = Some(error),
            }
        }
        let adapter = self.report().line();
        // The error lists adapters of all backends; the search was among those of one.
        let found = || match self.sabotage.as_ref().is_some_and(|sabotage| sabotage.gone()) {
            true => Vec::new(),
            false => adapter::list().iter().map(AdapterReport::line).collect(),
        };
        Err(match last {
            Some(Error::NoAdapter { .. } | Error::OnlySoftware { .. }) | None => {
                Error::AdapterGone { adapter, found: found() }
            }
            Some(error) => error,
        })
    }

    fn again(&self) -> Result<Self> {
        if self.sabotage.as_ref().is_some_and(|sabotage| sabotage.gone()) {
            return Err(Error::NoAdapter { wanted: self.report().line(), found: Vec::new() });
        }
        // Only the adapter's own backend is searched: other drivers need not be loaded.
        let (_instance, found) = adapter::enumerate(self.report.backends());
        let found = adapter::find_again(found, self.report())?;
        let mut next = Self::open_found(found, self.place.as_ref())?;
        // Keep the index in the list of all adapters.
        next.report.index = self.report.index;
        next.chooser = self.chooser.heir();
        next.checked = self.checked;
        next.sabotage.clone_from(&self.sabotage);
        Ok(next)
    }

    /// This device, or the one that was opened last in its place.
    #[must_use]
    pub fn latest(&self) -> &Self {
        let mut gpu = self;
        while let Some(next) = gpu.successor.get() {
            gpu = next;
        }
        gpu
    }

    /// [`Self::latest`] by value; the devices that were lost before it are dropped.
    #[must_use]
    pub fn into_latest(mut self) -> Self {
        while let Some(next) = self.successor.take() {
            self = *next;
        }
        self
    }

    /// Makes something go wrong, for tests.
    pub fn sabotage(&mut self, sabotage: Arc<Sabotage>) {
        self.sabotage = Some(sabotage);
    }
}

impl Drop for Gpu {
    /// Dropping a device waits for its work, which never ends on a hung device: its handles are leaked
    /// instead.
    fn drop(&mut self) {
        if lock(&self.troubles).hung {
            std::mem::forget((self.queue.clone(), self.device.clone()));
        }
    }
}
