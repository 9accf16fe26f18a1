//! What a user says about the names in a file: which to leave out, which to take, what to call them.

use super::{Tensors, names_of, nearest};
use crate::{
    error::{Error, Result},
    fault::matches,
};
use std::{collections::BTreeMap, str::FromStr};

/// Which tensors of a file to take, and under which names.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// `--drop`: patterns (`*`, `?`) of names in the file that are left out.
    pub drop: Vec<String>,
    /// `--prefix`: beginning of the network's names, which is removed; tensors without it are left out.
    pub prefix: Option<String>,
    /// `--rename`: all renamings, done at once after the prefix was removed.
    pub rename: Vec<Rename>,
}

/// `A=B`: wherever the parts `A` occur in a name (dots separate parts), they are replaced by `B`. An
/// empty `B` removes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    from: String,
    to: String,
}

impl FromStr for Rename {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (from, to) = text.split_once('=').unwrap_or_default();
        let (from, to) = (from.trim_matches('.'), to.trim_matches('.'));
        if from.is_empty() {
            let hint = "--rename fc=linear: whole parts of a name, as they stand between dots";
            return Err(Error::argument("--rename", format!("{text:?} is not A=B"), hint));
        }
        Ok(Self { from: from.to_owned(), to: to.to_owned() })
    }
}

impl Selection {
    /// Returns the selected tensors under their new names, and notes of what was done, one per line.
    ///
    /// # Errors
    /// [`Error::Argument`]: a pattern, prefix or renaming matches no name, or two tensors get the same
    /// name.
    pub(super) fn apply(&self, mut tensors: Tensors) -> Result<(Tensors, Vec<String>)> {
        let mut notes = Vec::new();
        for pattern in &self.drop {
            let before = tensors.len();
            let all = names_of(&tensors);
            tensors.retain(|name, _| !matches(pattern, name));
            match before - tensors.len() {
                0 => return Err(none("--drop", pattern, &all)),
                count => notes.push(format!("--drop {pattern} leaves out {}", these(count))),
            }
        }
        if let Some(prefix) = self.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            let begin = format!("{}.", prefix.trim_end_matches('.'));
            let all = names_of(&tensors);
            let bare = |name: String| name.strip_prefix(&begin).map(str::to_owned);
            tensors = tensors.into_iter().filter_map(|(n, t)| Some((bare(n)?, t))).collect();
            match all.len() - tensors.len() {
                _ if tensors.is_empty() => return Err(none("--prefix", &begin, &all)),
                0 => {}
                count => notes.push(format!("{} outside {begin} are left out", these(count))),
            }
        }
        if self.rename.is_empty() {
            return Ok((tensors, notes));
        }
        let mut renamed = BTreeMap::new();
        let mut used = vec![0usize; self.rename.len()];
        let all = names_of(&tensors);
        for (name, tensor) in tensors {
            let new = self.renamed(&name, &mut used);
            if renamed.insert(new.clone(), tensor).is_some() {
                let what = format!("two tensors would be called {new}, {name} is one of them");
                return Err(Error::argument("--rename", what, "leave one out with --drop"));
            }
        }
        for (rename, count) in self.rename.iter().zip(used) {
            let Rename { from, to } = rename;
            match count {
                0 => return Err(none("--rename", from, &all)),
                count => notes.push(format!("--rename {from}={to} renames {}", these(count))),
            }
        }
        Ok((renamed, notes))
    }

    /// The name after all renamings, from left to right. Replaced parts are not examined again.
    fn renamed(&self, name: &str, used: &mut [usize]) -> String {
        let (mut rest, mut parts) = (name, Vec::new());
        let mut done = vec![false; used.len()];
        while !rest.is_empty() {
            let found = self.rename.iter().position(|r| begins(rest, &r.from));
            let length = match found {
                Some(i) => {
                    done[i] = true;
                    parts.extend((!self.rename[i].to.is_empty()).then_some(&*self.rename[i].to));
                    self.rename[i].from.len()
                }
                None => {
                    let length = rest.find('.').unwrap_or(rest.len());
                    parts.push(&rest[..length]);
                    length
                }
            };
            rest = rest.get(length + 1..).unwrap_or_default();
        }
        used.iter_mut().zip(done).for_each(|(count, done)| *count += usize::from(done));
        parts.join(".")
    }
}

