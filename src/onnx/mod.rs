//! Classifiers as ONNX files, read into our networks.
//!
//! [`load`] turns the bytes of a file into a [`Graph`] and its [`Weights`], or into one error that lists all
//! reasons why it cannot be run. The steps, each in a file of its own: `wire` reads fields and keeps where they
//! lie; `model` makes nodes and stored tensors of them; `ends` finds the images and the scores of classes;
//! `constants` computes what does not depend on the image; `lower` makes layers of the rest. Layers and
//! parameters have the names of the file's stored tensors.

mod anatomy;
mod arithmetic;
mod budget;
mod constants;
mod element_type;
mod ends;
pub mod export;
mod external;
mod functions;
mod lower;
mod model;
mod moves;
mod quantisation;
mod reasons;
mod report;
#[cfg(test)]
mod tests;
mod value;
mod wire;

pub use anatomy::{Anatomy, StoredTensor};
pub use ends::AxisOrder;
pub use report::{ImportReport, ReportLayer, WordFormat};

use crate::{
    error::{Error, Result},
    files::{Normalisation, Weights},
    nn::{Graph, NodeId, Op},
};
use lower::{Item, Lowering};
use model::OnnxModel;
use reasons::{Obstacle, Reason};
use std::{collections::BTreeMap, path::Path};

/// The oldest and the newest version of ONNX's operators whose meaning is known here.
const OPSETS: [i64; 2] = [7, 26];

/// What the command line says about a file where it does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Channels, rows and columns of images, where the file leaves them open.
    pub input_shape: Option<[u32; 3]>,
    /// Mean and standard deviation per channel, of values from 0 to 1, that the network expects of its input;
    /// `None` if it takes values in [-1, 1] as they come.
    pub normalisation: Option<(Vec<f32>, Vec<f32>)>,
}

/// A layer with stored words, as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedLayer {
    /// Name of the node.
    pub node: String,
    /// Its operator, such as `Conv`.
    pub operator: String,
    /// Name of the stored tensor; it is the layer's name too.
    pub stored: String,
    /// Whether the layer has the tensor's values in their order, so that others can be written in their place.
    pub as_it_is: bool,
}

/// A network from a file.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network: images in [-1, 1] of `[C, H, W]`, scores `[K, 1, 1]`.
    pub graph: Graph,
    /// Its parameters, under the names of the file's stored tensors.
    pub weights: Weights,
    /// Name of the file's input.
    pub input: String,
    /// Order of the input's axes in the file.
    pub layout: AxisOrder,
    /// Images per batch that the file is made for; 1 also where it takes any.
    pub batch: usize,
    /// Name of the file's output.
    pub output: String,
    /// Name of the value that holds the scores: the output, or what is in front of a last Softmax.
    pub scores: String,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// What wrote the file.
    pub producer: String,
    /// Keys and values that say something of the file.
    pub metadata: BTreeMap<String, String>,
    /// Layers with stored words, in the order of those of the graph.
    pub layers: Vec<ImportedLayer>,
    /// What was left out, such as `Softmax /softmax`.
    pub stripped: Vec<String>,
    /// What a user should know.
    pub notes: Vec<String>,
    /// Where nodes and stored tensors are in the file.
    pub anatomy: Anatomy,
}

impl Imported {
    /// Values for the file's stored tensors, from those of layers by their names.
    ///
    /// # Errors
    /// A layer whose weights the file computes: nothing can be written in their place.
    pub fn stored(
        &self,
        path: &Path,
        values: &BTreeMap<String, Vec<f32>>,
    ) -> Result<BTreeMap<String, Vec<f32>>> {
        if let Some(layer) = self.layers.iter().find(|layer| !layer.as_it_is) {
            let what = format!(
                "the weights of {} are computed of {}, so that no others can stand in their place",
                layer.node, layer.stored
            );
            let hint = "fold its constants, for example with onnxslim, and give the result";
            return Err(Error::format(path, what, hint));
        }
        let of = |layer: &ImportedLayer| {
            values.get(&layer.stored).map(|values| (layer.stored.clone(), values.clone()))
        };
        Ok(self.layers.iter().filter_map(of).collect())
    }
}

