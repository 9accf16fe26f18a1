//! Host and WGSL agree: the list of kernels is the folder of shaders, parameter blocks and bindings
//! are as naga sees them, every override exists, and the files follow the required form.
use crate::kernels::shaders::{
    constants, file, module, own_files, parse, pieces, resolve, validate, variants,
};
use naga::{AddressSpace, Module, StorageAccess, TypeInner};
use nf_gpu::kernels::{
    desc::{Access, MATRIX_BYTES, Requires},
    list::{kernels, suites},
};
use std::collections::BTreeSet;

/// WebGPU's minimum limits, which every adapter has; variants with matrices ask for more memory.
const WORKGROUP_BYTES: u32 = 16_384;
const STORAGE_BINDINGS: usize = 8;
const INVOCATIONS: u32 = 256;

#[test]
fn every_shader_file_is_used_and_no_other() {
    let own = own_files();
    let used: BTreeSet<&str> = variants().map(|(_, v)| v.stem).collect();
    let there: BTreeSet<&str> = own.keys().map(String::as_str).collect();
    assert_eq!(there, used, "files of the families in shaders/ and stems of variants");
    assert_eq!(used.len(), variants().count(), "two variants share a file");
    let family = |stem: &str| own[stem].split('/').next().unwrap();

    let pieces: Vec<(String, String)> =
        pieces().into_values().map(|path| (file(&path) + "\n", path)).collect();
    let mut joined = BTreeSet::new();
    for (kernel, variant) in variants() {
        let plain = variant.stem == kernel.name;
        assert!(plain || variant.stem == format!("{}_{}", kernel.name, variant.name));
        assert_eq!(family(variant.stem), family(kernel.variants[0].stem), "{}", kernel.name);
        // The compiled text consists of pieces of lib/ and then the variant's own file, nothing
        // else.
        let mut rest = variant.wgsl;
        while let Some((text, path)) = pieces.iter().find(|(text, _)| rest.starts_with(text)) {
            rest = &rest[text.len()..];
            joined.insert(path.as_str());
        }
        assert_eq!(rest, file(&own[variant.stem]) + "\n", "{}", variant.stem);
    }
    let there: BTreeSet<&str> = pieces.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(there, joined, "files of shaders/lib/ and those that variants join");
}

#[test]
fn the_list_of_kernels_is_sorted_and_has_their_names() {
    let source = std::fs::read_to_string("src/kernels/list.rs").unwrap();
    let list = source.split_once("FILES: &[&[Suite]] = &[").unwrap().1.split_once("];").unwrap().0;
    let listed: Vec<&str> = list.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
    assert!(listed.len() > 30 && listed.is_sorted(), "src/kernels/list.rs is not sorted");
    let names: Vec<_> = kernels().map(|k| k.name).collect();
    assert!(names.windows(2).all(|two| two[0] < two[1]), "two kernels have one name: {names:?}");
    let suites: Vec<_> = suites().map(|s| s.kernel.name).collect();
    assert_eq!(names, suites);
}

#[test]
fn every_shader_validates_with_what_its_variant_requires() {
    for (_, variant) in variants() {
        let (parsed, _) = module(variant);
        let entries: Vec<_> = parsed.entry_points.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(entries, ["main"], "{}", variant.stem);
        if variant.requires != Requires::Nothing {
            let plain = validate(&parsed, Requires::Nothing);
            assert!(plain.is_err(), "{} asks for more than it needs", variant.stem);
        }
    }
}

/// Name, offset and size of every field of a struct.
fn wgsl_fields(module: &Module, name: &str) -> Option<Vec<(String, usize, usize)>> {
    let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name))?;
    let TypeInner::Struct { members, .. } = &ty.inner else {
        return None;
    };
    let size = |ty| module.types[ty].inner.size(module.to_ctx()) as usize;
    let field = |m: &naga::StructMember| {
        (m.name.clone().unwrap_or_default(), m.offset as usize, size(m.ty))
    };
    Some(members.iter().map(field).collect())
}

#[test]
fn host_params_match_wgsl() {
    for (kernel, variant) in variants() {
        let module = parse(variant.stem, variant.wgsl);
        let host: Vec<_> =
            kernel.params.iter().map(|f| (f.name.to_owned(), f.offset, f.size)).collect();
        let wgsl = wgsl_fields(&module, kernel.params_name);
        assert_eq!(Some(host), wgsl, "{} of {}", kernel.params_name, variant.stem);
        let (_, params) =
            module.global_variables.iter().find(|(_, v)| v.space == AddressSpace::Uniform).unwrap();
        assert_eq!(module.types[params.ty].name.as_deref(), Some(kernel.params_name));
    }
}

