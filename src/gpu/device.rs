//! An open device: its limits, its pipelines, and its errors turned into [`crate::error::Error`].

use super::{
    adapter::{self, AdapterChoice, AdapterReport},
    hook::{Effect, Hook, Point},
    pipelines::{Pipeline, Pipelines},
    trouble::Troubles,
    trusted,
};
use crate::{
    error::{Error, Result},
    kernels::{desc::Variant, plan::Plan},
    tuning::CacheFolder,
};
use std::sync::Arc;

/// A device with what all programs on it share: pipelines, and the notes on what went wrong.
#[derive(Debug)]
pub struct Device {
    report: AdapterReport,
    place: Option<CacheFolder>,
    pub(crate) raw: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    troubles: Troubles,
    pipelines: Pipelines,
    hook: Option<Arc<dyn Hook>>,
}

impl Device {
    /// Opens the adapter that fits the choice best, with every feature and limit that the program
    /// can use. With a `place`, compiled pipelines are kept there if the driver can export them.
    ///
    /// # Errors
    /// No adapter fits, only a software adapter fits where a GPU is required, or the driver refuses
    /// a device.
    pub fn open(choice: &AdapterChoice, place: Option<&CacheFolder>) -> Result<Self> {
        let (_instance, found) = adapter::enumerate(adapter::BACKENDS);
        Self::open_found(adapter::choose(found, choice)?, place)
    }

    /// Opens the same adapter again, with the same settings.
    pub(crate) fn again(&self) -> Result<Self> {
        // Only the adapter's own backend is searched: other drivers need not be loaded.
        let (_instance, found) = adapter::enumerate(self.report.backends());
        let found = adapter::find_again(found, &self.report)?;
        let mut next = Self::open_found(found, self.place.as_ref())?;
        // Keep the index in the list of all adapters.
        next.report.index = self.report.index;
        next.hook.clone_from(&self.hook);
        if self.pipelines.checked() {
            next.check_shaders();
        }
        Ok(next)
    }

    /// Opens a device on an adapter that was found.
    fn open_found((adapter, report): adapter::Found, place: Option<&CacheFolder>) -> Result<Self> {
        let wanted = wgpu::Features::SUBGROUP
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE
            | wgpu::Features::SHADER_F16
            | wgpu::Features::SHADER_INT64
            | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("nf-gpu"),
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            experimental_features: trusted::experimental_features(),
            ..Default::default()
        };
        let (raw, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| Error::Gpu {
                doing: format!("open {}", report.name),
                message: e.to_string(),
            })?;
        let troubles = Troubles::of(&raw, report.is_software());
        let file = place.map(|place| place.pipelines(&report.line()));
        let pipelines = Pipelines::new(&raw, file);
        Ok(Self { report, place: place.cloned(), raw, queue, troubles, pipelines, hook: None })
    }

    /// The adapter, as reports name it.
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// Limits of the device.
    pub fn limits(&self) -> wgpu::Limits {
        self.raw.limits()
    }

    /// Lanes of a subgroup, where every subgroup has the same number.
    pub fn subgroup(&self) -> Option<u32> {
        match self.report.subgroup {
            Some([least, most]) if least == most => Some(least),
            _ => None,
        }
    }

    /// From now on compiles trusted variants with run-time checks too, to prove them before they
    /// are trusted.
    pub fn check_shaders(&mut self) {
        self.pipelines.check();
    }

    /// Asks a hook before each use from now on.
    pub(crate) fn set_hook(&mut self, hook: Arc<dyn Hook>) {
        self.hook = Some(hook);
    }

    /// Creates a buffer within the adapter's limits.
    pub(crate) fn create_buffer(
        &self,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        let limits = self.limits();
        let limit = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        if bytes > limit {
            let (what, adapter) = (label.to_owned(), self.report.name.clone());
            return Err(Error::BufferTooLarge { what, needs: bytes, limit, adapter });
        }
        let full = || {
            let (what, adapter) = (label.to_owned(), self.report.name.clone());
            Error::OutOfMemory { what, bytes, adapter }
        };
        if self.before(Point::Buffer) == Effect::OutOfMemory {
            return Err(full());
        }
        let scope = self.raw.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: false,
        };
        let buffer = self.raw.create_buffer(&descriptor);
        if pollster::block_on(scope.pop()).is_some() {
            return Err(full());
        }
        if let Some(hook) = &self.hook {
            hook.made(label, &buffer);
        }
        Ok(buffer)
    }

    /// The pipeline of a plan with a variant, compiled at most once per set of constants.
    pub(crate) fn pipeline(
        &self,
        plan: &Plan,
        variant: &'static Variant,
        workgroup: u32,
    ) -> Result<Pipeline> {
        self.pipelines.get(&self.raw, plan, variant, workgroup).map_err(|message| {
            let doing = format!("compile {} ({})", variant.stem, self.report.name);
            self.refused(&doing, message)
        })
    }

    /// An encoder for commands that [`Self::submit`] takes.
    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Submits an encoder's commands.
    pub(crate) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.before(Point::Submit);
        self.queue.submit([encoder.finish()])
    }

    /// Asks the hook before a use, if there is one.
    pub(super) fn before(&self, point: Point) -> Effect {
        let Some(hook) = &self.hook else { return Effect::None };
        let effect = hook.before(point, &self.raw, &self.queue);
        if effect == Effect::Hang {
            self.troubles.hang();
        }
        effect
    }

    /// Waits until everything submitted is done.
    pub fn wait(&self, doing: &str) -> Result<()> {
        self.wait_for(None)?;
        self.check(doing)
    }

    /// Waits for one submission and what was submitted before it, or for everything.
    pub(crate) fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.troubles.wait_for(submission)
    }

    /// Turns what the driver complained about since the last call into an error.
    pub fn check(&self, doing: &str) -> Result<()> {
        self.troubles.check(doing)
    }

    /// The error to report for something that the device refused: its loss, if the device is lost.
    pub(crate) fn refused(&self, doing: &str, message: String) -> Error {
        self.troubles.refused(doing, message)
    }

    /// Why the device is lost, if it is. Waits for submitted work, because only then is a loss
    /// reported.
    pub fn lost(&self) -> Option<String> {
        self.troubles.lost()
    }
}

impl Drop for Device {
    /// Dropping a device waits for its work, which never ends on a hung device: its handles are leaked
    /// instead.
    fn drop(&mut self) {
        if self.troubles.hung() {
            std::mem::forget((self.queue.clone(), self.raw.clone()));
        }
    }
}
