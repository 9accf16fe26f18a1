//! A device that fails: the failure is noticed and turned into an error.

use super::lock::lock;
use crate::error::{Error, Result};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Time after which a GPU that has not finished its work is taken to hang. It is long because a step
/// has many submissions of up to a second and waits for the step before it. A software adapter is never
/// taken to hang.
const PATIENCE: Duration = Duration::from_secs(600);

/// Notices what goes wrong on a device.
#[derive(Debug)]
pub(super) struct Troubles {
    device: wgpu::Device,
    /// How long to wait for its work; `None` for ever.
    patience: Option<Duration>,
    noted: Arc<Mutex<Noted>>,
}

/// Errors that a driver has reported.
#[derive(Debug, Default)]
struct Noted {
    error: Option<String>,
    lost: Option<String>,
    /// Submitted work never ended: another wait for it would hang.
    hung: bool,
    /// A test wants the next wait to time out.
    hangs: bool,
}

impl Troubles {
    /// Registers callbacks that collect the device's errors from here on.
    pub(super) fn of(device: &wgpu::Device, is_software: bool) -> Self {
        let noted = Arc::new(Mutex::new(Noted::default()));
        let seen = Arc::clone(&noted);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&seen).error.get_or_insert_with(|| error.to_string());
        }));
        let seen = Arc::clone(&noted);
        device.set_device_lost_callback(move |reason, message| {
            let destroyed = reason == wgpu::DeviceLostReason::Destroyed;
            let message = if destroyed { "it was destroyed".into() } else { message };
            lock(&seen).lost.get_or_insert(message);
        });
        let patience = (!is_software).then_some(PATIENCE);
        Self { device: device.clone(), patience, noted }
    }

    /// Whether submitted work never ended.
    pub(super) fn hung(&self) -> bool {
        lock(&self.noted).hung
    }

    /// Lets the next wait time out, for tests.
    pub(super) fn hang(&self) {
        lock(&self.noted).hangs = true;
    }

    /// Waits for one submission and what was submitted before it, or for everything.
    pub(super) fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        if self.hung() {
            return self.check("wait for it");
        }
        let wait = wgpu::PollType::Wait { submission_index: submission, timeout: self.patience };
        let hangs = std::mem::take(&mut lock(&self.noted).hangs);
        // wgpu panics if the driver reports a lost device during the wait.
        let polled = match hangs {
            true => Ok(Err(wgpu::PollError::Timeout)),
            false => catch_unwind(AssertUnwindSafe(|| self.device.poll(wait))),
        };
        let message = match polled {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) => {
                lock(&self.noted).hung = true;
                format!("its work did not come back in {} s", PATIENCE.as_secs())
            }
            // Work that was refused cannot be waited for: the error of the refusal says why.
            Ok(Err(e)) => {
                self.check("run a program")?;
                e.to_string()
            }
            Err(_) => "the driver gave up while it was waited for".into(),
        };
        let message = lock(&self.noted).lost.get_or_insert(message).clone();
        Err(Error::DeviceLost { message })
    }

    /// Turns what the driver complained about since the last call into an error.
    pub(super) fn check(&self, doing: &str) -> Result<()> {
        let mut noted = lock(&self.noted);
        if let Some(message) = noted.lost.clone() {
            return Err(Error::DeviceLost { message });
        }
        match noted.error.take() {
            Some(message) => {
                drop(noted);
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
    pub(super) fn lost(&self) -> Option<String> {
        if lock(&self.noted).lost.is_none() {
            // The error is ignored: a loss is noted, and what was noted is read below.
            let _ = self.wait_for(None);
        }
        lock(&self.noted).lost.clone()
    }
}
