//! Pixels in an array: bytes, or floating-point numbers that are bytes scaled to [0, 1] or [-1, 1]. They become
//! bytes `[N][C][H][W]`.

use std::path::PathBuf;

use super::store::OpenArray;
use crate::{
    data::{
        preprocess::{MAX_CHANNELS, Preprocessing},
        resize::Planes,
    },
    error::{Error, Result},
    files::npy::{ElementKind, ElementType},
};

/// Most bytes of all images that are read of a split.
const MOST: u64 = 8 << 30;
/// Most elements of one image: 67 million, as of a picture.
const LARGEST: u64 = 1 << 26;
/// Bytes in which elements are read to find their scale.
const AT_ONCE: usize = 1 << 16;

/// What the elements of an image mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PixelScale {
    /// They are bytes.
    Bytes,
    /// 0 to 1: a byte divided by 255.
    Unit,
    /// -1 to 1: a byte divided by 127.5, minus 1.
    Symmetric,
}

/// How the images lie in their array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelLayout {
    pub(super) n: usize,
    pub(super) chw: [u32; 3],
    /// Whether the channels are the last extent.
    interleaved: bool,
}

impl PixelLayout {
    /// Bytes of all images as bytes.
    pub(super) fn bytes(&self) -> u64 {
        let extents = self.chw.iter().map(|&extent| u64::from(extent));
        extents.fold(self.n as u64, u64::saturating_mul)
    }

    /// The layout of an array of this shape for a network that takes images of this form. The channels are
    /// where the form's images fit; where they fit both ways, before rows and columns, as in PyTorch. Without a
    /// form they are the last extent if that is 1, 3 or 4.
    fn of(shape: &[usize], form: Option<Preprocessing>) -> Option<Self> {
        let extent = |v: usize| u32::try_from(v).ok().filter(|&v| v > 0);
        let (n, chw, interleaved) = match *shape {
            [n, h, w] => (n, [1, extent(h)?, extent(w)?], false),
            [n, a, b, c] => {
                let (planar, last) = ([a, b, c], [c, a, b]);
                let [planar, last] = [planar, last].map(|chw| chw.map(extent));
                let [planar, last] = [planar, last].map(|[c, h, w]| Some([c?, h?, w?]));
                let (planar, last) = (planar?, last?);
                let interleaved = match form {
                    None => matches!(last[0], 1 | 3 | 4) && !matches!(planar[0], 1 | 3),
                    Some(form) => {
                        let fits = |chw: [u32; 3]| form.takes_channels(chw[0]);
                        let same = |chw: [u32; 3]| fits(chw) && chw[1..] == form.chw[1..];
                        let exact = |chw: [u32; 3]| chw == form.chw;
                        let rules: [&dyn Fn([u32; 3]) -> bool; 4] =
                            [&exact, &same, &|chw| chw[0] == form.chw[0], &fits];
                        let decides = rules.iter().find(|rule| rule(planar) || rule(last));
                        decides.is_some_and(|rule| !rule(planar))
                    }
                };
                (n, if interleaved { last } else { planar }, interleaved)
            }
            _ => return None,
        };
        Some(Self { n, chw, interleaved })
    }
}

/// The images of a split, of which only the header has been read.
pub(super) struct Pixels {
    pub(super) layout: PixelLayout,
    path: PathBuf,
    array: OpenArray,
    element: ElementType,
}

