//! Which images of a data set are taken when not all are wanted.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How many images of a split are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedImages {
    /// All images.
    All,
    /// This number; a split that has fewer images is refused.
    Exactly(usize),
    /// This number, or all images where there are fewer.
    AtMost(usize),
}

impl WantedImages {
    /// The number of images out of `len`.
    ///
    /// # Errors
    /// [`Error::Argument`] for more images than there are, and for none.
    pub fn of(self, len: usize) -> Result<usize> {
        match self {
            Self::All => Ok(len),
            Self::AtMost(n) => Ok(n.min(len)),
            Self::Exactly(n) if (1..=len).contains(&n) => Ok(n),
            Self::Exactly(n) => {
                let what = format!("{n} of {len} images");
                Err(Error::argument("--images", what, "leave it out for all"))
            }
        }
    }
}

impl From<Option<usize>> for WantedImages {
    /// `Some(n)` means exactly `n` images, `None` all of them.
    fn from(n: Option<usize>) -> Self {
        n.map_or(Self::All, Self::Exactly)
    }
}

/// The rule by which a number of images is chosen from a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// The first images: the classes of the known data sets come mixed.
    First,
    /// Images at even distances: a folder is sorted by class, and its first images are of one class.
    Spread,
}

impl Which {
    /// `n` of `len` indices, in rising order.
    #[must_use]
    pub fn indices(self, n: usize, len: usize) -> Vec<usize> {
        match self {
            Self::First => (0..n.min(len)).collect(),
            Self::Spread => spread(n, len).0,
        }
    }
}

/// `n` of `len` indices at even distances (all i with floor((i + 1) n / len) > floor(i n / len)), and the
/// others.
#[must_use]
pub(crate) fn spread(n: usize, len: usize) -> (Vec<usize>, Vec<usize>) {
    // In 128 bits no product overflows.
    let (n, all) = (n.min(len) as u128, len.max(1) as u128);
    (0..len).partition(|&i| (i as u128 + 1) * n / all > i as u128 * n / all)
}

/// Which images of a split an image set holds, where these are not all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subset {
    /// The rule that chose them.
    pub which: Which,
    /// Images that the split has.
    pub of: u64,
}

impl Subset {
    /// The subset of `n` of `of` images; `None` if these are all of them.
    #[must_use]
    pub fn new(which: Which, n: usize, of: usize) -> Option<Self> {
        (n < of).then_some(Self { which, of: of as u64 })
    }

    /// The `n` images of a subset, or of a whole split, in words: `the first 50 of 1000 test images`; `count`
    /// writes the numbers.
    #[must_use]
    pub fn words(
        subset: Option<Self>,
        n: u64,
        split: &str,
        count: impl Fn(u64) -> String,
    ) -> String {
        let words = |of: &str| format!("{of} {split} images");
        match subset {
            None => words(&count(n)),
            Some(Self { which: Which::First, of }) => {
                format!("the first {} of {}", count(n), words(&count(of)))
            }
            Some(Self { which: Which::Spread, of }) => {
                format!("{} of {}, evenly spread", count(n), words(&count(of)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageSet, LabelsFrom, Split};

    #[test]
    fn a_spread_is_the_rule_of_the_contract_and_no_product_overflows() {
        assert_eq!(Which::Spread.indices(3, 10), [3, 6, 9]);
        assert_eq!(Which::First.indices(3, 10), [0, 1, 2]);
        for len in 0..40_usize {
            for n in 0..50_usize {
                let (held, rest) = spread(n, len);
                assert_eq!(
                    (held.len(), rest.len()),
                    (n.min(len), len - n.min(len)),
                    "{n} of {len}"
                );
                // The k-th of n images is the last one of the k-th of n equal parts.
                let n = n.min(len);
                let wanted: Vec<usize> = (1..=n).map(|k| (k * len).div_ceil(n) - 1).collect();
                assert_eq!(held, wanted, "{n} of {len}");
            }
        }
        // A hundred images in the order of ten classes: five of each.
        let classes = Which::Spread.indices(50, 100).into_iter().map(|i| i / 10);
        assert_eq!((0..10).map(|c| classes.clone().filter(|&o| o == c).count()).max(), Some(5));
    }

    #[test]
    fn a_number_of_images_is_taken_literally_unless_it_is_a_bound() {
        assert_eq!(WantedImages::from(None).of(7).unwrap(), 7);
        assert_eq!(WantedImages::from(Some(7)).of(7).unwrap(), 7);
        assert_eq!(WantedImages::AtMost(9).of(7).unwrap(), 7);
        for n in [0, 8] {
            let error = WantedImages::Exactly(n).of(7).unwrap_err();
            assert!(error.to_string().starts_with("--images: ") && error.exit_code() == 2);
        }
    }

    #[test]
    fn a_set_says_which_of_its_images_it_holds() {
        let set = || ImageSet {
            name: "six".into(),
            split: Split::Test,
            channels: 3,
            height: 1,
            width: 1,
            classes: 2,
            class_names: vec!["a".into(), "b".into()],
            pixels: (0..6).flat_map(|i| [i; 3]).collect(),
            labels: vec![0, 0, 0, 1, 1, 1],
            subset: None,
            labels_from: LabelsFrom::DataSet,
        };
        let spread = set().some(Which::Spread, 2);
        assert_eq!((&spread.labels[..], spread.image(0)), (&[0, 1][..], &[2; 3][..]));
        assert_eq!(spread.images().to_string(), "2 of 6 test images, evenly spread");
        let first = set().some(Which::First, 2);
        assert_eq!((&first.labels[..], first.image(1)), (&[0, 0][..], &[1; 3][..]));
        assert_eq!(first.images().to_string(), "the first 2 of 6 test images");
        assert_eq!(set().some(Which::Spread, 6), set());
        assert_eq!(set().images().to_string(), "6 test images");
    }
}
