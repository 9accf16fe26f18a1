//! Operators that only move elements, as a few simple moves: the same for constants and for tensors of the
//! network.

use super::{
    model::NodeProto,
    reasons::{Reason, Taken},
    value::{HostTensor, Numbers},
};
use std::rc::Rc;

/// One move of all elements of a tensor in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Other extents for the same elements in the same order.
    Reshape(Vec<usize>),
    /// Axis `i` of the result is axis `perm[i]`.
    Transpose(Vec<usize>),
    /// Along an axis, the elements with these indices.
    Pick(usize, Vec<usize>),
}

/// Whether [`moves`] knows an operator.
pub(super) fn is_move(op: &str) -> bool {
    matches!(
        op,
        "Identity"
            | "Reshape"
            | "Flatten"
            | "Squeeze"
            | "Unsqueeze"
            | "Transpose"
            | "Slice"
            | "Gather"
            | "Split"
            | "Expand"
            | "Tile"
            | "DepthToSpace"
            | "SpaceToDepth"
    )
}

/// The constant input of a node with an index; `None` if it is left out.
pub(super) type Inputs<'a> = &'a dyn Fn(usize) -> Taken<Option<Rc<HostTensor>>>;

/// The moves that make each output of a node of its first input, whose extents are `dims`.
pub(super) fn moves(node: &NodeProto, dims: &[usize], inputs: Inputs<'_>) -> Taken<Vec<Vec<Move>>> {
    let list = |name: &str, input: usize| list(node, name, input, inputs);
    let one = match node.op.as_str() {
        "Reshape" => {
            let wanted = list("shape", 1)?.ok_or_else(|| no_input("shape"))?;
            vec![Move::Reshape(reshaped(dims, &wanted, node.int("allowzero") == Some(1))?)]
        }
        "Flatten" => {
            let axis = node.int("axis").unwrap_or(1);
            let at =
                if axis == dims.len() as i64 { dims.len() } else { axis_of(axis, dims.len())? };
            let product = |dims: &[usize]| dims.iter().product();
            vec![Move::Reshape(vec![product(&dims[..at]), product(&dims[at..])])]
        }
        "Squeeze" => {
            let axes = match list("axes", 1)? {
                Some(axes) => axes_of(&axes, dims.len())?,
                None => (0..dims.len()).filter(|&i| dims[i] == 1).collect(),
            };
            if let Some(axis) = axes.iter().find(|&&axis| dims[axis] != 1) {
                let what = format!("it drops axis {axis} of {dims:?}, which is not 1");
                return Err(Reason::damaged(what));
            }
            let kept = (0..dims.len()).filter(|i| !axes.contains(i)).map(|i| dims[i]);
            vec![Move::Reshape(kept.collect())]
        }
        "Unsqueeze" => {
            let axes = list("axes", 1)?.ok_or_else(|| no_input("axes"))?;
            let axes = axes_of(&axes, dims.len() + axes.len())?;
            let mut rest = dims.iter();
            let all = (0..dims.len() + axes.len()).map(|i| match axes.contains(&i) {
                true => Some(1),
                false => rest.next().copied(),
            });
            vec![Move::Reshape(all.collect::<Option<_>>().ok_or_else(|| odd("axes", &axes))?)]
        }
        "Transpose" => {
            let perm = match node.ints("perm") {
                Some(perm) => axes_of(perm, dims.len())?,
                None => (0..dims.len()).rev().collect(),
            };
            let complete = perm.len() == dims.len() && (0..dims.len()).all(|i| perm.contains(&i));
            if !complete {
                return Err(odd("perm", &perm));
            }
            vec![Move::Transpose(perm)]
        }
        "Slice" => slices(dims, &list)?,
        "Gather" => {
            let indices = inputs(1)?.ok_or_else(|| no_input("indices"))?;
            gather(dims, axis_of(node.int("axis").unwrap_or(0), dims.len())?, &indices)?
        }
        "Split" => return split(node, dims, &list),
        "Expand" | "Tile" => {
            let wanted = list("shape", 1)?.ok_or_else(|| no_input("shape"))?;
            enlarged(dims, &wanted, node.op == "Tile")?
        }
        "DepthToSpace" | "SpaceToDepth" => blocks(node, dims)?,
        _ => Vec::new(),
    };
    Ok(vec![one])
}

/// A list of integers: an attribute, or an input of the same meaning. Newer operator sets made inputs of
/// attributes; a file has one or the other.
pub(super) fn list(
    node: &NodeProto,
    name: &str,
    input: usize,
    inputs: Inputs<'_>,
) -> Taken<Option<Vec<i64>>> {
    if let Some(list) = node.ints(name) {
        return Ok(Some(list.to_vec()));
    }
    let Some(value) = inputs(input)? else { return Ok(None) };
    match value.as_ints() {
        Some(list) => Ok(Some(list.to_vec())),
        None => Err(Reason::damaged(format!("its {name} are no integers"))),
    }
}

