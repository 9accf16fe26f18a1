//! Every shader through every translator that wgpu has (SPIR-V, MSL, HLSL, GLSL), with the constants
//! and workgroup sizes that it runs with, and lints for what only some driver would notice.
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

use crate::shaders::{
    capabilities, constants, file, module, parse, resolve, stems, validate, variants,
};
use naga::{
    Module, ShaderStage, TypeInner,
    back::{glsl, hlsl, msl, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};
use nf_gpu::kernel::{Requires, Variant};
use std::{collections::HashSet, fmt::Write, path::Path, process::Command};

/// As the device compiles a variant: a trusted one without checks.
fn policies(trusted: bool) -> BoundsCheckPolicies {
    let policy = if trusted { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
}

/// SPIR-V for Vulkan 1.0, for 1.1 where there are subgroups, for 1.3 with cooperative matrices.
fn to_spirv(module: &Module, info: &ModuleInfo, requires: Requires, trusted: bool) -> Vec<u32> {
    let options = spv::Options {
        lang_version: match requires {
            Requires::Nothing | Requires::Half => (1, 0),
            Requires::Subgroup(_) => (1, 3),
            Requires::CooperativeMatrix(_) => (1, 6),
        },
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: policies(trusted),
        force_loop_bounding: !trusted,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    spv::write_vec(module, info, &options, None).unwrap()
}

fn to_msl(module: &Module, info: &ModuleInfo, trusted: bool) -> String {
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

fn to_hlsl(module: &Module, info: &ModuleInfo, trusted: bool) -> String {
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
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
fn resolved(variant: &Variant, sets: &crate::shaders::Sets) -> Vec<(u32, Module, ModuleInfo)> {
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
        for (workgroup, module, info) in resolved(variant, &sets) {
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
                bytes[2] += to_hlsl(&module, &info, variant.trusted).len();
            }
            if variant.requires == Requires::Nothing {
                bytes[3] += to_glsl(&module, &info, variant.trusted).len();
            }
        }
        let [spirv, metal, hlsl, glsl] = bytes.map(|b| b / count);
        println!("{}: SPIR-V {spirv}, MSL {metal}, HLSL {hlsl}, GLSL {glsl} bytes", variant.stem);
        assert!(spirv > 0 && (metal > 0) == has_msl(variant.requires));
        assert_eq!(hlsl > 0, has_hlsl(variant.requires));
    }
}

/// Metal has cooperative matrices of 8 alone; naga's writer would name types that are not there.
fn has_msl(requires: Requires) -> bool {
    !matches!(requires, Requires::CooperativeMatrix(size) if size != 8)
}

/// Direct3D has no cooperative matrices.
fn has_hlsl(requires: Requires) -> bool {
    !matches!(requires, Requires::CooperativeMatrix(_))
}

#[test]
fn backends_without_cooperative_matrices_refuse_them_by_name() {
    let mut refused = 0;
    for (_, variant) in variants() {
        if !matches!(variant.requires, Requires::CooperativeMatrix(_)) {
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
    assert_eq!(refused, 12, "three kernels, matrices of 8 and 16, two backends");
}

/// What spirv-val says of SPIR-V words; `None` where the tool is not installed.
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
            Requires::Nothing | Requires::Half => "vulkan1.0",
            Requires::Subgroup(_) => "vulkan1.1",
            Requires::CooperativeMatrix(_) => "vulkan1.3",
        };
        let sets = constants(kernel);
        // The workgroup size only changes constants: one is enough.
        for (workgroup, module, info) in resolved(variant, &sets) {
            if workgroup != variant.workgroups[0] {
                continue;
            }
            let words = to_spirv(&module, &info, variant.requires, variant.trusted);
            match spirv_val(&words, environment, folder.path()) {
                // CooperativeMatrixKHR, which spirv-val knows since 2023.4.
                Some(Err(why))
                    if !has_hlsl(variant.requires) && why.contains("capability operand: 6022") =>
                {
                    eprintln!("skipped: {}: this spirv-val is too old for it", variant.stem);
                    break;
                }
                Some(verdict) => assert_eq!(verdict, Ok(()), "{} {environment}", variant.stem),
                None => {
                    eprintln!("skipped: spirv-val is not installed (Debian: spirv-tools)");
                    return;
                }
            }
            let broken = &words[..words.len() - 1];
            assert!(spirv_val(broken, environment, folder.path()).unwrap().is_err());
        }
    }
}

/// Names that a block of MSL declares more than once. naga writes a declaration per line.
fn declared_twice(text: &str) -> Vec<String> {
    let mut scopes = vec![HashSet::new()];
    let mut twice = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let open = line.matches('{').count();
        let close = line.matches('}').count();
        if line.starts_with('}') {
            scopes.pop();
        }
        let scope = scopes.last_mut().unwrap();
        if let Some(name) = declares(line).filter(|&name| !scope.insert(name.to_owned())) {
            twice.push(name.to_owned());
        }
        let pops = usize::from(line.starts_with('}'));
        for _ in close..open + pops {
            scopes.push(HashSet::new());
        }
        for _ in open + pops..close {
            scopes.pop();
        }
    }
    assert_eq!(scopes.len(), 1, "braces");
    twice
}

/// The name that a line of MSL declares: `type name;` or `type name = value;`.
fn declares(line: &str) -> Option<&str> {
    let left = line.strip_suffix(';')?;
    let left =
        left.split_once(" = ").map_or(left, |(left, _)| left).trim_end_matches("= {}").trim();
    let (ty, name) = left.rsplit_once(' ')?;
    let statement = ["return", "using", "struct", "typedef", "case", "goto"];
    let word = |s: &str| s.chars().all(|c| c.is_alphanumeric() || c == '_');
    let plain = !name.is_empty() && word(name.trim_start_matches('&'));
    let ty_first = ty.split(' ').next().unwrap_or_default();
    let is_type = ty.chars().all(|c| c.is_alphanumeric() || "_:<>&*, ".contains(c));
    (plain && is_type && !statement.contains(&ty_first)).then(|| name.trim_start_matches('&'))
}

/// Atomic types that are not integers: not portable, and their sums have no fixed order.
fn float_atomics(module: &Module) -> usize {
    let float = |inner: &TypeInner| matches!(inner, TypeInner::Atomic(scalar) if scalar.kind == naga::ScalarKind::Float);
    module.types.iter().filter(|(_, ty)| float(&ty.inner)).count()
}

/// Calls of functions that overflow, or return NaN for large arguments on some drivers, without
/// `clamp` or `min` in the argument or a comment `of <= 0` behind it.
fn unclamped(wgsl: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in wgsl.lines() {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        for function in ["exp", "exp2", "tanh", "sinh", "cosh"] {
            let call = format!("{function}(");
            for (at, _) in code.match_indices(&call) {
                let before = code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let argument = argument(&code[at + call.len()..]);
                let bounded = ["clamp(", "min("].iter().any(|b| argument.contains(b));
                if !bounded && !comment.contains("of <= 0") {
                    found.push(format!("{call}{argument})"));
                }
            }
        }
    }
    found
}

/// The text up to the parenthesis that closes a call.
fn argument(after: &str) -> &str {
    let mut depth = 0;
    let end = after.char_indices().find(|&(_, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    });
    &after[..end.map_or(after.len(), |(at, _)| at)]
}

#[test]
fn no_shader_needs_what_only_some_drivers_do() {
    for (_, variant) in variants() {
        assert_eq!(float_atomics(&module(variant).0), 0, "{}", variant.stem);
    }
    for stem in stems("").union(&stems("lib")) {
        let found = unclamped(&file(stem));
        assert!(found.is_empty(), "shaders/{stem}.wgsl: {}", found.join(", "));
    }
}

#[test]
fn the_lints_can_fail() {
    // naga 30 names the reinterpreted operand of dot4I8Packed once per use (gfx-rs/wgpu #9540).
    let dot = "@group(0) @binding(0) var<storage, read_write> y: array<i32>;
        @compute @workgroup_size(1) fn main() {
            let x = u32(y[1]);
            y[0] = dot4I8Packed(x, x);
        }";
    let dot = parse("dot", dot);
    let info = validate(&dot, Requires::Nothing).unwrap();
    let twice = declared_twice(&to_msl(&dot, &info, false));
    assert_eq!(twice.len(), 1, "naga no longer declares it twice: drop this lint? {twice:?}");
    assert!(twice[0].starts_with("reinterpreted_"));
    assert!(
        declared_twice("{\nint a = 1;\n{\nint a = 2;\n}\nif (b) {\nreturn a;\n}\n}").is_empty()
    );
    assert_eq!(declared_twice("{\nmetal::float4 a = {};\na = b;\nint& a = c;\n}"), ["a"]);

    let atomic = parse("atomic", "var<workgroup> a: atomic<f32>; fn f() { atomicStore(&a, 1.0); }");
    assert_eq!(float_atomics(&atomic), 1);
    let none = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&atomic);
    assert!(none.is_err(), "float atomics need no capability");
    assert!(!capabilities(Requires::Subgroup(8)).contains(Capabilities::SHADER_FLOAT32_ATOMIC));

    let mut bad = String::new();
    for call in ["exp(x)", "2.0 + tanh(f(x) * 2.0)", "exp2(x) + clamp(x, 0.0, 1.0)"] {
        writeln!(bad, "let y = {call};").unwrap();
    }
    assert_eq!(unclamped(&bad), ["exp(x)", "tanh(f(x) * 2.0)", "exp2(x)"]);
    let good =
        "let a = exp(min(x, 8.0)); // fine\nlet b = exp(x - most); // of <= 0\nmy_exp(x) // exp(x)";
    assert!(unclamped(good).is_empty());
}
