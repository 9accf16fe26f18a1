//! Twin of `shaders/elementwise/mask_gradient.wgsl`.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::twin::mask_of,
        elementwise,
        twin::{Case, Data, Random, Want, nan_padded, numbers::passes},
    },
    shape::Nhwc,
};

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
        plan: elementwise::mask_gradient::plan(shape, copies)?,
        data: vec![
            Data::input(&dys),
            Data::input(&masks),
            Data::Output(Want::channels(&want, shape, |_| 0.0)),
        ],
    })
}

/// Cases of [`elementwise::mask_gradient`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
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

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let copies = random.length(17);
    case(random.images(20_000 / copies), copies, random)
}
