//! Constants that are computed on the host: shapes of tensors, and what becomes of stored tensors before they
//! are used.
//!
//! A budget for all results together keeps a small file from asking for much memory.

use super::{
    arithmetic::{broadcast, combine, is_binary, is_unary, map, spread},
    model::{Model, NodeProto},
    moves::{Move, axes_of, is_move, list, moves},
    reasons::{Reason, Taken},
    value::{Constant, Data, Value, decode, is_float, kind_name},
};
use std::{path::Path, rc::Rc};

/// Bytes that constants may still take.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    /// For a file with this many bytes: what it stores, as 8 bytes per element at most, and 64 MiB.
    pub(super) fn new(file: usize) -> Self {
        Self(file.saturating_mul(4).saturating_add(64 << 20))
    }

    /// Adds what a file beside the file stores.
    pub(super) fn grow(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes.saturating_mul(4));
    }

    /// Takes bytes away.
    pub(super) fn take(&mut self, bytes: Option<usize>) -> Taken<()> {
        let left = bytes.and_then(|bytes| self.0.checked_sub(bytes));
        let advice = "fold constants before: python -m onnxsim in.onnx out.onnx";
        self.0 =
            left.ok_or_else(|| Reason::new("its constants would take too much memory", advice))?;
        Ok(())
    }
}

/// Bytes of a tensor with these extents, as 8 per element.
fn bytes_of(dims: &[usize]) -> Option<usize> {
    let count = dims.iter().try_fold(8usize, |product, &extent| product.checked_mul(extent));
    count.filter(|&bytes| u32::try_from(bytes / 8).is_ok())
}

/// Whether a node with constant inputs is computed on the host.
pub(super) fn is_foldable(op: &str) -> bool {
    is_move(op)
        || is_binary(op)
        || is_unary(op)
        || matches!(
            op,
            "Constant"
                | "Shape"
                | "Size"
                | "Cast"
                | "CastLike"
                | "ConstantOfShape"
                | "Range"
                | "Where"
                | "Concat"
                | "Dropout"
                | "DequantizeLinear"
                | "ReduceProd"
                | "ReduceSum"
                | "ReduceMin"
                | "ReduceMax"
                | "Clip"
        )
}

