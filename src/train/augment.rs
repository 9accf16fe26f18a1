//! Augmentation of training images.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What happens to training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augment {
    /// As the reference code, but the signs of gtsrb and the digits of mnist are not mirrored: many would
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
        let signs = dataset == "gtsrb";
        // Signs and digits change their meaning in a mirror.
        let directed = signs || dataset == "mnist";
        Changes {
            crop: self != Self::None,
            mirror: self == Self::Reference || self == Self::Safe && !directed,
            scale: self != Self::None && signs,
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
