//! What is done to images of any size and colour before a network takes them: resizing, a centre crop, grey.

use std::{fmt, str::FromStr};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::resize::{CropArea, Planes, crop_resize};
use crate::error::{Error, Result};

/// Most rows or columns of an image that a network takes.
pub const MAX_SIDE: u32 = 1024;
/// Most channels of an image that a network takes.
pub const MAX_CHANNELS: u32 = 64;

/// How an image of another size becomes one of the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preprocess {
    /// Resized to the network's rows and columns, whatever its own proportions are
    Squash,
    /// Resized in its proportions, and the centre cut out, as torchvision does
    CenterCrop,
}

/// A size: `N`, or `HxW` with rows first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Side {
    /// One number, for both sides or for the shorter one.
    One(u32),
    /// Rows and columns.
    Both([u32; 2]),
}

impl Side {
    /// Rows and columns, which are the same for one number.
    #[must_use]
    pub fn hw(self) -> [u32; 2] {
        match self {
            Self::One(n) => [n, n],
            Self::Both(hw) => hw,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(n) => write!(f, "{n}"),
            Self::Both([h, w]) => write!(f, "{h}x{w}"),
        }
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let side = |text: &str| {
            let side = text.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
            side.ok_or_else(|| format!("give N or HxW from 1 to {MAX_SIDE}, as in 96 or 96x128"))
        };
        match text.split_once(['x', 'X']) {
            None => Ok(Self::One(side(text)?)),
            Some((h, w)) => Ok(Self::Both([side(h)?, side(w)?])),
        }
    }
}

impl TryFrom<String> for Side {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<Side> for String {
    fn from(side: Side) -> Self {
        side.to_string()
    }
}

/// What the command line says about the size of images.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreprocessArgs {
    /// Size to which images are resized, with rows first (default: what the base network takes); with
    /// --preprocess center-crop, N is the shorter side before the crop
    #[arg(long, value_name = "N|HxW")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// How images of another size become the network's (default: those of a folder are squashed, those of
    /// arrays and of named sets refused)
    #[arg(long, value_enum)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocess: Option<Preprocess>,
}

impl PreprocessArgs {
    /// What these flags mean in front of a network that takes images `[C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Argument`]: the size is not the network's, or too small to cut the network's out of it;
    /// [`Error::Shape`]: the network takes more than [`MAX_CHANNELS`] or [`MAX_SIDE`].
    pub fn for_input(self, chw: [u32; 3]) -> Result<Preprocessing> {
        let [_, h, w] = chw;
        let own = format!("the network takes {h}x{w} (rows x columns)");
        let resize = match (self.preprocess, self.side) {
            (None, None) => None,
            (Some(Preprocess::Squash), None) => Some(Resize::To([h, w])),
            (None | Some(Preprocess::Squash), Some(side)) if side.hw() == [h, w] => {
                Some(Resize::To([h, w]))
            }
            (None | Some(Preprocess::Squash), Some(side)) => {
                let hint = "leave it out: the network decides; with --preprocess center-crop it is the size \
                            before the crop";
                return Err(Error::argument("--side", format!("{side}; {own}"), hint));
            }
            (Some(Preprocess::CenterCrop), None) => Some(Resize::Shorter(h.max(w))),
            (Some(Preprocess::CenterCrop), Some(side)) => {
                let [rows, columns] = side.hw();
                let (enough, resize) = match side {
                    Side::One(n) => (n >= h.max(w), Resize::Shorter(n)),
                    Side::Both(hw) => (rows >= h && columns >= w, Resize::To(hw)),
                };
                if !enough {
                    let what = format!("nothing of {h}x{w} can be cut out of {side}");
                    let hint = format!("{own}: give as much, or leave out --side");
                    return Err(Error::argument("--side", what, hint));
                }
                Some(resize)
            }
        };
        Preprocessing { chw, resize }.checked()
    }

    /// What these flags mean without a network: colour images of the size of `--side`, or of `otherwise`.
    ///
    /// # Errors
    /// Those of [`PreprocessArgs::for_input`].
    pub fn alone(self, otherwise: u32) -> Result<Preprocessing> {
        let [h, w] = self.side.unwrap_or(Side::One(otherwise)).hw();
        self.for_input([3, h, w])
    }

    /// The flags as they are typed, those that are given.
    #[must_use]
    pub fn flags(self) -> [(&'static str, Option<String>); 2] {
        let name = |p: Preprocess| Some(p.to_possible_value()?.get_name().to_owned());
        [
            ("--side", self.side.map(|side| side.to_string())),
            ("--preprocess", self.preprocess.and_then(name)),
        ]
    }
}

/// The size to which an image is resized before the centre is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Rows and columns.
    To([u32; 2]),
    /// The shorter side; the longer one follows in proportion, as torchvision rounds it.
    Shorter(u32),
}

