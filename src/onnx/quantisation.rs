//! Quantised tensors: `QuantizeLinear` and `DequantizeLinear` of constants, and the words that lie in a memory.

use super::{
    budget::{Budget, bytes_of},
    element_type::{kind_name, word_type},
    model::NodeProto,
    moves::axis_of,
    reasons::{Reason, Taken},
    value::{Constant, HostTensor, Numbers},
};
use crate::files::{QuantisationParameters, StoredWords, WideWords};
use std::rc::Rc;

/// Number of the element type int32.
pub(super) const INT32: i64 = 6;

/// Advice where scales are not understood.
const SCALES: &str = "quantise per tensor or per channel, or give the float network";

/// Scales and zero points of a tensor with these extents, whose words are `signed`. `axis` is that of channels where
/// there are several scales.
pub(super) fn parameters(
    dims: &[usize],
    axis: i64,
    (scale, zero): (&HostTensor, Option<&HostTensor>),
    signed: bool,
) -> Taken<QuantisationParameters> {
    let scales = scale.floats().into_owned();
    let mut zero_points = match zero.map(HostTensor::as_ints) {
        None => Vec::new(),
        Some(Some(list)) => list.iter().map(|&v| i32::try_from(v).unwrap_or(i32::MAX)).collect(),
        Some(None) => return Err(Reason::damaged("its zero point is no integer")),
    };
    let channels = scales.len().max(zero_points.len());
    let mut inner = 1;
    if channels != 1 {
        let axis = axis_of(axis, dims.len().max(1))?;
        inner = dims.get(axis + 1..).unwrap_or_default().iter().product();
        if dims.get(axis) != Some(&channels) || inner == 0 {
            return Err(Reason::new("its scales do not belong to channels", SCALES));
        }
    }
    if let Some(scale) = scales.iter().find(|scale| !(scale.is_normal() && **scale > 0.0)) {
        return Err(Reason::damaged(format!("one of its scales is {scale:e}")));
    }
    let spread = |n: usize| n == 1 || n == channels;
    if !spread(scales.len()) || !(zero_points.is_empty() || spread(zero_points.len())) {
        return Err(Reason::new("it has other numbers of scales and of zero points", SCALES));
    }
    let scales = if scales.len() == channels { scales } else { vec![scales[0]; channels] };
    if zero_points.iter().all(|&zero| zero == 0) {
        zero_points.clear();
    } else if zero_points.len() == 1 {
        zero_points = vec![zero_points[0]; channels];
    }
    Ok(QuantisationParameters { signed, scales, zero_points, inner, float: None })
}

/// The least and the largest integer of so many bits.
pub(super) fn range(bits: u32, signed: bool) -> [i32; 2] {
    if signed { [-(1 << (bits - 1)), (1 << (bits - 1)) - 1] } else { [0, (1 << bits) - 1] }
}

/// `DequantizeLinear` of a constant: its real values, and the words that it stores.
pub(super) fn dequantised(
    node: &NodeProto,
    x: Constant,
    scale: &HostTensor,
    zero: Option<&Constant>,
    budget: &mut Budget,
) -> Taken<Constant> {
    if node.int("block_size").unwrap_or(0) != 0 {
        return Err(Reason::new("its scales belong to blocks of a channel", SCALES));
    }
    real(x, node.int("axis").unwrap_or(1), (scale, zero), budget)
}

