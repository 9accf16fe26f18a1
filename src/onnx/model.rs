//! An ONNX file as plain data: nodes, stored tensors, inputs and outputs, each with its range of bytes.
//!
//! Numbers of fields are those of `onnx.proto3`; what is not needed is skipped.

use super::{
    element_type::{is_float, kind_name},
    reasons::Reason,
    wire::{Read, Wire, WireField},
};
use crate::{
    error::{Error, Result},
    files::{read_file, recognise},
};
use std::{ops::Range, path::Path};

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct OnnxModel {
    /// All bytes of the file; the ranges below are of these.
    pub(super) bytes: Vec<u8>,
    /// Version of the file format.
    pub(super) ir_version: i64,
    /// What wrote the file, such as `pytorch 2.9.1`.
    pub(super) producer: String,
    /// Operator sets: domain (empty for ONNX's own) and version.
    pub(super) opsets: Vec<(String, i64)>,
    /// Keys and values that say something of the file.
    pub(super) metadata: Vec<(String, String)>,
    /// Names of operators that the file defines itself.
    pub(super) functions: Vec<String>,
    /// The network.
    pub(super) graph: GraphProto,
}

/// A graph, of the file or in an attribute.
#[derive(Clone, Debug, Default)]
pub(super) struct GraphProto {
    /// Nodes in the order they run.
    pub(super) nodes: Vec<NodeProto>,
    /// Stored tensors.
    pub(super) initialisers: Vec<TensorProto>,
    /// Inputs; before IR version 4 also the initialisers.
    pub(super) inputs: Vec<ValueInfo>,
    /// Outputs.
    pub(super) outputs: Vec<ValueInfo>,
    /// Names of sparse initialisers.
    pub(super) sparse: usize,
}

/// A node.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeProto {
    /// Name; may be empty.
    pub(super) name: String,
    /// Operator.
    pub(super) op: String,
    /// Domain of the operator; empty for ONNX's own.
    pub(super) domain: String,
    /// Names of values; empty for one that is left out.
    pub(super) inputs: Vec<String>,
    /// Names of values; empty for one that nobody wants.
    pub(super) outputs: Vec<String>,
    /// Attributes.
    pub(super) attributes: Vec<Attribute>,
    /// The field of the node in the file, its key included.
    pub(super) range: Range<usize>,
}

/// An attribute.
#[derive(Clone, Debug, Default)]
pub(super) struct Attribute {
    /// Name.
    pub(super) name: String,
    /// `f`.
    pub(super) float: Option<f32>,
    /// `i`.
    pub(super) int: Option<i64>,
    /// `s`.
    pub(super) text: Option<String>,
    /// `t`.
    pub(super) tensor: Option<TensorProto>,
    /// `floats`.
    pub(super) floats: Vec<f32>,
    /// `ints`.
    pub(super) ints: Vec<i64>,
}

/// A stored tensor.
#[derive(Clone, Debug, Default)]
pub(super) struct TensorProto {
    /// Name; empty in attributes.
    pub(super) name: String,
    /// Extents as they are written.
    pub(super) dims: Vec<i64>,
    /// Number of the element type.
    pub(super) kind: i64,
    /// `raw_data`: little-endian elements.
    pub(super) raw: Option<Range<usize>>,
    /// The fields of lists that belong to types.
    pub(super) lists: Vec<WireField>,
    /// Whether the data lie in another file.
    pub(super) external: bool,
    /// Keys and values that say where.
    pub(super) location: Vec<(String, String)>,
    /// The field of the tensor in the file, its key included.
    pub(super) range: Range<usize>,
}

/// An extent of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dim {
    /// A number.
    Fixed(i64),
    /// Decided at run time; its name, if it has one.
    Dynamic(String),
}

/// An input or output of the graph.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueInfo {
    /// Name.
    pub(super) name: String,
    /// Number of the element type; 0 for what is no tensor.
    pub(super) kind: i64,
    /// Extents; `None` if the file says none.
    pub(super) dims: Option<Vec<Dim>>,
    /// The field in the file, its key included.
    pub(super) range: Range<usize>,
}

