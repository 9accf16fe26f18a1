//! The precision that a network computes in, and the scale of its loss.

use crate::{
    kernels::{conv, desc::KernelDesc, plan::Dtype},
    run::Gpu,
};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Value of `--dtype`: the precision in which inputs, weights and gradients enter the products of
/// convolutions and fully connected layers. Sums, all other operations and everything stored are f32 in
/// each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtypeChoice {
    /// As they are.
    #[default]
    F32,
    /// Rounded to f16, on every adapter alike.
    F16,
    /// f16 on GPUs with matrix units for it, where it is faster; else f32.
    Auto,
}

impl DtypeChoice {
    /// Precision of the operands that this setting means on an adapter.
    #[must_use]
    pub fn on(self, gpu: &Gpu) -> Dtype {
        match self {
            Self::F16 => Dtype::F16,
            Self::Auto if is_faster(gpu) => Dtype::F16,
            Self::F32 | Self::Auto => Dtype::F32,
        }
    }
}

impl From<Dtype> for DtypeChoice {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
        }
    }
}

/// Whether f16 is faster than f32: the hardware must run those variants of convolution and of its weight
/// gradient that exist for f16 alone and use cooperative matrices. All other variants round in f32
/// arithmetic, which costs time, and software adapters have no matrix units.
fn is_faster(gpu: &Gpu) -> bool {
    let runs = |kernel: &KernelDesc| {
        let of_f16 = kernel.variants.iter().filter(|v| v.only == Some(("DTYPE", 1)));
        of_f16
            .flat_map(|v| v.workgroups.iter().map(move |&size| (v, size)))
            .any(|(variant, size)| gpu.lacks(variant, size).is_none())
    };
    [&conv::conv2d::KERNEL, &conv::conv2d_grad_weight::KERNEL].into_iter().all(runs)
        && !gpu.report().is_software()
}

/// A run's arithmetic, in a line for its log.
#[must_use]
pub fn dtype_line(gpu: &Gpu, dtype: Dtype) -> String {
    match dtype {
        Dtype::F32 => "f32".into(),
        Dtype::F16 if is_faster(gpu) => "f16 operands, summed in f32".into(),
        Dtype::F16 => {
            "f16 operands, summed in f32 (slower here than f32: `auto` would take that)".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_flag() {
        for dtype in [Dtype::F32, Dtype::F16] {
            let name =
                DtypeChoice::from(dtype).to_possible_value().map(|v| v.get_name().to_owned());
            assert_eq!(name.as_deref(), Some(dtype.name()));
        }
    }
}
