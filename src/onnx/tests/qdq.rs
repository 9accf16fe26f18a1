//! Generators in int8: the file says what the host computes. Its nodes are computed here one by one, as ONNX defines them.

use super::{
    super::{
        export,
        model::{NodeProto, OnnxModel, TensorProto},
    },
    evaluate::Conv,
    exports::{protect, random},
};
use crate::{
    deploy::{self, Arithmetic, DeviceNetwork, Difference, calibrated, synthetic},
    models::{self, GENERATORS},
};
use std::{collections::BTreeMap, path::Path};

/// A value: its extents, and its elements.
#[derive(Clone, Debug)]
struct Value(Vec<usize>, Vec<f64>);

fn constant(model: &OnnxModel, tensor: &TensorProto) -> Value {
    let raw = &model.bytes[tensor.raw.clone().unwrap()];
    let data = match tensor.kind {
        1 => raw.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
        3 => raw.iter().map(|b| b.cast_signed().into()).collect(),
        6 => raw.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect(),
        7 => raw.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        kind => panic!("a tensor of the type {kind}"),
    };
    Value(tensor.dims.iter().map(|&n| n as usize).collect(), data)
}

/// Extents `[C, H, W]` of images.
fn chw(Value(dims, _): &Value) -> [u32; 3] {
    assert_eq!((dims.len(), dims[0]), (4, 1), "{dims:?}");
    [1, 2, 3].map(|i| dims[i] as u32)
}

fn image([c, h, w]: [u32; 3], f: impl Fn(u32, u32, u32) -> f64) -> Value {
    let data = (0..c * h * w).map(|at| f(at / (h * w), at / w % h, at % w)).collect();
    Value(vec![1, c as usize, h as usize, w as usize], data)
}

/// The scale of an element: all have one, or those along an axis.
fn along<'a>(node: &NodeProto, of: &'a Value, dims: &[usize], at: usize) -> &'a f64 {
    if of.1.len() == 1 && of.0.is_empty() {
        return &of.1[0];
    }
    let axis = node.int("axis").unwrap() as usize;
    let inner: usize = dims[axis + 1..].iter().product();
    assert_eq!(of.1.len(), dims[axis]);
    &of.1[at / inner % dims[axis]]
}

