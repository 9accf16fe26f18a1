//! Networks as ONNX files: a generator alone, or in front of a classifier, whose nodes are the user's own.
//!
//! The generator's last tensor takes the name of the classifier's input, so that all nodes of the classifier are copied
//! byte for byte; the images come in under a new name. Weights that faults can hit are patched where they are
//! stored.

mod message;
mod network;
mod quantised;

use super::{
    AxisOrder, Imported,
    element_type::bits_of,
    wire::{Damage, Wire, WireField},
};
use crate::{
    deploy::Quantised,
    error::{Error, Result},
    files::{StoredWords, Weights},
    nn::Graph,
};
use message::{AttributeValue, Message, model, tensor, value_info};
use network::Nodes;
use std::{collections::BTreeMap, path::Path};

/// The operator set of files that copy none: what every runtime of the last years knows.
const OPSET: i64 = 13;
/// The oldest operator set in whose words a generator can be written: bounds of `Clip` and amounts of `Pad` are
/// inputs.
const OLDEST: i64 = 11;

/// The oldest operator set that knows a scale per channel.
const OLDEST_QUANTISED: i64 = 13;

/// How names of nodes and tensors of a generator in front of a network begin.
pub const GENERATOR: &str = "neuralfuse/";

/// A generator to be written.
#[derive(Clone, Copy, Debug)]
pub struct Exported<'a> {
    /// The network; it ends with G(x).
    pub graph: &'a Graph,
    /// Its weights.
    pub weights: &'a Weights,
    /// Bits per stored weight.
    pub bits: u32,
}

/// The generator of a file: in float, or in int8 (QDQ).
#[derive(Clone, Copy, Debug)]
pub enum Front<'a> {
    /// Weights that are stored words, as floats.
    Float(Exported<'a>),
    /// Words, and activations on grids.
    Quantised(&'a Quantised<'a>),
}

impl<'a> From<Exported<'a>> for Front<'a> {
    fn from(generator: Exported<'a>) -> Self {
        Self::Float(generator)
    }
}

impl<'a> From<&'a Quantised<'a>> for Front<'a> {
    fn from(generator: &'a Quantised<'a>) -> Self {
        Self::Quantised(generator)
    }
}

impl Front<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Float(generator) => &generator.graph.name,
            Self::Quantised(by) => &by.network.name,
        }
    }

    fn chw(&self) -> [u32; 3] {
        match self {
            Self::Float(Exported { graph, .. }) => graph.nodes[graph.input()].chw,
            Self::Quantised(by) => by.network.chw,
        }
    }

    fn oldest(&self) -> i64 {
        match self {
            Self::Float(_) => OLDEST,
            Self::Quantised(_) => OLDEST_QUANTISED,
        }
    }
}

/// Mean and standard deviation per channel that a network expects of its input, of values from 0 to 1.
pub type PerChannel = (Vec<f32>, Vec<f32>);

/// A generator alone: images in [-1, 1] to `clamp(x + G(x), -1, 1)`, both `[N, C, H, W]`.
///
/// # Errors
/// Tensors are missing, or cannot be quantised.
pub fn generator<'a>(generator: impl Into<Front<'a>>) -> Result<Vec<u8>> {
    let generator = generator.into();
    let mut nodes = Nodes::new("");
    fused(&mut nodes, generator, "images", "output", None)?;
    let dims = generator.chw();
    let graph = graph_of(&nodes, generator.name(), &dims, "output", &dims);
    Ok(model(&graph, OPSET).0)
}

/// A generator in front of one of our own networks: images in [-1, 1] to scores `[N, K]`.
///
/// # Errors
/// Tensors are missing, or cannot be quantised.
pub fn with_network<'a>(generator: impl Into<Front<'a>>, base: Exported<'_>) -> Result<Vec<u8>> {
    let mut nodes = Nodes::new(GENERATOR);
    fused(&mut nodes, generator.into(), "images", "protected", None)?;
    let mut of_base = Nodes::new("");
    let scores = of_base.network(base.graph, base.weights, base.bits, "protected")?;
    of_base.push_to("scores", "Flatten", &[&scores], &[]);
    nodes.nodes.append(&mut of_base.nodes);
    nodes.tensors.append(&mut of_base.tensors);
    let [input, output] =
        [base.graph.input(), base.graph.output()].map(|n| base.graph.nodes[n].chw);
    let graph = graph_of(&nodes, &base.graph.name, &input, "scores", &output[..1]);
    Ok(model(&graph, OPSET).0)
}

