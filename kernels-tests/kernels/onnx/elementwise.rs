//! Operators that treat every element alike, and Concat.
use super::{
    call::Call,
    engine::{Binding, Engine},
    tensor::{Outcome, Tensor},
};
use nf_gpu::{
    kernels::{
        elementwise::{
            activation::{self, Activation},
            add, channel_affine, fuse_clamp, leaky_relu as leaky, multiply,
            pointwise::{self, Pointwise},
        },
        layout::concat_channels,
    },
    shape::Nhwc,
};

pub(super) fn activation(
    engine: &mut Engine<'_>,
    call: &Call<'_>,
    act: Activation,
) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    x.f32s()?;
    let (shape, values) = x.rows();
    let y = activated(engine, shape, &values, act);
    Ok(vec![Tensor::floats(&x.dims, y)])
}

fn activated(engine: &mut Engine<'_>, shape: Nhwc, x: &[f32], act: Activation) -> Vec<f32> {
    let plan = activation::plan(shape, act).unwrap();
    engine.images(plan, vec![Binding::images(x, shape.c), Binding::Out], shape)
}

/// `x scale + shift`, per channel.
pub(super) fn affine(
    engine: &mut Engine<'_>,
    shape: Nhwc,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
) -> Vec<f32> {
    let plan = channel_affine::plan(shape, 0, Some(shape.c), 2 * shape.c).unwrap();
    let affine = Binding::floats(&[scale, shift].concat());
    let bindings = vec![Binding::images(x, shape.c), affine, Binding::Out];
    engine.images(plan, bindings, shape)
}

pub(super) fn sum(engine: &mut Engine<'_>, shape: Nhwc, a: &[f32], b: &[f32]) -> Vec<f32> {
    let bindings = vec![Binding::images(a, shape.c), Binding::images(b, shape.c), Binding::Out];
    engine.images(add::plan(shape).unwrap(), bindings, shape)
}

pub(super) fn pointwise(
    engine: &mut Engine<'_>,
    call: &Call<'_>,
    function: Pointwise,
) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    x.f32s()?;
    let (shape, values) = x.rows();
    let plan = pointwise::plan(shape, function).unwrap();
    let y = engine.images(plan, vec![Binding::images(&values, shape.c), Binding::Out], shape);
    Ok(vec![Tensor::floats(&x.dims, y)])
}

pub(super) fn leaky_relu(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    x.f32s()?;
    let (shape, values) = x.rows();
    let plan = leaky::plan(shape, call.float("alpha", 0.01)).unwrap();
    let y = engine.images(plan, vec![Binding::images(&values, shape.c), Binding::Out], shape);
    Ok(vec![Tensor::floats(&x.dims, y)])
}

pub(super) fn mul(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (a, b) = (call.input(0), call.input(1));
    let ((shape, values), of_b) = (a.f32s().map(|_| a.rows())?, b.f32s()?);
    if a.dims != b.dims {
        return Err("other broadcasts".into());
    }
    let bindings =
        vec![Binding::images(&values, shape.c), Binding::images(of_b, shape.c), Binding::Out];
    let y = engine.images(multiply::plan(shape, shape).unwrap(), bindings, shape);
    Ok(vec![Tensor::floats(&a.dims, y)])
}

/// Clip: the protected image's clamp if the bounds are -1 and 1, the kernel if one is below the other, otherwise a
/// ReLU per bound.
pub(super) fn clip(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    x.f32s()?;
    let (shape, values) = x.rows();
    let bound = |index, name| match call.optional(index) {
        Some(bound) => bound.scalar().map(Some),
        None => Ok(call.optional_float(name)),
    };
    let (low, high) = (bound(1, "min")?, bound(2, "max")?);
    let mut y = values.clone();
    if (low, high) == (Some(-1.0), Some(1.0)) {
        let zeros = vec![0.0; y.len()];
        let bindings =
            vec![Binding::images(&y, shape.c), Binding::images(&zeros, shape.c), Binding::Out];
        y = engine.images(fuse_clamp::plan(shape).unwrap(), bindings, shape);
        return Ok(vec![Tensor::floats(&x.dims, y)]);
    }
    if low.or(high).is_none() {
        return Err("nothing to compute".into());
    }
    let (least, most) = (low.unwrap_or(f32::NEG_INFINITY), high.unwrap_or(f32::INFINITY));
    if least < most {
        return pointwise(engine, call, Pointwise::Clip { low: least, high: most });
    }
    let c = shape.c as usize;
    // max(y, low) = low + relu(y - low), min(y, high) = high - relu(high - y).
    for (bound, sign) in [(low, 1.0), (high, -1.0)] {
        let Some(bound) = bound else { continue };
        let moved = affine(engine, shape, &y, &vec![sign; c], &vec![-sign * bound; c]);
        let cut = activated(engine, shape, &moved, Activation::Relu);
        y = affine(engine, shape, &cut, &vec![sign; c], &vec![bound; c]);
    }
    Ok(vec![Tensor::floats(&x.dims, y)])
}

pub(super) fn add(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (a, b) = (call.input(0), call.input(1));
    let ((shape, _), values) = (a.f32s().map(|_| a.rows())?, b.f32s()?);
    let y = if a.dims == b.dims {
        sum(engine, shape, a.f32s()?, values)
    } else if b.dims == a.dims[a.dims.len() - b.dims.len()..] && b.dims.len() == 1 {
        affine(engine, shape, a.f32s()?, &vec![1.0; values.len()], values)
    } else {
        return Err("other broadcasts".into());
    };
    Ok(vec![Tensor::floats(&a.dims, y)])
}

pub(super) fn sum_of_all(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let first = call.input(0);
    let mut y = first.f32s()?.to_vec();
    if call.inputs.len() == 1 {
        return Err("nothing to compute".into());
    }
    let (shape, _) = first.rows();
    for index in 1..call.inputs.len() {
        let next = call.input(index);
        assert_eq!(next.dims, first.dims);
        y = sum(engine, shape, &y, next.f32s()?);
    }
    Ok(vec![Tensor::floats(&first.dims, y)])
}

/// Concat along any axis: axes before it count as pixels, this axis and the following ones as
/// channels.
pub(super) fn concat(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (a, b) = (call.input(0), call.input(1));
    assert_eq!(call.inputs.len(), 2);
    let axis = call.axis(1);
    let pixels: usize = a.dims[..axis].iter().product();
    let shape = |t: &Tensor| Nhwc::new(1, 1, pixels as u32, (t.len() / pixels) as u32);
    let (from_a, from_b) = (shape(a), shape(b));
    let plan = concat_channels::plan(from_a, from_b).unwrap();
    let bindings = vec![
        Binding::images(a.f32s()?, from_a.c),
        Binding::images(b.f32s()?, from_b.c),
        Binding::Out,
    ];
    let y = engine.images(plan, bindings, from_a.with_c(from_a.c + from_b.c));
    let mut dims = a.dims.clone();
    dims[axis] += b.dims[axis];
    Ok(vec![Tensor::floats(&dims, y)])
}
