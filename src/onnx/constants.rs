//! Constants that are computed on the host: shapes of tensors, and what becomes of stored tensors before they
//! are used.

use super::{
    arithmetic::{broadcast, combine, is_binary, is_unary, map},
    budget::{Budget, bytes_of},
    functions::{cast, concat, extents, range, reduced, select, shape_of},
    model::{NodeProto, OnnxModel},
    moves::{Move, is_move, moves},
    quantisation::{dequantised, quantised},
    reasons::{Reason, Taken},
    value::{Constant, HostTensor, Numbers, decode},
};
use std::{path::Path, rc::Rc};

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
                | "QuantizeLinear"
                | "ReduceProd"
                | "ReduceSum"
                | "ReduceMin"
                | "ReduceMax"
                | "Clip"
        )
}

/// The outputs of a node, all of whose inputs are constants.
pub(super) fn fold(
    (model, folder): (&OnnxModel, &Path),
    node: &NodeProto,
    inputs: &[Option<Constant>],
    budget: &mut Budget,
) -> Taken<Vec<Constant>> {
    let given = |i: usize| Ok(inputs.get(i).cloned().flatten().map(|constant| constant.value));
    let input = |i: usize| match inputs.get(i) {
        Some(Some(constant)) => Ok(&*constant.value),
        _ => Err(Reason::missing(i)),
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
            let kind = if matches!(input(1)?.data, Numbers::Floats(_)) { 1 } else { 7 };
            cast(input(0)?, kind)
        }
        "Dropout" => input(0)?.clone(),
        "Shape" => shape_of(node, &input(0)?.dims)?,
        "Size" => {
            HostTensor { dims: Vec::new(), data: Numbers::Ints(vec![input(0)?.len() as i64]) }
        }
        "ConstantOfShape" => {
            let fill = match node.attribute("value").and_then(|value| value.tensor.as_ref()) {
                Some(tensor) => decode(model, tensor, folder)?.data,
                None => Numbers::Floats(vec![0.0]),
            };
            let dims = extents(input(0)?)?;
            budget.take(bytes_of(&dims))?;
            let zeros = vec![0; dims.iter().product()];
            let empty = || Reason::damaged("its value is no single number");
            let scalar = HostTensor { dims: vec![1], data: fill };
            if scalar.len() != 1 {
                return Err(empty());
            }
            HostTensor { dims, data: scalar.data.picked(&zeros) }
        }
        "Range" => range(input(0)?, input(1)?, input(2)?, budget)?,
        "Where" => select(input(0)?, input(1)?, input(2)?, budget)?,
        "Clip" => {
            let (low, high) = (given(1)?, given(2)?);
            let with = |value: HostTensor, op, bound: Option<Rc<HostTensor>>| match bound {
                Some(bound) => combine(op, &value, &bound),
                None => Ok(value),
            };
            with(with(input(0)?.clone(), "Max", low)?, "Min", high)?
        }
        "Concat" => return concat(node, inputs, budget).map(|one| vec![one]),
        "DequantizeLinear" => {
            let zero = inputs.get(2).cloned().flatten();
            let first = first_of(inputs)?;
            return Ok(vec![dequantised(node, first, input(1)?, zero.as_ref(), budget)?]);
        }
        "QuantizeLinear" => {
            let zero = inputs.get(2).cloned().flatten();
            return Ok(vec![quantised(node, first_of(inputs)?, input(1)?, zero.as_ref(), budget)?]);
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
            let tensor = node.attribute("value").and_then(|value| value.tensor.as_ref());
            Ok(vec![Constant::of(value, stored, tensor.map(|tensor| tensor.kind))])
        }
        "Cast" | "Dropout" => Ok(vec![derived(node, inputs, value)]),
        _ => Ok(vec![Constant::made(value)]),
    }
}

/// A constant computed of others. It stands for the stored tensor that is larger than all others: a matrix with a
/// scale per row, say.
fn derived(node: &NodeProto, inputs: &[Option<Constant>], value: HostTensor) -> Constant {
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
        changed,
        ..Constant::of(value, origin.and_then(|origin| origin.stored.clone()), None)
    }
}

fn first_of(inputs: &[Option<Constant>]) -> Taken<Constant> {
    let first = inputs.first().cloned().flatten();
    first.ok_or_else(|| Reason::damaged("its first input is missing"))
}

fn moved(
    node: &NodeProto,
    inputs: &[Option<Constant>],
    moves: &[Move],
    budget: &mut Budget,
) -> Taken<Constant> {
    let first = first_of(inputs)?;
    let mut value = Rc::clone(&first.value);
    // Other extents of the same elements keep what is stored as it is.
    let in_place = moves.iter().all(|by| matches!(by, Move::Reshape(_)));
    for by in moves {
        budget.take(bytes_of(&by.dims(&value.dims)))?;
        value = Rc::new(value.moved(by));
    }
    let mut changed = first.changed.clone();
    if !in_place {
        changed.push(node.op.clone());
    }
    Ok(Constant { value, changed, ..first })
}

fn constant(
    (model, folder): (&OnnxModel, &Path),
    node: &NodeProto,
    budget: &mut Budget,
) -> Taken<HostTensor> {
    let scalar = |data| HostTensor { dims: Vec::new(), data };
    let Some(attribute) = node.attributes.iter().find(|a| a.name.starts_with("value")) else {
        let advice = "save the network without sparse tensors";
        return Err(Reason::new("its constant is of a kind that is not read", advice));
    };
    Ok(match attribute.name.as_str() {
        "value_float" => scalar(Numbers::Floats(attribute.float.into_iter().collect())),
        "value_int" => scalar(Numbers::Ints(attribute.int.into_iter().collect())),
        "value_floats" => HostTensor {
            dims: vec![attribute.floats.len()],
            data: Numbers::Floats(attribute.floats.clone()),
        },
        "value_ints" => HostTensor::ints(attribute.ints.clone()),
        "value" if attribute.tensor.is_some() => {
            let tensor = attribute.tensor.as_ref();
            let value = tensor.map(|tensor| decode(model, tensor, folder)).transpose()?;
            let value = value.unwrap_or_else(|| HostTensor::ints(Vec::new()));
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
