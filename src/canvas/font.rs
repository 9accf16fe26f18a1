//! The font of every picture: `DejaVu` Sans, embedded, so that no system font is needed.

use ab_glyph::{Font as _, FontRef, Glyph, ScaleFont as _, point};

use super::{Canvas, Colour};

/// A style of text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Text {
    /// Pixels from the lowest descender to the highest ascender.
    pub(crate) size: f32,
    /// Whether the letters are bold.
    pub(crate) bold: bool,
    /// Colour of the letters.
    pub(crate) colour: Colour,
}

/// Which part of a text is at the point where it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// The middle of its left end.
    Left,
    /// Its middle.
    Centre,
    /// The middle of its right end.
    Right,
}

impl Text {
    fn font(self) -> Option<FontRef<'static>> {
        let bytes = if self.bold { dejavu::sans::bold() } else { dejavu::sans::regular() };
        FontRef::try_from_slice(bytes).ok()
    }

    /// The glyphs from 0 on, and the width of all.
    fn laid_out(self, font: &FontRef<'_>, text: &str) -> (Vec<Glyph>, f32) {
        let font = font.as_scaled(self.size);
        let (mut glyphs, mut x, mut before) = (Vec::new(), 0.0, None);
        for id in text.chars().map(|c| font.glyph_id(c)) {
            x += before.map_or(0.0, |before| font.kern(before, id));
            glyphs.push(id.with_scale_and_position(self.size, point(x, 0.0)));
            x += font.h_advance(id);
            before = Some(id);
        }
        (glyphs, x)
    }

    /// Width of a text in pixels.
    pub(crate) fn width(self, text: &str) -> f32 {
        // The embedded fonts are read (the test draws with both); a text without a font would be empty.
        self.font().map_or(0.0, |font| self.laid_out(&font, text).1)
    }

    /// Draws a text at a point; what lies outside the picture is cut off.
    pub(crate) fn draw(self, on: &mut Canvas, (x, y): (f32, f32), align: Align, text: &str) {
        let Some(font) = self.font() else { return };
        let (glyphs, width) = self.laid_out(&font, text);
        let left = match align {
            Align::Left => x,
            Align::Centre => x - width / 2.0,
            Align::Right => x - width,
        };
        // Half of a capital's height lies below the point: a capital has 0.73 of an em, the size 1.16.
        let base = y + 0.31 * self.size;
        for mut glyph in glyphs {
            glyph.position += point(left, base);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                let at = (i64::from(dx) + corner.x as i64, i64::from(dy) + corner.y as i64);
                let (Ok(x), Ok(y)) = (u32::try_from(at.0), u32::try_from(at.1)) else { return };
                let Some(pixel) = on.pixel_mut(x, y) else { return };
                for (below, own) in pixel.iter_mut().zip(self.colour) {
                    let mixed = f32::from(*below) * (1.0 - cover) + f32::from(own) * cover;
                    *below = mixed.round() as u8;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_wide_as_they_say_and_in_the_middle_of_their_line() {
        let red = [255, 0, 0];
        for (bold, size) in [(false, 17.0), (true, 40.0)] {
            let style = Text { size, bold, colour: red };
            let width = style.width("HOH ✓");
            for (align, left) in [
                (Align::Left, 200.0),
                (Align::Centre, 200.0 - width / 2.0),
                (Align::Right, 200.0 - width),
            ] {
                let mut picture = Canvas::filled(420, 60, [255; 3]);
                style.draw(&mut picture, (200.0, 30.0), align, "HOH ✓");
                let points = (0..60).flat_map(|y| (0..420).map(move |x| (x, y)));
                let inked = |&(x, y): &(u32, u32)| picture.pixel(x, y).unwrap()[1] < 128;
                let there = points.clone().filter(inked);
                let (xs, ys): (Vec<_>, Vec<_>) = there.map(|(x, y)| (x as f32, y as f32)).unzip();
                let ends = |v: &[f32]| {
                    let low = v.iter().copied().fold(f32::MAX, f32::min);
                    (low, v.iter().copied().fold(0.0, f32::max))
                };
                let (first, last) = ends(&xs);
                assert!((first - left).abs() < 6.0, "{align:?} {bold}: {first} and {left}");
                assert!(last < left + width && last > left + width - 8.0, "{align:?}: {last}");
                let (top, bottom) = ends(&ys);
                assert!(
                    (f32::midpoint(top, bottom) - 30.0).abs() < 2.0,
                    "{bold}: {top} to {bottom}"
                );
                let whole = |(x, y)| picture.pixel(x, y) == Some(red);
                assert!(points.clone().any(whole), "no pixel has the whole colour");
            }
        }
        assert!(Text { size: 12.0, bold: true, colour: red }.width("mm") > 12.0);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut picture = Canvas::filled(5, 5, [0; 3]);
        let style = Text { size: 30.0, bold: false, colour: [9; 3] };
        for at in [(-40.0, 2.0), (0.0, -90.0), (4.0, 4.0), (1e9, 1e9)] {
            style.draw(&mut picture, at, Align::Left, "WWWW");
        }
    }
}
