//! `images.png`: what the generator does to images, and how the faulty network then classifies them.

use std::path::Path;

use crate::{
    canvas::{Align, Canvas, Colour, Text},
    error::{Error, Result},
    files::atomic,
};

/// Columns per band; further examples continue in the next band below.
const COLUMNS: usize = 10;
/// Images are enlarged to about this many pixels.
const SIDE: usize = 96;
/// Space between images.
const GAP: usize = 8;
/// Space on the left for the names of the rows.
const MARGIN: usize = 132;
/// Height of a line of text.
const LINE: usize = 20;
/// Colours of text, of right answers and of wrong ones.
const INK: Colour = [0x33; 3];
const GREEN: Colour = [0x00, 0x82, 0x5f];
const VERMILLION: Colour = [0xd5, 0x5e, 0x00];

/// An image in [-1, 1], planar: `[channels][height][width]`. One or two channels are drawn as grey, the first of
/// them; of more than three the first three in colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Image<'a> {
    /// Number of channels.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// channels * height * width values; those outside [-1, 1] are clamped when drawn.
    pub pixels: &'a [f32],
}

impl<'a> Image<'a> {
    /// An image of these channels, rows and columns, if the number of `pixels` matches them.
    pub fn new(chw: [u32; 3], pixels: &'a [f32]) -> Result<Self> {
        let [channels, height, width] = chw.map(|extent| extent as usize);
        let len = height.checked_mul(width).and_then(|n| n.checked_mul(channels));
        if len != Some(pixels.len()) || pixels.is_empty() {
            let there = pixels.len();
            return Err(Error::Shape(format!("{there} values are no image {chw:?}")));
        }
        Ok(Self { channels, height, width, pixels })
    }

    /// Which channels are drawn, in words, if these are not all.
    #[must_use]
    pub fn drawn(&self) -> Option<String> {
        match self.channels {
            1 | 3 => None,
            2 => Some("channel 1 of 2".into()),
            n => Some(format!("channels 1-3 of {n}")),
        }
    }

    /// Red, green, blue of a pixel.
    fn rgb(&self, y: usize, x: usize) -> [f32; 3] {
        let plane = self.height * self.width;
        let shown = if self.channels < 3 { [0; 3] } else { [0, 1, 2] };
        shown.map(|c| self.pixels[c * plane + y * self.width + x])
    }
}

/// A column of the grid. Absent texts stay empty.
#[derive(Clone, Debug)]
pub struct Example<'a> {
    pub original: Image<'a>,
    /// The image after the generator.
    pub transformed: Image<'a>,
    /// The class of the image.
    pub label: Option<String>,
    /// The faulty network's answer to the original.
    pub before: Option<String>,
    /// The faulty network's answer to the transformed image.
    pub after: Option<String>,
}

