//! Common parts of kernels whose only parameters are the sizes of the images,
//! `shaders/lib/elementwise.wgsl`: their uniform block, their plan, and shapes for their cases.

use crate::{
    error::Result,
    kernels::{
        desc::KernelDesc,
        plan::{DispatchGrid, Plan},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/lib/elementwise.wgsl`.
    pub struct ElementwiseParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

/// Shapes with and without padding lanes, smaller than a workgroup and of many workgroups.
pub const SHAPES: [Nhwc; 4] = [
    Nhwc { n: 1, h: 1, w: 1, c: 1 },
    Nhwc { n: 2, h: 3, w: 5, c: 3 },
    Nhwc { n: 1, h: 7, w: 9, c: 10 },
    Nhwc { n: 3, h: 8, w: 8, c: 64 },
];

/// Plans one invocation for every group of four channels; each storage binding holds images of this shape.
pub fn plan(kernel: &'static KernelDesc, shape: Nhwc) -> Result<Plan> {
    let bytes = vec![shape.checked()?.bytes(); kernel.bindings.len() - 1];
    plan_of(kernel, shape, bytes)
}

/// Like [`plan`], with storage bindings of the given sizes in bytes.
pub fn plan_of(kernel: &'static KernelDesc, shape: Nhwc, bytes: Vec<u64>) -> Result<Plan> {
    let params = ElementwiseParams { vec4s: shape.checked()?.vec4s(), c: shape.c };
    Ok(Plan::new(kernel, &params, DispatchGrid::Items(u64::from(shape.vec4s())), bytes))
}
