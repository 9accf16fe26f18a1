//! Supplies the images of each step: from the device, from the host's memory, or from the cache of a
//! folder, whose crops are made ahead of the GPU.

use super::{augment::Changes, labelling::Labelling, sampler::Sampler};
use crate::{
    data::{self, CacheEvent, CropArea, FolderSet, ImageSet, Prefetcher, Preprocessing, Split},
    error::{Error, Result},
    eval::RESIDENT,
    nn::{DeviceImages, Pick},
    report::{Event, Sink},
    run::Gpu,
    words,
};
use std::{collections::BTreeSet, path::Path, sync::Arc};

/// Threads that make crops. More would take cores from the GPU's driver, and images are decoded by
/// then.
const THREADS: usize = 4;
/// Number of batches that are prepared ahead.
const DEPTH: usize = 4;

/// The training images of a run, as they were opened.
#[derive(Debug)]
pub(super) enum TrainSet {
    /// All images in memory.
    Images(ImageSet),
    /// A folder of images, each cropped anew for each use, and the indices of those to train on.
    Folder(FolderSet, Vec<u32>),
}

impl TrainSet {
    /// Opens the training split of a data set for images of this form. `say` receives a
    /// message before long work, and stops it by returning `false`.
    pub(super) fn open(
        name: &str,
        dir: &Path,
        form: Preprocessing,
        changes: Changes,
        say: &mut dyn FnMut(String) -> bool,
    ) -> Result<Self> {
        for remark in data::remarks(name, Split::Train, form)? {
            if !say(remark) {
                return Err(Error::Interrupted);
            }
        }
        if !(data::is_folder(name) && changes.crop) {
            return Ok(Self::Images(data::open_sized(name, dir, Split::Train, form)?));
        }
        let mut told = 0;
        let set = FolderSet::open(Path::new(name), Split::Train, form, dir, &mut |event| {
            let text = match event {
                CacheEvent::Planned { path, images, bytes } => {
                    let (path, size) = (path.display(), words::bytes(bytes));
                    format!("decoding {images} images into {path} ({size}), once")
                }
                CacheEvent::Decoded { done, total } if done * 10 / total.max(1) > told => {
                    told = done * 10 / total.max(1);
                    format!("decoded {done} of {total} images")
                }
                CacheEvent::Kept { .. } | CacheEvent::Decoded { .. } => String::new(),
            };
            say(text)
        })?;
        let all = (0..set.len() as u32).collect();
        Ok(Self::Folder(set, all))
    }

    /// Those of these changes that remain to be made: a folder's images are cropped when they are read.
    pub(super) fn remaining(&self, changes: Changes) -> Changes {
        Changes { crop: changes.crop && matches!(self, Self::Images(_)), ..changes }
    }

    /// Number of images.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Images(set) => set.len(),
            Self::Folder(_, indices) => indices.len(),
        }
    }

    /// Number of classes.
    pub(super) fn classes(&self) -> u32 {
        match self {
            Self::Images(set) => set.classes,
            Self::Folder(set, _) => set.classes(),
        }
    }

    /// Replaces the labels of the images by those of a base network.
    pub(super) fn relabel(&mut self, labelling: &Labelling) {
        match self {
            Self::Images(set) => labelling.apply(set),
            Self::Folder(set, _) => set.relabel(labelling.names(), |label| labelling.of(label)),
        }
    }

    /// Channels, rows and columns of an image.
    pub(super) fn chw(&self) -> [u32; 3] {
        match self {
            Self::Images(set) => set.chw(),
            Self::Folder(set, _) => set.chw(),
        }
    }

    /// Removes `n` images for evaluations and returns them: the last ones, or evenly spaced ones if the
    /// last ones do not have all classes (because the set is ordered by class) or the set is a folder.
    pub(super) fn held_out(&mut self, n: usize) -> Result<ImageSet> {
        let (len, classes) = (self.len(), self.classes() as usize);
        let n = n.min(len);
        match self {
            Self::Images(set) => {
                let tail: BTreeSet<u16> = set.labels[len - n..].iter().copied().collect();
                if tail.len() == classes {
                    return Ok(set.split_off_tail(n));
                }
                let (held, rest) = data::spread(n, len);
                let apart = set.select(&held);
                *set = set.select(&rest);
                Ok(apart)
            }
            Self::Folder(set, indices) => {
                let (held, rest) = data::spread(n, len);
                let apart = set.select(&held.iter().map(|&i| i as u32).collect::<Vec<_>>())?;
                *indices = rest.into_iter().map(|i| i as u32).collect();
                Ok(apart)
            }
        }
    }
}

/// Passes on a data set's message while it is opened. Returns whether the work may go on.
pub(super) fn tell(sink: &mut dyn Sink, note: String, stop: &dyn Fn() -> bool) -> bool {
    (note.is_empty() || sink.event(&Event::Note(note)).is_ok()) && !stop()
}

