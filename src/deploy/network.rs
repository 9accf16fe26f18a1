//! A generator as the steps that a device takes: stored words, a scale and a shift per channel, an activation.

use crate::{
    error::{Error, Result},
    fault::quantize,
    files::Weights,
    kernels::layout::gather2d::Gather,
    models::GENERATOR_BITS,
    nn::{Graph, NodeId, Op},
    shape::Window,
};

/// A generator, ready for a device. Value 0 is the image; step i makes value i + 1, and the last value is G(x).
#[derive(Clone, Debug)]
pub struct DeviceNetwork {
    /// Name of the generator.
    pub name: String,
    /// Channels, rows and columns of an image.
    pub chw: [u32; 3],
    /// What is done, in this order.
    pub steps: Vec<DeviceStep>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct DeviceStep {
    pub(crate) operation: Operation,
    /// Values that it reads.
    pub(crate) inputs: Vec<usize>,
    /// Channels, rows and columns of the value that it makes.
    pub(crate) chw: [u32; 3],
    /// Name of its layer, or of its operation.
    pub(crate) name: String,
}

/// What a step computes.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Conv(DeviceConv),
    Tanh,
    MaxPool(Window),
    /// Nearest-neighbour enlargement by a factor.
    Upsample(u32),
    /// Channels of the first value, then of the second.
    Concat,
    /// Rows and columns from this place on; zeros where there are none. Padding and cropping.
    Shift(i32),
    /// A value that does not depend on the image.
    Constant(Vec<f32>),
}

/// A convolution with what follows it: `y[k] = factor[k] sum(q x) + shift[k]`, and a ReLU.
///
/// The sum is over the stored words `q`. The factor is the scale of the words times that of the batch norm (of its running
/// statistics, with which inference works).
#[derive(Clone, Debug)]
pub(crate) struct DeviceConv {
    /// The stored words, in the order of the file: `[K, C, R, S]`, of a transposed one `[C, K, R, S]`.
    pub(crate) words: Vec<i8>,
    /// Real value of one step of the words; 0 for words that are all 0.
    pub(crate) scale: f32,
    /// Whether the factors differ from the scale, because a batch norm is folded into them.
    pub(crate) folded: bool,
    /// Per output channel.
    pub(crate) factor: Vec<f64>,
    /// Per output channel.
    pub(crate) shift: Vec<f64>,
    pub(crate) window: Window,
    pub(crate) transposed: bool,
    pub(crate) relu: bool,
}

impl DeviceNetwork {
    /// A generator's graph and weights as steps.
    ///
    /// # Errors
    /// Tensors are missing or cannot be quantised; a layer that no generator has.
    pub fn of(graph: &Graph, weights: &Weights) -> Result<Self> {
        let chw = graph.nodes[graph.input()].chw;
        let mut building = Building {
            graph,
            weights,
            network: Self { name: graph.name.clone(), chw, steps: Vec::new() },
            value: vec![None; graph.nodes.len()],
        };
        building.value[graph.input()] = Some(0);
        for node in 1..graph.nodes.len() {
            if building.value[node].is_none() {
                building.append(node)?;
            }
        }
        Ok(building.network)
    }

    /// Channels, rows and columns of a value.
    pub(crate) fn chw_of(&self, value: usize) -> [u32; 3] {
        value.checked_sub(1).map_or(self.chw, |step| self.steps[step].chw)
    }

    /// Number of elements of a value.
    pub(crate) fn len_of(&self, value: usize) -> usize {
        self.chw_of(value).iter().map(|&extent| extent as usize).product()
    }

    /// The convolutions.
    pub(crate) fn convolutions(&self) -> impl Iterator<Item = (&DeviceStep, &DeviceConv)> {
        self.steps.iter().filter_map(|step| match &step.operation {
            Operation::Conv(conv) => Some((step, conv)),
            _ => None,
        })
    }

    /// Checks that there is something to quantise.
    ///
    /// # Errors
    /// A learned image has no weights.
    pub fn check_weights(&self) -> Result<()> {
        if self.convolutions().next().is_some() {
            return Ok(());
        }
        let what = format!("{} has no weights to quantise", self.name);
        Err(Error::argument("--quantize", what, "leave it out: the file needs no int8 form"))
    }

    /// Bytes of the stored words.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.convolutions().map(|(_, conv)| conv.words.len()).sum()
    }

    /// Multiply-adds for one image.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let of = |(step, conv): (&DeviceStep, &DeviceConv)| {
            let from = if conv.transposed { self.chw_of(step.inputs[0]) } else { step.chw };
            conv.words.len() as u64 * u64::from(from[1]) * u64::from(from[2])
        };
        self.convolutions().map(of).sum()
    }
}

struct Building<'a> {
    graph: &'a Graph,
    weights: &'a Weights,
    network: DeviceNetwork,
    /// The value that holds the output of each node that has one.
    value: Vec<Option<usize>>,
}

