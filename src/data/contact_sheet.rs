//! One picture of a data set: a row per class, its first images, its name.

use image::{Rgb, RgbImage, imageops};
use plotters::{
    backend::BitMapBackend,
    drawing::IntoDrawingArea,
    style::{Color, IntoFont, RGBColor},
};

use super::image_set::ImageSet;
use crate::{
    error::{Error, Result},
    font,
};

/// Pixels between two images.
const GAP: u32 = 4;
/// Pixels for the class names on the left.
const LABEL_WIDTH: u32 = 170;
/// The shorter side of a drawn image is at least this.
const MIN_SIDE: u32 = 64;
const BACKGROUND: Rgb<u8> = Rgb([255; 3]);
const INK: RGBColor = RGBColor(30, 30, 30);
const FONT_SIZE: u32 = 17;

/// Draws up to `columns` images of every class, enlarged by a whole factor, and the class's name
/// and number of images.
///
/// # Errors
///
/// [`Error::Argument`] for `columns` out of 1 to 100 and for a set of images too many or too
/// large for one picture.
pub fn draw(set: &ImageSet, columns: u32) -> Result<RgbImage> {
    if !(1..=100).contains(&columns) {
        let what = format!("{columns} images in a row");
        return Err(Error::argument("--columns", what, "choose 1 to 100"));
    }
    let zoom = MIN_SIDE.div_ceil(set.height.min(set.width).max(1));
    let (cell_w, cell_h) = (set.width * zoom + GAP, set.height * zoom + GAP);
    let width = LABEL_WIDTH + columns * cell_w + GAP;
    let height = set.classes * cell_h + GAP;
    let mut sheet = RgbImage::from_pixel(width, height, BACKGROUND);
    let mut drawn = vec![0; set.classes as usize];
    for (i, &label) in set.labels.iter().enumerate() {
        let column = &mut drawn[usize::from(label)];
        if *column < columns {
            let x = LABEL_WIDTH + *column * cell_w + GAP;
            let y = u32::from(label) * cell_h + GAP;
            place(&mut sheet, set, i, zoom, (x, y));
            *column += 1;
        }
    }
    write_names(&mut sheet, set, cell_h)?;
    Ok(sheet)
}

/// Copies image `i` to `(x, y)`, `zoom` pixels for each of its own.
fn place(sheet: &mut RgbImage, set: &ImageSet, i: usize, zoom: u32, (x, y): (u32, u32)) {
    let (h, w) = (set.height as usize, set.width as usize);
    let planes = set.image(i);
    let image = RgbImage::from_fn(set.width * zoom, set.height * zoom, |px, py| {
        let at = (py / zoom) as usize * w + (px / zoom) as usize;
        Rgb([planes[at], planes[h * w + at], planes[2 * h * w + at]])
    });
    imageops::replace(sheet, &image, x.into(), y.into());
}

fn write_names(sheet: &mut RgbImage, set: &ImageSet, cell_h: u32) -> Result<()> {
    let (size, counts) = (sheet.dimensions(), set.class_counts());
    let area = BitMapBackend::with_buffer(sheet, size).into_drawing_area();
    let style = (font::family(), FONT_SIZE).into_font().color(&INK.mix(1.0));
    let line = FONT_SIZE as i32 + 4;
    for (class, (name, count)) in set.class_names.iter().zip(counts).enumerate() {
        let middle = (class as u32 * cell_h + GAP / 2 + cell_h / 2) as i32;
        for (text, y) in [(name.clone(), middle - line), (count.to_string(), middle + 2)] {
            area.draw_text(&text, &style, (10, y))
                .map_err(|e| Error::Shape(format!("cannot draw {text:?}: {e}")))?;
        }
    }
    area.present().map_err(|e| Error::Shape(format!("cannot draw the contact sheet: {e}")))
}
