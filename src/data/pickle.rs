//! CIFAR's Python files: pickles of one layout, a dictionary of a NumPy array of bytes and lists of labels. What a
//! pickle calls is compared with the few names that such a file has, and never called.

use std::{collections::HashMap, ops::Range, path::Path};

use crate::error::{Error, Result};

/// Most values that a pickle may make: several times the file names and labels of the largest file.
const MOST: usize = 1 << 19;
/// Most lists, tuples and dictionaries of a pickle, and so the depth to which they lie in each other.
const MOST_GROUPS: usize = 256;

/// What a pickle makes.
#[derive(Clone, Debug, PartialEq)]
enum Pickled {
    /// The beginning of a group.
    Mark,
    /// `None`, `True`, `False`, and what has no meaning here.
    Nothing,
    Integer(i64),
    /// Where the bytes of a string are in the file.
    Bytes(Range<usize>),
    /// A name of Python's, as `numpy dtype`.
    Name(String),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dictionary(Vec<(Self, Self)>),
    /// An array before its state is known, and after it: its extents and where its bytes are.
    Array(Option<([i64; 2], Range<usize>)>),
    /// The type of an array's elements.
    Type(Range<usize>),
}

/// Pixels and labels of a file.
#[derive(Debug, PartialEq)]
pub(super) struct PythonBatch<'a> {
    /// `[N][3][32][32]`.
    pub(super) pixels: &'a [u8],
    /// `[N]`.
    pub(super) labels: Vec<i64>,
}

/// Reads a file of CIFAR for Python: its `data` and the labels of the name `labels`; `path` names it in errors.
///
/// # Errors
/// [`Error::Format`] for anything but such a file.
pub(super) fn read<'a>(path: &Path, bytes: &'a [u8], labels: &str) -> Result<PythonBatch<'a>> {
    let hint = "get the file again, or run `nf-gpu data fetch` with the name of the set: only CIFAR's own pickles \
                are read, and none of their code is run";
    let odd = |what: &str| Error::format(path, format!("no pickle of CIFAR: {what}"), hint);
    let reader =
        Reader { bytes, at: 0, stack: Vec::new(), memo: HashMap::new(), made: 0, groups: 0 };
    let Pickled::Dictionary(entries) = reader.run().map_err(|what| odd(&what))? else {
        return Err(odd("it is no dictionary"));
    };
    let entry = |name: &str| {
        let is_it = |key: &Pickled| matches!(key, Pickled::Bytes(at) if bytes[at.clone()] == *name.as_bytes());
        entries.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
    };
    let Some(Pickled::Array(Some(([n, 3072], at)))) = entry("data") else {
        return Err(odd("its data are no bytes [N, 3072]"));
    };
    let Some(Pickled::List(list)) = entry(labels) else {
        return Err(odd(&format!("there is no list of {labels} in it")));
    };
    let number = |value: &Pickled| if let Pickled::Integer(n) = value { Some(*n) } else { None };
    let labels: Option<Vec<i64>> = list.iter().map(number).collect();
    let labels = labels.ok_or_else(|| odd("its labels are no integers"))?;
    let pixels = &bytes[at.clone()];
    if labels.len() as i64 != *n || labels.len().checked_mul(3072) != Some(pixels.len()) {
        return Err(odd(&format!("{} labels and {} bytes of pixels", labels.len(), pixels.len())));
    }
    Ok(PythonBatch { pixels, labels })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Pickled>,
    memo: HashMap<u32, Pickled>,
    /// Values made and kept so far.
    made: usize,
    /// Lists, tuples and dictionaries among them.
    groups: usize,
}

type Parsed<T> = std::result::Result<T, String>;

