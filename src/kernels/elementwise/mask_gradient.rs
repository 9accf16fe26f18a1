//! Gradient through a ReLU whose mask was recorded, `shaders/elementwise/mask_gradient.wgsl`.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{mask_bytes, twin::mask_of},
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::passes, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/mask_gradient.wgsl`.
    pub struct MaskGradientParams {
        /// Groups of four channels in one copy.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Number of copies.
        copies: u32,
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "mask_gradient", MaskGradientParams,
    lib: ["lib/grid", "lib/each", "lib/lanes"],
    bindings: [("dy", Read), ("mask", Read), ("dx", ReadWrite)],
}

/// `dx = dy` where the mask of `copies` tensors of `shape` is set, else 0; bindings dy, mask, dx.
pub fn plan(shape: Nhwc, copies: u32) -> Result<Plan> {
    let whole = Nhwc { n: shape.n * copies, ..shape }.checked()?;
    let params = MaskGradientParams { vec4s: shape.vec4s(), c: shape.c, copies };
    let bytes = vec![whole.bytes(), mask_bytes(shape, copies), whole.bytes()];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(whole.vec4s())), bytes))
}

fn case(shape: Nhwc, copies: u32, random: &mut Random) -> Result<Case> {
    let (mut dys, mut masks, mut want) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..copies {
        let len = (shape.pixels() * shape.c) as usize;
        let gate: Vec<f64> = random.floats(len).into_iter().map(f64::from).collect();
        let dy = random.floats(len);
        want.extend(
            dy.iter().zip(&gate).map(|(&v, &g)| if passes(g) { f64::from(v) } else { 0.0 }),
        );
        dys.extend(nan_padded(&dy, shape.c));
        masks.extend(mask_of(&gate, shape));
    }
    Ok(Case {
        label: format!("{shape} x{copies}"),
        plan: plan(shape, copies)?,
        data: vec![
            Data::input(&dys),
            Data::input(&masks),
            Data::Output(Want::channels(&want, shape, |_| 0.0)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    [
        (Nhwc::new(1, 1, 1, 1), 1),
        (Nhwc::new(2, 3, 5, 3), 2),
        (Nhwc::new(1, 7, 9, 10), 3),
        (Nhwc::new(2, 4, 4, 16), 1),
    ]
    .into_iter()
    .map(|(shape, copies)| case(shape, copies, &mut Random::new(shape.vec4s())))
    .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let copies = random.length(17);
    case(random.images(20_000 / copies), copies, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
