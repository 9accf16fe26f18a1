//! A device that was lost is opened again.

use super::session::Gpu;
use crate::{
    error::{Error, Result},
    gpu::{self, AdapterReport},
};
use std::{thread, time::Duration};

/// Pauses before each attempt to open the device again: a driver that resets is away for a moment.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

impl Gpu {
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
            match self.next() {
                Ok(next) => return Ok(self.successor.get_or_init(|| Box::new(next))),
                Err(error) => last = Some(error),
            }
        }
        let adapter = self.report().line();
        // The error lists adapters of all backends; the search was among those of one.
        let found = || match self.is_gone() {
            true => Vec::new(),
            false => gpu::list().iter().map(AdapterReport::line).collect(),
        };
        Err(match last {
            Some(Error::NoAdapter { .. } | Error::OnlySoftware { .. }) | None => {
                Error::AdapterGone { adapter, found: found() }
            }
            Some(error) => error,
        })
    }

    fn next(&self) -> Result<Self> {
        if self.is_gone() {
            return Err(Error::NoAdapter { wanted: self.report().line(), found: Vec::new() });
        }
        Ok(self.heir(self.again()?))
    }

    /// Whether a test has taken the adapter away.
    fn is_gone(&self) -> bool {
        self.sabotage.as_ref().is_some_and(|sabotage| sabotage.gone())
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
}
