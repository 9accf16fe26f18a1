//! Makes the cache of a folder data set.

use std::{fs, path::Path};

use super::scan::Scan;
use crate::{
    data::{
        decode,
        image_cache::{CacheOrigin, ImageCache},
        parallel,
        preprocess::{Preprocessing, Resize},
        resize::Planes,
    },
    error::{Error, Result},
};

/// Images per thread that are decoded between two writes to the cache, and so are in memory at a
/// time.
const AT_ONCE: usize = 8;

/// One thing that happened while a cache was opened or made.
#[derive(Debug)]
#[non_exhaustive]
pub enum CacheEvent<'a> {
    /// The cache was there and the images have not changed.
    Kept {
        /// The cache file.
        path: &'a Path,
    },
    /// The cache will be made now.
    Planned {
        /// The cache file.
        path: &'a Path,
        /// Images that it will hold.
        images: usize,
        /// Bytes that it will need on the disk.
        bytes: u64,
    },
    /// Images have been decoded and written.
    Decoded {
        /// Images decoded so far.
        done: usize,
        /// Number of all images.
        total: usize,
    },
}

pub(super) type BuildProgress<'a> = &'a mut dyn FnMut(CacheEvent<'_>) -> bool;

/// Passes an event on; a `false` becomes [`Error::Interrupted`].
pub(super) fn tell(progress: BuildProgress<'_>, event: CacheEvent<'_>) -> Result<()> {
    if progress(event) { Ok(()) } else { Err(Error::Interrupted) }
}

/// A file name that differs between sets, splits, colours and sizes, and by a digest between sets of one
/// name in different places.
pub(super) fn cache_name(scan: &Scan, form: Preprocessing) -> String {
    let place = fs::canonicalize(&scan.top).unwrap_or_else(|_| scan.top.clone());
    let digest = crate::files::sha256_of(place.as_os_str().as_encoded_bytes());
    let [channels, h, w] = form.chw;
    let size = if h == w { h.to_string() } else { format!("{h}x{w}") };
    let longest = longest(form);
    let resized = if longest == 2 * h.max(w) { String::new() } else { format!("-of-{longest}") };
    let grey = if channels == 1 { "-grey" } else { "" };
    format!("{}-{}-{size}{resized}{grey}-{}.cache", scan.name(), scan.split, &digest[..8])
}

/// Most pixels of the shorter side of an image in the cache: twice what is wanted of it.
pub(super) fn longest(form: Preprocessing) -> u32 {
    let [_, h, w] = form.chw;
    let before = match form.resize {
        None => 0,
        Some(Resize::Shorter(n)) => n,
        Some(Resize::To([h, w])) => h.max(w),
    };
    2 * h.max(w).max(before)
}

/// Rows and columns that an image of `height x width` has in the cache: its shorter side is at most
/// `longest`.
fn shrunk((height, width): (u32, u32), longest: u32) -> (u32, u32) {
    if height.min(width) <= longest {
        return (height, width);
    }
    let [height, width] = Resize::Shorter(longest).of([height, width]);
    (height, width)
}

pub(super) fn build(
    scan: &Scan,
    form: Preprocessing,
    file: &Path,
    origin: &CacheOrigin,
    progress: BuildProgress<'_>,
) -> Result<ImageCache> {
    let (total, longest, channels) = (scan.images.len(), longest(form), form.chw[0]);
    let sizes =
        parallel::map(total, || (), |(), i| Ok(shrunk(decode::size(&scan.path(i))?, longest)))?;
    let bytes = sizes.iter().map(|&(h, w)| u64::from(channels) * u64::from(h) * u64::from(w)).sum();
    tell(progress, CacheEvent::Planned { path: file, images: total, bytes })?;
    ImageCache::write(file, origin, |cache| {
        let at_once = parallel::threads() * AT_ONCE;
        for start in (0..total).step_by(at_once) {
            let n = at_once.min(total - start);
            let images: Vec<Planes> = parallel::map(
                n,
                || (),
                |(), i| {
                    let image = decode::file(&scan.path(start + i))?;
                    let image = if channels == 1 { image.grey() } else { image };
                    let (height, width) = shrunk((image.height, image.width), longest);
                    if (height, width) == (image.height, image.width) {
                        return Ok(image);
                    }
                    image.resized([height, width])
                },
            )?;
            for ((_, label), image) in scan.images[start..].iter().zip(&images) {
                cache.add(*label, (image.height, image.width), &image.pixels)?;
            }
            tell(progress, CacheEvent::Decoded { done: start + n, total })?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_shrink_and_small_ones_stay() {
        for (size, longest, want) in [
            ((100, 120), 448, (100, 120)),
            ((448, 9000), 448, (448, 9000)),
            ((1000, 449), 448, (997, 448)),
            ((4000, 6000), 448, (448, 672)),
            ((65, 64), 64, (65, 64)),
        ] {
            assert_eq!(shrunk(size, longest), want);
        }
    }
}
