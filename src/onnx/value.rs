//! Constant tensors: what a file stores, and what is computed of it on the host.

use super::{
    element_type::{INT4, UINT4, bytes_of_elements, kind_name},
    model::{OnnxModel, TensorProto},
    reasons::{Reason, Taken},
    wire::Wire,
};
use crate::files::{StoredWords, WideWords};
use half::{bf16, f16};
use std::{borrow::Cow, path::Path, rc::Rc};

/// Elements of a constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    /// Floating-point numbers of any width, rounded to f32.
    Floats(Vec<f32>),
    /// Integers of any width, and truth values as 0 and 1.
    Ints(Vec<i64>),
}

/// A constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HostTensor {
    /// Extents, the last one fastest; empty for a scalar.
    pub(super) dims: Vec<usize>,
    /// Elements in row-major order.
    pub(super) data: Numbers,
}

/// A constant tensor and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    /// The tensor.
    pub(super) value: Rc<HostTensor>,
    /// Name of the stored tensor that it is, or is computed of; `None` for several or none.
    pub(super) stored: Option<String>,
    /// What was done with the stored tensor, such as `Transpose`; empty if it is as stored.
    pub(super) changed: Vec<String>,
    /// Number of the element type of integers, where it is known.
    pub(super) kind: Option<i64>,
    /// The words that the stored tensor holds, or is quantised to, in its order.
    pub(super) words: Option<Rc<StoredWords>>,
    /// The words of 32 bits that the stored tensor holds, and their scales.
    pub(super) wide: Option<Rc<WideWords>>,
}

impl Constant {
    /// A tensor that stands for no stored one.
    pub(super) fn made(value: HostTensor) -> Self {
        Self::of(value, None, None)
    }

    /// A stored tensor as it is.
    pub(super) fn of(value: HostTensor, stored: Option<String>, kind: Option<i64>) -> Self {
        Self { value: Rc::new(value), stored, changed: Vec::new(), kind, words: None, wide: None }
    }
}

impl HostTensor {
    /// Integers in one dimension.
    pub(super) fn ints(list: Vec<i64>) -> Self {
        Self { dims: vec![list.len()], data: Numbers::Ints(list) }
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        match &self.data {
            Numbers::Floats(list) => list.len(),
            Numbers::Ints(list) => list.len(),
        }
    }

    /// The elements, if they are integers.
    pub(super) fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Numbers::Ints(list) => Some(list),
            Numbers::Floats(_) => None,
        }
    }

    /// The elements as floats.
    pub(super) fn floats(&self) -> Cow<'_, [f32]> {
        match &self.data {
            Numbers::Floats(list) => Cow::Borrowed(list),
            Numbers::Ints(list) => Cow::Owned(list.iter().map(|&v| v as f32).collect()),
        }
    }

    /// The only element as a float.
    pub(super) fn scalar(&self) -> Option<f32> {
        match &self.data {
            Numbers::Floats(list) if list.len() == 1 => list.first().copied(),
            Numbers::Ints(list) if list.len() == 1 => list.first().map(|&v| v as f32),
            _ => None,
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.len() * if matches!(self.data, Numbers::Floats(_)) { 4 } else { 8 }
    }
}

/// The elements of a stored tensor; `folder` is that of the file, for external data.
pub(super) fn decode(model: &OnnxModel, tensor: &TensorProto, folder: &Path) -> Taken<HostTensor> {
    let name = kind_name(tensor.kind);
    let count = tensor.dims.iter().try_fold(1usize, |product, &dim| {
        product.checked_mul(usize::try_from(dim).ok()?).filter(|n| *n < 1 << 40)
    });
    let dims = tensor.dims.iter().map(|&dim| usize::try_from(dim)).collect::<Result<Vec<_>, _>>();
    let (Some(count), Ok(dims)) = (count, dims) else {
        let what = format!("tensor {} says that it is {:?}", tensor.name, tensor.dims);
        return Err(Reason::damaged(what));
    };
    let Some(bytes) = bytes_of_elements(tensor.kind, count) else {
        let what = format!("tensor {} is {name}, which is not read", tensor.name);
        let advice =
            "export the network with float weights: nf-gpu quantises them itself (--precision)";
        return Err(Reason::new(what, advice));
    };
    let data = if tensor.external {
        let raw = super::external::read(tensor, folder, bytes)?;
        of_bytes(tensor.kind, &raw, count)
    } else if let Some(raw) = &tensor.raw {
        let raw = Wire::new(&model.bytes).bytes(raw);
        if raw.len() != bytes {
            let there = raw.len() as u64 * count as u64 / bytes.max(1) as u64;
            return Err(wrong_length(tensor, there as usize));
        }
        of_bytes(tensor.kind, raw, count)
    } else {
        of_lists(model, tensor, count).map_err(|damage| Reason::damaged(damage.what))?
    };
    let value = HostTensor { dims, data };
    if value.len() == count { Ok(value) } else { Err(wrong_length(tensor, value.len())) }
}

