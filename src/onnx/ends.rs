//! Where a network begins and ends: its input with its size, and the scores of classes in front of what is
//! left out.

use super::{
    ReadOptions,
    lower::Operand,
    model::{Dim, NodeProto, OnnxModel, ValueInfo},
    moves::Move,
    reasons::{Obstacle, Reason, Taken},
};
use std::collections::HashMap;

/// Order of an input's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisOrder {
    /// Channels, rows, columns.
    Chw,
    /// Rows, columns, channels.
    Hwc,
    /// A sequence or a vector, which is taken in the order of an image's elements.
    Flat,
}

/// The input of a network.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// Its name.
    pub(super) name: String,
    /// Channels, rows and columns of one image.
    pub(super) chw: [u32; 3],
    /// Extents in the file, without the batch.
    pub(super) dims: Vec<usize>,
    /// Order of the axes.
    pub(super) layout: AxisOrder,
    /// Images of a batch that the file is made for; 1 if any.
    pub(super) batch: usize,
}

/// Largest extent of an image.
const LARGEST: i64 = 1 << 16;
/// Most elements of an image.
const ELEMENTS: u64 = 1 << 26;

/// The one input that is no stored tensor.
pub(super) fn input(model: &OnnxModel, options: &ReadOptions) -> Result<Input, Obstacle> {
    let stored = |info: &&ValueInfo| !model.graph.initialisers.iter().any(|t| t.name == info.name);
    let inputs: Vec<&ValueInfo> = model.graph.inputs.iter().filter(stored).collect();
    let [info] = inputs[..] else {
        let names: Vec<&str> = inputs.iter().take(8).map(|info| info.name.as_str()).collect();
        let reason = Reason::new(
            format!("it has {} inputs: {}", inputs.len(), names.join(", ")),
            "one input, the images, can be run: make the others constants, or cut the file with \
             onnx.utils.extract_model",
        );
        return Err(Obstacle { node: "the network".into(), op: String::new(), reason });
    };
    let named =
        |reason| Obstacle { node: format!("input {}", info.name), op: String::new(), reason };
    info.check_float().map_err(named)?;
    sized(model, info, options).map_err(named)
}

fn sized(model: &OnnxModel, info: &ValueInfo, options: &ReadOptions) -> Taken<Input> {
    let Some(dims) = &info.dims else {
        return Err(Reason::new(
            "it has no extents",
            "export the network with the shape of its input",
        ));
    };
    let shown = || shown(dims);
    let (batch, inner) = match dims.split_first() {
        Some((batch, inner)) if (1..=3).contains(&inner.len()) => (batch, inner),
        _ => {
            let what = format!("it is {}", shown());
            return Err(Reason::new(
                what,
                "an input [N, C, H, W] can be run, also [N, H, W, C] and [N, C H W]",
            ));
        }
    };
    let batch = match batch {
        Dim::Fixed(n @ 1..=LARGEST) => *n as usize,
        _ => 1,
    };
    let layout = match inner.len() {
        3 if begins_with_rows(model, &info.name) => AxisOrder::Hwc,
        3 => AxisOrder::Chw,
        _ => AxisOrder::Flat,
    };
    let mut fixed: Vec<Option<u32>> = inner
        .iter()
        .map(|dim| match dim {
            Dim::Fixed(n @ 1..) => Some(u32::try_from(*n).unwrap_or(u32::MAX)),
            _ => None,
        })
        .collect();
    let large = inner
        .iter()
        .any(|dim| matches!(dim, Dim::Fixed(n) if *n > LARGEST && layout != AxisOrder::Flat));
    let misfit = |given: [u32; 3]| {
        let given = given.map(|n| n.to_string()).join(",");
        Reason::new(
            format!("it is {}, and --input-shape is {given}", shown()),
            "leave out --input-shape, or correct it",
        )
    };
    if layout == AxisOrder::Flat {
        return flat(info, (dims, &mut fixed), options, batch);
    }
    let order = if layout == AxisOrder::Hwc { [2, 0, 1] } else { [0, 1, 2] };
    if let Some(given) = options.input_shape {
        for (axis, given_extent) in order.into_iter().zip(given) {
            if *fixed[axis].get_or_insert(given_extent) != given_extent {
                return Err(misfit(given));
            }
        }
    }
    let all = order.map(|axis| fixed[axis]);
    let [Some(c), Some(h), Some(w)] = all else {
        let advice = match all {
            [Some(c), None, None] => format!("say how large images are: --input-shape {c},224,224"),
            _ => "say how large images are: --input-shape C,H,W".into(),
        };
        return Err(Reason::new(format!("it is {}: its size is not fixed", shown()), advice));
    };
    if large || u64::from(c) * u64::from(h) * u64::from(w) > ELEMENTS {
        return Err(Reason::new(
            format!("it is {}: too large", shown()),
            "give smaller images (--input-shape)",
        ));
    }
    let dims = fixed.into_iter().flatten().map(|n| n as usize).collect();
    Ok(Input { name: info.name.clone(), chw: [c, h, w], dims, layout, batch })
}