impl OnnxModel {
    /// Reads and parses a file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::parse(read_file(path)?, path)
    }

    /// Parses the bytes of a file; `path` is what messages call it.
    pub(super) fn parse(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let broken = |what: String| {
            // Another type of file is called by its name. ONNX itself is recognised too, by its first bytes.
            match recognise(&bytes).filter(|(kind, _)| !kind.contains("ONNX")) {
                Some((kind, hint)) => {
                    Error::format(path, format!("it is {kind}, not an ONNX network"), hint)
                }
                None => Error::format(path, what, "copy it again, or export the network anew"),
            }
        };
        let mut wire = Wire::new(&bytes);
        let parsed = Self::of(&mut wire).map_err(|damage| {
            broken(format!(
                "it is no ONNX network, or damaged: at byte {} it {}",
                damage.at, damage.what
            ))
        });
        let model = parsed?;
        if model.graph.nodes.is_empty() || model.opsets.is_empty() {
            return Err(broken("it is no ONNX network: it has no nodes".into()));
        }
        Ok(Self { bytes, ..model })
    }

    fn of(wire: &mut Wire<'_>) -> Read<Self> {
        let mut model = Self::default();
        let mut version = String::new();
        for field in wire.fields(wire.whole())? {
            match field.number {
                1 => model.ir_version = field.int()?,
                2 => model.producer = wire.text(&field)?,
                3 => version = wire.text(&field)?,
                7 => model.graph.read(wire, field.message()?)?,
                8 => {
                    let mut set = (String::new(), 0);
                    for field in wire.fields(field.message()?)? {
                        match field.number {
                            1 => set.0 = wire.text(&field)?,
                            2 => set.1 = field.int()?,
                            _ => {}
                        }
                    }
                    model.opsets.push((domain(set.0), set.1));
                }
                14 => model.metadata.push(entry(wire, &field)?),
                25 => {
                    for field in wire.fields(field.message()?)?.iter().filter(|f| f.number == 1) {
                        model.functions.push(wire.text(field)?);
                    }
                }
                _ => {}
            }
        }
        if !version.is_empty() {
            model.producer = format!("{} {version}", model.producer).trim().to_owned();
        }
        Ok(model)
    }

    /// Version of ONNX's own operators.
    pub(super) fn opset(&self) -> i64 {
        let own = self.opsets.iter().find(|(domain, _)| domain.is_empty());
        own.map_or(0, |(_, version)| *version)
    }
}

/// Two names of the domain of ONNX's own operators are one.
fn domain(name: String) -> String {
    if name == "ai.onnx" { String::new() } else { name }
}

impl GraphProto {
    fn read(&mut self, wire: &mut Wire<'_>, message: Range<usize>) -> Read<()> {
        for field in wire.fields(message)? {
            match field.number {
                1 => self.nodes.push(node(wire, &field)?),
                5 => self.initialisers.push(tensor(wire, &field)?),
                11 => self.inputs.push(value_info(wire, &field)?),
                12 => self.outputs.push(value_info(wire, &field)?),
                15 => self.sparse += 1,
                _ => {}
            }
        }
        Ok(())
    }
}

impl NodeProto {
    /// Name for messages: the node's, else that of its first output.
    pub(super) fn label(&self) -> String {
        let named = [Some(&self.name), self.outputs.first()].into_iter().flatten();
        named.into_iter().find(|name| !name.is_empty()).cloned().unwrap_or_else(|| "a node".into())
    }

    /// The attribute of a name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.int
    }

    /// A float attribute.
    pub(super) fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name)?.float
    }

    /// A text attribute.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name)?.text.as_deref()
    }

    /// An attribute that is a list of integers.
    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    /// Name of an input that is there.
    pub(super) fn input(&self, i: usize) -> Option<&str> {
        self.inputs.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Name of the first output.
    pub(super) fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }
}

