//! The suites as one page of HTML that runs them in a browser with WebGPU: the same WGSL, the same
//! inputs, the same bounds.

use crate::{
    error::Result,
    kernels::{
        desc::{Access, KernelDesc, Requires, Variant},
        plan::fold,
        twin::{Case, Data, Suite},
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

/// The page; [`PLACE`] in it is replaced by the cases.
const PAGE: &str = include_str!("web/page.html");
const PLACE: &str = "{{suites}}";
/// Bytes of case data that a kernel may put on the page per variant; cases with the least work come
/// first.
const BYTES_OF_A_VARIANT: usize = 48 << 10;

/// The page that runs suites; of a large suite it runs only the smallest cases.
pub fn page(suites: &[&Suite], commit: &str) -> Result<String> {
    let kernels = suites.iter().map(|suite| kernel(suite)).collect::<Result<Vec<Value>>>()?;
    let text = json!({ "commit": commit, "kernels": kernels }).to_string();
    // The text must not end the script element that holds it: `<` is escaped.
    Ok(PAGE.replacen(PLACE, &text.replace('<', "\\u003c"), 1))
}

fn kernel(suite: &Suite) -> Result<Value> {
    let mut cases = (suite.cases)()?;
    let of = cases.len();
    cases.sort_by_key(|case| case.plan.flops);
    let sizes = cases.iter().map(|case| case.plan.bytes.iter().sum::<u64>() as usize);
    let filled = sizes.scan(0, |filled, size| {
        *filled += size;
        Some(*filled)
    });
    let n = filled
        .take_while(|&filled| filled <= BYTES_OF_A_VARIANT * suite.kernel.variants.len())
        .count();
    cases.truncate(n.max(1));
    let KernelDesc { name, bindings, variants, .. } = suite.kernel;
    let access = |&(_, access): &(&str, Access)| match access {
        Access::Uniform => "uniform",
        Access::Read => "read-only-storage",
        Access::ReadWrite => "storage",
    };
    Ok(json!({
        "name": name,
        "bindings": bindings.iter().map(access).collect::<Vec<_>>(),
        "names": bindings.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "all_cases": of,
        "variants": variants.iter().map(of_variant).collect::<Vec<_>>(),
        "cases": cases.iter().map(|case| of_case(suite.kernel, case)).collect::<Result<Vec<_>>>()?,
    }))
}

fn of_variant(variant: &Variant) -> Value {
    let needs = match variant.requires {
        Requires::Nothing => Value::Null,
        Requires::Half => json!({ "feature": "shader-f16" }),
        Requires::Subgroup(lanes) => json!({ "feature": "subgroups", "lanes": lanes }),
        Requires::Int64 => json!({ "feature": "int64" }),
        Requires::CooperativeMatrix(_) | Requires::WideCooperativeMatrix(_) => {
            json!({ "feature": "cooperative-matrix" })
        }
    };
    json!({
        "name": variant.name,
        // A browser needs the `enable` line to use subgroups, but naga refuses it.
        "wgsl": match variant.requires {
            Requires::Subgroup(_) => format!("enable subgroups;\n{}", variant.wgsl),
            _ => variant.wgsl.to_owned(),
        },
        "workgroup": variant.workgroups[0],
        "needs": needs,
    })
}

fn of_case(kernel: &KernelDesc, case: &Case) -> Result<Value> {
    let plan = &case.plan;
    // For each variant that serves the case: its index in the list and its number of workgroups.
    let served = kernel.variants.iter().enumerate().filter(|(_, v)| v.serves(plan));
    let groups = served
        .map(|(i, v)| Ok(json!([i, fold(plan.groups(v, v.workgroups[0]))?])))
        .collect::<Result<Vec<Value>>>()?;
    let constants: Map<String, Value> =
        plan.constants.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
    Ok(json!({
        "label": case.label.trim(),
        "params": text_of(&plan.params),
        "constants": constants,
        "groups": groups,
        "data": case.data.iter().map(of_data).collect::<Vec<_>>(),
    }))
}

fn of_data(data: &Data) -> Value {
    match data {
        Data::Input(bytes) => json!({ "bytes": text_of(bytes) }),
        Data::Output(want) => want.for_web(text_of),
        Data::InOut(bytes, want) => {
            let mut value = want.for_web(text_of);
            value["bytes"] = text_of(bytes).into();
            value
        }
    }
}

fn text_of(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
