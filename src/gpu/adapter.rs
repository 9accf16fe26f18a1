//! Which adapters are there, and which one to use: hardware first, software last, never by accident.

use super::cpu;
use crate::error::{Error, Result};
use serde::Serialize;

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct AdapterChoice {
    /// Index in the list, or part of a name or of a PCI bus id (without regard to case).
    pub adapter: Option<String>,
    /// Allow only this backend.
    pub backend: Option<BackendName>,
    /// Refuse software adapters.
    pub require_gpu: bool,
}

impl AdapterChoice {
    /// Whether an adapter is the one, or one of those, that the user asked for.
    pub(super) fn allows(&self, report: &AdapterReport) -> bool {
        let backend =
            self.backend.is_none_or(|b| report.backend == format!("{b:?}").to_lowercase());
        let name = self.adapter.as_ref().is_none_or(|wanted| match wanted.parse::<usize>() {
            Ok(index) => report.index == index,
            Err(_) => [report.line(), report.pci_bus_id.clone()]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted.to_lowercase())),
        });
        backend && name
    }
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
    /// Where it is plugged in, as in `0000:01:00.0`; empty where the driver does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pci_bus_id: String,
    /// Tells apart adapters that look the same: those with equal name, backend, driver, processor and
    /// PCI bus id.
    #[serde(skip)]
    pub(super) twin: Twin,
    /// The processor that a software adapter computes on, and its widest vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Smallest and largest subgroup, `None` without subgroup operations.
    pub subgroup: Option<[u32; 2]>,
    /// Sizes n of the cooperative matrices (tensor cores) n x n x n whose f16 products are summed in
    /// f32; empty where the adapter has only other kinds or none at all.
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

/// Position of an adapter among those that look the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Twin {
    /// Its index among them, from 0, in the order in which the driver lists them.
    nth: usize,
    /// How many adapters look the same, this one included.
    of: usize,
}

impl AdapterReport {
    /// A report of an adapter that does not exist.
    #[cfg(test)]
    pub(crate) fn for_tests(name: &str) -> Self {
        Self {
            index: 0,
            name: name.into(),
            backend: "vulkan".into(),
            driver: "drv 1.2".into(),
            kind: "software",
            pci_bus_id: String::new(),
            twin: Twin::default(),
            cpu: None,
            f16: false,
            subgroup: None,
            cooperative_matrix: Vec::new(),
            timestamps: false,
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            workgroup_bytes: 0,
            max_invocations: 0,
        }
    }

    /// Whether the adapter computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// The backend to search when this adapter is opened again; all backends if the name is unknown.
    pub(super) fn backends(&self) -> wgpu::Backends {
        match self.backend.as_str() {
            "vulkan" => wgpu::Backends::VULKAN,
            "metal" => wgpu::Backends::METAL,
            "dx12" => wgpu::Backends::DX12,
            "gl" => wgpu::Backends::GL,
            _ => BACKENDS,
        }
    }

    /// Whether two reports cannot be told apart: they are of the same adapter, or of two of the same
    /// model.
    fn looks_like(&self, other: &Self) -> bool {
        self.line() == other.line() && self.pci_bus_id == other.pci_bus_id
    }

    /// `name (backend, driver)`; a software adapter's line ends in ` on ` and its processor, because
    /// times and rounding differ between processors.
    pub fn line(&self) -> String {
        let on = self.cpu.as_ref().map(|cpu| format!(" on {cpu}")).unwrap_or_default();
        format!("{} ({}, {}){on}", self.name, self.backend, self.driver)
    }
}

/// The backends that the program can use.
pub(super) const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12)
    .union(wgpu::Backends::GL);

/// Every adapter of every backend, best first.
pub fn list() -> Vec<AdapterReport> {
    enumerate(BACKENDS).1.into_iter().map(|(_, report)| report).collect()
}

