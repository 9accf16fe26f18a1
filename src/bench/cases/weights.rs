//! Cases of the kernels that work on weights: drawing faults and dequantising, quantising, summing
//! gradients, updating.

use super::Spec;
use crate::{
    error::Result,
    fault::{FaultModel, Faults, Place},
    kernels::{
        conv, optimiser,
        plan::{Accumulate, Plan},
        quantise::{
            self,
            fault_dequantize::{self, Order, Transposed, WordMeaning},
        },
        reduce,
        winograd::{self, Form},
    },
    shape::Rsck,
};

/// Perturbed copies of a layer.
const COPIES: u32 = 10;
/// Number of partial results of a weight gradient for 32 images of 32x32 pixels.
const CHUNKS: u32 = 16;

/// A case of each kernel, on the largest layer of `resnet18` or one of `ConvL`.
pub(super) fn specs() -> Result<Vec<Spec>> {
    let large = Rsck::new(3, 3, 512, 512);
    let layer = fault_dequantize::StoredLayer {
        groups: 1,
        shape: large,
        order: Order::OutIn,
        place: Place { layer: 0, address: 0 },
        bits: 8,
        meaning: WordMeaning::SYMMETRIC,
        fold: None,
        first_word: 0,
        transposed: Transposed::PerTap,
    };
    let mut specs = Vec::new();
    let mut push = |role: String, shape: String, plan: Plan| {
        specs.push(Spec { role, shape, plan, conv: None, of: Vec::new() });
    };
    for (what, faults) in [
        ("stuck-at 1 %", Some(Faults::new(FaultModel::StuckAt, 0.01)?)),
        ("flip 1 %", Some(Faults::new(FaultModel::Flip, 0.01)?)),
        ("no faults", None),
    ] {
        let plan = fault_dequantize::plan(layer, 0..COPIES, faults.as_ref(), 0, 1, 1)?;
        let shape = format!("{large} {COPIES} copies");
        push(format!("fault_dequantize {what}"), shape, plan);
    }
    let (small, len) = (Rsck::new(3, 3, 128, 128), 723_273);
    let (weights, parameters) = (format!("[{len}]"), format!("{small}"));
    push("absmax".into(), weights.clone(), reduce::absmax::plan(0, len, len, 0, 1, 8)?);
    push("quantize".into(), weights.clone(), quantise::quantize::plan(0, len, len, 0, 1, 8)?);
    push("adam".into(), weights.clone(), optimiser::adam::plan(len, 0.5, 0.999, 1e-8)?);
    push("sgd".into(), weights, optimiser::sgd::plan(len, 0.9, 5e-4)?);
    let plan =
        conv::weight_gradient::plan(small, CHUNKS, false, 0, small.len(), Accumulate::Replace)?;
    push("weight_gradient".into(), format!("{parameters} of {CHUNKS} partial results"), plan);
    for form in [Form::F2, Form::F4] {
        let plan = winograd::weights::plan(small, form, 1, false)?;
        push(plan.kernel.name.into(), parameters.clone(), plan);
    }
    let (rows, columns) = (1024, 128);
    let plan = reduce::sum_partials::plan(rows, columns, columns, 0, columns)?;
    push("sum_partials".into(), format!("[{rows}, {columns}]"), plan);
    Ok(specs)
}
