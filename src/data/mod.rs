//! Data sets: images as bytes in memory, from files that are fetched and checked.
//!
//! Knows shapes and files, not GPUs. `catalog` holds the names; a data set is one file beside it
//! (`cifar10`, `sample`).

mod archive;
mod catalog;
mod checksum;
pub mod cifar10;
pub mod contact_sheet;
mod fetch;
pub mod idx;
mod image_set;
mod npm;
mod sample;
mod target;

pub use catalog::{DEFAULT_DIR, DatasetInfo, check, fetch, info, is_here, known, open};
pub use checksum::{FileCheck, FileState};
pub use fetch::FetchEvent;
pub use image_set::{ImageSet, Split};
