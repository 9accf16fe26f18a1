//! Tint, Chromium's compiler, must accept every shader too, with the constants and workgroup sizes
//! that it runs with: `scripts/tint.sh`. `NF_TINT` names the folder with Dawn; without it nothing is
//! tested.
use crate::{
    extent::skipped,
    kernels::shaders::{constants, variants},
};
use nf_gpu::kernels::desc::{Requires, Variant};
use serde_json::{Map, Value, json};
use std::{fs, process::Command};

/// Shaders that Tint must refuse; otherwise it has not checked them.
const BAD: [(&str, &str, &str); 3] = [
    (
        "barrier",
        "@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {
            if lane < 3u { workgroupBarrier(); }
        }",
        "uniform control flow",
    ),
    ("type", "@compute @workgroup_size(1) fn main() { var x: f32 = 1u; }", "'u32'"),
    ("constant", "override WG_SIZE: u32; @compute @workgroup_size(WG_SIZE) fn main() {}", "512"),
];

/// Text for Tint, which needs an `enable` line for subgroups that naga refuses. `None` for cooperative
/// matrices and 64-bit integers, whose WGSL only naga understands.
fn dialect(variant: &Variant) -> Option<String> {
    match variant.requires {
        Requires::Nothing | Requires::Half => Some(variant.wgsl.to_owned()),
        Requires::Subgroup(_) => Some(format!("enable subgroups;\n{}", variant.wgsl)),
        Requires::Int64 | Requires::CooperativeMatrix(_) | Requires::WideCooperativeMatrix(_) => {
            None
        }
    }
}

#[test]
#[ignore = "in ./test.sh --all: wants Tint, an npm package of 130 MB"]
fn tint_accepts_every_shader() {
    let Some(folder) = std::env::var_os("NF_TINT") else {
        skipped("no Tint (scripts/tint.sh brings it)");
        return;
    };
    let mut shaders = Vec::new();
    let mut expected = 0;
    for (kernel, variant) in variants() {
        let Some(wgsl) = dialect(variant) else {
            println!("{}: not for Tint: {:?}", variant.stem, variant.requires);
            continue;
        };
        let mut sets = Vec::new();
        for set in constants(kernel) {
            for &workgroup in variant.workgroups {
                let mut set: Map<String, Value> =
                    set.iter().map(|&(n, bits)| (n.into(), f64::from_bits(bits).into())).collect();
                set.insert("WG_SIZE".into(), workgroup.into());
                sets.push(set);
            }
        }
        expected += sets.len();
        shaders.push(json!({ "name": variant.stem, "wgsl": wgsl, "constants": sets }));
    }
    for (name, wgsl, _) in BAD {
        let sets = if name == "constant" { json!([{ "WG_SIZE": 512 }]) } else { json!([{}]) };
        shaders.push(json!({ "name": name, "wgsl": wgsl, "constants": sets }));
    }

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), Value::from(shaders).to_string()).unwrap();
    let mut node = Command::new("node");
    let output = node.arg("scripts/tint/check.mjs").arg(folder).arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {} {said}", String::from_utf8_lossy(&output.stdout)));
    let mut refused = answer["refused"].as_object().unwrap().clone();
    for (name, _, says) in BAD {
        let why = refused.remove(name).unwrap_or_else(|| panic!("Tint accepts {name}"));
        assert!(why.to_string().contains(says), "{name}: {why}");
    }
    assert!(refused.is_empty(), "{}", serde_json::to_string_pretty(&refused).unwrap());
    assert_eq!(answer["pipelines"], expected, "pipelines");
    println!("{expected} pipelines");
}
