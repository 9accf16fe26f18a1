//! Stands in for methods of `nn::Graph` that are about to be there.
#![allow(dead_code, unused_variables, missing_docs, clippy::needless_pass_by_value, reason = "temporary")]
use crate::{error::Result, nn::{Graph, NodeId, Op, Node, Layer, Param, Role}, shape::Rsck, kernels::quantise::fault_dequantize::Order};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window { pub kernel: [u32; 2], pub stride: [u32; 2], pub before: [u32; 2], pub after: [u32; 2] }
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation { Relu, Tanh, Clip { low: f32, high: f32 }, LeakyRelu(f32), Sigmoid, HardSigmoid { alpha: f32, beta: f32 }, HardSwish, Silu }
pub struct ConvNames<'a> { pub weight: &'a str, pub bias: Option<&'a str> }
pub trait Build {
    fn push_(&mut self, inputs: &[NodeId], chw: [u32; 3]) -> NodeId;
    fn layer_(&mut self, names: ConvNames<'_>, shape: Rsck, order: Order, stored: &[u32]);
    fn convolution(&mut self, x: NodeId, names: ConvNames<'_>, k: u32, window: Window, groups: u32, dilation: [u32; 2]) -> Result<NodeId>;
    fn transposed_convolution(&mut self, x: NodeId, names: ConvNames<'_>, k: u32, window: Window, groups: u32, dilation: [u32; 2], output: [u32; 2]) -> Result<NodeId>;
    fn fully_connected(&mut self, x: NodeId, names: ConvNames<'_>, k: u32, order: Order) -> Result<NodeId>;
    fn norm(&mut self, x: NodeId, names: [&str; 4], eps: f32) -> NodeId;
    fn activation(&mut self, x: NodeId, a: Activation) -> NodeId;
    fn multiply(&mut self, a: NodeId, b: NodeId) -> Result<NodeId>;
    fn pool_max(&mut self, x: NodeId, w: Window) -> Result<NodeId>;
    fn pool_avg(&mut self, x: NodeId, w: Window, count: bool) -> Result<NodeId>;
    fn rearrange(&mut self, x: NodeId, table: Vec<u32>, fill: f32, chw: [u32; 3]) -> Result<NodeId>;
}
fn out(chw: [u32; 3], w: Window, dilation: [u32; 2]) -> [u32; 2] {
    [0, 1].map(|i| (chw[i + 1] + w.before[i] + w.after[i] - ((w.kernel[i] - 1) * dilation[i] + 1)) / w.stride[i] + 1)
}
impl Build for Graph {
    fn push_(&mut self, inputs: &[NodeId], chw: [u32; 3]) -> NodeId {
        self.nodes.push(Node { op: Op::Relu, inputs: inputs.to_vec(), chw });
        self.output()
    }
    fn layer_(&mut self, names: ConvNames<'_>, shape: Rsck, order: Order, stored: &[u32]) {
        let p = |name: &str, shape: &[u32], role| Param { name: name.to_owned(), shape: shape.iter().map(|&n| n as usize).collect(), role };
        self.params.push(p(names.weight, stored, Role::Weight));
        let weight = self.params.len() - 1;
        if let Some(b) = names.bias { self.params.push(p(b, &[shape.k], Role::Bias)); }
        self.layers.push(Layer { weight, bias: None, shape, order });
    }
    fn convolution(&mut self, x: NodeId, names: ConvNames<'_>, k: u32, window: Window, groups: u32, dilation: [u32; 2]) -> Result<NodeId> {
        let chw = self.nodes[x].chw;
        let [h, w] = out(chw, window, dilation);
        let c = chw[0] / groups;
        self.layer_(names, Rsck::new(window.kernel[0], window.kernel[1], c, k), Order::OutIn, &[k, c, window.kernel[0], window.kernel[1]]);
        Ok(self.push_(&[x], [k, h, w]))
    }
    fn transposed_convolution(&mut self, x: NodeId, names: ConvNames<'_>, k: u32, window: Window, groups: u32, dilation: [u32; 2], output: [u32; 2]) -> Result<NodeId> {
        let c = self.nodes[x].chw[0];
        self.layer_(names, Rsck::new(window.kernel[0], window.kernel[1], c, k / groups), Order::InOut, &[c, k / groups, window.kernel[0], window.kernel[1]]);
        Ok(self.push_(&[x], [k, output[0], output[1]]))
    }
    fn fully_connected(&mut self, x: NodeId, names: ConvNames<'_>, k: u32, order: Order) -> Result<NodeId> {
        let [c, h, w] = self.nodes[x].chw;
        let stored = if order == Order::OutIn { [k, c * h * w] } else { [c, k] };
        self.layer_(names, Rsck::new(h, w, c, k), order, &stored);
        Ok(self.push_(&[x], [k, 1, 1]))
    }
    fn norm(&mut self, x: NodeId, names: [&str; 4], eps: f32) -> NodeId { let chw = self.nodes[x].chw; self.push_(&[x], chw) }
    fn activation(&mut self, x: NodeId, a: Activation) -> NodeId { let chw = self.nodes[x].chw; self.push_(&[x], chw) }
    fn multiply(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> { let chw = self.nodes[a].chw; Ok(self.push_(&[a, b], chw)) }
    fn pool_max(&mut self, x: NodeId, w: Window) -> Result<NodeId> { let chw = self.nodes[x].chw; let [h, ww] = out(chw, w, [1, 1]); Ok(self.push_(&[x], [chw[0], h, ww])) }
    fn pool_avg(&mut self, x: NodeId, w: Window, count: bool) -> Result<NodeId> { let chw = self.nodes[x].chw; let [h, ww] = out(chw, w, [1, 1]); Ok(self.push_(&[x], [chw[0], h, ww])) }
    fn rearrange(&mut self, x: NodeId, table: Vec<u32>, fill: f32, chw: [u32; 3]) -> Result<NodeId> { Ok(self.push_(&[x], chw)) }
}
