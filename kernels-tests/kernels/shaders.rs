//! Functions shared by the tests of shaders: parsing, validation, overrides, and constants of cases.
use naga::{
    Module,
    back::{PipelineConstants, pipeline_constants::process_overrides},
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};
use nf_gpu::kernels::{
    desc::{KernelDesc, Requires, Variant},
    list::{kernels, suites},
    twin::{Case, Suite},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::LazyLock,
};

/// Override constants of one case, as bits so that sets of them can be compared.
pub(crate) type Constants = Vec<(&'static str, u64)>;

/// Different sets of override constants.
pub(crate) type Sets = BTreeSet<Constants>;

/// Every variant of every kernel.
pub(crate) fn variants() -> impl Iterator<Item = (&'static KernelDesc, &'static Variant)> {
    kernels().flat_map(|k| k.variants.iter().map(move |v| (k, v)))
}

pub(crate) fn parse(name: &str, wgsl: &str) -> Module {
    naga::front::wgsl::parse_str(wgsl)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(wgsl, name)))
}

/// The capabilities that the adapter features behind `requires` grant, and no others.
pub(crate) fn capabilities(requires: Requires) -> Capabilities {
    match requires {
        Requires::Nothing => Capabilities::empty(),
        Requires::Subgroup(_) => Capabilities::SUBGROUP,
        Requires::Half => Capabilities::SHADER_FLOAT16,
        Requires::Int64 => Capabilities::SHADER_INT64,
        Requires::CooperativeMatrix(_) | Requires::WideCooperativeMatrix(_) => {
            Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX
        }
    }
}

pub(crate) fn validate(
    module: &Module,
    requires: Requires,
) -> Result<ModuleInfo, Box<naga::WithSpan<naga::valid::ValidationError>>> {
    Validator::new(ValidationFlags::all(), capabilities(requires))
        .validate(module)
        .map_err(Box::new)
}

/// A variant's module, which must be valid.
pub(crate) fn module(variant: &Variant) -> (Module, ModuleInfo) {
    let module = parse(variant.stem, variant.wgsl);
    let info = validate(&module, variant.requires)
        .unwrap_or_else(|e| panic!("{}: {}", variant.stem, e.emit_to_string(variant.wgsl)));
    (module, info)
}

/// The module with its overrides replaced, as pipeline creation does it.
pub(crate) fn resolve(
    (module, info): &(Module, ModuleInfo),
    constants: &Constants,
    workgroup: u32,
) -> Result<(Module, ModuleInfo), String> {
    let mut values = PipelineConstants::default();
    values.insert("WG_SIZE".into(), f64::from(workgroup));
    values.extend(constants.iter().map(|&(name, bits)| (name.into(), f64::from_bits(bits))));
    let (module, info) = process_overrides(module, info, None, &values)
        .map_err(|e| format!("{e} ({constants:?} at {workgroup})"))?;
    Ok((module.into_owned(), info.into_owned()))
}

/// The different sets of override constants in the cases of a kernel. Making cases runs their twins,
/// so that it is done once for all tests of a process.
pub(crate) fn constants(kernel: &KernelDesc) -> &'static Sets {
    static ALL: LazyLock<BTreeMap<&str, Sets>> = LazyLock::new(|| {
        let bits = |case: Case| {
            case.plan.constants.iter().map(|&(name, value)| (name, value.to_bits())).collect()
        };
        let sets = |suite: &Suite| (suite.cases)().unwrap().into_iter().map(bits).collect();
        suites().map(|suite| (suite.kernel.name, sets(suite))).collect()
    });
    &ALL[kernel.name]
}

/// The `.wgsl` files in those folders of `shaders/` that `wanted` accepts, by stem: `add` is at
/// `elementwise/add`. Stems are unique.
fn files(wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let entries = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut found = BTreeMap::new();
    for folder in entries(Path::new("shaders")) {
        assert!(folder.is_dir(), "{}: shaders lie in folders", folder.display());
        for file in entries(&folder).filter(|_| wanted(&name(&folder))) {
            let stem = name(&file).strip_suffix(".wgsl").map(str::to_owned);
            let stem = stem.unwrap_or_else(|| panic!("{}: not a shader", file.display()));
            let path = format!("{}/{stem}", name(&folder));
            let before = found.insert(stem, path);
            assert!(before.is_none(), "{} and {before:?}", file.display());
        }
    }
    found
}

/// The kernels' own files, in the folders of their families.
pub(crate) fn own_files() -> BTreeMap<String, String> {
    files(|folder| folder != "lib")
}

/// The shared pieces.
pub(crate) fn pieces() -> BTreeMap<String, String> {
    files(|folder| folder == "lib")
}

/// The text of a shader file, by its path below `shaders/`.
pub(crate) fn file(path: &str) -> String {
    fs::read_to_string(format!("shaders/{path}.wgsl")).unwrap()
}
