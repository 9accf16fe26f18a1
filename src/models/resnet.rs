//! Residual networks for small images (He et al., arXiv:1512.03385, section 4.2).

use crate::{
    error::Result,
    nn::{Graph, NodeId},
    shape::Window,
};

/// ResNet-20 of the CIFAR form: 16, 32, 64 channels, three blocks a stage, option-A shortcuts (every
/// second pixel, zero channels half before and half after; no parameters).
pub(super) fn resnet20(g: &mut Graph, images: NodeId, classes: u32) -> Result<()> {
    let mut x = g.conv(images, "conv1", 16, Window::square(3, 1, 1), false)?;
    x = g.batch_norm(x, "bn1");
    x = g.relu(x);
    for (stage, k) in [(1, 16), (2, 32), (3, 64)] {
        for block in 0..3 {
            let stride = if stage > 1 && block == 0 { 2 } else { 1 };
            x = basic_block(g, x, &format!("layer{stage}.{block}"), k, stride)?;
        }
    }
    x = g.global_avg_pool(x);
    g.linear(x, "linear", classes)?;
    Ok(())
}

fn basic_block(g: &mut Graph, x: NodeId, name: &str, k: u32, stride: u32) -> Result<NodeId> {
    let c = g.nodes[x].chw[0];
    let shortcut = if stride == 1 { x } else { g.shortcut(x, stride, k, (k - c) / 2) };
    let y = g.conv(x, &format!("{name}.conv1"), k, Window::square(3, stride, 1), false)?;
    let y = g.batch_norm(y, &format!("{name}.bn1"));
    let y = g.relu(y);
    let y = g.conv(y, &format!("{name}.conv2"), k, Window::square(3, 1, 1), false)?;
    let y = g.batch_norm(y, &format!("{name}.bn2"));
    let y = g.add(y, shortcut)?;
    Ok(g.relu(y))
}
