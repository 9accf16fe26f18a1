//! NeuralFuse generators, layer by layer as the reference code builds them (their `state_dict` names).
//!
//! The graph ends with G(x); the caller fuses `clamp(x + G(x), -1, 1)`.

use crate::{
    error::Result,
    nn::{Graph, NodeId},
    shape::Window,
};

const CONV3: Window = Window { kernel: [3, 3], stride: 1, padding: 1 };
const HALVE: Window = Window { kernel: [2, 2], stride: 2, padding: 0 };

/// `ConvS`: three halvings, three nearest-neighbour doublings, tanh.
pub(super) fn conv_s(side: u32) -> Result<Graph> {
    let mut g = Graph::new("ConvS", [3, side, side]);
    let mut x = g.input();
    for (i, k) in [(1, 32), (2, 64), (3, 64)] {
        x = conv_norm_relu(&mut g, x, i, k)?;
        x = g.max_pool(x, HALVE)?;
    }
    for (i, k) in [(4, 64), (5, 32), (6, 3)] {
        x = conv_norm_relu(&mut g, x, i, k)?;
        x = g.upsample(x, 2);
    }
    x = g.conv(x, "convout", 3, CONV3, true)?;
    x = g.batch_norm(x, "bnout");
    g.tanh(x);
    Ok(g)
}

fn conv_norm_relu(g: &mut Graph, x: NodeId, i: u32, k: u32) -> Result<NodeId> {
    let x = g.conv(x, &format!("conv{i}_1"), k, CONV3, true)?;
    let x = g.batch_norm(x, &format!("bn{i}_1"));
    Ok(g.relu(x))
}

/// `UNetS`: 8, 16, 32, 64 channels. The transposed convolutions have padding 1 and their output is
/// padded with zeros back to twice the size, as the reference's quantised branch does.
pub(super) fn unet_s(side: u32) -> Result<Graph> {
    let mut g = Graph::new("UNetS", [3, side, side]);
    let mut x = double_conv(&mut g, 0, "inc.double_conv", 8)?;
    let mut skips = vec![x];
    for (i, k) in [(1, 16), (2, 32), (3, 64)] {
        x = g.max_pool(x, HALVE)?;
        x = double_conv(&mut g, x, &format!("down{i}.maxpool_conv.1.double_conv"), k)?;
        skips.push(x);
    }
    skips.pop();
    for (i, k) in [(1, 32), (2, 16), (3, 8)] {
        x = g.conv_transpose(x, &format!("up{i}.up"), k, Window::square(2, 2, 1), true)?;
        x = g.pad(x, 1);
        if let Some(skip) = skips.pop() {
            x = g.concat(skip, x)?;
        }
        x = double_conv(&mut g, x, &format!("up{i}.conv.double_conv"), k)?;
    }
    g.conv(x, "outc.conv", 3, Window::square(1, 1, 0), true)?;
    Ok(g)
}

/// Two convolutions without bias, each with batch norm and ReLU.
fn double_conv(g: &mut Graph, mut x: NodeId, name: &str, k: u32) -> Result<NodeId> {
    for i in [0, 3] {
        x = g.conv(x, &format!("{name}.{i}"), k, CONV3, false)?;
        x = g.batch_norm(x, &format!("{name}.{}", i + 1));
        x = g.relu(x);
    }
    Ok(x)
}
