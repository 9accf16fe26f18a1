//! NeuralFuse generators, layer by layer as the reference code builds them (their `state_dict` names).
//!
//! The graph ends with G(x); the caller fuses `clamp(x + G(x), -1, 1)`.

use crate::{
    error::Result,
    nn::{Graph, NodeId},
    shape::Window,
};

const CONV3: Window = Window::even([3, 3], 1, 1);
const HALVE: Window = Window::even([2, 2], 2, 0);
/// Transposed convolution that doubles an image.
const DOUBLE: Window = Window::even([4, 4], 2, 1);

/// Size of a generator: the paper's suffix L or S.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GeneratorSize {
    Large,
    Small,
}

/// `ConvL`, `ConvS`: three halvings, three nearest-neighbour doublings, tanh.
pub(super) fn conv(g: &mut Graph, size: GeneratorSize) -> Result<()> {
    let mut x = encoder(g, size)?;
    // (layer, channels, whether upsampling follows)
    let decoder: &[(&str, u32, bool)] = match size {
        GeneratorSize::Large => &[
            ("4_1", 128, true),
            ("4_2", 128, false),
            ("5_1", 64, true),
            ("5_2", 64, false),
            ("6_1", 32, true),
            ("6_2", 32, false),
        ],
        GeneratorSize::Small => &[("4_1", 64, true), ("5_1", 32, true), ("6_1", 3, true)],
    };
    for &(layer, k, doubled) in decoder {
        x = conv_norm_relu(g, x, layer, k)?;
        if doubled {
            x = g.upsample(x, 2);
        }
    }
    x = g.conv(x, "convout", 3, CONV3, true)?;
    x = g.batch_norm(x, "bnout");
    g.tanh(x);
    Ok(())
}

/// `DeConvL`, `DeConvS`: three halvings, three transposed convolutions, tanh.
pub(super) fn deconv(g: &mut Graph, size: GeneratorSize) -> Result<()> {
    let mut x = encoder(g, size)?;
    if size == GeneratorSize::Large {
        x = conv_norm_relu(g, x, "_mid", 128)?;
    }
    for (layer, k) in [(4, 64), (5, 32)] {
        x = g.conv_transpose(x, &format!("dconv{layer}_1"), k, DOUBLE, true)?;
        x = g.batch_norm(x, &format!("bn{layer}_1"));
        x = g.relu(x);
        if size == GeneratorSize::Large {
            x = conv_norm_relu(g, x, &format!("{layer}_2"), k)?;
        }
    }
    x = g.conv_transpose(x, "dconv6_1", 3, DOUBLE, true)?;
    x = g.batch_norm(x, "bn6_1");
    g.tanh(x);
    Ok(())
}

/// Encoder that both families share: it reduces the image to an eighth of its side.
fn encoder(g: &mut Graph, size: GeneratorSize) -> Result<NodeId> {
    let (channels, convs) = match size {
        GeneratorSize::Large => ([32, 64, 128], 2),
        GeneratorSize::Small => ([32, 64, 64], 1),
    };
    let mut x = g.input();
    for (level, k) in (1..).zip(channels) {
        for i in 1..=convs {
            x = conv_norm_relu(g, x, &format!("{level}_{i}"), k)?;
        }
        x = g.max_pool(x, HALVE)?;
    }
    Ok(x)
}

fn conv_norm_relu(g: &mut Graph, x: NodeId, layer: &str, k: u32) -> Result<NodeId> {
    let x = g.conv(x, &format!("conv{layer}"), k, CONV3, true)?;
    let x = g.batch_norm(x, &format!("bn{layer}"));
    Ok(g.relu(x))
}

/// `UNetL`: 16, 32, 64, 128 channels; `UNetS`: half of them. The transposed convolutions have padding
/// 1, and their output is padded with zeros to twice the size of their input, as in the reference's
/// quantised branch.
pub(super) fn unet(g: &mut Graph, size: GeneratorSize) -> Result<()> {
    let c = if size == GeneratorSize::Large { 16 } else { 8 };
    let mut x = double_conv(g, 0, "inc.double_conv", c)?;
    let mut skips = vec![x];
    for i in 1..=3 {
        x = g.max_pool(x, HALVE)?;
        x = double_conv(g, x, &format!("down{i}.maxpool_conv.1.double_conv"), c << i)?;
        skips.push(x);
    }
    skips.pop();
    for i in 1..=3 {
        let k = c << (3 - i);
        x = g.conv_transpose(x, &format!("up{i}.up"), k, Window::square(2, 2, 1), true)?;
        x = g.pad(x, 1);
        if let Some(skip) = skips.pop() {
            x = g.concat(skip, x)?;
        }
        x = double_conv(g, x, &format!("up{i}.conv.double_conv"), k)?;
    }
    g.conv(x, "outc.conv", 3, Window::square(1, 1, 0), true)?;
    Ok(())
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

/// `UIP`, the paper's baseline: one learned image U for all inputs, `G(x) = tanh(U)`.
pub(super) fn uip(g: &mut Graph) {
    let u = g.learned_image("uip");
    g.tanh(u);
}