/// An axis that may count from the end.
pub(super) fn axis_of(axis: i64, rank: usize) -> Taken<usize> {
    let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let found = usize::try_from(counted).ok().filter(|&axis| axis < rank);
    found.ok_or_else(|| Reason::damaged(format!("axis {axis} of a tensor with {rank} axes")))
}

/// Axes that may count from the end, each once.
pub(super) fn axes_of(axes: &[i64], rank: usize) -> Taken<Vec<usize>> {
    let found = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Taken<Vec<_>>>()?;
    let twice = (1..found.len()).any(|i| found[..i].contains(&found[i]));
    if twice { Err(odd("axes", axes)) } else { Ok(found) }
}

fn odd(name: &str, list: &[impl std::fmt::Debug]) -> Reason {
    let shown = &list[..list.len().min(8)];
    Reason::damaged(format!("its {name} {shown:?} do not fit its input"))
}

fn no_input(name: &str) -> Reason {
    Reason::damaged(format!("it has no {name}"))
}

fn reshaped(dims: &[usize], wanted: &[i64], zero_is_zero: bool) -> Taken<Vec<usize>> {
    let all = dims.iter().product::<usize>();
    let resolved = |(i, &extent): (usize, &i64)| match extent {
        0 if !zero_is_zero => dims.get(i).copied(),
        -1 => Some(1),
        extent => usize::try_from(extent).ok(),
    };
    let misfit = || {
        let what = format!("it makes {wanted:?} of {dims:?}");
        Reason::new(what, super::reasons::SIZES)
    };
    let mut new =
        wanted.iter().enumerate().map(resolved).collect::<Option<Vec<_>>>().ok_or_else(misfit)?;
    let product = new.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if let Some(open) = wanted.iter().position(|&extent| extent == -1) {
        let quotient = product.filter(|&p| p > 0 && all.is_multiple_of(p)).map(|p| all / p);
        new[open] = quotient.ok_or_else(misfit)?;
        if wanted.iter().filter(|&&extent| extent == -1).count() > 1 {
            return Err(misfit());
        }
    } else if product != Some(all) {
        return Err(misfit());
    }
    Ok(new)
}

type List<'a> = &'a dyn Fn(&str, usize) -> Taken<Option<Vec<i64>>>;

fn slices(dims: &[usize], list: List<'_>) -> Taken<Vec<Move>> {
    let starts = list("starts", 1)?.ok_or_else(|| no_input("starts"))?;
    let ends = list("ends", 2)?.ok_or_else(|| no_input("ends"))?;
    let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(odd("starts", &starts));
    }
    let axes = axes_of(&axes, dims.len())?;
    let mut moves = Vec::new();
    for (i, &axis) in axes.iter().enumerate() {
        let (extent, step) = (dims[axis] as i64, steps[i]);
        if step == 0 {
            return Err(odd("steps", &steps));
        }
        // As in NumPy: what counts from the end is counted, and what lies outside is moved to the border.
        let from_end = |at: i64| if at < 0 { at.saturating_add(extent) } else { at };
        let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
        let (start, end) = (from_end(starts[i]).clamp(low.max(0), high.max(0)), from_end(ends[i]));
        let end = end.clamp(low, high);
        let mut at = start;
        let mut picked = Vec::new();
        while (step > 0 && at < end) || (step < 0 && at > end && at < extent) {
            picked.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
        moves.push(Move::Pick(axis, picked));
    }
    Ok(moves)
}

fn gather(dims: &[usize], axis: usize, indices: &HostTensor) -> Taken<Vec<Move>> {
    let list = indices.as_ints().unwrap_or_default();
    let index = |&at: &i64| {
        let at = if at < 0 { at.saturating_add(dims[axis] as i64) } else { at };
        usize::try_from(at).ok().filter(|&at| at < dims[axis])
    };
    let picked =
        list.iter().map(index).collect::<Option<Vec<_>>>().filter(|p| p.len() == indices.len());
    let picked = picked.ok_or_else(|| odd("indices", list))?;
    // The extents of the indices replace the axis: none for a single one.
    let mut new = dims.to_vec();
    new.splice(axis..=axis, indices.dims.iter().copied());
    Ok(vec![Move::Pick(axis, picked), Move::Reshape(new)])
}

fn split(node: &NodeProto, dims: &[usize], list: List<'_>) -> Taken<Vec<Vec<Move>>> {
    let axis = axis_of(node.int("axis").unwrap_or(0), dims.len())?;
    let (extent, parts) = (dims[axis], node.outputs.len().max(1));
    let sizes = match list("split", 1)? {
        Some(sizes) => sizes.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect(),
        None => {
            // The last part is smaller where the extent is no multiple.
            let each = extent.div_ceil(parts);
            (0..parts).map(|i| each.min(extent.saturating_sub(i * each))).collect::<Vec<_>>()
        }
    };
    let total = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    if total != Some(extent) || sizes.len() != parts {
        return Err(odd("split", &sizes));
    }
    let mut at = 0;
    let part = |&size: &usize| {
        at += size;
        vec![Move::Pick(axis, (at - size..at).collect())]
    };
    Ok(sizes.iter().map(part).collect())
}

