//! Arithmetic of constants, element by element, as ONNX defines it for float32 and integers.

use super::{
    moves::strides,
    reasons::{Reason, Taken},
    value::{HostTensor, Numbers},
};

/// Extents of two tensors together; `None` if they do not fit.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let extent = |dims: &[usize], i: usize| match (i + dims.len()).checked_sub(rank) {
        Some(i) => dims[i],
        None => 1,
    };
    let both = |i| match (extent(a, i), extent(b, i)) {
        (m, n) if m == n => Some(m),
        (1, n) => Some(n),
        (m, 1) => Some(m),
        _ => None,
    };
    (0..rank).map(both).collect()
}

/// For each element of a tensor with extents `to`, the index of the element of one with extents `from` that
/// is broadcast there.
pub(super) fn spread(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(from);
    let missing = to.len() - from.len();
    let stride = |axis: usize| match axis.checked_sub(missing) {
        Some(i) if from[i] != 1 => own[i],
        _ => 0,
    };
    let mut table = vec![0];
    for (axis, &extent) in to.iter().enumerate() {
        let step = stride(axis);
        table = table.iter().flat_map(|at| (0..extent).map(move |i| at + i * step)).collect();
    }
    table
}

/// Whether [`combine`] knows an operator.
pub(super) fn is_binary(op: &str) -> bool {
    matches!(
        op,
        "Add"
            | "Sub"
            | "Mul"
            | "Div"
            | "Mod"
            | "Pow"
            | "Min"
            | "Max"
            | "Equal"
            | "Less"
            | "Greater"
            | "LessOrEqual"
            | "GreaterOrEqual"
            | "And"
            | "Or"
    )
}

/// Whether [`map`] knows an operator.
pub(super) fn is_unary(op: &str) -> bool {
    matches!(
        op,
        "Neg" | "Abs" | "Sqrt" | "Reciprocal" | "Floor" | "Ceil" | "Round" | "Not" | "Exp" | "Log"
    )
}

/// `a op b`.
pub(super) fn combine(op: &str, a: &HostTensor, b: &HostTensor) -> Taken<HostTensor> {
    let misfit = || {
        Reason::damaged(format!("its constants {:?} and {:?} do not fit together", a.dims, b.dims))
    };
    let dims = broadcast(&a.dims, &b.dims).ok_or_else(misfit)?;
    let pairs = || spread(&a.dims, &dims).into_iter().zip(spread(&b.dims, &dims));
    let data = if let (Numbers::Ints(a), Numbers::Ints(b)) = (&a.data, &b.data) {
        let all = pairs().map(|(i, j)| (a[i], b[j]));
        match (related(op, all.clone()), op) {
            (Some(truth), _) => truth,
            (None, "And") => truth(all.map(|(x, y)| x != 0 && y != 0)),
            (None, "Or") => truth(all.map(|(x, y)| x != 0 || y != 0)),
            _ => {
                let results = all.map(|(x, y)| of_ints(op, x, y)).collect::<Option<_>>();
                let what = || Reason::damaged("its integers leave their range");
                Numbers::Ints(results.ok_or_else(what)?)
            }
        }
    } else {
        let (a, b) = (a.floats(), b.floats());
        let all = pairs().map(|(i, j)| (a[i], b[j]));
        let results = all.clone().map(|(x, y)| of_floats(op, x, y));
        related(op, all).unwrap_or_else(|| Numbers::Floats(results.collect()))
    };
    Ok(HostTensor { dims, data })
}

/// Truth as ONNX's integers.
fn truth(of: impl Iterator<Item = bool>) -> Numbers {
    Numbers::Ints(of.map(i64::from).collect())
}

/// Which pairs stand in the relation `op`; `None` if it is none.
fn related<T: PartialOrd>(op: &str, pairs: impl Iterator<Item = (T, T)>) -> Option<Numbers> {
    let holds: fn(&T, &T) -> bool = match op {
        "Equal" => T::eq,
        "Less" => T::lt,
        "Greater" => T::gt,
        "LessOrEqual" => T::le,
        "GreaterOrEqual" => T::ge,
        _ => return None,
    };
    Some(truth(pairs.map(|(x, y)| holds(&x, &y))))
}

/// `op x`.
pub(super) fn map(op: &str, x: &HostTensor) -> HostTensor {
    let data = match &x.data {
        Numbers::Ints(list) => Numbers::Ints(
            list.iter()
                .map(|&v| match op {
                    "Neg" => v.wrapping_neg(),
                    "Abs" => v.wrapping_abs(),
                    "Not" => i64::from(v == 0),
                    _ => v,
                })
                .collect(),
        ),
        Numbers::Floats(list) => Numbers::Floats(
            list.iter()
                .map(|&v| match op {
                    "Neg" => -v,
                    "Abs" => v.abs(),
                    "Sqrt" => v.sqrt(),
                    "Reciprocal" => v.recip(),
                    "Floor" => v.floor(),
                    "Ceil" => v.ceil(),
                    "Round" => v.round_ties_even(),
                    "Exp" => v.exp(),
                    "Log" => v.ln(),
                    _ => v,
                })
                .collect(),
        ),
    };
    HostTensor { dims: x.dims.clone(), data }
}

fn of_ints(op: &str, x: i64, y: i64) -> Option<i64> {
    match op {
        "Add" => x.checked_add(y),
        "Sub" => x.checked_sub(y),
        "Mul" => x.checked_mul(y),
        "Div" => x.checked_div(y),
        // The sign of ONNX's integer remainder is that of the divisor.
        "Mod" => x.checked_rem_euclid(y).map(|r| if y < 0 && r != 0 { r + y } else { r }),
        "Pow" => x.checked_pow(u32::try_from(y).ok()?),
        "Min" => Some(x.min(y)),
        "Max" => Some(x.max(y)),
        _ => None,
    }
}

fn of_floats(op: &str, x: f32, y: f32) -> f32 {
    match op {
        "Add" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" => x / y,
        "Mod" => x % y,
        "Pow" => x.powf(y),
        "Min" => x.min(y),
        "Max" => x.max(y),
        _ => f32::NAN,
    }
}