fn graph_of(nodes: &Nodes<'_>, name: &str, input: &[u32], output: &str, dims: &[u32]) -> Message {
    let graph = nodes.nodes.iter().fold(Message::default(), |graph, node| graph.message(1, node));
    let graph = graph.text(2, name);
    let graph = nodes.tensors.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    graph.message(11, &value_info("images", input)).message(12, &value_info(output, dims))
}

/// Appends `F(x) = clamp(x + G(x), -1, 1)` from the value `x` to one named `output`. With a normalisation both are as
/// the classifier wants its input.
fn fused(
    nodes: &mut Nodes<'_>,
    generator: Front<'_>,
    x: &str,
    output: &str,
    normalisation: Option<&PerChannel>,
) -> Result<()> {
    let mut images = x.to_owned();
    if let Some((mean, std)) = normalisation {
        // v is (t - mean) / std of t in [0, 1], and x is 2 t - 1.
        let scale: Vec<f32> = std.iter().map(|std| 2.0 * std).collect();
        let shift: Vec<f32> = mean.iter().map(|mean| 2.0 * mean - 1.0).collect();
        images = nodes.affine(x, &scale, &shift);
    }
    let added = match generator {
        Front::Float(Exported { graph, weights, bits }) => {
            nodes.network(graph, weights, bits, &images)?
        }
        Front::Quantised(by) => quantised::network(nodes, by, &images)?,
    };
    let sum = nodes.push("Add", &[&images, &added], &[]);
    let (low, high) = (nodes.constant(&[], &[-1.0]), nodes.constant(&[], &[1.0]));
    let Some((mean, std)) = normalisation else {
        nodes.push_to(output, "Clip", &[&sum, &low, &high], &[]);
        return Ok(());
    };
    let clipped = nodes.push("Clip", &[&sum, &low, &high], &[]);
    let dims = [std.len() as u32, 1, 1];
    let scale: Vec<f32> = std.iter().map(|std| 0.5 / std).collect();
    let shift: Vec<f32> = mean.iter().zip(std).map(|(mean, std)| (0.5 - mean) / std).collect();
    let (scale, shift) = (nodes.constant(&dims, &scale), nodes.constant(&dims, &shift));
    let product = nodes.push("Mul", &[&clipped, &scale], &[]);
    nodes.push_to(output, "Add", &[&product, &shift], &[]);
    Ok(())
}

/// A file with other values in some of its stored tensors, a note of the reason behind it, and all else as it is.
///
/// # Errors
/// A tensor that is not stored, or in a way in which it cannot be patched.
pub fn patched(
    bytes: &[u8],
    path: &Path,
    imported: &Imported,
    values: &BTreeMap<String, Vec<f32>>,
    (key, note): (&str, &str),
) -> Result<Vec<u8>> {
    let file = Message(rewritten(bytes, path, imported, values, None)?);
    Ok(file.message(14, &Message::default().text(1, key).text(2, note)).0)
}

