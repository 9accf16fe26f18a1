//! From ONNX nodes to layers of our graph, one node after the other.

mod activations;
mod joins;
mod layout;
mod linear;
mod parameters;
mod pools;
mod quantised;
mod resize;
mod tensor;
mod unsupported;
mod window;

pub(super) use tensor::Operand;

use super::{
    budget::Budget,
    constants::{fold, is_foldable},
    element_type::{is_float, kind_name},
    functions::shape_of,
    model::{NodeProto, OnnxModel, TensorProto},
    moves::{Move, is_move},
    reasons::{Obstacle, Reason, Taken},
    value::{Constant, HostTensor, decode},
};
use crate::{
    files::Weights,
    nn::{Graph, NodeId},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::PathBuf,
};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A constant.
    Constant(Constant),
    /// A tensor of the network.
    Operand(Operand),
    /// Something that a refused node would have made.
    Unknown,
}

/// A layer with stored words.
#[derive(Clone, Debug)]
pub(super) struct LayerSource {
    /// Name of the node.
    pub(super) node: String,
    /// Its operator.
    pub(super) op: String,
    /// Name of the stored tensor.
    pub(super) stored: String,
    /// Whether the layer has the tensor's values in their order.
    pub(super) as_it_is: bool,
}

/// A network while it is built.
pub(super) struct Lowering<'m> {
    model: &'m OnnxModel,
    folder: PathBuf,
    /// The network so far.
    pub(super) graph: Graph,
    /// Its weights so far.
    pub(super) weights: Weights,
    /// Images of a batch that the file is made for; 1 if any.
    pub(super) batch: usize,
    values: HashMap<String, Item>,
    /// What the words of quantised activations stand for, by the name of the value.
    quantised: HashMap<String, quantised::ActivationWords>,
    stored: HashMap<&'m str, &'m TensorProto>,
    /// Nodes that read each value.
    readers: HashMap<&'m str, Vec<usize>>,
    /// Nodes that were done together with another.
    fused: HashSet<usize>,
    /// Tensors that were rearranged into images.
    made: Vec<(Operand, [u32; 3], NodeId)>,
    /// Nodes that use each stored weight.
    users: HashMap<String, String>,
    budget: Budget,
    /// Layers, in the order of those of the graph.
    pub(super) layers: Vec<LayerSource>,
    /// Why the file cannot be run.
    pub(super) problems: Vec<Obstacle>,
    /// Nodes that were left out, as `Dropout /features/dropout`.
    pub(super) stripped: Vec<String>,
    /// What a user should know.
    pub(super) notes: BTreeSet<String>,
}

