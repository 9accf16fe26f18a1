//! Data sets: images as bytes in memory, from files that are fetched and checked.
//!
//! Knows shapes and files, not GPUs. `catalog` holds the names; a data set is one file beside it
//! (`cifar10`, `gtsrb`, `mnist`, ...), a declaration of files, checksums and sources. `folder` reads
//! any folder of class folders.

mod catalog;
mod checksum;
pub mod cifar10;
mod cifar100;
pub mod contact_sheet;
mod dataset;
mod decode;
#[doc(hidden)]
pub mod entries;
mod fetch;
mod folder;
mod gtsrb;
pub mod idx;
mod image_cache;
mod image_set;
mod jpeg;
mod litter;
mod mnist;
mod packed;
mod parallel;
mod positioned;
mod records;
mod resize;
mod sample;

pub use catalog::{
    DEFAULT_DIR, check, contents, fetch, info, is_folder, is_here, known, open, open_sized,
    preview, remarks,
};
pub use checksum::{FileCheck, FileState, Sum};
pub use dataset::DatasetInfo;
pub(crate) use decode::sized as load_image;
pub use fetch::FetchEvent;
pub use folder::{Batch, CacheEvent, FolderSet, Prefetcher};
pub use image_set::{ImageSet, Split};
pub use resize::CropArea;
