//! Resizing as PIL does it: a triangle filter that widens when it shrinks (antialiasing), in fixed
//! point, so that the results are PIL's (`Image.resize(size, BILINEAR)`), byte for byte. (That is
//! Pillow up to 12. Pillow 13 filters vertically first where that is less work, which may differ by
//! a grey level.)

use crate::error::{Error, Result};

/// Fractional bits of a filter weight: of 32 bits, 8 are for a pixel and 2 are headroom.
const FRACTION: u32 = 32 - 8 - 2;

/// A rectangle of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CropArea {
    /// Rows above it.
    pub top: u32,
    /// Columns to the left of it.
    pub left: u32,
    /// Number of rows.
    pub height: u32,
    /// Number of columns.
    pub width: u32,
}

/// An image in memory, `[3][height][width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planes {
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) pixels: Vec<u8>,
}

impl Planes {
    /// The whole image at `height x width`.
    pub(super) fn resized(&self, height: u32, width: u32) -> Result<Self> {
        let mut pixels = vec![0; 3 * height as usize * width as usize];
        self.resize_into(height, &mut pixels)?;
        Ok(Self { height, width, pixels })
    }

    /// Fills `out` `[3][height][...]` with the whole image.
    pub(super) fn resize_into(&self, height: u32, out: &mut [u8]) -> Result<()> {
        let all = CropArea { top: 0, left: 0, height: self.height, width: self.width };
        crop_resize(&self.pixels, (self.height, self.width), all, height, out)
    }
}

/// Fills `out` `[3][height][width]` with `area` of the image `pixels` `[3][H][W]`, `size` = (H, W).
/// Pixels outside the area have no influence, as when PIL crops first.
///
/// # Errors
///
/// [`Error::Shape`] for an empty image or area, an area that is not inside the image, and buffers
/// of another length.
pub(super) fn crop_resize(
    pixels: &[u8],
    (h, w): (u32, u32),
    area: CropArea,
    height: u32,
    out: &mut [u8],
) -> Result<()> {
    let CropArea { top, left, height: rows, width: columns } = area;
    let inside = |start: u32, length: u32, all: u32| {
        length > 0 && start.checked_add(length).is_some_and(|end| end <= all)
    };
    if !inside(top, rows, h) || !inside(left, columns, w) {
        return Err(Error::Shape(format!("{area:?} is not inside an image of {h}x{w}")));
    }
    let plane_in = h as usize * w as usize;
    let plane_out = out.len() / 3;
    let width = plane_out.checked_div(height as usize).unwrap_or(0);
    let fits =
        pixels.len() == 3 * plane_in && width > 0 && out.len() == 3 * height as usize * width;
    if !fits {
        let (have, made) = (pixels.len(), out.len());
        return Err(Error::Shape(format!(
            "{have} bytes are no image of {h}x{w}, or {made} none of {height} rows"
        )));
    }
    let across = Filter::new(columns as usize, width);
    let down = Filter::new(rows as usize, height as usize);
    let mut narrow = vec![0; rows as usize * width];
    for (plane, out) in pixels.chunks_exact(plane_in).zip(out.chunks_exact_mut(plane_out)) {
        let lines = plane.chunks_exact(w as usize).skip(top as usize);
        for (line, narrow) in lines.zip(narrow.chunks_exact_mut(width)) {
            across.row(&line[left as usize..][..columns as usize], narrow);
        }
        down.columns(&narrow, out, width);
    }
    Ok(())
}

/// The weights of the input pixels in each output pixel, along one direction.
struct Filter {
    /// First input pixel and number of weights, per output pixel.
    spans: Vec<(usize, usize)>,
    /// `[outputs][most]`, in steps of `2^-FRACTION`.
    weights: Vec<i32>,
    /// Most weights of an output pixel.
    most: usize,
}

impl Filter {
    fn new(input: usize, output: usize) -> Self {
        let scale = input as f64 / output as f64;
        // Enlarging interpolates between two pixels; shrinking averages over `scale` on each side.
        let support = scale.max(1.0);
        let most = support.ceil() as usize * 2 + 1;
        let mut spans = Vec::with_capacity(output);
        let mut weights = vec![0; output * most];
        for (i, weights) in weights.chunks_exact_mut(most).enumerate() {
            let centre = (i as f64 + 0.5) * scale;
            // A cast rounds toward zero and turns what is negative into 0.
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            let weight = |x: usize| {
                let distance = ((x as f64 - centre + 0.5) / support).abs();
                if distance < 1.0 { 1.0 - distance } else { 0.0 }
            };
            let sum: f64 = (first..end).map(weight).sum();
            for (k, x) in weights.iter_mut().zip(first..end) {
                *k = (0.5 + weight(x) / sum * f64::from(1 << FRACTION)) as i32;
            }
            spans.push((first, end - first));
        }
        Self { spans, weights, most }
    }

    /// Filters along one line.
    fn row(&self, from: &[u8], to: &mut [u8]) {
        let weights = self.weights.chunks_exact(self.most);
        for ((&(first, n), weights), to) in self.spans.iter().zip(weights).zip(to) {
            let taken = from[first..first + n].iter().zip(weights);
            *to = round(taken.map(|(&v, &k)| i32::from(v) * k).sum());
        }
    }

    /// Filters along all columns of an image with lines of `width` pixels, line by line, to read
    /// memory in its order.
    fn columns(&self, from: &[u8], to: &mut [u8], width: usize) {
        let weights = self.weights.chunks_exact(self.most);
        let mut sums = vec![0i32; width];
        let lines = to.chunks_exact_mut(width);
        for ((&(first, n), weights), line) in self.spans.iter().zip(weights).zip(lines) {
            sums.fill(0);
            let taken = from[first * width..].chunks_exact(width).zip(weights).take(n);
            for (from, &k) in taken {
                for (sum, &v) in sums.iter_mut().zip(from) {
                    *sum += i32::from(v) * k;
                }
            }
            for (to, &sum) in line.iter_mut().zip(&sums) {
                *to = round(sum);
            }
        }
    }
}

/// A sum of weighted pixels as a pixel, rounded half up.
fn round(sum: i32) -> u8 {
    ((sum + (1 << (FRACTION - 1))) >> FRACTION).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests;