fn wrong_length(tensor: &TensorProto, there: usize) -> Reason {
    let (name, dims) = (&tensor.name, &tensor.dims);
    Reason::damaged(format!("tensor {name} is {dims:?} and has {there} elements"))
}

/// Integers of four bits, two to a byte.
fn halves(kind: i64, bytes: impl Iterator<Item = u8>, count: usize) -> Vec<i64> {
    let both = bytes.flat_map(|byte| [byte & 15, byte >> 4]);
    let sign = |half: u8| i64::from(half) - if kind == INT4 && half > 7 { 16 } else { 0 };
    both.map(sign).take(count).collect()
}

fn of_bytes(kind: i64, raw: &[u8], count: usize) -> Numbers {
    fn of<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks().0.iter().map(|&bytes| f(bytes)).collect()
    }
    match kind {
        1 => Numbers::Floats(of(raw, f32::from_le_bytes)),
        10 => Numbers::Floats(of(raw, |b| f16::from_le_bytes(b).to_f32())),
        16 => Numbers::Floats(of(raw, |b| bf16::from_le_bytes(b).to_f32())),
        11 => Numbers::Floats(of(raw, |b| f64::from_le_bytes(b) as f32)),
        UINT4 | INT4 => Numbers::Ints(halves(kind, raw.iter().copied(), count)),
        3 => Numbers::Ints(of(raw, |b| i8::from_le_bytes(b).into())),
        4 => Numbers::Ints(of(raw, |b| u16::from_le_bytes(b).into())),
        5 => Numbers::Ints(of(raw, |b| i16::from_le_bytes(b).into())),
        6 => Numbers::Ints(of(raw, |b| i32::from_le_bytes(b).into())),
        12 => Numbers::Ints(of(raw, |b| u32::from_le_bytes(b).into())),
        7 | 13 => Numbers::Ints(of(raw, i64::from_le_bytes)),
        _ => Numbers::Ints(of(raw, |b: [u8; 1]| b[0].into())),
    }
}

/// Elements of the lists of a type's own: `float_data`, `int32_data`, `int64_data`, `double_data`,
/// `uint64_data`. Halves are the bits of an integer there; of integers of four bits it holds two.
fn of_lists(model: &OnnxModel, tensor: &TensorProto, count: usize) -> super::wire::Read<Numbers> {
    let wire = Wire::new(&model.bytes);
    let (mut floats, mut doubles, mut ints) = (Vec::new(), Vec::new(), Vec::new());
    for field in &tensor.lists {
        match field.number {
            4 => wire.floats(field, &mut floats)?,
            10 => wire.doubles(field, &mut doubles)?,
            _ => wire.ints(field, &mut ints)?,
        }
    }
    let half = |bits: &i64| (bits.cast_unsigned() & 0xffff) as u16;
    Ok(match tensor.kind {
        1 => Numbers::Floats(floats),
        11 => Numbers::Floats(doubles.iter().map(|&v| v as f32).collect()),
        10 => Numbers::Floats(ints.iter().map(|v| f16::from_bits(half(v)).to_f32()).collect()),
        16 => Numbers::Floats(ints.iter().map(|v| bf16::from_bits(half(v)).to_f32()).collect()),
        UINT4 | INT4 => {
            Numbers::Ints(halves(tensor.kind, ints.iter().map(|&byte| byte as u8), count))
        }
        _ => Numbers::Ints(ints),
    })
}
