//! Adopts weights from elsewhere: translates the names of tensors, removes what tools left in the file,
//! and compares every tensor with the network.

mod aliases;
mod copies;
mod select;
mod wrapped;

pub use select::{Rename, Selection};

use super::graph::{Graph, Role};
use crate::{
    error::{Error, Result, closest},
    files::{
        Weights,
        safetensors::{Contents, Dtype, Raw},
        unpacked,
    },
};
use std::{collections::BTreeMap, path::Path};

/// Most names of each kind that an error message lists.
const LISTED: usize = 24;

/// Limit for the length in bytes of a name that is suggested in place of a wrong one.
const LONGEST: usize = 200;

/// Tensors by name, of any type.
type Tensors = BTreeMap<String, Raw>;

/// Weights from elsewhere under a network's names.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// The network's tensors, and all others that were neither recognised nor left out.
    pub weights: Weights,
    /// Prefix of the network's names in the file: empty, or with a dot at its end.
    pub prefix: String,
    /// What was left out, renamed or put together, one note per line.
    pub notes: Vec<String>,
}

impl Graph {
    /// Finds this network in the contents of a file. Prefixes and wrappers are dropped, other names of
    /// the same tensor are translated, weights that a tool keeps in pieces are put together, and tensors
    /// that are no weights are left out, wherever only one meaning is possible. [`Graph::adopt`] then
    /// compares the tensors.
    ///
    /// # Errors
    /// [`Error::Argument`] for a selection that matches no name or gives two tensors the same name;
    /// [`Error::Format`] for several copies of the network, quantised words instead of weights, damaged
    /// stored words of our own format, or values that are not finite.
    pub fn find(
        &self,
        contents: Contents,
        origin: &Path,
        selection: &Selection,
    ) -> Result<Adopted> {
        // Unpacks before any name changes, because stored words find their scales by name.
        let (tensors, metadata) = unpacked(contents, origin)?;
        let (tensors, mut notes) = selection.apply(tensors)?;
        let (mut tensors, prefix) = copies::bare(self, tensors, origin, &mut notes)?;
        if !prefix.is_empty() {
            notes.insert(0, format!("all names began with {prefix:?}, which is dropped"));
        }
        aliases::rename(self, &mut tensors, &mut notes);
        wrapped::put_together(self, &mut tensors, origin, &mut notes)?;
        wrapped::leave_out(self, &mut tensors, &mut notes);
        wrapped::refuse_quantised(self, &tensors, origin)?;
        let rounded = tensors.values().filter(|tensor| tensor.dtype == Dtype::F64).count();
        if rounded > 0 {
            notes.push(format!("{rounded} tensors were float64 and are rounded to float32"));
        }
        let weights = Weights::from_contents((tensors, metadata), origin)?;
        Ok(Adopted { weights, prefix, notes })
    }

    /// Returns the weights if they are exactly this network's tensors.
    ///
    /// # Errors
    /// [`Error::Format`] listing the tensors that are missing, have another shape or are not known; also
    /// for a value that [`Graph::check`] refuses.
    pub fn adopt(&self, mut weights: Weights) -> Result<Weights> {
        let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
        let mut tensors = std::mem::take(&mut weights.tensors);
        let names: Vec<String> = tensors.keys().cloned().collect();
        for param in &self.params {
            match tensors.remove(&param.name) {
                None => missing.push(param),
                Some(tensor) if tensor.shape != param.shape => {
                    let (name, found, wants) = (&param.name, &tensor.shape, &param.shape);
                    misshapen.push(format!("{name} {found:?} instead of {wants:?}"));
                }
                Some(tensor) => drop(weights.tensors.insert(param.name.clone(), tensor)),
            }
        }
        let extra: Vec<_> =
            tensors.iter().map(|(name, t)| format!("{name} {:?}", t.shape)).collect();
        // A missing tensor may be in the file under a similar name, with the same shape.
        let alike = missing.iter().find_map(|param| {
            let same = tensors.iter().filter(|(_, tensor)| tensor.shape == param.shape);
            let names: Vec<String> = same.map(|(name, _)| name.clone()).collect();
            Some((nearest(&param.name, &names)?, param.name.clone()))
        });
        let absent = missing.iter().map(|param| format!("{} {:?}", param.name, param.shape));
        let kinds =
            [("missing", absent.collect()), ("of another shape", misshapen), ("not known", extra)];
        let wrong: Vec<String> =
            kinds.iter().filter(|(_, names)| !names.is_empty()).map(listed).collect();
        if wrong.is_empty() {
            self.check(&weights)?;
            return Ok(weights);
        }
        let what = format!("these are not the tensors of {}: {}", self.name, wrong.join("; "));
        let mut hint = match weights.meta("model").filter(|model| *model != self.name) {
            Some(model) => format!("the file says that it holds {model}: check --model"),
            None => "check --model".into(),
        };
        if let Some((theirs, ours)) = alike {
            let (from, to) = difference(&theirs, &ours);
            hint +=
                &format!("; the nearest of {ours} is {theirs}: nf-gpu import --rename {from}={to}");
        } else if missing.len() * 2 > self.params.len() {
            let holds = select::holds(&names);
            hint +=
                &format!("; it holds {holds}: nf-gpu import --prefix takes what lies below a name");
        } else if !tensors.is_empty() {
            hint += "; nf-gpu import --drop leaves out what is no part of the network, and --rename A=B renames";
        }
        Err(Error::format(weights.name(), what, hint))
    }
}

fn names_of(tensors: &Tensors) -> Vec<String> {
    tensors.keys().cloned().collect()
}

/// The name that resembles `wanted` most. Names are cut to as many parts as `wanted` has.
fn nearest(wanted: &str, names: &[String]) -> Option<String> {
    let depth = wanted.matches('.').count();
    let start = |name: &String| {
        let end = name.match_indices('.').nth(depth).map_or(name.len(), |(at, _)| at);
        (end < LONGEST && name[..end].matches('.').count() == depth).then(|| name[..end].to_owned())
    };
    let mut same: Vec<String> = names.iter().filter_map(start).collect();
    same.dedup();
    closest(wanted, &same).map(str::to_owned)
}

/// Two names without the parts that they have in common at the beginning and at the end.
fn difference(from: &str, to: &str) -> (String, String) {
    let (mut a, mut b): (Vec<&str>, Vec<&str>) =
        (from.split('.').collect(), to.split('.').collect());
    while a.len() > 1 && b.len() > 1 && a.last() == b.last() {
        a.pop();
        b.pop();
    }
    while a.len() > 1 && b.len() > 1 && a[0] == b[0] {
        a.remove(0);
        b.remove(0);
    }
    (a.join("."), b.join("."))
}

/// `2 missing: a, b`.
fn listed((kind, names): &(&str, Vec<String>)) -> String {
    let mut text =
        format!("{} {kind}: {}", names.len(), names[..names.len().min(LISTED)].join(", "));
    if names.len() > LISTED {
        text += ", ...";
    }
    text
}

#[cfg(test)]
mod tests;
