//! Pipelines of kernels, each compiled once, and the file that keeps what the driver compiled.

use super::{lock::lock, trusted};
use crate::{
    kernels::{
        desc::{Access, KernelDesc, Variant},
        plan::Plan,
    },
    tuning::PipelineFile,
};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// A pipeline with the layout of its one bind group.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// The pipelines of one device.
#[derive(Debug)]
pub(super) struct Pipelines {
    /// Shaders by the stems of their variants: each is parsed once, whatever constants its
    /// pipelines get.
    shaders: Mutex<HashMap<&'static str, wgpu::ShaderModule>>,
    pipelines: Mutex<HashMap<PipelineKey, Pipeline>>,
    cache: Option<Compiled>,
    /// Whether trusted variants are compiled with run-time checks too.
    checked: bool,
}

type PipelineKey = (&'static str, &'static str, u32, Vec<(&'static str, u64)>);

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

impl Pipelines {
    /// No pipelines yet, except those that the driver takes from the file.
    pub(super) fn new(device: &wgpu::Device, file: Option<PipelineFile>) -> Self {
        let kept = file.as_ref().and_then(PipelineFile::load);
        let cache = trusted::pipeline_cache(device, kept.as_deref());
        let cache = cache.map(|cache| Compiled { cache, file, compiled: AtomicBool::new(false) });
        let (shaders, pipelines) = Default::default();
        Self { shaders, pipelines, cache, checked: false }
    }

    /// From now on compiles trusted variants with run-time checks too.
    pub(super) fn check(&mut self) {
        self.checked = true;
        lock(&self.shaders).clear();
        lock(&self.pipelines).clear();
    }

    /// Whether [`Self::check`] was called.
    pub(super) fn checked(&self) -> bool {
        self.checked
    }

    /// The pipeline of a plan with a variant, compiled at most once per set of constants; the
    /// compiler's message where it refuses.
    pub(super) fn get(
        &self,
        device: &wgpu::Device,
        plan: &Plan,
        variant: &'static Variant,
        workgroup: u32,
    ) -> Result<Pipeline, String> {
        let constants: Vec<_> = plan.constants.iter().map(|&(n, v)| (n, v.to_bits())).collect();
        let key = (plan.kernel.name, variant.name, workgroup, constants);
        if let Some(found) = lock(&self.pipelines).get(&key) {
            return Ok(found.clone());
        }
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let layout = layout(device, plan.kernel);
        let known = lock(&self.shaders).get(variant.stem).cloned();
        let module = known.unwrap_or_else(|| trusted::shader(device, variant, self.checked));
        let mut constants = plan.constants.clone();
        constants.push(("WG_SIZE", f64::from(workgroup)));
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(plan.kernel.name),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
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
            return Err(error.to_string());
        }
        if let Some(cache) = &self.cache {
            cache.compiled.store(true, Ordering::Relaxed);
        }
        lock(&self.shaders).insert(variant.stem, module);
        let pipeline = Pipeline { pipeline, layout };
        lock(&self.pipelines).insert(key, pipeline.clone());
        Ok(pipeline)
    }
}

fn layout(device: &wgpu::Device, kernel: &KernelDesc) -> wgpu::BindGroupLayout {
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
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries })
}
