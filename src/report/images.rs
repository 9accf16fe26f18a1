//! `images.png`: what the generator does to images, and how the faulty network then classifies them.

use std::path::Path;

use plotters::prelude::{RGBColor, Text, TextStyle};

use super::canvas::{
    self, Canvas, GREEN, INK, VERMILLION, bold, centred, flush_right, save_png, text,
};
use crate::error::{Error, Result};

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
/// The picture is drawn larger by this factor and averaged down, so that letters are smooth and well spaced.
const S: usize = 2;

/// An image in [-1, 1], planar: `[3][height][width]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Image<'a> {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// 3 * height * width values; those outside [-1, 1] are clamped when drawn.
    pub pixels: &'a [f32],
}

impl<'a> Image<'a> {
    /// An image, if the number of `pixels` matches its extents.
    pub fn new(height: usize, width: usize, pixels: &'a [f32]) -> Result<Self> {
        let len = height.checked_mul(width).and_then(|n| n.checked_mul(3));
        if len != Some(pixels.len()) || pixels.is_empty() {
            let there = pixels.len();
            return Err(Error::Shape(format!(
                "{there} values are no image [3, {height}, {width}]"
            )));
        }
        Ok(Self { height, width, pixels })
    }

    /// Red, green, blue of a pixel.
    fn rgb(&self, y: usize, x: usize) -> [f32; 3] {
        let plane = self.height * self.width;
        [0, 1, 2].map(|c| self.pixels[c * plane + y * self.width + x])
    }
}

