//! The wire format of protocol buffers: fields, and where they lie in the file.
//!
//! It is ours, because an exporter must copy nodes byte for byte and patch weights in place, so that every
//! field has to keep its range of bytes. Nothing in a file is believed: a length is compared with what is
//! there before anything is read, and the number of fields that are kept is limited.

use std::ops::Range;

/// What is wrong with the bytes, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// Offset in the file.
    pub(super) at: usize,
    /// What is wrong, as a sentence without a subject.
    pub(super) what: &'static str,
}

/// Result of reading bytes that may be damaged.
pub(super) type Read<T> = Result<T, Damage>;

/// Contents of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Payload {
    /// Integers and enumerations.
    Varint(u64),
    /// `float`.
    Fixed32([u8; 4]),
    /// `double`.
    Fixed64([u8; 8]),
    /// Strings, bytes, messages and packed lists: where they lie in the file.
    Bytes(Range<usize>),
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WireField {
    /// Number of the field in its message.
    pub(super) number: u64,
    /// The whole field in the file, its key included.
    pub(super) range: Range<usize>,
    /// Its contents.
    pub(super) payload: Payload,
}

/// A file, and how many more fields of it may be kept.
pub(super) struct Wire<'a> {
    bytes: &'a [u8],
    left: usize,
}

/// Most fields that are kept of a file: the largest classifiers have some 50,000.
const FIELDS: usize = 2_000_000;

impl<'a> Wire<'a> {
    /// The bytes of a file.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, left: FIELDS }
    }

    /// The range of the whole file.
    pub(super) fn whole(&self) -> Range<usize> {
        0..self.bytes.len()
    }

    /// The bytes of a range; none for one that is not in the file.
    pub(super) fn bytes(&self, range: &Range<usize>) -> &'a [u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The fields of the message in a range.
    pub(super) fn fields(&mut self, message: Range<usize>) -> Read<Vec<WireField>> {
        let mut cursor = Cursor { bytes: self.bytes, at: message.start, end: message.end };
        let mut fields = Vec::new();
        while cursor.at < cursor.end {
            let Some(left) = self.left.checked_sub(1) else {
                return Err(Damage { at: cursor.at, what: "has more than 2,000,000 fields" });
            };
            self.left = left;
            fields.push(cursor.field()?);
        }
        Ok(fields)
    }

    /// Text of a field. Bytes that are no UTF-8 are replaced: they can only be in names that do not
    /// matter, or that nothing refers to.
    pub(super) fn text(&self, field: &WireField) -> Read<String> {
        Ok(String::from_utf8_lossy(self.bytes(&field.message()?)).into_owned())
    }

    /// Integers of a repeated field, packed or one by one, added to `all`.
    pub(super) fn ints(&self, field: &WireField, all: &mut Vec<i64>) -> Read<()> {
        match &field.payload {
            Payload::Varint(value) => all.push(value.cast_signed()),
            Payload::Bytes(range) => {
                let mut cursor = Cursor { bytes: self.bytes, at: range.start, end: range.end };
                while cursor.at < cursor.end {
                    all.push(cursor.varint()?.cast_signed());
                }
            }
            _ => return Err(field.odd()),
        }
        Ok(())
    }

    /// Integers of a list that is short in any real file: extents, or an attribute. It takes eight times its
    /// bytes in memory, so that a long one is refused.
    pub(super) fn short_ints(&self, field: &WireField, all: &mut Vec<i64>) -> Read<()> {
        if field.range.len() > 1 << 20 {
            return Err(Damage {
                at: field.range.start,
                what: "has a list of more than 1,000,000 bytes",
            });
        }
        self.ints(field, all)
    }

    /// Floats of a repeated field, packed or one by one, added to `all`.
    pub(super) fn floats(&self, field: &WireField, all: &mut Vec<f32>) -> Read<()> {
        match &field.payload {
            Payload::Fixed32(bytes) => all.push(f32::from_le_bytes(*bytes)),
            _ => all.extend(self.packed(field)?.iter().map(|word| f32::from_le_bytes(*word))),
        }
        Ok(())
    }

    /// Doubles of a repeated field, packed or one by one, added to `all`.
    pub(super) fn doubles(&self, field: &WireField, all: &mut Vec<f64>) -> Read<()> {
        match &field.payload {
            Payload::Fixed64(bytes) => all.push(f64::from_le_bytes(*bytes)),
            _ => all.extend(self.packed(field)?.iter().map(|word| f64::from_le_bytes(*word))),
        }
        Ok(())
    }

    /// The words of `N` bytes of a packed field.
    fn packed<const N: usize>(&self, field: &WireField) -> Read<&'a [[u8; N]]> {
        match self.bytes(&field.message()?).as_chunks() {
            (words, []) => Ok(words),
            _ => Err(field.odd()),
        }
    }
}

