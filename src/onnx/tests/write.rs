//! Writes small ONNX files.

use super::super::{Imported, ReadOptions, parse};
use crate::Result;
use std::path::Path;

/// A value of an attribute.
pub(super) enum Attr {
    Int(i64),
    Float(f32),
    Text(&'static str),
    Ints(Vec<i64>),
}

/// A network that is written field by field.
pub(super) struct Draft {
    opset: i64,
    graph: Vec<u8>,
    /// Bytes that follow the graph in the file.
    pub(super) rest: Vec<u8>,
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

pub(super) fn int(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value.cast_unsigned())].concat()
}

pub(super) fn bytes(number: u64, contents: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | 2)[..], &varint(contents.len() as u64), contents].concat()
}

impl Draft {
    /// A network of one input `x` and one output `y`, for these operators.
    pub(super) fn new(opset: i64, input: &[i64]) -> Self {
        Self { opset, graph: Vec::new(), rest: Vec::new() }
            .value(11, "x", 1, Some(input))
            .value(12, "y", 1, None)
    }

    /// Without inputs and outputs.
    pub(super) fn empty(opset: i64) -> Self {
        Self { opset, graph: Vec::new(), rest: Vec::new() }
    }

    /// An input (field 11) or output (12); an extent of -1 is open.
    pub(super) fn value(mut self, field: u64, name: &str, kind: i64, dims: Option<&[i64]>) -> Self {
        let mut tensor = int(1, kind);
        if let Some(dims) = dims {
            let dim =
                |&n: &i64| if n < 0 { bytes(1, &bytes(2, b"n")) } else { bytes(1, &int(1, n)) };
            tensor.extend(bytes(2, &dims.iter().flat_map(dim).collect::<Vec<_>>()));
        }
        let info = [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat();
        self.graph.extend(bytes(field, &info));
        self
    }

    /// A field of the graph.
    pub(super) fn field(mut self, number: u64, contents: &[u8]) -> Self {
        self.graph.extend(bytes(number, contents));
        self
    }

    /// A stored tensor of floats.
    pub(super) fn floats(self, name: &str, dims: &[i64]) -> Self {
        let count = dims.iter().product::<i64>();
        let data: Vec<u8> = (0..count).flat_map(|i| ((i % 7) as f32 / 7.0).to_le_bytes()).collect();
        self.tensor(name, 1, dims, &data)
    }

    /// A stored tensor of 64-bit integers.
    pub(super) fn ints(self, name: &str, list: &[i64]) -> Self {
        let data: Vec<u8> = list.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, 7, &[list.len() as i64], &data)
    }

    /// A stored tensor.
    pub(super) fn tensor(mut self, name: &str, kind: i64, dims: &[i64], raw: &[u8]) -> Self {
        let mut tensor: Vec<u8> = dims.iter().flat_map(|&n| int(1, n)).collect();
        tensor.extend([int(2, kind), bytes(8, name.as_bytes()), bytes(9, raw)].concat());
        self.graph.extend(bytes(5, &tensor));
        self
    }

    /// A node with the name `OP_OUTPUT`.
    pub(super) fn node(self, op: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(op, inputs, output, &[])
    }

    /// A node with attributes.
    pub(super) fn node_with(
        self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attr)],
    ) -> Self {
        self.node_of("", op, inputs, output, attributes)
    }

    /// A node of an operator of a domain.
    pub(super) fn node_of(
        mut self,
        domain: &str,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attr)],
    ) -> Self {
        let mut node: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name.as_bytes())).collect();
        node.extend(bytes(2, output.as_bytes()));
        node.extend(bytes(3, format!("{op}_{output}").as_bytes()));
        node.extend(bytes(4, op.as_bytes()));
        for (name, value) in attributes {
            let value = match value {
                Attr::Int(i) => int(3, *i),
                Attr::Float(f) => [&[2 << 3 | 5][..], &f.to_le_bytes()].concat(),
                Attr::Text(s) => bytes(4, s.as_bytes()),
                Attr::Ints(list) => list.iter().flat_map(|&i| int(8, i)).collect(),
            };
            node.extend(bytes(5, &[bytes(1, name.as_bytes()), value].concat()));
        }
        node.extend(bytes(7, domain.as_bytes()));
        self.graph.extend(bytes(1, &node));
        self
    }

    /// A fully connected layer from `value` with `features` to the output `y`.
    pub(super) fn head(self, value: &str, features: i64) -> Self {
        self.floats("head", &[3, features]).node("Flatten", &[value], "flat").node_with(
            "Gemm",
            &["flat", "head"],
            "y",
            &[("transB", Attr::Int(1))],
        )
    }

    /// The file.
    pub(super) fn file(&self) -> Vec<u8> {
        let opset = bytes(8, &int(2, self.opset));
        [int(1, 8), bytes(7, &self.graph), opset, self.rest.clone()].concat()
    }

    /// What is read of the file.
    pub(super) fn read(&self) -> Result<Imported> {
        self.read_with(&ReadOptions::default())
    }

    /// What is read of the file with options.
    pub(super) fn read_with(&self, options: &ReadOptions) -> Result<Imported> {
        parse(self.file(), Path::new("net.onnx"), options)
    }
}
