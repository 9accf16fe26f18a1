//! Labels in an array: `[N]` or `[N, 1]` of any integer type.

use super::store::OpenArray;
use crate::{
    error::{Error, Result},
    files::npy::ElementKind,
};

/// Labels that are read at a time.
const AT_ONCE: usize = 1 << 16;

/// The labels of a split.
#[derive(Debug)]
pub(super) struct ClassLabels {
    /// `[N]`.
    pub(super) labels: Vec<u16>,
    /// The largest label and one more.
    pub(super) classes: u32,
}

impl ClassLabels {
    /// Reads them all.
    ///
    /// # Errors
    /// [`Error::Format`] for another type or shape, a label below 0 or above 65,535, and a damaged array.
    pub(super) fn read((path, mut array): OpenArray) -> Result<Self> {
        let bad = |what: String, hint: &str| Error::format(&path, what, hint);
        let integers = array
            .element
            .filter(|e| matches!(e.kind(), ElementKind::Unsigned | ElementKind::Signed));
        let Some(element) = integers else {
            return Err(array.other_type("integers, the classes counted from 0", "int64"));
        };
        let n = match array.shape[..] {
            [n] | [n, 1] => n,
            [_, classes] => {
                let what = format!("its shape is {:?}, expected [N]", array.shape);
                let hint = format!("of {classes} columns with a 1 make a number: y.argmax(1)");
                return Err(bad(what, &hint));
            }
            _ => {
                let what = format!("its shape is {:?}, expected [N]", array.shape);
                return Err(bad(what, "give one class an image: y.reshape(-1)"));
            }
        };
        let (mut labels, mut classes) = (Vec::new(), 0);
        let mut buffer = vec![0; AT_ONCE.min(n.max(1)) * element.bytes];
        // Memory grows with the labels that are there, not with what the header claims.
        while labels.len() < n {
            let some = (n - labels.len()).min(AT_ONCE);
            let bytes = &mut buffer[..some * element.bytes];
            array.read(bytes)?;
            for bytes in bytes.chunks_exact(element.bytes) {
                let label = element.integer(bytes);
                let Ok(label) = u16::try_from(label) else {
                    let what = format!("label {label} of image {}", labels.len());
                    return Err(bad(what, "classes are counted from 0, up to 65,535"));
                };
                classes = classes.max(u32::from(label) + 1);
                labels.push(label);
            }
        }
        array.end()?;
        if labels.is_empty() {
            return Err(bad("it holds no labels".into(), "give at least one image"));
        }
        Ok(Self { labels, classes })
    }
}