/// A generator in front of the network of a file. `values` replace stored tensors by name; the input's name is now
/// the one that [`unprotected`] gives.
///
/// # Errors
/// As [`patched`]; an operator set in which no generator can be written.
pub fn protected<'a>(
    bytes: &[u8],
    path: &Path,
    imported: &Imported,
    values: &BTreeMap<String, Vec<f32>>,
    generator: impl Into<Front<'a>>,
    normalisation: Option<&PerChannel>,
) -> Result<Vec<u8>> {
    let generator = generator.into();
    let oldest = generator.oldest();
    if imported.opset < oldest {
        let what =
            format!("it uses operator set {}; a generator needs {oldest} or newer", imported.opset);
        let hint = "convert it with onnx.version_converter.convert_version(model, 13), or export the generator alone \
                    and join the two with onnx.compose.merge_models";
        return Err(Error::format(path, what, hint));
    }
    let input = unprotected(imported);
    let mut nodes = Nodes::new(GENERATOR);
    match imported.layout {
        AxisOrder::Chw => fused(&mut nodes, generator, &input, &imported.input, normalisation)?,
        AxisOrder::Hwc => {
            let to_chw = [("perm", AttributeValue::Ints(vec![0, 3, 1, 2]))];
            let images = nodes.push("Transpose", &[&input], &to_chw);
            let output = "neuralfuse/output";
            fused(&mut nodes, generator, &images, output, normalisation)?;
            let to_hwc = [("perm", AttributeValue::Ints(vec![0, 2, 3, 1]))];
            nodes.push_to(&imported.input, "Transpose", &[output], &to_hwc);
        }
        AxisOrder::Flat => {
            let what = "its input is no image [N, C, H, W] or [N, H, W, C]";
            let hint = "export the generator alone, without --base, and join the two";
            return Err(Error::format(path, what, hint));
        }
    }
    rewritten(bytes, path, imported, values, Some(&(&input, nodes)))
}

/// Writes the words of 32 bits of a bias in place of those that a file has.
///
/// # Errors
/// [`Error::Format`]: the file does not hold the tensor as bytes.
pub fn patch_bias(
    bytes: &mut [u8],
    path: &Path,
    imported: &Imported,
    (name, words): (&str, &[i32]),
) -> Result<()> {
    let raw = imported.anatomy.tensors.get(name).and_then(|place| place.raw.clone());
    let raw = raw.and_then(|range| bytes.get_mut(range));
    let Some(raw) = raw.filter(|raw| raw.len() == 4 * words.len()) else {
        let what = format!("the bias {name} does not lie in the file as bytes");
        let hint = "save the network with onnx.save_model(model, path), which stores tensors with their bytes";
        return Err(Error::format(path, what, hint));
    };
    let new: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    raw.copy_from_slice(&new);
    Ok(())
}

/// Name of the input of a protected network.
#[must_use]
pub fn unprotected(imported: &Imported) -> String {
    format!("{}.unprotected", imported.input)
}

