//! What was understood of a file, as data for printing and JSON.

use super::{AxisOrder, Imported};
use crate::files::StoredWords;
use serde::Serialize;

/// What was understood of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportReport {
    /// Name of the input in the file.
    pub input: String,
    /// Channels, rows and columns of one image.
    pub image: [u32; 3],
    /// Whether the file's input has its channels last.
    pub channels_last: bool,
    /// Name of the output in the file.
    pub output: String,
    /// Number of classes.
    pub classes: u32,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// What wrote the file.
    pub producer: String,
    /// Layers with stored words, in the order of the file.
    pub layers: Vec<ReportLayer>,
    /// Stored words in all layers.
    pub faultable_weights: u64,
    /// Elements of all parameters, stored words included.
    pub parameters: u64,
    /// Multiply-adds of convolutions and fully connected layers for one image.
    pub multiply_adds: u64,
    /// What was left out, such as `Softmax /softmax`.
    pub stripped: Vec<String>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// A layer with stored words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportLayer {
    /// Name of the stored tensor.
    pub name: String,
    /// Name of the node.
    pub node: String,
    /// Operator of the node.
    pub operator: String,
    /// Extents of the stored tensor.
    pub shape: Vec<usize>,
    /// Groups of channels.
    pub groups: u32,
    /// Number of stored words.
    pub words: u64,
    /// The words of a file that is quantised; absent where it stores floats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_as: Option<WordFormat>,
}

/// The words that a quantised file stores for a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WordFormat {
    /// Bits of a word.
    pub bits: u32,
    /// Whether words are in two's complement.
    pub signed: bool,
    /// Number of scales: one, or one for each output channel.
    pub scales: usize,
    /// Whether a word other than 0 stands for 0.
    pub zero_points: bool,
}

impl WordFormat {
    fn of(stored: &StoredWords) -> Self {
        let StoredWords { bits, parameters, .. } = stored;
        Self {
            bits: *bits,
            signed: parameters.signed,
            scales: parameters.scales.len(),
            zero_points: !parameters.zero_points.is_empty(),
        }
    }

    /// As in `int8, 64 scales, zero points`.
    fn text(&self) -> String {
        let sign = if self.signed { "int" } else { "uint" };
        let scales =
            if self.scales == 1 { String::new() } else { format!(", {} scales", self.scales) };
        let zeros = if self.zero_points { ", zero points" } else { "" };
        format!("{sign}{}{scales}{zeros}", self.bits)
    }
}

impl ImportReport {
    /// What was understood.
    #[must_use]
    pub fn of(imported: &Imported) -> Self {
        let graph = &imported.graph;
        let layers = graph.layers.iter().zip(&imported.layers).map(|(layer, source)| {
            let param = &graph.params[layer.weight];
            ReportLayer {
                name: param.name.clone(),
                node: source.node.clone(),
                operator: source.operator.clone(),
                shape: param.shape.clone(),
                groups: layer.groups,
                words: param.len() as u64,
                stored_as: imported.weights.words.get(&param.name).map(WordFormat::of),
            }
        });
        Self {
            input: imported.input.clone(),
            image: graph.nodes[graph.input()].chw,
            channels_last: imported.layout == AxisOrder::Hwc,
            output: imported.output.clone(),
            classes: graph.nodes[graph.output()].chw[0],
            opset: imported.opset,
            producer: imported.producer.clone(),
            layers: layers.collect(),
            faultable_weights: graph.faultable_weights(),
            parameters: graph.params.iter().map(|param| param.len() as u64).sum(),
            multiply_adds: graph.macs(),
            stripped: imported.stripped.clone(),
            notes: imported.notes.clone(),
        }
    }

    /// The report as lines for a terminal.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let [c, h, w] = self.image;
        let order =
            if self.channels_last { format!(", stored [N, {h}, {w}, {c}]") } else { String::new() };
        let by = if self.producer.is_empty() {
            String::new()
        } else {
            format!(", written by {}", self.producer)
        };
        let mut lines = vec![
            format!("input {}: images of {c}x{h}x{w}{order}", self.input),
            format!("output {}: {} classes", self.output, self.classes),
            format!("operator set {}{by}", self.opset),
        ];
        let width =
            |of: fn(&ReportLayer) -> usize| self.layers.iter().map(of).max().unwrap_or(0).min(60);
        let (names, shapes) = (width(|l| l.name.len()), width(|l| shape(l).len()));
        for layer in &self.layers {
            let groups = if layer.groups == 1 {
                String::new()
            } else {
                format!(", {} groups", layer.groups)
            };
            let stored = layer.stored_as.as_ref();
            let stored = stored.map_or_else(String::new, |stored| format!(", {}", stored.text()));
            lines.push(format!(
                "  {:names$}  {:shapes$}  {:>10} words  {}{groups}{stored}",
                layer.name,
                shape(layer),
                layer.words,
                layer.operator
            ));
        }
        lines.push(format!(
            "{} layers with {} stored words that faults can hit; {} parameters; {} multiply-adds per image",
            self.layers.len(),
            self.faultable_weights,
            self.parameters,
            self.multiply_adds
        ));
        if !self.stripped.is_empty() {
            lines.push(format!("left out: {}", self.stripped.join(", ")));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines
    }
}

fn shape(layer: &ReportLayer) -> String {
    layer.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}