/// Whether a name is `parts`, or begins with `parts` and a dot.
fn begins(name: &str, parts: &str) -> bool {
    name.strip_prefix(parts).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn these(count: usize) -> String {
    format!("{count} tensor{}", if count == 1 { "" } else { "s" })
}

fn none(flag: &str, wanted: &str, names: &[String]) -> Error {
    let near = nearest(wanted.trim_end_matches('.'), names);
    let hint = match near {
        Some(near) => format!("did you mean {near}? it holds {}", holds(names)),
        None => format!("it holds {}", holds(names)),
    };
    let what = match flag {
        "--prefix" => format!("no name in the file begins with {wanted}"),
        "--rename" => format!("no name in the file has the part {wanted}"),
        _ => format!("no name in the file fits {wanted}"),
    };
    Error::argument(flag, what, hint)
}

/// First parts of names, each with the number of tensors below it:
/// `student (65 tensors), teacher (65 tensors)`.
pub(super) fn holds(names: &[String]) -> String {
    const LISTED: usize = 12;
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *first.entry(name.split('.').next().unwrap_or(name)).or_default() += 1;
    }
    let mut listed: Vec<String> = first
        .iter()
        .take(LISTED)
        .map(|(part, count)| format!("{part} ({})", these(*count)))
        .collect();
    if first.len() > LISTED {
        listed.push(format!("{} more", first.len() - LISTED));
    }
    if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::safetensors::Raw;

    fn tensors(names: &[&str]) -> Tensors {
        names.iter().map(|name| ((*name).to_owned(), Raw::f32(&[], &[0.0]))).collect()
    }

    fn selection(drop: &[&str], prefix: Option<&str>, rename: &[&str]) -> Selection {
        Selection {
            drop: drop.iter().map(|text| (*text).to_owned()).collect(),
            prefix: prefix.map(str::to_owned),
            rename: rename.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn names_are_left_out_cut_and_renamed_in_this_order() {
        let file = tensors(&["s.fc.weight", "s.fc2.weight", "s.a.down.0", "t.fc.weight", "epoch"]);
        for (chosen, names) in [
            (
                selection(&["t.*", "epoch", "s.a.*"], None, &[]),
                &["s.fc.weight", "s.fc2.weight"][..],
            ),
            (selection(&[], Some("s"), &[]), &["a.down.0", "fc.weight", "fc2.weight"]),
            (
                selection(&[], Some("s."), &["fc=linear"]),
                &["a.down.0", "fc2.weight", "linear.weight"],
            ),
            // Renamings of whole parts at any place: one removes a part, two swap their names.
            (
                selection(&["t.*", "epoch"], None, &["s=", "a.down=b", "fc=fc2", "fc2=fc"]),
                &["b.0", "fc.weight", "fc2.weight"],
            ),
        ] {
            let (taken, notes) = chosen.apply(file.clone()).unwrap();
            assert_eq!(names_of(&taken), names, "{chosen:?}");
            assert!(!notes.is_empty());
        }
        let (taken, notes) = Selection::default().apply(file.clone()).unwrap();
        assert_eq!((taken, notes.len()), (file, 0));
    }

    #[test]
    fn a_choice_of_nothing_names_what_is_there() {
        let file = tensors(&["student.fc.weight", "student.fc.bias", "teacher.fc.weight"]);
        for (chosen, says) in [
            (
                selection(&[], Some("studen"), &[]),
                "did you mean student? it holds student (2 tensors), teacher (1 tensor)",
            ),
            (selection(&["ema.*"], None, &[]), "it holds student (2 tensors), teacher (1 tensor)"),
            (selection(&[], None, &["f=g"]), "it holds student (2"),
            (selection(&[], None, &["student=x", "teacher=x"]), "leave one out"),
        ] {
            let error = chosen.apply(file.clone()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.hint().unwrap().contains(says), "{error}: {:?}", error.hint());
        }
        for text in ["", "a", "=b", ".=b"] {
            assert!(text.parse::<Rename>().is_err(), "{text}");
        }
    }
}
