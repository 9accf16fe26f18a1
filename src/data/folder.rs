//! Data sets in a folder of the user's: class folders, `PATH/train/CLASS/IMAGE` and `PATH/test/CLASS/IMAGE` (or
//! `val`); or images without labels, `PATH/IMAGE`, or `PATH/train/IMAGE` and `PATH/test/IMAGE`.

mod build;
mod crop;
mod layout;
mod listed;
mod prefetch;
mod scan;
mod set;
mod unlabelled;

use std::path::{Path, PathBuf};

pub use build::CacheEvent;
pub use prefetch::{CropBatch, Prefetcher};
pub use set::FolderSet;

pub(super) use layout::is_of_split;
pub(super) use scan::Scan;
pub(super) use unlabelled::{is_unlabelled, need_labels};

use super::{
    checksum::{FileCheck, FileState},
    decode,
    image_set::{ImageSet, Split},
    parallel,
    preprocess::Preprocessing,
    subset::{Subset, WantedImages, Which},
};
use crate::error::{Error, Result};

/// Remarks for the user about a split's folder, one line each: for example which files are ignored, or that its
/// images become much smaller or larger.
pub(super) fn remarks(scan: &Scan, form: Preprocessing) -> Vec<String> {
    let of = format!("{}, {}: ", scan.name(), scan.split);
    let held_out = scan.held_out.map(|held_out| held_out.line(scan.split));
    let lines = [scan.litter.line(), passed_over(scan), resized(scan, form), held_out];
    lines.into_iter().flatten().map(|line| format!("{of}{line}")).collect()
}

/// A remark on the lists and read-me files beside the images, which are ignored.
fn passed_over(scan: &Scan) -> Option<String> {
    let name = |path: &PathBuf| path.strip_prefix(&scan.root).unwrap_or(path).display().to_string();
    let names: Vec<_> = scan.notes.iter().map(name).collect();
    (!names.is_empty()).then(|| format!("passed over, no images: {}", some_of(&names)))
}

/// Names that a message lists; there may be thousands.
const LISTED: usize = 10;

/// The first [`LISTED`] names, separated by commas, and how many more there are.
fn some_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let listed = names[..names.len() - more].join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

/// Images whose sizes are looked at for a remark.
const LOOKED_AT: usize = 9;

/// A remark on resizing, if a side changes by a factor of 1.5 or more in the image of median area among a few.
fn resized(scan: &Scan, form: Preprocessing) -> Option<String> {
    let n = scan.images.len();
    let some = (0..n.min(LOOKED_AT)).map(|k| k * n / n.min(LOOKED_AT));
    // An image that cannot be read is reported when all images are read.
    let mut sizes: Vec<_> = some.filter_map(|i| decode::size(&scan.path(i)).ok()).collect();
    sizes.sort_unstable_by_key(|&(h, w)| u64::from(h) * u64::from(w));
    let &(h, w) = sizes.get(sizes.len() / 2)?;
    let much = |from: u32, to: u32| 2 * from.max(to) >= 3 * from.min(to);
    let [rows, columns] = form.hw();
    (much(h, rows) || much(w, columns)).then(|| form.words([h, w]))
}

/// Images of a split in this form; those that are not wanted are not read.
pub(super) fn open(
    path: &Path,
    split: Split,
    form: Preprocessing,
    wanted: WantedImages,
) -> Result<ImageSet> {
    let scan = Scan::of(path, split)?;
    let len = scan.images.len();
    let n = wanted.of(len)?;
    let set = decode_some(&scan, &Which::Spread.indices(n, len), form)?;
    Ok(ImageSet { subset: Subset::new(Which::Spread, n, len), ..set })
}

/// The first `n` images of each class in this form.
pub(super) fn open_some(scan: &Scan, n: usize, form: Preprocessing) -> Result<ImageSet> {
    let mut seen = vec![0; scan.classes.len()];
    let mut some = Vec::new();
    for (i, (_, label)) in scan.images.iter().enumerate() {
        let seen = &mut seen[usize::from(*label)];
        if *seen < n {
            some.push(i);
        }
        *seen += 1;
    }
    decode_some(scan, &some, form)
}

fn decode_some(scan: &Scan, some: &[usize], form: Preprocessing) -> Result<ImageSet> {
    let form = form.for_pictures()?.or_squash();
    let ([channels, height, width], bytes) = (form.chw, form.bytes());
    let mut pixels = vec![0; some.len() * bytes];
    parallel::fill(
        &mut pixels,
        bytes,
        || (),
        |(), i, out| form.fill(&decode::file(&scan.path(some[i]))?, out),
    )?;
    Ok(ImageSet {
        name: scan.name(),
        split: scan.split,
        channels,
        height,
        width,
        classes: scan.classes.len() as u32,
        class_names: scan.classes.clone(),
        pixels,
        labels: some.iter().map(|&i| scan.images[i].1).collect(),
        subset: None,
        labels_from: scan.labels_from(),
    })
}

/// Decodes every image of both splits. Gives one check for each split's folder, and one for each problem or bad
/// image.
pub(super) fn check(path: &Path) -> Result<Vec<FileCheck>> {
    let mut checks = Vec::new();
    for split in [Split::Train, Split::Test] {
        let scan = Scan::look(path, split)?;
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
        let why = match (bad.len(), scan.problems.len()) {
            (0, 0) => None,
            (0, n) => Some(format!("{n} files or folders are not as they should be")),
            (n, _) => Some(format!("{n} of {} images cannot be read", scan.images.len())),
        };
        let state = why.map_or(FileState::Right, |why| FileState::Unreadable { why });
        checks.push(FileCheck::looked_at(&scan.root, bytes, state));
        checks.extend(scan.problems.into_iter().map(|problem| {
            let state = FileState::Unreadable { why: problem.what };
            let check = FileCheck::looked_at(problem.path, 0, state);
            FileCheck { hint: Some(problem.hint), ..check }
        }));
        checks.extend(
            bad.into_iter()
                .map(|(path, why)| FileCheck::looked_at(path, 0, FileState::Unreadable { why })),
        );
    }
    Ok(checks)
}
