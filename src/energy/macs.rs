//! Multiply-adds in the paper's convention.

use crate::nn::{Graph, Node, NodeId, Op};

/// Multiply-adds of one image as the paper prints them: those of the tool `ptflops`, which counts
/// modules.
///
/// A convolution counts its products, and one addition per output if it has a bias; batch norm counts 2 per
/// value, ReLU and upsampling 1 per output, max-pooling 1 per input. Transposed convolutions are counted as
/// if each *output* pixel met the whole kernel, which is `stride^2` times too many; those of the U-nets in
/// their un-quantised form, without padding. Modules alone are counted: what the published code calls as a
/// function is not (sums, the last average pool, the ReLU behind a ResNet's first layer), nor is tanh.
/// [`Graph::macs`] has the true number.
pub fn paper_macs(graph: &Graph) -> u64 {
    let stem = stem_relu(graph);
    let nodes = graph.nodes.iter().enumerate().filter(|&(id, _)| Some(id) != stem);
    nodes.map(|(id, node)| count(graph, id, node)).sum()
}

fn count(graph: &Graph, id: NodeId, node: &Node) -> u64 {
    let input = || values(&graph.nodes[node.inputs[0]]);
    match node.op {
        Op::Conv { layer, .. } => {
            let [_, h, w] = full(graph, id).chw;
            let layer = graph.layers[layer];
            let bias = if layer.bias.is_some() { layer.shape.k } else { 0 };
            u64::from(h) * u64::from(w) * (u64::from(layer.shape.len()) + u64::from(bias))
        }
        Op::Linear { layer } => u64::from(graph.layers[layer].shape.len()),
        Op::BatchNorm(_) => 2 * values(node),
        Op::Relu | Op::Upsample(_) => values(node),
        Op::MaxPool(_) => input(),
        _ => 0,
    }
}

/// Number of values in a node's output for one image.
fn values(node: &Node) -> u64 {
    node.chw.iter().map(|&n| u64::from(n)).product()
}

/// The node whose size counts as the output of a convolution: the `Gather` behind it if there is one, because
/// it may append zeros in place of the pixels that a transposed convolution's padding cut off.
fn full(graph: &Graph, id: NodeId) -> &Node {
    let padded = graph.sole_consumer(id).map(|next| &graph.nodes[next]);
    padded.filter(|next| matches!(next.op, Op::Gather(_))).unwrap_or(&graph.nodes[id])
}

/// The first ReLU of a residual network.
fn stem_relu(graph: &Graph) -> Option<NodeId> {
    let residual = graph.nodes.iter().any(|node| node.op == Op::Add);
    graph.nodes.iter().position(|node| node.op == Op::Relu).filter(|_| residual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;

    /// Exact counts of the reference code's networks (its `paper.md`, 6.1). For the VGGs on large images the
    /// reference's pool from 7x7 to 7x7 pixels (25,088 values) is subtracted, since our networks do not have
    /// it.
    #[test]
    fn bases_are_counted_as_the_reference_code_is() {
        for (name, macs) in [
            ("resnet18", 557_143_040),
            ("resnet50", 1_307_570_176),
            ("vgg11", 153_500_672),
            ("vgg16", 314_432_512),
            ("vgg19", 399_473_664),
            ("resnet18-224-norelu", 1_820_089_344),
            ("resnet50-224", 4_118_993_408),
            ("vgg11-224", 7_640_893_952 - 25_088),
            ("vgg16-224", 15_526_554_112 - 25_088),
            ("vgg19-224", 19_693_570_560 - 25_088),
        ] {
            assert_eq!(paper_macs(&models::base(name, 10, None).unwrap()), macs, "{name}");
        }
    }

    #[test]
    fn transposed_convolutions_are_counted_on_their_output() {
        // DeConvS: four times the true products, plus bias, batch norm and (except for the last
        // layer) ReLU.
        let g = models::generator("DeConvS", 32).unwrap();
        let doubled = [(8 * 8, 64 * 64), (16 * 16, 64 * 32), (32 * 32, 32 * 3)];
        let true_macs: u64 =
            doubled.iter().map(|(pixels, weights)| pixels / 4 * 16 * weights).sum();
        let linear = paper_macs(&g) - g.macs() - 3 * true_macs;
        let convs = [(1024, 32), (256, 64), (64, 64)];
        let bias_norm_relu = |&(pixels, c): &(u64, u64)| 4 * pixels * c;
        let pools: u64 = convs.iter().map(|(pixels, c)| pixels * c).sum();
        let wanted = convs.iter().map(bias_norm_relu).sum::<u64>()
            + [(64, 64), (256, 32)].iter().map(bias_norm_relu).sum::<u64>()
            + 3 * 1024 * 3
            + pools;
        assert_eq!(linear, wanted);
    }
}
