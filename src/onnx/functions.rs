//! Functions of constants that are neither moves nor arithmetic.

use super::{
    arithmetic::{broadcast, combine, spread},
    budget::{Budget, bytes_of},
    element_type::is_float,
    model::NodeProto,
    moves::{Inputs, axes_of, axis_of, list},
    reasons::{Reason, Taken},
    value::{Constant, HostTensor, Numbers},
};

/// The extents of a tensor, or those from `start` to `end`.
pub(super) fn shape_of(node: &NodeProto, dims: &[usize]) -> Taken<HostTensor> {
    let rank = dims.len() as i64;
    let at = |axis: i64| {
        let counted = if axis < 0 { axis.saturating_add(rank) } else { axis };
        usize::try_from(counted.clamp(0, rank)).unwrap_or(0)
    };
    let (start, end) = (at(node.int("start").unwrap_or(0)), at(node.int("end").unwrap_or(rank)));
    let part = dims.get(start..end.max(start)).unwrap_or_default();
    Ok(HostTensor::ints(part.iter().map(|&extent| extent as i64).collect()))
}

pub(super) fn extents(value: &HostTensor) -> Taken<Vec<usize>> {
    let list = value.as_ints().unwrap_or_default();
    let dims = list.iter().map(|&extent| usize::try_from(extent)).collect::<Result<Vec<_>, _>>();
    dims.ok().filter(|dims| dims.len() == value.len()).ok_or_else(|| {
        let what = format!("its shape {:?} is none", &list[..list.len().min(8)]);
        Reason::damaged(what)
    })
}

/// Other element types: all that matters here is floats or integers, truth values as 0 and 1.
pub(super) fn cast(value: &HostTensor, kind: i64) -> HostTensor {
    let data = match &value.data {
        Numbers::Ints(list) if is_float(kind) => {
            Numbers::Floats(list.iter().map(|&v| v as f32).collect())
        }
        Numbers::Floats(list) if kind == 9 => {
            Numbers::Ints(list.iter().map(|&v| i64::from(v != 0.0)).collect())
        }
        Numbers::Ints(list) if kind == 9 => {
            Numbers::Ints(list.iter().map(|&v| i64::from(v != 0)).collect())
        }
        // Rust's `as` takes the nearest integer there is, and 0 for what is no number.
        Numbers::Floats(list) if !is_float(kind) => {
            Numbers::Ints(list.iter().map(|&v| v as i64).collect())
        }
        other => other.clone(),
    };
    HostTensor { dims: value.dims.clone(), data }
}

pub(super) fn range(
    start: &HostTensor,
    limit: &HostTensor,
    step: &HostTensor,
    budget: &mut Budget,
) -> Taken<HostTensor> {
    let odd = || Reason::damaged("its range has no end");
    if let (Some(&[start]), Some(&[limit]), Some(&[step])) =
        (start.as_ints(), limit.as_ints(), step.as_ints())
    {
        let span = limit.checked_sub(start).ok_or_else(odd)?;
        let count = span.checked_div(step).ok_or_else(odd)?
            + i64::from(span.checked_rem(step).unwrap_or(0) != 0);
        let count = usize::try_from(count.max(0)).map_err(|_| odd())?;
        budget.take(bytes_of(&[count]))?;
        return Ok(HostTensor::ints((0..count as i64).map(|i| start + i * step).collect()));
    }
    let (Some(start), Some(limit), Some(step)) = (start.scalar(), limit.scalar(), step.scalar())
    else {
        return Err(odd());
    };
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() {
        return Err(odd());
    }
    let count = count as usize;
    budget.take(bytes_of(&[count]))?;
    let data = Numbers::Floats((0..count).map(|i| start + i as f32 * step).collect());
    Ok(HostTensor { dims: vec![count], data })
}

