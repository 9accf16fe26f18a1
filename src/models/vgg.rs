//! VGG-style networks (Simonyan and Zisserman, arXiv:1409.1556) with batch norm.

use crate::{
    error::Result,
    nn::{Graph, NodeId},
    shape::Window,
};

const CONV3: Window = Window::even([3, 3], 1, 1);
const HALVE: Window = Window::even([2, 2], 2, 0);

/// Number of convolutions at each of the five resolutions, by depth: configurations A, D and E of
/// the paper.
pub(super) const VGG11: [u32; 5] = [1, 1, 2, 2, 2];
pub(super) const VGG16: [u32; 5] = [2, 2, 3, 3, 3];
pub(super) const VGG19: [u32; 5] = [2, 2, 4, 4, 4];

/// A VGG for 32x32 images: one linear layer behind the convolutions.
pub(super) fn vgg(g: &mut Graph, images: NodeId, classes: u32, convs: [u32; 5]) -> Result<()> {
    let x = features(g, images, convs)?;
    let x = g.global_avg_pool(x);
    g.linear(x, "classifier", classes)?;
    Ok(())
}

/// A VGG for 224x224 images: three linear layers on 7x7 pixels, half of the values dropped behind
/// each of the first two in training.
pub(super) fn vgg_224(g: &mut Graph, images: NodeId, classes: u32, convs: [u32; 5]) -> Result<()> {
    let mut x = features(g, images, convs)?;
    for i in [0, 3] {
        x = g.linear(x, &format!("classifier.{i}"), 4096)?;
        x = g.relu(x);
        x = g.dropout(x, 0.5);
    }
    g.linear(x, "classifier.6", classes)?;
    Ok(())
}

/// Convolution, batch norm, ReLU and pool layers, named by their position in torchvision's
/// `nn.Sequential`.
fn features(g: &mut Graph, images: NodeId, convs: [u32; 5]) -> Result<NodeId> {
    let (mut x, mut position) = (images, 0);
    for (k, convs) in [64, 128, 256, 512, 512].into_iter().zip(convs) {
        for _ in 0..convs {
            x = g.conv(x, &format!("features.{position}"), k, CONV3, true)?;
            x = g.batch_norm(x, &format!("features.{}", position + 1));
            x = g.relu(x);
            position += 3;
        }
        x = g.max_pool(x, HALVE)?;
        position += 1;
    }
    Ok(x)
}

/// A VGG for machines without a GPU: 32, pool, 64, pool, 128, 128, global average pool, linear; 20
/// million multiply-adds for a 32x32 image, a thirtieth of `ResNet18`'s.
pub(super) fn vgg_small(g: &mut Graph, images: NodeId, classes: u32) -> Result<()> {
    let mut x = images;
    for (i, (k, pool)) in [(32, true), (64, true), (128, false), (128, false)].iter().enumerate() {
        x = g.conv(x, &format!("features.{i}.conv"), *k, CONV3, false)?;
        x = g.batch_norm(x, &format!("features.{i}.bn"));
        x = g.relu(x);
        if *pool {
            x = g.max_pool(x, HALVE)?;
        }
    }
    x = g.global_avg_pool(x);
    g.linear(x, "classifier", classes)?;
    Ok(())
}
