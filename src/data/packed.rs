//! Files that may be unpacked, gzipped or packed with xz.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

/// Memory in KiB that unpacking xz may take: more than its strongest setting needs. A header can
/// ask for 4 GiB.
const MEMORY: u32 = 128 << 10;

/// Extensions that packing appends to the name of a file.
const PACKINGS: [&str; 2] = ["gz", "xz"];

/// The file `path` or its packed form beside it (`.gz`, `.xz`): the first that exists.
pub(super) fn find(path: &Path) -> Option<PathBuf> {
    let packed = PACKINGS.iter().map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    });
    [path.to_owned()].into_iter().chain(packed).find(|p| p.is_file())
}

/// True when the bytes in the file are not those that [`open`] yields.
pub(super) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|e| PACKINGS.iter().any(|p| e == *p))
}

/// Opens a file and unpacks it on the way, by its ending.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(1 << 16, File::open(path)?);
    Ok(match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        Some("xz") => {
            Box::new(BufReader::with_capacity(1 << 16, XzReader::new_mem_limit(file, true, MEMORY)))
        }
        _ => Box::new(file),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use lzma_rust2::{XzOptions, XzWriter};

    use super::*;

    #[test]
    fn a_file_is_found_and_read_in_any_packing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        assert_eq!(find(&path), None);
        let content: Vec<u8> = (0..100_000u32).map(|i| (i / 7) as u8).collect();
        let mut xz = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
        xz.write_all(&content).unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&content).unwrap();
        let packed = [
            ("a.bin.xz", xz.finish().unwrap()),
            ("a.bin.gz", gz.finish().unwrap()),
            ("a.bin", content.clone()),
        ];
        // Each form is preferred to those before it.
        for (name, bytes) in &packed {
            let there = dir.path().join(name);
            fs::write(&there, bytes).unwrap();
            assert_eq!(find(&path), Some(there.clone()));
            assert_eq!(is_packed(&there), *name != "a.bin");
            let mut read = Vec::new();
            open(&there).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == content, "{name}");
        }
        for (name, bytes) in &packed[..2] {
            let there = dir.path().join(name);
            fs::write(&there, &bytes[..bytes.len() / 2]).unwrap();
            let read = open(&there).and_then(|mut f| f.read_to_end(&mut Vec::new()));
            assert!(read.is_err(), "{name} was cut in half");
        }
    }
}
