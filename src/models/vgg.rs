//! VGG-style networks (Simonyan and Zisserman, arXiv:1409.1556) with batch norm.

use crate::{
    error::Result,
    nn::{Graph, NodeId},
    shape::Window,
};

/// A VGG for machines without a GPU: 32, pool, 64, pool, 128, 128, global average pool, linear; 20
/// million multiply-adds for a 32x32 image, a thirtieth of `ResNet18`'s.
pub(super) fn vgg_small(g: &mut Graph, images: NodeId, classes: u32) -> Result<()> {
    let mut x = images;
    for (i, (k, pool)) in [(32, true), (64, true), (128, false), (128, false)].iter().enumerate() {
        x = g.conv(x, &format!("features.{i}.conv"), *k, Window::square(3, 1, 1), false)?;
        x = g.batch_norm(x, &format!("features.{i}.bn"));
        x = g.relu(x);
        if *pool {
            x = g.max_pool(x, Window::square(2, 2, 0))?;
        }
    }
    x = g.global_avg_pool(x);
    g.linear(x, "classifier", classes)?;
    Ok(())
}
