//! Decodes image files (JPEG, PNG, Netpbm) to planes of bytes. The format is recognised by content, not by the
//! file's name.

use std::{
    fmt::Display,
    io::{self, BufRead, BufReader, Cursor, ErrorKind, Seek},
    path::Path,
};

use super::{jpeg, pnm, preprocess::Preprocessing, resize::Planes};
use crate::{
    error::{Error, Result},
    files::{open_file, read_file, recognise},
};

/// Extensions of the files that count as images, in lower case.
pub(super) const ENDINGS: [&str; 9] =
    ["jpg", "jpeg", "png", "ppm", "jfif", "jpe", "pgm", "pbm", "pnm"];

/// Rows or columns of the largest image that is read.
const MAX_SIDE: u32 = 1 << 16;
/// Pixels of the largest image that is read, 67 million. A few kilobytes of PNG can claim, and unpack
/// to, a thousand times as much.
const MAX_PIXELS: u64 = 1 << 26;
/// Bytes that a decoder may allocate: [`MAX_PIXELS`] pixels with transparency.
const MAX_DECODED: u64 = 4 * MAX_PIXELS;
/// What errors call a file of PBM, PGM, PPM or PAM.
const NETPBM: &str = "image of Netpbm";
/// The first bytes of a PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Whether a file's name says that it is an image.
pub(super) fn is_named_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

/// Reads an image file. Grey becomes three equal channels, transparency is dropped, and a camera's orientation
/// tag is ignored, as in PIL's `open(path).convert("RGB")`. (Grey of 16 bits keeps its upper 8 bits in a PNG, and becomes
/// the nearest byte in a PGM, where PIL makes almost all of it white.)
///
/// # Errors
/// [`Error::Format`] for what is no image or a damaged one; [`Error::Read`].
pub(super) fn file(path: &Path) -> Result<Planes> {
    bytes(path, &read_file(path)?)
}

/// An image file as planes `[C][H][W]`, made so as the images of a folder are.
pub(crate) fn sized(path: &Path, form: Preprocessing) -> Result<Vec<u8>> {
    let form = form.for_pictures()?.or_squash();
    let mut pixels = vec![0; form.bytes()];
    form.fill(&file(path)?, &mut pixels)?;
    Ok(pixels)
}

/// Like [`file()`], from bytes in memory; `path` names them in errors.
pub(super) fn bytes(path: &Path, bytes: &[u8]) -> Result<Planes> {
    // The size is checked first, because a decoder checks its own limits late.
    let (height, width) = dimensions(path, Cursor::new(bytes))?;
    if bytes.starts_with(&jpeg::SOI) {
        return jpeg::decode(bytes, MAX_DECODED as usize).map_err(|e| of_decoder(path, "JPEG", e));
    }
    let (samples, interleaved) = if pnm::is_netpbm(bytes) {
        pnm::decode(bytes).map_err(|e| of_decoder(path, NETPBM, e))?
    } else {
        png_samples(bytes).map_err(|e| damaged(path, &e))?
    };
    let mut pixels = Vec::with_capacity(3 * height as usize * width as usize);
    for channel in 0..3 {
        // Grey is its only colour, and transparency the last sample.
        let at = if samples < 3 { 0 } else { channel };
        pixels.extend(interleaved.iter().skip(at).step_by(samples));
    }
    Ok(Planes { channels: 3, height, width, pixels })
}

/// The number of samples of a pixel of a PNG, 1 to 4, and all samples as bytes: of 16 bits the upper 8, as PIL takes them.
fn png_samples(bytes: &[u8]) -> std::result::Result<(usize, Vec<u8>), png::DecodingError> {
    let limits = png::Limits { bytes: MAX_DECODED as usize };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let size = reader.output_buffer_size().ok_or(png::DecodingError::LimitsExceeded)?;
    let mut samples = vec![0; size];
    let frame = reader.next_frame(&mut samples)?;
    samples.truncate(frame.buffer_size());
    Ok((frame.color_type.samples(), samples))
}

/// Rows and columns of an image file, without decoding it.
pub(crate) fn size(path: &Path) -> Result<(u32, u32)> {
    let (file, _) = open_file(path)?;
    dimensions(path, BufReader::new(file))
}

fn dimensions(path: &Path, mut from: impl BufRead + Seek) -> Result<(u32, u32)> {
    let head = from.fill_buf().map_err(|e| Error::read(path, e))?;
    let (height, width) = if head.starts_with(&jpeg::SOI) {
        jpeg::size(from).map_err(|e| of_decoder(path, "JPEG", e))?
    } else if head.starts_with(PNG) {
        let mut decoder = png::Decoder::new(from);
        let info = decoder.read_header_info().map_err(|e| damaged(path, &e))?;
        (info.height, info.width)
    } else if pnm::is_netpbm(head) {
        let header = pnm::PnmHeader::read(&mut from).map_err(|e| of_decoder(path, NETPBM, e))?;
        (header.height, header.width)
    } else {
        return Err(other_file(path, head));
    };
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
        let what = format!("{width}x{height} pixels are more than the {MAX_PIXELS} that are read");
        return Err(damaged(path, &what));
    }
    Ok((height, width))
}

