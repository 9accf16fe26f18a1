//! Where things are in a file, for whoever writes it anew: nodes are copied byte for byte, weights patched in
//! place.

use super::model::OnnxModel;
use std::{collections::BTreeMap, ops::Range};

/// Where things are in a file. Ranges of nodes, inputs and outputs are whole fields of the graph, their keys
/// included, as they can be copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// Nodes in the order of the file.
    pub nodes: Vec<Range<usize>>,
    /// Inputs by name; in old files also the stored tensors'.
    pub inputs: Vec<(String, Range<usize>)>,
    /// Outputs by name.
    pub outputs: Vec<(String, Range<usize>)>,
    /// Stored tensors by name; those of `Constant` nodes by the name of the node's output.
    pub tensors: BTreeMap<String, StoredTensor>,
}

/// Where a stored tensor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
    /// The whole field, its key included.
    pub range: Range<usize>,
    /// Its little-endian elements, where the file has them as bytes: others are lists of numbers, or in another
    /// file.
    pub raw: Option<Range<usize>>,
    /// Whether its elements lie in another file.
    pub external: bool,
    /// Number of its element type: 1 float, 10 float16, 11 double, 16 bfloat16.
    pub element_type: i64,
    /// Extents.
    pub shape: Vec<i64>,
}

impl Anatomy {
    /// Where things are in a model.
    pub(super) fn of(model: &OnnxModel) -> Self {
        let graph = &model.graph;
        let initialisers = graph.initialisers.iter().map(|tensor| (tensor.name.as_str(), tensor));
        let constants =
            graph.nodes.iter().filter(|node| node.op == "Constant").filter_map(|node| {
                Some((node.output(), node.attribute("value")?.tensor.as_ref()?))
            });
        let tensors = initialisers.chain(constants).map(|(name, tensor)| {
            let place = StoredTensor {
                range: tensor.range.clone(),
                raw: tensor.raw.clone().filter(|_| !tensor.external),
                external: tensor.external,
                element_type: tensor.kind,
                shape: tensor.dims.clone(),
            };
            (name.to_owned(), place)
        });
        let named = |list: &[super::model::ValueInfo]| {
            list.iter().map(|info| (info.name.clone(), info.range.clone())).collect()
        };
        Self {
            nodes: graph.nodes.iter().map(|node| node.range.clone()).collect(),
            inputs: named(&graph.inputs),
            outputs: named(&graph.outputs),
            tensors: tensors.collect(),
        }
    }
}
