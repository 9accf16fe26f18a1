//! Tensors of the network while it is built: a node, extents, and moves that are still pending.
//!
//! Moves wait until an operator needs an image, so that two that undo each other (NHWC to NCHW and back)
//! cost nothing, and a chain of them (a channel shuffle) is one table.

use super::{
    super::{
        moves::Move,
        reasons::{Reason, Taken},
    },
    Lowering,
};
use crate::nn::{Graph, NodeId};
use std::rc::Rc;

/// A tensor of the network.
#[derive(Clone, Debug)]
pub(in super::super) struct Operand {
    /// The node whose elements it has.
    pub(in super::super) node: NodeId,
    /// Extents without the batch; the order of elements is row-major.
    pub(in super::super) dims: Vec<usize>,
    /// Where its elements are in the node's, in logical order C, H, W; `None` if they are those in order.
    pub(super) view: Option<Rc<View>>,
    /// Zeros around the image that are still to be added: above, left, below, right. `dims` include them.
    pub(super) frame: [usize; 4],
}

#[derive(Debug)]
pub(in super::super) struct View {
    table: Vec<u32>,
    fill: f32,
}

/// Most elements of one image of a tensor that is moved by a table.
const LARGEST: usize = 1 << 26;

/// The index of an element that is constant.
const CONSTANT: u32 = u32::MAX;

impl Operand {
    /// All elements of a node in order.
    pub(in super::super) fn new(node: NodeId, dims: Vec<usize>) -> Self {
        Self { node, dims, view: None, frame: [0; 4] }
    }

    /// Number of elements of one image.
    pub(in super::super) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether elements without a source, of its frame or its view, have another value than this one.
    pub(super) fn is_filled_otherwise(&self, fill: f32) -> bool {
        let view = self.view.as_ref();
        self.frame != [0; 4] && fill != 0.0
            || view.is_some_and(|view| view.table.contains(&CONSTANT) && view.fill != fill)
    }

    /// Whether its elements are those of its node in order.
    pub(super) fn is_plain(&self) -> bool {
        self.view.is_none() && self.frame == [0; 4]
    }

    /// Whether both have their elements in the same places of nodes of one shape.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let views = match (&self.view, &other.view) {
            (None, None) => true,
            (Some(a), Some(b)) => Rc::ptr_eq(a, b) || (a.table == b.table && a.fill == b.fill),
            _ => false,
        };
        views && self.frame == other.frame
    }

    /// Extents with the batch.
    pub(in super::super) fn full(&self, batch: usize) -> Vec<usize> {
        [&[batch], &self.dims[..]].concat()
    }
}

/// The shape of an image that has these extents: vectors are channels, sequences one row.
pub(super) fn chw(dims: &[usize]) -> Taken<[u32; 3]> {
    let [c, h, w] = match *dims {
        [] => [1, 1, 1],
        [c] => [c, 1, 1],
        [c, w] => [c, 1, w],
        [c, ref middle @ .., w] => [c, middle.iter().product(), w],
    };
    Ok([small(c)?, small(h)?, small(w)?])
}

/// A size in 32 bits.
pub(super) fn small(n: usize) -> Taken<u32> {
    u32::try_from(n).map_err(|_| Reason::damaged(format!("{n} elements along one axis")))
}

