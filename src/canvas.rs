//! A picture that is drawn pixel by pixel, with texts, and its PNG: contact sheets and grids of images.

mod font;

pub(crate) use font::{Align, Text};

use crate::error::{Error, Result};

/// Red, green and blue.
pub type Colour = [u8; 3];

/// A picture in colour. What is drawn outside of it is cut off.
#[derive(Clone, Debug)]
pub struct Canvas {
    width: u32,
    height: u32,
    /// Row by row.
    pixels: Vec<Colour>,
}

impl Canvas {
    /// A picture of one colour.
    #[must_use]
    pub fn filled(width: u32, height: u32, colour: Colour) -> Self {
        Self { width, height, pixels: vec![colour; width as usize * height as usize] }
    }

    /// A picture whose pixel in column x and row y is `colour(x, y)`.
    #[must_use]
    pub fn from_fn(width: u32, height: u32, colour: impl Fn(u32, u32) -> Colour) -> Self {
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            pixels.extend((0..width).map(|x| colour(x, y)));
        }
        Self { width, height, pixels }
    }

    /// Columns and rows.
    #[must_use]
    pub fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn index(&self, x: u32, y: u32) -> Option<usize> {
        let inside = x < self.width && y < self.height;
        inside.then_some(y as usize * self.width as usize + x as usize)
    }

    /// The colour of a pixel inside the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> Option<Colour> {
        Some(self.pixels[self.index(x, y)?])
    }

    /// A pixel inside the picture, to be changed.
    pub fn pixel_mut(&mut self, x: u32, y: u32) -> Option<&mut Colour> {
        let index = self.index(x, y)?;
        self.pixels.get_mut(index)
    }

    /// Draws another picture with its upper left corner at a pixel.
    pub fn put(&mut self, other: &Self, (left, top): (u32, u32)) {
        for y in 0..other.height {
            for x in 0..other.width {
                let there = self.pixel_mut(left.saturating_add(x), top.saturating_add(y));
                if let (Some(pixel), Some(colour)) = (there, other.pixel(x, y)) {
                    *pixel = colour;
                }
            }
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture without pixels.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(self.pixels.as_flattened())?;
            writer.finish()
        });
        written.map_err(|e| Error::Shape(format!("cannot make a PNG of a picture: {e}")))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_and_its_png_have_the_same_pixels() {
        let mut picture = Canvas::from_fn(5, 3, |x, y| [x as u8, y as u8, 9]);
        // Half of it lies outside.
        picture.put(&Canvas::filled(2, 2, [7; 3]), (4, 2));
        *picture.pixel_mut(0, 1).unwrap() = [1, 2, 3];
        assert!(picture.pixel_mut(5, 0).is_none() && picture.pixel(0, 3).is_none());
        let png = image::load_from_memory(&picture.png().unwrap()).unwrap().into_rgb8();
        assert_eq!(png.dimensions(), picture.dimensions());
        for (x, y, pixel) in png.enumerate_pixels() {
            let want = match (x, y) {
                (4, 2) => [7; 3],
                (0, 1) => [1, 2, 3],
                _ => [x as u8, y as u8, 9],
            };
            assert_eq!((pixel.0, picture.pixel(x, y)), (want, Some(want)), "{x}, {y}");
        }
        assert!(Canvas::filled(0, 3, [0; 3]).png().is_err());
    }
}
