//! Residual networks (He et al., arXiv:1512.03385), in the forms that the paper and its surroundings use.

use crate::{
    error::Result,
    nn::{Graph, NodeId},
    shape::Window,
};

const CONV1: Window = Window::even([1, 1], 1, 0);
const CONV3: Window = Window::even([3, 3], 1, 1);

/// Kinds of residual blocks: shallow networks use the basic block, deep ones the bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1 convolutions, four times as many channels out; the stride is on the 3x3.
    Bottleneck,
}

/// How a residual network is put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResnetForm {
    pub(super) block: Block,
    /// Blocks per stage.
    pub(super) blocks: [u32; 4],
    /// A 7x7 stem, a max-pool and torchvision's names; otherwise a 3x3 stem and the reference's names.
    pub(super) large_images: bool,
    /// Whether a ReLU follows the addition; the reference's `BasicBlockPy` has none.
    pub(super) relu_behind_sum: bool,
}

/// A ResNet of four stages with projections where the shape changes.
pub(super) fn resnet(g: &mut Graph, images: NodeId, classes: u32, form: ResnetForm) -> Result<()> {
    let stem = if form.large_images { Window::square(7, 2, 3) } else { CONV3 };
    let mut x = g.conv(images, "conv1", 64, stem, false)?;
    x = g.batch_norm(x, "bn1");
    x = g.relu(x);
    if form.large_images {
        x = g.max_pool(x, Window::square(3, 2, 1))?;
    }
    for (stage, blocks) in (1..).zip(form.blocks) {
        for block in 0..blocks {
            let stride = if stage > 1 && block == 0 { 2 } else { 1 };
            x = residual(g, x, &format!("layer{stage}.{block}"), 32 << stage, stride, form)?;
        }
    }
    x = g.global_avg_pool(x);
    g.linear(x, if form.large_images { "fc" } else { "linear" }, classes)?;
    Ok(())
}

fn residual(
    g: &mut Graph,
    x: NodeId,
    name: &str,
    width: u32,
    stride: u32,
    form: ResnetForm,
) -> Result<NodeId> {
    let strided = Window { stride: [stride; 2], ..CONV3 };
    let (convs, k): (&[(u32, Window)], u32) = match form.block {
        Block::Basic => (&[(width, strided), (width, CONV3)], width),
        Block::Bottleneck => (&[(width, CONV1), (width, strided), (4 * width, CONV1)], 4 * width),
    };
    let mut y = x;
    for (i, &(k, window)) in (1..).zip(convs) {
        y = g.conv(y, &format!("{name}.conv{i}"), k, window, false)?;
        y = g.batch_norm(y, &format!("{name}.bn{i}"));
        if i < convs.len() {
            y = g.relu(y);
        }
    }
    // Added after the main path, because the order of the state_dict demands it.
    let mut shortcut = x;
    if stride != 1 || g.nodes[x].chw[0] != k {
        let projection = if form.large_images { "downsample" } else { "shortcut" };
        let window = Window { stride: [stride; 2], ..CONV1 };
        shortcut = g.conv(x, &format!("{name}.{projection}.0"), k, window, false)?;
        shortcut = g.batch_norm(shortcut, &format!("{name}.{projection}.1"));
    }
    let sum = g.add(y, shortcut)?;
    Ok(if form.relu_behind_sum { g.relu(sum) } else { sum })
}

/// The CIFAR form of section 4.2, ResNet-(6n + 2): `width`, twice and four times as many channels (16, 32, 64 there),
/// `blocks` a stage, option-A shortcuts (every second pixel, zero channels half before and half after; no
/// parameters).
pub(super) fn resnet_cifar(
    g: &mut Graph,
    images: NodeId,
    classes: u32,
    (blocks, width): (u32, u32),
) -> Result<()> {
    let mut x = g.conv(images, "conv1", width, CONV3, false)?;
    x = g.batch_norm(x, "bn1");
    x = g.relu(x);
    for (stage, k) in [(1, width), (2, 2 * width), (3, 4 * width)] {
        for block in 0..blocks {
            let stride = if stage > 1 && block == 0 { 2 } else { 1 };
            x = option_a(g, x, &format!("layer{stage}.{block}"), k, stride)?;
        }
    }
    x = g.global_avg_pool(x);
    g.linear(x, "linear", classes)?;
    Ok(())
}

fn option_a(g: &mut Graph, x: NodeId, name: &str, k: u32, stride: u32) -> Result<NodeId> {
    let c = g.nodes[x].chw[0];
    let shortcut = if stride == 1 { x } else { g.shortcut(x, stride, k, (k - c) / 2) };
    let y =
        g.conv(x, &format!("{name}.conv1"), k, Window { stride: [stride; 2], ..CONV3 }, false)?;
    let y = g.batch_norm(y, &format!("{name}.bn1"));
    let y = g.relu(y);
    let y = g.conv(y, &format!("{name}.conv2"), k, CONV3, false)?;
    let y = g.batch_norm(y, &format!("{name}.bn2"));
    let y = g.add(y, shortcut)?;
    Ok(g.relu(y))
}
