//! Maps the classes of a data set to the outputs of a base network.

use super::base::BaseNet;
use crate::{
    data::{self, ImageSet},
    error::{Error, Result},
};

/// What to do if the classes of a data set are not those of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Return an error, because every result would be wrong.
    Refused,
    /// Go on, because the user insists: classes that are not found by name are mapped by number.
    Allowed,
}

impl Mismatch {
    /// The meaning of `--allow-mismatch`.
    pub fn allowed(given: bool) -> Self {
        if given { Self::Allowed } else { Self::Refused }
    }
}

/// How a base network orders the classes of a data set.
#[derive(Clone, Debug)]
pub struct Labelling {
    /// Output of the network for each class of the data set; `None` if each class is the output of its
    /// number.
    outputs: Option<Vec<u16>>,
    /// Names of the classes, in the order of the network's outputs.
    names: Vec<String>,
    /// What the user should know of this mapping, if anything.
    note: Option<String>,
    /// Order of the classes, if it is not the byte order of their names. A checkpoint depends on it.
    order: Option<&'static str>,
}

impl Labelling {
    /// Names of the classes, in the order of the network's outputs.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What the user should know of this mapping, in a line.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The network's output for a label of the data set.
    pub(super) fn of(&self, label: u16) -> u16 {
        let outputs = self.outputs.as_ref();
        outputs.and_then(|outputs| outputs.get(usize::from(label)).copied()).unwrap_or(label)
    }

    /// Replaces the labels of images by outputs of the network.
    pub fn apply(&self, set: &mut ImageSet) {
        set.labels.iter_mut().for_each(|label| *label = self.of(*label));
        set.class_names.clone_from(&self.names);
        set.classes = self.names.len() as u32;
    }

    /// Order of the classes, in the form of [`class_order`].
    pub(super) fn order(&self) -> Option<&'static str> {
        self.outputs.as_ref().map_or(self.order, |_| Some("that of the base network"))
    }
}

/// Order of a data set's classes, if it is not the byte order of their names, which was the only order
/// in earlier versions, whose checkpoints do not record it.
pub(super) fn class_order(dataset: &str, names: &[String]) -> Option<&'static str> {
    (!is_known(dataset) && data::are_by_number(names)).then_some("by number")
}

impl BaseNet {
    /// Maps the classes of a data set to the outputs of this network: by name, if both name their
    /// classes.
    pub fn labelling(&self, dataset: &str, mismatch: Mismatch) -> Result<Labelling> {
        let own = self.class_names()?;
        if data::is_unlabelled(dataset) {
            return Ok(self.without_labels(dataset, own));
        }
        let names = data::class_names(dataset)?;
        let found = data::find_classes(&names, own.as_deref().unwrap_or_default());
        let all: Option<Vec<u16>> = found.iter().copied().collect();
        let fits = names.len() == self.outputs() as usize;
        let order = class_order(dataset, &names);
        let file = self.weights.origin.display();
        let as_they_are = |note| Labelling { outputs: None, names: names.clone(), note, order };
        match (&own, all) {
            (Some(_), Some(all)) if fits && all.iter().copied().eq(0..names.len() as u16) => {
                Ok(as_they_are(None))
            }
            (Some(own), Some(_)) if fits => {
                let note = format!(
                    "the classes of {dataset} are mapped by name: {file} has them in another order"
                );
                Ok(Labelling { note: Some(note), order, ..mapped(&names, own, &found) })
            }
            (None, _) if fits => Ok(as_they_are(order.map(|_| {
                format!(
                    "{file} does not name its classes: those of {dataset} are taken by number \
                     ({}, ...), not in the order of PyTorch's ImageFolder",
                    names[..names.len().min(3)].join(", ")
                )
            }))),
            (Some(own), None) if fits && self.are_labels(dataset, &names, own) => {
                let note = format!(
                    "the classes of {dataset} and of {file} are taken for each other by number: {} is {}, ...",
                    names[0], own[0]
                );
                let numbers = if data::are_numbered(own) { &names } else { own };
                Ok(Labelling { names: numbers.clone(), ..as_they_are(Some(note)) })
            }
            _ if mismatch == Mismatch::Refused => Err(self.other_classes(dataset, &names, own)),
            _ => {
                let same = found.iter().flatten().count();
                let note = format!(
                    "{same} of the {} classes of {dataset} are those of {file} by name; others are taken by \
                     number",
                    names.len()
                );
                let own =
                    own.unwrap_or_else(|| (0..self.outputs()).map(|i| i.to_string()).collect());
                Ok(Labelling { note: Some(note), order, ..mapped(&names, &own, &found) })
            }
        }
    }

