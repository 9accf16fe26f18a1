//! A folder data set whose images are decoded once, into a cache on disk, and cropped from there.

use std::path::{Path, PathBuf};

use super::{
    Scan,
    build::{self, CacheEvent, tell},
    check_side, crop,
};
use crate::{
    data::{
        image_cache::{CacheOrigin, ImageCache, Stamp},
        image_set::{ImageSet, LabelsFrom, Split},
        parallel,
        resize::{CropArea, crop_resize},
    },
    error::{Error, Result},
};

/// A folder of class folders whose decoded images lie in a cache file, to be cropped at random.
///
/// The cache holds every image in colour, its shorter side shrunk to at most twice the side of the
/// crops (antialiased). Images are read from it one by one: it may be larger than the memory.
#[derive(Debug)]
pub struct FolderSet {
    name: String,
    split: Split,
    side: u32,
    class_names: Vec<String>,
    labels: Vec<u16>,
    labels_from: LabelsFrom,
    cache: ImageCache,
    /// Paths of the user's images, for messages.
    images: Vec<PathBuf>,
}

impl FolderSet {
    /// Opens a split of the folder at `path` for crops of `side x side` (32 or 224). The cache in
    /// `cache_dir` is used when it was made from the same files, by names, sizes and times; else
    /// it is made, which takes a while: `progress` is told how large it will be before that, then
    /// how far it is, and stops the work by answering `false`.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] for a folder that is no folder of class folders and for an image that
    /// cannot be read, with its name; [`Error::Argument`] for the side; [`Error::Write`] when the
    /// cache cannot be written (an old one is then as it was); [`Error::Read`];
    /// [`Error::Interrupted`] when `progress` said so.
    pub fn open(
        path: &Path,
        split: Split,
        side: u32,
        cache_dir: &Path,
        progress: &mut dyn FnMut(CacheEvent<'_>) -> bool,
    ) -> Result<Self> {
        check_side(side)?;
        let scan = Scan::of(path, split)?;
        let stamp = |i| {
            let (name, _): &(String, u16) = &scan.images[i];
            Stamp::of(name.clone(), &scan.path(i))
        };
        let stamps = (0..scan.images.len()).map(stamp).collect::<Result<_>>()?;
        let longest = 2 * side;
        let recipe = format!("shorter side at most {longest}, bilinear with antialiasing, 2");
        let origin = CacheOrigin { recipe, stamps };
        let file = cache_dir.join(build::cache_name(&scan, side));
        let cache = match ImageCache::open(&file, &origin) {
            Some(cache) => {
                tell(progress, CacheEvent::Kept { path: &file })?;
                cache
            }
            None => build::build(&scan, longest, &file, &origin, progress)?,
        };
        Ok(Self {
            name: scan.name(),
            split,
            side,
            labels: scan.images.iter().map(|(_, label)| *label).collect(),
            labels_from: scan.labels_from(),
            images: (0..scan.images.len()).map(|i| scan.path(i)).collect(),
            class_names: scan.classes,
            cache,
        })
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True when there is no image (never: an empty class is an error).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Rows and columns of a crop after resizing.
    #[must_use]
    pub fn side(&self) -> u32 {
        self.side
    }

    /// `[N]`, the class of each image.
    #[must_use]
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> u32 {
        self.class_names.len() as u32
    }

    /// One name per class, in the order of the labels.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Gives the classes other names and numbers: label `l` becomes `of(l)`.
    pub(crate) fn relabel(&mut self, names: &[String], of: impl Fn(u16) -> u16) {
        self.labels.iter_mut().for_each(|label| *label = of(*label));
        self.class_names = names.to_vec();
    }

    /// The cache file.
    #[must_use]
    pub fn cache_path(&self) -> &Path {
        self.cache.path()
    }

    /// Rows and columns of image `index` in the cache.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when there is no such image.
    pub fn size(&self, index: u32) -> Result<(u32, u32)> {
        let absent = || Error::Shape(format!("there is no image {index} among {}", self.len()));
        let entry = self.cache.entries.get(index as usize).ok_or_else(absent)?;
        Ok((entry.height, entry.width))
    }

    /// The area that covers all of image `index`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when there is no such image.
    pub fn whole_area(&self, index: u32) -> Result<CropArea> {
        let (height, width) = self.size(index)?;
        Ok(CropArea { top: 0, left: 0, height, width })
    }

    /// A random area of image `index`, by the rule of torchvision's `RandomResizedCrop`: 8 to 100 %
    /// of the area, 3:4 to 4:3, ten tries, else the centre. The same seed gives the same area.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when there is no such image.
    pub fn random_area(&self, index: u32, seed: u64) -> Result<CropArea> {
        let (height, width) = self.size(index)?;
        Ok(crop::random_area(height, width, seed))
    }

    /// Fills `out` `[3][side][side]` with an area (in pixels of the cached image) of image `index`,
    /// resized. Threads may call this at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for an index, area or length that does not fit; [`Error::Format`] naming
    /// the image when the cache is damaged; [`Error::Read`].
    pub fn crop_into(&self, index: u32, area: CropArea, out: &mut [u8]) -> Result<()> {
        self.crop_with(index, area, out, &mut Vec::new())
    }

    /// Like [`Self::crop_into`], with a buffer for the cached image, so that a batch needs one
    /// allocation.
    pub(super) fn crop_with(
        &self,
        index: u32,
        area: CropArea,
        out: &mut [u8],
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        let size = self.size(index)?;
        self.cache.read(index as usize, buffer).map_err(|e| self.named(index, e))?;
        crop_resize(buffer, size, area, self.side, out)
    }

    /// The images at `indices`, in that order, each resized as a whole to `side x side`.
    pub fn select(&self, indices: &[u32]) -> Result<ImageSet> {
        let bytes = 3 * self.side as usize * self.side as usize;
        let mut pixels = vec![0; indices.len() * bytes];
        parallel::fill(&mut pixels, bytes, Vec::new, |buffer, i, out| {
            let index = indices[i];
            self.crop_with(index, self.whole_area(index)?, out, buffer)
        })?;
        Ok(ImageSet {
            name: self.name.clone(),
            split: self.split,
            height: self.side,
            width: self.side,
            classes: self.classes(),
            class_names: self.class_names.clone(),
            pixels,
            labels: indices.iter().map(|&i| self.labels[i as usize]).collect(),
            subset: None,
            labels_from: self.labels_from,
        })
    }

    /// Every image at `side x side`, whole. (From the cache: where an image was shrunk into it,
    /// this is the second resizing, a grey level or two from resizing once.)
    pub fn whole(&self) -> Result<ImageSet> {
        self.select(&(0..self.len() as u32).collect::<Vec<_>>())
    }

    /// Adds the path of the user's image to an error.
    fn named(&self, index: u32, error: Error) -> Error {
        match error {
            Error::Format { path, what, hint } => {
                let image = self.images[index as usize].display();
                Error::format(path, format!("{what} ({image})"), hint)
            }
            other => other,
        }
    }
}
