//! A picture in memory to draw on. The font is embedded, so that the picture is the same on every system.

use std::{io::Cursor, path::Path};

use image::{ImageFormat, RgbImage};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    error::{Error, Result},
    files::atomic,
    font,
};

/// The drawing area of `plotters`.
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Text colour.
pub(super) const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
/// Frames and axes.
pub(super) const FRAME: RGBColor = RGBColor(0x99, 0x99, 0x99);

// The palette of Okabe and Ito, which colour-blind people can tell apart, too.
/// Colour of the clean network.
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
/// Colour of the perturbed network, and of wrong answers.
pub(super) const VERMILLION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
/// Colour of right answers.
pub(super) const GREEN: RGBColor = RGBColor(0x00, 0x82, 0x5f);

/// A white RGB picture.
pub(super) struct Canvas {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![255; 3 * width as usize * height as usize] }
    }

    /// Applies `draw` to the whole picture.
    pub(super) fn draw<E: std::fmt::Display>(
        &mut self,
        draw: impl FnOnce(&Area<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), String> {
        let size = (self.width, self.height);
        let area = BitMapBackend::with_buffer(&mut self.pixels, size).into_drawing_area();
        draw(&area).map_err(|e| e.to_string())
    }

    /// The picture at half its size. Averaging makes lines and text, which are drawn at twice the size,
    /// smooth.
    pub(super) fn halved(self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let stride = 3 * self.width as usize;
        let mut pixels = Vec::with_capacity(self.pixels.len() / 4);
        for y in 0..height as usize {
            for x in 0..width as usize {
                let at = 2 * y * stride + 6 * x;
                for c in at..at + 3 {
                    let of = [c, c + 3, c + stride, c + stride + 3];
                    let sum: u32 = of.iter().map(|&i| u32::from(self.pixels[i])).sum();
                    pixels.push(((sum + 2) / 4) as u8);
                }
            }
        }
        Self { width, height, pixels }
    }

    /// Writes a PNG, whole or not at all.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        save_png(path, self.width, self.height, &self.pixels)
    }
}

/// Writes RGB bytes as a PNG, whole or not at all.
pub(super) fn save_png(path: &Path, width: u32, height: u32, rgb: &[u8]) -> Result<()> {
    let Some(picture) = RgbImage::from_raw(width, height, rgb.to_vec()) else {
        let there = rgb.len();
        return Err(Error::Shape(format!("{there} bytes are no picture of {width}x{height}")));
    };
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::write(path, std::io::Error::other(e)))?;
    atomic::write(path, png.into_inner())
}

/// Style of a text with a height of `size` pixels.
pub(super) fn text(size: f64, colour: RGBColor) -> TextStyle<'static> {
    FontDesc::new(FontFamily::Name(font::family()), size, FontStyle::Normal).color(&colour)
}

/// Style of a bold text with a height of `size` pixels.
pub(super) fn bold(size: f64, colour: RGBColor) -> TextStyle<'static> {
    FontDesc::new(FontFamily::Name(font::family()), size, FontStyle::Bold).color(&colour)
}

/// The style with the middle of the text at the point where it is drawn.
pub(super) fn centred(style: &TextStyle<'static>) -> TextStyle<'static> {
    style.pos(Pos::new(HPos::Center, VPos::Center))
}

/// The style with the middle of the text's right end at the point where it is drawn.
pub(super) fn flush_right(style: &TextStyle<'static>) -> TextStyle<'static> {
    style.pos(Pos::new(HPos::Right, VPos::Center))
}