impl Pixels {
    /// Checks type and shape of an array for a network that takes images of this form.
    ///
    /// # Errors
    /// [`Error::Format`] for another type or shape, other channels, another size that nobody asked to change,
    /// and more than fits.
    pub(super) fn of(array: OpenArray, form: Option<Preprocessing>) -> Result<Self> {
        let (path, reader) = &array;
        let bad = |what: String, hint: &str| Error::format(path, what, hint);
        let shape = &reader.shape;
        let pixels = reader.element.filter(|e| match e.kind() {
            ElementKind::Unsigned => e.bytes == 1,
            kind => kind == ElementKind::Float,
        });
        let Some(element) = pixels else {
            return Err(reader.other_type("bytes ('|u1'), or floating-point numbers", "uint8"));
        };
        let Some(layout) = PixelLayout::of(shape, form) else {
            let what =
                format!("its shape is {shape:?}, expected [N, H, W], [N, C, H, W] or [N, H, W, C]");
            return Err(bad(what, "one image alone needs a first extent too: x[None]"));
        };
        let [c, h, w] = layout.chw;
        let image = [c, h, w].iter().fold(1u64, |all, &extent| all.saturating_mul(extent.into()));
        if layout.n == 0 || u32::try_from(layout.n).is_err() || image > LARGEST {
            let what = format!("its shape is {shape:?}: {} images of {image} elements", layout.n);
            return Err(bad(what, "give at least one image, of at most 67,108,864 elements"));
        }
        let pixels = Self { layout, path: path.clone(), array, element };
        form.map_or(Ok(()), |form| pixels.suits(form))?;
        Ok(pixels)
    }

    /// Refuses images that a network does not take.
    fn suits(&self, form: Preprocessing) -> Result<()> {
        let ([c, h, w], shape) = (self.layout.chw, &self.array.1.shape);
        let [want, rows, columns] = form.chw;
        let bad = |what: String, hint: &str| Err(Error::format(&self.path, what, hint));
        if !form.takes_channels(c) {
            let what =
                format!("its shape is {shape:?}; the network takes images of {want} channels");
            let hint = format!(
                "give [N, {want}, H, W] or [N, H, W, {want}] (at most {MAX_CHANNELS} channels); x[:, None] makes one \
                 channel of [N, H, W]"
            );
            return bad(what, &hint);
        }
        if form.resize.is_none() && [h, w] != [rows, columns] {
            let what = format!("its images are {h}x{w}; the network takes {rows}x{columns}");
            return bad(
                what,
                "--preprocess squash resizes them, --preprocess center-crop keeps their proportions",
            );
        }
        Ok(())
    }

    /// Whether the elements are floating-point numbers, whose scale must be found.
    pub(super) fn needs_scale(&self) -> bool {
        self.element.kind() == ElementKind::Float
    }

    /// Finds the scale of the elements: from 0 to 1, or where one is negative from -1 to 1.
    ///
    /// # Errors
    /// [`Error::Format`]: an element is outside, or not a byte in this scale.
    pub(super) fn scale(mut self) -> Result<PixelScale> {
        let size = self.element.bytes;
        let mut left = self.layout.bytes().saturating_mul(size as u64);
        let mut found = Scaling::new(self.element);
        let mut buffer = vec![0; AT_ONCE];
        while left > 0 {
            let bytes = &mut buffer[..left.min(AT_ONCE as u64) as usize];
            self.array.1.read(bytes)?;
            left -= bytes.len() as u64;
            bytes.chunks_exact(size).for_each(|bytes| found.add(self.element.float(bytes)));
        }
        self.array.1.end()?;
        found.scale().map_err(|(what, hint)| Error::format(&self.path, what, hint))
    }

    /// Reads the images at `indices`, which rise, in this form, `[n][C][H][W]`.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged array, and more images than fit the memory.
    pub(super) fn read(
        mut self,
        indices: &[usize],
        scale: PixelScale,
        form: Preprocessing,
    ) -> Result<Vec<u8>> {
        let (size, own) = (self.element.bytes, form.bytes());
        if own as u64 * indices.len() as u64 > MOST {
            let what = format!("{} images of {own} bytes are more than fit", indices.len());
            return Err(Error::format(
                &self.path,
                what,
                "take fewer with --images, or a folder of pictures",
            ));
        }
        let [channels, height, width] = self.layout.chw;
        let len = [channels, height, width].iter().map(|&extent| extent as usize).product();
        let mut image = Planes { channels, height, width, pixels: vec![0; len] };
        let mut raw = vec![0; len * size];
        // Memory grows with the images that are there, not with what the header claims.
        let mut pixels = Vec::new();
        let mut wanted = indices.iter().peekable();
        for i in 0..self.layout.n {
            self.array.1.read(&mut raw)?;
            if wanted.next_if(|&&index| index == i).is_none() {
                continue;
            }
            let plane = len / channels as usize;
            for (at, bytes) in raw.chunks_exact(size).enumerate() {
                let to = match self.layout.interleaved {
                    true => at % channels as usize * plane + at / channels as usize,
                    false => at,
                };
                image.pixels[to] = match scale {
                    PixelScale::Bytes => bytes[0],
                    PixelScale::Unit => (self.element.float(bytes) * 255.0).round() as u8,
                    PixelScale::Symmetric => {
                        ((self.element.float(bytes) + 1.0) * 127.5).round() as u8
                    }
                };
            }
            let at = pixels.len();
            pixels.resize(at + own, 0);
            form.fill(&image, &mut pixels[at..])?;
        }
        self.array.1.end()?;
        Ok(pixels)
    }
}

