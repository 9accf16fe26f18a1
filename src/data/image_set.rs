//! Labelled images as the files hold them.

use std::fmt;

use super::subset::{Subset, Which};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Images to train on.
    Train,
    /// Images that no training has seen.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// Where the labels of images come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelsFrom {
    /// The data set itself.
    #[default]
    DataSet,
    /// A network without faults, whose answers count as right.
    CleanNetwork,
    /// The images have not been labelled yet: the labels mean nothing.
    Nobody,
}

/// Images as the files hold them: u8, planar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// Name of the data set, as in [`open`](super::open).
    pub name: String,
    /// Part of the data set that the images are from.
    pub split: Split,
    /// Channels of an image: 1 is grey, 3 are red, green and blue.
    pub channels: u32,
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image.
    pub width: u32,
    /// Number of classes; every label is below it.
    pub classes: u32,
    /// One name per class, in the order of the labels.
    pub class_names: Vec<String>,
    /// `[N][C][H][W]`, values 0 to 255.
    pub pixels: Vec<u8>,
    /// `[N]`, the class of each image.
    pub labels: Vec<u16>,
    /// Which images of the split these are; `None` if they are all.
    pub subset: Option<Subset>,
    /// Where the labels come from.
    pub labels_from: LabelsFrom,
}

impl ImageSet {
    /// Number of images N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True when there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Channels, rows and columns of an image.
    #[must_use]
    pub fn chw(&self) -> [u32; 3] {
        [self.channels, self.height, self.width]
    }

    /// Bytes of one image, `C * H * W`.
    #[must_use]
    pub fn image_len(&self) -> usize {
        self.chw().iter().map(|&extent| extent as usize).product()
    }

    /// Image `i`, `[C][H][W]`.
    ///
    /// # Panics
    /// When `i` is not below [`len`](Self::len).
    #[must_use]
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.image_len();
        &self.pixels[i * size..(i + 1) * size]
    }

    /// The first `n` images, or all when there are fewer.
    #[must_use]
    pub fn take(mut self, n: usize) -> Self {
        self.split_off(n.min(self.len()));
        self
    }

    /// Moves the last `n` images (or all when there are fewer) into a set of their own, such as
    /// a held-out part of the training images.
    #[must_use]
    pub fn split_off_tail(&mut self, n: usize) -> Self {
        self.split_off(self.len().saturating_sub(n))
    }

    /// The images at `indices`, in that order; an index may occur more than once.
    ///
    /// # Panics
    /// When an index is not below [`len`](Self::len).
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut chosen = self.empty();
        for &i in indices {
            chosen.pixels.extend_from_slice(self.image(i));
            chosen.labels.push(self.labels[i]);
        }
        chosen
    }

    /// `n` of these images by the rule `which`, or all where there are no more.
    #[must_use]
    pub fn some(self, which: Which, n: usize) -> Self {
        let len = self.len();
        let Some(subset) = Subset::new(which, n, len) else { return self };
        let chosen = match which {
            // Nothing is copied.
            Which::First => self.take(n),
            Which::Spread => self.select(&which.indices(n, len)),
        };
        Self { subset: Some(subset), ..chosen }
    }

    /// How many images there are, and which: `the first 50 of 1000 test images`.
    #[must_use]
    pub fn images(&self) -> impl fmt::Display + use<> {
        let count = |n: u64| n.to_string();
        Subset::words(self.subset, self.len() as u64, &self.split.to_string(), count)
    }

    /// Images per class, in the order of the labels.
    #[must_use]
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes as usize];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Keeps the images before `at`, returns those from it on.
    fn split_off(&mut self, at: usize) -> Self {
        let pixels = self.pixels.split_off(at * self.image_len());
        let labels = self.labels.split_off(at);
        Self { pixels, labels, ..self.empty() }
    }

    fn empty(&self) -> Self {
        Self {
            name: self.name.clone(),
            class_names: self.class_names.clone(),
            pixels: Vec::new(),
            labels: Vec::new(),
            subset: None,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Image i is filled with the value i; labels 0 1 2 0 1.
    fn set() -> ImageSet {
        ImageSet {
            name: "five".into(),
            split: Split::Train,
            channels: 3,
            height: 1,
            width: 2,
            classes: 3,
            class_names: ["a", "b", "c"].map(String::from).into(),
            pixels: (0..5).flat_map(|i| [i; 6]).collect(),
            labels: vec![0, 1, 2, 0, 1],
            subset: None,
            labels_from: LabelsFrom::DataSet,
        }
    }

    #[test]
    fn parts_keep_pixels_and_labels_together() {
        assert_eq!(set().image(3), [3; 6]);
        assert_eq!(set().class_counts(), [2, 2, 1]);

        let first = set().take(2);
        assert_eq!((first.len(), &first.pixels[6..], first.labels[1]), (2, &[1; 6][..], 1));
        assert_eq!(set().take(9), set());

        let mut head = set();
        let tail = head.split_off_tail(2);
        assert_eq!((head.len(), head.pixels.len()), (3, 18));
        assert_eq!((tail.image(0), &tail.labels[..]), (&[3; 6][..], &[0, 1][..]));
        assert!(set().split_off_tail(9) == set());

        let chosen = set().select(&[4, 0, 4]);
        assert_eq!((chosen.image(0), &chosen.labels[..]), (&[4; 6][..], &[1, 0, 1][..]));
        assert_eq!(chosen.class_names, set().class_names);
    }
}
