//! A kernel that doubles its input, with variants that are right, slow, or wrong in one way each.
use nf_gpu::{
    error::Result,
    kernels::{
        desc::{Access, KernelDesc, Params, Requires, Suits, Variant, no_tile},
        plan::{Class, DispatchGrid, Less, Plan},
    },
};
use std::sync::Arc;

nf_gpu::params! {
    /// Uniform block of the kernel below.
    pub struct TwiceParams {
        /// Elements.
        len: u32,
    }
}

/// `y = 2 x`, computed as the variant says: right, wrong at one element, never written, NaN,
/// broken WGSL, and right but slow.
macro_rules! variant {
    ($name:literal, $value:literal) => {
        Variant {
            name: $name,
            stem: $name,
            wgsl: concat!(
                "struct TwiceParams { len: u32 }\n",
                "@group(0) @binding(0) var<uniform> params: TwiceParams;\n",
                "@group(0) @binding(1) var<storage, read> x: array<f32>;\n",
                "@group(0) @binding(2) var<storage, read_write> y: array<f32>;\n",
                "override WG_SIZE: u32 = 64u;\n",
                "@compute @workgroup_size(WG_SIZE)\n",
                "fn main(@builtin(global_invocation_id) id: vec3<u32>) {\n",
                "    let i = id.x;\n    if i >= params.len { return; }\n    ",
                $value,
                "\n}\n"
            ),
            workgroups: &[64],
            tile: no_tile,
            requires: Requires::Nothing,
            suits: Suits::Any,
            only: None,
            trusted: false,
        }
    };
}

pub(super) const SLOW: &str = "slow";

pub(super) static TWICE: KernelDesc = KernelDesc {
    name: "twice",
    params_name: TwiceParams::NAME,
    params: TwiceParams::FIELDS,
    bindings: &[("params", Access::Uniform), ("x", Access::Read), ("y", Access::ReadWrite)],
    variants: &[
        variant!(
            "slow",
            "var s = 0.0; for (var k = 0u; k < 2000u; k++) { s += x[(i + k * 64u) % params.len]; }
    y[i] = select(x[i] + x[i], s, s > 1e30);"
        ),
        variant!("one_wrong", "y[i] = x[i] + x[i] + select(0.0, 1.0, i == 777u);"),
        variant!("half_written", "if i % 2u == 0u { y[i] = x[i] + x[i]; }"),
        variant!(
            "not_a_number",
            "y[i] = select(x[i] + x[i], bitcast<f32>(0x7fc00000u + params.len), i == 5u);"
        ),
        variant!("coarse", "y[i] = 2.0 * x[i] + 0.001 * fract(x[i]);"),
        variant!("broken", "y[i] = no_such_function(x[i]);"),
        variant!("right", "y[i] = 2.0 * x[i];"),
    ],
};

#[derive(Debug)]
struct Twice(u32);

impl Less for Twice {
    fn half(&self) -> Option<Result<Plan>> {
        (self.0 > 1).then(|| Ok(twice(self.0.div_ceil(2))))
    }
}

pub(super) fn twice(images: u32) -> Plan {
    let len = images * 4096;
    let bytes = u64::from(len) * 4;
    let class = Class {
        name: format!("n{images}"),
        words: &[],
        eps: f32::EPSILON.into(),
        less: Arc::new(Twice(images)),
    };
    let params = TwiceParams { len };
    Plan::new(&TWICE, &params, DispatchGrid::Items(len.into()), vec![bytes, bytes]).classed(class)
}