fn computed(node: &NodeProto, input: &[&Value]) -> Value {
    let x = input[0];
    let each = |f: &dyn Fn(f64) -> f64| Value(x.0.clone(), x.1.iter().map(|&v| f(v)).collect());
    match node.op.as_str() {
        "QuantizeLinear" => {
            let (scale, zero) = (input[1].1[0], input[2].1[0]);
            each(&|v| ((v / scale).round_ties_even() + zero).clamp(-128.0, 127.0))
        }
        "DequantizeLinear" => {
            let one = |(at, v): (usize, &f64)| {
                let zero = input.get(2).map_or(0.0, |zero| *along(node, zero, &x.0, at));
                (v - zero) * along(node, input[1], &x.0, at)
            };
            Value(x.0.clone(), x.1.iter().enumerate().map(one).collect())
        }
        "Conv" | "ConvTranspose" => {
            let transposed = node.op == "ConvTranspose";
            let pair = |name| node.ints(name).map_or([1, 1], |v| [v[0] as u32, v[1] as u32]);
            let pads = node.ints("pads").unwrap();
            let (kernel, stride) = (pair("kernel_shape"), pair("strides"));
            let window = crate::shape::Window {
                kernel,
                stride,
                before: [pads[0] as u32, pads[1] as u32],
                after: [pads[2] as u32, pads[3] as u32],
            };
            let from = chw(x);
            let k = input[1].0[usize::from(transposed)] as u32;
            let side = |i: usize| {
                let (n, pads) = (from[i + 1], window.before[i] + window.after[i]);
                if transposed {
                    (n - 1) * stride[i] + kernel[i] + node.ints("output_padding").unwrap()[i] as u32
                        - pads
                } else {
                    (n + pads - kernel[i]) / stride[i] + 1
                }
            };
            let to = [k, side(0), side(1)];
            let conv = Conv { window, dilation: [1, 1], groups: 1, from, to };
            let sums = if transposed {
                conv.transposed(&x.1, &input[1].1)
            } else {
                conv.forward(&x.1, &input[1].1)
            };
            let bias = &input[2].1;
            image(to, |c, i, j| sums[((c * to[1] + i) * to[2] + j) as usize] + bias[c as usize])
        }
        "Relu" => each(&|v| v.max(0.0)),
        "Tanh" => each(&f64::tanh),
        "Clip" => each(&|v| v.clamp(input[1].1[0], input[2].1[0])),
        "Add" => Value(x.0.clone(), x.1.iter().zip(&input[1].1).map(|(a, b)| a + b).collect()),
        "MaxPool" => {
            let [c, h, w] = chw(x);
            assert_eq!(node.ints("kernel_shape"), Some(&[2, 2][..]));
            image([c, h / 2, w / 2], |c, i, j| {
                let at = |i: u32, j: u32| x.1[((c * h + i) * w + j) as usize];
                let pixels =
                    [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, s)| at(2 * i + r, 2 * j + s));
                pixels.into_iter().fold(f64::MIN, f64::max)
            })
        }
        "Resize" => {
            let by = input[2].1[2] as u32;
            let [c, h, w] = chw(x);
            image([c, h * by, w * by], |c, i, j| x.1[((c * h + i / by) * w + j / by) as usize])
        }
        "Concat" => {
            let [c, h, w] = chw(x);
            let dims = vec![1, c as usize + input[1].0[1], h as usize, w as usize];
            Value(dims, [&x.1[..], &input[1].1].concat())
        }
        "Pad" => {
            let [c, h, w] = chw(x);
            let pads: Vec<i64> = input[1].1.iter().map(|&v| v as i64).collect();
            let to = [c, h + (pads[2] + pads[6]) as u32, w + (pads[3] + pads[7]) as u32];
            image(to, |c, i, j| {
                let (i, j) = (i64::from(i) - pads[2], i64::from(j) - pads[3]);
                let inside = (0..i64::from(h)).contains(&i) && (0..i64::from(w)).contains(&j);
                if inside {
                    x.1[(c as usize * h as usize + i as usize) * w as usize + j as usize]
                } else {
                    0.0
                }
            })
        }
        "Slice" => {
            let [_, h, w] = chw(x);
            let [starts, ends] =
                [1, 2].map(|i| input[i].1.iter().map(|&v| v as u32).collect::<Vec<_>>());
            let to = [0, 1, 2].map(|i| ends[i] - starts[i]);
            image(to, |c, i, j| {
                x.1[(((c + starts[0]) * h + i + starts[1]) * w + j + starts[2]) as usize]
            })
        }
        op => panic!("{op} in a generator"),
    }
}

fn run(model: &OnnxModel, x: Value) -> Value {
    let graph = &model.graph;
    let mut values: BTreeMap<&str, Value> =
        graph.initialisers.iter().map(|tensor| (&*tensor.name, constant(model, tensor))).collect();
    values.insert(&graph.inputs[0].name, x);
    for node in &graph.nodes {
        let input: Vec<&Value> = node.inputs.iter().map(|name| &values[&**name]).collect();
        let y = computed(node, &input);
        assert!(values.insert(node.output(), y).is_none(), "{} twice", node.output());
    }
    values[&*graph.outputs[0].name].clone()
}

/// The grids lie where onnxruntime's quantiser has them: what a convolution reads comes from a `DequantizeLinear` each, its
/// output is quantised, behind its ReLU where it has one, and pools and enlargements keep their grid.
fn check_places(name: &str, model: &OnnxModel) {
    let nodes = &model.graph.nodes;
    let maker = |value: &str| nodes.iter().find(|node| node.output() == value);
    let readers = |value: &str| -> Vec<&NodeProto> {
        nodes.iter().filter(|node| node.inputs.iter().any(|input| input == value)).collect()
    };
    let scale_behind = |value: &str| {
        let [reader] = readers(value)[..] else { panic!("{name}: {value} has many readers") };
        assert_eq!(reader.op, "QuantizeLinear", "{name}: {value}");
        let scale = model.graph.initialisers.iter().find(|t| Some(&*t.name) == reader.input(1));
        constant(model, scale.unwrap()).1[0]
    };
    let mut convolutions = 0;
    for node in nodes {
        let from = || maker(&node.inputs[0]).unwrap();
        match node.op.as_str() {
            "Conv" | "ConvTranspose" => {
                convolutions += 1;
                for input in &node.inputs {
                    let made = maker(input).unwrap_or_else(|| panic!("{name}: {input} is stored"));
                    assert_eq!(made.op, "DequantizeLinear", "{name}: {input}");
                }
                let behind = readers(node.output());
                let relu = behind.len() == 1 && behind[0].op == "Relu";
                scale_behind(if relu { behind[0].output() } else { node.output() });
            }
            "MaxPool" | "Resize" => {
                assert_eq!(from().op, "DequantizeLinear", "{name}");
                let scale = model.graph.initialisers.iter().find(|t| t.name == from().inputs[1]);
                let own = constant(model, scale.unwrap()).1[0];
                assert_eq!(scale_behind(node.output()), own, "{name}: {}", node.op);
            }
            _ => {}
        }
    }
    assert!(convolutions >= 6, "{name}: {convolutions}");
}