    /// Mapping for images without labels: their classes are those of the network, whose answers serve
    /// as labels.
    fn without_labels(&self, dataset: &str, own: Option<Vec<String>>) -> Labelling {
        let numbers = || (0..self.outputs()).map(|i| i.to_string()).collect();
        let note = format!(
            "the images of {dataset} have no labels: what is measured is agreement with the clean network, how \
             often the answer is what {} answers without faults to the image as it is",
            self.model
        );
        let names = own.unwrap_or_else(numbers);
        Labelling { outputs: None, names, note: Some(note), order: None }
    }

    /// Whether classes can be mapped by number: one side names its classes by their labels (folders 0,
    /// 1, 2, ...), and the other has the order of a known data set, to which such labels refer. The
    /// order of an arbitrary folder says nothing about the numbers of another folder.
    fn are_labels(&self, dataset: &str, names: &[String], own: &[String]) -> bool {
        let trained_on = self.weights.meta("dataset").unwrap_or_default();
        match is_known(dataset) {
            true => !is_known(trained_on) && data::are_numbered(own),
            false => data::are_numbered(names) && (is_known(trained_on) || is_order_of_known(own)),
        }
    }

    fn other_classes(&self, dataset: &str, names: &[String], own: Option<Vec<String>>) -> Error {
        let some = |names: &[String]| {
            let more = if names.len() > 3 { ", ..." } else { "" };
            format!("{}{more}", names[..names.len().min(3)].join(", "))
        };
        let what = match own {
            Some(own) if own.len() == names.len() => {
                format!("its classes are {}; those of {dataset} are {}", some(&own), some(names))
            }
            _ => {
                let (own, count) = (self.outputs(), names.len());
                format!("it tells {own} classes apart; {dataset} has {count}")
            }
        };
        let hint = "name its data set with --dataset, or insist with --allow-mismatch: labels are then \
                    taken by number where no name is the same";
        Error::format(&self.weights.origin, what, hint)
    }
}

/// Maps classes to the outputs that were found for them. Each other class gets the next output that is
/// left, or a number past the last output when there are too few.
fn mapped(names: &[String], own: &[String], found: &[Option<u16>]) -> Labelling {
    let mut left = (0..=u16::MAX).filter(|output| !found.contains(&Some(*output)));
    let outputs: Vec<u16> =
        found.iter().filter_map(|found| found.or_else(|| left.next())).collect();
    let mut named = own.to_vec();
    for (&output, name) in outputs.iter().zip(names) {
        let output = usize::from(output);
        named.resize(named.len().max(output + 1), String::new());
        named[output].clone_from(name);
    }
    Labelling { outputs: Some(outputs), names: named, note: None, order: None }
}

fn is_known(dataset: &str) -> bool {
    data::info(dataset).is_ok()
}

/// Whether these are the classes of a known data set, in the order of that set.
fn is_order_of_known(names: &[String]) -> bool {
    let in_order =
        |found: Vec<Option<u16>>| found.into_iter().eq((0..names.len() as u16).map(Some));
    let mut alike =
        data::known().map(|info| info.class_names).filter(|own| own.len() == names.len());
    alike.any(|own| in_order(data::find_classes(names, &owned(own))))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{augment::Changes, feed::TrainSet};
    use std::fs;

    #[test]
    fn a_training_set_has_the_labels_of_the_network_from_wherever_its_images_come() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"P6\n1 1\n255\nabc").unwrap();
        };
        for name in ["a/1.ppm", "b/1.ppm", "b/2.ppm"] {
            file(&format!("train/{name}"));
        }
        let outputs = Some(vec![1, 0]);
        let names = ["b", "a"].map(str::to_owned).to_vec();
        let labelling = Labelling { outputs, names, note: None, order: None };
        for crop in [false, true] {
            let changes = Changes { crop, ..Changes::default() };
            let name = folder.path().to_str().unwrap();
            let mut set = TrainSet::open(name, folder.path(), 32, changes, &mut |_| true).unwrap();
            assert_eq!(matches!(set, TrainSet::Folder(..)), crop);
            set.relabel(&labelling);
            let held = set.held_out(3).unwrap();
            assert_eq!(
                (&held.labels[..], &held.class_names[..]),
                (&[1, 0, 0][..], labelling.names())
            );
        }
    }
}
