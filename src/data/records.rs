//! Files of records as CIFAR-10 introduced them: label bytes, then the red, green and blue planes
//! of a 32x32 image.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use super::{dataset::DatasetInfo, packed};
use crate::error::{Error, Result};

/// Bytes of an image's three planes.
pub(super) const PIXELS: usize = 3 * 32 * 32;

/// The label bytes that stand before the pixels of a record.
#[derive(Clone, Copy)]
pub(super) struct RecordLayout {
    /// Label bytes of a record.
    pub(super) labels: usize,
    /// Index of the label byte that is the class.
    pub(super) class: usize,
}

impl RecordLayout {
    /// CIFAR-10's: one label byte.
    pub(super) const ONE: Self = Self { labels: 1, class: 0 };

    /// Bytes of a record.
    pub(super) const fn record(self) -> usize {
        self.labels + PIXELS
    }

    /// Bytes of a file of `records` records.
    pub(super) const fn file(self, records: usize) -> u64 {
        (self.record() * records) as u64
    }
}

/// Pixels `[N][3][32][32]` and labels `[N]` that grow file by file.
#[derive(Default)]
pub(super) struct Records {
    pub(super) pixels: Vec<u8>,
    pub(super) labels: Vec<u16>,
}

impl Records {
    /// Appends the `records` records of one file, packed or not. The size is checked before
    /// memory is taken; `again` is the hint for a file that is not right.
    pub(super) fn append(
        &mut self,
        info: &DatasetInfo,
        path: &Path,
        layout: RecordLayout,
        records: usize,
        again: &str,
    ) -> Result<()> {
        let wrong = |what: String| Error::format(path, what, again);
        let right = layout.file(records);
        let sizes = |found: u64| {
            let how = if found < right { "truncated: " } else { "" };
            wrong(format!("{how}{found} bytes, not {right}"))
        };
        let found = fs::metadata(path).map_err(|e| absent(info, path, e))?.len();
        if found != right && !packed::is_packed(path) {
            return Err(sizes(found));
        }
        let damaged = |e: io::Error| wrong(format!("damaged: {e}"));
        let mut from = packed::open(path).map_err(|e| Error::read(path, e))?;
        self.pixels.reserve(records * PIXELS);
        self.labels.reserve(records);
        let mut record = vec![0; layout.record()];
        for i in 0..records {
            let got = fill(&mut from, &mut record).map_err(damaged)?;
            if got < record.len() {
                return Err(sizes((i * record.len() + got) as u64));
            }
            let label = record[layout.class];
            if u32::from(label) >= info.classes {
                let last = info.classes - 1;
                return Err(wrong(format!("record {i} has label {label}; labels are 0 to {last}")));
            }
            self.labels.push(label.into());
            self.pixels.extend_from_slice(&record[layout.labels..]);
        }
        // A packed file ends with the checksum of its packing, which is only verified by reading to
        // the end.
        match fill(&mut from, &mut record[..1]).map_err(damaged)? {
            0 => Ok(()),
            _ => Err(wrong(format!("it goes on after {records} records"))),
        }
    }
}

/// Reads until `buffer` is full or the file ends, and says how far it got.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match from.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// The error for a file that is missing or cannot be examined.
pub(super) fn absent(info: &DatasetInfo, path: &Path, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return Error::read(path, error);
    }
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let hint = format!(
        "run `nf-gpu data fetch {}`, point --data-dir at the folder that holds {}, or use \
         --dataset fashion-sample",
        info.name,
        folder.display()
    );
    Error::format(path, format!("this file of {} is not there", info.name), hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::data::cifar10::CIFAR10;

    fn read(path: &Path) -> Result<Records> {
        let mut records = Records::default();
        records.append(&CIFAR10.info, path, RecordLayout::ONE, 2, "again")?;
        Ok(records)
    }

    #[test]
    fn a_packed_file_has_the_right_length_and_a_whole_packing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin.gz");
        let record = |label: u8| [&[label][..], &[label * 20; PIXELS]].concat();
        let two = [record(3), record(9)].concat();
        let gz = |bytes: &[u8]| {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(bytes).unwrap();
            gz.finish().unwrap()
        };
        fs::write(&path, gz(&two)).unwrap();
        let records = read(&path).unwrap();
        assert_eq!((records.labels, records.pixels.len()), (vec![3, 9], 2 * PIXELS));
        assert_eq!(records.pixels[PIXELS..], [180; PIXELS]);
        let mut damaged = gz(&two);
        let end = damaged.len();
        damaged[end - 6] ^= 1; // its checksum
        for (bytes, says) in [
            (gz(&two[..two.len() - 1]), "truncated: 6145 bytes, not 6146"),
            (gz(&[&two[..], &[0]].concat()), "it goes on after 2 records"),
            (damaged, "damaged: "),
            (gz(&two)[..end / 2].to_vec(), "damaged: "),
        ] {
            fs::write(&path, bytes).unwrap();
            let e = read(&path).err().unwrap();
            assert!(e.to_string().contains(says), "{e}");
            assert_eq!(e.hint().unwrap(), "again");
        }
    }
}
