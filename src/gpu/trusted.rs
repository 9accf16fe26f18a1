//! The one file with `unsafe`: each use with its reason.
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

/// Leave to use what wgpu calls experimental: cooperative matrices.
pub(super) fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: the caller promises to bear with bugs of such features, undefined behaviour included.
    // Only variants that ask for cooperative matrices use one; each loads and stores whole matrices
    // within workgroup memory that it declares, and is compared with its twin by conformance.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// A cache of compiled pipelines where the adapter has such a thing, with what an earlier one held.
///
/// `data` must be whole: what [`wgpu::PipelineCache::get_data`] gave, and a digest vouches for.
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

/// Keeps Mesa quiet about a screen that is not there. Where `XDG_RUNTIME_DIR` is not set, as in every
/// container, its layer that orders devices prints an error for each device; given a folder that does not
/// exist, it finds no screen either, orders the devices alike and says nothing. Other errors of drivers are
/// printed as before.
///
/// For the beginning of a program: it does nothing where the environment has such a folder or names a
/// Wayland, or where other threads run.
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

/// Other systems have no such layer.
#[cfg(not(target_os = "linux"))]
pub fn without_screen() {}
