//! A case: a model, its inputs and its expected outputs.
use super::{
    call::Call,
    convolution, elementwise,
    engine::Engine,
    images, loss, products,
    proto::{Model, Node},
    steps,
    tensor::{Elements, Outcome, Tensor},
    words,
};
use nf_gpu::kernels::elementwise::{activation::Activation, pointwise::Pointwise};
use std::collections::BTreeMap;

/// Operators that only rearrange values: the host runs them.
const ARRANGE: &[&str] =
    &["Constant", "Flatten", "Identity", "Reshape", "Shape", "Squeeze", "Transpose", "Unsqueeze"];

/// Operators that kernels compute.
const COMPUTE: &[&str] = &[
    "Adam",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "BitwiseXor",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "DequantizeLinear",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "LogSoftmax",
    "MatMul",
    "MaxPool",
    "MaxUnpool",
    "Momentum",
    "Mul",
    "NegativeLogLikelihoodLoss",
    "QuantizeLinear",
    "Relu",
    "Resize",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropyLoss",
    "Sum",
    "Swish",
    "Tanh",
    "Upsample",
];

/// The reason why cases with such nodes cannot be run, if there is one.
pub(super) fn unknown(nodes: &[Node]) -> Option<String> {
    let known = |op: &str| COMPUTE.contains(&op) || ARRANGE.contains(&op);
    if let Some(node) = nodes.iter().find(|node| !known(&node.op)) {
        return Some(format!("no kernel for {}", node.op));
    }
    let computes = nodes.iter().any(|node| COMPUTE.contains(&node.op.as_str()));
    (!computes).then(|| "nothing to compute".into())
}

/// Runs a model; returns its outputs.
pub(super) fn run(
    engine: &mut Engine<'_>,
    model: &Model,
    inputs: &[Tensor],
) -> Outcome<Vec<Tensor>> {
    if let Some(reason) = unknown(&model.nodes) {
        return Err(reason);
    }
    let mut values: BTreeMap<&str, Tensor> = BTreeMap::new();
    let named = model.inputs.iter().map(String::as_str).zip(inputs.iter().cloned());
    values.extend(named);
    values.extend(model.initializers.iter().map(|(name, value)| (name.as_str(), value.clone())));
    for node in &model.nodes {
        let inputs = node.inputs.iter().map(|name| values.get(name.as_str())).collect();
        let call = Call { node, inputs, opset: model.opset };
        let outputs = compute(engine, &call)?;
        for (name, value) in node.outputs.iter().zip(outputs) {
            values.insert(name, value);
        }
    }
    Ok(model.outputs.iter().map(|name| values[name.as_str()].clone()).collect())
}

fn compute(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    match call.node.op.as_str() {
        "Adam" => steps::adam(engine, call),
        "Add" => elementwise::add(engine, call),
        "AveragePool" => images::average_pool(engine, call),
        "BatchNormalization" => images::batch_normalization(engine, call),
        "BitwiseXor" => words::xor(engine, call),
        "Clip" => elementwise::clip(engine, call),
        "Concat" => elementwise::concat(engine, call),
        "Conv" => convolution::conv(engine, call),
        "ConvTranspose" => convolution::conv_transpose(engine, call),
        "DequantizeLinear" => words::dequantize(engine, call),
        "Gemm" => products::gemm(engine, call),
        "GlobalAveragePool" => images::global_average_pool(engine, call),
        "GlobalMaxPool" => images::global_max_pool(engine, call),
        "HardSigmoid" => {
            let (alpha, beta) = (call.float("alpha", 0.2), call.float("beta", 0.5));
            elementwise::pointwise(engine, call, Pointwise::HardSigmoid { alpha, beta })
        }
        "HardSwish" => elementwise::pointwise(engine, call, Pointwise::HardSwish),
        "LeakyRelu" => elementwise::leaky_relu(engine, call),
        "LogSoftmax" => loss::log_softmax(engine, call),
        "MatMul" => products::mat_mul(engine, call),
        "MaxPool" => images::max_pool(engine, call),
        "MaxUnpool" => images::max_unpool(engine, call),
        "Momentum" => steps::momentum(engine, call),
        "Mul" => elementwise::mul(engine, call),
        "NegativeLogLikelihoodLoss" => loss::likelihood_loss(engine, call),
        "QuantizeLinear" => words::quantize(engine, call),
        "Relu" => elementwise::activation(engine, call, Activation::Relu),
        "Resize" | "Upsample" => images::resize(engine, call),
        "Sigmoid" => elementwise::pointwise(engine, call, Pointwise::Sigmoid),
        "Softmax" => loss::softmax(engine, call),
        "SoftmaxCrossEntropyLoss" => loss::softmax_loss(engine, call),
        "Sum" => elementwise::sum_of_all(engine, call),
        "Swish" if call.float("alpha", 1.0) == 1.0 => {
            elementwise::pointwise(engine, call, Pointwise::Silu)
        }
        "Swish" => Err("a swish of another slope".into()),
        "Tanh" => elementwise::activation(engine, call, Activation::Tanh),
        _ => arrange(call).map(|value| vec![value]),
    }
}

