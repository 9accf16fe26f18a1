//! `Conv` and `ConvTranspose`, and their gradients on the same numbers.
use super::{
    call::Call,
    engine::{Binding, Engine},
    tensor::{Outcome, Tensor, padded_weights},
    window::{Sliding, plane},
};
use nf_gpu::{
    kernels::{
        conv::{
            conv2d::{self, Conv2d, Epilogue},
            conv2d_grad_weight, weight_gradient,
        },
        plan::Accumulate,
    },
    shape::{Nhwc, Rsck, Window},
};

/// Runs the convolution `conv` on images, weights `[R, S, C, K]` and a bias.
pub(crate) fn gather(
    engine: &mut Engine<'_>,
    conv: Conv2d,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let epilogue = Epilogue {
        affine_len: bias.map_or(0, |b| b.len() as u32),
        shift: bias.map(|_| 0),
        ..Epilogue::default()
    };
    let bindings = vec![
        Binding::images(x, conv.x.c),
        Binding::floats(&padded_weights(conv.weights(), w)),
        bias.map_or_else(Binding::unused, Binding::floats),
        Binding::unused(),
        Binding::unused(),
        Binding::Out,
        Binding::unused(),
    ];
    engine.images(conv2d::plan(conv, epilogue).unwrap(), bindings, conv.y)
}

/// Weights with input and output exchanged, tap by tap and group by group: `[R, S, C / groups, K]`
/// become `[R, S, K / groups, C]`.
fn exchanged(shape: Rsck, groups: u32, w: &[f32]) -> Vec<f32> {
    let (c, k, groups) = (shape.c as usize, shape.k as usize, groups as usize);
    let turned = |tap: &[f32]| -> Vec<f32> {
        let at = |i: usize| {
            let (row, column) = (i / (c * groups), i % (c * groups));
            tap[column % c * k + column / c * (k / groups) + row]
        };
        (0..c * k).map(at).collect()
    };
    w.chunks(c * k).flat_map(turned).collect()
}

/// Sum of products, in f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Gradients of a convolution with respect to its input and its weights `[R, S, C, K]`.
pub(crate) fn gradients(
    engine: &mut Engine<'_>,
    conv: Conv2d,
    [x, w, dy]: [&[f32]; 3],
) -> (Vec<f32>, Vec<f32>) {
    // The input gradient is a convolution with exchanged weights.
    let dx =
        gather(engine, conv.grad_input(), dy, &exchanged(conv.weights(), conv.groups, w), None);
    // The kernel slides over the larger image, which is dy if transposed.
    let operands = [Binding::images(x, conv.x.c), Binding::images(dy, conv.y.c)];
    let [large, small] = if conv.transposed {
        let [x, dy] = operands;
        [dy, x]
    } else {
        operands
    };
    let plan = conv2d_grad_weight::plan(conv).unwrap();
    let partial = engine.floats(plan, vec![large, small, Binding::Out]);
    let shape = conv2d_grad_weight::partial_shape(conv);
    let chunks = conv2d_grad_weight::chunks(conv);
    let plan =
        weight_gradient::plan(shape, chunks, false, 0, shape.len(), Accumulate::Replace).unwrap();
    let dw = engine.floats(plan, vec![Binding::floats(&partial), Binding::Out]);
    let dw = Tensor::floats(&[shape.k, shape.c, shape.r, shape.s].map(|n| n as usize), dw);
    let (_, dw) = dw.weights(true).unwrap();
    (dx, if conv.transposed { exchanged(shape, conv.groups, &dw) } else { dw })
}

/// Checks the gradients of the same convolution, with its output as upstream gradient:
/// `<y, y> = <dx, x> = <dw, w>`, without the bias.
fn check_gradients(
    engine: &mut Engine<'_>,
    conv: Conv2d,
    [x, w, y]: [&[f32]; 3],
    bias: Option<&[f32]>,
) {
    let c = conv.y.c as usize;
    let without = |(i, y): (usize, &f32)| y - bias.map_or(0.0, |b| b[i % c]);
    let dy: Vec<f32> = y.iter().enumerate().map(without).collect();
    let size = dot(&dy, &dy);
    let (dx, dw) = gradients(engine, conv, [x, w, &dy]);
    for (what, sum) in [("input", dot(&dx, x)), ("weight", dot(&dw, w))] {
        let error = (sum - size).abs();
        assert!(error <= 1e-5 * size, "{what} gradient: {sum} is not <y, y> = {size}");
    }
}

