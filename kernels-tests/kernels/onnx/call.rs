//! One use of an operator: its attributes and inputs.
use super::{
    proto::{Attribute, Node},
    tensor::{Outcome, Tensor},
};

/// A node with the values of its inputs.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) inputs: Vec<Option<&'a Tensor>>,
    /// Version of the standard operators.
    pub(super) opset: i64,
}

impl<'a> Call<'a> {
    fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        self.node.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    pub(super) fn int(&self, name: &str, or: i64) -> i64 {
        self.attribute(name).map_or(or, |a| match a {
            Attribute::Int(value) => *value,
            other => panic!("{name} is {other:?}"),
        })
    }

    pub(super) fn float(&self, name: &str, or: f32) -> f32 {
        self.optional_float(name).unwrap_or(or)
    }

    pub(super) fn optional_float(&self, name: &str) -> Option<f32> {
        self.attribute(name).map(|a| match a {
            Attribute::Float(value) => *value,
            other => panic!("{name} is {other:?}"),
        })
    }

    pub(super) fn text(&self, name: &str, or: &str) -> String {
        self.attribute(name).map_or(or.to_owned(), |a| match a {
            Attribute::Text(value) => value.clone(),
            other => panic!("{name} is {other:?}"),
        })
    }

    pub(super) fn ints(&self, name: &str) -> Option<Vec<usize>> {
        self.attribute(name).map(|a| match a {
            Attribute::Ints(values) => values.iter().map(|&v| v.try_into().unwrap()).collect(),
            other => panic!("{name} is {other:?}"),
        })
    }

    pub(super) fn tensor(&self, name: &str) -> Outcome<&'a Tensor> {
        match self.attribute(name) {
            Some(Attribute::Tensor(value)) => Ok(value),
            _ => Err(format!("{} without a tensor", self.node.op)),
        }
    }

    /// An input that may be left out.
    pub(super) fn optional(&self, index: usize) -> Option<&'a Tensor> {
        self.inputs.get(index).copied().flatten()
    }

    pub(super) fn input(&self, index: usize) -> &'a Tensor {
        self.optional(index).unwrap()
    }

    /// The attribute `axis`, counted from the front.
    pub(super) fn axis(&self, or: i64) -> usize {
        let rank = self.input(0).dims.len();
        let axis = self.int("axis", or);
        if axis < 0 { rank - axis.unsigned_abs() as usize } else { axis as usize }
    }
}