/// An input `[F]` or `[A, B]` per image: an image of `--input-shape`, else a vector, or one channel.
fn flat(
    info: &ValueInfo,
    (dims, fixed): (&[Dim], &mut [Option<u32>]),
    options: &ReadOptions,
    batch: usize,
) -> Taken<Input> {
    let mut sizes: Vec<usize> = Vec::new();
    for extent in fixed.iter() {
        let advice = "export the network with a fixed size of its input";
        let size = extent.ok_or_else(|| {
            Reason::new(format!("it is {}: its size is not fixed", shown(dims)), advice)
        })?;
        sizes.push(size as usize);
    }
    let all: usize = sizes.iter().product();
    let chw = match (options.input_shape, &fixed[..]) {
        (Some(chw), _) => chw,
        (None, [Some(h), Some(w)]) => [1, *h, *w],
        _ => [u32::try_from(all).unwrap_or(u32::MAX), 1, 1],
    };
    let product = chw.iter().try_fold(1usize, |product, &n| product.checked_mul(n as usize));
    if product != Some(all) || all as u64 > ELEMENTS {
        let chw = chw.map(|n| n.to_string()).join(",");
        let what = format!("it is {}, which are not the elements of an image {chw}", shown(dims));
        return Err(Reason::new(what, "correct --input-shape: C,H,W as in 1,28,28"));
    }
    Ok(Input { name: info.name.clone(), chw, dims: sizes, layout: AxisOrder::Flat, batch })
}

fn shown(dims: &[Dim]) -> String {
    let one = |dim: &Dim| match dim {
        Dim::Fixed(n) => n.to_string(),
        Dim::Dynamic(name) if name.is_empty() => "?".into(),
        Dim::Dynamic(name) => name.clone(),
    };
    let list: Vec<String> = dims.iter().take(8).map(one).collect();
    format!("[{}]", list.join(", "))
}

/// Whether channels come last: the first thing done to the input that cares is a Transpose to channels first.
fn begins_with_rows(model: &OnnxModel, input: &str) -> bool {
    let nodes = &model.graph.nodes;
    let mut value = input;
    // Arithmetic with constants does not say which axis is which. A file has at most as many steps as nodes.
    for _ in 0..nodes.len().min(64) {
        let Some(node) = nodes.iter().find(|node| node.inputs.iter().any(|name| name == value))
        else {
            return false;
        };
        match node.op.as_str() {
            "Transpose" => return node.ints("perm") == Some(&[0, 3, 1, 2]),
            "Sub" | "Add" | "Mul" | "Div" | "Cast" | "Identity" | "Neg" | "QuantizeLinear"
            | "DequantizeLinear" => value = node.output(),
            _ => return false,
        }
    }
    false
}

impl Input {
    /// The input as the network reads it, on the node of images.
    pub(super) fn tensor(&self, node: usize) -> (Operand, Option<Move>) {
        let chw: Vec<usize> = self.chw.iter().map(|&n| n as usize).collect();
        match self.layout {
            AxisOrder::Chw => (Operand::new(node, chw), None),
            AxisOrder::Hwc => (Operand::new(node, chw), Some(Move::Transpose(vec![0, 2, 3, 1]))),
            AxisOrder::Flat => (Operand::new(node, self.dims.clone()), None),
        }
    }
}

/// The value that holds the scores of classes, and what behind it is left out.
pub(super) struct Output {
    /// Name of the output in the file.
    pub(super) name: String,
    /// The value that is computed.
    pub(super) scores: String,
    /// Nodes that were left out, as `Softmax /softmax`, from the end.
    pub(super) stripped: Vec<String>,
    /// Axis of the last `Softmax` or `ArgMax` that was left out, where it names one.
    pub(super) axis: Option<i64>,
}

/// The output of a network: one, or several that are computed of the same scores.
pub(super) fn output(model: &OnnxModel) -> Result<Output, Obstacle> {
    let found: Vec<Output> =
        model.graph.outputs.iter().map(|info| scores(model, &info.name)).collect();
    let same = found.windows(2).all(|pair| pair[0].scores == pair[1].scores);
    if found.is_empty() || !same {
        let names: Vec<&str> = found.iter().take(8).map(|output| output.name.as_str()).collect();
        let reason = Reason::new(
            format!("it has {} outputs: {}", found.len(), names.join(", ")),
            "one output, the scores of classes, can be run: cut the file with onnx.utils.extract_model",
        );
        return Err(Obstacle { node: "the network".into(), op: String::new(), reason });
    }
    let mut outputs = found.into_iter();
    let first = outputs.next();
    let mut first = first.unwrap_or_else(|| scores(model, ""));
    for other in outputs {
        let new = other.stripped.into_iter().filter(|name| !first.stripped.contains(name));
        let new: Vec<String> = new.collect();
        first.stripped.extend(new);
    }
    Ok(first)
}

/// Goes back from an output over what does not change which class is the largest.
fn scores(model: &OnnxModel, output: &str) -> Output {
    let mut makers: HashMap<&str, &NodeProto> = HashMap::new();
    for node in &model.graph.nodes {
        if let Some(first) = node.outputs.first() {
            makers.entry(first).or_insert(node);
        }
    }
    let mut found = Output {
        name: output.to_owned(),
        scores: output.to_owned(),
        stripped: Vec::new(),
        axis: None,
    };
    let (mut value, mut passed) = (output, Vec::new());
    for _ in 0..64 {
        let Some(node) = makers.get(value) else { break };
        let ends = matches!(node.op.as_str(), "Softmax" | "LogSoftmax" | "ArgMax")
            && node.domain.is_empty()
            || node.op == "QLinearSoftmax";
        // These are left out only if an ArgMax or Softmax stands in front of them.
        let passes = matches!(
            node.op.as_str(),
            "Identity"
                | "Cast"
                | "Squeeze"
                | "Unsqueeze"
                | "Reshape"
                | "Flatten"
                | "QuantizeLinear"
                | "DequantizeLinear"
        );
        if !ends && !passes {
            break;
        }
        let Some(input) = node.input(0) else { break };
        passed.push(format!("{} {}", node.op, node.label()));
        value = input;
        if ends {
            found.stripped.append(&mut passed);
            input.clone_into(&mut found.scores);
            found.axis = node.int("axis").or(found.axis);
        }
    }
    found
}