/// Whether a file's name says that it is an ONNX network.
#[must_use]
pub fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// Reads a network from a file.
///
/// # Errors
/// [`Error::Read`]; [`Error::Format`] for a damaged file, and for one that cannot be run: the error lists all reasons
/// with the names of nodes, the hint says what to do. [`Error::Argument`] for a normalisation that does not fit.
pub fn load(path: &Path, options: &ReadOptions) -> Result<Imported> {
    lowered(&OnnxModel::read(path)?, path, options)
}

/// Reads a network from the bytes of a file; `path` is what messages call it, and data beside it are read from its
/// folder.
///
/// # Errors
/// Those of [`load`].
pub fn parse(bytes: Vec<u8>, path: &Path, options: &ReadOptions) -> Result<Imported> {
    lowered(&OnnxModel::parse(bytes, path)?, path, options)
}

fn lowered(model: &OnnxModel, path: &Path, options: &ReadOptions) -> Result<Imported> {
    let mut problems = Vec::new();
    problems.extend(of_whole(model));
    let input = ends::input(model, options).map_err(|problem| problems.push(problem)).ok();
    let output = ends::output(model).map_err(|problem| problems.push(problem)).ok();
    let (Some(input), Some(output)) = (input, output) else {
        return Err(reasons::error(path, &problems));
    };
    let stem = path
        .file_stem()
        .map_or_else(|| "network".into(), |stem| stem.to_string_lossy().into_owned());
    let mut graph = Graph::new(&stem, input.chw);
    let images = normalised(&mut graph, options)?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let (tensor, transposed) = input.tensor(images);
    let mut lowering = Lowering::new((model, folder), graph, input.batch);
    lowering.problems = problems;
    lowering.begin(&input.name, tensor, transposed.as_ref());
    let scores = lowering.run(&output.scores);
    if lowering.problems.is_empty()
        && let Err(reason) = finish(&mut lowering, scores, output.axis)
    {
        let node = format!("output {}", output.name);
        lowering.problems.push(Obstacle { node, op: String::new(), reason });
    }
    if !lowering.problems.is_empty() {
        return Err(reasons::error(path, &lowering.problems));
    }
    let mut stripped = lowering.stripped;
    stripped.extend(output.stripped.into_iter().rev());
    let layers = lowering.layers.into_iter();
    let mut notes: Vec<String> = lowering.notes.into_iter().collect();
    if model.opset() > OPSETS[1] {
        notes.push(format!(
            "operator set {} is newer than the {} known here",
            model.opset(),
            OPSETS[1]
        ));
    }
    let mut weights = lowering.weights;
    path.clone_into(&mut weights.origin);
    lowering.graph.check(&weights)?;
    Ok(Imported {
        graph: lowering.graph,
        weights,
        input: input.name,
        layout: input.layout,
        batch: input.batch,
        output: output.name,
        scores: output.scores,
        opset: model.opset(),
        producer: model.producer.clone(),
        metadata: model.metadata.iter().cloned().collect(),
        layers: layers
            .map(|layer| ImportedLayer {
                node: layer.node,
                operator: layer.op,
                stored: layer.stored,
                as_it_is: layer.as_it_is,
            })
            .collect(),
        stripped,
        notes,
        anatomy: Anatomy::of(model),
    })
}

/// What is wrong with a file as a whole.
fn of_whole(model: &OnnxModel) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let mut say = |what: String, advice: &str| {
        let reason = Reason::new(what, advice);
        found.push(Obstacle { node: "the network".into(), op: String::new(), reason });
    };
    if model.opset() < OPSETS[0] {
        let advice = "convert it: onnx.version_converter.convert_version(model, 13)";
        say(format!("it uses operator set {}, older than {}", model.opset(), OPSETS[0]), advice);
    }
    if model.graph.sparse > 0 {
        say("it stores sparse tensors".into(), "save the network with dense tensors");
    }
    found
}