/// What is known of the scale of floating-point pixels.
struct Scaling {
    /// Largest distance from a whole number of steps of 1/255 that the type's rounding explains, in steps of 1/255.
    close: f64,
    count: u64,
    least: f64,
    most: f64,
    /// The first element that is no whole number of steps of 1/255, and its index.
    between: Option<(u64, f64)>,
    /// The first element that is an even number of steps of 1/255: those from -1 to 1 are odd.
    even: Option<(u64, f64)>,
    /// The first element that is infinite or NaN.
    infinite: Option<(u64, f64)>,
}

impl Scaling {
    fn new(element: ElementType) -> Self {
        // Half precision has steps of 1/2048 below 1, which are 0.12 of steps of 1/255.
        let close = if element.bytes == 2 { 0.13 } else { 1e-3 };
        let (least, most) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { close, count: 0, least, most, between: None, even: None, infinite: None }
    }

    fn add(&mut self, v: f64) {
        let here = Some((self.count, v));
        self.count += 1;
        if !v.is_finite() {
            self.infinite = self.infinite.or(here);
            return;
        }
        (self.least, self.most) = (self.least.min(v), self.most.max(v));
        let steps = v * 255.0;
        if (steps - steps.round()).abs() > self.close {
            self.between = self.between.or(here);
        } else if steps.round() % 2.0 == 0.0 {
            self.even = self.even.or(here);
        }
    }

    /// The scale, or what is wrong and what to do.
    fn scale(&self) -> std::result::Result<PixelScale, (String, &'static str)> {
        if let Some((i, v)) = self.infinite {
            return Err((format!("element {i} is {v}"), "look for it with np.isfinite(x).all()"));
        }
        let (least, most) = (self.least, self.most);
        // Bytes as floating-point numbers have no fraction.
        if least >= 0.0 && most > 1.0 && most <= 255.0 {
            let what = format!("its values go from {least} to {most}, not to 1");
            return Err((what, "save bytes: np.save(path, x.round().astype(np.uint8))"));
        }
        let symmetric = least < 0.0;
        if least < -1.0 || most > 1.0 {
            let what = format!("its values go from {least} to {most}: neither [0, 1] nor [-1, 1]");
            return Err((
                what,
                "undo the normalisation, x * std + mean, and save bytes (x * 255).round().astype(np.uint8); what the \
                 network expects is said with --input-mean and --input-std",
            ));
        }
        let hint = if symmetric {
            "values from -1 to 1 are read if they are bytes / 127.5 - 1; save the nearest bytes: \
             ((x + 1) * 127.5).round().astype(np.uint8)"
        } else {
            "values from 0 to 1 are read if they are bytes / 255; save the nearest bytes: \
             (x * 255).round().astype(np.uint8)"
        };
        match self.between.or(self.even.filter(|_| symmetric)) {
            Some((i, v)) => Err((format!("element {i}, {v}, is no pixel of 8 bits"), hint)),
            None if symmetric => Ok(PixelScale::Symmetric),
            None => Ok(PixelScale::Unit),
        }
    }
}
