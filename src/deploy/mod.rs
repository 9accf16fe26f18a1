//! A trained generator for devices without this program: as steps on stored words, evaluated on the host, with the ranges
//! of its activations; as C source, and as arrays for the tests of firmware.
//!
//! Everything here works on one image at a time, and needs no GPU.

mod c;
mod calibration;
mod folder;
mod golden;
mod grids;
mod host;
mod images;
mod network;
mod scratch;

use crate::error::{Error, Result};
pub use c::{CSource, c_source};
pub use calibration::calibrated;
pub use folder::{DeviceFiles, check as check_folder, write as write_folder};
pub use golden::{Golden, GoldenLogits, files as golden_files};
pub use grids::{ActivationGrid, Quantised};
pub(crate) use grids::{Shifts, StoredConv};
pub use host::{Arithmetic, protect, protect_all};
pub use images::{byte_images, synthetic};
pub(crate) use network::{DeviceConv, Operation};
pub use network::{DeviceNetwork, DeviceStep};

/// Refuses outputs that are not numbers.
fn check_numbers(network: &DeviceNetwork, output: &[f32]) -> Result<()> {
    match output.iter().position(|v| v.is_nan()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFiniteOutput {
            what: format!("value {at} of what {} makes of an image", network.name),
            value: output[at],
            place: None,
        }),
    }
}

/// The largest and the mean difference of two tensors of the same length, and the number of values compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// Largest absolute difference.
    pub largest: f64,
    /// Mean absolute difference.
    pub mean: f64,
}

impl Difference {
    /// The difference of two tensors.
    #[must_use]
    pub fn of(a: &[f32], b: &[f32]) -> Self {
        let each = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        let (largest, sum) = each.fold((0.0, 0.0), |(largest, sum): (f64, f64), one| {
            // A NaN is the largest difference of all, and stays it.
            (if one <= largest || largest.is_nan() { largest } else { one }, sum + one)
        });
        Self { largest, mean: sum / a.len().max(1) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_the_largest_difference() {
        assert_eq!(Difference::of(&[1.0, 2.0], &[1.5, 2.0]).largest, 0.5);
        assert!(Difference::of(&[f32::NAN, 2.0, 3.0], &[1.0, 2.5, 3.0]).largest.is_nan());
    }
}
