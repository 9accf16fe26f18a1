//! Lints for code that naga accepts and some driver or compiler does not: on naga's IR, on its output
//! and on the text of the shaders; each with shaders that it reports.
mod atomics;
mod flow;
mod indices;
mod loops;
mod msl;
mod text;
mod uniform;

pub(crate) use msl::declared_twice;

use crate::{
    kernels::shaders::{file, module, own_files, parse, pieces, validate, variants},
    kernels::translate::to_msl,
};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use nf_gpu::kernels::desc::Requires;

#[test]
fn no_shader_needs_what_only_some_drivers_do() {
    let (mut loops, own) = (0, own_files());
    for (kernel, variant) in variants() {
        let ((module, info), stem) = (module(variant), variant.stem);
        let by_some = uniform::reached_by_some(&module);
        assert!(by_some.is_empty(), "{stem}: only some invocations reach {by_some:?}");
        let through = indices::through_floats(&module, &info);
        assert!(through.is_empty(), "{stem}: indices through floats in {through:?}");
        let (count, unbounded) = loops::unbounded(&module);
        assert!(unbounded.is_empty(), "{stem}: loops without a bound in {unbounded:?}");
        loops += count;
        assert_eq!(atomics::of_floats(&module), [""; 0], "{stem}");
        let lacks = text::header(&file(&own[stem]), kernel.name);
        assert!(lacks.is_empty(), "{stem}.wgsl: its header lacks {lacks:?}");
    }
    assert!(loops > 100, "{loops} loops: are they still found?");
    for path in own.into_values().chain(pieces().into_values()) {
        let found = text::unclamped(&file(&path));
        assert!(found.is_empty(), "shaders/{path}.wgsl: {}", found.join(", "));
    }
}

/// A compute shader with the usual bindings and this body of `main`.
fn shader(functions: &str, body: &str) -> naga::Module {
    parse(
        "bad",
        &format!(
            "struct Params {{ n: u32, f: f32 }}
            @group(0) @binding(0) var<uniform> params: Params;
            @group(0) @binding(1) var<storage, read> x: array<f32>;
            @group(0) @binding(2) var<storage, read_write> y: array<u32>;
            var<workgroup> tile: array<u32, 64>;
            var<workgroup> counter: atomic<u32>;
            {functions}
            @compute @workgroup_size(64) fn main(
                @builtin(workgroup_id) group: vec3<u32>,
                @builtin(local_invocation_index) lane: u32,
            ) {{
                {body}
            }}"
        ),
    )
}