impl WireField {
    /// The range of a message, string or packed list.
    pub(super) fn message(&self) -> Read<Range<usize>> {
        match &self.payload {
            Payload::Bytes(range) => Ok(range.clone()),
            _ => Err(self.odd()),
        }
    }

    /// A single integer.
    pub(super) fn int(&self) -> Read<i64> {
        match self.payload {
            Payload::Varint(value) => Ok(value.cast_signed()),
            _ => Err(self.odd()),
        }
    }

    /// A single float.
    pub(super) fn float(&self) -> Read<f32> {
        match self.payload {
            Payload::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(self.odd()),
        }
    }

    fn odd(&self) -> Damage {
        Damage { at: self.range.start, what: "has a field of another type than ONNX's" }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Cursor<'_> {
    fn field(&mut self) -> Read<WireField> {
        let start = self.at;
        let key = self.varint()?;
        let payload = match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.array()?),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Payload::Bytes(self.take(length)?)
            }
            5 => Payload::Fixed32(self.array()?),
            _ => return Err(Damage { at: start, what: "has a field of no known wire type" }),
        };
        if key >> 3 == 0 {
            return Err(Damage { at: start, what: "has a field of number 0" });
        }
        Ok(WireField { number: key >> 3, range: start..self.at, payload })
    }

    fn varint(&mut self) -> Read<u64> {
        let start = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let range = self.take(1)?;
            let byte = self.bytes[range.start];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damage { at: start, what: "has an integer of more than 64 bits" })
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let at = self.at;
        let range = self.take(N)?;
        let bytes = self.bytes[range].first_chunk::<N>().copied();
        bytes.ok_or(Damage { at, what: "ends in the middle of a number" })
    }

    fn take(&mut self, length: usize) -> Read<Range<usize>> {
        let start = self.at;
        match start.checked_add(length).filter(|&end| end <= self.end.min(self.bytes.len())) {
            Some(end) => {
                self.at = end;
                Ok(start..end)
            }
            None => Err(Damage { at: start, what: "says that it is longer than it is" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_ranges() {
        // 1: varint 300; 2: bytes "ab"; 3: float 1.
        let bytes = [8, 0xac, 2, 18, 2, b'a', b'b', 29, 0, 0, 128, 63];
        let mut wire = Wire::new(&bytes);
        let fields = wire.fields(wire.whole()).unwrap();
        assert_eq!(fields[0].int().unwrap(), 300);
        assert_eq!(
            (wire.text(&fields[1]).unwrap().as_str(), fields[1].range.clone()),
            ("ab", 3..7)
        );
        assert_eq!(fields[2].float().unwrap(), 1.0);
        assert!(fields[2].int().is_err() && fields[0].message().is_err());
    }

    #[test]
    fn a_length_beyond_the_end_is_damage() {
        for bytes in [
            &[18, 200][..],
            &[18, 3, 1, 2],
            &[8],
            &[9, 1, 2],
            &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            &[11],
            &[0, 1],
            &[18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
        ] {
            let mut wire = Wire::new(bytes);
            assert!(wire.fields(wire.whole()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn lists_are_read_packed_and_one_by_one() {
        let bytes = [10, 3, 1, 0xac, 2, 8, 7];
        let mut wire = Wire::new(&bytes);
        let mut all = Vec::new();
        for field in wire.fields(wire.whole()).unwrap() {
            wire.ints(&field, &mut all).unwrap();
        }
        assert_eq!(all, [1, 300, 7]);
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        let bytes = [8, 0].repeat(FIELDS + 1);
        let mut wire = Wire::new(&bytes);
        assert!(wire.fields(wire.whole()).unwrap_err().what.contains("2,000,000"));
    }
}