/// The file with patched tensors, and with nodes in front of the first of its own.
fn rewritten(
    bytes: &[u8],
    path: &Path,
    imported: &Imported,
    values: &BTreeMap<String, Vec<f32>>,
    front: Option<&(&str, Nodes<'_>)>,
) -> Result<Vec<u8>> {
    let left = imported.anatomy.tensors.iter().find(|(name, place)| {
        // Those that are written anew are in the file from now on.
        place.external && !values.contains_key(*name)
    });
    if let Some((name, _)) = left {
        let what = format!("tensor {name} lies in another file, which would be left behind");
        let hint = "save the network in one file: onnx.save_model(onnx.load(path), path)";
        return Err(Error::format(path, what, hint));
    }
    let mut patched = bytes.to_vec();
    // Tensors that have to be written anew, by the start of their field.
    let mut anew = BTreeMap::new();
    for (name, values) in values {
        let refuse = |why: &str| {
            let hint = "save the network with onnx.save_model(model, path), which stores float32 tensors with their bytes";
            Error::format(path, format!("tensor {name} {why}"), hint)
        };
        let Some(place) = imported.anatomy.tensors.get(name) else {
            return Err(refuse("is computed, not stored"));
        };
        let raw = match (place.element_type, imported.weights.words.get(name)) {
            (1, words) => {
                let read = imported.weights.tensors.get(name).filter(|_| words.is_some());
                let own = place.raw.as_ref().and_then(|range| bytes.get(range.clone()));
                floats(values, own, read.map_or(&[], |tensor| &tensor.data))
            }
            (kind, Some(stored)) => packed(kind, stored, values),
            _ => return Err(refuse("is not float32, so that it cannot hold the quantised values")),
        };
        match &place.raw {
            Some(range) if range.len() == raw.len() => patched[range.clone()].copy_from_slice(&raw),
            Some(_) => return Err(refuse("has another size than its layer")),
            None => {
                let written = tensor(name, &place.shape, place.element_type, &raw);
                anew.insert(place.range.start, written);
            }
        }
    }
    let damaged = |damage: Damage| {
        let what = format!("at byte {} it {}", damage.at, damage.what);
        Error::format(path, what, "copy it again, or export the network anew")
    };
    let mut wire = Wire::new(&patched);
    let whole = wire.whole();
    let mut file = Message::default();
    for field in wire.fields(whole).map_err(damaged)? {
        if field.number != 7 {
            file = file.copied(&patched[field.range]);
            continue;
        }
        let inside = wire.fields(field.message().map_err(damaged)?).map_err(damaged)?;
        file = file.message(7, &graph(&patched, &inside, imported, &mut anew, front)?);
    }
    if let Some(start) = anew.into_keys().next() {
        let what = format!("a tensor at byte {start} is in a node, as a list of numbers");
        let hint = "save the network with its constants as initialisers, for example with onnxslim";
        return Err(Error::format(path, what, hint));
    }
    Ok(file.0)
}

/// The bytes of float values. Where the file's own nodes quantise what it stores, `read` are the values that this gives: one that
/// is as it was keeps the file's `own` bytes.
fn floats(values: &[f32], own: Option<&[u8]>, read: &[f32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let places = bytes.chunks_exact_mut(4).zip(own.unwrap_or(&[]).chunks_exact(4));
    for ((new, own), (value, read)) in places.zip(values.iter().zip(read)) {
        if value.to_bits() == read.to_bits() {
            new.copy_from_slice(own);
        }
    }
    bytes
}

/// The bytes of a tensor of this element type whose words stand for these values: of words of four bits two to a byte,
/// the first in its low half.
fn packed(kind: i64, stored: &StoredWords, values: &[f32]) -> Vec<u8> {
    let byte = |(i, value): (usize, &f32)| stored.parameters.word_of(i, *value) as u8;
    let bytes: Vec<u8> = values.iter().enumerate().map(byte).collect();
    if bits_of(kind) == Some(4) {
        let pair = |pair: &[u8]| pair[0] & 15 | pair.get(1).map_or(0, |high| high << 4);
        return bytes.chunks(2).map(pair).collect();
    }
    bytes
}

fn graph(
    bytes: &[u8],
    fields: &[WireField],
    imported: &Imported,
    anew: &mut BTreeMap<usize, Message>,
    front: Option<&(&str, Nodes<'_>)>,
) -> Result<Message> {
    let mut graph = Message::default();
    if let Some((_, nodes)) = front {
        graph = nodes.nodes.iter().fold(graph, |graph, node| graph.message(1, node));
        graph = nodes.tensors.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    }
    let of_input = imported.anatomy.inputs.iter().find(|(name, _)| *name == imported.input);
    for field in fields {
        graph = match (anew.remove(&field.range.start), front) {
            (Some(tensor), _) => graph.message(5, &tensor),
            (None, Some((name, _))) if of_input.is_some_and(|(_, range)| *range == field.range) => {
                graph.message(11, &renamed(bytes, field, name)?)
            }
            _ => graph.copied(&bytes[field.range.clone()]),
        };
    }
    Ok(graph)
}

/// A value's description under another name.
fn renamed(bytes: &[u8], field: &WireField, name: &str) -> Result<Message> {
    let lost = |_| Error::Shape("an input that was read cannot be read again".into());
    let mut wire = Wire::new(bytes);
    let mut message = Message::default().text(1, name);
    for field in wire.fields(field.message().map_err(lost)?).map_err(lost)? {
        if field.number != 1 {
            message = message.copied(&bytes[field.range]);
        }
    }
    Ok(message)
}
