//! Which adapters are there, and which one to use: hardware first, software last, never by accident.

use super::cpu;
use crate::error::{Error, Result};
use serde::Serialize;

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct AdapterChoice {
    /// Index in the list, or part of a name (without regard to case).
    pub adapter: Option<String>,
    /// Only this backend.
    pub backend: Option<BackendName>,
    /// A software adapter is an error.
    pub require_gpu: bool,
}

/// Backends that the program can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// Vulkan (Linux, Windows, Android).
    Vulkan,
    /// Metal (Apple).
    Metal,
    /// Direct3D 12 (Windows).
    Dx12,
    /// OpenGL ES 3.1 or OpenGL 4.3.
    Gl,
}

/// One adapter as `nf-gpu devices` and every report show it.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterReport {
    /// Place in the list, for `--adapter`.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl`.
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `software`, `other`.
    pub kind: &'static str,
    /// The processor that a software adapter computes on, and its widest vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Smallest and largest subgroup, `None` without subgroup operations.
    pub subgroup: Option<[u32; 2]>,
    /// Sizes n of the cooperative matrices (tensor cores) n x n x n whose f16 products are summed in
    /// f32; none where the adapter has other ones or none at all.
    pub cooperative_matrix: Vec<u32>,
    /// GPU timestamps.
    pub timestamps: bool,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Most invocations of a workgroup.
    pub max_invocations: u32,
}

impl AdapterReport {
    /// Whether it computes on the CPU.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// Where it is found again.
    pub(super) fn backends(&self) -> wgpu::Backends {
        match self.backend.as_str() {
            "vulkan" => wgpu::Backends::VULKAN,
            "metal" => wgpu::Backends::METAL,
            "dx12" => wgpu::Backends::DX12,
            "gl" => wgpu::Backends::GL,
            _ => BACKENDS,
        }
    }

    /// `name (backend, driver)`, of a software adapter with ` on ` its processor: what was measured on
    /// one, or rounded by one, is not another's.
    #[must_use]
    pub fn line(&self) -> String {
        let on = self.cpu.as_ref().map(|cpu| format!(" on {cpu}")).unwrap_or_default();
        format!("{} ({}, {}){on}", self.name, self.backend, self.driver)
    }
}

/// The backends that we compute with.
pub(super) const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12)
    .union(wgpu::Backends::GL);

/// Every adapter of every backend, best first.
#[must_use]
pub fn list() -> Vec<AdapterReport> {
    enumerate(BACKENDS).1.into_iter().map(|(_, report)| report).collect()
}

/// The adapter that [`super::Gpu::open`] would use.
///
/// # Errors
/// None fits, or only software where a GPU is required.
pub fn would_use(choice: &AdapterChoice) -> Result<AdapterReport> {
    choose(enumerate(BACKENDS).1, choice).map(|(_, report)| report)
}

pub(super) type Found = (wgpu::Adapter, AdapterReport);

pub(super) fn enumerate(backends: wgpu::Backends) -> (wgpu::Instance, Vec<Found>) {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<wgpu::Adapter> = adapters
        .into_iter()
        // Noop accepts everything and computes nothing; compute shaders are the least we need.
        .filter(|a| a.get_info().backend != wgpu::Backend::Noop)
        .filter(|a| {
            let flags = a.get_downlevel_capabilities().flags;
            flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        })
        .collect();
    adapters.sort_by_key(|a| rank(&a.get_info()));
    let found = adapters.into_iter().enumerate().map(|(i, a)| {
        let report = describe(i, &a);
        (a, report)
    });
    (instance, found.collect())
}

/// Hardware before software; among equals Vulkan, Metal and DX12 before GL.
fn rank(info: &wgpu::AdapterInfo) -> (u8, u8) {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    // Of two software Vulkan adapters llvmpipe is several times faster than SwiftShader.
    let slow = u8::from(info.name.to_lowercase().contains("swiftshader"));
    (kind, u8::from(info.backend == wgpu::Backend::Gl) * 2 + slow)
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> AdapterReport {
    let (info, features, limits) = (adapter.get_info(), adapter.features(), adapter.limits());
    let subgroup = features
        .contains(wgpu::Features::SUBGROUP)
        .then_some([info.subgroup_min_size, info.subgroup_max_size]);
    AdapterReport {
        index,
        name: info.name.clone(),
        backend: match info.backend {
            wgpu::Backend::Vulkan => "vulkan",
            wgpu::Backend::Metal => "metal",
            wgpu::Backend::Dx12 => "dx12",
            wgpu::Backend::Gl => "gl",
            _ => "other",
        }
        .to_owned(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        },
        cpu: (info.device_type == wgpu::DeviceType::Cpu).then(cpu::describe),
        f16: features.contains(wgpu::Features::SHADER_F16),
        subgroup,
        cooperative_matrix: cooperative_matrices(adapter),
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
    }
}

/// Sizes of the square cooperative matrices that multiply f16 and sum f32.
fn cooperative_matrices(adapter: &wgpu::Adapter) -> Vec<u32> {
    // Shaders that use them also need f16 and the number of their subgroup.
    let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        | wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP;
    if !adapter.features().contains(needed) {
        return Vec::new();
    }
    let mut sizes: Vec<u32> = adapter
        .cooperative_matrix_properties()
        .iter()
        .filter(|p| p.m_size == p.n_size && p.m_size == p.k_size)
        .filter(|p| p.ab_type == wgpu::CooperativeScalarType::F16)
        .filter(|p| p.cr_type == wgpu::CooperativeScalarType::F32)
        .map(|p| p.m_size)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// The adapter that answers best to a choice.
pub(super) fn choose(found: Vec<Found>, choice: &AdapterChoice) -> Result<Found> {
    let names: Vec<String> = found.iter().map(|(_, r)| r.line()).collect();
    let wanted = match (&choice.adapter, choice.backend) {
        (None, None) => "any adapter".to_owned(),
        (Some(name), None) => format!("{name:?}"),
        (None, Some(backend)) => format!("backend {backend:?}"),
        (Some(name), Some(backend)) => format!("{name:?} on {backend:?}"),
    };
    let fits = |report: &AdapterReport| {
        let backend =
            choice.backend.is_none_or(|b| report.backend == format!("{b:?}").to_lowercase());
        let name = choice.adapter.as_ref().is_none_or(|wanted| match wanted.parse::<usize>() {
            Ok(index) => report.index == index,
            Err(_) => report.line().to_lowercase().contains(&wanted.to_lowercase()),
        });
        backend && name
    };
    let chosen = found.into_iter().find(|(_, report)| fits(report));
    match chosen {
        Some((_, report)) if choice.require_gpu && report.is_software() => {
            Err(Error::OnlySoftware { found: names })
        }
        Some(found) => Ok(found),
        None => Err(Error::NoAdapter { wanted, found: names }),
    }
}