/// Batches of a training set, from step `first` on.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) images: DeviceImages,
    sampler: Sampler,
    source: ImageSource,
}

#[derive(Debug)]
enum ImageSource {
    Device,
    Memory(ImageSet),
    Folder { ahead: Prefetcher, restart: Restart },
}

/// Starts the prefetching of a folder's batches again from a step.
struct Restart(Box<dyn Fn(u64) -> Prefetcher>);

impl std::fmt::Debug for Restart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Restart")
    }
}

impl Feed {
    /// Puts a set on the device, or prepares to stream it if the device has no room.
    pub(super) fn new(
        gpu: &Gpu,
        set: TrainSet,
        sampler: Sampler,
        steps: std::ops::Range<u64>,
        seed: u64,
    ) -> Result<Self> {
        let (images, source) = match set {
            TrainSet::Images(set) => {
                let images = DeviceImages::resident(gpu, &set, RESIDENT)?;
                let source = match images.is_streamed() {
                    true => ImageSource::Memory(set),
                    false => ImageSource::Device,
                };
                (images, source)
            }
            TrainSet::Folder(set, indices) => {
                let labels: Vec<u16> = indices.iter().map(|&i| set.labels()[i as usize]).collect();
                let images = DeviceImages::streamed(set.chw(), &labels);
                let (own, last, set) = (sampler.clone(), steps.end, Arc::new(set));
                let restart = move |first: u64| {
                    let (mut own, crops, indices) = (own.clone(), set.clone(), indices.clone());
                    let batches = (first..last).map(move |step| {
                        let picks = own.batch(step);
                        let area = |(slot, pick): (usize, &Pick)| {
                            let index = indices[pick.index as usize];
                            let area = crops.random_area(index, crop_seed(seed, step, slot));
                            // The prefetcher reports what is wrong with an image that has no area.
                            let none = CropArea { top: 0, left: 0, height: 0, width: 0 };
                            (index, area.unwrap_or(none))
                        };
                        picks.iter().enumerate().map(area).collect()
                    });
                    Prefetcher::start(set.clone(), THREADS, DEPTH, batches)
                };
                let ahead = restart(steps.start);
                (images, ImageSource::Folder { ahead, restart: Restart(Box::new(restart)) })
            }
        };
        Ok(Self { images, sampler, source })
    }

    /// Goes back, so that the next batch is that of the earlier step `step`.
    pub(super) fn rewind(&mut self, step: u64) {
        if let ImageSource::Folder { ahead, restart } = &mut self.source {
            *ahead = restart.0(step);
        }
    }

    /// The picks of a step, and their pixels if they are streamed. Steps must be asked for in order.
    pub(super) fn batch(&mut self, step: u64) -> Result<(Vec<Pick>, Vec<u8>)> {
        let picks = self.sampler.batch(step);
        let pixels = match &mut self.source {
            ImageSource::Device => Vec::new(),
            ImageSource::Memory(set) => {
                picks.iter().flat_map(|pick| set.image(pick.index as usize)).copied().collect()
            }
            ImageSource::Folder { ahead, .. } => ahead
                .next()
                .unwrap_or_else(|| Err(Error::Shape(format!("no batch for step {step}"))))?,
        };
        Ok((picks, pixels))
    }
}

/// A different seed for every crop of a run.
fn crop_seed(seed: u64, step: u64, slot: usize) -> u64 {
    crate::fault::step_seed(!seed, step, slot as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::LabelsFrom;

    #[test]
    fn what_is_held_out_has_every_class_and_is_not_trained_on() {
        let set = |labels: Vec<u16>| ImageSet {
            name: "many".into(),
            split: Split::Train,
            channels: 3,
            height: 1,
            width: 1,
            classes: 4,
            class_names: vec![String::new(); 4],
            pixels: (0..labels.len()).flat_map(|i| [i as u8; 3]).collect(),
            labels,
            subset: None,
            labels_from: LabelsFrom::DataSet,
        };
        // Labels ordered by class, and mixed labels.
        for (labels, tail) in [
            ((0..100).map(|i| i / 25).collect::<Vec<u16>>(), false),
            ((0..100).map(|i| i % 4).collect(), true),
        ] {
            let whole = set(labels);
            let mut rest = TrainSet::Images(whole.clone());
            let held = rest.held_out(10).unwrap();
            let TrainSet::Images(rest) = rest else { unreachable!() };
            assert_eq!((held.len(), rest.len()), (10, 90));
            assert!(held.class_counts().iter().all(|&count| count > 0));
            assert_eq!(held.image(9) == whole.image(99) && held.image(0) == whole.image(90), tail);
            let mut all: Vec<&[u8]> = (0..10).map(|i| held.image(i)).collect();
            all.extend((0..90).map(|i| rest.image(i)));
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 100, "an image twice");
        }
    }
}
