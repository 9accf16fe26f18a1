//! Every shader through every translator that wgpu has (SPIR-V, MSL, HLSL, GLSL), with the constants
//! and workgroup sizes that it runs with.

use crate::{
    extent::skipped,
    kernels::lints::declared_twice,
    kernels::shaders::{capabilities, constants, module, resolve, variants},
};
use naga::{
    Module, ShaderStage,
    back::{glsl, hlsl, msl, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{ModuleInfo, ValidationFlags, Validator},
};
use nf_gpu::kernels::desc::{Requires, Variant};
use std::{path::Path, process::Command};

/// Bounds checks with which the device compiles a variant: none for a trusted one.
fn policies(trusted: bool) -> BoundsCheckPolicies {
    let policy = if trusted { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
}

/// SPIR-V for Vulkan 1.0; for 1.1 with subgroups, for 1.3 with cooperative matrices.
fn to_spirv(module: &Module, info: &ModuleInfo, requires: Requires, trusted: bool) -> Vec<u32> {
    let options = spv::Options {
        lang_version: match requires {
            Requires::Nothing | Requires::Half | Requires::Int64 => (1, 0),
            Requires::Subgroup(_) => (1, 3),
            Requires::CooperativeMatrix(_) | Requires::WideCooperativeMatrix(_) => (1, 6),
        },
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: policies(trusted),
        force_loop_bounding: !trusted,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    spv::write_vec(module, info, &options, None).unwrap()
}

/// MSL 2.4.
pub(crate) fn to_msl(module: &Module, info: &ModuleInfo, trusted: bool) -> String {
    let options = msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        bounds_check_policies: policies(trusted),
        force_loop_bounding: !trusted,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    msl::write_string(module, info, &options, &msl::PipelineOptions::default()).unwrap().0
}

/// HLSL of shader model 6.0, which has subgroups, or of 6.2, the first that has 16-bit floats.
fn to_hlsl(module: &Module, info: &ModuleInfo, requires: Requires, trusted: bool) -> String {
    let options = hlsl::Options {
        shader_model: match requires {
            Requires::Half => hlsl::ShaderModel::V6_2,
            _ => hlsl::ShaderModel::V6_0,
        },
        fake_missing_bindings: true,
        restrict_indexing: !trusted,
        force_loop_bounding: !trusted,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let mut text = String::new();
    let stage = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut text, &options, &stage).write(module, info, None).unwrap();
    text
}

/// GLSL ES 3.1.
fn to_glsl(module: &Module, info: &ModuleInfo, trusted: bool) -> String {
    let options = glsl::Options {
        version: glsl::Version::new_gles(310),
        writer_flags: glsl::WriterFlags::empty(),
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let stage = glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: "main".into(),
        multiview: None,
    };
    let mut text = String::new();
    glsl::Writer::new(&mut text, module, info, &options, &stage, policies(trusted))
        .unwrap()
        .write()
        .unwrap();
    text
}

/// The module of a variant at each workgroup size and each set of constants that its cases use.
fn resolved(
    variant: &Variant,
    sets: &crate::kernels::shaders::Sets,
) -> Vec<(u32, Module, ModuleInfo)> {
    let parsed = module(variant);
    let sizes = variant.workgroups.iter();
    sizes
        .flat_map(|&workgroup| sets.iter().map(move |set| (workgroup, set)))
        .map(|(workgroup, set)| {
            let (module, info) = resolve(&parsed, set, workgroup).unwrap();
            (workgroup, module, info)
        })
        .collect()
}

#[test]
fn every_shader_translates_for_every_backend() {
    for (kernel, variant) in variants() {
        let sets = constants(kernel);
        let (mut count, mut bytes) = (0, [0; 4]);
        for (workgroup, module, info) in resolved(variant, sets) {
            count += 1;
            let spirv = to_spirv(&module, &info, variant.requires, variant.trusted);
            bytes[0] += 4 * spirv.len();
            if has_msl(variant.requires) {
                let metal = to_msl(&module, &info, variant.trusted);
                let twice = declared_twice(&metal);
                assert!(twice.is_empty(), "{} @{workgroup}, MSL: {twice:?} twice", variant.stem);
                bytes[1] += metal.len();
            }
            if has_hlsl(variant.requires) {
                bytes[2] += to_hlsl(&module, &info, variant.requires, variant.trusted).len();
            }
            if has_glsl(variant.requires) {
                bytes[3] += to_glsl(&module, &info, variant.trusted).len();
            }
        }
        let [spirv, metal, hlsl, glsl] = bytes.map(|b| b / count);
        println!("{}: SPIR-V {spirv}, MSL {metal}, HLSL {hlsl}, GLSL {glsl} bytes", variant.stem);
        assert!(spirv > 0 && (metal > 0) == has_msl(variant.requires));
        assert_eq!(hlsl > 0, has_hlsl(variant.requires));
        assert_eq!(glsl > 0, has_glsl(variant.requires));
    }
}

/// Whether MSL can express it. Metal has cooperative matrices of 8 only; for others naga writes
/// unknown types.
fn has_msl(requires: Requires) -> bool {
    requires.matrix().is_none_or(|size| size == 8)
}

/// Whether HLSL can express it. Direct3D has no cooperative matrices.
fn has_hlsl(requires: Requires) -> bool {
    requires.matrix().is_none()
}

/// Whether GLSL can express it. OpenGL ES has no 16-bit floats and no 64-bit integers, so wgpu
/// offers none there.
fn has_glsl(requires: Requires) -> bool {
    matches!(requires, Requires::Nothing | Requires::Subgroup(_))
}

#[test]
fn backends_can_do_what_the_shaders_translated_for_them_need() {
    for (_, variant) in variants() {
        let (module, _) = module(variant);
        for (name, translates, has) in [
            ("SPIR-V", true, spv::supported_capabilities()),
            ("MSL", has_msl(variant.requires), msl::supported_capabilities()),
            ("HLSL", has_hlsl(variant.requires), hlsl::supported_capabilities()),
            ("GLSL", has_glsl(variant.requires), glsl::supported_capabilities()),
        ] {
            // Of the adapter's capabilities, only those that the backend can write.
            let has = has & capabilities(variant.requires);
            let verdict = Validator::new(ValidationFlags::all(), has).validate(&module);
            assert!(verdict.is_ok() || !translates, "{name} of {}: {verdict:?}", variant.stem);
        }
    }
}

#[test]
fn backends_without_cooperative_matrices_refuse_them_by_name() {
    let mut refused = 0;
    for (_, variant) in variants() {
        if variant.requires.matrix().is_none() {
            continue;
        }
        let (module, _) = module(variant);
        for has in [hlsl::supported_capabilities(), glsl::supported_capabilities()] {
            let verdict = Validator::new(ValidationFlags::all(), has).validate(&module);
            let why = verdict.expect_err(variant.stem).emit_to_string(variant.wgsl);
            assert!(why.contains("COOPERATIVE_MATRIX"), "{}: {why}", variant.stem);
            refused += 1;
        }
    }
    assert_eq!(refused, 16, "eight variants, two backends");
}

/// The verdict of spirv-val on SPIR-V words; `None` if the tool is not installed.
fn spirv_val(words: &[u32], environment: &str, folder: &Path) -> Option<Result<(), String>> {
    let path = folder.join("shader.spv");
    std::fs::write(&path, words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    let output =
        Command::new("spirv-val").args(["--target-env", environment]).arg(&path).output().ok()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said()) })
}

#[test]
fn spirv_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    for (kernel, variant) in variants() {
        let environment = match variant.requires {
            Requires::Nothing | Requires::Half | Requires::Int64 => "vulkan1.0",
            Requires::Subgroup(_) => "vulkan1.1",
            Requires::CooperativeMatrix(_) | Requires::WideCooperativeMatrix(_) => "vulkan1.3",
        };
        let sets = constants(kernel);
        // The workgroup size only changes constants, so that one size is enough.
        for (workgroup, module, info) in resolved(variant, sets) {
            if workgroup != variant.workgroups[0] {
                continue;
            }
            let words = to_spirv(&module, &info, variant.requires, variant.trusted);
            match spirv_val(&words, environment, folder.path()) {
                // Capability 6022 is CooperativeMatrixKHR, which spirv-val knows since 2023.4.
                Some(Err(why))
                    if !has_hlsl(variant.requires) && why.contains("capability operand: 6022") =>
                {
                    skipped(&format!("{}: this spirv-val is too old for it", variant.stem));
                    break;
                }
                Some(verdict) => assert_eq!(verdict, Ok(()), "{} {environment}", variant.stem),
                None => {
                    skipped("spirv-val is not installed (Debian: spirv-tools)");
                    return;
                }
            }
            let broken = &words[..words.len() - 1];
            assert!(spirv_val(broken, environment, folder.path()).unwrap().is_err());
        }
    }
}
