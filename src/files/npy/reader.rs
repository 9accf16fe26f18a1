//! A `.npy` array of any numbers, read piece by piece: one that need not fit the memory, or that lies in an
//! archive.

use std::{
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use super::{
    AGAIN,
    header::{self, Header, MAGIC},
};
use crate::error::{Error, Result};

/// Largest header that is read: NumPy itself stops at less.
const LONGEST_HEADER: usize = 1 << 20;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ElementType {
    kind: ElementKind,
    /// Bytes of an element.
    pub(crate) bytes: usize,
    big_endian: bool,
}

/// What an element is, whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElementKind {
    /// A truth value.
    Bool,
    /// An integer without sign.
    Unsigned,
    /// An integer with sign.
    Signed,
    /// A floating-point number of 16, 32 or 64 bits.
    Float,
}

impl ElementType {
    fn of(descr: &str) -> Option<Self> {
        let (order, rest) = descr.split_at_checked(1)?;
        let (kind, size) = rest.split_at_checked(1)?;
        let bytes: usize = size.parse().ok()?;
        let kind = match (kind, bytes) {
            ("b", 1) => ElementKind::Bool,
            ("u", 1 | 2 | 4 | 8) => ElementKind::Unsigned,
            ("i", 1 | 2 | 4 | 8) => ElementKind::Signed,
            ("f", 2 | 4 | 8) => ElementKind::Float,
            _ => return None,
        };
        matches!(order, "<" | ">" | "|" | "=").then_some(Self {
            kind,
            bytes,
            big_endian: order == ">",
        })
    }

    /// What the elements are.
    pub(crate) fn kind(self) -> ElementKind {
        self.kind
    }

    /// The bytes of an element, low byte first, at the beginning of eight.
    fn word(self, element: &[u8]) -> [u8; 8] {
        let mut word = [0; 8];
        for (i, &byte) in element.iter().take(self.bytes.min(8)).enumerate() {
            word[if self.big_endian { self.bytes - 1 - i } else { i }] = byte;
        }
        word
    }

    /// The integer that the bytes of an element are.
    pub(crate) fn integer(self, element: &[u8]) -> i128 {
        let word = u64::from_le_bytes(self.word(element));
        if self.kind != ElementKind::Signed {
            return word.into();
        }
        let unused = 64 - 8 * self.bytes.min(8) as u32;
        i128::from((word << unused).cast_signed() >> unused)
    }

    /// The floating-point number that the bytes of an element are.
    pub(crate) fn float(self, element: &[u8]) -> f64 {
        let [a, b, c, d, ..] = self.word(element);
        match self.bytes {
            2 => half::f16::from_le_bytes([a, b]).to_f64(),
            4 => f32::from_le_bytes([a, b, c, d]).into(),
            _ => f64::from_le_bytes(self.word(element)),
        }
    }
}

/// An array whose elements have not been read yet.
#[derive(Debug)]
pub(crate) struct ArrayReader<R> {
    /// What messages call it.
    path: PathBuf,
    /// Extents, the last one fastest.
    pub(crate) shape: Vec<usize>,
    /// NumPy's name of the elements' type.
    pub(crate) descr: String,
    /// The type of the elements; `None` if they are no numbers, or of a type that is not read.
    pub(crate) element: Option<ElementType>,
    from: R,
}

impl<R: Read> ArrayReader<R> {
    /// Reads the header; `path` is what messages call the array.
    ///
    /// # Errors
    /// [`Error::Format`]: it is no `.npy` array, damaged, or in Fortran's order; [`Error::Read`].
    pub(crate) fn new(mut from: R, path: &Path) -> Result<Self> {
        let mut bytes = vec![0; 12];
        let got = fill(&mut from, &mut bytes).map_err(|e| unreadable(path, e))?;
        bytes.truncate(got);
        if got == 12 && bytes.starts_with(MAGIC) {
            let length = match bytes[6] {
                1 => usize::from(u16::from_le_bytes([bytes[8], bytes[9]])).saturating_sub(2),
                2 | 3 => u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize,
                // The parser says that the version is not known.
                _ => 0,
            };
            if length > LONGEST_HEADER {
                let what = format!("its .npy header claims {length} bytes");
                return Err(Error::format(path, what, AGAIN));
            }
            let mut rest = vec![0; length];
            let got = fill(&mut from, &mut rest).map_err(|e| unreadable(path, e))?;
            bytes.extend_from_slice(&rest[..got]);
        }
        let Header { descr, fortran, shape, .. } = header::parse(&bytes, path)?;
        if fortran && shape.len() > 1 {
            let hint = "save it with np.save(path, np.ascontiguousarray(x))";
            return Err(Error::format(path, "it is in Fortran order", hint));
        }
        Ok(Self { path: path.to_owned(), element: ElementType::of(&descr), shape, descr, from })
    }

