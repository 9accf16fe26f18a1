//! What is exported and read back computes the same: every operation of ours as nodes, and generators in front of
//! files of others.

use super::{
    super::*,
    evaluate::evaluate,
    write::{Attr, Draft},
};
use crate::{
    kernels::{
        elementwise::pointwise::Pointwise, layout::rearrange::FILL, pool::window::Divisor,
        quantise::fault_dequantize::Order,
    },
    models::{GENERATOR_BITS, generator},
    nn::{ParamNames, Role, initialise, on_grid},
    onnx::export::{Exported, patched, protected, unprotected, with_network},
    shape::Window,
};
use std::fs;

/// Weights with batch norms and biases that are not the identity.
pub(super) fn random(graph: &Graph, seed: u64) -> Weights {
    let mut weights = initialise(graph, true, seed);
    for param in &graph.params {
        let tensor = weights.tensors.get_mut(&param.name).unwrap();
        for (i, v) in tensor.data.iter_mut().enumerate() {
            let at = (i % 13) as f32 / 13.0;
            match param.role {
                // Initial ones are almost zero, so that nothing in front of them would be noticed.
                Role::Weight if param.shape.len() == 2 => *v = (i * 29 % 17) as f32 / 17.0 - 0.44,
                Role::Weight => *v *= 2.0,
                Role::Gamma | Role::RunningVar => *v = 0.5 + at,
                _ => *v = at - 0.5,
            }
        }
    }
    weights
}

/// The same weights as their layers store them.
fn stored(graph: &Graph, weights: &Weights, bits: u32) -> Weights {
    let mut stored = weights.clone();
    for (name, values) in on_grid((graph, weights), bits).unwrap() {
        stored.tensors.get_mut(&name).unwrap().data = values;
    }
    stored
}

fn image(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 % 101) as f32 / 50.5 - 1.0) * 1.1).collect()
}

/// `clamp(x + G(x), -1, 1)` of a generator with the weights that it stores.
pub(super) fn protect(graph: &Graph, weights: &Weights, x: &[f32]) -> Vec<f32> {
    let added = evaluate(graph, &stored(graph, weights, GENERATOR_BITS), x);
    x.iter().zip(added).map(|(&x, g)| (f64::from(x) + g).clamp(-1.0, 1.0) as f32).collect()
}

fn assert_near(what: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-5 * (1.0 + want.abs()), "{what}: {got}, not {want}");
    }
}

/// A network of every operation, with windows that differ between axes and sides.
fn everything() -> Graph {
    let mut g = Graph::new("everything", [2, 11, 9]);
    let named = |weight| ParamNames { weight, bias: None };
    let window = |kernel, stride, before, after| Window { kernel, stride, before, after };
    let uneven = window([3, 2], [2, 1], [0, 1], [2, 0]);
    let x = g.convolution(0, named("a"), 6, uneven, 2, [1, 2]).unwrap();
    let x = g.norm(x, ["b", "c", "d", "e"], 0.1);
    let x = g.leaky_relu(x, 0.3);
    let x = g.pointwise(x, Pointwise::Clip { low: -0.4, high: 0.9 });
    let up = window([3, 2], [2, 3], [1, 0], [0, 1]);
    let [_, h, w] = g.nodes[x].chw;
    let [out_h, out_w] = up.transposed_output(h, w).unwrap();
    let with_bias = ParamNames { weight: "f", bias: Some("h") };
    // One more row than the smallest image: output padding.
    let x = g.transposed_convolution(x, with_bias, 4, up, [1; 2], [out_h + 1, out_w]).unwrap();
    let x = g.pointwise(x, Pointwise::HardSwish);
    let x = g.max_pool(x, window([2, 3], [2, 2], [0, 1], [1, 0])).unwrap();
    let x = g.avg_pool(x, window([3, 2], [1, 2], [1, 0], [0, 1]), Divisor::Image).unwrap();
    let x = g.avg_pool(x, window([2, 2], [1, 1], [1, 0], [0, 1]), Divisor::Window).unwrap();
    let gate = g.global_avg_pool(x);
    let gate = g.pointwise(gate, Pointwise::HardSigmoid { alpha: 0.25, beta: 0.4 });
    let x = g.multiply(x, gate).unwrap();
    let s = g.pointwise(x, Pointwise::Silu);
    let t = g.tanh(x);
    let x = g.add(s, t).unwrap();
    let sigmoid = g.pointwise(x, Pointwise::Sigmoid);
    let x = g.concat(x, sigmoid).unwrap();
    let x = g.upsample(x, 2);
    let x = g.pad_or_crop(x, [9, 5]);
    let x = g.affine(x, &[0.5; 8], &[0.25; 8]);
    let table: Vec<u32> = (0..8 * 9 * 5).rev().chain([FILL; 45]).collect();
    let x = g.rearrange(x, table, 0.75, [9, 9, 5]).unwrap();
    let x = g.fully_connected(x, named("i"), 7, Order::InOut).unwrap();
    let x = g.relu(x);
    let x = g.dropout(x, 0.5);
    g.fully_connected(x, ParamNames { weight: "j", bias: Some("k") }, 3, Order::OutIn).unwrap();
    g
}

