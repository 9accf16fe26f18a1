//! Images for tests of a device.

/// Bytes as values in [-1, 1], as networks take them.
#[must_use]
pub fn byte_images(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().map(|&byte| 2.0 * (f32::from(byte) / 255.0) - 1.0).collect()
}

/// Images `[N, C, H, W]` where there is no data set: the byte of image n, channel c, row i, column j is
/// `(37 n + 61 c + 5 i + 3 j + (i j mod 53)) mod 256`, a slope with a pattern on it.
#[must_use]
pub fn synthetic(n: usize, [c, h, w]: [u32; 3]) -> Vec<f32> {
    let mut bytes = Vec::new();
    for (n, c) in (0..n).flat_map(|n| (0..c as usize).map(move |c| (n, c))) {
        for (i, j) in (0..h as usize).flat_map(|i| (0..w as usize).map(move |j| (i, j))) {
            bytes.push(((37 * n + 61 * c + 5 * i + 3 * j + i * j % 53) % 256) as u8);
        }
    }
    byte_images(&bytes)
}