/// The images as the network wants them.
fn normalised(graph: &mut Graph, options: &ReadOptions) -> Result<NodeId> {
    let Some((mean, std)) = &options.normalisation else { return Ok(graph.input()) };
    let channels = graph.nodes[graph.input()].chw[0] as usize;
    if mean.len() != channels || std.len() != channels {
        let what = format!(
            "the network takes {channels} channels; {} means and {} deviations are given",
            mean.len(),
            std.len()
        );
        return Err(Error::argument(
            "--input-mean",
            what,
            "give one number per channel for each of the two",
        ));
    }
    let checked = Normalisation::check(mean, std);
    checked.map_err(|(what, hint)| Error::argument("--input-mean", what, hint))?;
    // x in [-1, 1] is 2 t - 1; the network wants (t - mean) / std.
    let scale: Vec<f32> = std.iter().map(|s| 0.5 / s).collect();
    let shift: Vec<f32> = mean.iter().zip(std).map(|(m, s)| (0.5 - m) / s).collect();
    Ok(graph.affine(graph.input(), &scale, &shift))
}

/// Makes the scores the graph's output `[K, 1, 1]`, and takes away nodes that nothing reads.
fn finish(
    lowering: &mut Lowering<'_>,
    scores: Item,
    axis: Option<i64>,
) -> std::result::Result<(), Reason> {
    let Item::Operand(scores) = scores else {
        return Err(Reason::new(
            "it does not depend on the images",
            "give a network that classifies images",
        ));
    };
    let classes = scores.len();
    let of_classes = scores.dims.iter().filter(|&&extent| extent != 1).count() == 1;
    if !of_classes || classes > 1 << 20 {
        let what = format!("it is {:?} per image, not a list of scores", scores.dims);
        return Err(Reason::new(
            what,
            "a classifier has one score per class, two classes at least",
        ));
    }
    if let Some(axis) = axis {
        let full = scores.full(lowering.batch);
        let along = moves::axis_of(axis, full.len())?;
        // Before operator set 13, Softmax took all axes from this one on together.
        if along == 0 || full[along..].iter().product::<usize>() != classes {
            let what = format!(
                "its last Softmax or ArgMax is along axis {axis} of {full:?}, which is not that of classes"
            );
            return Err(Reason::new(what, "let it work along the classes"));
        }
    }
    let classes = u32::try_from(classes).unwrap_or(u32::MAX);
    let output = lowering.as_chw(&scores, [classes, 1, 1])?;
    if lowering.graph.layers.is_empty() {
        return Err(Reason::new(
            "no layer in front of it has weights",
            "give a network with weights",
        ));
    }
    keep_needed(&mut lowering.graph, output)
}

/// Takes away nodes without parameters that the output does not depend on; the output is then the last node.
fn keep_needed(graph: &mut Graph, output: NodeId) -> std::result::Result<(), Reason> {
    let mut needed = vec![false; graph.nodes.len()];
    needed[output] = true;
    needed[graph.input()] = true;
    for i in (0..=output).rev().filter(|&i| i > 0) {
        if needed[i] {
            graph.nodes[i].inputs.iter().for_each(|&input| needed[input] = true);
        }
    }
    let unused = |(node, needed): (&crate::nn::Node, &bool)| {
        !needed && matches!(node.op, Op::Conv { .. } | Op::Linear { .. } | Op::BatchNorm(_))
    };
    if graph.nodes.iter().zip(&needed).any(unused) {
        let what = "a layer with weights does not change it";
        return Err(Reason::new(
            what,
            "remove what is not used: python -m onnxsim in.onnx out.onnx",
        ));
    }
    let mut new = vec![0; graph.nodes.len()];
    let mut kept = Vec::new();
    for (i, mut node) in std::mem::take(&mut graph.nodes).into_iter().enumerate() {
        if needed[i] {
            node.inputs.iter_mut().for_each(|input| *input = new[*input]);
            new[i] = kept.len();
            kept.push(node);
        }
    }
    graph.nodes = kept;
    Ok(())
}