fn arrange(call: &Call<'_>) -> Outcome<Tensor> {
    if call.node.op == "Constant" {
        return call.tensor("value").cloned();
    }
    let x = call.input(0);
    let list = |name| match (call.ints(name), call.optional(1)) {
        (Some(list), _) => list,
        (None, Some(given)) => given.i64s().unwrap().iter().map(|&v| v as usize).collect(),
        (None, None) => Vec::new(),
    };
    Ok(match call.node.op.as_str() {
        "Identity" => x.clone(),
        "Shape" => {
            let dims = x.dims.iter().map(|&d| d as i64).collect();
            Tensor::ints(&[x.dims.len()], 7, dims)
        }
        "Flatten" => {
            let rows: usize = x.dims[..call.axis(1)].iter().product();
            x.reshaped(&[rows, x.len() / rows])
        }
        "Reshape" => {
            let to = call.input(1).i64s()?;
            let kept = |(i, &d): (usize, &i64)| if d == 0 { x.dims[i] as i64 } else { d };
            let to: Vec<i64> = to.iter().enumerate().map(kept).collect();
            let known: i64 = to.iter().filter(|&&d| d > 0).product();
            let rest = x.len() as i64 / known;
            x.reshaped(
                &to.iter().map(|&d| if d < 0 { rest } else { d } as usize).collect::<Vec<_>>(),
            )
        }
        "Squeeze" => {
            let axes = list("axes");
            let dims = x.dims.iter().enumerate().filter(|(i, _)| !axes.contains(i));
            x.reshaped(&dims.map(|(_, &d)| d).collect::<Vec<_>>())
        }
        "Unsqueeze" => {
            let mut dims = x.dims.clone();
            for axis in list("axes") {
                dims.insert(axis, 1);
            }
            x.reshaped(&dims)
        }
        _ => {
            let order = call.ints("perm").unwrap_or((0..x.dims.len()).rev().collect());
            x.transposed(&order)
        }
    })
}

/// ONNX's own tolerance.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;

/// Compares an output with the expected one; returns the largest used share of the tolerance.
pub(super) fn compare(got: &Tensor, want: &Tensor) -> Result<f64, String> {
    if got.dims != want.dims {
        return Err(format!("has the shape {:?}, not {:?}", got.dims, want.dims));
    }
    match (&got.elements, &want.elements) {
        (Elements::Ints(got), Elements::Ints(want)) if got == want => Ok(0.0),
        (Elements::Floats(got), Elements::Floats(want)) => {
            let mut most: f64 = 0.0;
            for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
                let error = f64::from((got - want).abs());
                let share = error / (ABSOLUTE + RELATIVE * f64::from(want.abs()));
                // NaN is within no tolerance.
                if got != want && (share.is_nan() || share > 1.0) {
                    return Err(format!("[{i}] is {got:e}, not {want:e}"));
                }
                most = most.max(if got == want { 0.0 } else { share });
            }
            Ok(most)
        }
        (got, want) => Err(format!("is {got:?}, not {want:?}")),
    }
}

#[test]
fn the_comparison_can_fail() {
    let of = |values: [f32; 2]| Tensor::floats(&[2], values.to_vec());
    assert_eq!(compare(&of([1.0, 0.0]), &of([1.0, 0.0])), Ok(0.0));
    assert!(compare(&of([1.0009, 9e-8]), &of([1.0, 0.0])).unwrap() > 0.8);
    for wrong in [[1.002, 0.0], [1.0, 2e-7], [f32::NAN, 0.0], [1.0, f32::INFINITY]] {
        assert!(compare(&of(wrong), &of([1.0, 0.0])).is_err(), "{wrong:?}");
    }
    assert!(compare(&of([1.0, 0.0]).reshaped(&[2, 1]), &of([1.0, 0.0])).is_err());
    let ints = |v: i64| Tensor::ints(&[1], 7, vec![v]);
    assert!(compare(&ints(1), &ints(2)).is_err() && compare(&ints(2), &ints(2)).is_ok());
}