pub(super) fn select(
    condition: &HostTensor,
    a: &HostTensor,
    b: &HostTensor,
    budget: &mut Budget,
) -> Taken<HostTensor> {
    let dims = broadcast(&a.dims, &b.dims).and_then(|dims| broadcast(&dims, &condition.dims));
    let dims = dims.ok_or_else(|| Reason::damaged("its constants do not fit together"))?;
    budget.take(bytes_of(&dims))?;
    let conditions = condition.floats();
    let chosen = spread(&condition.dims, &dims).into_iter().map(|i| conditions[i] != 0.0);
    let pairs = chosen.zip(spread(&a.dims, &dims).into_iter().zip(spread(&b.dims, &dims)));
    let data = match (&a.data, &b.data) {
        (Numbers::Ints(a), Numbers::Ints(b)) => {
            Numbers::Ints(pairs.map(|(first, (i, j))| if first { a[i] } else { b[j] }).collect())
        }
        _ => {
            let (a, b) = (a.floats(), b.floats());
            Numbers::Floats(pairs.map(|(first, (i, j))| if first { a[i] } else { b[j] }).collect())
        }
    };
    Ok(HostTensor { dims, data })
}

pub(super) fn concat(
    node: &NodeProto,
    inputs: &[Option<Constant>],
    budget: &mut Budget,
) -> Taken<Constant> {
    let parts: Vec<&HostTensor> =
        inputs.iter().flatten().map(|constant| &*constant.value).collect();
    let odd = || Reason::damaged("its constants do not fit together");
    let first = *parts.first().ok_or_else(odd)?;
    let axis = axis_of(node.int("axis").unwrap_or(0), first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for part in &parts {
        let others = part.dims.len() == dims.len()
            && (0..dims.len()).all(|i| i == axis || part.dims[i] == dims[i]);
        if !others {
            return Err(odd());
        }
        dims[axis] += part.dims[axis];
    }
    budget.take(bytes_of(&dims))?;
    let outer: usize = dims[..axis].iter().product();
    let rows = |value: &HostTensor| value.len() / outer.max(1);
    let data = if parts.iter().all(|part| matches!(part.data, Numbers::Ints(_))) {
        let row = |o: usize, part: &&HostTensor| {
            part.as_ints().unwrap_or_default()[o * rows(part)..][..rows(part)].to_vec()
        };
        Numbers::Ints(
            (0..outer).flat_map(|o| parts.iter().flat_map(move |part| row(o, part))).collect(),
        )
    } else {
        let row =
            |o: usize, part: &&HostTensor| part.floats()[o * rows(part)..][..rows(part)].to_vec();
        Numbers::Floats(
            (0..outer).flat_map(|o| parts.iter().flat_map(move |part| row(o, part))).collect(),
        )
    };
    Ok(Constant::made(HostTensor { dims, data }))
}

/// Sums, products and extrema over all elements, or along axes, of small constants.
pub(super) fn reduced(node: &NodeProto, x: &HostTensor, given: Inputs<'_>) -> Taken<HostTensor> {
    let axes = match list(node, "axes", 1, given)? {
        Some(axes) => axes_of(&axes, x.dims.len())?,
        None => (0..x.dims.len()).collect(),
    };
    if axes.len() != x.dims.len() {
        let what = format!("{} of a constant along some of its axes", node.op);
        return Err(Reason::new(what, "fold constants before: python -m onnxsim in.onnx out.onnx"));
    }
    let op = match node.op.as_str() {
        "ReduceProd" => "Mul",
        "ReduceSum" => "Add",
        "ReduceMin" => "Min",
        _ => "Max",
    };
    let kept = node.int("keepdims").unwrap_or(1) != 0;
    let dims = if kept { vec![1; x.dims.len()] } else { Vec::new() };
    let single = |i: usize| HostTensor { dims: Vec::new(), data: x.data.picked(&[i as u32]) };
    let mut all = match x.len() {
        0 => return Err(Reason::damaged("it reduces nothing")),
        _ => single(0),
    };
    for i in 1..x.len() {
        all = combine(op, &all, &single(i))?;
    }
    Ok(HostTensor { dims, data: all.data })
}
