//! Adam and Momentum.
use super::{
    call::Call,
    elementwise::{affine, sum},
    engine::{Binding, Engine, floats_of},
    tensor::{Outcome, Tensor},
};
use nf_gpu::{
    kernels::optimiser::{adam, sgd},
    shape::Nhwc,
};

/// Learning rate, step, and for each parameter tensor its `kinds` operands.
fn operands<'a>(call: &Call<'a>, kinds: usize) -> Outcome<(f32, i64, Vec<Vec<&'a Tensor>>)> {
    let tensors = (call.inputs.len() - 2) / kinds;
    let of = |i: usize| (0..kinds).map(|kind| call.input(2 + kind * tensors + i)).collect();
    Ok((call.input(0).scalar()?, call.input(1).i64s()?[0], (0..tensors).map(of).collect()))
}

/// Outputs in ONNX's order: all parameters, then each kind of state.
fn in_order(updated: &[Vec<Tensor>]) -> Vec<Tensor> {
    (0..updated[0].len()).flat_map(|kind| updated.iter().map(move |t| t[kind].clone())).collect()
}

/// ONNX adds eps before the correction of the second moment, ours adds it after.
pub(super) fn adam(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (alpha, beta) = (call.float("alpha", 0.9), call.float("beta", 0.999));
    let eps = f64::from(call.float("epsilon", 0.0));
    let decay = call.float("norm_coefficient", 0.0);
    assert!(call.float("norm_coefficient_post", 0.0) == 0.0);
    let (rate, step, tensors) = operands(call, 4)?;
    let mut updated = Vec::new();
    for tensor in tensors {
        let [x, g, v, h] = tensor[..] else { unreachable!("four kinds") };
        let (len, n) = (x.len() as u32, x.len());
        let vector = Nhwc::new(1, 1, 1, len);
        let (alpha, beta) = (f64::from(alpha), f64::from(beta));
        let mut schedule = adam::schedule(f64::from(rate), alpha, beta, step as u64, 1.0);
        if step == 0 {
            (schedule[1], schedule[2]) = (1.0, 1.0);
        }
        let plan = adam::plan(len, alpha, beta, eps / f64::from(schedule[2]).sqrt()).unwrap();
        let decayed = affine(engine, vector, x.f32s()?, &vec![decay; n], &vec![0.0; n]);
        let gradient = sum(engine, vector, &decayed, g.f32s()?);
        let bindings = vec![
            Binding::floats(&schedule),
            Binding::floats(&gradient),
            Binding::floats(x.f32s()?),
            Binding::floats(v.f32s()?),
            Binding::floats(h.f32s()?),
        ];
        let words = engine.words(plan, bindings);
        updated.push(words.iter().map(|w| Tensor::floats(&x.dims, floats_of(w))).collect());
    }
    Ok(in_order(&updated))
}

pub(super) fn momentum(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    if call.text("mode", "standard") != "standard" {
        return Err("Nesterov's momentum".into());
    }
    let alpha = f64::from(call.float("alpha", 0.9));
    let (rate, step, tensors) = operands(call, 3)?;
    // At step 0 the whole gradient is taken.
    let beta = if step > 0 { f64::from(call.float("beta", 1.0)) } else { 1.0 };
    let decay = f64::from(call.float("norm_coefficient", 0.0));
    let mut updated = Vec::new();
    for tensor in tensors {
        let [x, g, v] = tensor[..] else { unreachable!("three kinds") };
        let plan = sgd::plan(x.len() as u32, alpha, decay * beta).unwrap();
        let bindings = vec![
            Binding::floats(&[rate, 1.0, 1.0, beta as f32]),
            Binding::floats(g.f32s()?),
            Binding::floats(x.f32s()?),
            Binding::floats(v.f32s()?),
        ];
        let words = engine.words(plan, bindings);
        updated.push(words.iter().map(|w| Tensor::floats(&x.dims, floats_of(w))).collect());
    }
    Ok(in_order(&updated))
}
