//! Where each parameter lies in the flat buffer of a trainable network, and its first values.

use super::graph::{Graph, Role};
use crate::{error::Result, files::Weights, kernels::quantise::fault_dequantize::Order};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Offsets of the trainable parameters in one flat buffer, PyTorch order, no padding.
#[derive(Clone, Debug)]
pub struct Offsets {
    at: Vec<Option<u32>>,
    /// Length of the buffer in floats.
    pub len: u32,
}

impl Offsets {
    /// Lays out a graph's trainable parameters one after the other.
    #[must_use]
    pub fn of(graph: &Graph) -> Self {
        let (mut at, mut len) = (Vec::new(), 0);
        for param in &graph.params {
            if matches!(param.role, Role::RunningMean | Role::RunningVar) {
                at.push(None);
            } else {
                at.push(Some(len));
                len += u32::try_from(param.len()).unwrap_or(u32::MAX);
            }
        }
        Self { at, len }
    }

    /// Offset of a parameter; 0 for a running statistic, which has no place here.
    #[must_use]
    pub fn at(&self, param: usize) -> u32 {
        self.at[param].unwrap_or(0)
    }

    /// The flat buffer's contents from a file.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    pub fn flatten(&self, graph: &Graph, weights: &Weights) -> Result<Vec<f32>> {
        let mut flat = vec![0.0; self.len as usize];
        for (param, at) in graph.params.iter().zip(&self.at) {
            let tensor = weights.get(&param.name, &param.shape)?;
            if let Some(at) = *at {
                flat[at as usize..][..tensor.data.len()].copy_from_slice(&tensor.data);
            }
        }
        Ok(flat)
    }
}

/// First values of a network.
///
/// Base networks (`kaiming`): convolutions from `N(0, 2 / fan_out)`, linear weights from
/// `N(0, 0.01^2)`, biases 0, as the reference code sets them. Generators: PyTorch's defaults,
/// weights and biases uniform in `+-1 / sqrt(fan_in)` (for a transposed convolution PyTorch counts
/// its output channels).
/// Batch norms start as the identity, a learned image as zeros.
#[must_use]
pub fn initialise(graph: &Graph, kaiming: bool, seed: u64) -> Weights {
    let mut random = StdRng::seed_from_u64(seed);
    let mut weights = Weights::default();
    let mut fan_in = 1.0;
    for param in &graph.params {
        let taps: usize = param.shape.iter().skip(2).product();
        let layer = graph.layers.iter().find(|l| graph.params[l.weight].name == param.name);
        if let Some(layer) = layer {
            let transposed = layer.order == Order::InOut;
            fan_in =
                f64::from(if transposed { layer.shape.k } else { layer.shape.c }) * taps as f64;
        }
        let uniform = |random: &mut StdRng| {
            let bound = 1.0 / f64::sqrt(fan_in);
            (random.random::<f64>() * 2.0 - 1.0) * bound
        };
        let mut draw = || -> f64 {
            match param.role {
                Role::Gamma | Role::RunningVar => 1.0,
                Role::Beta | Role::RunningMean | Role::Image => 0.0,
                Role::Bias if kaiming => 0.0,
                Role::Weight if kaiming && param.shape.len() == 2 => 0.01 * normal(&mut random),
                Role::Weight if kaiming => {
                    let fan_out = (param.shape[0] * taps) as f64;
                    (2.0 / fan_out).sqrt() * normal(&mut random)
                }
                Role::Weight | Role::Bias => uniform(&mut random),
            }
        };
        let data = (0..param.len()).map(|_| draw() as f32).collect();
        weights.insert(param.name.clone(), &param.shape, data);
    }
    weights
}

/// A standard normal deviate (Box and Muller, 1958).
fn normal(random: &mut StdRng) -> f64 {
    let (u, v) = (1.0 - random.random::<f64>(), random.random::<f64>());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