#[test]
fn host_bindings_match_wgsl() {
    for (kernel, variant) in variants() {
        let module = parse(variant.stem, variant.wgsl);
        let mut wgsl: Vec<(u32, u32, &str, Access)> = Vec::new();
        for (_, variable) in module.global_variables.iter() {
            let Some(at) = &variable.binding else { continue };
            let access = match variable.space {
                AddressSpace::Uniform => Access::Uniform,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    Access::ReadWrite
                }
                AddressSpace::Storage { .. } => Access::Read,
                space => panic!("{}: a binding in {space:?}", variant.stem),
            };
            wgsl.push((at.group, at.binding, variable.name.as_deref().unwrap(), access));
        }
        wgsl.sort_by_key(|b| b.1);
        let host: Vec<_> =
            (0..).zip(kernel.bindings).map(|(i, &(name, access))| (0, i, name, access)).collect();
        assert_eq!(host, wgsl, "{}", variant.stem);
        assert_eq!(kernel.bindings[0].1, Access::Uniform, "{}", kernel.name);
        assert!(kernel.bindings.len() - 1 <= STORAGE_BINDINGS, "{}", kernel.name);
    }
}

#[test]
fn every_override_is_set_by_cases_and_resolves_at_every_workgroup_size() {
    for (kernel, variant) in variants() {
        let parsed = module(variant);
        let sets = constants(kernel);
        assert!(!sets.is_empty(), "{} has no case", kernel.name);
        let declared: BTreeSet<&str> =
            parsed.0.overrides.iter().filter_map(|(_, o)| o.name.as_deref()).collect();
        let mut set: BTreeSet<&str> = sets.iter().flatten().map(|&(name, _)| name).collect();
        set.insert("WG_SIZE");
        assert_eq!(declared, set, "{}: overrides, and constants of the cases", variant.stem);
        for &workgroup in variant.workgroups {
            assert!(workgroup <= INVOCATIONS, "{}: workgroups of {workgroup}", variant.stem);
            for constants in sets {
                let (resolved, _) = resolve(&parsed, constants, workgroup)
                    .unwrap_or_else(|e| panic!("{}: {e}", variant.stem));
                assert_eq!(resolved.entry_points[0].workgroup_size, [workgroup, 1, 1]);
                let bytes = workgroup_bytes(&resolved);
                let matrices = variant.requires.matrix().is_some();
                assert!(
                    bytes <= if matrices { MATRIX_BYTES } else { WORKGROUP_BYTES },
                    "{} uses {bytes} bytes of workgroup memory at {workgroup}",
                    variant.stem
                );
            }
        }
    }
}

fn workgroup_bytes(module: &Module) -> u32 {
    let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
    shared.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx())).sum()
}

/// Violations of the required form of a shader file.
fn form(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.chars().count() > 100 {
            wrong.push(format!("{number}: wider than 100 characters"));
        }
        if line.contains('\t') || line.ends_with(' ') {
            wrong.push(format!("{number}: a tab, or space at its end"));
        }
        let uncommented =
            line.split_once("//").is_none_or(|(_, comment)| comment.trim().is_empty());
        if line.contains("@binding(") && line.contains("var<storage") && uncommented {
            wrong.push(format!("{number}: a binding without its shape"));
        }
    }
    let lines = text.lines().count();
    if lines > 250 {
        wrong.push(format!("{lines} lines: more than 250"));
    }
    wrong
}

#[test]
fn shader_files_keep_their_form() {
    for path in own_files().into_values().chain(pieces().into_values()) {
        let wrong = form(&file(&path));
        assert!(wrong.is_empty(), "shaders/{path}.wgsl: {}", wrong.join("; "));
    }
    let binding = "@group(0) @binding(1) var<storage, read> x: array<f32>;";
    let wide = format!("// {}", "\u{e9}".repeat(98));
    for bad in [&wide, "\tlet x = 1;", "let x = 1; ", binding, &"//\n".repeat(251)] {
        assert_eq!(form(bad).len(), 1, "{bad:?}");
    }
    assert!(form(&format!("{binding} // [N]\n// {}", "\u{e9}".repeat(97))).is_empty());
}