/// A constant tensor of words as the real numbers that it stands for.
pub(super) fn real(
    x: Constant,
    axis: i64,
    (scale, zero): (&HostTensor, Option<&Constant>),
    budget: &mut Budget,
) -> Taken<Constant> {
    let dims = &x.value.dims;
    budget.take(bytes_of(dims))?;
    let Some(words) = x.value.as_ints() else {
        return Err(Reason::damaged("what it dequantises are no integers"));
    };
    if let (Some(own), Some(other)) = (x.kind, zero.and_then(|zero| zero.kind))
        && own != other
    {
        return Err(unlike(own, other));
    }
    let kind = x.kind.and_then(word_type);
    let scales = (scale, zero.map(|zero| &*zero.value));
    let parameters = parameters(dims, axis, scales, kind.is_none_or(|(_, signed)| signed))?;
    let value = |(i, &word): (usize, &i64)| {
        // A bias has 32 bits: its difference is taken in integers, and rounded once.
        let channel = parameters.channel(i);
        (word - i64::from(parameters.zero_point(channel))) as f32 * parameters.scales[channel]
    };
    let data = Numbers::Floats(words.iter().enumerate().map(value).collect());
    let value = Rc::new(HostTensor { dims: dims.clone(), data });
    let wide = wide_words(&x, words, &parameters);
    let stored = match (kind, x.stored.is_some() && x.changed.is_empty()) {
        (Some((16, _)), true) if dims.len() > 1 => {
            let what = format!("it dequantises weights of {}", kind_name(x.kind.unwrap_or(0)));
            return Err(Reason::new(what, "weights of 4 and 8 bits are run: quantise to those"));
        }
        (Some((bits @ ..=8, _)), true) => {
            let field = (1 << bits) - 1;
            let bytes = words.iter().map(|&word| (word & field) as u8).collect();
            Some(Rc::new(StoredWords { bytes, bits, parameters }))
        }
        _ => None,
    };
    Ok(Constant { value, kind: None, words: stored, wide, ..x })
}

/// Words of one element type whose zero point is of another.
pub(super) fn unlike(words: i64, zero: i64) -> Reason {
    let (words, zero) = (kind_name(words), kind_name(zero));
    let what = format!("it dequantises words of {words} with a zero point of {zero}");
    Reason::new(what, "ONNX wants both of one type: quantise it again")
}

/// The words of a bias: 32 bits, no zero point.
fn wide_words(
    x: &Constant,
    words: &[i64],
    parameters: &QuantisationParameters,
) -> Option<Rc<WideWords>> {
    let as_stored = x.stored.is_some() && x.changed.is_empty() && x.kind == Some(INT32);
    if !as_stored || !parameters.zero_points.is_empty() {
        return None;
    }
    let words = words.iter().map(|&word| i32::try_from(word).ok()).collect::<Option<Vec<i32>>>()?;
    let scale = |i| f64::from(parameters.scales[parameters.channel(i)]);
    let scales = (0..words.len()).map(scale).collect();
    Some(Rc::new(WideWords { words, scales, twice: true }))
}

/// `QuantizeLinear` of a constant, as exporters write it whose weights are floats on a grid.
pub(super) fn quantised(
    node: &NodeProto,
    x: Constant,
    scale: &HostTensor,
    zero: Option<&Constant>,
    budget: &mut Budget,
) -> Taken<Constant> {
    if node.int("block_size").unwrap_or(0) != 0 {
        return Err(Reason::new("its scales belong to blocks of a channel", SCALES));
    }
    let dims = &x.value.dims;
    budget.take(bytes_of(dims))?;
    let kind = word_kind(node, zero)?;
    let (bits, signed) = word_type(kind).unwrap_or((8, false));
    let zero = zero.map(|zero| &*zero.value);
    let parameters = parameters(dims, node.int("axis").unwrap_or(1), (scale, zero), signed)?;
    let [least, most] = range(bits, signed);
    let values = x.value.floats();
    let word = |(i, value): (usize, &f32)| {
        let channel = parameters.channel(i);
        let zero = parameters.zero_point(channel);
        let steps = (value / parameters.scales[channel]).round_ties_even();
        i64::from((steps as i32).saturating_add(zero).clamp(least, most))
    };
    let words = values.iter().enumerate().map(word).collect();
    let value = Rc::new(HostTensor { dims: dims.clone(), data: Numbers::Ints(words) });
    Ok(Constant { value, kind: Some(kind), ..x })
}

/// Number of the element type that a `QuantizeLinear` makes: that of its zero point, else what it names, else uint8.
pub(super) fn word_kind(node: &NodeProto, zero: Option<&Constant>) -> Taken<i64> {
    let named = node.int("output_dtype").filter(|&kind| kind != 0);
    let kind = zero.and_then(|zero| zero.kind).or(named).unwrap_or(2);
    if word_type(kind).is_some() {
        return Ok(kind);
    }
    let what = format!("it quantises to {}", kind_name(kind));
    Err(Reason::new(what, "words of 4, 8 and 16 bits can be run"))
}
