//! Decoded images in one file on disk, which is used as long as the files they came from are unchanged.
//!
//! ```text
//! magic | image 0 [C][h][w] | image 1 | ... | index, JSON | place and length of the index,
//! its SHA-256 | magic
//! ```

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use flate2::Crc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::positioned;
use crate::{
    error::{Error, Result},
    files::atomic,
};

const MAGIC: &[u8; 16] = b"nf-gpu images 1\n";
/// Place and length of the index, its SHA-256, the magic.
const FOOTER: usize = 8 + 8 + 32 + MAGIC.len();

/// Name, size and time of a file, by which a change is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Path relative to the folder of the data set, with `/`.
    pub(super) name: String,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
}

impl Stamp {
    pub(super) fn of(name: String, path: &Path) -> Result<Self> {
        let found = fs::metadata(path).map_err(|e| Error::read(path, e))?;
        let modified = found.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |t| t.as_nanos() as u64);
        Ok(Self { name, bytes: found.len(), modified })
    }
}

/// How and from which files a cache was made; a cache of another origin is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CacheOrigin {
    /// How the images were processed, with a version number of the code.
    pub(super) recipe: String,
    /// The files they came from.
    pub(super) stamps: Vec<Stamp>,
    /// Channels of every image. Caches of colour images do not say it.
    #[serde(default = "colour", skip_serializing_if = "is_colour")]
    pub(super) channels: u32,
}

fn colour() -> u32 {
    3
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_colour(channels: &u32) -> bool {
    *channels == colour()
}

/// One image of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CachedImage {
    pub(super) label: u16,
    pub(super) height: u32,
    pub(super) width: u32,
    crc: u32,
    /// Offset of the pixels in the file, in bytes.
    #[serde(skip)]
    at: u64,
}

impl CachedImage {
    fn bytes(&self, channels: u32) -> u64 {
        // A damaged file may claim any size: an overflow must give a size that is too large, not a small one.
        (u64::from(self.height) * u64::from(self.width)).saturating_mul(channels.into())
    }
}

#[derive(Serialize, Deserialize)]
struct Index {
    origin: CacheOrigin,
    entries: Vec<CachedImage>,
}

/// An open cache file.
#[derive(Debug)]
pub(super) struct ImageCache {
    path: PathBuf,
    file: File,
    /// Channels of every image.
    pub(super) channels: u32,
    pub(super) entries: Vec<CachedImage>,
}

impl ImageCache {
    /// Opens the cache, or gives `None` when there is none or it is stale, damaged or incomplete.
    pub(super) fn open(path: &Path, origin: &CacheOrigin) -> Option<Self> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let end = length.checked_sub(FOOTER as u64)?;
        let mut footer = [0; FOOTER];
        positioned::read_exact(&file, &mut footer, end).ok()?;
        let (place, rest) = footer.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (sum, magic) = rest.split_at(32);
        let (place, size) = (u64::from_le_bytes(*place), u64::from_le_bytes(*size));
        if magic != MAGIC || place.checked_add(size)? != end {
            return None;
        }
        let mut json = vec![0; usize::try_from(size).ok()?];
        positioned::read_exact(&file, &mut json, place).ok()?;
        if Sha256::digest(&json).as_slice() != sum {
            return None;
        }
        let mut index: Index = serde_json::from_slice(&json).ok()?;
        let mut at = MAGIC.len() as u64;
        for entry in &mut index.entries {
            entry.at = at;
            at = at.checked_add(entry.bytes(origin.channels))?;
        }
        let usable = at == place && index.origin == *origin;
        let channels = origin.channels;
        usable.then(|| Self { path: path.into(), file, channels, entries: index.entries })
    }

    /// Writes a cache of the images that `fill` adds, all or nothing, and opens it.
    pub(super) fn write(
        path: &Path,
        origin: &CacheOrigin,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<()>,
    ) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
        }
        let mut failed = None;
        let written = atomic::write_with(path, |out| {
            out.write_all(MAGIC)?;
            let (channels, at) = (origin.channels, MAGIC.len() as u64);
            let mut writer = Writer { out, channels, entries: Vec::new(), at };
            match fill(&mut writer) {
                // The disk's own error keeps its kind and becomes `Error::Write` below.
                Err(Error::Write { source, .. }) => return Err(source),
                Err(error) => {
                    failed = Some(error);
                    return Err(io::ErrorKind::Other.into());
                }
                Ok(()) => {}
            }
            let Writer { out, entries, at, .. } = writer;
            let json = serde_json::to_vec(&Index { origin: origin.clone(), entries })?;
            out.write_all(&json)?;
            out.write_all(&at.to_le_bytes())?;
            out.write_all(&(json.len() as u64).to_le_bytes())?;
            out.write_all(&Sha256::digest(&json))?;
            out.write_all(MAGIC)
        });
        if let Some(error) = failed {
            return Err(error);
        }
        written?;
        Self::open(path, origin).ok_or_else(|| {
            Error::format(path, "the cache of decoded images changed while it was written", AGAIN)
        })
    }

    /// Reads image `i`, `[C][height][width]` of its entry, into `buffer`, whose contents are replaced. Threads
    /// may read at the same time.
    pub(super) fn read(&self, i: usize, buffer: &mut Vec<u8>) -> Result<()> {
        let entry = self.entries.get(i).ok_or_else(|| {
            Error::Shape(format!("there is no image {i} among {}", self.entries.len()))
        })?;
        buffer.resize(entry.bytes(self.channels) as usize, 0);
        positioned::read_exact(&self.file, buffer, entry.at)
            .map_err(|e| Error::read(&self.path, e))?;
        if crc(buffer) != entry.crc {
            let what = format!("image {i} of this cache of decoded images is damaged");
            return Err(Error::format(&self.path, what, AGAIN));
        }
        Ok(())
    }

    /// Path of the cache file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

const AGAIN: &str = "delete this file: it is made again from the images";

/// Writes the images of a new cache.
pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    channels: u32,
    entries: Vec<CachedImage>,
    at: u64,
}

impl Writer<'_> {
    /// Appends an image `[C][height][width]`.
    pub(super) fn add(
        &mut self,
        label: u16,
        (height, width): (u32, u32),
        pixels: &[u8],
    ) -> Result<()> {
        self.out.write_all(pixels).map_err(|e| Error::write("", e))?;
        let crc = crc(pixels);
        let entry = CachedImage { label, height, width, crc, at: self.at };
        self.at += entry.bytes(self.channels);
        self.entries.push(entry);
        Ok(())
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests;