#[test]
fn every_operation_and_every_generator_is_read_back_as_it_was() {
    let base = everything();
    let of_base = random(&base, 1);
    let x = image(2 * 11 * 9);
    for name in crate::models::GENERATORS {
        let graph = generator(name, [2, 11, 9]).unwrap();
        let weights = random(&graph, 2);
        let exported = Exported { graph: &graph, weights: &weights, bits: GENERATOR_BITS };
        let behind = Exported { graph: &base, weights: &of_base, bits: 5 };
        let bytes = with_network(exported, behind).unwrap();
        let read = parse(bytes, Path::new("x.onnx"), &ReadOptions::default());
        let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        let got = evaluate(&read.graph, &read.weights, &x);
        let seen = protect(&graph, &weights, &x);
        let want = evaluate(&base, &stored(&base, &of_base, 5), &seen);
        assert_near(name, &got, &want);
        // What would be missed if the weights of either were not those that it stores, or the images not protected.
        let unprotected = evaluate(&base, &stored(&base, &of_base, 5), &x);
        let plain = evaluate(&base, &of_base, &seen);
        for other in [unprotected, plain] {
            let far = want.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far > 1e-3, "{name}: {far:e}");
        }
    }
}

/// The images come in as the classifier takes them, with its mean and deviation and its order of axes, and so they
/// reach it.
#[test]
fn a_generator_stands_in_front_of_files_of_others() {
    let rows_first = Draft::new(13, &[1, 7, 6, 3])
        .node_with("Transpose", &["x"], "t", &[("perm", Attr::Ints(vec![0, 3, 1, 2]))])
        .floats("w", &[4, 3, 3, 3])
        .node("Conv", &["t", "w"], "c")
        .head("c", 4 * 5 * 4);
    let fixture = "kernels-tests/fixtures/onnx/depthwise.onnx";
    let fixture = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
    for (file, bytes) in [("rows first", rows_first.file()), ("depthwise", fixture)] {
        let path = Path::new("net.onnx");
        let own = parse(bytes.clone(), path, &ReadOptions::default()).unwrap();
        let [c, h, w] = own.graph.nodes[0].chw;
        let plane = (h * w) as usize;
        let mean: Vec<f32> = (0..c).map(|i| 0.4 + 0.05 * i as f32).collect();
        let std: Vec<f32> = (0..c).map(|i| 0.3 - 0.04 * i as f32).collect();
        let graph = generator("UNetS", [c, h, w]).unwrap();
        let weights = random(&graph, 3);
        let exported = Exported { graph: &graph, weights: &weights, bits: GENERATOR_BITS };
        let values = on_grid((&own.graph, &own.weights), 8).unwrap();
        let values = own.stored(path, &values).unwrap();
        let by = (mean.clone(), std.clone());
        let out = protected(&bytes, path, &own, &values, exported, Some(&by)).unwrap();
        let read = parse(out, path, &ReadOptions::default()).unwrap();
        assert_eq!(read.input, unprotected(&own));
        assert_eq!((read.layout, read.opset), (own.layout, own.opset));
        let x = image(plane * c as usize);
        let each = |x: &[f32], f: &dyn Fn(f32, usize) -> f32| -> Vec<f32> {
            x.iter().enumerate().map(|(i, &v)| f(v, i / plane)).collect()
        };
        let given = each(&x, &|v, c| ((v + 1.0) / 2.0 - mean[c]) / std[c]);
        let seen =
            each(&protect(&graph, &weights, &x), &|v, c| ((v + 1.0) / 2.0 - mean[c]) / std[c]);
        let got = evaluate(&read.graph, &read.weights, &given);
        let want = evaluate(&own.graph, &stored(&own.graph, &own.weights, 8), &seen);
        // The images were rounded to f32 on the way.
        let size = want.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 2e-5 * size, "{file}: {got}, not {want}");
        }
    }
}

#[test]
fn data_beside_the_file_would_be_left_behind() {
    let location = [&[10, 8][..], b"location", &[18, 1], b"d"].concat();
    let tensor = [
        super::write::int(1, 2),
        super::write::int(2, 1),
        super::write::bytes(8, b"other"),
        super::write::bytes(13, &location),
        super::write::int(14, 1),
    ];
    let draft = Draft::new(13, &[1, 2, 4, 4])
        .floats("w", &[2, 2, 1, 1])
        .field(5, &tensor.concat())
        .node("Conv", &["x", "w"], "c")
        .head("c", 2 * 4 * 4);
    let bytes = draft.file();
    let path = Path::new("net.onnx");
    let own = parse(bytes.clone(), path, &ReadOptions::default()).unwrap();
    let values = on_grid((&own.graph, &own.weights), 8).unwrap();
    let refused = patched(&bytes, path, &own, &values, ("a", "b")).unwrap_err();
    assert!(refused.to_string().contains("other lies in another file"), "{refused}");
}
