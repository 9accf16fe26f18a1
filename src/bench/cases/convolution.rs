//! Cases of convolutions: the shape for which other projects publish times, `resnet18`'s layers, and those of
//! generators, and a depthwise one.

use super::{CaseSettings, Spec};
use crate::{
    error::Result,
    kernels::{
        conv::{
            self,
            conv2d::{Conv2d, Epilogue},
        },
        plan::Dtype,
        winograd::Form,
    },
    models,
    nn::{Graph, Op, largest_form},
    shape::{Nhwc, Window},
};

/// Forward, input gradient and weight gradient of every convolution, once per shape.
pub(super) fn specs(CaseSettings { batch, half, .. }: CaseSettings) -> Result<Vec<Spec>> {
    let mut layers = Vec::new();
    let published = Conv2d::forward(Nhwc::new(16, 32, 32, 64), 64, Window::square(3, 1, 1))?;
    for dtype in [Dtype::F32, Dtype::F16] {
        let conv = Conv2d { dtype, ..published };
        layers.push(TimedLayer { conv, largest: Form::F4, fused: false, of: Vec::new() });
    }
    // As in MobileNets, bound by memory.
    let depthwise = Conv2d { groups: 64, ..published };
    layers.push(TimedLayer { conv: depthwise, largest: Form::F4, fused: true, of: Vec::new() });
    let base = models::base("resnet18", 10, None)?;
    add(&mut layers, &base, batch, Dtype::F32, true)?;
    for generator in ["ConvL", "ConvS", "UNetL", "UNetS", "DeConvS"] {
        let graph = models::generator(generator, [3, 32, 32])?;
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

struct TimedLayer {
    conv: Conv2d,
    /// The largest of Winograd's forms in the forward pass.
    largest: Form,
    /// Whether batch norm, ReLU and mask are in the same dispatch, as in a frozen network.
    fused: bool,
    of: Vec<(String, u32)>,
}

/// Adds the layers of a network, those of one shape together.
fn add(
    layers: &mut Vec<TimedLayer>,
    graph: &Graph,
    batch: u32,
    dtype: Dtype,
    fused: bool,
) -> Result<()> {
    let largest = largest_form(graph);
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
            layers.push(TimedLayer { conv, largest, fused, of: Vec::new() });
            layers.len() - 1
        });
        layers[place].largest = layers[place].largest.min(largest);
        let of = &mut layers[place].of;
        match of.iter_mut().find(|(name, _)| *name == graph.name) {
            Some((_, times)) => *times += 1,
            None => of.push((graph.name.clone(), 1)),
        }
    }
    Ok(())
}