impl Reader<'_> {
    fn take(&mut self, n: usize) -> Parsed<Range<usize>> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len());
        let range = self.at..end.ok_or("it is cut off")?;
        self.at = range.end;
        Ok(range)
    }

    /// An integer without sign of `n` bytes, low byte first.
    fn number(&mut self, n: usize) -> Parsed<u32> {
        let range = self.take(n)?;
        Ok(self.bytes[range].iter().rev().fold(0, |all, &byte| all << 8 | u32::from(byte)))
    }

    /// The rest of a line.
    fn line(&mut self) -> Parsed<String> {
        let length = self.bytes[self.at..].iter().take(256).position(|&byte| byte == b'\n');
        let range = self.take(length.ok_or("a name without end")?)?;
        self.at += 1;
        Ok(String::from_utf8_lossy(&self.bytes[range]).into_owned())
    }

    fn count(&mut self, groups: usize) -> Parsed<()> {
        (self.made, self.groups) = (self.made + 1, self.groups + groups);
        if self.made > MOST || self.groups > MOST_GROUPS {
            return Err(format!("it makes more than {MOST} values or {MOST_GROUPS} groups"));
        }
        Ok(())
    }

    fn push(&mut self, value: Pickled) -> Parsed<()> {
        let is_group =
            matches!(value, Pickled::List(_) | Pickled::Tuple(_) | Pickled::Dictionary(_));
        self.count(usize::from(is_group))?;
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Parsed<Pickled> {
        self.stack.pop().ok_or_else(|| "a value is missing".into())
    }

    /// The values behind the last mark.
    fn group(&mut self) -> Parsed<Vec<Pickled>> {
        let mark = self.stack.iter().rposition(|value| *value == Pickled::Mark);
        let group = self.stack.split_off(mark.ok_or("a mark is missing")?);
        Ok(group.into_iter().skip(1).collect())
    }

    fn last(&self, n: usize) -> Parsed<usize> {
        self.stack.len().checked_sub(n).ok_or_else(|| "a value is missing".into())
    }

    fn tuple(&mut self, n: usize) -> Parsed<()> {
        let items = self.stack.split_off(self.last(n)?);
        self.push(Pickled::Tuple(items))
    }

    /// Keeps the last value under a number. Values that grow are not kept: a file of CIFAR never takes them back.
    fn remember(&mut self, number: u32) -> Parsed<()> {
        let value = self.stack.last().ok_or("a value is missing")?;
        if matches!(value, Pickled::Bytes(_) | Pickled::Name(_) | Pickled::Integer(_)) {
            let value = value.clone();
            self.count(0)?;
            self.memo.insert(number, value);
        }
        Ok(())
    }

    fn recall(&mut self, number: u32) -> Parsed<()> {
        let value = self.memo.get(&number).cloned();
        self.push(value.ok_or("it takes back a value that is no string")?)
    }

    fn extend(&mut self, items: Vec<Pickled>) -> Parsed<()> {
        match self.stack.last_mut() {
            Some(Pickled::List(list)) => list.extend(items),
            _ => return Err("items without a list".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Pickled>) -> Parsed<()> {
        let Some(Pickled::Dictionary(entries)) = self.stack.last_mut() else {
            return Err("entries without a dictionary".into());
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        Ok(())
    }

    /// What a call of one of the known names makes.
    fn reduce(&mut self) -> Parsed<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let made = match (&callee, arguments) {
            (Pickled::Name(name), _)
                if [
                    "numpy.core.multiarray _reconstruct",
                    "numpy._core.multiarray _reconstruct",
                ]
                .contains(&name.as_str()) =>
            {
                Pickled::Array(None)
            }
            (Pickled::Name(name), Pickled::Tuple(arguments)) if name == "numpy dtype" => {
                match arguments.first() {
                    Some(Pickled::Bytes(at)) => Pickled::Type(at.clone()),
                    _ => return Err("a type without a name".into()),
                }
            }
            (Pickled::Name(name), _) => return Err(format!("it would call {name}")),
            _ => return Err("it would call a value".into()),
        };
        self.push(made)
    }

    /// Gives an array its state: version, extents, type, order, bytes.
    fn build(&mut self) -> Parsed<()> {
        let state = self.pop()?;
        match self.stack.last_mut() {
            Some(Pickled::Type(_)) => Ok(()),
            Some(Pickled::Array(array)) => {
                let Pickled::Tuple(parts) = state else {
                    return Err("an array without a state".into());
                };
                let [_, Pickled::Tuple(shape), Pickled::Type(kind), _, Pickled::Bytes(at)] =
                    &parts[..]
                else {
                    return Err("an array of another layout".into());
                };
                let [Pickled::Integer(n), Pickled::Integer(m)] = shape[..] else {
                    return Err("an array that is not [N, M]".into());
                };
                if self.bytes[kind.clone()] != *b"u1" {
                    return Err("an array that is not of bytes".into());
                }
                *array = Some(([n, m], at.clone()));
                Ok(())
            }
            _ => Err("a state without an array".into()),
        }
    }

    fn run(mut self) -> Parsed<Pickled> {
        loop {
            let code = self.number(1)? as u8;
            match code {
                // The protocol, and frames of protocol 4.
                0x80 => self.take(1).map(drop)?,
                0x95 => self.take(8).map(drop)?,
                b'.' => return self.pop(),
                b'(' => self.push(Pickled::Mark)?,
                b'}' => self.push(Pickled::Dictionary(Vec::new()))?,
                b']' => self.push(Pickled::List(Vec::new()))?,
                b')' => self.push(Pickled::Tuple(Vec::new()))?,
                // `True` orders an array as Fortran does, in which no file of CIFAR is.
                b'N' | 0x89 => self.push(Pickled::Nothing)?,
                b'K' | b'M' => {
                    let number = self.number(if code == b'K' { 1 } else { 2 })?;
                    self.push(Pickled::Integer(number.into()))?;
                }
                b'J' => {
                    let number = self.number(4)?.cast_signed();
                    self.push(Pickled::Integer(number.into()))?;
                }
                b'U' | b'C' | 0x8c | b'T' | b'B' | b'X' => {
                    let short = matches!(code, b'U' | b'C' | 0x8c);
                    let length = self.number(if short { 1 } else { 4 })? as usize;
                    let range = self.take(length)?;
                    self.push(Pickled::Bytes(range))?;
                }
                b'q' | b'r' => {
                    let number = self.number(if code == b'q' { 1 } else { 4 })?;
                    self.remember(number)?;
                }
                b'h' | b'j' => {
                    let number = self.number(if code == b'h' { 1 } else { 4 })?;
                    self.recall(number)?;
                }
                b'c' => {
                    let name = format!("{} {}", self.line()?, self.line()?);
                    self.push(Pickled::Name(name))?;
                }
                0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
                b't' => {
                    let items = self.group()?;
                    self.push(Pickled::Tuple(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' => {
                    let items = self.group()?;
                    self.extend(items)?;
                }
                b's' => {
                    let items = self.stack.split_off(self.last(2)?);
                    self.set(items)?;
                }
                b'u' => {
                    let items = self.group()?;
                    self.set(items)?;
                }
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                other => return Err(format!("its operation {other:#04x} is in no such file")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 2 and NumPy 1 wrote: the layout of `data_batch_1`, of two images.
    fn file() -> Vec<u8> {
        let mut bytes =
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03".to_vec();
        bytes.extend(b"U\x06labelsq\x04]q\x05(K\x06K\x09eU\x04dataq\x06");
        bytes.extend(b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09U\x01bq\x0a\x87q\x0bRq\x0c");
        bytes.extend(b"(K\x01K\x02M\x00\x0c\x86q\x0dcnumpy\ndtype\nq\x0eU\x02u1q\x0fK\x00K\x01\x87q\x10Rq\x11");
        bytes.extend(b"(K\x03U\x01|q\x12NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x13b\x89T\x00\x18\x00\x00");
        bytes.extend((0..6144u32).map(|i| (i % 251) as u8));
        bytes.extend(b"q\x14tq\x15bU\x09filenamesq\x16]q\x17(U\x05a.pngq\x18U\x05b.pngq\x19eu.");
        bytes
    }

    fn read(bytes: &[u8]) -> Result<PythonBatch<'_>> {
        super::read(Path::new("data_batch_1"), bytes, "labels")
    }

    #[test]
    fn a_batch_is_read_and_every_cut_or_broken_one_refused_or_the_same_size() {
        let bytes = file();
        let batch = read(&bytes).unwrap();
        assert_eq!(
            (&batch.labels[..], batch.pixels.len(), batch.pixels[250]),
            (&[6, 9][..], 6144, 250)
        );
        for end in 0..bytes.len() {
            assert!(matches!(read(&bytes[..end]), Err(Error::Format { .. })), "{end}");
        }
        for (at, bits) in (0..bytes.len()).flat_map(|at| [(at, 0x01), (at, 0x80), (at, 0xff)]) {
            let mut broken = bytes.clone();
            broken[at] ^= bits;
            match read(&broken) {
                Ok(batch) => assert_eq!((batch.labels.len(), batch.pixels.len()), (2, 6144)),
                Err(e) => assert!(e.hint().is_some(), "{e}"),
            }
        }
        let e = super::read(Path::new("train"), &bytes, "fine_labels").unwrap_err();
        assert!(e.to_string().contains("no list of fine_labels"), "{e}");
    }

    #[test]
    fn no_code_of_a_pickle_is_run_and_no_memory_is_taken() {
        for (bytes, says) in [
            (&b"\x80\x02cos\nsystem\nU\x02ls\x85R."[..], "it would call os system"),
            (b"\x80\x02cnumpy\nndarray\n)R.", "it would call numpy ndarray"),
            (b"\x80\x02]q\x01h\x01.", "takes back a value"),
            (b"\x80\x02K\x01.", "it is no dictionary"),
            (b"\x80\x02}.", "its data are no bytes"),
            (b"\x80\x02e", "a mark is missing"),
            (b"\x80\x02i", "its operation 0x69"),
            (b"", "it is cut off"),
        ] {
            let e = read(bytes).unwrap_err();
            assert!(e.to_string().contains(says), "{e}");
        }
        for (old, new, says) in [
            (&b"U\x02u1"[..], &b"U\x02u2"[..], "an array that is not of bytes"),
            (b"K\x02M\x00\x0c", b"K\x03M\x00\x0c", "2 labels and 6144 bytes of pixels"),
        ] {
            let mut bytes = file();
            let at = bytes.windows(old.len()).position(|part| part == old).unwrap();
            bytes[at..at + new.len()].copy_from_slice(new);
            let e = read(&bytes).unwrap_err();
            assert!(e.to_string().contains(says), "{e}");
        }
        for many in [b"N".repeat(MOST + 1), [&b"N"[..], &b"\x85".repeat(1 << 20)].concat()] {
            assert!(read(&many).unwrap_err().to_string().contains("more than 524288 values"));
        }
    }
}
