//! The one file with `unsafe` code; each use states its reason.
#![expect(
    unsafe_code,
    reason = "wgpu and std mark these calls unsafe; each says below why it is sound here"
)]

use crate::kernels::desc::Variant;

/// Compiles a shader, without run-time checks where the variant is trusted and not `checked`.
pub(super) fn shader(
    device: &wgpu::Device,
    variant: &Variant,
    checked: bool,
) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(variant.stem),
        source: wgpu::ShaderSource::Wgsl(variant.wgsl.into()),
    };
    if variant.trusted && !checked {
        let checks = wgpu::ShaderRuntimeChecks {
            bounds_checks: false,
            force_loop_bounding: false,
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: a variant is marked trusted only when its conformance cases, which include every
        // tail of its tiles, pass with the checks on and with guard words behind its bindings; its
        // loops count up to sizes that `plan` has checked.
        unsafe { device.create_shader_module_trusted(descriptor, checks) }
    } else {
        device.create_shader_module(descriptor)
    }
}

/// Permission to use features that wgpu calls experimental, here cooperative matrices.
pub(super) fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: the caller promises to bear with bugs of such features, undefined behaviour included.
    // Only variants that ask for cooperative matrices use one; each loads and stores whole matrices
    // within workgroup memory that it declares, and is compared with its twin by conformance.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// A cache of compiled pipelines, filled with the `data` of an earlier one; `None` if the device has no
/// caches.
///
/// `data` must be exactly what [`wgpu::PipelineCache::get_data`] returned, verified with a digest.
pub(super) fn pipeline_cache(
    device: &wgpu::Device,
    data: Option<&[u8]>,
) -> Option<wgpu::PipelineCache> {
    if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
        return None;
    }
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("nf-gpu"), data, fallback: true };
    // SAFETY: the call is unsafe because a driver need not check `data`. It comes from
    // `PipelineFile::load`, which gives only bytes that match the SHA-256 written with them; the file
    // is named by adapter, backend and driver, whose identity wgpu and Vulkan check again.
    Some(unsafe { device.create_pipeline_cache(&descriptor) })
}

/// Silences Mesa's error about a missing screen. Where `XDG_RUNTIME_DIR` is not set, as in every container,
/// Mesa's device-select layer prints an error for each device. If the variable names a folder that does not
/// exist, the layer finds no screen either, orders the devices in the same way and prints nothing. Other
/// errors of drivers are printed as before.
///
/// Call it at the beginning of a program. It does nothing if the environment names such a folder or a
/// Wayland display, or if other threads run.
#[cfg(target_os = "linux")]
pub fn without_screen() {
    use std::{env, fs, path::Path};
    const FOLDER: &str = "XDG_RUNTIME_DIR";
    let there = |name| env::var_os(name).is_some_and(|value| Path::new(&value).is_absolute());
    let alone = fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if alone && !there(FOLDER) && !there("WAYLAND_DISPLAY") {
        // SAFETY: the call is unsafe because another thread could read the environment meanwhile, and this
        // is the only thread of the process.
        unsafe { env::set_var(FOLDER, "/nonexistent") };
    }
}

/// Does nothing: other systems have no such layer.
#[cfg(not(target_os = "linux"))]
pub fn without_screen() {}
