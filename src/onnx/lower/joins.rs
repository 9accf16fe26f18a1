//! Operators of two and more tensors, and of tensors with constants.

use super::{
    super::{
        arithmetic::spread,
        model::NodeProto,
        moves::{Move, axis_of},
        reasons::{Reason, Taken},
        value::HostTensor,
    },
    Item, Lowering,
    activations::clip,
    tensor::{Operand, chw, small},
    unsupported::REPLACE,
};
use crate::{kernels::elementwise::pointwise::Pointwise, nn::Graph};

/// Most numbers of a constant that is another for each pixel.
const MOST_CONSTANTS: usize = 1 << 16;

impl Lowering<'_> {
    /// Sums, differences, products, quotients, extrema and powers.
    pub(super) fn arithmetic(&mut self, node: &NodeProto) -> Taken<Operand> {
        if let Some(y) = self.hard_swish(node)? {
            return Ok(y);
        }
        let items = node.inputs.iter().map(|name| self.item(name)).collect::<Taken<Vec<_>>>()?;
        let op = node.op.as_str();
        let mut rest = items.into_iter();
        let mut all = rest.next().ok_or_else(|| Reason::damaged("it has no inputs"))?;
        let count = node.inputs.len();
        if op == "Neg" {
            let Item::Operand(x) = all else {
                return Err(Reason::damaged("its input is constant"));
            };
            return self.scaled(&x, &HostTensor::ints(vec![-1]), |c| (c, 0.0));
        }
        for next in rest {
            all = self.pair(op, all, next)?;
        }
        let Item::Operand(y) = all else { return Err(Reason::damaged("its inputs are not there")) };
        if op == "Mean" {
            return self.scaled(&y, &HostTensor::ints(vec![count as i64]), |n| (1.0 / n, 0.0));
        }
        Ok(y)
    }

    /// Two items, of which one at least depends on the image, combined by an operator.
    pub(super) fn combined(&mut self, op: &str, a: Item, b: Item) -> Taken<Operand> {
        match self.pair(op, a, b)? {
            Item::Operand(y) => Ok(y),
            _ => Err(Reason::damaged("its inputs are not there")),
        }
    }

    fn pair(&mut self, op: &str, a: Item, b: Item) -> Taken<Item> {
        Ok(match (a, b) {
            (Item::Constant(a), Item::Constant(b)) => {
                let name = if matches!(op, "Sum" | "Mean") { "Add" } else { op };
                let value = super::super::arithmetic::combine(name, &a.value, &b.value)?;
                Item::Constant(super::super::value::Constant::made(value))
            }
            (Item::Operand(x), Item::Constant(c)) => {
                Item::Operand(self.with_constant(op, &x, &c.value, false)?)
            }
            (Item::Constant(c), Item::Operand(x)) => {
                Item::Operand(self.with_constant(op, &x, &c.value, true)?)
            }
            (Item::Operand(a), Item::Operand(b)) => Item::Operand(self.with_tensor(op, &a, &b)?),
            _ => Item::Unknown,
        })
    }

    fn with_constant(
        &mut self,
        op: &str,
        x: &Operand,
        c: &HostTensor,
        first: bool,
    ) -> Taken<Operand> {
        match (op, first) {
            ("Add" | "Sum" | "Mean", _) => self.scaled(x, c, |c| (1.0, c)),
            ("Sub", false) => self.scaled(x, c, |c| (1.0, -c)),
            ("Sub", true) => self.scaled(x, c, |c| (-1.0, c)),
            ("Mul", _) => self.scaled(x, c, |c| (c, 0.0)),
            ("Div", false) => self.scaled(x, c, |c| (1.0 / c, 0.0)),
            ("Max" | "Min", _) => {
                let single = "its bound is not one number";
                let bound = c.scalar().ok_or_else(|| Reason::new(single, REPLACE))?;
                let kind = if op == "Max" { clip(bound, f32::MAX) } else { clip(f32::MIN, bound) };
                match kind {
                    Some(kind) => self.pointwise(x, |graph, x| kind.of(graph, x)),
                    None => Ok(x.clone()),
                }
            }
            ("Pow", false) if c.scalar() == Some(2.0) => self.with_tensor("Mul", x, x),
            ("Pow", false) if c.scalar() == Some(1.0) => Ok(x.clone()),
            _ => {
                let what = match op {
                    "Div" => "it divides a constant by a tensor",
                    _ => "a power other than 1 and 2 is not computed",
                };
                Err(Reason::new(what, REPLACE))
            }
        }
    }

    fn with_tensor(&mut self, op: &str, a: &Operand, b: &Operand) -> Taken<Operand> {
        match op {
            "Add" | "Sum" | "Mean" => self.sum(a, b),
            "Sub" if a.dims != b.dims => {
                let what = "it subtracts a mean of each pixel or image: LayerNormalization in single steps is not computed";
                Err(Reason::new(what, "BatchNormalization is: use a network with it"))
            }
            "Sub" => {
                let minus = self.scaled(b, &HostTensor::ints(vec![-1]), |c| (c, 0.0))?;
                self.sum(a, &minus)
            }
            "Mul" => self.product(a, b),
            _ => {
                let what = "of two tensors that both depend on the image, it is not computed";
                Err(Reason::new(what, REPLACE))
            }
        }
    }

    /// The sum of two tensors with the same extents.
    pub(super) fn sum(&mut self, a: &Operand, b: &Operand) -> Taken<Operand> {
        if a.dims != b.dims {
            let what = format!("it adds {:?} and {:?} per image", a.dims, b.dims);
            return Err(Reason::new(
                what,
                "sums of tensors with the same extents can be run: expand one before",
            ));
        }
        self.together(a, b, Graph::add)
    }

    /// The product of two tensors with the same extents, or of one with single elements along some axes.
    fn product(&mut self, a: &Operand, b: &Operand) -> Taken<Operand> {
        if a.dims == b.dims {
            return self.together(a, b, Graph::multiply);
        }
        let smaller = |a: &[usize], b: &[usize]| {
            a.len() == b.len() && a.iter().zip(b).all(|(m, n)| m == n || *n == 1)
        };
        let (large, few) = if smaller(&a.dims, &b.dims) { (a, b) } else { (b, a) };
        if !smaller(&large.dims, &few.dims) {
            let what = format!("it multiplies {:?} and {:?} per image", a.dims, b.dims);
            return Err(Reason::new(
                what,
                "products with the same extents can be run, and with one number per channel",
            ));
        }
        // Axes with one number each come first, as channels; then those along which it is repeated.
        let repeated = |axis: &usize| few.dims[*axis] != large.dims[*axis];
        let rank = large.dims.len();
        let order: Vec<usize> =
            (0..rank).filter(|i| !repeated(i)).chain((0..rank).filter(repeated)).collect();
        let kept = (0..rank).filter(|i| !repeated(i)).count();
        let (large, few) = (self.permuted(large, &order)?, self.permuted(few, &order)?);
        let channels = small(large.dims[..kept].iter().product())?;
        let [h, w] = plane(&large.dims[kept..])?;
        let x = self.as_chw(&large, [channels, h, w])?;
        let gate = self.as_chw(&few, [channels, 1, 1])?;
        let y = Operand::new(self.graph.multiply(x, gate)?, large.dims);
        self.permuted(&y, &back(&order))
    }

    /// A node of two tensors with the same extents, without moves where both have the same pending.
    fn together(
        &mut self,
        a: &Operand,
        b: &Operand,
        join: impl FnOnce(&mut Graph, usize, usize) -> crate::Result<usize>,
    ) -> Taken<Operand> {
        let nodes = &self.graph.nodes;
        if nodes[a.node].chw == nodes[b.node].chw && a.is_like(b) && self.is_reordered(a) {
            let node = join(&mut self.graph, a.node, b.node)?;
            return Ok(Operand { node, ..a.clone() });
        }
        let target = match (a.is_plain(), b.is_plain()) {
            (true, _) => nodes[a.node].chw,
            (_, true) => nodes[b.node].chw,
            _ => chw(&a.dims)?,
        };
        let (first, second) = (self.as_chw(a, target)?, self.as_chw(b, target)?);
        Ok(Operand::new(join(&mut self.graph, first, second)?, a.dims.clone()))
    }

    /// `x scale + shift`, both functions of a constant that is one number, or one per channel.
    pub(super) fn scaled(
        &mut self,
        x: &Operand,
        constant: &HostTensor,
        of: impl Fn(f32) -> (f32, f32),
    ) -> Taken<Operand> {
        let list: Vec<(f32, f32)> = constant.floats().iter().map(|&c| of(c)).collect();
        if list.iter().any(|(scale, shift)| !scale.is_finite() || !shift.is_finite()) {
            return Err(Reason::new("its constant makes numbers that are not finite", REPLACE));
        }
        let full = x.full(1);
        let missing = full.len().checked_sub(constant.dims.len());
        let fits = missing.is_some_and(|missing| {
            constant.dims.iter().zip(&full[missing..]).all(|(own, to)| *own == 1 || own == to)
        });
        if !fits {
            let what =
                format!("its constant {:?} does not fit {:?} per image", constant.dims, x.dims);
            return Err(Reason::new(
                what,
                "constants of one number, or of one per channel, can be run",
            ));
        }
        let reordered = if self.is_reordered(x) {
            x.clone()
        } else {
            Operand::new(self.any(x)?, x.dims.clone())
        };
        if let [(scale, shift)] = list[..] {
            return self.pointwise(&reordered, |graph, x| {
                let c = graph.nodes[x].chw[0] as usize;
                graph.affine(x, &vec![scale; c], &vec![shift; c])
            });
        }
        let at = spread(&constant.dims, &full);
        if let Some([scale, shift]) = self.by_channel(&reordered, &at, &list) {
            return self.pointwise(&reordered, |graph, x| graph.affine(x, &scale, &shift));
        }
        // A number per element is one per channel of a single pixel.
        if x.len() > MOST_CONSTANTS {
            let what = format!("its constant {:?} is another for each pixel", constant.dims);
            return Err(Reason::new(
                what,
                "constants of one number, or of one per channel, can be run",
            ));
        }
        let vector = self.as_chw(x, [small(x.len())?, 1, 1])?;
        let (scale, shift): (Vec<f32>, Vec<f32>) = at.iter().map(|&i| list[i]).unzip();
        Ok(Operand::new(self.graph.affine(vector, &scale, &shift), x.dims.clone()))
    }

    /// Constants by channel of the node, if all elements of each channel have the same.
    fn by_channel(&self, x: &Operand, at: &[usize], list: &[(f32, f32)]) -> Option<[Vec<f32>; 2]> {
        let count = self.graph.nodes[x.node].chw[0] as usize;
        let mut found: Vec<Option<(f32, f32)>> = vec![None; count];
        for (channel, &i) in self.channels(x).into_iter().zip(at) {
            if *found[channel].get_or_insert(list[i]) != list[i] {
                return None;
            }
        }
        let (scale, shift) = found.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
        Some([scale, shift])
    }

    /// Axes in another order.
    pub(super) fn permuted(&self, x: &Operand, order: &[usize]) -> Taken<Operand> {
        if order.iter().copied().eq(0..order.len()) {
            Ok(x.clone())
        } else {
            self.moved_inside(x, &Move::Transpose(order.to_vec()))
        }
    }

    /// `Concat` along any axis but the batch.
    pub(super) fn concat(&mut self, node: &NodeProto) -> Taken<Operand> {
        let mut parts = Vec::new();
        for i in 0..node.inputs.len() {
            parts.push(self.tensor(node, i)?);
        }
        self.joined(node, &parts)
    }

    /// Tensors joined along the axis that a node names.
    pub(super) fn joined(&mut self, node: &NodeProto, parts: &[Operand]) -> Taken<Operand> {
        let rank = parts.first().map_or(0, |first| first.dims.len());
        let axis = axis_of(node.int("axis").unwrap_or(1), rank + 1)?;
        let Some(axis) = axis.checked_sub(1) else {
            return Err(Reason::new(
                "it joins images of a batch",
                "images of a batch must stay apart",
            ));
        };
        let order: Vec<usize> =
            std::iter::once(axis).chain((0..rank).filter(|&i| i != axis)).collect();
        let mut nodes = Vec::new();
        let mut dims = Vec::new();
        for part in parts {
            if part.dims.len() != rank {
                return Err(Reason::damaged("it joins tensors with other numbers of axes"));
            }
            let part = self.permuted(part, &order)?;
            if dims.is_empty() {
                dims = part.dims.clone();
                dims[0] = 0;
            }
            if part.dims[1..] != dims[1..] {
                let what = format!("it joins {:?} with {:?}", part.dims, dims);
                return Err(Reason::new(what, super::super::reasons::SIZES));
            }
            dims[0] += part.dims[0];
            let [h, w] = plane(&part.dims[1..])?;
            nodes.push(self.as_chw(&part, [small(part.dims[0])?, h, w])?);
        }
        let joined = self.tree(&nodes)?;
        self.permuted(&Operand::new(joined, dims), &back(&order))
    }

    /// Concatenates halves of a list, so that no element moves more often than the logarithm of its length.
    fn tree(&mut self, nodes: &[usize]) -> Taken<usize> {
        match nodes {
            [] => Err(Reason::damaged("it joins nothing")),
            [one] => Ok(*one),
            _ => {
                let (left, right) = nodes.split_at(nodes.len().div_ceil(2));
                let (left, right) = (self.tree(left)?, self.tree(right)?);
                Ok(self.graph.concat(left, right)?)
            }
        }
    }

    /// `x clip(x + 3, 0, 6) / 6` in four nodes, in either order of the last two.
    fn hard_swish(&mut self, node: &NodeProto) -> Taken<Option<Operand>> {
        let Some((x, ends)) = self.hard_swish_from(node) else { return Ok(None) };
        let Item::Operand(x) = self.item(&x)? else { return Ok(None) };
        let y = self.pointwise(&x, |graph, x| graph.pointwise(x, Pointwise::HardSwish))?;
        for end in ends {
            self.fuse(end, &y);
        }
        Ok(Some(y))
    }

    /// The input and the later nodes of a `HardSwish` that begins with this `Add`.
    fn hard_swish_from(&mut self, add: &NodeProto) -> Option<(String, [usize; 3])> {
        if add.op != "Add" {
            return None;
        }
        let (x, _) = self.operands(add, 3.0)?;
        let (at, bounds) = self.sole_reader(add.output()).filter(|(_, node)| node.op == "Clip")?;
        let bound = |lowering: &mut Self, i: usize, name: &str| match bounds.float(name) {
            Some(bound) => Some(bound),
            None => lowering.constant(bounds, i).ok().flatten()?.value.scalar(),
        };
        if (bound(self, 1, "min"), bound(self, 2, "max")) != (Some(0.0), Some(6.0)) {
            return None;
        }
        let times = |node: &NodeProto, value: &str| {
            let reads = |a, b| node.input(a) == Some(x.as_str()) && node.input(b) == Some(value);
            node.op == "Mul" && (reads(0, 1) || reads(1, 0))
        };
        let (second, next) = self.sole_reader(bounds.output())?;
        let (third, last) = self.sole_reader(next.output())?;
        let whole = if times(next, bounds.output()) {
            self.is_sixth(last, next.output())
        } else {
            times(last, next.output()) && self.is_sixth(next, bounds.output())
        };
        whole.then_some((x, [at, second, third]))
    }

    /// The other operand of a node with this constant.
    fn operands(&mut self, node: &NodeProto, constant: f32) -> Option<(String, usize)> {
        let [a, b] = &node.inputs[..] else { return None };
        for (i, (x, c)) in [(a, b), (b, a)].into_iter().enumerate() {
            if let Ok(Item::Constant(found)) = self.item(c)
                && found.value.scalar() == Some(constant)
            {
                return Some((x.clone(), 1 - i));
            }
        }
        None
    }

    /// Whether a node is a sixth of a value.
    fn is_sixth(&mut self, node: &NodeProto, value: &str) -> bool {
        let divides = node.op == "Div" && self.operands(node, 6.0) == Some((value.to_owned(), 1));
        let sixth = 1.0 / 6.0;
        divides || node.op == "Mul" && self.operands(node, sixth).is_some_and(|(x, _)| x == value)
    }
}

/// Rows and columns that these axes are together.
fn plane(dims: &[usize]) -> Taken<[u32; 2]> {
    Ok(match *dims {
        [] => [1, 1],
        [ref rows @ .., w] => [small(rows.iter().product())?, small(w)?],
    })
}

/// The order of axes that undoes another.
fn back(order: &[usize]) -> Vec<usize> {
    let mut back = vec![0; order.len()];
    for (i, &axis) in order.iter().enumerate() {
        back[axis] = i;
    }
    back
}