impl<'m> Lowering<'m> {
    /// Begins with the graph of an input, for batches of this size.
    pub(super) fn new(
        (model, folder): (&'m OnnxModel, PathBuf),
        graph: Graph,
        batch: usize,
    ) -> Self {
        let stored =
            model.graph.initialisers.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        Self {
            model,
            folder,
            graph,
            weights: Weights::default(),
            batch,
            values: HashMap::new(),
            quantised: HashMap::new(),
            stored,
            readers: HashMap::new(),
            fused: HashSet::new(),
            made: Vec::new(),
            users: HashMap::new(),
            budget: Budget::new(model.bytes.len()),
            layers: Vec::new(),
            problems: Vec::new(),
            stripped: Vec::new(),
            notes: BTreeSet::new(),
        }
    }

    /// Gives the network its input: a tensor, behind a move of each image.
    pub(super) fn begin(&mut self, name: &str, tensor: Operand, transposed: Option<&Move>) {
        let moved = transposed.map(|by| self.moved(&tensor, by));
        let item = match moved {
            None => Item::Operand(tensor),
            Some(Ok(moved)) => Item::Operand(moved),
            Some(Err(reason)) => {
                self.problems.push(Obstacle {
                    node: format!("input {name}"),
                    op: String::new(),
                    reason,
                });
                Item::Unknown
            }
        };
        self.values.insert(name.to_owned(), item);
    }

    /// Lowers the nodes that `output` depends on, and gives what it stands for.
    pub(super) fn run(&mut self, output: &str) -> Item {
        let nodes = &self.model.graph.nodes;
        let needed = needed(nodes, output);
        for (i, node) in nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            for input in node.inputs.iter().filter(|input| !input.is_empty()) {
                self.readers.entry(input).or_default().push(i);
            }
        }
        // A reader that no index stands for keeps the output from being fused away.
        self.readers.entry(nodes_name(nodes, output)).or_default().push(usize::MAX);
        for (i, node) in nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            if self.fused.contains(&i) {
                continue;
            }
            let outputs = self.node(node).unwrap_or_else(|reason| {
                self.refuse(node, reason);
                Vec::new()
            });
            let mut outputs = outputs.into_iter();
            for name in &node.outputs {
                let item = outputs.next().unwrap_or(Item::Unknown);
                self.values.entry(name.clone()).or_insert(item);
            }
        }
        self.item(output).unwrap_or(Item::Unknown)
    }

    /// Adds a reason why this node cannot be taken.
    fn refuse(&mut self, node: &NodeProto, reason: Reason) {
        self.problems.push(Obstacle { node: node.label(), op: node.op.clone(), reason });
    }

    fn node(&mut self, node: &NodeProto) -> Taken<Vec<Item>> {
        if let Some(reason) = unsupported::reason(node, self.model) {
            // The rest is read as if the node did nothing, so that all reasons are found at once.
            let first = node.input(0).map(|input| self.item(input));
            self.refuse(node, reason);
            let same = first.and_then(Result::ok).filter(|_| unsupported::keeps_shape(&node.op));
            return Ok(vec![same.unwrap_or(Item::Unknown)]);
        }
        let mut items = Vec::new();
        for input in &node.inputs {
            items.push(if input.is_empty() { None } else { Some(self.item(input)?) });
        }
        if items.iter().any(|item| matches!(item, Some(Item::Unknown))) {
            return Ok(Vec::new());
        }
        let constants = items.iter().map(|item| match item {
            None => Some(None),
            Some(Item::Constant(constant)) => Some(Some(constant.clone())),
            _ => None,
        });
        if let (true, Some(inputs)) = (is_foldable(&node.op), constants.collect::<Option<Vec<_>>>())
        {
            let folded = fold((self.model, &self.folder), node, &inputs, &mut self.budget)?;
            return Ok(folded.into_iter().map(Item::Constant).collect());
        }
        self.pass_words(node);
        if is_move(&node.op) {
            return self.move_elements(node);
        }
        let one = match node.op.as_str() {
            "Conv" => self.convolution(node)?,
            "ConvTranspose" => self.transposed_convolution(node)?,
            "Gemm" => self.gemm(node)?,
            "MatMul" => self.matrix_product(node)?,
            "BatchNormalization" => self.batch_norm(node)?,
            "Relu" | "Clip" | "HardSwish" | "HardSigmoid" | "Sigmoid" | "Tanh" | "LeakyRelu"
            | "PRelu" => self.activation(node)?,
            "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Sum" | "Mean" | "Pow" | "Neg" => {
                self.arithmetic(node)?
            }
            "Concat" => self.concat(node)?,
            "MaxPool" | "AveragePool" => self.pool(node)?,
            "GlobalAveragePool" | "GlobalMaxPool" | "ReduceMean" | "ReduceMax" | "ReduceSum" => {
                self.reduction(node)?
            }
            "Pad" => self.pad(node)?,
            "Resize" | "Upsample" => self.enlarged(node)?,
            "Dropout" => {
                self.stripped.push(format!("Dropout {}", node.label()));
                self.tensor(node, 0)?
            }
            "QuantizeLinear" => self.quantise(node)?,
            "DequantizeLinear" => self.dequantise(node)?,
            op if quantised::is_known(op) => self.quantised_operator(node)?,
            "Cast" | "CastLike" => self.cast(node)?,
            "Shape" => {
                let dims = self.tensor(node, 0)?.full(self.batch);
                return Ok(vec![Item::Constant(Constant::made(shape_of(node, &dims)?))]);
            }
            "Size" => {
                let size = self.tensor(node, 0)?.len() * self.batch;
                let value = HostTensor { dims: Vec::new(), ..HostTensor::ints(vec![size as i64]) };
                return Ok(vec![Item::Constant(Constant::made(value))]);
            }
            op => {
                let what = format!("{op} of a tensor that depends on the image is not computed");
                return Err(Reason::new(what, unsupported::REPLACE));
            }
        };
        Ok(vec![Item::Operand(one)])
    }

    /// What a name stands for.
    fn item(&mut self, name: &str) -> Taken<Item> {
        if let Some(item) = self.values.get(name) {
            return Ok(item.clone());
        }
        let Some(&tensor) = self.stored.get(name) else {
            return Err(Reason::damaged(format!("nothing before it makes its input {name}")));
        };
        let value = decode(self.model, tensor, &self.folder)?;
        if tensor.external {
            self.budget.grow(value.bytes());
            self.notes
                .insert("weights lie in files beside it, which its SHA-256 does not cover".into());
        }
        let constant = Constant::of(value, Some(name.to_owned()), Some(tensor.kind));
        self.values.insert(name.to_owned(), Item::Constant(constant.clone()));
        Ok(Item::Constant(constant))
    }

    /// A tensor of the network that a node reads.
    fn tensor(&mut self, node: &NodeProto, i: usize) -> Taken<Operand> {
        let name = node.input(i).ok_or_else(|| Reason::missing(i))?;
        match self.item(name)? {
            Item::Operand(tensor) => Ok(tensor),
            _ => {
                let what = format!("its input {name} is constant");
                Err(Reason::new(what, "swap its inputs, or fold constants before with onnxsim"))
            }
        }
    }

    /// A constant that a node reads; `None` if it is left out.
    fn constant(&mut self, node: &NodeProto, i: usize) -> Taken<Option<Constant>> {
        let Some(name) = node.input(i) else { return Ok(None) };
        match self.item(name)? {
            Item::Constant(constant) => Ok(Some(constant)),
            _ => {
                let what = format!("its input {name} depends on the image");
                Err(Reason::new(
                    what,
                    "weights and settings of layers are constants: export the network for inference",
                ))
            }
        }
    }

    /// A constant that a node reads.
    fn needed(&mut self, node: &NodeProto, i: usize) -> Taken<Constant> {
        self.constant(node, i)?.ok_or_else(|| Reason::missing(i))
    }

    /// The only node that reads a value, with its index.
    fn sole_reader(&self, value: &str) -> Option<(usize, &'m NodeProto)> {
        match self.readers.get(value)?[..] {
            [i] => Some((i, self.model.graph.nodes.get(i)?)),
            _ => None,
        }
    }

    /// Notes that a later node is done, and what its output is.
    fn fuse(&mut self, i: usize, tensor: &Operand) {
        self.fused.insert(i);
        let name = self.model.graph.nodes[i].output().to_owned();
        self.values.insert(name, Item::Operand(tensor.clone()));
    }

    fn cast(&mut self, node: &NodeProto) -> Taken<Operand> {
        let kind = node.int("to").unwrap_or(1);
        if !is_float(kind) {
            let what = format!("it makes {} of the network's values", kind_name(kind));
            return Err(Reason::new(what, unsupported::REPLACE));
        }
        if self.words_in(node.input(0)).is_some() {
            let what = "it takes the words of a quantised tensor for numbers";
            return Err(Reason::new(what, "dequantise it with DequantizeLinear"));
        }
        if kind != 1 {
            self.notes.insert(format!("it casts to {}: computed in float32", kind_name(kind)));
        }
        self.tensor(node, 0)
    }
}

/// The spelling of a value's name that lives as long as the nodes.
fn nodes_name<'m>(nodes: &'m [NodeProto], value: &str) -> &'m str {
    let all = nodes.iter().flat_map(|node| &node.outputs);
    all.into_iter().find(|name| *name == value).map_or("", String::as_str)
}

/// Which nodes a value depends on.
fn needed(nodes: &[NodeProto], output: &str) -> Vec<bool> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            makers.entry(name).or_insert(i);
        }
    }
    let mut needed = vec![false; nodes.len()];
    let mut open = vec![output];
    while let Some(value) = open.pop() {
        if let Some(&i) = makers.get(value)
            && !std::mem::replace(&mut needed[i], true)
        {
            open.extend(nodes[i].inputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
        }
    }
    needed
}
