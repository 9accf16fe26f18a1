//! Gemm, which runs like a fully connected layer, and `MatMul`.
use super::{
    call::Call,
    convolution::gather,
    elementwise::{affine, sum},
    engine::{Binding, Engine},
    tensor::{Outcome, Tensor, padded_weights},
};
use nf_gpu::{
    kernels::{
        conv::conv2d::Conv2d,
        matmul::{self, Matmul, panels},
    },
    shape::{Nhwc, Rsck, Window},
};

/// `alpha A B + beta C`: a convolution of one-pixel images, then the addition.
pub(super) fn gemm(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let side = |index: usize, name: &str| {
        let matrix = call.input(index);
        let turned = call.int(name, 0) == 1;
        matrix.f32s().map(|_| if turned { matrix.transposed(&[1, 0]) } else { matrix.clone() })
    };
    let (a, b) = (side(0, "transA")?, side(1, "transB")?);
    let (rows, k) = (a.dims[0], b.dims[1]);
    let x = Nhwc::new(rows as u32, 1, 1, a.dims[1] as u32);
    let conv = Conv2d::forward(x, k as u32, Window::square(1, 1, 0)).unwrap();
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    let y = match call.optional(2).filter(|_| beta != 0.0) {
        None => gather(engine, conv, a.f32s()?, b.f32s()?, None),
        Some(c) if c.len() == rows * k && rows > 1 => {
            let y = gather(engine, conv, a.f32s()?, b.f32s()?, None);
            if beta != 1.0 {
                return Err("a scaled matrix is added".into());
            }
            sum(engine, conv.y, &y, c.f32s()?)
        }
        Some(c) => {
            let c = c.f32s()?;
            let bias: Vec<f32> = (0..k).map(|i| beta * c[i % c.len()] / alpha).collect();
            gather(engine, conv, a.f32s()?, b.f32s()?, Some(&bias))
        }
    };
    let scaled =
        if alpha == 1.0 { y } else { affine(engine, conv.y, &y, &vec![alpha; k], &vec![0.0; k]) };
    Ok(vec![Tensor::floats(&[rows, k], scaled)])
}

/// `batches` products of `[rows, c]` and `[c, k]`, one behind another.
pub(super) fn product(
    engine: &mut Engine<'_>,
    [batches, rows, c, k]: [usize; 4],
    x: &[f32],
    w: &[f32],
) -> Vec<f32> {
    let plan = matmul::plan(Matmul {
        rows: rows as u32,
        c: c as u32,
        k: k as u32,
        batches: batches as u32,
    });
    let weights: Vec<f32> = w
        .chunks(c * k)
        .map(|w| padded_weights(Rsck::new(1, 1, c as u32, k as u32), w))
        .flat_map(|w| panels(&w, k.next_multiple_of(4)))
        .collect();
    let bindings = vec![Binding::images(x, c as u32), Binding::floats(&weights), Binding::Out];
    let y = Nhwc::new(batches as u32, 1, rows as u32, k as u32);
    engine.images(plan.unwrap(), bindings, y)
}

/// Matrix product as in NumPy.
pub(super) fn mat_mul(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (a, b) = (call.input(0), call.input(1));
    let (x, w) = (a.f32s()?, b.f32s()?);
    let (a_vector, b_vector) = (a.dims.len() == 1, b.dims.len() == 1);
    let a_dims = if a_vector { vec![1, a.dims[0]] } else { a.dims.clone() };
    let b_dims = if b_vector { vec![b.dims[0], 1] } else { b.dims.clone() };
    let ([a_outer @ .., rows, c], [b_outer @ .., _, k]) = (&a_dims[..], &b_dims[..]) else {
        unreachable!("two axes at least");
    };
    let rank = a_outer.len().max(b_outer.len());
    let extent = |outer: &[usize], axis: usize| {
        (axis + outer.len()).checked_sub(rank).map_or(1, |axis| outer[axis])
    };
    let outer: Vec<usize> = (0..rank).map(|i| extent(a_outer, i).max(extent(b_outer, i))).collect();
    let batches: usize = outer.iter().product();
    // The matrix of one operand for each product: extents of 1 are repeated.
    let repeated = |of: &[usize], values: &[f32], len: usize| -> Vec<f32> {
        (0..batches)
            .flat_map(|mut batch| {
                let (mut at, mut stride) = (0, 1);
                for axis in (0..rank).rev() {
                    let here = extent(of, axis);
                    at += batch % outer[axis] % here * stride;
                    stride *= here;
                    batch /= outer[axis];
                }
                values[at * len..(at + 1) * len].to_vec()
            })
            .collect()
    };
    let x = repeated(a_outer, x, rows * c);
    let w = repeated(b_outer, w, c * k);
    let y = product(engine, [batches, *rows, *c, *k], &x, &w);
    let mut dims = outer;
    dims.extend((!a_vector).then_some(*rows));
    dims.extend((!b_vector).then_some(*k));
    Ok(vec![Tensor::floats(&dims, y)])
}
