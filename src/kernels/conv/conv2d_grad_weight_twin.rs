//! Twin of `shaders/conv/conv2d_grad_weight*.wgsl`.

use crate::{
    error::Result,
    kernels::{
        conv::{
            self,
            conv2d::{
                Conv2d,
                twin::{self, Values, general, general_label, meetings},
            },
            conv2d_grad_weight::{Conv2dGradWeightParams, chunks, partial_shape},
        },
        plan::Operands,
        twin::{Axes, Case, Data, Random, Want, nan_padded, numbers},
    },
    shape::{Nhwc, Window},
};

/// One case. The partial results are compared one by one; which pixels a chunk holds is read from the
/// plan's parameters.
fn case(conv: Conv2d, kind: Values) -> Result<Case> {
    case_of(conv, kind, &mut Random::new(conv.x.vec4s() + conv.y.c))
}

fn case_of(conv: Conv2d, kind: Values, random: &mut Random) -> Result<Case> {
    let exact = kind == Values::Integers;
    let (large, small) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    let [x_len, dy_len] = [large, small].map(|of| (of.pixels() * of.c) as usize);
    let x = kind.draw(random, x_len);
    let dy = random.ordinary(|random| kind.draw(random, dy_len));
    let plan = conv::conv2d_grad_weight::plan(conv)?;
    let params: Conv2dGradWeightParams = bytemuck::pod_read_unaligned(&plan.params);
    let shape = partial_shape(conv);
    let (c, k) = (large.c as usize, small.c as usize);
    let (in_group, of_group) = (c / conv.groups as usize, k / conv.groups as usize);
    let (rows, columns) = (in_group.next_multiple_of(4), k.next_multiple_of(4));
    let part = shape.padded_len() as usize;
    let mut values = vec![0.0; part * chunks(conv) as usize];
    let mut sizes = values.clone();
    let mut terms = values.clone();
    let operand = |v| f64::from(numbers::operand(conv.operands, v));
    meetings(large, small, conv.window, conv.dilation, |from, tap, to| {
        let chunk = to / (params.chunk_rows * small.w) as usize;
        for ci in 0..in_group {
            for ki in 0..k {
                let term =
                    operand(x[from * c + ki / of_group * in_group + ci]) * operand(dy[to * k + ki]);
                let at = chunk * part + (tap * rows + ci) * columns + ki;
                values[at] += term;
                sizes[at] += term.abs();
                terms[at] += 1.0;
            }
        }
    });
    let error = |(size, n): (&f64, &f64)| {
        if exact { 0.0 } else { (n + 1.0) * f64::from(f32::EPSILON) * size }
    };
    let bounds = sizes.iter().zip(&terms).map(error).collect();
    let half = if conv.operands == Operands::F16 { " f16" } else { "" };
    Ok(Case {
        label: format!("{} -> {} {}{half}{}", conv.x, conv.y, kind.label(), general_label(conv)),
        plan,
        data: vec![
            Data::input(&nan_padded(&x, large.c)),
            Data::input(&nan_padded(&dy, small.c)),
            Data::Output(Want::bounded(values, bounds).of(Axes::from(shape).per("chunk"))),
        ],
    })
}

/// Cases of [`conv::conv2d_grad_weight`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let forward = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let transposed = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::transposed(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let mut cases = Vec::new();
    for conv in [
        forward(1, 1, 1, 1, 1, 1, 1, 0)?,
        forward(2, 5, 7, 3, 10, 3, 1, 1)?,
        forward(1, 9, 4, 10, 33, 3, 2, 1)?,
        forward(2, 4, 4, 20, 40, 3, 1, 1)?,
        forward(1, 8, 6, 5, 4, 5, 3, 2)?,
        forward(1, 1, 19, 38, 10, 1, 1, 0)?,
        // Two chunks, the last one short.
        forward(3, 37, 25, 3, 9, 3, 1, 1)?,
        transposed(2, 4, 3, 5, 36, 4, 2, 1)?,
        transposed(1, 4, 4, 12, 6, 2, 2, 1)?,
    ] {
        cases.push(case(conv, Values::Floats)?);
        cases.push(case(conv, Values::Integers)?);
    }
    for conv in general()? {
        cases.push(case(conv, Values::Floats)?);
        cases.push(case(conv, Values::Integers)?);
    }
    // One less and one more than tiles hold: 64 or 128 rows (channels of taps), 64 columns, 16
    // pixels a step.
    for (pixels, c, k) in
        [(15, 63, 64), (16, 64, 65), (17, 65, 63), (33, 128, 12), (129, 131, 33), (7, 130, 67)]
    {
        cases.push(case(forward(1, 1, pixels, c, k, 1, 1, 0)?, Values::Integers)?);
    }
    for conv in [
        forward(3, 7, 13, 19, 67, 3, 1, 1)?,
        forward(2, 9, 1, 6, 12, 3, 1, 1)?,
        transposed(3, 5, 7, 37, 71, 4, 2, 1)?,
    ] {
        cases.push(case(conv, Values::Integers)?);
        cases.push(case(conv, Values::Floats)?);
    }
    for (conv, kind) in [
        // One product each, so that every size of operand counts in some result.
        (forward(1, 1, 1, 64, 65, 1, 1, 0)?, Values::Wide),
        (forward(1, 1, 1, 67, 16, 1, 1, 0)?, Values::Wide),
        (forward(1, 1, 1, 1, 1, 1, 1, 0)?, Values::Floats),
        (forward(2, 5, 7, 3, 10, 3, 1, 1)?, Values::Floats),
        (forward(3, 37, 25, 3, 9, 3, 1, 1)?, Values::Floats),
        (forward(3, 7, 13, 19, 67, 3, 1, 1)?, Values::Floats),
        (forward(3, 7, 13, 19, 67, 3, 1, 1)?, Values::Integers),
        (forward(1, 9, 4, 10, 33, 3, 2, 1)?, Values::Floats),
        (transposed(3, 5, 7, 37, 71, 4, 2, 1)?, Values::Floats),
    ] {
        cases.push(case(Conv2d { operands: Operands::F16, ..conv }, kind)?);
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let conv = Conv2d { copies: 1, ..twin::draw(random)? };
    let kind = random.of(&[Values::Floats, Values::Integers]);
    case_of(conv, kind, random)
}
