//! Operators that move elements, and padding.

use super::{
    super::{
        model::NodeProto,
        moves::{list, moves},
        reasons::{Reason, Taken},
        value::HostTensor,
    },
    Item, Lowering,
    tensor::Operand,
    unsupported::REPLACE,
};
use std::rc::Rc;

impl Lowering<'_> {
    /// Operators that only move elements of each image.
    pub(super) fn move_elements(&mut self, node: &NodeProto) -> Taken<Vec<Item>> {
        let x = self.tensor(node, 0)?;
        let constants = self.constants_behind(node)?;
        let given = |i: usize| Ok(constants.get(i).cloned().flatten());
        let mut outputs = Vec::new();
        for steps in moves(node, &x.full(self.batch), &given)? {
            let mut y = x.clone();
            for step in &steps {
                y = self.moved(&y, step)?;
            }
            outputs.push(Item::Operand(y));
        }
        Ok(outputs)
    }

    /// All inputs behind the first, which are constants.
    fn constants_behind(&mut self, node: &NodeProto) -> Taken<Vec<Option<Rc<HostTensor>>>> {
        let mut constants = vec![None];
        for i in 1..node.inputs.len() {
            constants.push(self.constant(node, i)?.map(|constant| constant.value));
        }
        Ok(constants)
    }

    /// `Pad` with a constant. Zeros around an image wait for a convolution.
    pub(super) fn pad(&mut self, node: &NodeProto) -> Taken<Operand> {
        let x = self.tensor(node, 0)?;
        match node.text("mode") {
            None | Some("constant") => {}
            Some(mode) => {
                let what = format!("it pads with {mode}");
                return Err(Reason::new(
                    what,
                    "padding with a constant can be run: change the layer",
                ));
            }
        }
        let constants = self.constants_behind(node)?;
        let given = |i: usize| Ok(constants.get(i).cloned().flatten());
        let pads = match node.ints("paddings") {
            Some(pads) => Some(pads.to_vec()),
            None => list(node, "pads", 1, &given)?,
        };
        let pads = pads.ok_or_else(|| Reason::damaged("it has no pads"))?;
        let rank = x.dims.len() + 1;
        let axes = match given(3)?.as_deref().map(HostTensor::as_ints) {
            Some(Some(axes)) => super::super::moves::axes_of(axes, rank)?,
            _ => (0..rank).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(Reason::damaged(format!(
                "it has {} pads for {} axes",
                pads.len(),
                axes.len()
            )));
        }
        let fill = match given(2)? {
            Some(value) => {
                value.scalar().ok_or_else(|| Reason::damaged("its value is no single number"))?
            }
            None => node.float("value").unwrap_or(0.0),
        };
        // The constant around a quantised tensor is a word like those inside.
        let fill = self.words_in(node.input(0)).map_or(fill, |words| words.value(fill));
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        for (i, &axis) in axes.iter().enumerate() {
            let size = |pad: i64| {
                let advice = "crop with Slice instead";
                usize::try_from(pad).map_err(|_| Reason::new(format!("it pads by {pad}"), advice))
            };
            (before[axis], after[axis]) = (size(pads[i])?, size(pads[i + axes.len()])?);
        }
        if (before[0], after[0]) != (0, 0) {
            return Err(Reason::new("it adds images to the batch", REPLACE));
        }
        if !fill.is_finite() {
            return Err(Reason::new(format!("it pads with {fill}"), REPLACE));
        }
        // A view has one value where it has no source: padding with another one is a step of its own.
        let x = if x.is_filled_otherwise(fill) {
            let x = self.unframed(&x)?;
            Operand::new(self.any(&x)?, x.dims)
        } else {
            x
        };
        let image = fill == 0.0 && rank == 4 && (before[1], after[1]) == (0, 0);
        if image && self.feeds_convolutions(node) {
            let x = self.unframed(&x)?;
            let large = |n: &usize| *n > 1 << 16;
            if before.iter().chain(&after).any(large) {
                return Err(Reason::damaged("it pads by more than 65,536 pixels"));
            }
            let dims = (0..3).map(|i| x.dims[i] + before[i + 1] + after[i + 1]).collect();
            return Ok(Operand { dims, frame: [before[2], before[3], after[2], after[3]], ..x });
        }
        self.padded(&x, &before[1..], &after[1..], fill)
    }

    /// Whether only convolutions read the output of a node.
    fn feeds_convolutions(&self, node: &NodeProto) -> bool {
        let readers = self.readers.get(node.output()).map_or(&[][..], Vec::as_slice);
        let nodes = &self.model.graph.nodes;
        readers.iter().all(|&i| nodes.get(i).is_some_and(|node| node.op == "Conv"))
    }
}