#[test]
fn the_int8_file_says_what_the_host_computes() {
    for name in GENERATORS.iter().filter(|name| **name != "UIP") {
        for (seed, chw) in [(2, [2, 11, 9]), (3, [3, 16, 16])] {
            let graph = models::generator(name, chw).unwrap();
            let mut weights = random(&graph, seed);
            // A step that is a power of two makes every dequantised weight exact, so that two ways of computing agree.
            for layer in &graph.layers {
                let name = &graph.params[layer.weight].name;
                let data = &mut weights.tensors.get_mut(name).unwrap().data;
                let most = data.iter().fold(0f32, |most, v| most.max(v.abs()));
                let size = 127.0 / 128.0 * most.log2().floor().exp2();
                data.iter_mut().for_each(|v| *v = *v / most * size);
            }
            // Some channels are turned over by their batch norm, and one is lost.
            for norm in &graph.norms {
                let gamma =
                    &mut weights.tensors.get_mut(&graph.params[norm.gamma].name).unwrap().data;
                gamma.iter_mut().step_by(3).for_each(|v| *v = -*v);
                gamma[0] = if gamma.len() > 3 { 0.0 } else { gamma[0] };
            }
            let network = DeviceNetwork::of(&graph, &weights).unwrap();
            let size = chw.iter().product::<u32>() as usize;
            let images = synthetic(3, chw);
            let by = calibrated(&network, &images).unwrap();
            let bytes = export::generator(&by).unwrap();
            let model = OnnxModel::parse(bytes, Path::new("g.onnx")).unwrap();
            check_places(name, &model);
            let x = &images[size..2 * size];
            let dims: Vec<usize> = [1].into_iter().chain(chw.map(|n| n as usize)).collect();
            let input = Value(dims, x.iter().map(|&v| v.into()).collect());
            let got: Vec<f32> = run(&model, input).1.into_iter().map(|v| v as f32).collect();
            let want = deploy::protect(&network, Arithmetic::Quantised(&by), x);
            let difference = Difference::of(&got, &want);
            // A value next to a tie may go the other way, which is a step of its grid.
            let last = by.grids.iter().rev().find_map(|grid| *grid).unwrap().scale;
            assert!(difference.mean < 1e-3 * f64::from(last), "{name}: {difference:?}");
            // Int8 is near the float generator, and is not the same.
            let float = protect(&graph, &weights, x);
            let exact = deploy::protect(&network, Arithmetic::Double, x);
            let rounding = Difference::of(&float, &exact).largest;
            assert!(rounding < 1e-6, "{name}: {rounding:e}");
            let cost = Difference::of(&float, &want);
            assert!(cost.mean > 1e-5 && cost.mean < 0.05, "{name}: {cost:?}");
        }
    }
}

#[test]
fn what_has_no_weights_has_no_int8_form() {
    let graph = models::generator("UIP", [3, 8, 8]).unwrap();
    let network = DeviceNetwork::of(&graph, &random(&graph, 1)).unwrap();
    let refused = calibrated(&network, &synthetic(1, [3, 8, 8])).unwrap_err();
    assert!(refused.to_string().contains("UIP has no weights"), "{refused}");
    let graph = models::base("vgg-small", 10, None).unwrap();
    let refused = DeviceNetwork::of(&graph, &random(&graph, 1)).unwrap_err();
    assert!(refused.to_string().contains("a layer that no generator has"), "{refused}");
}
