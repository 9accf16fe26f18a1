//! From WGSL to the SPIR-V that wgpu-hal 30 gives to Mesa's AMD driver.

use crate::device::Outcome;
use naga::{
    ShaderStage,
    back::spv,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator},
};

/// The words of a shader's entry point with its override constants. `trusted` leaves the run-time checks
/// out, as `src/gpu/trusted.rs` does.
pub fn spirv(wgsl: &str, constants: &[(&str, f64)], trusted: bool) -> Outcome<Vec<u32>> {
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|e| e.emit_to_string(wgsl))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator.subgroup_stages(ShaderStages::all());
    validator.subgroup_operations(SubgroupOperationSet::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(wgsl))?;
    let constants = constants.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let (module, info) = naga::back::pipeline_constants::process_overrides(
        &module,
        &info,
        Some((ShaderStage::Compute, "main")),
        &constants,
    )?;
    let index = if trusted { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        bounds_check_policies: BoundsCheckPolicies {
            index,
            // The driver has robustBufferAccess2.
            buffer: BoundsCheckPolicy::Unchecked,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: !trusted,
        ..spv::Options::default()
    };
    let entry =
        spv::PipelineOptions { entry_point: "main".into(), shader_stage: ShaderStage::Compute };
    Ok(spv::write_vec(&module, &info, &options, Some(&entry))?)
}
