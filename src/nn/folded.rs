//! Batch norm of a frozen network, folded into what follows its convolutions.

use super::graph::{EPS, Graph, Op};
use crate::{
    error::{Error, Result},
    files::Weights,
};

/// Batch norm and biases as a scale and a shift per output channel, and a learned image.
pub(super) struct Folded {
    pub(super) values: Vec<f32>,
    pub(super) scale: Vec<Option<u32>>,
    pub(super) shift: Vec<Option<u32>>,
    pub(super) image: Option<u32>,
}

impl Folded {
    pub(super) fn of(graph: &Graph, weights: &Weights) -> Result<Self> {
        let data = |param: usize| -> Result<&[f32]> {
            let param = &graph.params[param];
            Ok(&weights.get(&param.name, &param.shape)?.data)
        };
        let (mut values, mut scale, mut shift) = (Vec::new(), Vec::new(), Vec::new());
        for (index, layer) in graph.layers.iter().enumerate() {
            let k = layer.shape.k as usize;
            let bias = layer.bias.map(data).transpose()?;
            let norm = norm_behind(graph, index);
            if norm.is_none() && bias.is_none() {
                scale.push(None);
                shift.push(None);
                continue;
            }
            let mut factors = vec![1.0f32; k];
            let mut offsets = bias.map_or_else(|| vec![0.0f32; k], <[f32]>::to_vec);
            if let Some(norm) = norm {
                let norm = graph.norms[norm];
                let (gamma, beta) = (data(norm.gamma)?, data(norm.beta())?);
                let (mean, var) = (data(norm.mean())?, data(norm.var())?);
                for i in 0..k {
                    let factor = f64::from(gamma[i]) / (f64::from(var[i]) + f64::from(EPS)).sqrt();
                    factors[i] = factor as f32;
                    let centred = f64::from(offsets[i]) - f64::from(mean[i]);
                    offsets[i] = (f64::from(beta[i]) + centred * factor) as f32;
                    if !(factors[i].is_finite() && offsets[i].is_finite()) {
                        let name = &graph.params[norm.gamma].name;
                        let what = format!(
                            "channel {i} of the batch norm of {name} multiplies by {factor:e} and adds \
                             {:e}, too large for float32",
                            f64::from(beta[i]) + centred * factor
                        );
                        let hint = "such values are no trained ones: check the file, and what its \
                                    tensors are";
                        return Err(Error::format(weights.name(), what, hint));
                    }
                }
            }
            scale.push(norm.map(|_| values.len() as u32));
            if norm.is_some() {
                values.extend(factors);
            }
            shift.push(Some(values.len() as u32));
            values.extend(offsets);
        }
        let mut image = None;
        if let Some(param) = graph.learned() {
            image = Some(values.len() as u32);
            values.extend(data(param)?);
        }
        Ok(Self { values, scale, shift, image })
    }
}

/// The batch norm behind a layer, if it is the only reader of the layer's output.
fn norm_behind(graph: &Graph, layer: usize) -> Option<usize> {
    let of_layer = |op: &Op| match op {
        Op::Conv { layer: l, .. } | Op::Linear { layer: l } => *l == layer,
        _ => false,
    };
    let node = graph.nodes.iter().position(|n| of_layer(&n.op))?;
    match graph.nodes[graph.sole_consumer(node)?].op {
        Op::BatchNorm(norm) => Some(norm),
        _ => None,
    }
}