/// The outputs of a node, all of whose inputs are constants.
pub(super) fn fold(
    (model, folder): (&Model, &Path),
    node: &NodeProto,
    inputs: &[Option<Constant>],
    budget: &mut Budget,
) -> Taken<Vec<Constant>> {
    let given = |i: usize| Ok(inputs.get(i).cloned().flatten().map(|constant| constant.value));
    let input = |i: usize| match inputs.get(i) {
        Some(Some(constant)) => Ok(&*constant.value),
        _ => Err(Reason::damaged(format!("its input {i} is missing"))),
    };
    if is_move(&node.op) {
        let first = input(0)?;
        let results = moves(node, &first.dims, &given)?;
        let mut outputs = Vec::new();
        for moves in results {
            outputs.push(moved(node, inputs, &moves, budget)?);
        }
        return Ok(outputs);
    }
    let value = match node.op.as_str() {
        "Constant" => constant((model, folder), node, budget)?,
        "Cast" => cast(input(0)?, node.int("to").unwrap_or(1)),
        "CastLike" => {
            let kind = if matches!(input(1)?.data, Data::Floats(_)) { 1 } else { 7 };
            cast(input(0)?, kind)
        }
        "Dropout" => input(0)?.clone(),
        "Shape" => shape_of(node, &input(0)?.dims)?,
        "Size" => Value { dims: Vec::new(), data: Data::Ints(vec![input(0)?.len() as i64]) },
        "ConstantOfShape" => {
            let fill = match node.attribute("value").and_then(|value| value.tensor.as_ref()) {
                Some(tensor) => decode(model, tensor, folder)?.data,
                None => Data::Floats(vec![0.0]),
            };
            let dims = extents(input(0)?)?;
            budget.take(bytes_of(&dims))?;
            let zeros = vec![0; dims.iter().product()];
            let empty = || Reason::damaged("its value is no single number");
            let scalar = Value { dims: vec![1], data: fill };
            if scalar.len() != 1 {
                return Err(empty());
            }
            Value { dims, data: scalar.data.picked(&zeros) }
        }
        "Range" => range(input(0)?, input(1)?, input(2)?, budget)?,
        "Where" => select(input(0)?, input(1)?, input(2)?, budget)?,
        "Clip" => {
            let (low, high) = (given(1)?, given(2)?);
            let with = |value: Value, op, bound: Option<Rc<Value>>| match bound {
                Some(bound) => combine(op, &value, &bound),
                None => Ok(value),
            };
            with(with(input(0)?.clone(), "Max", low)?, "Min", high)?
        }
        "Concat" => return concat(node, inputs, budget).map(|one| vec![one]),
        "DequantizeLinear" => {
            let value = dequantised(node, input(0)?, input(1)?, given(2)?.as_deref(), budget)?;
            return Ok(vec![derived(node, inputs, value)]);
        }
        op if op.starts_with("Reduce") => reduced(node, input(0)?, &given)?,
        op if is_unary(op) => {
            budget.take(Some(input(0)?.bytes()))?;
            return Ok(vec![derived(node, inputs, map(op, input(0)?))]);
        }
        op if is_binary(op) => {
            let mut all = input(0)?.clone();
            for i in 1..inputs.len() {
                budget
                    .take(broadcast(&all.dims, &input(i)?.dims).and_then(|dims| bytes_of(&dims)))?;
                all = combine(op, &all, input(i)?)?;
            }
            return Ok(vec![derived(node, inputs, all)]);
        }
        op => return Err(Reason::new(format!("constants of {op} are not computed"), "")),
    };
    match node.op.as_str() {
        "Constant" => {
            // Some exporters store weights as nodes: the tensor's name is the node's output.
            let stored = (value.len() > 1).then(|| node.output().to_owned());
            Ok(vec![Constant { value: Rc::new(value), stored, changed: Vec::new() }])
        }
        "Cast" | "Dropout" => Ok(vec![derived(node, inputs, value)]),
        _ => Ok(vec![Constant::made(value)]),
    }
}

/// A constant computed of others. It stands for the stored tensor that is larger than all others: a matrix with a
/// scale per row, say.
fn derived(node: &NodeProto, inputs: &[Option<Constant>], value: Value) -> Constant {
    let largest = inputs.iter().flatten().max_by_key(|input| input.value.len());
    let as_large = |of: &&Constant| {
        inputs.iter().flatten().filter(|input| input.value.len() == of.value.len()).count()
    };
    let origin = largest.filter(|largest| as_large(largest) == 1);
    let mut changed = origin.map_or_else(Vec::new, |origin| origin.changed.clone());
    if !matches!(node.op.as_str(), "Identity" | "Dropout" | "Cast") {
        changed.push(node.op.clone());
    }
    Constant {
        value: Rc::new(value),
        stored: origin.and_then(|origin| origin.stored.clone()),
        changed,
    }
}

fn moved(
    node: &NodeProto,
    inputs: &[Option<Constant>],
    moves: &[Move],
    budget: &mut Budget,
) -> Taken<Constant> {
    let first = inputs.first().cloned().flatten();
    let first = first.ok_or_else(|| Reason::damaged("its first input is missing"))?;
    let mut value = first.value;
    // Other extents of the same elements keep what is stored as it is.
    let in_place = moves.iter().all(|by| matches!(by, Move::Reshape(_)));
    for by in moves {
        budget.take(bytes_of(&by.dims(&value.dims)))?;
        value = Rc::new(value.moved(by));
    }
    let mut changed = first.changed;
    if !in_place {
        changed.push(node.op.clone());
    }
    Ok(Constant { value, stored: first.stored, changed })
}