pub(super) fn conv(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (x, w) = (call.input(0), call.input(1));
    let sliding = Sliding::of(call, x, &w.dims[2..])?;
    let image = plane(x)?;
    let window = sliding.window();
    let (shape, values) = x.images()?;
    let [k, c, ..] = w.dims[..] else { unreachable!("plane() took its images") };
    let [r, s] = sliding.kernel;
    let (rsck, weights) = w.reshaped(&[k, c, r, s]).weights(true)?;
    let (groups, dilation) = (call.int("group", 1) as u32, sliding.dilation());
    let conv = Conv2d::grouped(shape, rsck.k, window, groups, dilation).unwrap();
    // The input gradient of the transposed convolution is the same gather.
    let transposed = Conv2d { x: conv.y, y: conv.x, transposed: true, ..conv };
    assert_eq!(transposed.grad_input(), conv);
    let bias = call.optional(2).map(Tensor::f32s).transpose()?;
    let y = gather(engine, conv, &values, &weights, bias);
    check_gradients(engine, conv, [&values, &weights, &y], bias);
    let mut dims = x.dims.clone();
    dims[1] = k;
    let outputs = sliding.outputs(image);
    dims[2..].copy_from_slice(&outputs[4 - x.dims.len()..]);
    Ok(vec![Tensor::of_images(conv.y, y, &dims)])
}

pub(super) fn conv_transpose(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (x, w) = (call.input(0), call.input(1));
    let sliding = Sliding::of(call, x, &w.dims[2..])?;
    let image = plane(x)?;
    let axes = x.dims.len() - 2;
    let extra = call.ints("output_padding").unwrap_or(vec![0; axes]);
    let extra = if axes == 1 { [0, extra[0]] } else { [extra[0], extra[1]] };
    let Sliding { kernel, strides, dilations, mut begin, mut end, .. } = sliding.clone();
    let (groups, dilation) = (call.int("group", 1) as u32, sliding.dilation());
    // Rows and columns without padding, and the wanted numbers of them.
    let whole =
        [0, 1].map(|i| (image[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 + extra[i]);
    let auto = call.text("auto_pad", "NOTSET");
    let wanted = call.ints("output_shape").or_else(|| {
        auto.starts_with("SAME").then(|| (0..2).map(|i| image[i] * strides[i]).collect())
    });
    if let Some(wanted) = &wanted {
        for i in 0..2 {
            // Wanted rows and columns beyond these are output padding.
            let total = whole[i].saturating_sub(wanted[i]);
            let small = total / 2;
            (begin[i], end[i]) =
                if auto == "SAME_UPPER" { (small, total - small) } else { (total - small, small) };
        }
    }
    let (shape, values) = x.images()?;
    let [c, k, ..] = w.dims[..] else { unreachable!("plane() took its images") };
    // `[C, K / groups, R, S]`: the weights of the convolution whose input gradient this is.
    let (shape_back, weights) = w.reshaped(&[c, k, kernel[0], kernel[1]]).weights(true)?;
    let weights = exchanged(shape_back, groups, &weights);
    let k = k * groups as usize;
    let u32s = |values: [usize; 2]| values.map(|v| v as u32);
    let cut = [0, 1].map(|i| whole[i] - begin[i] - end[i]);
    let [h, width] = u32s(wanted.map_or(cut, |wanted: Vec<usize>| [wanted[0], wanted[1]]));
    // The convolution whose input gradient this is may leave rows and columns out at the end.
    let window = Window { before: u32s(begin), after: u32s(end), ..sliding.window() };
    let y = Nhwc::new(shape.n, h, width, k as u32);
    let forward = Conv2d::grouped(y, shape.c, window, groups, dilation).unwrap();
    let conv = Conv2d { x: shape, y, transposed: true, ..forward };
    assert_eq!(forward.grad_input(), conv, "the input gradient of a convolution");
    let bias = call.optional(2).map(Tensor::f32s).transpose()?;
    let got = gather(engine, conv, &values, &weights, bias);
    check_gradients(engine, conv, [&values, &weights, &got], bias);
    let of = [y.h, y.w].map(|n| n as usize);
    let mut dims = vec![y.n as usize, k];
    dims.extend(&of[2 - axes..]);
    Ok(vec![Tensor::of_images(y, got, &dims)])
}