/// Most elements along an axis that `Expand` and `Tile` make.
const LONGEST: usize = 1 << 20;

fn enlarged(dims: &[usize], wanted: &[i64], tile: bool) -> Taken<Vec<Move>> {
    let rank = dims.len().max(wanted.len());
    let mut padded = vec![1; rank - dims.len()];
    padded.extend(dims);
    let mut moves = vec![Move::Reshape(padded.clone())];
    for (axis, &extent) in wanted.iter().enumerate().map(|(i, n)| (rank - wanted.len() + i, n)) {
        let (own, extent) = (padded[axis], usize::try_from(extent).unwrap_or(usize::MAX));
        let count = if tile { extent.saturating_mul(own) } else { extent.max(own) };
        if (!tile && own != 1 && extent != 1 && extent != own) || count > LONGEST {
            return Err(odd("shape", wanted));
        }
        if count != own {
            moves.push(Move::Pick(axis, (0..count).map(|i| i % own.max(1)).collect()));
        }
    }
    Ok(moves)
}

fn blocks(node: &NodeProto, dims: &[usize]) -> Taken<Vec<Move>> {
    let size = node.int("blocksize").and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let (&[n, c, h, w], 1..) = (dims, size) else { return Err(odd("blocksize", &[size])) };
    let misfit =
        || Reason::new(format!("blocks of {size} do not divide {dims:?}"), super::reasons::SIZES);
    if node.op == "SpaceToDepth" {
        if !h.is_multiple_of(size) || !w.is_multiple_of(size) {
            return Err(misfit());
        }
        let (h, w) = (h / size, w / size);
        return Ok(vec![
            Move::Reshape(vec![n, c, h, size, w, size]),
            Move::Transpose(vec![0, 3, 5, 1, 2, 4]),
            Move::Reshape(vec![n, c * size * size, h, w]),
        ]);
    }
    if !c.is_multiple_of(size * size) {
        return Err(misfit());
    }
    let c = c / size / size;
    let (apart, order) = match node.text("mode") {
        Some("CRD") => (vec![n, c, size, size, h, w], vec![0, 1, 4, 2, 5, 3]),
        _ => (vec![n, size, size, c, h, w], vec![0, 3, 4, 1, 5, 2]),
    };
    Ok(vec![
        Move::Reshape(apart),
        Move::Transpose(order),
        Move::Reshape(vec![n, c, h * size, w * size]),
    ])
}

impl Move {
    /// Extents behind this move.
    pub(super) fn dims(&self, dims: &[usize]) -> Vec<usize> {
        match self {
            Self::Reshape(new) => new.clone(),
            Self::Transpose(perm) => perm.iter().map(|&axis| dims[axis]).collect(),
            Self::Pick(axis, picked) => {
                let mut new = dims.to_vec();
                new[*axis] = picked.len();
                new
            }
        }
    }

    /// For each element of the result, the index of the element before; `None` if none moves.
    pub(super) fn table(&self, dims: &[usize]) -> Option<Vec<u32>> {
        let strides = strides(dims);
        let new = self.dims(dims);
        let walk: Vec<(usize, usize)> = match self {
            Self::Reshape(_) => return None,
            Self::Transpose(perm) => perm.iter().map(|&axis| (dims[axis], strides[axis])).collect(),
            Self::Pick(axis, picked) => {
                if picked.iter().copied().eq(0..dims[*axis]) {
                    return None;
                }
                let inner = strides[*axis];
                let outer: usize = dims[..*axis].iter().product();
                let block = dims[*axis] * inner;
                let rows =
                    (0..outer).flat_map(|o| picked.iter().map(move |&p| o * block + p * inner));
                return Some(rows.flat_map(|row| (row..row + inner).map(|at| at as u32)).collect());
            }
        };
        let mut table = Vec::with_capacity(new.iter().product());
        let mut at = vec![0; walk.len()];
        let mut here = 0;
        for _ in 0..new.iter().product() {
            table.push(here as u32);
            for (axis, &(extent, stride)) in walk.iter().enumerate().rev() {
                at[axis] += 1;
                here += stride;
                if at[axis] < extent {
                    break;
                }
                here -= stride * extent;
                at[axis] = 0;
            }
        }
        Some(table)
    }
}

/// Distance of neighbours along each axis, in row-major order.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i];
    }
    strides
}

impl HostTensor {
    /// This tensor behind a move.
    pub(super) fn moved(&self, by: &Move) -> Self {
        let data = match by.table(&self.dims) {
            None => self.data.clone(),
            Some(table) => self.data.picked(&table),
        };
        Self { dims: by.dims(&self.dims), data }
    }
}

impl Numbers {
    /// The elements with these indices.
    pub(super) fn picked(&self, table: &[u32]) -> Self {
        match self {
            Self::Floats(list) => Self::Floats(table.iter().map(|&i| list[i as usize]).collect()),
            Self::Ints(list) => Self::Ints(table.iter().map(|&i| list[i as usize]).collect()),
        }
    }
}
