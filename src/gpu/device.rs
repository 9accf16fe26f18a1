//! An open device: its limits, its pipelines, and its errors turned into [`crate::error::Error`].

use super::{
    adapter::{self, AdapterChoice, AdapterReport},
    choice::Chooser,
    recorder::Recorder,
    sabotage::Sabotage,
    trouble::Troubles,
    trusted,
};
use crate::{
    error::{Error, Result},
    kernels::{
        desc::{Access, KernelDesc, Variant},
        plan::Plan,
    },
    tuning::{PipelineFile, Place},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A device with everything that programs share. Cheap to pass by reference, safe to share.
#[derive(Debug)]
pub struct Gpu {
    pub(super) report: AdapterReport,
    pub(super) place: Option<Place>,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) troubles: Arc<Mutex<Troubles>>,
    /// The device that was opened when this one was lost.
    pub(super) successor: OnceLock<Box<Self>>,
    pub(super) sabotage: Option<Arc<Sabotage>>,
    /// Shaders by the stems of their variants: each is parsed once, whatever constants its
    /// pipelines get.
    shaders: Mutex<HashMap<&'static str, wgpu::ShaderModule>>,
    pipelines: Mutex<HashMap<PipelineKey, Pipeline>>,
    cache: Option<Compiled>,
    pub(super) chooser: Chooser,
    pub(super) recorder: Mutex<Option<Recorder>>,
    pub(super) checked: bool,
}

/// The driver's cache of compiled pipelines, and the file that keeps it.
#[derive(Debug)]
struct Compiled {
    cache: wgpu::PipelineCache,
    file: Option<PipelineFile>,
    /// Whether a pipeline was compiled that the file may not hold yet.
    compiled: AtomicBool,
}

impl Drop for Compiled {
    /// Errors of writing are ignored: without the file only the next start is slower.
    fn drop(&mut self) {
        let (Some(file), true) = (&self.file, *self.compiled.get_mut()) else { return };
        if let Some(data) = self.cache.get_data()
            && file.load().as_ref() != Some(&data)
        {
            let _ = file.save(&data);
        }
    }
}

type PipelineKey = (&'static str, &'static str, u32, Vec<(&'static str, u64)>);

/// A pipeline with the layout of its one bind group.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
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

    /// Like [`Self::open`]; with a `place`, compiled pipelines are kept there if the driver can
    /// export them.
    pub fn open_at(choice: &AdapterChoice, place: Option<&Place>) -> Result<Self> {
        let (_instance, found) = adapter::enumerate(adapter::BACKENDS);
        Self::open_found(adapter::choose(found, choice)?, place)
    }

    /// Opens a device on an adapter that was found.
    pub(super) fn open_found(
        (adapter, report): adapter::Found,
        place: Option<&Place>,
    ) -> Result<Self> {
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
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| Error::Gpu {
                doing: format!("open {}", report.name),
                message: e.to_string(),
            })?;
        let troubles = Troubles::of(&device);
        let file = place.map(|place| place.pipelines(&report.line()));
        let kept = file.as_ref().and_then(PipelineFile::load);
        let cache = trusted::pipeline_cache(&device, kept.as_deref());
        let cache = cache.map(|cache| Compiled { cache, file, compiled: AtomicBool::new(false) });
        let (shaders, pipelines, chooser) = Default::default();
        let (recorder, checked) = (Mutex::default(), false);
        Ok(Self {
            report,
            place: place.cloned(),
            device,
            queue,
            troubles,
            successor: OnceLock::new(),
            sabotage: None,
            shaders,
            pipelines,
            cache,
            chooser,
            recorder,
            checked,
        })
    }

    /// The adapter, as reports name it.
    #[must_use]
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// Limits of the device.
    #[must_use]
    pub fn limits(&self) -> wgpu::Limits {
        self.device.limits()
    }

    /// Lanes of a subgroup, where every subgroup has the same number.
    #[must_use]
    pub fn subgroup(&self) -> Option<u32> {
        match self.report.subgroup {
            Some([least, most]) if least == most => Some(least),
            _ => None,
        }
    }

    /// From now on compiles trusted variants with run-time checks too, to prove them before they
    /// are trusted.
    pub fn check_shaders(&mut self) {
        self.checked = true;
        lock(&self.shaders).clear();
        lock(&self.pipelines).clear();
    }

    /// Creates a buffer within the adapter's limits.
    pub(super) fn create_buffer(
        &self,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        let limits = self.device.limits();
        let limit = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        if bytes > limit {
            let (what, adapter) = (label.to_owned(), self.report.name.clone());
            return Err(Error::BufferTooLarge { what, needs: bytes, limit, adapter });
        }
        let full = || {
            let (what, adapter) = (label.to_owned(), self.report.name.clone());
            Error::OutOfMemory { what, bytes, adapter }
        };
        if self.before_buffer() {
            return Err(full());
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: false,
        };
        let buffer = self.device.create_buffer(&descriptor);
        match pollster::block_on(scope.pop()) {
            Some(_) => Err(full()),
            None => {
                self.made(label, &buffer);
                Ok(buffer)
            }
        }
    }

    /// The pipeline of a plan with a variant, compiled at most once per set of constants.
    pub(super) fn pipeline(
        &self,
        plan: &Plan,
        variant: &'static Variant,
        workgroup: u32,
    ) -> Result<Pipeline> {
        let constants: Vec<_> = plan.constants.iter().map(|&(n, v)| (n, v.to_bits())).collect();
        let key = (plan.kernel.name, variant.name, workgroup, constants);
        if let Some(found) = lock(&self.pipelines).get(&key) {
            return Ok(found.clone());
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let layout = self.layout(plan.kernel);
        let known = lock(&self.shaders).get(variant.stem).cloned();
        let module = known.unwrap_or_else(|| trusted::shader(&self.device, variant, self.checked));
        let mut constants = plan.constants.clone();
        constants.push(("WG_SIZE", f64::from(workgroup)));
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(plan.kernel.name),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(variant.stem),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // No kernel reads workgroup memory that it did not write.
                zero_initialize_workgroup_memory: false,
            },
            cache: self.cache.as_ref().map(|c| &c.cache),
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            let doing = format!("compile {} ({})", variant.stem, self.report.name);
            return Err(self.refused(&doing, error.to_string()));
        }
        if let Some(cache) = &self.cache {
            cache.compiled.store(true, Ordering::Relaxed);
        }
        lock(&self.shaders).insert(variant.stem, module);
        let pipeline = Pipeline { pipeline, layout };
        lock(&self.pipelines).insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn layout(&self, kernel: &KernelDesc) -> wgpu::BindGroupLayout {
        let entry = |(i, &(_, access)): (usize, &(&str, Access))| wgpu::BindGroupLayoutEntry {
            binding: u32::try_from(i).unwrap_or(u32::MAX),
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match access {
                    Access::Uniform => wgpu::BufferBindingType::Uniform,
                    Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                    Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = kernel.bindings.iter().enumerate().map(entry).collect();
        let label = Some(kernel.name);
        self.device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries })
    }
}

/// Locks a mutex, even a poisoned one: another thread panicked, but the data it guards stays
/// usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
