//! Compares with the results of Pillow 11.3.0, byte for byte.

use super::*;

/// Noise, the same as the Python that made the expected values: `[3][h][w]`.
fn image(h: u32, w: u32) -> Vec<u8> {
    (0..3 * h * w)
        .map(|i| {
            let x = i.wrapping_mul(2_654_435_761);
            let x = (x ^ (x >> 15)).wrapping_mul(2_246_822_519);
            ((x ^ (x >> 13)) >> 8) as u8
        })
        .collect()
}

/// Image size; top, left, height, width of the crop; size made; weighted sum of all bytes; the
/// first eight.
type Case = ((u32, u32), [u32; 4], (u32, u32), u64, [u8; 8]);

/// `Image.crop(...).resize((width, height), Image.BILINEAR)`.
#[rustfmt::skip]
const CASES: [Case; 8] = [
    ((7, 5), [0, 0, 7, 5], (4, 4), 156475, [107, 107, 109, 151, 70, 159, 169, 134]),
    ((3, 4), [0, 0, 3, 4], (8, 7), 1750920, [0, 54, 141, 82, 29, 167, 253, 6]),
    ((61, 47), [0, 0, 61, 47], (32, 32), 607970290, [125, 107, 175, 154, 97, 94, 148, 76]),
    ((20, 20), [0, 0, 20, 20], (20, 20), 92493477, [0, 152, 12, 253, 93, 211, 169, 52]),
    ((40, 50), [3, 7, 29, 31], (32, 32), 600130884, [36, 164, 247, 73, 107, 195, 90, 63]),
    ((300, 411), [12, 30, 257, 380], (224, 224), 571054881644, [168, 173, 88, 188, 103, 70, 96, 124]),
    ((1, 1), [0, 0, 1, 1], (3, 3), 21636, [0; 8]),
    ((250, 3), [0, 0, 250, 3], (2, 5), 60000, [126, 124, 122, 128, 133, 118, 124, 133]),
];

#[test]
fn crops_and_sizes_are_those_of_pil() {
    for ((h, w), [top, left, height, width], (oh, ow), sum, first) in CASES {
        let area = CropArea { top, left, height, width };
        let mut out = vec![0; (3 * oh * ow) as usize];
        crop_resize(&image(h, w), [3, h, w], area, [oh, ow], &mut out).unwrap();
        assert_eq!(out[..8], first, "{h}x{w} {area:?} to {oh}x{ow}");
        let weighted = |(i, &v): (usize, &u8)| u64::from(v) * (i as u64 % 65521 + 1);
        let found: u64 = out.iter().enumerate().map(weighted).sum();
        assert_eq!(found, sum, "{h}x{w} {area:?} to {oh}x{ow}");
    }
}

#[test]
fn areas_and_buffers_that_do_not_fit_are_refused() {
    let area = |top, left, height, width| CropArea { top, left, height, width };
    for bad in [
        area(0, 0, 0, 3),
        area(0, 0, 4, 0),
        area(1, 0, 4, 3),
        area(0, 1, 4, 3),
        area(u32::MAX, 0, 2, 2),
    ] {
        let e = crop_resize(&image(4, 3), [3, 4, 3], bad, [2, 2], &mut [0; 12]).unwrap_err();
        assert!(e.to_string().ends_with("is not inside an image of 4x3"), "{e}");
    }
    for (bytes, made) in [(35, 12), (36, 11), (36, 0), (36, 13)] {
        let (from, mut out) = (vec![0; bytes], vec![0; made]);
        let all = area(0, 0, 4, 3);
        assert!(crop_resize(&from, [3, 4, 3], all, [2, 2], &mut out).is_err(), "{bytes} {made}");
    }
}