impl Resize {
    /// Rows and columns of an image `h x w` after it.
    pub(super) fn of(self, [h, w]: [u32; 2]) -> [u32; 2] {
        match self {
            Self::To(hw) => hw,
            Self::Shorter(n) => {
                // As torchvision's Resize(int): the longer side is cut off to whole pixels.
                let scale = |side: u32| {
                    (u64::from(side) * u64::from(n) / u64::from(h.min(w).max(1))) as u32
                };
                [scale(h), scale(w)]
            }
        }
    }
}

/// What images become: `[C, H, W]`, and how those of another size get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preprocessing {
    /// Channels, rows and columns of what a network takes.
    pub chw: [u32; 3],
    /// The size before the centre `H x W` is cut out. `None` where the user said nothing: pictures are
    /// squashed then, and arrays and named sets of another size are refused.
    pub resize: Option<Resize>,
}

impl From<[u32; 3]> for Preprocessing {
    fn from(chw: [u32; 3]) -> Self {
        Self { chw, resize: None }
    }
}

impl From<u32> for Preprocessing {
    /// Colour images of `side x side`.
    fn from(side: u32) -> Self {
        [3, side, side].into()
    }
}

impl Preprocessing {
    /// Bytes of an image after it.
    pub(super) fn bytes(self) -> usize {
        self.chw.iter().map(|&extent| extent as usize).product()
    }

    /// Rows and columns after it.
    pub(super) fn hw(self) -> [u32; 2] {
        [self.chw[1], self.chw[2]]
    }

    /// The same, where images of another size are squashed if the user said nothing.
    pub(super) fn or_squash(self) -> Self {
        Self { resize: Some(self.resize.unwrap_or(Resize::To(self.hw()))), ..self }
    }