    /// The error for elements of another type; `dtype` is NumPy's name of the one to convert to.
    pub(crate) fn other_type(&self, expected: &str, dtype: &str) -> Error {
        let (what, hint) = header::describe(&self.descr, dtype);
        Error::format(&self.path, format!("its elements are {what}, expected {expected}"), hint)
    }

    /// Fills `buffer` with the next elements, as the bytes that they are.
    ///
    /// # Errors
    /// [`Error::Format`]: the array ends before; [`Error::Read`].
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        match fill(&mut self.from, buffer) {
            Ok(got) if got == buffer.len() => Ok(()),
            Ok(_) => {
                let what = format!("it is cut off: it has fewer elements than {:?}", self.shape);
                Err(Error::format(&self.path, what, AGAIN))
            }
            Err(e) => Err(unreadable(&self.path, e)),
        }
    }

    /// Checks that nothing follows the last element. In an archive this also verifies its checksum.
    ///
    /// # Errors
    /// [`Error::Format`] if something follows; [`Error::Read`].
    pub(crate) fn end(mut self) -> Result<()> {
        match fill(&mut self.from, &mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => {
                let what = format!("it goes on behind the last element of {:?}", self.shape);
                Err(Error::format(&self.path, what, AGAIN))
            }
            Err(e) => Err(unreadable(&self.path, e)),
        }
    }
}

/// Reads until `buffer` is full or the input ends, and says how far it got.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match from.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// The error for bytes that cannot be read: damage of an archive, or the system's own words.
fn unreadable(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            Error::format(path, format!("it is damaged: {error}"), AGAIN)
        }
        _ if error.raw_os_error().is_none() => {
            Error::format(path, format!("it is damaged: {error}"), AGAIN)
        }
        _ => Error::read(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn open(bytes: &[u8]) -> Result<ArrayReader<&[u8]>> {
        ArrayReader::new(bytes, Path::new("x.npy"))
    }

    #[test]
    fn elements_of_every_type_are_read() {
        for (descr, bytes, integer, float) in [
            ("|u1", &[200][..], 200, None),
            ("|i1", &[200], -56, None),
            ("|b1", &[1], 1, None),
            ("<u2", &[1, 2], 513, None),
            (">i2", &[0xff, 0xfe], -2, None),
            ("<i4", &[0xff, 0xff, 0xff, 0x7f], i32::MAX.into(), None),
            ("<u8", &[0xff; 8], u64::MAX.into(), None),
            ("<i8", &[0xff; 8], -1, None),
            ("<f2", &[0, 0x3c], 0, Some(1.0)),
            ("<f4", &1.5f32.to_le_bytes(), 0, Some(1.5)),
            (">f4", &(-1.5f32).to_be_bytes(), 0, Some(-1.5)),
            ("<f8", &0.1f64.to_le_bytes(), 0, Some(0.1)),
        ] {
            let bytes = array(descr, "(1,)", bytes);
            let mut reader = open(&bytes).unwrap();
            let element = reader.element.unwrap();
            let mut one = vec![0; element.bytes];
            reader.read(&mut one).unwrap();
            match float {
                Some(float) => assert_eq!(element.float(&one), float, "{descr}"),
                None => assert_eq!(element.integer(&one), integer, "{descr}"),
            }
            reader.end().unwrap();
        }
        for descr in ["|O", "<U5", "<c8", "<f16", "<M8[ns]", "", "u1", "|u3", "<\u{e9}4"] {
            let reader = open(&array(descr, "(1,)", &[0; 8])).map(|r| r.element);
            assert_eq!(reader.unwrap(), None, "{descr}");
        }
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_refused() {
        let whole = array("<u2", "(2, 3)", &[7; 12]);
        let read = |bytes: &[u8]| {
            let mut reader = open(bytes)?;
            reader.read(&mut [0; 12])?;
            reader.end()
        };
        read(&whole).unwrap();
        for end in 0..whole.len() {
            assert!(matches!(read(&whole[..end]), Err(Error::Format { .. })), "{end}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(read(&longer).unwrap_err().to_string().contains("it goes on"));
        let mut giant = whole;
        giant[6] = 2;
        giant[8..12].fill(0xff);
        assert!(open(&giant).unwrap_err().to_string().contains("header claims"));
    }
}