fn constant(
    (model, folder): (&Model, &Path),
    node: &NodeProto,
    budget: &mut Budget,
) -> Taken<Value> {
    let scalar = |data| Value { dims: Vec::new(), data };
    let Some(attribute) = node.attributes.iter().find(|a| a.name.starts_with("value")) else {
        let advice = "save the network without sparse tensors";
        return Err(Reason::new("its constant is of a kind that is not read", advice));
    };
    Ok(match attribute.name.as_str() {
        "value_float" => scalar(Data::Floats(attribute.float.into_iter().collect())),
        "value_int" => scalar(Data::Ints(attribute.int.into_iter().collect())),
        "value_floats" => Value {
            dims: vec![attribute.floats.len()],
            data: Data::Floats(attribute.floats.clone()),
        },
        "value_ints" => Value::ints(attribute.ints.clone()),
        "value" if attribute.tensor.is_some() => {
            let tensor = attribute.tensor.as_ref();
            let value = tensor.map(|tensor| decode(model, tensor, folder)).transpose()?;
            let value = value.unwrap_or_else(|| Value::ints(Vec::new()));
            budget.take(Some(value.bytes()))?;
            value
        }
        _ => {
            return Err(Reason::new(
                "its constant is a text",
                "save the network without texts in it",
            ));
        }
    })
}

/// The extents of a tensor, or those from `start` to `end`.
pub(super) fn shape_of(node: &NodeProto, dims: &[usize]) -> Taken<Value> {
    let rank = dims.len() as i64;
    let at = |axis: i64| {
        let counted = if axis < 0 { axis.saturating_add(rank) } else { axis };
        usize::try_from(counted.clamp(0, rank)).unwrap_or(0)
    };
    let (start, end) = (at(node.int("start").unwrap_or(0)), at(node.int("end").unwrap_or(rank)));
    let part = dims.get(start..end.max(start)).unwrap_or_default();
    Ok(Value::ints(part.iter().map(|&extent| extent as i64).collect()))
}

fn extents(value: &Value) -> Taken<Vec<usize>> {
    let list = value.as_ints().unwrap_or_default();
    let dims = list.iter().map(|&extent| usize::try_from(extent)).collect::<Result<Vec<_>, _>>();
    dims.ok().filter(|dims| dims.len() == value.len()).ok_or_else(|| {
        let what = format!("its shape {:?} is none", &list[..list.len().min(8)]);
        Reason::damaged(what)
    })
}

/// Other element types: all that matters here is floats or integers, truth values as 0 and 1.
fn cast(value: &Value, kind: i64) -> Value {
    let data = match &value.data {
        Data::Ints(list) if is_float(kind) => {
            Data::Floats(list.iter().map(|&v| v as f32).collect())
        }
        Data::Floats(list) if kind == 9 => {
            Data::Ints(list.iter().map(|&v| i64::from(v != 0.0)).collect())
        }
        Data::Ints(list) if kind == 9 => {
            Data::Ints(list.iter().map(|&v| i64::from(v != 0)).collect())
        }
        // Rust's `as` takes the nearest integer there is, and 0 for what is no number.
        Data::Floats(list) if !is_float(kind) => {
            Data::Ints(list.iter().map(|&v| v as i64).collect())
        }
        other => other.clone(),
    };
    Value { dims: value.dims.clone(), data }
}

