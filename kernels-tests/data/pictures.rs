//! Pictures of every kind, compared with what PIL reads: `scripts/pictures.py` writes both. The archive
//! here was made with Pillow 13.0, so that the comparison also runs without Python.

use crate::networks::python::python_with;
use std::{collections::BTreeMap, fs, io::Read, path::Path, process::Command};

use nf_gpu::data::entries;

const ARCHIVE: &[u8] = include_bytes!("pictures.tar.xz");

/// Largest difference in grey levels between two correct decoders of a JPEG. Y, Cb and Cr are each
/// rounded after the inverse cosine transform, and may differ by one; blue is Y + 1.772 Cb, rounded
/// again.
const JPEG_LEVELS: u8 = 3;

/// Compares every picture with its `.want` (PPM) or `.refused` (a word of the message); returns their
/// number.
fn compare(files: &BTreeMap<String, Vec<u8>>) -> usize {
    let (mut problems, mut compared) = (Vec::new(), 0);
    for (name, bytes) in files.iter().filter(|(name, _)| !is_expectation(name)) {
        let expected = |kind: &str| files.get(&format!("{name}.{kind}"));
        let read = entries::pixels(Path::new(name), bytes);
        let problem = match (read, expected("want"), expected("refused")) {
            (Ok((height, width, pixels)), Some(want), None) => {
                differs(name, &format!("P6\n{width} {height}\n255\n"), &pixels, want)
            }
            (Err(e), None, Some(word)) => {
                let (said, word) = (e.to_string(), std::str::from_utf8(word).unwrap());
                (!said.contains(word) || !said.starts_with(name.as_str())).then_some(said)
            }
            (Ok(_), ..) => Some("it is read".into()),
            (Err(e), ..) => Some(e.to_string()),
        };
        problems.extend(problem.map(|p| format!("{name}: {p}")));
        compared += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    compared
}

fn is_expectation(name: &str) -> bool {
    name.ends_with(".want") || name.ends_with(".refused")
}

/// Describes where planes differ from a PPM file with that header, if they do.
fn differs(name: &str, header: &str, planes: &[u8], ppm: &[u8]) -> Option<String> {
    let Some(want) = ppm.strip_prefix(header.as_bytes()) else {
        return Some(format!("its size is not that of {header:?}"));
    };
    let levels = if name.ends_with(".jpg") { JPEG_LEVELS } else { 0 };
    let n = planes.len() / 3;
    let far = |&i: &usize| planes[i % 3 * n + i / 3].abs_diff(want[i]) > levels;
    let wrong: Vec<usize> = (0..want.len()).filter(far).collect();
    let first = wrong.first()?;
    let (got, want) = (planes[first % 3 * n + first / 3], want[*first]);
    let (count, pixel, channel) = (wrong.len(), first / 3, first % 3);
    Some(format!("{count} values differ; pixel {pixel}, channel {channel} is {got}, not {want}"))
}

#[test]
fn pictures_are_as_pil_reads_them() {
    let unpacked = lzma_rust2::XzReader::new(ARCHIVE, true);
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(unpacked).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    assert!(compare(&files) > 150, "{} files", files.len());
}

/// Compares with the Pillow of the Python that `NF_PYTHON` names.
#[test]
#[ignore = "in ./test.sh --all: it needs Pillow"]
fn pictures_are_as_this_machines_pil_reads_them() {
    let Some(python) = python_with("PIL") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/pictures.py");
    let mut run = Command::new(&python);
    run.args(["-W", "ignore"]).arg(script).arg(folder.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    let done = run.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    });
    assert!(compare(&files.collect()) > 150);
}
