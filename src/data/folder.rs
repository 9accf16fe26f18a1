//! Any folder of class folders: `PATH/train/CLASS/IMAGE` and `PATH/test/CLASS/IMAGE` (or `val`).

mod build;
mod crop;
mod prefetch;
mod scan;
mod set;

use std::path::Path;

pub use build::CacheEvent;
pub use prefetch::{Batch, Prefetcher};
pub use set::FolderSet;

pub(super) use scan::Scan;

use super::{
    checksum::{FileCheck, FileState},
    decode,
    image_set::{ImageSet, Split},
    parallel,
    subset::{Subset, Wanted, Which},
};
use crate::error::{Error, Result};

/// Sides that images of a folder can be given.
pub(super) const SIDES: [u32; 2] = [32, 224];

/// Refuses a side that no network here takes.
pub(super) fn check_side(side: u32) -> Result<()> {
    if SIDES.contains(&side) {
        return Ok(());
    }
    Err(Error::argument("--side", format!("images of {side}x{side}"), "choose 32 or 224"))
}

/// Images of a split, resized to `side x side`; those that are not wanted are not read.
pub(super) fn open(path: &Path, split: Split, side: u32, wanted: Wanted) -> Result<ImageSet> {
    let scan = Scan::of(path, split)?;
    let len = scan.images.len();
    let n = wanted.of(len)?;
    let set = decode_some(&scan, &Which::Spread.indices(n, len), side)?;
    Ok(ImageSet { subset: Subset::new(Which::Spread, n, len), ..set })
}

/// The first `n` images of each class, resized to `side x side`.
pub(super) fn open_some(scan: &Scan, n: usize, side: u32) -> Result<ImageSet> {
    let mut seen = vec![0; scan.classes.len()];
    let mut some = Vec::new();
    for (i, (_, label)) in scan.images.iter().enumerate() {
        let seen = &mut seen[usize::from(*label)];
        if *seen < n {
            some.push(i);
        }
        *seen += 1;
    }
    decode_some(scan, &some, side)
}

fn decode_some(scan: &Scan, some: &[usize], side: u32) -> Result<ImageSet> {
    check_side(side)?;
    let bytes = 3 * side as usize * side as usize;
    let mut pixels = vec![0; some.len() * bytes];
    parallel::fill(
        &mut pixels,
        bytes,
        || (),
        |(), i, out| decode::file(&scan.path(some[i]))?.resize_into(side, out),
    )?;
    Ok(ImageSet {
        name: scan.name(),
        split: scan.split,
        height: side,
        width: side,
        classes: scan.classes.len() as u32,
        class_names: scan.classes.clone(),
        pixels,
        labels: some.iter().map(|&i| scan.images[i].1).collect(),
        subset: None,
    })
}

/// Decodes every image of both splits: a line for each split's folder, one for each bad image.
pub(super) fn check(path: &Path) -> Result<Vec<FileCheck>> {
    let mut checks = Vec::new();
    for split in [Split::Train, Split::Test] {
        let scan = Scan::of(path, split)?;
        let looked = parallel::map(
            scan.images.len(),
            || (),
            |(), i| {
                let path = scan.path(i);
                Ok(match decode::file(&path) {
                    Ok(_) => (path.metadata().map_or(0, |m| m.len()), None),
                    Err(Error::Format { what, .. }) => (0, Some((path, what))),
                    Err(Error::Read { source, .. }) => (0, Some((path, source.to_string()))),
                    Err(e) => (0, Some((path, e.to_string()))),
                })
            },
        )?;
        let bytes = looked.iter().map(|(bytes, _)| bytes).sum();
        let bad: Vec<_> = looked.into_iter().filter_map(|(_, bad)| bad).collect();
        let state = if bad.is_empty() {
            FileState::Right
        } else {
            let why = format!("{} of {} images cannot be read", bad.len(), scan.images.len());
            FileState::Unreadable { why }
        };
        checks.push(FileCheck::looked_at(&scan.root, bytes, state));
        checks.extend(
            bad.into_iter()
                .map(|(path, why)| FileCheck::looked_at(path, 0, FileState::Unreadable { why })),
        );
    }
    Ok(checks)
}