impl TimedLayer {
    fn specs(&self, specs: &mut Vec<Spec>) -> Result<()> {
        let (conv, back) = (self.conv, self.conv.grad_input());
        let (forward, backward) = if self.fused {
            let (affine_len, scale, shift) = (2 * conv.y.c, Some(0), Some(conv.y.c));
            let forward = Epilogue {
                affine_len,
                scale,
                shift,
                relu: true,
                mask_out: true,
                ..Epilogue::default()
            };
            (forward, Epilogue { mask_in: true, ..Epilogue::default() })
        } else {
            (Epilogue::default(), Epilogue::default())
        };
        let shape = shape(conv);
        let fused = if self.fused { ", fused" } else { "" };
        let roles = [
            (format!("conv2d forward{fused}"), "forward", Some((conv, forward, self.largest))),
            (
                format!("conv2d input gradient{fused}"),
                "input gradient",
                Some((back, backward, Form::F4)),
            ),
            ("conv2d weight gradient".into(), "weight gradient", None),
        ];
        for (role, pass, gather) in roles {
            let plan = match gather {
                Some((conv, epilogue, _)) => conv::conv2d::plan(conv, epilogue)?,
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
    use crate::kernels::{
        desc::{Requires, Variant},
        plan::{DispatchGrid, Plan},
    };

    #[test]
    fn all_convolutions_of_a_network_count() {
        for name in ["resnet18", "UNetS", "ConvL"] {
            let graph = models::base(name, 10, None)
                .or_else(|_| models::generator(name, [3, 32, 32]))
                .unwrap();
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
    /// The variant that hardware without cooperative matrices uses before anything is measured.
    fn on_hardware(plan: &Plan) -> &'static Variant {
        let runs = |v: &&&Variant| v.requires == Requires::Nothing && v.suits.include(false);
        let serves = |v: &&Variant| v.serves(plan);
        let ordered = plan.kernel.ordered(false);
        let mut all = ordered.iter().filter(runs).copied().filter(serves);
        let favoured = plan.preferred.iter().find_map(|&name| all.clone().find(|v| v.name == name));
        favoured.or_else(|| all.next()).unwrap()
    }

    /// Of the results that tiles compute for the convolutions of a generator, the share that exists, weighted by
    /// multiply-adds. A tile takes as long for channels and pixels that there are not.
    fn useful(generator: &str, batch: u32, gradient: bool) -> f64 {
        let graph = models::generator(generator, [3, 32, 32]).unwrap();
        let mut layers = Vec::new();
        add(&mut layers, &graph, batch, Dtype::F32, false).unwrap();
        let (mut real, mut computed) = (0.0, 0.0);
        for TimedLayer { conv, of, .. } in layers {
            let conv = if gradient { conv.grad_input() } else { conv };
            let plan = conv::conv2d::plan(conv, Epilogue::default()).unwrap();
            let DispatchGrid::Tiles(extent) = plan.grid else { panic!("no tiles") };
            let variant = on_hardware(&plan);
            let tile = (variant.tile)(variant.workgroups[0]);
            let share = |extent: u32, tile: u32| {
                f64::from(extent) / f64::from(extent.next_multiple_of(tile))
            };
            let lanes = f64::from(conv.y.c) / f64::from(4 * conv.y.c4());
            let exist = lanes * share(extent[0], tile[0]) * share(extent[1], tile[1]);
            let flops = plan.flops as f64 * f64::from(of[0].1);
            real += flops;
            computed += flops / exist;
        }
        real / computed
    }

    #[test]
    fn weight_gradients_fill_a_large_gpu_where_there_are_the_pixels() {
        let base = models::base("resnet18", 10, None).unwrap();
        let names = ["ConvL", "ConvS", "DeConvL", "DeConvS", "UNetL", "UNetS"];
        let generators = names.map(|name| models::generator(name, [3, 32, 32]).unwrap());
        for graph in generators.iter().chain([&base]) {
            for batch in [32, 256] {
                let mut layers = Vec::new();
                add(&mut layers, graph, batch, Dtype::F32, false).unwrap();
                for TimedLayer { conv, .. } in layers {
                    let plan = conv::conv2d_grad_weight::plan(conv).unwrap();
                    let DispatchGrid::Tiles(extent) = plan.grid else { panic!("no tiles") };
                    let variant = on_hardware(&plan);
                    let tile = (variant.tile)(variant.workgroups[0]);
                    let groups: u32 = (0..3).map(|i| extent[i].div_ceil(tile[i])).product();
                    let summed = if conv.transposed { conv.x } else { conv.y };
                    let pixels = summed.pixels() / extent[2];
                    let name = &graph.name;
                    assert!(groups >= 512 || pixels <= 256, "{name} {conv:?} {groups} {pixels}");
                }
            }
        }
    }

    #[test]
    fn three_of_four_results_of_a_generators_tiles_exist() {
        for generator in ["ConvL", "ConvS", "DeConvL", "DeConvS", "UNetL", "UNetS"] {
            for batch in [32, 256] {
                let [forward, gradient] = [false, true].map(|g| useful(generator, batch, g));
                assert!(forward >= 0.75 && gradient >= 0.75, "{generator} {forward} {gradient}");
            }
        }
    }
}
