//! JPEG files. This file walks their segments; `jpeg-decoder` decodes the contents.
//!
//! That decoder is right for every sampling, in one scan or in a scan per component, and gives the same bytes
//! on every machine. This file adds what it lacks: errors that name the processes it does not decode, tolerance
//! of bytes after the picture, detection of scans that end early, and libjpeg's choice of colours.

use std::io::{self, ErrorKind, Read};

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::resize::Planes;

/// Start of image: what a JPEG begins with.
pub(super) const SOI: [u8; 2] = [0xff, 0xd8];
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// 48 one bits, as a scan writes them. No Huffman code is all ones (ITU-T T.81, annex C), so a decoder that
/// needs more bits than a scan holds meets an error in them, where zeros would look like blocks of grey. The
/// last symbol may take 26 of the bits at most, so a whole code of ones is left. Together with the 7 bits that
/// may fill up a scan they are fewer than the decoder looks ahead, so it sees the marker behind them.
const NO_CODE: [u8; 12] = [0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0];

/// What is known of a picture before its first scan.
struct Frame {
    height: u32,
    width: u32,
    /// Identifiers of the components.
    components: Vec<u8>,
}

/// What the segments before the scans say of the colours.
#[derive(Default)]
struct Colours {
    jfif: bool,
    /// The transform that Adobe's APP14 segment names.
    adobe: Option<u8>,
}

/// Rows and columns, read from the segments before the first scan.
///
/// # Errors
/// [`ErrorKind::InvalidData`], with a message, for another process than baseline and progressive Huffman coding
/// with 8 bits; [`ErrorKind::UnexpectedEof`]; the errors of the reader.
pub(super) fn size(mut from: impl Read) -> io::Result<(u32, u32)> {
    from.read_exact(&mut [0; SOI.len()])?;
    loop {
        let (marker, data) = segment(&mut from)?;
        if let Some(frame) = frame(marker, &data)? {
            return Ok((frame.height, frame.width));
        }
        if marker == SOS || marker == EOI {
            return Err(wrong("there is no frame before its first scan"));
        }
    }
}

/// Decodes a whole file as libjpeg does it for PIL: bytes after the end of the picture (a film, a second
/// picture, rubbish) and a camera's orientation tag are ignored.
///
/// # Errors
/// The errors of [`size`]; an error also if a scan ends before the picture is whole, even with data behind it.
pub(super) fn decode(bytes: &[u8], most_bytes: usize) -> io::Result<Planes> {
    let (guarded, frame, colours) = walk(bytes)?;
    let mut decoder = Decoder::new(&guarded[..]);
    decoder.set_max_decoding_buffer_size(most_bytes);
    if let Some(transform) = colours.transform(&frame.components) {
        decoder.set_color_transform(transform);
    }
    let decoded = decoder.decode().map_err(|e| match e {
        jpeg_decoder::Error::Io(e) => e,
        e => wrong(&format!("a damaged JPEG, or one that is cut off: {e}")),
    })?;
    let format = decoder.info().map_or(PixelFormat::L8, |info| info.pixel_format);
    let pixels = match format {
        PixelFormat::CMYK32 => paper_to_screen(&decoded),
        PixelFormat::RGB24 => {
            (0..3).flat_map(|c| decoded.iter().skip(c).step_by(3)).copied().collect()
        }
        PixelFormat::L8 => decoded.repeat(3),
        PixelFormat::L16 => return Err(wrong("a JPEG of 16 bits a channel, which is not read")),
    };
    Ok(Planes { channels: 3, height: frame.height, width: frame.width, pixels })
}

/// Converts inks (CMYK) to red, green and blue as PIL does. (All programs write the inks inverted, and the
/// decoder has already turned them the right way round.)
fn paper_to_screen(cmyk: &[u8]) -> Vec<u8> {
    let light = |ink: u8, black: u8| {
        let lit = u32::from(255 - black);
        let product = u32::from(ink) * lit + 128;
        (lit - ((product + (product >> 8)) >> 8)) as u8
    };
    let channel = |c: usize| cmyk.as_chunks::<4>().0.iter().map(move |p| light(p[c], p[3]));
    (0..3).flat_map(channel).collect()
}

impl Colours {
    fn note(&mut self, marker: u8, data: &[u8]) {
        match marker {
            0xe0 if data.starts_with(b"JFIF\0") => self.jfif = true,
            0xee if data.starts_with(b"Adobe") => self.adobe = data.get(11).copied(),
            _ => {}
        }
    }