/// A column of the grid. Absent texts stay empty.
#[derive(Clone, Debug)]
pub struct Example<'a> {
    /// The original image.
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
///
/// [`Error::Shape`] without examples, and for images of different sizes; [`Error::Write`].
pub fn save_grid(path: impl AsRef<Path>, examples: &[Example<'_>]) -> Result<()> {
    let path = path.as_ref();
    let canvas = grid(examples)?.map_err(|e| Error::write(path, std::io::Error::other(e)))?;
    canvas.save(path)
}

/// Writes an image as a PNG in its own size.
pub fn save(path: impl AsRef<Path>, image: Image<'_>) -> Result<()> {
    let pixels = (0..image.height).flat_map(|y| (0..image.width).map(move |x| (y, x)));
    let rgb: Vec<u8> = pixels.flat_map(|(y, x)| image.rgb(y, x).map(byte)).collect();
    let (width, height) = (int(image.width)?, int(image.height)?);
    save_png(path.as_ref(), width, height, &rgb)
}

/// `transformed - original`, halved and amplified, around grey; and the factor of amplification, a round
/// number with which all but one value in a hundred fit.
///
/// # Errors
///
/// [`Error::Shape`] for images of different sizes.
pub fn difference(original: Image<'_>, transformed: Image<'_>) -> Result<(Vec<f32>, u32)> {
    same_size(original, transformed)?;
    let factor = amplification(&[(original, transformed)]);
    Ok((amplified(original, transformed, factor), factor))
}

fn same_size(a: Image<'_>, b: Image<'_>) -> Result<()> {
    if (a.height, a.width) == (b.height, b.width) {
        return Ok(());
    }
    let (ah, aw, bh, bw) = (a.height, a.width, b.height, b.width);
    Err(Error::Shape(format!("images [3, {ah}, {aw}] and [3, {bh}, {bw}] differ in size")))
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

/// Draws the grid. The outer error means that the examples do not fit together, the inner one that drawing
/// failed.
fn grid(examples: &[Example<'_>]) -> Result<std::result::Result<Canvas, String>> {
    let Some(first) = examples.first().map(|e| e.original) else {
        return Err(Error::Shape("a picture of examples needs an example".into()));
    };
    for example in examples {
        same_size(first, example.original)?;
        same_size(first, example.transformed)?;
    }
    let layout = Layout::new(first, examples.len());
    let pairs: Vec<_> = examples.iter().map(|e| (e.original, e.transformed)).collect();
    let factor = amplification(&pairs);
    let mut canvas = Canvas::new(int(S * layout.width)?, int(S * layout.height)?);
    for (i, example) in examples.iter().enumerate() {
        let difference = amplified(example.original, example.transformed, factor);
        let images =
            [example.original, example.transformed, Image { pixels: &difference, ..first }];
        for (row, image) in images.into_iter().enumerate() {
            layout.blit(&mut canvas, image, layout.image(i, row));
        }
    }
    Ok(canvas.draw(|area| layout.annotate(area, examples, factor)).map(|()| canvas.halved()))
}

/// Positions and distances in pixels.
struct Layout {
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

impl Layout {
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
    fn blit(&self, canvas: &mut Canvas, image: Image<'_>, (left, top): (usize, usize)) {
        let (stride, scale) = (3 * canvas.width as usize, S * self.scale);
        for y in 0..image.height * scale {
            let start = (S * top + y) * stride + 3 * S * left;
            let line = canvas.pixels[start..].chunks_exact_mut(3);
            for (x, pixel) in line.take(image.width * scale).enumerate() {
                let rgb = image.rgb(y / scale, x / scale);
                pixel.copy_from_slice(&rgb.map(byte));
            }
        }
    }

    /// Writes labels, answers and the names of the rows.
    fn annotate(
        &self,
        area: &canvas::Area<'_>,
        examples: &[Example<'_>],
        factor: u32,
    ) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let at = |x: usize, y: usize| ((S * x) as i32, (S * y) as i32);
        let side = |row| GAP + LINE + row * self.step_y + (self.step_y - GAP) / 2;
        let below = GAP + LINE + 3 * self.step_y;
        for first in (0..examples.len()).step_by(COLUMNS) {
            let top = first / COLUMNS * self.band;
            let name = |y: usize, words: &str| {
                let style = flush_right(&text(14.0 * S as f64, INK));
                area.draw(&Text::new(words.to_owned(), at(MARGIN - 12, top + y), style))
            };
            name(GAP + LINE / 2 - 2, "class")?;
            name(side(0), "original")?;
            name(side(1), "transformed")?;
            name(side(2), &format!("difference ×{factor}"))?;
            if examples.iter().any(|e| e.before.is_some() || e.after.is_some()) {
                name(below + LINE / 2 - 2, "under faults")?;
                name(below + LINE + LINE / 2 - 2, "with NeuralFuse")?;
            }
        }
        for (i, example) in examples.iter().enumerate() {
            let (x, y) = self.image(i, 0);
            let (middle, top) = (x + (self.step_x - GAP) / 2, y - LINE);
            let below = y + 3 * self.step_y;
            let words = |y: usize, words: String, colour: RGBColor| {
                let style = centred(&fitted(&words, self.step_x, colour));
                area.draw(&Text::new(words, at(middle, y + LINE / 2 - 2), style))
            };
            if let Some(label) = &example.label {
                words(top, label.clone(), INK)?;
            }
            for (line, answer) in [&example.before, &example.after].into_iter().enumerate() {
                let Some(answer) = answer else { continue };
                let (mark, colour) = match &example.label {
                    Some(label) if label == answer => ("✓ ", GREEN),
                    Some(_) => ("✗ ", VERMILLION),
                    None => ("", INK),
                };
                words(below + line * LINE, format!("{mark}{answer}"), colour)?;
            }
        }
        Ok(())
    }
}

/// Bold text, smaller if it is wider than `width` pixels.
fn fitted(words: &str, width: usize, colour: RGBColor) -> TextStyle<'static> {
    let styles = [13.0, 12.0, 11.0, 10.0, 9.0].map(|size| bold(size * S as f64, colour));
    let fits = |style: &TextStyle<'_>| {
        style.font.box_size(words).is_ok_and(|(w, _)| w as usize <= S * width)
    };
    styles.iter().find(|s| fits(s)).unwrap_or(&styles[4]).clone()
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
                original: Image::new(32, 32, o).unwrap(),
                transformed: Image::new(32, 32, t).unwrap(),
                label: Some(classes[i % 3].into()),
                before: Some(classes[(i / 2) % 3].into()),
                after: Some(classes[i % 3].into()),
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.png");
        save_grid(&path, &examples).unwrap();
        let png = image::open(&path).unwrap().into_rgb8();
        let layout = Layout::new(examples[0].original, 12);
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
        let green = [GREEN.0, GREEN.1, GREEN.2];
        assert!(png.pixels().any(|p| p.0 == green), "no answer is green");
        if let Some(keep) = std::env::var_os("KEEP_PICTURES") {
            std::fs::copy(&path, Path::new(&keep).join("images.png")).unwrap();
        }
    }

    #[test]
    fn a_difference_is_amplified_by_a_round_number_that_fits() {
        let zeros = [0.0; 12];
        let zero = Image::new(2, 2, &zeros).unwrap();
        for (d, factor) in [(0.0, 50), (0.03, 50), (0.15, 10), (0.5, 2), (1.2, 1), (2.0, 1)] {
            let pixels = [d; 12];
            let (shown, found) = difference(zero, Image::new(2, 2, &pixels).unwrap()).unwrap();
            assert_eq!(found, factor, "{d}");
            assert_eq!(shown, [d / 2.0 * factor as f32; 12]);
        }
    }

    #[test]
    fn an_image_is_saved_interleaved_and_clamped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let pixels = [-1.0, 1.0, 0.0, 2.0, -3.0, f32::NAN];
        save(&path, Image::new(1, 2, &pixels).unwrap()).unwrap();
        let png = image::open(&path).unwrap().into_rgb8();
        assert_eq!(png.dimensions(), (2, 1));
        assert_eq!(png.into_raw(), [0, 128, 0, 255, 255, 0]);
    }

    #[test]
    fn images_that_do_not_fit_are_refused() {
        let (a, b) = ([0.0; 12], [0.0; 27]);
        assert!(matches!(Image::new(2, 3, &a), Err(Error::Shape(_))));
        let (a, b) = (Image::new(2, 2, &a).unwrap(), Image::new(3, 3, &b).unwrap());
        assert!(matches!(difference(a, b), Err(Error::Shape(_))));
        let example =
            Example { original: a, transformed: b, label: None, before: None, after: None };
        assert!(matches!(save_grid("never.png", &[example]), Err(Error::Shape(_))));
        assert!(matches!(save_grid("never.png", &[]), Err(Error::Shape(_))));
    }
}
