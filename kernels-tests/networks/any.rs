//! Networks of users: operations that none of the named networks has, alone and fused, against the plain f64
//! evaluator, with faulty copies.
use crate::{
    extent::every_gpu,
    networks::whole::{CLASSES, Frozen},
};
use nf_gpu::{
    kernels::{
        elementwise::pointwise::Pointwise, pool::window::Divisor, quantise::fault_dequantize::Order,
    },
    nn::{Graph, NodeId, ParamNames},
    shape::Window,
};

/// Names of a layer without a bias, as ONNX files have them.
fn named(weight: &str) -> ParamNames<'_> {
    ParamNames { weight, bias: None }
}

fn norm(g: &mut Graph, x: NodeId, name: &str, eps: f32) -> NodeId {
    let names = ["scale", "B", "mean", "var"].map(|part| format!("{name}_{part}"));
    g.norm(x, names.each_ref().map(String::as_str), eps)
}

fn check(graph: &Graph, batch: u32) {
    let frozen = Frozen::new(graph.clone(), batch, 8);
    every_gpu(|gpu, on| frozen.check(gpu, on, 8));
}

/// One channel of 13 x 10 pixels, kernels like 1x7, paddings and strides that differ, grouped and dilated
/// convolutions, `ReLU6`, leaky ReLU, pools that leave their padding out and with `ceil_mode`.
#[test]
fn windows_that_differ_between_axes_and_sides() {
    let mut g = Graph::new("uneven windows", [1, 13, 10]);
    let window = |kernel, stride, before, after| Window { kernel, stride, before, after };
    let first = window([1, 7], [2, 1], [0, 3], [1, 3]);
    let x = g.convolution(0, named("a"), 6, first, 1, [1; 2]).unwrap();
    let x = norm(&mut g, x, "b", 1e-3);
    let x = g.pointwise(x, Pointwise::Clip { low: 0.0, high: 6.0 });
    let second = window([3, 3], [1, 2], [0, 1], [2, 0]);
    let x = g
        .convolution(x, ParamNames { weight: "c", bias: Some("d") }, 8, second, 2, [1, 2])
        .unwrap();
    let x = g.leaky_relu(x, 0.1);
    let x = g.max_pool(x, window([2, 2], [2, 1], [0, 0], [1, 1])).unwrap();
    let x = g.avg_pool(x, window([3, 3], [1, 1], [1, 1], [1, 1]), Divisor::Image).unwrap();
    let up = window([3, 2], [2, 2], [1, 0], [1, 0]);
    let x = g.transposed_convolution(x, named("e"), 5, up, [1; 2], [8, 9]).unwrap();
    let x = g.tanh(x);
    let x = g.avg_pool(x, window([3, 4], [3, 2], [0, 1], [1, 1]), Divisor::Padded([0, 1])).unwrap();
    g.fully_connected(x, named("f"), CLASSES, Order::InOut).unwrap();
    check(&g, 3);
}

/// A block of `MobileNetV3`: expansion, depthwise convolution, squeeze-and-excite, a residual addition without an
/// activation; then a channel shuffle between grouped convolutions, and batch norm in front of its convolution as in
/// `DenseNet`.
#[test]
fn gates_groups_and_batch_norm_anywhere() {
    let mut g = Graph::new("gates and groups", [3, 9, 11]);
    let (three, one) = (Window::square(3, 1, 1), Window::square(1, 1, 0));
    let x = g.conv(0, "stem", 6, Window::square(3, 2, 1), false).unwrap();
    let stem = g.pointwise(x, Pointwise::HardSwish);
    let x = g.convolution(stem, named("expand"), 10, one, 1, [1; 2]).unwrap();
    let x = norm(&mut g, x, "n1", 1e-5);
    let x = g.pointwise(x, Pointwise::Silu);
    let x = g.convolution(x, named("depthwise"), 10, three, 10, [1; 2]).unwrap();
    let x = norm(&mut g, x, "n2", 1e-3);
    let x = g.pointwise(x, Pointwise::Clip { low: 0.0, high: 0.125 });
    let s = g.global_avg_pool(x);
    let s = g.conv(s, "squeeze", 3, one, true).unwrap();
    let s = g.relu(s);
    let s = g.conv(s, "excite", 10, one, true).unwrap();
    let s = g.pointwise(s, Pointwise::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 });
    let x = g.multiply(x, s).unwrap();
    let x = g.convolution(x, named("project"), 6, one, 1, [1; 2]).unwrap();
    let x = norm(&mut g, x, "n3", 1e-5);
    let x = g.add(x, stem).unwrap();
    // Two groups of three channels, shuffled.
    let [c, h, w] = g.nodes[x].chw;
    let plane = h * w;
    let from = |i: u32| (i / plane % 2 * 3 + i / plane / 2) * plane + i % plane;
    let shuffled = g.rearrange(x, (0..c * plane).map(from).collect(), 0.0, [c, h, w]).unwrap();
    let x = g.convolution(shuffled, named("grouped"), 12, three, 3, [1; 2]).unwrap();
    let gate = g.pointwise(x, Pointwise::Sigmoid);
    let x = g.multiply(x, gate).unwrap();
    let x = g.concat(x, shuffled).unwrap();
    let x = norm(&mut g, x, "n4", 1e-5);
    let x = g.relu(x);
    // Two rows of padding filled with a half below, the last column cut off.
    let [c, h, w] = g.nodes[x].chw;
    let source = |i: u32| {
        let (channel, row, column) = (i / ((h + 2) * (w - 1)), i / (w - 1) % (h + 2), i % (w - 1));
        if row < h { (channel * h + row) * w + column } else { u32::MAX }
    };
    let table = (0..c * (h + 2) * (w - 1)).map(source).collect();
    let x = g.rearrange(x, table, 0.5, [c, h + 2, w - 1]).unwrap();
    let x = g.convolution(x, named("wide"), 7, Window::even([3, 1], 2, 0), 1, [1; 2]).unwrap();
    let x = g.affine(x, &[0.5; 7], &[0.25; 7]);
    g.fully_connected(
        x,
        ParamNames { weight: "head", bias: Some("head_bias") },
        CLASSES,
        Order::OutIn,
    )
    .unwrap();
    check(&g, 2);
}
