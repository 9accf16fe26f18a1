//! A network as a JSON document, for programs that build it in another framework: the Python package makes a PyTorch
//! module of it (`bindings/python/py_src/nf_gpu/torch.py`).

use super::graph::{Graph, MOMENTUM, Node, Op, Role};
use crate::{
    kernels::{
        elementwise::pointwise::Pointwise, layout::rearrange::FILL, pool::window::Divisor,
        quantise::fault_dequantize::Order,
    },
    shape::Window,
};
use serde_json::{Value, json};

/// Version of the document.
const VERSION: u32 = 1;

impl Graph {
    /// The network: `name`, `input` (`[C, H, W]`), `parameters` in `state_dict` order (name, shape in PyTorch, role) and
    /// `nodes` in the order they run, each with its operation `op`, the `inputs` it takes (indices of nodes), the shape
    /// `chw` of one image of its output, and what the operation needs. Parameters are named. Node 0 is the images, the
    /// last one the output. Of a generator it is `G` alone, without the `clamp(x + G(x), -1, 1)` around it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let parameter = |p: &super::graph::Param| json!({"name": p.name, "shape": p.shape, "role": role(p.role)});
        json!({
            "version": VERSION,
            "name": self.name,
            "input": self.nodes[self.input()].chw,
            "parameters": self.params.iter().map(parameter).collect::<Vec<_>>(),
            "nodes": self.nodes.iter().map(|node| self.node_json(node)).collect::<Vec<_>>(),
        })
    }

    fn node_json(&self, node: &Node) -> Value {
        let mut value = self.op_json(node);
        if let Value::Object(object) = &mut value {
            object.insert("inputs".into(), json!(node.inputs));
            object.insert("chw".into(), json!(node.chw));
        }
        value
    }

    fn op_json(&self, node: &Node) -> Value {
        let name = |param: usize| &self.params[param].name;
        match &node.op {
            Op::Input => json!({"op": "input"}),
            Op::Affine { scale, shift } => json!({"op": "affine", "scale": scale, "shift": shift}),
            Op::Conv { layer, window, transposed, dilation } => {
                let layer = self.layers[*layer];
                json!({
                    "op": if *transposed { "conv-transpose" } else { "conv" },
                    "weight": name(layer.weight),
                    "bias": layer.bias.map(name),
                    "stride": window.stride,
                    "pads": pads(*window, window.after),
                    "dilation": dilation,
                    "groups": layer.groups,
                })
            }
            Op::Linear { layer } => {
                let layer = self.layers[*layer];
                json!({
                    "op": "linear",
                    "weight": name(layer.weight),
                    "bias": layer.bias.map(name),
                    // Whether the weights are stored as [outputs, inputs], as PyTorch has them.
                    "out_in": layer.order == Order::OutIn,
                })
            }
            Op::BatchNorm(norm) => {
                let norm = self.norms[*norm];
                json!({
                    "op": "batch-norm",
                    "gamma": name(norm.gamma),
                    "beta": name(norm.beta()),
                    "mean": name(norm.mean()),
                    "variance": name(norm.var()),
                    "eps": norm.eps,
                    "momentum": MOMENTUM,
                })
            }
            Op::Relu => json!({"op": "relu"}),
            Op::Tanh => json!({"op": "tanh"}),
            Op::LeakyRelu(slope) => json!({"op": "leaky-relu", "slope": slope}),
            Op::Pointwise(function) => pointwise(*function),
            Op::MaxPool(window) => pool("max-pool", *window),
            Op::AvgPool(window, divisor) => {
                let (after, counted) = match divisor {
                    Divisor::Window => (window.after, true),
                    Divisor::Image => (window.after, false),
                    Divisor::Padded(after) => (*after, true),
                };
                let mut value = pool("avg-pool", *window);
                // Pads that count in the mean; zeros beyond them do not.
                value["counted"] = json!(counted.then(|| pads(*window, after)));
                value
            }
            Op::Upsample(factor) => json!({"op": "upsample", "factor": factor}),
            Op::Concat => json!({"op": "concat"}),
            Op::Add => json!({"op": "add"}),
            Op::Multiply => json!({"op": "multiply"}),
            Op::Rearrange { table, fill } => {
                // The sources of the values in the order [C, H, W]; null where there is none.
                let source = |&from: &u32| (from != FILL).then_some(from);
                json!({
                    "op": "rearrange",
                    "table": table.iter().map(source).collect::<Vec<_>>(),
                    "fill": fill,
                })
            }
            Op::Gather(gather) => json!({
                "op": "gather",
                "mul": gather.mul,
                "div": gather.div,
                "offset": gather.offset,
                "channel_offset": gather.channel_offset,
            }),
            Op::Dropout(p) => json!({"op": "dropout", "p": p}),
            Op::LearnedImage(param) => json!({"op": "learned-image", "image": name(*param)}),
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Weight => "weight",
        Role::Bias => "bias",
        Role::Gamma => "gamma",
        Role::Beta => "beta",
        Role::RunningMean => "running_mean",
        Role::RunningVar => "running_var",
        Role::Image => "image",
    }
}

/// Zeros above, left, below and right.
fn pads(window: Window, after: [u32; 2]) -> [u32; 4] {
    [window.before[0], window.before[1], after[0], after[1]]
}

fn pool(op: &str, window: Window) -> Value {
    json!({
        "op": op,
        "kernel": window.kernel,
        "stride": window.stride,
        "pads": pads(window, window.after),
    })
}

fn pointwise(function: Pointwise) -> Value {
    match function {
        Pointwise::Clip { low, high } => json!({"op": "clip", "low": low, "high": high}),
        Pointwise::Sigmoid => json!({"op": "sigmoid"}),
        Pointwise::HardSigmoid { alpha, beta } => {
            json!({"op": "hard-sigmoid", "alpha": alpha, "beta": beta})
        }
        Pointwise::HardSwish => json!({"op": "hard-swish"}),
        Pointwise::Silu => json!({"op": "silu"}),
        Pointwise::FakeQuantise { step, least, most } => {
            json!({"op": "fake-quantise", "step": step, "least": least, "most": most})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_name_their_parameters_and_all_parameters_are_named() {
        let mut graph = Graph::new("net", [3, 8, 8]);
        let x = graph.conv(graph.input(), "conv", 4, Window::square(3, 2, 1), true).unwrap();
        let x = graph.batch_norm(x, "bn");
        let x = graph.global_avg_pool(x);
        graph.linear(x, "fc", 10).unwrap();
        let json = graph.to_json();
        assert_eq!(json["input"], json!([3, 8, 8]));
        assert_eq!(
            json["nodes"][1],
            json!({"op": "conv", "weight": "conv.weight", "bias": "conv.bias", "stride": [2, 2],
                   "pads": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1, "inputs": [0],
                   "chw": [4, 4, 4]})
        );
        assert_eq!(json["nodes"][2]["variance"], "bn.running_var");
        assert_eq!(json["nodes"][3]["counted"], json!([0, 0, 0, 0]));
        assert_eq!(json["nodes"][4]["out_in"], true);
        let used = json["nodes"].to_string();
        for parameter in json["parameters"].as_array().unwrap() {
            assert!(used.contains(&parameter["name"].to_string()), "{parameter}");
        }
    }
}