#[test]
fn barriers_that_only_some_reach_are_found() {
    let found = |functions: &str, body: &str| uniform::reached_by_some(&shader(functions, body));
    for bad in [
        "if lane < 32u { workgroupBarrier(); }",
        "if lane < 32u { return; } workgroupBarrier();",
        "if tile[0] == 1u { storageBarrier(); }",
        "if y[group.x] == 1u { workgroupBarrier(); }",
        "if atomicAdd(&counter, 1u) == 0u { workgroupBarrier(); }",
        "var last = 0u; if lane == 3u { last = 1u; } if last == 0u { workgroupBarrier(); }",
        "for (var i = lane; i < params.n; i += 64u) { workgroupBarrier(); }",
        "for (var i = 0u; i < 9u; i++) { workgroupBarrier(); if i == lane { break; } }",
        "for (var i = 0u; i < 9u; i++) { if i == lane { continue; } workgroupBarrier(); }",
        "switch lane { case 1u: { workgroupBarrier(); } default: {} }",
        "if lane == 0u { y[0] = workgroupUniformLoad(&tile[0]); }",
        "if meet(lane) == 0u { workgroupBarrier(); }",
        "var mine: u32; put(&mine, lane); if mine == 0u { workgroupBarrier(); }",
        "if lane == 0u { all(); }",
    ] {
        let functions = "fn meet(v: u32) -> u32 { return v * 2u; }
            fn put(to: ptr<function, u32>, v: u32) { *to = v; }
            fn all() { workgroupBarrier(); }";
        assert_eq!(found(functions, bad).len(), 1, "{bad}");
    }
    for good in [
        "workgroupBarrier();",
        "if group.x < params.n { workgroupBarrier(); }",
        "if lane < 32u { y[lane] = 1u; } workgroupBarrier();",
        "if x[group.x] < params.f { return; } workgroupBarrier();",
        "for (var i = group.x; i < params.n; i += 64u) { tile[lane] = i; workgroupBarrier(); }",
        "for (var i = 0u; i < 9u; i++) { if i == group.x { break; } workgroupBarrier(); }",
        "for (var i = lane; i < 9u; i++) { if i == 3u { break; } } workgroupBarrier();",
        "if workgroupUniformLoad(&tile[0]) == 1u { workgroupBarrier(); }",
        "var all = group.x; put(&all, params.n); if all == 0u { workgroupBarrier(); }",
    ] {
        let put = "fn put(to: ptr<function, u32>, v: u32) { *to = v; }";
        assert!(found(put, good).is_empty(), "{good}: {:?}", found(put, good));
    }
    // Subgroups may diverge from each other, the invocations of a subgroup may not.
    let apart = |condition: &str| {
        let text = format!(
            "enable wgpu_cooperative_matrix;
            var<workgroup> tile: array<f32, 64>;
            @compute @workgroup_size(64) fn main(
                @builtin(subgroup_id) subgroup: u32,
                @builtin(subgroup_invocation_id) lane: u32,
            ) {{
                if {condition} {{
                    tile[0] = f32(subgroupAdd(lane));
                    let c = coopLoad<coop_mat8x8<f32, C>>(&tile[0], 8u);
                    coopStore(c, &tile[0], 8u);
                }}
            }}"
        );
        uniform::reached_by_some(&parse("apart", &text)).into_iter().collect::<Vec<_>>()
    };
    assert!(apart("subgroup == 0u").is_empty());
    assert_eq!(
        apart("lane == 0u"),
        ["a cooperative operation in main", "a subgroup operation in main"]
    );
    // naga does not find this itself; if it did, the lint could go.
    let bad = shader("", "if lane < 32u { workgroupBarrier(); }");
    assert!(validate(&bad, Requires::Nothing).is_ok());
}

#[test]
fn indices_through_floats_are_found() {
    let found = |functions: &str, body: &str| {
        let module = shader(functions, body);
        let info = validate(&module, Requires::Nothing).unwrap();
        indices::through_floats(&module, &info)
    };
    for bad in [
        "y[u32(f32(lane) * params.f)] = 1u;",
        "let at = u32(floor(params.f)) + lane; y[0] = u32(x[at % 64u]);",
        "var at = 0u; at = u32(x[0]); at += lane; tile[at] = 1u;",
        "y[half_of(lane)] = 1u;",
        "y[bitcast<u32>(x[0])] = 1u;",
    ] {
        let half = "fn half_of(i: u32) -> u32 { return u32(f32(i) / 2.0); }";
        assert_eq!(found(half, bad).len(), 1, "{bad}");
    }
    for good in ["y[lane / 2u] = u32(x[lane]);", "let a = array(1u, 2u); y[a[lane % 2u]] = 1u;"] {
        assert!(found("", good).is_empty(), "{good}");
    }
}

#[test]
fn loops_without_a_bound_are_found() {
    let found = |body: &str| loops::unbounded(&shader("", body));
    for bad in [
        "loop { if y[0] == 1u { break; } }",
        "while x[0] < params.f { y[0] += 1u; }",
        "var i = 0u; while i < params.n { y[i] = 1u; }",
        "var i = 0u; loop { i += 1u; }",
        "var i = 0u; loop { i += 1u; if y[i] == 1u { break; } }",
        "for (var i = 0u; i != params.n; i += 2u) { y[i] = 1u; }",
        "for (var i = 0u; i != params.n && y[i] < 3u && x[i] > 0.0; i += 2u) { y[i] = 1u; }",
        "for (var i = 0u; i < params.n; i = y[i]) { }",
        "for (var i = 0u; i < 9u; i++) { var j = 0u; while j < i { y[j] = i; } }",
    ] {
        assert_eq!(found(bad).1, ["main"], "{bad}");
    }
    for good in [
        "for (var i = 0u; i < params.n; i++) { y[i] = 1u; }",
        "for (var half = 32u; half >= 1u; half /= 2u) { y[half] = 1u; }",
        "for (var i = 9; i > 0; i -= 3) { y[i] = 1u; }",
        "var i = 0u; loop { if i >= params.n { break; } y[i] = 1u; i += 1u; }",
        "var i = 0u; loop { y[i] = 1u; continuing { i += 1u; break if i > params.n; } }",
        "var b = 3u; for (var i = 0u; i < 8u && b != 0u && x[i] > 0.0; i++) { b <<= 1u; }",
        "var i = lane; var b = 3u; while i >= 4u && b < 9u { i -= 4u; b++; } y[i] = b;",
    ] {
        assert_eq!(found(good), (1, Vec::new()), "{good}");
    }
}