/// Draws the grid: a column per example with original, transformed image, their difference, and
/// below them the answers of the faulty network, green with a tick or red with a cross.
///
/// # Errors
/// [`Error::Shape`] without examples, and for images of different sizes; [`Error::Write`].
pub fn save_grid(path: impl AsRef<Path>, examples: &[Example<'_>]) -> Result<()> {
    atomic::write(path.as_ref(), grid(examples)?.png()?)
}

/// Writes an image as a PNG in its own size.
///
/// # Errors
/// [`Error::Shape`] for an image that is too large for a picture; [`Error::Write`].
pub fn save(path: impl AsRef<Path>, image: Image<'_>) -> Result<()> {
    let (width, height) = (int(image.width)?, int(image.height)?);
    let pixel = |x: u32, y: u32| image.rgb(y as usize, x as usize).map(byte);
    atomic::write(path.as_ref(), Canvas::from_fn(width, height, pixel).png()?)
}

/// `transformed - original`, halved and amplified, around grey; and the factor of amplification, a round
/// number with which all but one value in a hundred fit.
pub fn difference(original: Image<'_>, transformed: Image<'_>) -> Result<(Vec<f32>, u32)> {
    same_size(original, transformed)?;
    let factor = amplification(&[(original, transformed)]);
    Ok((amplified(original, transformed, factor), factor))
}

fn same_size(a: Image<'_>, b: Image<'_>) -> Result<()> {
    let [a, b] = [a, b].map(|image| [image.channels, image.height, image.width]);
    if a == b {
        return Ok(());
    }
    Err(Error::Shape(format!("images {a:?} and {b:?} differ in size")))
}

fn amplified(a: Image<'_>, b: Image<'_>, factor: u32) -> Vec<f32> {
    // A difference lies in [-2, 2]; halving it brings it into [-1, 1].
    a.pixels.iter().zip(b.pixels).map(|(a, b)| (b - a) / 2.0 * factor as f32).collect()
}

fn amplification(pairs: &[(Image<'_>, Image<'_>)]) -> u32 {
    let mut differences: Vec<f32> = pairs
        .iter()
        .flat_map(|(a, b)| a.pixels.iter().zip(b.pixels).map(|(a, b)| (b - a).abs() / 2.0))
        .collect();
    let rank = differences.len() * 99 / 100;
    if rank >= differences.len() {
        return 1;
    }
    let (_, &mut high, _) = differences.select_nth_unstable_by(rank, f32::total_cmp);
    [50, 20, 10, 5, 2].into_iter().find(|&f| high * f as f32 <= 1.0).unwrap_or(1)
}

/// Converts a value in [-1, 1] to a byte; `as` clamps values outside, and makes NaN black.
fn byte(v: f32) -> u8 {
    ((v + 1.0) * 127.5).round() as u8
}

fn int<T: TryFrom<usize>>(v: usize) -> Result<T> {
    T::try_from(v).map_err(|_| Error::Shape(format!("{v} pixels are too many for a picture")))
}

/// Draws the grid.
fn grid(examples: &[Example<'_>]) -> Result<Canvas> {
    let Some(first) = examples.first().map(|e| e.original) else {
        return Err(Error::Shape("a picture of examples needs an example".into()));
    };
    for example in examples {
        same_size(first, example.original)?;
        same_size(first, example.transformed)?;
    }
    let layout = PictureLayout::new(first, examples.len());
    let pairs: Vec<_> = examples.iter().map(|e| (e.original, e.transformed)).collect();
    let factor = amplification(&pairs);
    let size = (int(layout.width)?, int(layout.height)?);
    let mut picture = Canvas::filled(size.0, size.1, [255; 3]);
    for (i, example) in examples.iter().enumerate() {
        let difference = amplified(example.original, example.transformed, factor);
        let images =
            [example.original, example.transformed, Image { pixels: &difference, ..first }];
        for (row, image) in images.into_iter().enumerate() {
            layout.blit(&mut picture, image, layout.image(i, row));
        }
    }
    layout.annotate(&mut picture, examples, factor);
    Ok(picture)
}

/// Positions and distances in pixels.
struct PictureLayout {
    /// Enlargement of an image.
    scale: usize,
    /// Distance from column to column.
    step_x: usize,
    /// Distance from image to image in a column.
    step_y: usize,
    /// Distance from one band of columns to the next.
    band: usize,
    width: usize,
    height: usize,
}

impl PictureLayout {
    fn new(image: Image<'_>, examples: usize) -> Self {
        let scale = (SIDE / image.width.max(image.height)).max(1);
        let (step_x, step_y) = (image.width * scale + GAP, image.height * scale + GAP);
        // A band has a label above, two answers below, and margins.
        let band = LINE + 3 * step_y + 2 * LINE + 2 * GAP;
        let (columns, bands) = (examples.min(COLUMNS), examples.div_ceil(COLUMNS));
        let (width, height) = (MARGIN + columns * step_x + GAP, GAP + bands * band);
        Self { scale, step_x, step_y, band, width, height }
    }

    /// Position of the top left corner of an image.
    fn image(&self, example: usize, row: usize) -> (usize, usize) {
        let (band, column) = (example / COLUMNS, example % COLUMNS);
        (MARGIN + column * self.step_x, GAP + band * self.band + LINE + row * self.step_y)
    }

    /// Copies an image, every pixel enlarged to a square.
    fn blit(&self, picture: &mut Canvas, image: Image<'_>, (left, top): (usize, usize)) {
        let pixel =
            |x: u32, y: u32| image.rgb(y as usize / self.scale, x as usize / self.scale).map(byte);
        let [width, height] = [image.width, image.height].map(|side| (side * self.scale) as u32);
        picture.put(&Canvas::from_fn(width, height, pixel), (left as u32, top as u32));
    }

    /// Writes labels, answers and the names of the rows.
    fn annotate(&self, picture: &mut Canvas, examples: &[Example<'_>], factor: u32) {
        let side = |row| GAP + LINE + row * self.step_y + (self.step_y - GAP) / 2;
        let below = GAP + LINE + 3 * self.step_y;
        let answers = examples.iter().any(|e| e.before.is_some() || e.after.is_some());
        let difference = format!("difference ×{factor}");
        let names = [
            (GAP + LINE / 2 - 2, "class"),
            (side(0), "original"),
            (side(1), "transformed"),
            (side(2), &difference),
            (below + LINE / 2 - 2, "under faults"),
            (below + LINE + LINE / 2 - 2, "with NeuralFuse"),
        ];
        let style = Text { size: 14.0, bold: false, colour: INK };
        let drawn = examples.first().and_then(|example| example.original.drawn());
        for first in (0..examples.len()).step_by(COLUMNS) {
            let top = first / COLUMNS * self.band;
            for (y, name) in names.iter().take(if answers { 6 } else { 4 }) {
                let at = ((MARGIN - 12) as f32, (top + y) as f32);
                style.draw(picture, at, Align::Right, name);
            }
            if let Some(drawn) = &drawn {
                let at = ((MARGIN - 12) as f32, (top + side(0) + LINE) as f32);
                style.draw(picture, at, Align::Right, drawn);
            }
        }
        for (i, example) in examples.iter().enumerate() {
            let (x, y) = self.image(i, 0);
            let (middle, top) = (x + (self.step_x - GAP) / 2, y - LINE);
            let below = y + 3 * self.step_y;
            let mut write = |y: usize, words: &str, colour| {
                let at = (middle as f32, (y + LINE / 2 - 2) as f32);
                fitted(words, self.step_x as f32, colour).draw(picture, at, Align::Centre, words);
            };
            if let Some(label) = &example.label {
                write(top, label, INK);
            }
            for (line, answer) in [&example.before, &example.after].into_iter().enumerate() {
                let Some(answer) = answer else { continue };
                let (mark, colour) = match &example.label {
                    Some(label) if label == answer => ("✓ ", GREEN),
                    Some(_) => ("✗ ", VERMILLION),
                    None => ("", INK),
                };
                write(below + line * LINE, &format!("{mark}{answer}"), colour);
            }
        }
    }
}

/// Bold text, smaller if it is wider than `width` pixels.
fn fitted(words: &str, width: f32, colour: Colour) -> Text {
    let styles = [13.0, 12.0, 11.0, 10.0, 9.0].map(|size| Text { size, bold: true, colour });
    styles.into_iter().find(|style| style.width(words) <= width).unwrap_or(styles[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(seed: usize) -> Vec<f32> {
        let at = |i: usize| ((i % 32) as f32 / 16.0 - 1.0) * ((i / 32 % 32) as f32 / 31.0);
        (0..3072).map(|i| (at(i) + (seed * (i / 1024)) as f32 * 0.1).clamp(-1.0, 1.0)).collect()
    }

    fn pair(seed: usize) -> (Vec<f32>, Vec<f32>) {
        let original = picture(seed);
        let change =
            |(i, v): (usize, &f32)| (v + 0.15 * ((i * 7 % 13) as f32 / 6.0 - 1.0)).clamp(-1.0, 1.0);
        let transformed = original.iter().enumerate().map(change).collect();
        (original, transformed)
    }

    #[test]
    fn the_grid_shows_original_transformed_and_difference() {
        let pairs: Vec<_> = (0..12).map(pair).collect();
        let classes = ["airplane", "automobile", "frog"];
        let examples: Vec<_> = pairs
            .iter()
            .enumerate()
            .map(|(i, (o, t))| Example {
                original: Image::new([3, 32, 32], o).unwrap(),
                transformed: Image::new([3, 32, 32], t).unwrap(),
                label: Some(classes[i % 3].into()),
                before: Some(classes[(i / 2) % 3].into()),
                after: Some(classes[i % 3].into()),
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.png");
        save_grid(&path, &examples).unwrap();
        let png = image::open(&path).unwrap().into_rgb8();
        let layout = PictureLayout::new(examples[0].original, 12);
        assert_eq!(png.dimensions(), (layout.width as u32, layout.height as u32));
        let factor = 10;
        for i in [0, 11] {
            for (row, pixel) in [(0, 0), (0, 31), (1, 5), (2, 9)] {
                let (left, top) = layout.image(i, row);
                let (o, t) = (pairs[i].0[pixel], pairs[i].1[pixel]);
                let wanted = byte([o, t, (t - o) / 2.0 * factor as f32][row]);
                // The point lies in the middle of the enlarged pixel.
                let there = png.get_pixel((left + 3 * pixel + 1) as u32, (top + 1) as u32);
                assert_eq!(there[0], wanted, "example {i}, row {row}, pixel {pixel}");
            }
        }
        assert!(png.pixels().any(|p| p.0 == GREEN), "no answer is green");
        if let Some(keep) = std::env::var_os("KEEP_PICTURES") {
            std::fs::copy(&path, Path::new(&keep).join("images.png")).unwrap();
        }
    }

    #[test]
    fn a_difference_is_amplified_by_a_round_number_that_fits() {
        let zeros = [0.0; 12];
        let zero = Image::new([3, 2, 2], &zeros).unwrap();
        for (d, factor) in [(0.0, 50), (0.03, 50), (0.15, 10), (0.5, 2), (1.2, 1), (2.0, 1)] {
            let pixels = [d; 12];
            let (shown, found) = difference(zero, Image::new([3, 2, 2], &pixels).unwrap()).unwrap();
            assert_eq!(found, factor, "{d}");
            assert_eq!(shown, [d / 2.0 * factor as f32; 12]);
        }
    }

    #[test]
    fn an_image_is_saved_interleaved_and_clamped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let pixels = [-1.0, 1.0, 0.0, 2.0, -3.0, f32::NAN];
        save(&path, Image::new([3, 1, 2], &pixels).unwrap()).unwrap();
        let png = image::open(&path).unwrap().into_rgb8();
        assert_eq!(png.dimensions(), (2, 1));
        assert_eq!(png.into_raw(), [0, 128, 0, 255, 255, 0]);
    }

    #[test]
    fn grey_is_drawn_grey_and_of_many_channels_the_first_three() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let pixels = [-1.0, 1.0, 0.0, 1.0, -1.0];
        for (channels, drawn, rgb) in [
            (1, None, [0, 0, 0]),
            (2, Some("channel 1 of 2"), [0, 0, 0]),
            (3, None, [0, 255, 128]),
            (5, Some("channels 1-3 of 5"), [0, 255, 128]),
        ] {
            let image = Image::new([channels, 1, 1], &pixels[..channels as usize]).unwrap();
            assert_eq!(image.drawn().as_deref(), drawn);
            save(&path, image).unwrap();
            assert_eq!(image::open(&path).unwrap().into_rgb8().into_raw(), rgb, "{channels}");
            let (original, transformed) = (image, image);
            let example = Example { original, transformed, label: None, before: None, after: None };
            save_grid(&path, &[example]).unwrap();
        }
    }

    #[test]
    fn images_that_do_not_fit_are_refused() {
        let (a, b) = ([0.0; 12], [0.0; 27]);
        assert!(matches!(Image::new([3, 2, 3], &a), Err(Error::Shape(_))));
        let (a, b) = (Image::new([3, 2, 2], &a).unwrap(), Image::new([3, 3, 3], &b).unwrap());
        assert!(matches!(difference(a, b), Err(Error::Shape(_))));
        let example =
            Example { original: a, transformed: b, label: None, before: None, after: None };
        assert!(matches!(save_grid("never.png", &[example]), Err(Error::Shape(_))));
        assert!(matches!(save_grid("never.png", &[]), Err(Error::Shape(_))));
    }
}
