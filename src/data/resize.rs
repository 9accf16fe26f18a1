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

impl CropArea {
    /// The area of a whole image of `h x w` pixels.
    pub(super) fn of([height, width]: [u32; 2]) -> Self {
        Self { top: 0, left: 0, height, width }
    }
}

/// An image in memory, `[channels][height][width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planes {
    pub(super) channels: u32,
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) pixels: Vec<u8>,
}

impl Planes {
    /// Channels, rows and columns.
    pub(super) fn chw(&self) -> [u32; 3] {
        [self.channels, self.height, self.width]
    }

    /// The whole image at `height x width`.
    pub(super) fn resized(&self, [height, width]: [u32; 2]) -> Result<Self> {
        let mut pixels = vec![0; self.channels as usize * height as usize * width as usize];
        let all = CropArea::of([self.height, self.width]);
        crop_resize(&self.pixels, self.chw(), all, [height, width], &mut pixels)?;
        Ok(Self { channels: self.channels, height, width, pixels })
    }

    /// The image in grey, from red, green and blue: PIL's `convert("L")`. Grey stays as it is.
    pub(super) fn grey(&self) -> Self {
        let plane = self.pixels.len() / 3;
        let (red, rest) = self.pixels.split_at(plane);
        let (green, blue) = rest.split_at(plane);
        let weigh = |((&r, &g), &b): ((&u8, &u8), &u8)| {
            let sum = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471;
            ((sum + (1 << 15)) >> 16) as u8
        };
        let pixels = red.iter().zip(green).zip(blue).map(weigh).collect();
        Self { channels: 1, height: self.height, width: self.width, pixels }
    }

    /// Fills `out` `[channels][h][w]` with the centre of the image, as torchvision's `CenterCrop` takes it.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image that is smaller.
    pub(super) fn centre(&self, [h, w]: [u32; 2], out: &mut [u8]) -> Result<()> {
        let (Some(below), Some(beside)) = (self.height.checked_sub(h), self.width.checked_sub(w))
        else {
            let (height, width) = (self.height, self.width);
            return Err(Error::Shape(format!("{h}x{w} is no part of {height}x{width} pixels")));
        };
        // Python's `round`, which torchvision uses, takes halves to the even number.
        let half = |left: u32| (f64::from(left) / 2.0).round_ties_even() as u32;
        let area = CropArea { top: half(below), left: half(beside), height: h, width: w };
        crop_resize(&self.pixels, self.chw(), area, [h, w], out)
    }
}

/// Fills `out` `[C][height][width]` with `area` of the image `pixels` `[C][H][W]`. Pixels outside the area
/// have no influence, as when PIL crops first.
///
/// # Errors
/// [`Error::Shape`] for an empty image or area, an area that is not inside the image, and buffers
/// of another length.
pub(super) fn crop_resize(
    pixels: &[u8],
    [c, h, w]: [u32; 3],
    area: CropArea,
    [height, width]: [u32; 2],
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
    let plane_out = height as usize * width as usize;
    let (have, made) = (pixels.len(), out.len());
    let planes = |plane: usize| plane * c as usize;
    if have != planes(plane_in) || made != planes(plane_out) || made == 0 {
        return Err(Error::Shape(format!(
            "{have} bytes are no image {c}x{h}x{w}, or {made} none {c}x{height}x{width}"
        )));
    }
    let width = width as usize;
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
