//! Decodes Netpbm's images: PBM, PGM and PPM in their plain and raw forms (P1 to P6), and PAM (P7), as the manual pages
//! `pbm(5)`, `pgm(5)`, `ppm(5)` and `pam(5)` describe them. The one crate with all seven, `image`, brings a hundred
//! thousand lines of colour management along; the tests compare with it.

use std::io::{self, BufRead, Cursor, ErrorKind, Read as _};

/// Most bytes of a line of a header that are read.
const MOST_OF_A_LINE: u64 = 1 << 10;

/// What stands before the samples of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct PnmHeader {
    /// The digit of the magic number, 1 to 7.
    kind: u8,
    /// Samples of a pixel, 1 to 4.
    channels: usize,
    pub(super) width: u32,
    pub(super) height: u32,
    /// The sample that is white; 1 in a bitmap.
    white: u32,
}

/// Whether a file begins like one of Netpbm.
pub(super) fn is_netpbm(head: &[u8]) -> bool {
    matches!(head, [b'P', b'1'..=b'7', ..])
}

impl PnmHeader {
    /// Reads a header and the one byte of white space behind it.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut magic = [0; 2];
        from.read_exact(&mut magic)?;
        if !is_netpbm(&magic) {
            return Err(invalid("it does not begin with P1 to P7"));
        }
        let kind = magic[1] - b'0';
        let [width, height, depth, white] = match kind {
            1 | 4 => [number(from)?, number(from)?, 1, 1],
            2 | 5 => [number(from)?, number(from)?, 1, number(from)?],
            7 => fields(from)?,
            _ => [number(from)?, number(from)?, 3, number(from)?],
        };
        if !(1..=4).contains(&depth) {
            return Err(invalid(&format!("{depth} samples of a pixel; 1 to 4 are read")));
        }
        if width == 0 || height == 0 || !(1..=0xffff).contains(&white) {
            let what = "sides must be at least 1, and the largest sample 1 to 65535";
            return Err(invalid(&format!("{width}x{height}, samples to {white}: {what}")));
        }
        Ok(Self { kind, channels: depth as usize, width, height, white })
    }

    /// A sample as a byte. Rounds a half to even, as PIL does.
    fn byte(self, sample: u32) -> u8 {
        (f64::from(sample) * 255.0 / f64::from(self.white)).round_ties_even() as u8
    }

    /// The samples, row by row, those of a pixel together.
    fn samples(self, from: &mut Cursor<&[u8]>) -> io::Result<Vec<u8>> {
        let (width, height) = (self.width as usize, self.height as usize);
        let row = width * self.channels;
        match self.kind {
            1 => (0..row * height).map(|_| bit(from)).collect(),
            2 | 3 => (0..row * height).map(|_| Ok(self.byte(number(from)?))).collect(),
            4 => {
                let rows = raw(from, width.div_ceil(8) * height)?.chunks_exact(width.div_ceil(8));
                let black = |bits: &[u8], x: usize| bits[x / 8] >> (7 - x % 8) & 1 == 1;
                let of_row = |bits| (0..width).map(move |x| if black(bits, x) { 0 } else { 255 });
                Ok(rows.flat_map(of_row).collect())
            }
            _ if self.white > 0xff => {
                let pairs = raw(from, 2 * row * height)?.chunks_exact(2);
                Ok(pairs.map(|b| self.byte(u32::from(b[0]) << 8 | u32::from(b[1]))).collect())
            }
            _ if self.white == 0xff => Ok(raw(from, row * height)?.to_vec()),
            _ => Ok(raw(from, row * height)?.iter().map(|&b| self.byte(b.into())).collect()),
        }
    }
}

/// Decodes a file to the number of samples of a pixel, 1 to 4 (grey or colour, then transparency), and samples of one byte.
///
/// # Errors
/// [`ErrorKind::InvalidData`] or [`ErrorKind::UnexpectedEof`].
pub(super) fn decode(bytes: &[u8]) -> io::Result<(usize, Vec<u8>)> {
    let mut from = Cursor::new(bytes);
    let header = PnmHeader::read(&mut from)?;
    Ok((header.channels, header.samples(&mut from)?))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// The next `n` bytes.
fn raw<'a>(from: &mut Cursor<&'a [u8]>, n: usize) -> io::Result<&'a [u8]> {
    let bytes: &'a [u8] = from.get_ref();
    let rest = bytes.get(from.position() as usize..).unwrap_or_default();
    rest.get(..n).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// Width, height, samples of a pixel and the largest sample, from the lines of a PAM's header.
fn fields(from: &mut impl BufRead) -> io::Result<[u32; 4]> {
    let mut fields = [0; 4];
    loop {
        let mut line = String::new();
        from.by_ref().take(MOST_OF_A_LINE).read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut words = line.split_whitespace();
        let (name, value) = (words.next().unwrap_or_default(), words.next());
        if name == "ENDHDR" {
            return Ok(fields);
        }
        if name.is_empty() || name.starts_with('#') || name == "TUPLTYPE" {
            continue;
        }
        let place = ["WIDTH", "HEIGHT", "DEPTH", "MAXVAL"].iter().position(|of| *of == name);
        let value = value.and_then(|value| value.parse().ok());
        let (Some(place), Some(value)) = (place, value) else {
            return Err(invalid(&format!("{:?} stands in its header", line.trim())));
        };
        fields[place] = value;
    }
}

/// The next byte, after white space and comments, and none of these; `None` at the end of the file.
fn next(from: &mut impl BufRead) -> io::Result<Option<u8>> {
    let mut comment = false;
    loop {
        let Some(byte) = one(from)? else { return Ok(None) };
        match byte {
            b'\n' | b'\r' => comment = false,
            b'#' => comment = true,
            _ if comment || is_space(byte) => {}
            _ => return Ok(Some(byte)),
        }
    }
}