fn range(start: &Value, limit: &Value, step: &Value, budget: &mut Budget) -> Taken<Value> {
    let odd = || Reason::damaged("its range has no end");
    if let (Some(&[start]), Some(&[limit]), Some(&[step])) =
        (start.as_ints(), limit.as_ints(), step.as_ints())
    {
        let span = limit.checked_sub(start).ok_or_else(odd)?;
        let count = span.checked_div(step).ok_or_else(odd)?
            + i64::from(span.checked_rem(step).unwrap_or(0) != 0);
        let count = usize::try_from(count.max(0)).map_err(|_| odd())?;
        budget.take(bytes_of(&[count]))?;
        return Ok(Value::ints((0..count as i64).map(|i| start + i * step).collect()));
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
    let data = Data::Floats((0..count).map(|i| start + i as f32 * step).collect());
    Ok(Value { dims: vec![count], data })
}

fn select(condition: &Value, a: &Value, b: &Value, budget: &mut Budget) -> Taken<Value> {
    let dims = broadcast(&a.dims, &b.dims).and_then(|dims| broadcast(&dims, &condition.dims));
    let dims = dims.ok_or_else(|| Reason::damaged("its constants do not fit together"))?;
    budget.take(bytes_of(&dims))?;
    let conditions = condition.floats();
    let chosen = spread(&condition.dims, &dims).into_iter().map(|i| conditions[i] != 0.0);
    let pairs = chosen.zip(spread(&a.dims, &dims).into_iter().zip(spread(&b.dims, &dims)));
    let data = match (&a.data, &b.data) {
        (Data::Ints(a), Data::Ints(b)) => {
            Data::Ints(pairs.map(|(first, (i, j))| if first { a[i] } else { b[j] }).collect())
        }
        _ => {
            let (a, b) = (a.floats(), b.floats());
            Data::Floats(pairs.map(|(first, (i, j))| if first { a[i] } else { b[j] }).collect())
        }
    };
    Ok(Value { dims, data })
}

fn concat(node: &NodeProto, inputs: &[Option<Constant>], budget: &mut Budget) -> Taken<Constant> {
    let parts: Vec<&Value> = inputs.iter().flatten().map(|constant| &*constant.value).collect();
    let odd = || Reason::damaged("its constants do not fit together");
    let first = *parts.first().ok_or_else(odd)?;
    let axis = super::moves::axis_of(node.int("axis").unwrap_or(0), first.dims.len())?;
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
    let rows = |value: &Value| value.len() / outer.max(1);
    let data = if parts.iter().all(|part| matches!(part.data, Data::Ints(_))) {
        let row = |o: usize, part: &&Value| {
            part.as_ints().unwrap_or_default()[o * rows(part)..][..rows(part)].to_vec()
        };
        Data::Ints(
            (0..outer).flat_map(|o| parts.iter().flat_map(move |part| row(o, part))).collect(),
        )
    } else {
        let row = |o: usize, part: &&Value| part.floats()[o * rows(part)..][..rows(part)].to_vec();
        Data::Floats(
            (0..outer).flat_map(|o| parts.iter().flat_map(move |part| row(o, part))).collect(),
        )
    };
    Ok(Constant::made(Value { dims, data }))
}

/// `(x - zero) * scale`, along an axis.
fn dequantised(
    node: &NodeProto,
    x: &Value,
    scale: &Value,
    zero: Option<&Value>,
    budget: &mut Budget,
) -> Taken<Value> {
    budget.take(bytes_of(&x.dims))?;
    let blocked = node.int("block_size").unwrap_or(0) != 0;
    let axis = super::moves::axis_of(node.int("axis").unwrap_or(1), x.dims.len().max(2))?;
    let inner: usize = x.dims.get(axis + 1..).unwrap_or_default().iter().product();
    let channels = if scale.len() == 1 { 1 } else { x.dims.get(axis).copied().unwrap_or(1) };
    let fits = |value: &Value| value.len() == channels || value.len() == 1;
    if blocked || channels == 0 || !fits(scale) || zero.is_some_and(|zero| !fits(zero)) {
        let advice = "quantise per tensor or per channel, or give the float network";
        return Err(Reason::new("its scales do not belong to channels", advice));
    }
    let (scales, zeros) = (scale.floats(), zero.map(Value::floats));
    let of = |list: &[f32], channel: usize| list[if list.len() == 1 { 0 } else { channel }];
    let words = x.floats();
    let all = words.iter().enumerate().map(|(i, &v)| {
        let channel = i / inner.max(1) % channels;
        (v - zeros.as_ref().map_or(0.0, |zeros| of(zeros, channel))) * of(&scales, channel)
    });
    let data = Data::Floats(all.collect());
    Ok(Value { dims: x.dims.clone(), data })
}

/// Sums, products and extrema over all elements, or along axes, of small constants.
fn reduced(node: &NodeProto, x: &Value, given: super::moves::Inputs<'_>) -> Taken<Value> {
    let axes = match list(node, "axes", 1, given)? {
        Some(axes) => axes_of(&axes, x.dims.len())?,
        None => (0..x.dims.len()).collect(),
    };
    if axes.len() != x.dims.len() {
        let what = format!("{} of a constant {} along one axis", node.op, kind_name(1));
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
    let single = |i: usize| Value { dims: Vec::new(), data: x.data.picked(&[i as u32]) };
    let mut all = match x.len() {
        0 => return Err(Reason::damaged("it reduces nothing")),
        _ => single(0),
    };
    for i in 1..x.len() {
        all = combine(op, &all, &single(i))?;
    }
    Ok(Value { dims, data: all.data })
}