impl Building<'_> {
    fn data(&self, param: usize) -> Result<&[f32]> {
        let param = &self.graph.params[param];
        Ok(&self.weights.get(&param.name, &param.shape)?.data)
    }

    fn append(&mut self, id: NodeId) -> Result<()> {
        let node = &self.graph.nodes[id];
        let other = || {
            let name = self.graph.name_of(id);
            Error::Shape(format!("{} has a layer that no generator has: {name}", self.graph.name))
        };
        let inputs = node.inputs.iter().map(|&input| self.value[input].ok_or_else(other));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        // The nodes that this step computes as well.
        let mut with = Vec::new();
        let operation = match &node.op {
            Op::Conv { layer, window, transposed, dilation } => {
                let groups = self.graph.layers[*layer].groups;
                let even = window.stride[0] == window.stride[1];
                if groups != 1
                    || *dilation != [1, 1]
                    || !even
                    || (!transposed && window.stride[0] != 1)
                {
                    return Err(other());
                }
                Operation::Conv(self.conv(id, *layer, *window, *transposed, &mut with)?)
            }
            Op::Tanh => match inputs.first().and_then(|i| self.constant(*i)) {
                // A learned image is the same for all images.
                Some(values) => {
                    let tanh = |v: &f32| f64::from(*v).tanh() as f32;
                    Operation::Constant(values.iter().map(tanh).collect())
                }
                None => Operation::Tanh,
            },
            Op::MaxPool(window) if window.before == [0, 0] && window.after == [0, 0] => {
                Operation::MaxPool(*window)
            }
            Op::Upsample(factor) => Operation::Upsample(*factor),
            Op::Concat => Operation::Concat,
            Op::Gather(Gather { mul: 1, div: 1, offset, channel_offset: 0 }) => {
                Operation::Shift(*offset)
            }
            Op::LearnedImage(param) => Operation::Constant(self.data(*param)?.to_vec()),
            _ => return Err(other()),
        };
        let inputs = if matches!(operation, Operation::Constant(_)) { Vec::new() } else { inputs };
        let name = self.graph.name_of(id);
        self.network.steps.push(DeviceStep { operation, inputs, chw: node.chw, name });
        let value = self.network.steps.len();
        for node in with.into_iter().chain([id]) {
            self.value[node] = Some(value);
        }
        Ok(())
    }

    fn constant(&self, value: usize) -> Option<&[f32]> {
        match &self.network.steps.get(value.checked_sub(1)?)?.operation {
            Operation::Constant(values) => Some(values),
            _ => None,
        }
    }

    /// A convolution with the batch norm and the ReLU behind it, which are added to `with`.
    fn conv(
        &self,
        id: NodeId,
        layer: usize,
        window: Window,
        transposed: bool,
        with: &mut Vec<NodeId>,
    ) -> Result<DeviceConv> {
        let graph = self.graph;
        let layer = graph.layers[layer];
        let name = &graph.params[layer.weight].name;
        let stored = quantize(self.data(layer.weight)?, GENERATOR_BITS).map_err(|error| {
            let hint = "train it again, or copy the file again";
            Error::format(self.weights.name(), format!("tensor {name}: {error}"), hint)
        })?;
        let k = layer.shape.k as usize;
        let mut factor = vec![f64::from(stored.scale()); k];
        let mut shift: Vec<f64> = match layer.bias {
            Some(bias) => self.data(bias)?.iter().map(|&bias| bias.into()).collect(),
            None => vec![0.0; k],
        };
        let mut last = id;
        let behind = |last| graph.sole_consumer(last).map(|next| (next, &graph.nodes[next].op));
        let mut folded = false;
        if let Some((next, Op::BatchNorm(norm))) = behind(last) {
            let norm = graph.norms[*norm];
            let (gamma, beta) = (self.data(norm.gamma)?, self.data(norm.beta())?);
            let (mean, var) = (self.data(norm.mean())?, self.data(norm.var())?);
            for i in 0..k {
                let by = f64::from(gamma[i]) / (f64::from(var[i]) + f64::from(norm.eps)).sqrt();
                factor[i] *= by;
                shift[i] = f64::from(beta[i]) + (shift[i] - f64::from(mean[i])) * by;
            }
            (last, folded) = (next, true);
            with.push(next);
        }
        let finite = |v: &f64| (*v as f32).is_finite();
        if let Some(i) = (0..k).find(|&i| !finite(&factor[i]) || !finite(&shift[i])) {
            let what = format!(
                "channel {i} behind {name} multiplies by {:e} and adds {:e}, which float32 does not hold",
                factor[i], shift[i]
            );
            let hint = "such values are no trained ones: check the file, or train again";
            return Err(Error::format(self.weights.name(), what, hint));
        }
        let relu = match behind(last) {
            Some((next, Op::Relu)) => {
                with.push(next);
                true
            }
            _ => false,
        };
        let words = stored.steps().into_iter().map(|q| q as i8).collect();
        Ok(DeviceConv {
            words,
            scale: stored.scale(),
            folded,
            factor,
            shift,
            window,
            transposed,
            relu,
        })
    }
}
