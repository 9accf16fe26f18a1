//! Cases of convolutions: the shape for which other projects publish times, `resnet18`'s layers, and those of
//! generators, and a depthwise one.

use super::{CaseSettings, Spec};
use crate::{
    error::Result,
    kernels::{
        conv::{
            self,
            conv2d::{Conv2d, Fusion},
        },
        plan::Dtype,
    },
    models,
    nn::{Graph, Op},
    shape::{Nhwc, Window},
};

/// Forward, input gradient and weight gradient of every convolution, once per shape.
pub(super) fn specs(CaseSettings { batch, half, .. }: CaseSettings) -> Result<Vec<Spec>> {
    let mut layers = Vec::new();
    let published = Conv2d::forward(Nhwc::new(16, 32, 32, 64), 64, Window::square(3, 1, 1))?;
    for dtype in [Dtype::F32, Dtype::F16] {
        let conv = Conv2d { dtype, ..published };
        layers.push(Layer { conv, fused: false, of: Vec::new() });
    }
    // As in MobileNets, bound by memory.
    let depthwise = Conv2d { groups: 64, ..published };
    layers.push(Layer { conv: depthwise, fused: true, of: Vec::new() });
    let base = models::base("resnet18", 10, None)?;
    add(&mut layers, &base, batch, Dtype::F32, true)?;
    for generator in ["ConvL", "UNetS", "DeConvS"] {
        let graph = models::generator(generator, 32)?;
        add(&mut layers, &graph, batch, Dtype::F32, false)?;
    }
    if half {
        add(&mut layers, &base, batch, Dtype::F16, true)?;
    }
    let mut specs = Vec::new();
    for layer in &layers {
        layer.specs(&mut specs)?;
    }
    Ok(specs)
}

struct Layer {
    conv: Conv2d,
    /// Whether batch norm, ReLU and mask are in the same dispatch, as in a frozen network.
    fused: bool,
    of: Vec<(String, u32)>,
}

/// Adds the layers of a network, those of one shape together.
fn add(
    layers: &mut Vec<Layer>,
    graph: &Graph,
    batch: u32,
    dtype: Dtype,
    fused: bool,
) -> Result<()> {
    for node in &graph.nodes {
        let Op::Conv { window, transposed, .. } = node.op else { continue };
        let [c, h, w] = graph.nodes[node.inputs[0]].chw;
        let (x, k) = (Nhwc::new(batch, h, w, c), node.chw[0]);
        let conv = if transposed {
            Conv2d::transposed(x, k, window)?
        } else {
            Conv2d::forward(x, k, window)?
        };
        let conv = Conv2d { dtype, ..conv };
        let place = layers.iter().position(|l| l.conv == conv && l.fused == fused);
        let place = place.unwrap_or_else(|| {
            layers.push(Layer { conv, fused, of: Vec::new() });
            layers.len() - 1
        });
        let of = &mut layers[place].of;
        match of.iter_mut().find(|(name, _)| *name == graph.name) {
            Some((_, times)) => *times += 1,
            None => of.push((graph.name.clone(), 1)),
        }
    }
    Ok(())
}

impl Layer {
    fn specs(&self, specs: &mut Vec<Spec>) -> Result<()> {
        let (conv, back) = (self.conv, self.conv.grad_input());
        let (forward, backward) = if self.fused {
            let (affine_len, scale, shift) = (2 * conv.y.c, Some(0), Some(conv.y.c));
            let forward = Fusion {
                affine_len,
                scale,
                shift,
                relu: true,
                mask_out: true,
                ..Fusion::default()
            };
            (forward, Fusion { mask_in: true, ..Fusion::default() })
        } else {
            (Fusion::default(), Fusion::default())
        };
        let shape = shape(conv);
        let fused = if self.fused { ", fused" } else { "" };
        let roles = [
            (format!("conv2d forward{fused}"), "forward", Some((conv, forward))),
            (format!("conv2d input gradient{fused}"), "input gradient", Some((back, backward))),
            ("conv2d weight gradient".into(), "weight gradient", None),
        ];
        for (role, pass, gather) in roles {
            let plan = match gather {
                Some((conv, fusion)) => conv::conv2d::plan(conv, fusion)?,
                None => conv::conv2d_grad_weight::plan(conv)?,
            };
            let (role, pass) = match conv.dtype {
                Dtype::F32 => (role, pass.to_owned()),
                Dtype::F16 => (format!("{role}, f16"), format!("{pass} f16")),
            };
            let network = |(name, times): &(String, u32)| (format!("{name} {pass}"), *times);
            let of: Vec<_> = self.of.iter().map(network).collect();
            // A weight gradient is the same whether what is around it was fused or not.
            match specs.iter_mut().find(|s| s.role == role && s.shape == shape) {
                Some(there) => there.of.extend(of),
                None => specs.push(Spec { role, shape: shape.clone(), plan, conv: gather, of }),
            }
        }
        Ok(())
    }
}

/// A convolution in words, with stride and padding only where they are not the usual ones.
fn shape(conv: Conv2d) -> String {
    let [r, s] = conv.window.kernel;
    let mut text = format!("{} {}", conv.x, conv.weights());
    match conv.window.as_even() {
        Some((1, padding)) if [2 * padding + 1; 2] == [r, s] => {}
        Some((stride, padding)) => text += &format!(" stride {stride} padding {padding}"),
        None => text += &format!(" window {}", conv.window),
    }
    if conv.groups > 1 {
        text += &format!(" groups {}", conv.groups);
    }
    if conv.transposed { text + " transposed" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_convolutions_of_a_network_count() {
        for name in ["resnet18", "UNetS", "ConvL"] {
            let graph =
                models::base(name, 10, None).or_else(|_| models::generator(name, 32)).unwrap();
            let convs = graph.nodes.iter().filter(|n| matches!(n.op, Op::Conv { .. })).count();
            let passes = ["forward", "input gradient", "weight gradient", "forward f16"];
            for pass in &passes[..if name == "resnet18" { 4 } else { 3 }] {
                let wanted = format!("{name} {pass}");
                let specs = specs(CaseSettings { batch: 2, half: true, glance: false }).unwrap();
                let of = specs.iter().flat_map(|s| &s.of).filter(|(of, _)| *of == wanted);
                assert_eq!(of.map(|(_, times)| *times as usize).sum::<usize>(), convs, "{wanted}");
            }
        }
    }
}