impl ValueInfo {
    /// Refuses what is no tensor of floats.
    pub(super) fn check_float(&self) -> std::result::Result<(), Reason> {
        if is_float(self.kind) {
            return Ok(());
        }
        let what = format!("it is {}, not float", kind_name(self.kind));
        let advice = "export the network with a float input, without the part that converts and scales bytes, \
                      and give --input-mean and --input-std";
        Err(Reason::new(what, advice))
    }
}

fn node(wire: &mut Wire<'_>, field: &WireField) -> Read<NodeProto> {
    let mut node = NodeProto { range: field.range.clone(), ..NodeProto::default() };
    for field in wire.fields(field.message()?)? {
        match field.number {
            1 => node.inputs.push(wire.text(&field)?),
            2 => node.outputs.push(wire.text(&field)?),
            3 => node.name = wire.text(&field)?,
            4 => node.op = wire.text(&field)?,
            5 => node.attributes.push(attribute(wire, &field)?),
            7 => node.domain = domain(wire.text(&field)?),
            _ => {}
        }
    }
    Ok(node)
}

fn attribute(wire: &mut Wire<'_>, field: &WireField) -> Read<Attribute> {
    let mut attribute = Attribute::default();
    for field in wire.fields(field.message()?)? {
        match field.number {
            1 => attribute.name = wire.text(&field)?,
            2 => attribute.float = Some(field.float()?),
            3 => attribute.int = Some(field.int()?),
            4 => attribute.text = Some(wire.text(&field)?),
            5 => attribute.tensor = Some(tensor(wire, &field)?),
            7 => wire.floats(&field, &mut attribute.floats)?,
            8 => wire.short_ints(&field, &mut attribute.ints)?,
            _ => {}
        }
    }
    Ok(attribute)
}

fn tensor(wire: &mut Wire<'_>, field: &WireField) -> Read<TensorProto> {
    let mut tensor = TensorProto { range: field.range.clone(), ..TensorProto::default() };
    for field in wire.fields(field.message()?)? {
        match field.number {
            1 => wire.short_ints(&field, &mut tensor.dims)?,
            2 => tensor.kind = field.int()?,
            4 | 5 | 7 | 10 | 11 => tensor.lists.push(field),
            8 => tensor.name = wire.text(&field)?,
            9 => tensor.raw = Some(field.message()?),
            13 => tensor.location.push(entry(wire, &field)?),
            14 => tensor.external = field.int()? == 1,
            _ => {}
        }
    }
    Ok(tensor)
}

/// A key and its value.
fn entry(wire: &mut Wire<'_>, field: &WireField) -> Read<(String, String)> {
    let mut entry = (String::new(), String::new());
    for field in wire.fields(field.message()?)? {
        match field.number {
            1 => entry.0 = wire.text(&field)?,
            2 => entry.1 = wire.text(&field)?,
            _ => {}
        }
    }
    Ok(entry)
}

fn value_info(wire: &mut Wire<'_>, field: &WireField) -> Read<ValueInfo> {
    let mut info = ValueInfo { range: field.range.clone(), ..ValueInfo::default() };
    for field in wire.fields(field.message()?)? {
        match field.number {
            1 => info.name = wire.text(&field)?,
            2 => {
                for field in wire.fields(field.message()?)?.iter().filter(|f| f.number == 1) {
                    tensor_type(wire, field, &mut info)?;
                }
            }
            _ => {}
        }
    }
    Ok(info)
}

fn tensor_type(wire: &mut Wire<'_>, field: &WireField, info: &mut ValueInfo) -> Read<()> {
    for field in wire.fields(field.message()?)? {
        match field.number {
            1 => info.kind = field.int()?,
            2 => {
                let mut dims = Vec::new();
                for field in wire.fields(field.message()?)?.iter().filter(|f| f.number == 1) {
                    let mut dim = Dim::Dynamic(String::new());
                    for field in wire.fields(field.message()?)? {
                        match field.number {
                            1 => dim = Dim::Fixed(field.int()?),
                            2 => dim = Dim::Dynamic(wire.text(&field)?),
                            _ => {}
                        }
                    }
                    dims.push(dim);
                }
                info.dims = Some(dims);
            }
            _ => {}
        }
    }
    Ok(())
}