#[test]
fn names_that_msl_has_twice_are_found() {
    // naga 30 names the reinterpreted operand of dot4I8Packed once per use (gfx-rs/wgpu #9540).
    let dot = shader("", "let v = y[1]; y[0] = u32(dot4I8Packed(v, v));");
    let info = validate(&dot, Requires::Nothing).unwrap();
    let twice = declared_twice(&to_msl(&dot, &info, false));
    assert_eq!(twice.len(), 1, "naga no longer declares it twice: drop this lint? {twice:?}");
    assert!(twice[0].starts_with("reinterpreted_"));
    assert!(
        declared_twice("{\nint a = 1;\n{\nint a = 2;\n}\nif (b) {\nreturn a;\n}\n}").is_empty()
    );
    assert_eq!(declared_twice("{\nmetal::float4 a = {};\na = b;\nint& a = c;\n}"), ["a"]);
}

#[test]
fn atomics_of_floats_are_found() {
    let float = parse("atomic", "var<workgroup> a: atomic<f32>; fn f() { atomicStore(&a, 1.0); }");
    assert_eq!(atomics::of_floats(&float), ["an atomic float"]);
    let none = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&float);
    assert!(none.is_err(), "float atomics need no capability");
    let granted = crate::kernels::shaders::capabilities(Requires::Subgroup(8));
    assert!(!granted.contains(Capabilities::SHADER_FLOAT32_ATOMIC));
    let exchange = "for (var i = 0u; i < 9u; i++) {
        let old = atomicLoad(&counter);
        let new_bits = bitcast<u32>(bitcast<f32>(old) + 1.0);
        if atomicCompareExchangeWeak(&counter, old, new_bits).exchanged { break; }
    }";
    assert_eq!(atomics::of_floats(&shader("", exchange)), ["a compare-exchange"]);
    assert_eq!(atomics::of_floats(&shader("", "atomicAdd(&counter, 1u);")), [""; 0]);
}

#[test]
fn exponentials_without_a_clamp_are_found() {
    let bad =
        "let y = exp(x);\nlet y = 2.0 + tanh(f(x) * 2.0);\nlet y = exp2(x) + clamp(x, 0.0, 1.0);";
    assert_eq!(text::unclamped(bad), ["exp(x)", "tanh(f(x) * 2.0)", "exp2(x)"]);
    let good =
        "let a = exp(min(x, 8.0)); // fine\nlet b = exp(x - most); // of <= 0\nmy_exp(x) // exp(x)";
    assert!(text::unclamped(good).is_empty());
}

#[test]
fn missing_headers_are_found() {
    let good = "// Adds.\n//\n// Grid:   one\n// Twin:   src/kernels/elementwise/add.rs\n// Source: own\n\nfn f() {}";
    assert!(text::header(good, "add").is_empty());
    let twin = "Twin: a file of src/kernels/ that declares add";
    for (bad, lacks) in [
        (good.replace("Grid:   one", "Grid:"), "Grid:"),
        (good.replace("Source:", "Sauce:"), "Source:"),
        (good.replace("add.rs", "activation.rs"), twin),
        (good.replace("add.rs", "nowhere.rs"), twin),
        (good.replace("// Source", "\n// Source"), "Source:"),
    ] {
        assert_eq!(text::header(&bad, "add"), [lacks]);
    }
    assert_eq!(text::header("fn f() {}", "add").len(), 3);
    // A kernel may have its own folder: its twin is then a file of that folder.
    assert!(text::declares("src/kernels/conv/conv2d/twin.rs", "conv2d"));
    assert!(!text::declares("src/kernels/conv/conv2d/no/twin.rs", "conv2d"));
}