/// The adapter that [`super::Device::open`] would use.
///
/// # Errors
/// No adapter fits, or only a software adapter where a GPU is required.
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
        // The Noop backend accepts everything and computes nothing. Compute shaders are required.
        .filter(|a| a.get_info().backend != wgpu::Backend::Noop)
        .filter(|a| {
            let flags = a.get_downlevel_capabilities().flags;
            flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        })
        .collect();
    adapters.sort_by_key(|a| rank(&a.get_info()));
    let mut reports: Vec<_> = adapters.iter().enumerate().map(|(i, a)| describe(i, a)).collect();
    count_twins(&mut reports);
    (instance, adapters.into_iter().zip(reports).collect())
}

/// Fills in [`AdapterReport::twin`] of every report.
fn count_twins(reports: &mut [AdapterReport]) {
    for i in 0..reports.len() {
        let alike =
            |some: &[AdapterReport]| some.iter().filter(|r| r.looks_like(&reports[i])).count();
        reports[i].twin = Twin { nth: alike(&reports[..i]), of: alike(reports) };
    }
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
        pci_bus_id: info.device_pci_bus_id.clone(),
        twin: Twin::default(),
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
    // Shaders that use these matrices also need f16 and the index of their subgroup.
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

/// The first adapter, in the order of the list, that fits a choice.
pub(super) fn choose(found: Vec<Found>, choice: &AdapterChoice) -> Result<Found> {
    let names: Vec<String> = found.iter().map(|(_, r)| r.line()).collect();
    let wanted = match (&choice.adapter, choice.backend) {
        (None, None) => "any adapter".to_owned(),
        (Some(name), None) => format!("{name:?}"),
        (None, Some(backend)) => format!("backend {backend:?}"),
        (Some(name), Some(backend)) => format!("{name:?} on {backend:?}"),
    };
    let chosen = found.into_iter().find(|(_, report)| choice.allows(report));
    match chosen {
        Some((_, report)) if choice.require_gpu && report.is_software() => {
            Err(Error::OnlySoftware { found: names })
        }
        Some(found) => Ok(found),
        None => Err(Error::NoAdapter { wanted, found: names }),
    }
}

/// Finds the adapter that had this report before, so that a run continues on its own adapter and not on
/// another one that looks the same.
///
/// # Errors
/// [`Error::NoAdapter`]: the adapter is gone, or one of several that look the same is gone and it
/// cannot be told which.
pub(super) fn find_again(found: Vec<Found>, before: &AdapterReport) -> Result<Found> {
    let names = found.iter().map(|(_, report)| report.line()).collect();
    let same = found.into_iter().find(|(_, report)| is_same(report, before));
    same.ok_or_else(|| Error::NoAdapter { wanted: before.line(), found: names })
}

fn is_same(report: &AdapterReport, before: &AdapterReport) -> bool {
    report.looks_like(before) && report.twin == before.twin
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of adapters with these names and PCI bus ids.
    fn adapters(of: &[(&str, &str)]) -> Vec<AdapterReport> {
        let report = |&(name, bus): &(&str, &str)| AdapterReport {
            pci_bus_id: bus.into(),
            ..AdapterReport::for_tests(name)
        };
        let mut reports: Vec<_> = of.iter().map(report).collect();
        count_twins(&mut reports);
        reports
    }

    #[test]
    fn the_same_adapter_is_found_again() {
        let again = |now: &[(&str, &str)], before: &AdapterReport| {
            adapters(now).iter().position(|report| is_same(report, before))
        };
        let (a, b, other) = (("gpu", "0000:01:00.0"), ("gpu", "0000:02:00.0"), ("old gpu", ""));
        let placed = adapters(&[a, b, other]);
        assert_eq!(again(&[a, b, other], &placed[1]), Some(1));
        // The driver may list them in another order, and one may be gone.
        assert_eq!(again(&[b, other, a], &placed[1]), Some(0));
        assert_eq!(again(&[b], &placed[1]), Some(0));
        assert_eq!(again(&[a, other], &placed[1]), None);
        let (twin, others) = (("gpu", ""), adapters(&[("gpu", ""), other, ("gpu", "")]));
        assert_eq!(again(&[twin, twin], &others[2]), Some(1));
        assert_eq!(again(&[other, twin, twin], &others[0]), Some(1));
        assert_eq!(again(&[twin], &others[0]), None);
        assert_eq!(others[2].twin, Twin { nth: 1, of: 2 });
    }
}
