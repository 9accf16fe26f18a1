//! A folder data set whose images are decoded once, into a cache on disk, and cropped from there.

use std::path::{Path, PathBuf};

use super::{
    Scan,
    build::{self, CacheEvent, tell},
    crop,
};
use crate::{
    data::{
        image_cache::{CacheOrigin, ImageCache, Stamp},
        image_set::{ImageSet, LabelsFrom, Split},
        parallel,
        preprocess::Preprocessing,
        resize::{CropArea, Planes, crop_resize},
    },
    error::{Error, Result},
};

/// A folder of class folders whose decoded images lie in a cache file, to be cropped at random.
///
/// The cache holds every image in the crops' colours, its shorter side shrunk to at most twice the longer
/// side of the crops (antialiased). Images are read from it one by one: it may be larger than the memory.
#[derive(Debug)]
pub struct FolderSet {
    name: String,
    split: Split,
    form: Preprocessing,
    class_names: Vec<String>,
    labels: Vec<u16>,
    labels_from: LabelsFrom,
    cache: ImageCache,
    /// Paths of the user's images, for messages.
    images: Vec<PathBuf>,
}

impl FolderSet {
    /// Opens a split of the folder at `path` for crops of this form, of 1 or 3 channels. The cache in
    /// `cache_dir` is used when it was made from the same files, by names, sizes and times; else
    /// it is made, which takes a while: `progress` is told how large it will be before that, then
    /// how far it is, and stops the work by answering `false`.
    ///
    /// # Errors
    /// [`Error::Format`] for a folder that is no folder of class folders and for an image that
    /// cannot be read, with its name; [`Error::Argument`] for other channels; [`Error::Write`] when the
    /// cache cannot be written (an old one is then as it was); [`Error::Read`];
    /// [`Error::Interrupted`] when `progress` said so.
    pub fn open(
        path: &Path,
        split: Split,
        form: impl Into<Preprocessing>,
        cache_dir: &Path,
        progress: &mut dyn FnMut(CacheEvent<'_>) -> bool,
    ) -> Result<Self> {
        let form = form.into().for_pictures()?;
        let scan = Scan::of(path, split)?;
        let stamp = |i| {
            let (name, _): &(String, u16) = &scan.images[i];
            Stamp::of(name.clone(), &scan.path(i))
        };
        let stamps = (0..scan.images.len()).map(stamp).collect::<Result<_>>()?;
        let longest = build::longest(form);
        let recipe = format!("shorter side at most {longest}, bilinear with antialiasing, 2");
        let origin = CacheOrigin { recipe, stamps, channels: form.chw[0] };
        let file = cache_dir.join(build::cache_name(&scan, form));
        let cache = match ImageCache::open(&file, &origin) {
            Some(cache) => {
                tell(progress, CacheEvent::Kept { path: &file })?;
                cache
            }
            None => build::build(&scan, form, &file, &origin, progress)?,
        };
        Ok(Self {
            name: scan.name(),
            split,
            form: form.or_squash(),
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

    /// Channels, rows and columns of a crop after resizing.
    #[must_use]
    pub fn chw(&self) -> [u32; 3] {
        self.form.chw
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
    /// [`Error::Shape`] when there is no such image.
    pub fn size(&self, index: u32) -> Result<(u32, u32)> {
        let absent = || Error::Shape(format!("there is no image {index} among {}", self.len()));
        let entry = self.cache.entries.get(index as usize).ok_or_else(absent)?;
        Ok((entry.height, entry.width))
    }

    /// The area that covers all of image `index`.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no such image.
    pub fn whole_area(&self, index: u32) -> Result<CropArea> {
        let (height, width) = self.size(index)?;
        Ok(CropArea { top: 0, left: 0, height, width })
    }

    /// A random area of image `index`, by the rule of torchvision's `RandomResizedCrop`: 8 to 100 %
    /// of the area, 3:4 to 4:3, ten tries, else the centre. The same seed gives the same area.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no such image.
    pub fn random_area(&self, index: u32, seed: u64) -> Result<CropArea> {
        let (height, width) = self.size(index)?;
        Ok(crop::random_area(height, width, seed))
    }

    /// Fills `out` `[C][H][W]` with an area (in pixels of the cached image) of image `index`,
    /// resized. Threads may call this at the same time.
    ///
    /// # Errors
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
        let (height, width) = self.size(index)?;
        self.cache.read(index as usize, buffer).map_err(|e| self.named(index, e))?;
        crop_resize(buffer, [self.cache.channels, height, width], area, self.form.hw(), out)
    }

    /// The images at `indices`, in that order, each as an evaluation takes it: whole, or its centre.
    pub fn select(&self, indices: &[u32]) -> Result<ImageSet> {
        let ([channels, height, width], bytes) = (self.form.chw, self.form.bytes());
        let mut pixels = vec![0; indices.len() * bytes];
        let nothing = || Planes { channels, height: 0, width: 0, pixels: Vec::new() };
        parallel::fill(&mut pixels, bytes, nothing, |image, i, out| {
            let index = indices[i];
            (image.height, image.width) = self.size(index)?;
            let read = self.cache.read(index as usize, &mut image.pixels);
            read.map_err(|e| self.named(index, e))?;
            self.form.fill(image, out)
        })?;
        Ok(ImageSet {
            name: self.name.clone(),
            split: self.split,
            channels,
            height,
            width,
            classes: self.classes(),
            class_names: self.class_names.clone(),
            pixels,
            labels: indices.iter().map(|&i| self.labels[i as usize]).collect(),
            subset: None,
            labels_from: self.labels_from,
        })
    }

    /// Every image as an evaluation takes it. (From the cache: where an image was shrunk into it,
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
