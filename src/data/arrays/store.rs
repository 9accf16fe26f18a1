//! Where arrays lie: in an archive of `np.savez`, or in files of their own in one folder.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use zip::{ZipArchive, result::ZipError};

use super::LAYOUT;
use crate::{
    data::image_set::Split,
    error::{Error, Result},
    files::{npy::ArrayReader, open_file},
};

const AGAIN: &str = "copy it again, or save it again with np.savez";

/// Which array of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArrayName {
    /// `x_train`, `x_test`.
    Images,
    /// `y_train`, `y_test`.
    Labels,
}

impl ArrayName {
    const ALL: [(Self, Split); 4] = [
        (Self::Images, Split::Train),
        (Self::Labels, Split::Train),
        (Self::Images, Split::Test),
        (Self::Labels, Split::Test),
    ];

    /// NumPy's name of the array.
    fn of(self, split: Split) -> &'static str {
        match (self, split) {
            (Self::Images, Split::Train) => "x_train",
            (Self::Images, Split::Test) => "x_test",
            (Self::Labels, Split::Train) => "y_train",
            (Self::Labels, Split::Test) => "y_test",
        }
    }

    /// Name of the file of the array.
    fn file(self, split: Split) -> String {
        format!("{}.npy", self.of(split))
    }
}

/// A reader of an array, wherever it lies.
pub(super) type OpenArray = (PathBuf, ArrayReader<Box<dyn Read>>);

/// Where the arrays lie.
#[derive(Debug)]
pub(super) enum ArrayStore {
    /// An archive.
    Archive(PathBuf),
    /// A folder of files.
    Folder(PathBuf),
}

impl ArrayStore {
    /// The place that a path names: an archive, a file of one of the names, or a folder with a file of images.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let is = |name: &OsStr| ArrayName::ALL.iter().any(|(a, split)| *name == *a.file(*split));
        let archive = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
        if path.is_file() {
            let folder = || match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => ".".into(),
            };
            let one = path.file_name().is_some_and(is);
            return if archive {
                Some(Self::Archive(path.into()))
            } else {
                one.then(|| Self::Folder(folder()))
            };
        }
        let images = [Split::Train, Split::Test].map(|split| ArrayName::Images.file(split));
        let there = images.iter().any(|file| path.join(file).is_file());
        there.then(|| Self::Folder(path.into()))
    }

    pub(super) fn name(&self) -> String {
        let full = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let (path, name) = match self {
            Self::Archive(path) => (path, path.file_stem().map(OsStr::to_owned)),
            Self::Folder(path) => (path, full(path).file_name().map(OsStr::to_owned)),
        };
        name.as_deref().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Archive(path) => vec![path.clone()],
            Self::Folder(folder) => {
                let paths =
                    ArrayName::ALL.iter().map(|(array, split)| folder.join(array.file(*split)));
                paths.filter(|path| path.exists()).collect()
            }
        }
    }

    /// What messages call an array.
    pub(super) fn path(&self, array: ArrayName, split: Split) -> PathBuf {
        match self {
            Self::Archive(path) | Self::Folder(path) => path.join(array.file(split)),
        }
    }

    /// Whether an array is there. A damaged archive has none; opening it says why.
    pub(super) fn has(&self, array: ArrayName, split: Split) -> bool {
        match self {
            Self::Archive(path) => {
                archive(path).is_ok_and(|a| a.index_for_name(&array.file(split)).is_some())
            }
            Self::Folder(folder) => folder.join(array.file(split)).is_file(),
        }
    }

    /// Opens an array and reads its header.
    ///
    /// # Errors
    /// [`Error::Format`]: it is not there, and what is there instead; it is damaged; [`Error::Read`].
    pub(super) fn open(&self, array: ArrayName, split: Split) -> Result<OpenArray> {
        let shown = self.path(array, split);
        let from: Box<dyn Read> = match self {
            Self::Archive(path) => {
                let mut archive = archive(path)?;
                let file = array.file(split);
                let Some(index) = archive.index_for_name(&file) else {
                    return Err(absent(path, array.of(split), &names(&archive)));
                };
                Box::new(Member::open(&mut archive, index, path, &shown)?)
            }
            Self::Folder(folder) => {
                if !shown.is_file() {
                    let there = self.files();
                    let there: Vec<_> = there.iter().filter_map(|path| path.file_name()).collect();
                    let there: Vec<_> =
                        there.iter().map(|name| name.to_string_lossy().into()).collect();
                    return Err(absent(folder, &array.file(split), &there));
                }
                Box::new(BufReader::with_capacity(1 << 16, open_file(&shown)?.0))
            }
        };
        Ok((shown.clone(), ArrayReader::new(from, &shown)?))
    }
}

/// The error for an array that is not there.
fn absent(path: &Path, array: &str, there: &[String]) -> Error {
    let there = match there {
        [] => "nothing".to_owned(),
        [first, .., _] if there.len() > 8 => format!("{} arrays: {first}, ...", there.len()),
        few => few.join(", "),
    };
    Error::format(path, format!("there is no {array} in it; there is {there}"), LAYOUT)
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let (file, _) = open_file(path)?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(path, e))
}

/// Names of the arrays in an archive.
fn names(archive: &ZipArchive<BufReader<File>>) -> Vec<String> {
    let mut names: Vec<String> =
        archive.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).into()).collect();
    names.sort_unstable();
    names
}

fn damaged(path: &Path, error: ZipError) -> Error {
    match error {
        // Errors of the operating system keep their own hints.
        ZipError::Io(e) if e.raw_os_error().is_some() => Error::read(path, e),
        ZipError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Error::format(path, "the archive is cut off", AGAIN)
        }
        e => Error::format(path, format!("it is no readable .npz archive: {e}"), AGAIN),
    }
}

/// A member of an archive that outlives the archive: its packed bytes are read through a handle of its own.
struct Member {
    from: Box<dyn Read>,
    crc: flate2::Crc,
    /// Checksum that the archive states.
    expected: u32,
}

impl Member {
    fn open(
        archive: &mut ZipArchive<BufReader<File>>,
        index: usize,
        path: &Path,
        shown: &Path,
    ) -> Result<Self> {
        let member = archive.by_index_raw(index).map_err(|e| damaged(path, e))?;
        let refuse = |what: &str| Err(Error::format(shown, what, AGAIN));
        if member.encrypted() {
            return refuse("it is encrypted");
        }
        let Some(start) = member.data_start() else {
            return refuse("its place in the archive is not known");
        };
        let (packed, expected, method) =
            (member.compressed_size(), member.crc32(), member.compression());
        let (mut file, _) = open_file(path)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(start)).map_err(|e| Error::read(path, e))?;
        let packed = BufReader::with_capacity(1 << 16, file).take(packed);
        let from: Box<dyn Read> = match method {
            zip::CompressionMethod::Stored => Box::new(packed),
            zip::CompressionMethod::Deflated => Box::new(BufReader::with_capacity(
                1 << 16,
                flate2::read::DeflateDecoder::new(packed),
            )),
            other => return refuse(&format!("it is packed by {other}, not as np.savez packs")),
        };
        Ok(Self { from, crc: flate2::Crc::new(), expected })
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.crc.update(&buffer[..n]);
        if n == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"));
        }
        Ok(n)
    }
}