/// The error for a file that is named like an image but is none; `head` is its beginning.
fn other_file(path: &Path, head: &[u8]) -> Error {
    let Some((kind, _)) = recognise(head) else {
        return damaged(path, &"it is neither JPEG, PNG nor PPM");
    };
    let what = format!("not a readable image: it is {kind}, whatever its name says");
    Error::format(
        path,
        what,
        "JPEG, PNG and PPM are read: convert it to one of them, or move it away",
    )
}

/// What a decoder of our own says of a file of this kind.
fn of_decoder(path: &Path, kind: &str, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => damaged(path, &format!("the {kind} ends too early")),
        ErrorKind::InvalidData => damaged(path, &error),
        _ => Error::read(path, error),
    }
}

fn damaged(path: &Path, why: &dyn Display) -> Error {
    Error::format(
        path,
        format!("not a readable image: {why}"),
        "get the file again, or save it again as a usual JPEG, PNG or PPM, or move it away",
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{ExtendedColorType, ImageEncoder, codecs};

    use super::*;

    /// A 9x7 picture in every format that we read, and its interleaved pixels.
    fn files() -> (Vec<u8>, Vec<(&'static str, Vec<u8>)>) {
        let rgb: Vec<u8> = (0..9 * 7 * 3).map(|i| (i * 5 % 256) as u8).collect();
        let jpeg = include_bytes!("../../kernels-tests/data/small.jpg").to_vec();
        let mut png = Vec::new();
        let kind = ExtendedColorType::Rgb8;
        codecs::png::PngEncoder::new(&mut png).write_image(&rgb, 9, 7, kind).unwrap();
        let ppm = [b"P6 9 7 255\n", &rgb[..]].concat();
        (rgb, vec![("ppm", ppm), ("png", png), ("jpeg", jpeg)])
    }

    #[test]
    fn pixels_become_planes() {
        let (rgb, files) = files();
        for (name, file) in files {
            let image = bytes(Path::new(name), &file).unwrap();
            assert_eq!((image.height, image.width), (7, 9));
            for (i, &got) in image.pixels.iter().enumerate() {
                let want = rgb[i % 63 * 3 + i / 63];
                let off = if name == "jpeg" { 60 } else { 0 };
                assert!(got.abs_diff(want) <= off, "{name} {i}: {got}, not {want}");
            }
        }
    }

    /// A PNG of 9 x 7 pixels.
    fn png_of(colour: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 9, 7);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == png::ColorType::Indexed {
            encoder.set_palette((0..3 << depth as u8).map(|i| (i * 31) as u8).collect::<Vec<_>>());
            encoder.set_trns(vec![0, 99]);
        }
        let bytes = (9 * colour.samples() * depth as usize).div_ceil(8);
        let data: Vec<u8> = (0..7 * bytes).map(|i| (i * 41 % 256) as u8).collect();
        encoder.write_header().unwrap().write_image_data(&data).unwrap();
        file
    }

    #[test]
    fn every_kind_of_png_is_read_as_by_another_decoder() {
        use png::{BitDepth::*, ColorType::*};
        let grey = [One, Two, Four, Eight, Sixteen].map(|depth| (Grayscale, depth));
        let indexed = [One, Two, Four, Eight].map(|depth| (Indexed, depth));
        let whole = [GrayscaleAlpha, Rgb, Rgba].map(|c| [(c, Eight), (c, Sixteen)]).concat();
        for (colour, depth) in [&grey[..], &indexed, &whole].concat() {
            let file = png_of(colour, depth);
            let theirs = image::load_from_memory(&file).unwrap();
            // PIL keeps the upper 8 of 16 bits; `into_rgb8` would round.
            let theirs: Vec<u8> = match depth {
                Sixteen => theirs.into_rgb16().iter().map(|v| (v >> 8) as u8).collect(),
                _ => theirs.into_rgb8().into_raw(),
            };
            let ours = bytes(Path::new("a.png"), &file).unwrap().pixels;
            for (i, &got) in ours.iter().enumerate() {
                assert_eq!(got, theirs[i % 63 * 3 + i / 63], "{colour:?} {depth:?} {i}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_no_image_is_refused() {
        for (name, file) in files().1 {
            for keep in [0, 1, 10, file.len() / 2, file.len() - 20] {
                let e = bytes(Path::new(name), &file[..keep]);
                assert!(matches!(e, Err(Error::Format { .. })), "{name}: {keep} bytes did");
            }
        }
        let e = bytes(Path::new("a/b.png"), b"some text").unwrap_err();
        assert!(e.to_string().starts_with("a/b.png: not a readable image: "), "{e}");
    }

    #[test]
    fn an_image_that_claims_to_be_huge_is_refused_before_it_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        for (width, height) in [(100_000_000, 1), (1, 65_537), (8193, 8193)] {
            // The header is all that a decoder sees before the pixels.
            let mut png = Vec::new();
            codecs::png::PngEncoder::new(&mut png)
                .write_image(&[0], 1, 1, ExtendedColorType::L8)
                .unwrap();
            let head = [&b"IHDR"[..], &u32::to_be_bytes(width), &u32::to_be_bytes(height)].concat();
            png[12..24].copy_from_slice(&head);
            let mut crc = flate2::Crc::new();
            crc.update(&png[12..29]);
            png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
            fs::write(&path, &png).unwrap();
            for e in [file(&path).unwrap_err(), size(&path).unwrap_err()] {
                assert!(e.to_string().contains("that are read"), "{width}x{height}: {e}");
            }
        }
    }
}