impl Lowering<'_> {
    /// The tensor behind a move that leaves the batch alone.
    pub(in super::super) fn moved(&self, tensor: &Operand, by: &Move) -> Taken<Operand> {
        let batch = self.batch;
        let apart = |what: &str| {
            let what = format!("it {what} the batch");
            Reason::new(
                what,
                "images of a batch must stay apart: export the network for one image, or change the layer",
            )
        };
        let inner = match by {
            Move::Reshape(dims) => {
                let rest: usize = dims.get(1..).unwrap_or_default().iter().product();
                if dims.first() != Some(&batch) || rest != tensor.len() {
                    return Err(apart("reshapes"));
                }
                let tensor = self.unframed(tensor)?;
                return Ok(Operand { dims: dims[1..].to_vec(), ..tensor });
            }
            Move::Transpose(perm) => match perm.split_first() {
                Some((0, rest)) => Move::Transpose(rest.iter().map(|axis| axis - 1).collect()),
                _ => return Err(apart("transposes")),
            },
            Move::Pick(0, picked) if picked.iter().copied().eq(0..batch) => {
                return Ok(tensor.clone());
            }
            Move::Pick(0, _) => return Err(apart("takes a part of")),
            Move::Pick(axis, picked) => Move::Pick(axis - 1, picked.clone()),
        };
        self.moved_inside(tensor, &inner)
    }

    /// The tensor behind a move of each image.
    pub(super) fn moved_inside(&self, tensor: &Operand, by: &Move) -> Taken<Operand> {
        if let Move::Pick(axis, picked) = by {
            let mut seen = vec![false; tensor.dims[*axis]];
            if picked.iter().any(|&at| std::mem::replace(&mut seen[at], true)) {
                let advice = "copies of parts of a tensor are not made: change the layer";
                return Err(Reason::new("it takes an element more than once", advice));
            }
            if picked.is_empty() {
                return Err(Reason::damaged("it leaves nothing"));
            }
        }
        let tensor = self.unframed(tensor)?;
        let Some(table) = checked(tensor.len()).map(|()| by.table(&tensor.dims))? else {
            return Ok(Operand { dims: by.dims(&tensor.dims), ..tensor });
        };
        Ok(self.viewed(&tensor, table, 0.0, by.dims(&tensor.dims)))
    }

    /// The elements of `tensor` with these indices, or `fill`.
    fn viewed(&self, tensor: &Operand, table: Vec<u32>, fill: f32, dims: Vec<usize>) -> Operand {
        let (table, fill) = match &tensor.view {
            None => (table, fill),
            Some(view) => {
                let through = |&at: &u32| if at == CONSTANT { at } else { view.table[at as usize] };
                let own = view.table.contains(&CONSTANT);
                (table.iter().map(through).collect(), if own { view.fill } else { fill })
            }
        };
        let all: usize = self.graph.nodes[tensor.node].chw.iter().map(|&n| n as usize).product();
        let in_order =
            table.len() == all && table.iter().enumerate().all(|(i, &at)| at as usize == i);
        let view = (!in_order).then(|| Rc::new(View { table, fill }));
        Operand { node: tensor.node, dims, view, frame: [0; 4] }
    }

    /// The tensor with constant elements around it: `before` and `after` each axis.
    pub(super) fn padded(
        &self,
        tensor: &Operand,
        before: &[usize],
        after: &[usize],
        fill: f32,
    ) -> Taken<Operand> {
        let tensor = &self.unframed(tensor)?;
        if tensor.is_filled_otherwise(fill) {
            let what = "it pads with another value than the padding before it";
            return Err(Reason::new(what, "pad once, or with the same value"));
        }
        let extent = |i: usize| {
            tensor.dims[i]
                .checked_add(before[i])
                .and_then(|n| n.checked_add(after[i]))
                .unwrap_or(usize::MAX)
        };
        let dims: Vec<usize> = (0..tensor.dims.len()).map(extent).collect();
        checked(dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX))?;
        let mut table = vec![0];
        for (i, &extent) in dims.iter().enumerate() {
            let (inside, own) = (before[i]..before[i] + tensor.dims[i], tensor.dims[i]);
            let along = |at: u32| {
                let inside = inside.clone();
                (0..extent).map(move |j| match at != CONSTANT && inside.contains(&j) {
                    true => at * own as u32 + (j - inside.start) as u32,
                    false => CONSTANT,
                })
            };
            table = table.iter().flat_map(|&at| along(at)).collect();
        }
        Ok(self.viewed(tensor, table, fill, dims))
    }

    /// The tensor with its frame of zeros, which no convolution takes, among its elements.
    pub(super) fn unframed(&self, tensor: &Operand) -> Taken<Operand> {
        let [top, left, bottom, right] = tensor.frame;
        let &[c, h, w] = &tensor.dims[..] else { return Ok(tensor.clone()) };
        if tensor.frame == [0; 4] {
            return Ok(tensor.clone());
        }
        let inner = Operand {
            dims: vec![c, h - top - bottom, w - left - right],
            frame: [0; 4],
            ..tensor.clone()
        };
        self.padded(&inner, &[0, top, left], &[0, bottom, right], 0.0)
    }

    /// A node that has the elements in order as an image of this shape.
    pub(in super::super) fn as_chw(&mut self, tensor: &Operand, chw: [u32; 3]) -> Taken<NodeId> {
        let tensor = self.unframed(tensor)?;
        let product = chw.iter().try_fold(1usize, |n, &d| n.checked_mul(d as usize));
        if product != Some(tensor.len()) {
            let what =
                format!("it takes {chw:?} as channels, rows and columns of {:?}", tensor.dims);
            return Err(Reason::new(what, super::super::reasons::SIZES));
        }
        if tensor.view.is_none() && self.graph.nodes[tensor.node].chw == chw {
            return Ok(tensor.node);
        }
        let made = self
            .made
            .iter()
            .find(|(of, shape, _)| of.node == tensor.node && *shape == chw && of.is_like(&tensor));
        if let Some((_, _, node)) = made {
            return Ok(*node);
        }
        checked(tensor.len())?;
        let (table, fill) = match &tensor.view {
            Some(view) => (view.table.clone(), view.fill),
            None => ((0..small(tensor.len())?).collect(), 0.0),
        };
        let node = self.graph.rearrange(tensor.node, table, fill, chw)?;
        self.made.push((tensor, chw, node));
        Ok(node)
    }

    /// A node that has the tensor as an image: `[C, H, W]`, or `[C, L]` as one row.
    pub(super) fn image(&mut self, tensor: &Operand) -> Taken<NodeId> {
        match tensor.dims.len() {
            2 | 3 => self.as_chw(tensor, chw(&tensor.dims)?),
            rank => {
                let what = format!("it works on {rank} axes per image");
                Err(Reason::new(
                    what,
                    "images with channels, rows and columns, or sequences, can be run",
                ))
            }
        }
    }

    /// A node with all elements, whose shape does not matter: that of the tensor if it has them in order.
    pub(super) fn any(&mut self, tensor: &Operand) -> Taken<NodeId> {
        if tensor.is_plain() {
            return Ok(tensor.node);
        }
        self.as_chw(tensor, chw(&tensor.dims)?)
    }

    /// Applies a function of single elements, before the pending moves where these only reorder.
    pub(super) fn pointwise(
        &mut self,
        tensor: &Operand,
        apply: impl FnOnce(&mut Graph, NodeId) -> NodeId,
    ) -> Taken<Operand> {
        if self.is_reordered(tensor) {
            let node = apply(&mut self.graph, tensor.node);
            return Ok(Operand { node, ..tensor.clone() });
        }
        let node = self.any(tensor)?;
        Ok(Operand::new(apply(&mut self.graph, node), tensor.dims.clone()))
    }

    /// Whether it has all elements of its node, each once, in whatever order.
    pub(super) fn is_reordered(&self, tensor: &Operand) -> bool {
        let all: usize = self.graph.nodes[tensor.node].chw.iter().map(|&n| n as usize).product();
        // No element is taken twice, so that as many as there are, are all of them.
        let complete = |view: &View| view.table.len() == all && !view.table.contains(&CONSTANT);
        tensor.frame == [0; 4] && tensor.view.as_deref().is_none_or(complete)
    }

    /// For each element, its channel in the node.
    pub(super) fn channels(&self, tensor: &Operand) -> Vec<usize> {
        let [_, h, w] = self.graph.nodes[tensor.node].chw;
        let plane = (h * w).max(1) as usize;
        match &tensor.view {
            Some(view) => view.table.iter().map(|&at| at as usize / plane).collect(),
            None => (0..tensor.len()).map(|at| at / plane).collect(),
        }
    }
}

fn checked(elements: usize) -> Taken<()> {
    if elements <= LARGEST {
        return Ok(());
    }
    let what = format!("it moves {elements} elements of an image");
    Err(Reason::new(what, "take smaller images: at most 67,108,864 elements are moved by a table"))
}
