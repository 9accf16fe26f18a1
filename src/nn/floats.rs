//! A frozen network with its weights as they are stored, in f32: the host lays them out, and nothing has faults.

use super::{
    folded::Folded,
    frozen::{FrozenNet, StoredSlice, largest_binding, slices_of},
    graph::Graph,
};
use crate::{
    error::{Error, Result},
    files::Weights,
    gpu::Buffer,
    kernels::quantise::fault_dequantize::{Transposed, laid_out, transposed},
    run::Gpu,
    shape::Rsck,
};

impl FrozenNet {
    /// Puts a network on the device with its weights as they are, as one copy. With `gradients` it can be
    /// compiled for [`Mode::Frozen`](super::Mode::Frozen), without them only for
    /// [`Mode::Inference`](super::Mode::Inference). It has no [`Injector`](super::Injector): faults are in
    /// words of a few bits.
    ///
    /// # Errors
    /// A tensor is missing, has another shape or is not finite; a layer is too large even a few
    /// channels at a time; no memory is left.
    pub fn floats(gpu: &Gpu, graph: &Graph, weights: &Weights, gradients: bool) -> Result<Self> {
        Self::floats_sliced(gpu, graph, weights, gradients, largest_binding(gpu))
    }

    /// Like [`Self::floats`], with layers cut into slices of output channels that take at most `largest`
    /// bytes each (or have four channels).
    pub fn floats_sliced(
        gpu: &Gpu,
        graph: &Graph,
        weights: &Weights,
        gradients: bool,
        largest: u64,
    ) -> Result<Self> {
        graph.check(weights)?;
        let folded = Folded::of(graph, weights)?;
        let mut layers = Vec::new();
        for (index, layer) in graph.layers.iter().enumerate() {
            let param = &graph.params[layer.weight];
            let stored = &weights.get(&param.name, &param.shape)?.data;
            if let Some(i) = stored.iter().position(|v| !v.is_finite()) {
                let what = format!("tensor {}: weight {i} is {}", param.name, stored[i]);
                let hint = "such weights are no trained ones: check the file";
                return Err(Error::format(weights.name(), what, hint));
            }
            let layout = match gradients {
                false => Transposed::Absent,
                true if graph.is_linear(index) => Transposed::Flat,
                true => Transposed::PerTap,
            };
            let of_channel = stored.len() / layer.shape.k as usize;
            let mut slices = Vec::new();
            for (first, k) in slices_of(layer, 1, largest) {
                let shape = Rsck { k, ..layer.shape };
                // Either the slice is the whole layer, or output channels are stored one behind the other.
                let own = &stored[first as usize * of_channel..][..k as usize * of_channel];
                let w = laid_out(shape, layer.order, own);
                // The batch norm behind a layer scales the gradient as well ([`super::injector`]).
                let at = folded.scale[index].map(|at| (at + first) as usize);
                let factor = |ki: usize| at.map_or(1.0, |at| folded.values[at + ki]);
                let wt = transposed((shape, layer.groups), layout, &w, factor);
                let name = format!("{} transposed", param.name);
                let wt = gradients.then(|| Buffer::with(gpu, &name, &wt)).transpose()?;
                let w = Buffer::with(gpu, &param.name, &w)?;
                slices.push(StoredSlice { first, k, packed: None, w, wt });
            }
            layers.push(slices);
        }
        Self::of_layers(gpu, (graph, weights), (Vec::new(), &[1.0]), 1, layers, folded)
    }
}
