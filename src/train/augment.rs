//! Augmentation of training images.

use crate::data;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What happens to training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augment {
    /// As the reference code, but the signs of gtsrb, the digits of mnist and arrays are not mirrored: many would
    /// get a wrong label.
    Safe,
    /// As the reference code: crops moved by up to 4 pixels, mirrored half of the time; traffic signs
    /// moved by up to 35 % and scaled by 0.65 to 1.35 before that; folders of images cropped at random.
    Reference,
    /// Nothing.
    None,
}

impl Augment {
    /// The changes that are made to the images of a data set.
    pub fn of(self, dataset: &str) -> Changes {
        let info = data::known().find(|info| info.name == dataset);
        // What arrays show is not known.
        let mirrors = info.map_or_else(|| !data::is_arrays(dataset), |info| info.mirrors);
        Changes {
            crop: self != Self::None,
            mirror: self == Self::Reference || self == Self::Safe && mirrors,
            scale: self != Self::None && info.is_some_and(|info| info.scales),
        }
    }
}

/// Random changes that are made to training images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The image moves by up to 4 pixels in either direction; the border is filled with zeros.
    pub crop: bool,
    /// Half of the images are mirrored.
    pub mirror: bool,
    /// The image moves by up to 35 % of its side, and is scaled by 0.65 to 1.35.
    pub scale: bool,
}
