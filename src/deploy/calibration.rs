//! The ranges of activations, from the values that images give.

use super::{
    grids::{ActivationGrid, Quantised, StoredConv},
    host::{for_each, values},
    network::{DeviceNetwork, Operation},
};
use crate::error::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// The grids of a generator's activations: from the smallest to the largest value that any of the images `[N, C, H, W]`
/// gives.
///
/// They lie where onnxruntime's static quantiser puts them: the input and the output of each convolution (behind its
/// ReLU), a concatenation; pools, enlargements, pads and crops keep the grid of what they read. The tanh and the sum with the
/// image stay in float.
///
/// # Errors
/// No image; a generator without a convolution, which has nothing to quantise.
pub fn calibrated<'a>(network: &'a DeviceNetwork, images: &[f32]) -> Result<Quantised<'a>> {
    network.check_weights()?;
    let size = network.len_of(0);
    let count = images.len() / size;
    if count == 0 {
        return Err(Error::Shape("ranges of activations need an image".into()));
    }
    let ranges = Mutex::new(vec![[0.0f32; 2]; network.steps.len() + 1]);
    for_each(images.chunks_exact(size), |image| {
        let values = values::<f32>(network, image, None);
        let of = |values: &Vec<f32>| {
            values.iter().fold([0.0f32; 2], |[low, high], &v| [low.min(v), high.max(v)])
        };
        let found: Vec<[f32; 2]> = values.iter().map(of).collect();
        let mut all = ranges.lock().unwrap_or_else(PoisonError::into_inner);
        for (range, [low, high]) in all.iter_mut().zip(found) {
            *range = [range[0].min(low), range[1].max(high)];
        }
    });
    let ranges = ranges.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut grids, mut stored): (Vec<Option<ActivationGrid>>, Vec<_>) = (Vec::new(), Vec::new());
    for (value, [low, high]) in ranges.into_iter().enumerate() {
        let step = value.checked_sub(1).map(|step| &network.steps[step]);
        let grid = match step.map(|step| (&step.operation, &step.inputs)) {
            None => Some(ActivationGrid::of_images(low, high)),
            Some((Operation::Conv(_) | Operation::Concat, _)) => {
                Some(ActivationGrid::spanning(low, high))
            }
            Some((
                Operation::MaxPool(_) | Operation::Upsample(_) | Operation::Shift(_),
                inputs,
            )) => inputs.first().and_then(|&input| grids[input]),
            Some((Operation::Tanh | Operation::Constant(_), _)) => None,
        };
        stored.push(match step.map(|step| (&step.operation, step.inputs.first())) {
            Some((Operation::Conv(conv), Some(&input))) => {
                grids[input].map(|input| StoredConv::of(conv, input))
            }
            _ => None,
        });
        grids.push(grid);
    }
    Ok(Quantised { network, grids, images: count, stored })
}