    /// The transform by which libjpeg makes colours of the components in its default settings; `None` for grey.
    fn transform(&self, components: &[u8]) -> Option<ColorTransform> {
        match (components, self.adobe) {
            ([_], _) => None,
            ([_, _, _], _) if self.jfif => Some(ColorTransform::YCbCr),
            ([_, _, _], Some(0)) | (b"RGB", None) => Some(ColorTransform::RGB),
            ([_, _, _], _) => Some(ColorTransform::YCbCr),
            (_, None | Some(0)) => Some(ColorTransform::CMYK),
            _ => Some(ColorTransform::YCCK),
        }
    }
}

/// The file up to the end of the picture, every scan and every restart interval followed by [`NO_CODE`].
fn walk(bytes: &[u8]) -> io::Result<(Vec<u8>, Frame, Colours)> {
    let mut guarded = Vec::with_capacity(bytes.len() + 64);
    guarded.extend(SOI);
    let (mut found, mut colours) = (None, Colours::default());
    let mut rest = bytes.get(SOI.len()..).unwrap_or_default();
    loop {
        let (marker, data) = segment(&mut rest)?;
        guarded.extend([0xff, marker]);
        if marker == EOI {
            let frame = found.ok_or_else(|| wrong("a JPEG without a picture"))?;
            return Ok((guarded, frame, colours));
        }
        if let Some(frame) = frame(marker, &data)? {
            found = Some(frame);
        }
        colours.note(marker, &data);
        if has_length(marker) {
            guarded.extend((data.len() as u16 + 2).to_be_bytes());
            guarded.extend(&data);
        }
        if marker == SOS {
            rest = scan(rest, &mut guarded)?;
        }
    }
}

/// Copies the coded data of a scan to `guarded`. The rest, which is returned, begins with the marker that ends
/// the scan.
fn scan<'a>(mut data: &'a [u8], guarded: &mut Vec<u8>) -> io::Result<&'a [u8]> {
    loop {
        let at = data.iter().position(|&b| b == 0xff).ok_or(ErrorKind::UnexpectedEof)?;
        let (coded, marker) = data.split_at(at);
        guarded.extend(coded);
        match *marker.get(1).ok_or(ErrorKind::UnexpectedEof)? {
            0 => guarded.extend([0xff, 0]),
            restart @ 0xd0..=0xd7 => {
                guarded.extend(NO_CODE);
                guarded.extend([0xff, restart]);
            }
            // Any number of these bytes may precede a marker.
            0xff => {
                data = &marker[1..];
                continue;
            }
            _ => {
                guarded.extend(NO_CODE);
                return Ok(marker);
            }
        }
        data = &marker[2..];
    }
}

/// The next marker and its data. Stray bytes before it are skipped, as by libjpeg.
fn segment(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = || -> io::Result<u8> {
        let mut one = [0];
        from.read_exact(&mut one).map(|()| one[0])
    };
    let mut before = 0;
    let marker = loop {
        let now = byte()?;
        if before == 0xff && !matches!(now, 0 | 0xff) {
            break now;
        }
        before = now;
    };
    if !has_length(marker) {
        return Ok((marker, Vec::new()));
    }
    let length = usize::from(u16::from_be_bytes([byte()?, byte()?]));
    let length =
        length.checked_sub(2).ok_or_else(|| wrong("a damaged JPEG: a segment of no length"))?;
    let mut data = vec![0; length];
    from.read_exact(&mut data)?;
    Ok((marker, data))
}

/// Whether a length and data follow a marker: none do for start and end of image, restarts and `TEM`.
fn has_length(marker: u8) -> bool {
    !matches!(marker, 0x01 | 0xd0..=0xd9)
}

/// The frame, if the segment is a frame header. A process that cannot be decoded is refused by its name.
fn frame(marker: u8, data: &[u8]) -> io::Result<Option<Frame>> {
    match marker {
        0xc0..=0xc2 => {}
        0xc3 => return Err(wrong("a lossless JPEG, which is not read")),
        0xc5..=0xc7 | 0xde | 0xdf => return Err(wrong("a hierarchical JPEG, which is not read")),
        0xc9..=0xcf => return Err(wrong("a JPEG in arithmetic coding, which is not read")),
        _ => return Ok(None),
    }
    let Some((&[bits, h1, h0, w1, w0, n], components)) = data.split_first_chunk() else {
        return Err(wrong("a damaged JPEG: its frame is too short"));
    };
    let components: Vec<u8> = components.iter().step_by(3).copied().take(n.into()).collect();
    let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
    if bits != 8 {
        return Err(wrong(&format!("a JPEG of {bits} bits a channel; 8 are read")));
    }
    if height == 0 {
        return Err(wrong(
            "a JPEG that gives its height after its picture (DNL), which is not read",
        ));
    }
    if components.len() != usize::from(n) || !matches!(n, 1 | 3 | 4) {
        return Err(wrong(&format!("a JPEG of {n} components; grey, colour and CMYK are read")));
    }
    Ok(Some(Frame { height: height.into(), width: width.into(), components }))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