    /// Refuses images that are too large, or none.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub(super) fn checked(self) -> Result<Self> {
        let [c, h, w] = self.chw;
        let side = 1..=MAX_SIDE;
        if (1..=MAX_CHANNELS).contains(&c) && side.contains(&h) && side.contains(&w) {
            return Ok(self);
        }
        Err(Error::Shape(format!(
            "images have 1 to {MAX_CHANNELS} channels and 1 to {MAX_SIDE} rows and columns, not {c}x{h}x{w} \
             (channels x rows x columns)"
        )))
    }

    /// Whether images of so many channels can become those of the network: colour becomes grey, grey becomes
    /// three equal channels.
    pub(super) fn takes_channels(self, channels: u32) -> bool {
        channels == self.chw[0] || matches!((channels, self.chw[0]), (1, 3) | (3, 1))
    }

    /// Refuses a network that takes neither grey nor colour, for pictures.
    pub(super) fn for_pictures(self) -> Result<Self> {
        self.checked()?;
        if self.takes_channels(3) {
            return Ok(self);
        }
        let what = format!("pictures have 1 or 3 channels; the network takes {}", self.chw[0]);
        let hint = "give the images as arrays of bytes: --dataset data.npz, or x_test.npy beside y_test.npy";
        Err(Error::argument("--dataset", what, hint))
    }

    /// Fills `out` `[C][H][W]` with an image, of which a resize is known.
    ///
    /// # Errors
    /// [`Error::Shape`]: another number of channels or bytes, or another size and no resize.
    pub(super) fn fill(self, image: &Planes, out: &mut [u8]) -> Result<()> {
        let [c, h, w] = self.chw;
        let (own, hw) = (image.channels, [image.height, image.width]);
        if !self.takes_channels(own) || out.len() != self.bytes() {
            return Err(Error::Shape(format!(
                "an image of {own} channels for a network of {c}, {} bytes",
                out.len()
            )));
        }
        let grey;
        let image = if own == 3 && c == 1 {
            grey = image.grey();
            &grey
        } else {
            image
        };
        let plane = h as usize * w as usize;
        let filled = &mut out[..image.channels as usize * plane];
        match self.resize.map_or(hw, |resize| resize.of(hw)) {
            size if size == [h, w] => {
                let all = CropArea::of(hw);
                crop_resize(&image.pixels, image.chw(), all, [h, w], filled)?;
            }
            size => image.resized(size)?.centre([h, w], filled)?,
        }
        if image.channels == 1 && c == 3 {
            let (first, rest) = out.split_at_mut(plane);
            rest.chunks_exact_mut(plane).for_each(|other| other.copy_from_slice(first));
        }
        Ok(())
    }

    /// What becomes of an image of about `h x w` pixels, in words.
    pub(super) fn words(self, [h, w]: [u32; 2]) -> String {
        let [_, rows, columns] = self.chw;
        let size = self.or_squash().resize.map_or([rows, columns], |resize| resize.of([h, w]));
        let resized = format!("images are resized from about {h}x{w} to");
        match size {
            size if size == [rows, columns] => {
                format!("{resized} {rows}x{columns} (rows x columns)")
            }
            [a, b] => format!(
                "{resized} {a}x{b}, and their centre {rows}x{columns} is taken (rows x columns)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(side: &str, preprocess: Option<Preprocess>) -> PreprocessArgs {
        PreprocessArgs { side: (!side.is_empty()).then(|| side.parse().unwrap()), preprocess }
    }

    #[test]
    fn flags_mean_what_torchvision_does() {
        let (squash, crop) = (Some(Preprocess::Squash), Some(Preprocess::CenterCrop));
        let shorter = Resize::Shorter;
        for (side, how, resize) in [
            ("", None, None),
            ("", squash, Some(Resize::To([96, 128]))),
            ("96x128", None, Some(Resize::To([96, 128]))),
            ("", crop, Some(shorter(128))),
            ("256", crop, Some(shorter(256))),
            ("100X200", crop, Some(Resize::To([100, 200]))),
        ] {
            let found = args(side, how).for_input([1, 96, 128]).unwrap();
            assert_eq!(found, Preprocessing { chw: [1, 96, 128], resize }, "{side}");
        }
        for (side, how, what) in [
            ("96", None, "--side: 96; the network takes 96x128"),
            ("128x96", squash, "--side: 128x96; the network takes 96x128"),
            ("127", crop, "--side: nothing of 96x128 can be cut out of 127"),
            ("95x300", crop, "--side: nothing of 96x128 can be cut out of 95x300"),
        ] {
            let e = args(side, how).for_input([1, 96, 128]).unwrap_err();
            assert!(e.to_string().starts_with(what) && e.exit_code() == 2, "{e}");
        }
        for wrong in ["0", "1025", "x", "3x", "3x4x5", "-1", ""] {
            assert!(wrong.parse::<Side>().unwrap_err().contains("as in 96 or 96x128"), "{wrong}");
        }
        for chw in [[0, 8, 8], [65, 8, 8], [3, 0, 8], [3, 8, 1025]] {
            assert!(args("", None).for_input(chw).is_err());
        }
        assert_eq!(args("7x9", None).alone(32).unwrap().chw, [3, 7, 9]);
        assert_eq!(args("", None).alone(32).unwrap(), 32.into());
    }

    #[test]
    fn the_centre_is_that_of_torchvision() {
        assert_eq!(Resize::Shorter(256).of([500, 333]), [384, 256]);
        assert_eq!(Resize::Shorter(4).of([3, 5]), [4, 6]);
        // An image 2x7 whose columns are 0, 10, ... 60: the shorter side stays, and of 7 columns the middle
        // three are 2 to 4. Of 6 columns, torchvision rounds half to even: it leaves 2 on the left.
        for (w, first) in [(7u8, 20), (6, 20), (4, 0)] {
            let pixels: Vec<u8> = (0..2 * w).map(|i| i % w * 10).collect();
            let image = Planes { channels: 1, height: 2, width: w.into(), pixels };
            let crop = Preprocessing { chw: [1, 2, 3], resize: Some(Resize::Shorter(2)) };
            let mut out = [0; 6];
            crop.fill(&image, &mut out).unwrap();
            let row = [first, first + 10, first + 20];
            assert_eq!(out, [row, row].concat()[..], "{w}");
        }
    }

    #[test]
    fn grey_and_colour_become_each_other() {
        // PIL's convert("L"): (19595 R + 38470 G + 7471 B + 32768) / 65536.
        let colour = Planes { channels: 3, height: 1, width: 2, pixels: vec![255, 7, 0, 7, 0, 7] };
        let mut out = [0; 2];
        Preprocessing::from([1, 1, 2]).fill(&colour, &mut out).unwrap();
        assert_eq!(out, [76, 7]);
        let grey = Planes { channels: 1, height: 1, width: 2, pixels: vec![3, 9] };
        let mut out = [0; 6];
        Preprocessing::from([3, 1, 2]).fill(&grey, &mut out).unwrap();
        assert_eq!(out, [3, 9, 3, 9, 3, 9]);
        let mut out = [0; 8];
        assert!(Preprocessing::from([4, 1, 2]).fill(&grey, &mut out).is_err());
        let e = Preprocessing::from([4, 1, 2]).for_pictures().unwrap_err();
        assert!(e.hint().unwrap().contains("data.npz"));
    }
}
