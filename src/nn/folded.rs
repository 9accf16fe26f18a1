//! Batch norm of a frozen network, folded into what follows its convolutions.

use super::graph::{Graph, Op};
use crate::{
    error::{Error, Result},
    files::Weights,
};

/// Batch norm and biases as a scale and a shift per output channel, and a learned image.
pub(super) struct Folded {
    pub(super) values: Vec<f32>,
    pub(super) scale: Vec<Option<u32>>,
    pub(super) shift: Vec<Option<u32>>,
    /// Offsets of the scale and the shift of each batch norm that is folded into no layer.
    pub(super) alone: Vec<Option<[u32; 2]>>,
    pub(super) image: Option<u32>,
}

impl Folded {
    pub(super) fn of(graph: &Graph, weights: &Weights) -> Result<Self> {
        let data = |param: usize| -> Result<&[f32]> {
            let param = &graph.params[param];
            Ok(&weights.get(&param.name, &param.shape)?.data)
        };
        let (mut values, mut scale, mut shift) = (Vec::new(), Vec::new(), Vec::new());
        let mut alone = vec![true; graph.norms.len()];
        for (index, layer) in graph.layers.iter().enumerate() {
            let bias = layer.bias.map(data).transpose()?;
            let norm = norm_behind(graph, index);
            if norm.is_none() && bias.is_none() {
                scale.push(None);
                shift.push(None);
                continue;
            }
            let k = layer.shape.k as usize;
            let mut offsets = bias.map_or_else(|| vec![0.0f32; k], <[f32]>::to_vec);
            scale.push(norm.map(|_| values.len() as u32));
            if let Some(norm) = norm {
                alone[norm] = false;
                let (factors, shifts) = affine(graph, weights, norm, &offsets)?;
                values.extend(factors);
                offsets = shifts;
            }
            shift.push(Some(values.len() as u32));
            values.extend(offsets);
        }
        let mut of_norms = Vec::new();
        for (norm, alone) in alone.into_iter().enumerate() {
            let mut offsets = None;
            if alone {
                let c = graph.norms[norm].c;
                let (factors, shifts) = affine(graph, weights, norm, &vec![0.0; c as usize])?;
                let at = values.len() as u32;
                offsets = Some([at, at + c]);
                values.extend(factors.into_iter().chain(shifts));
            }
            of_norms.push(offsets);
        }
        let mut image = None;
        if let Some(param) = graph.learned() {
            image = Some(values.len() as u32);
            values.extend(data(param)?);
        }
        Ok(Self { values, scale, shift, alone: of_norms, image })
    }
}

/// A batch norm with its running statistics as a scale and a shift per channel; `bias` is what is added in front of it.
fn affine(
    graph: &Graph,
    weights: &Weights,
    norm: usize,
    bias: &[f32],
) -> Result<(Vec<f32>, Vec<f32>)> {
    let norm = graph.norms[norm];
    let data = |param: usize| -> Result<&[f32]> {
        let param = &graph.params[param];
        Ok(&weights.get(&param.name, &param.shape)?.data)
    };
    let (gamma, beta) = (data(norm.gamma)?, data(norm.beta())?);
    let (mean, var) = (data(norm.mean())?, data(norm.var())?);
    let (mut factors, mut shifts) = (Vec::new(), Vec::new());
    for (i, &bias) in bias.iter().enumerate() {
        let factor = f64::from(gamma[i]) / (f64::from(var[i]) + f64::from(norm.eps)).sqrt();
        let centred = f64::from(bias) - f64::from(mean[i]);
        let shift = f64::from(beta[i]) + centred * factor;
        let (scale, offset) = (factor as f32, shift as f32);
        if !(scale.is_finite() && offset.is_finite()) {
            let name = &graph.params[norm.gamma].name;
            let what = format!(
                "channel {i} of the batch norm of {name} multiplies by {factor:e} and adds {shift:e}, \
                 too large for float32"
            );
            let hint = "such values are no trained ones: check the file, and what its tensors are";
            return Err(Error::format(weights.name(), what, hint));
        }
        factors.push(scale);
        shifts.push(offset);
    }
    Ok((factors, shifts))
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