fn one(from: &mut impl BufRead) -> io::Result<Option<u8>> {
    let byte = from.fill_buf()?.first().copied();
    from.consume(usize::from(byte.is_some()));
    Ok(byte)
}

/// What `isspace` of C takes for white space.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// The next decimal number; the byte of white space behind it is consumed.
fn number(from: &mut impl BufRead) -> io::Result<u32> {
    let (mut digit, mut value) = (next(from)?.ok_or(ErrorKind::UnexpectedEof)?, 0u32);
    loop {
        if !digit.is_ascii_digit() {
            return Err(invalid(&format!("{:?} stands in a number", char::from(digit))));
        }
        let larger = value.checked_mul(10).and_then(|v| v.checked_add((digit - b'0').into()));
        value = larger.ok_or_else(|| invalid("a number is too large"))?;
        match one(from)? {
            None => return Ok(value),
            Some(byte) if is_space(byte) => return Ok(value),
            // A comment ends with its line, and the number with it.
            Some(b'#') => {
                while !matches!(one(from)?, None | Some(b'\n' | b'\r')) {}
                return Ok(value);
            }
            Some(byte) => digit = byte,
        }
    }
}

/// A pixel of a plain bitmap; no white space has to be between two.
fn bit(from: &mut impl BufRead) -> io::Result<u8> {
    match next(from)?.ok_or(ErrorKind::UnexpectedEof)? {
        b'0' => Ok(255),
        b'1' => Ok(0),
        byte => Err(invalid(&format!("{:?} is no pixel of a bitmap", char::from(byte)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of each form, 9 x 3 pixels.
    fn files() -> Vec<Vec<u8>> {
        let plain = |kind: &str, samples: usize, white: usize| {
            let text: Vec<_> = (0..samples).map(|i| (i * 37 % (white + 1)).to_string()).collect();
            format!("{kind}\n# a comment\n9 3\n{white}\n{}\n", text.join(" ")).into_bytes()
        };
        let raw = |head: &str, bytes: usize, most: usize| {
            let samples = (0..bytes).map(|i| (i * 37 % (most + 1)) as u8);
            head.bytes().chain(samples).collect::<Vec<u8>>()
        };
        let pam = |depth: u32, white: u32, kind: &str| {
            let fields = format!("WIDTH 9\nHEIGHT 3\nDEPTH {depth}\nMAXVAL {white}");
            format!("P7\n# a comment\n{fields}\nTUPLTYPE {kind}\nENDHDR\n")
        };
        vec![
            b"P1 9 3 101010101 0 1 0 1 0 1 0 1 0 111111110".to_vec(),
            plain("P2", 27, 255),
            plain("P2", 27, 31),
            plain("P3", 81, 251),
            raw("P4\n9\t3\n", 6, 255),
            raw("P5 9 3 255\n", 27, 255),
            raw("P5 9 3 7\n", 27, 7),
            raw("P6\n9 3 255\n", 81, 255),
            raw("P6 9 3 254 ", 81, 254),
            raw(&pam(3, 255, "RGB"), 81, 255),
            raw(&pam(4, 251, "RGB_ALPHA"), 108, 251),
            raw(&pam(1, 1, "BLACKANDWHITE"), 27, 1),
        ]
    }

    #[test]
    fn every_form_is_read_as_by_another_decoder() {
        for file in files() {
            let theirs = image::load_from_memory(&file).unwrap();
            let theirs = match theirs.color() {
                image::ColorType::L8 => (1, theirs.into_luma8().into_raw()),
                image::ColorType::Rgba8 => (4, theirs.into_rgba8().into_raw()),
                _ => (3, theirs.into_rgb8().into_raw()),
            };
            assert_eq!(decode(&file).unwrap(), theirs, "{:?}", String::from_utf8_lossy(&file));
        }
    }

    /// As Netpbm and PIL have it, and the other decoder has not.
    #[test]
    fn a_comment_may_stand_right_behind_a_number() {
        let (plain, commented) = ("P2 2 1 9 3 9", "P2 2#two\n1#\r9 3#5\n9");
        assert_eq!(decode(commented.as_bytes()).unwrap(), decode(plain.as_bytes()).unwrap());
    }

    #[test]
    fn samples_of_two_bytes_and_halves_become_the_nearest_byte() {
        let wide = |white: u16, samples: &[u16]| {
            let head = format!("P5 {} 1 {white} ", samples.len()).into_bytes();
            let file = [head, samples.iter().flat_map(|s| s.to_be_bytes()).collect()].concat();
            decode(&file).unwrap().1
        };
        // A half goes to the even byte, and what is above white is white.
        assert_eq!(wide(65535, &[0, 128, 129, 385, 65535]), [0, 0, 1, 1, 255]);
        assert_eq!(wide(1020, &[2, 6, 1020, 2000]), [0, 2, 255, 255]);
    }

    #[test]
    fn what_is_cut_off_or_wrong_is_refused() {
        for file in files() {
            for keep in [0, 1, 2, 6, file.len() - 5] {
                assert!(decode(&file[..keep]).is_err(), "{keep} of {file:?}");
            }
        }
        for text in ["P7 1 1 255 .", "P5 0 1 255 ", "P5 1 1 0 .", "P5 1 1 65536 ..", "P2 1 1 9 -1"]
        {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
        for text in
            ["P7\nWIDTH 1\nENDHDR\n1", "P7\nWIDE 1\nENDHDR\n1", "P7\nWIDTH\n", "P7\nWIDTH 1"]
        {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["P2 1 1 99999999999 1", "P1 1 1 2", "P2 1 x 255 1"] {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}
