//! What SCALE-SIM counts for one image on the paper's accelerator, an output-stationary array of
//! 32 x 32: reads of weights and cycles. Closed forms, equal to its published reports.

use crate::nn::{Graph, Node, NodeId, Op};

/// Rows of the array (output pixels at once), and its columns (output channels at once).
const SIDE: u64 = 32;
/// Bits of one access.
const BITS_PER_ACCESS: u64 = 64;

/// A layer as SCALE-SIM's input files describe it.
struct SystolicLayer {
    /// Index among the layers with weights.
    index: usize,
    /// Output pixels.
    pixels: u64,
    /// Products summed in one output value.
    terms: u64,
    /// Output channels.
    channels: u64,
}

/// Accesses of 64 bits to the weight memory for one image: TWMA, the paper's section 4 and tables 6
/// and 7, SCALE-SIM's `SRAM Filter Reads` divided by 8.
///
/// A layer reads all its weights once per 32 output pixels. Convolutions and linear layers count,
/// with 8 bits a weight; a learned image (`UIP`) does not.
pub fn weight_accesses(graph: &Graph) -> u64 {
    accesses_of(graph, &[])
}

/// The bits in which a memory holds a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBits {
    /// Bits of a weight; two words of 4 bits share a byte.
    pub weight: u32,
    /// Bits of a bias that is stored as a word, else 0.
    pub bias: u32,
}

impl Default for StoredBits {
    fn default() -> Self {
        Self { weight: 8, bias: 0 }
    }
}

/// The same where layers are stored in these bits; layers that are not listed have 8 a weight. A bias is read as one more
/// weight of its output channel is.
pub fn accesses_of(graph: &Graph, bits: &[StoredBits]) -> u64 {
    let reads = |l: SystolicLayer| {
        let StoredBits { weight, bias } = bits.get(l.index).copied().unwrap_or_default();
        let of_channel = l.terms * u64::from(weight) + u64::from(bias);
        l.pixels.div_ceil(SIDE) * l.channels * of_channel
    };
    layers(graph).map(reads).sum::<u64>().div_ceil(BITS_PER_ACCESS)
}

/// Cycles for one image, SCALE-SIM's `Total Cycles`: weights and pixels pass through the array in
/// tiles of 32 x 32 outputs, one after another, and memory never stalls it.
pub fn cycles(graph: &Graph) -> u64 {
    let tiles = |l: &SystolicLayer| l.pixels.div_ceil(SIDE) * l.channels.div_ceil(SIDE);
    // A tile needs one cycle per term, and 2 (32 - 1) more until the last corner has begun.
    layers(graph).map(|l| tiles(&l) * (l.terms + 2 * (SIDE - 1)) - 1).sum()
}

fn layers(graph: &Graph) -> impl Iterator<Item = SystolicLayer> {
    graph.nodes.iter().enumerate().filter_map(|(id, node)| layer(graph, id, node))
}

/// Zero padding enlarges the image, and a last window that a stride leaves incomplete counts. A transposed
/// convolution counts as a convolution of stride 1 on an image of twice the size plus 2, with inputs and
/// outputs exchanged.
fn layer(graph: &Graph, id: NodeId, node: &Node) -> Option<SystolicLayer> {
    let (layer, pixels, transposed) = match node.op {
        Op::Conv { layer, window, transposed, dilation } => {
            let [_, h, w] = graph.nodes[node.inputs[0]].chw.map(u64::from);
            // In the published input files the image of the UNets' last layer (a 1x1 convolution)
            // is enlarged by 2, like those of the 3x3 convolutions, although the layer has no
            // padding.
            let head = id == graph.output();
            let padding = |i: usize| {
                if head { 2 } else { u64::from(window.before[i]) + u64::from(window.after[i]) }
            };
            let (stride, image) = match transposed {
                true => ([1; 2], [2 * h + 2, 2 * w + 2]),
                false => (window.stride.map(u64::from), [h + padding(0), w + padding(1)]),
            };
            let windows = |i: usize| {
                let kernel = u64::from((window.kernel[i] - 1) * dilation[i] + 1);
                (image[i] + stride[i]).saturating_sub(kernel).div_ceil(stride[i]).max(1)
            };
            (layer, windows(0) * windows(1), transposed)
        }
        Op::Linear { layer } => (layer, 1, false),
        _ => return None,
    };
    let (index, shape) = (layer, graph.layers[layer].shape);
    let shape = if transposed { shape.transposed() } else { shape };
    let [r, s, c, k] = [shape.r, shape.s, shape.c, shape.k].map(u64::from);
    Some(SystolicLayer { index, pixels, terms: r * s * c, channels: k })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{models, shape::Window};

    #[test]
    fn one_layer_by_hand() {
        // The padded image has 34x34 pixels; windows of 3x3 at stride 2 give 16.5, hence 17 x 17
        // pixels, which take 10 rows of the array.
        let mut g = Graph::new("g", [3, 32, 32]);
        let x = g.conv(0, "a", 40, Window::square(3, 2, 1), true).unwrap();
        g.relu(x);
        assert_eq!(weight_accesses(&g), 10 * 27 * 40 / 8);
        assert_eq!(cycles(&g), 10 * 2 * (27 + 62) - 1);
        // Words of 16 bits take twice as many, words of 4 bits half of them.
        for (bits, accesses) in
            [(16, 2 * 10 * 27 * 40 / 8), (8, 10 * 27 * 5), (4, 10 * 27 * 40 / 16)]
        {
            let stored = StoredBits { weight: bits, bias: 0 };
            assert_eq!(accesses_of(&g, &[stored]), accesses, "{bits}");
        }
        // A bias of 32 bits is as much as four weights of 8.
        let with_bias = accesses_of(&g, &[StoredBits { weight: 8, bias: 32 }]);
        assert_eq!(with_bias, 10 * (27 + 4) * 40 / 8);
        // A linear layer reads each weight once, whatever the size of the image.
        let mut g = Graph::new("g", [3, 5, 7]);
        g.linear(0, "a", 3).unwrap();
        assert_eq!(weight_accesses(&g), (3 * 5 * 7 * 3u64).div_ceil(8));
        assert_eq!(cycles(&g), 105 + 61);
    }

    #[test]
    fn published_layers() {
        // Cycles of UNetS's layers from SCALE-SIM's COMPUTE_REPORT.
        let published = [
            2847, 4287, 1071, 1647, 411, 699, 699, 1275, 1139, 1275, 699, 1259, 2799, 1647, 3289,
            6591, 4287, 2589,
        ];
        let g = models::generator("UNetS", [3, 32, 32]).unwrap();
        let ours: Vec<u64> = layers(&g)
            .map(|l| l.pixels.div_ceil(32) * l.channels.div_ceil(32) * (l.terms + 62) - 1)
            .collect();
        assert_eq!(ours, published);
        assert_eq!(cycles(&g), published.iter().sum::<u64>());
    }
}
