//! A contact sheet of a data set: one row per class, with the class's name and its first images.

use super::{
    image_set::ImageSet,
    resize::{CropArea, crop_resize},
};
use crate::{
    canvas::{Align, Canvas, Colour, Text},
    error::{Error, Result},
};

/// Pixels between two images.
const GAP: u32 = 4;
/// Pixels for the class names on the left of their images, at least and at most.
const LABEL_WIDTH: (u32, u32) = (170, 400);
/// The shorter side of a drawn image is at least this.
const MIN_SIDE: u32 = 64;
/// Larger images are shrunk to this.
const MAX_SIDE: u32 = 128;
/// Classes below each other; more go into a second panel beside the first.
const ROWS: u32 = 50;
/// Most pixels of a sheet; a larger one is refused.
const MAX_PIXELS: u64 = 200 << 20;
const BACKGROUND: Colour = [255; 3];
const NAMES: Text = Text { size: 17.0, bold: false, colour: [30; 3] };
/// Distance from a class's name to the number below it.
const LINE: f32 = 21.0;

/// Draws up to `columns` images of every class, enlarged by a whole factor or shrunk, and the class's
/// name and number of images.
///
/// # Errors
/// [`Error::Argument`] for `columns` out of 1 to 100 and for more classes than fit into one picture.
pub fn draw(set: &ImageSet, columns: u32) -> Result<Canvas> {
    draw_counted(set, &set.class_counts(), columns)
}

/// Like [`draw`], for some images of a larger set; `counts` are the class counts of the larger set.
pub fn draw_counted(set: &ImageSet, counts: &[usize], columns: u32) -> Result<Canvas> {
    if !(1..=100).contains(&columns) {
        let what = format!("{columns} images in a row");
        return Err(Error::argument("--columns", what, "choose 1 to 100"));
    }
    let layout = SheetLayout::new(set, columns);
    let (width, height) = layout.size(set.classes);
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        let what = format!("a picture of {width}x{height} pixels for {} classes", set.classes);
        return Err(Error::argument("--columns", what, "choose fewer images in a row"));
    }
    let mut sheet = Canvas::filled(width, height, BACKGROUND);
    let mut drawn = vec![0; set.classes as usize];
    for (i, &label) in set.labels.iter().enumerate() {
        let column = &mut drawn[usize::from(label)];
        if *column < columns {
            let (x, y) = layout.row(label.into());
            let x = x + layout.label + *column * layout.cell.0;
            sheet.put(&layout.picture(set, i)?, (x, y));
            *column += 1;
        }
    }
    write_names(&mut sheet, set, counts, &layout);
    Ok(sheet)
}

/// Geometry of a sheet. Lengths are in pixels.
struct SheetLayout {
    /// Width of the column of class names, gap included.
    label: u32,
    /// Drawn columns and rows of an image.
    image: (u32, u32),
    /// Columns and rows of an image with its gap.
    cell: (u32, u32),
    /// Width of a panel.
    panel: u32,
    /// Classes in a panel.
    rows: u32,
}

impl SheetLayout {
    fn new(set: &ImageSet, columns: u32) -> Self {
        let (h, w) = (set.height.max(1), set.width.max(1));
        let (longer, zoom) = (h.max(w), MIN_SIDE.div_ceil(h.min(w)));
        let image = if longer * zoom > MAX_SIDE && zoom == 1 {
            ((w * MAX_SIDE / longer).max(1), (h * MAX_SIDE / longer).max(1))
        } else {
            (w * zoom, h * zoom)
        };
        let cell = (image.0 + GAP, image.1 + GAP);
        let longest = set.class_names.iter().map(|name| NAMES.width(name)).fold(0.0, f32::max);
        let label = longest as u32 + 16;
        let label = label.clamp(LABEL_WIDTH.0, LABEL_WIDTH.1);
        let rows = set.classes.div_ceil(set.classes.div_ceil(ROWS).max(1)).max(1);
        Self { label: label + GAP, image, cell, panel: label + columns * cell.0 + GAP, rows }
    }

    /// Columns and rows of the sheet.
    fn size(&self, classes: u32) -> (u32, u32) {
        (classes.div_ceil(self.rows) * self.panel, self.rows * self.cell.1 + GAP)
    }

    /// Where a class's row begins: panels are filled one after the other.
    fn row(&self, class: u32) -> (u32, u32) {
        (class / self.rows * self.panel, class % self.rows * self.cell.1 + GAP)
    }

    /// Image `i` as it is drawn.
    fn picture(&self, set: &ImageSet, i: usize) -> Result<Canvas> {
        let (h, w) = (set.height, set.width);
        let (columns, rows) = self.image;
        let small;
        let (planes, w, zoom) = if rows < h {
            let all = CropArea { top: 0, left: 0, height: h, width: w };
            let mut pixels = vec![0; (set.channels * rows * columns) as usize];
            crop_resize(set.image(i), set.chw(), all, [rows, columns], &mut pixels)?;
            small = pixels;
            (&small[..], columns, 1)
        } else {
            (set.image(i), w, rows / h)
        };
        let plane = planes.len() / set.channels.max(1) as usize;
        // One or two channels are drawn as grey, of more than three the first three in colour.
        let shown = if set.channels < 3 { [0; 3] } else { [0, plane, 2 * plane] };
        Ok(Canvas::from_fn(columns, rows, |x, y| {
            let at = (y / zoom) as usize * w as usize + (x / zoom) as usize;
            shown.map(|first| planes[first + at])
        }))
    }
}

fn write_names(sheet: &mut Canvas, set: &ImageSet, counts: &[usize], layout: &SheetLayout) {
    for (class, (name, count)) in set.class_names.iter().zip(counts).enumerate() {
        let (x, y) = layout.row(class as u32);
        let (left, middle) = ((x + 10) as f32, (y + layout.cell.1 / 2) as f32 - 2.0);
        for (text, y) in [(name, middle - 0.5 * LINE), (&count.to_string(), middle + 0.5 * LINE)] {
            NAMES.draw(sheet, (left, y), Align::Left, text);
        }
    }
}
