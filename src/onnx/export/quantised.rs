//! A generator in int8 as nodes: `QuantizeLinear` and `DequantizeLinear` around what computes, as onnxruntime's static quantiser
//! writes them (QDQ).

use super::{
    message::{AttributeValue, counts, ints, words},
    network::{Nodes, of_window, output_padding},
};
use crate::{
    deploy::{ActivationGrid, DeviceConv, DeviceStep, Operation, Quantised, Shifts, StoredConv},
    error::{Error, Result},
    kernels::layout::gather2d::Gather,
};

/// Appends a generator behind the value `x`; returns the name of G(x), a float.
///
/// Batch norms are in the scales of the words, one per output channel; a ReLU stays a node, in front of the quantiser that
/// spans what it leaves: a runtime that drops it must know that it may.
///
/// # Errors
/// A step without what it reads.
pub(super) fn network(nodes: &mut Nodes<'_>, by: &Quantised<'_>, x: &str) -> Result<String> {
    let mut values = vec![on_grid(nodes, x, by.grids[0])];
    for (value, step) in (1..).zip(&by.network.steps) {
        let made = step_of(nodes, by, value, step, &values)?;
        values.push(on_grid(nodes, &made, by.grids[value]));
    }
    values.pop().ok_or_else(|| Error::Shape("a generator of nothing".into()))
}

/// A value behind the two nodes that bring it to its grid.
fn on_grid(nodes: &mut Nodes<'_>, x: &str, grid: Option<ActivationGrid>) -> String {
    let Some(ActivationGrid { scale, zero }) = grid else { return x.to_owned() };
    let scale = nodes.constant(&[], &[scale]);
    let point = nodes.name("zero");
    nodes.tensors.push(words(&point, &[], &[zero]));
    let steps = nodes.push("QuantizeLinear", &[x, &scale, &point], &[]);
    nodes.push("DequantizeLinear", &[&steps, &scale, &point], &[])
}

fn step_of(
    nodes: &mut Nodes<'_>,
    by: &Quantised<'_>,
    value: usize,
    step: &DeviceStep,
    values: &[String],
) -> Result<String> {
    let lost = || Error::Shape(format!("{} reads nothing", step.name));
    let first = step.inputs.first().copied();
    let x = first.map_or("", |input| &values[input]);
    let from = first.map_or([0; 3], |input| by.network.chw_of(input));
    Ok(match &step.operation {
        Operation::Conv(conv) => {
            let stored = by.stored[value].as_ref().ok_or_else(lost)?;
            convolution(nodes, conv, stored, step, from, x)
        }
        Operation::Tanh => nodes.push("Tanh", &[x], &[]),
        Operation::MaxPool(window) => {
            nodes.push("MaxPool", &[x], &of_window(*window, window.after))
        }
        Operation::Upsample(factor) => nodes.upsample(*factor, x),
        Operation::Concat => {
            let inputs: Vec<&str> = step.inputs.iter().map(|&input| &*values[input]).collect();
            nodes.push("Concat", &inputs, &[("axis", AttributeValue::Int(1))])
        }
        Operation::Shift(offset) => {
            let gather = Gather { offset: *offset, ..Gather::channels(0) };
            nodes.gather(gather, from, step.chw, x)?
        }
        Operation::Constant(constant) => {
            let [c, h, w] = step.chw;
            nodes.constant(&[1, c, h, w], constant)
        }
    })
}

fn convolution(
    nodes: &mut Nodes<'_>,
    conv: &DeviceConv,
    stored: &StoredConv,
    step: &DeviceStep,
    from: [u32; 3],
    x: &str,
) -> String {
    let prefix = nodes.prefix;
    let name = |what: &str| format!("{prefix}{}.{what}", step.name);
    let k = conv.factor.len();
    let [r, s] = conv.window.kernel.map(i64::from);
    let c = conv.words.len() as i64 / (k as i64 * r * s);
    let axis = i64::from(conv.transposed);
    let dims = if conv.transposed { [c, k as i64, r, s] } else { [k as i64, c, r, s] };
    let word_name = name("words");
    nodes.tensors.push(words(&word_name, &dims, &stored.words));
    // Without a batch norm all channels have the scale of the tensor.
    let (scales, zeros) =
        if conv.folded { (&stored.scales[..], k) } else { (&stored.scales[..1], 1) };
    let shape: &[i64] = if conv.folded { &[k as i64] } else { &[] };
    let shape_of_scales: Vec<u32> = shape.iter().map(|&n| n as u32).collect();
    let scale = nodes.constant(&shape_of_scales, scales);
    let point = nodes.name("zero");
    nodes.tensors.push(words(&point, shape, &vec![0; zeros]));
    let along = [("axis", AttributeValue::Int(axis))];
    let along = if conv.folded { &along[..] } else { &[] };
    let weight = nodes.push("DequantizeLinear", &[&word_name, &scale, &point], along);
    let bias = match &stored.shifts {
        Shifts::Int32(steps, scales) => {
            let bias = name("bias");
            nodes.tensors.push(counts(&bias, steps));
            let scale = nodes.constant(&[k as u32], scales);
            nodes.push("DequantizeLinear", &[&bias, &scale], &[("axis", AttributeValue::Int(0))])
        }
        Shifts::Float(shifts) => nodes.constant(&[k as u32], shifts),
    };
    let mut attributes = of_window(conv.window, conv.window.after);
    attributes.push(("dilations", ints([1, 1])));
    attributes.push(("group", AttributeValue::Int(1)));
    let inputs = [x, &weight, &bias];
    let sums = if conv.transposed {
        attributes.push(output_padding(conv.window, [1, 1], from, step.chw));
        nodes.push("ConvTranspose", &inputs, &attributes)
    } else {
        nodes.push("Conv", &inputs, &attributes)
    };
    if conv.relu { nodes.push("Relu", &[&sums], &[]) } else { sums }
}
