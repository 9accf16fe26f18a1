//! Data sets: images as bytes in memory, from files that are fetched and checked.
//!
//! This module deals with shapes and files, not with GPUs. `catalog` holds the names; a data set is one file
//! beside it (`cifar10`, `gtsrb`, `mnist`, ...), a declaration of files, checksums and sources. `folder` reads
//! any folder of class folders, and images without classes; `arrays` reads NumPy's. `preprocess` says what images
//! become before a network takes them.

mod arrays;
mod catalog;
mod checksum;
pub mod cifar10;
mod cifar100;
mod cifar_python;
mod classes;
pub mod contact_sheet;
mod data_files;
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
mod links;
mod litter;
mod mnist;
mod packed;
mod parallel;
mod pickle;
mod pnm;
mod positioned;
mod preprocess;
mod records;
mod resize;
mod sample;
mod subset;

pub use catalog::{
    DEFAULT_DIR, check, class_names, contents, fetch, info, is_arrays, is_folder, is_here,
    is_named, is_unlabelled, is_yours, known, need_labels, open, open_sized, open_some, places,
    preview, remarks, shape,
};
pub use checksum::{FileCheck, FileState, Sum};
pub use classes::{are_by_number, are_numbered, find as find_classes};
pub use dataset::DatasetInfo;
pub(crate) use decode::{size as image_size, sized as load_image};
pub use fetch::FetchEvent;
pub use folder::{CacheEvent, CropBatch, FolderSet, Prefetcher};
pub use image_set::{ImageSet, LabelsFrom, Split};
pub use preprocess::{
    MAX_CHANNELS, MAX_SIDE, Preprocess, PreprocessArgs, Preprocessing, Resize, Side,
};
pub use resize::CropArea;
pub(crate) use subset::spread;
pub use subset::{Subset, WantedImages, Which};
