//! Other names for the same tensor, where only one meaning is possible.

use super::{Graph, Role, Tensors};
use std::collections::BTreeMap;

/// Names of the projection around a block.
const SHORTCUTS: [&str; 3] = ["shortcut", "downsample", "skip"];

/// Names of the only linear layer of a network.
const CLASSIFIERS: [&str; 12] = [
    "linear",
    "fc",
    "classifier",
    "head",
    "head.fc",
    "classifier.0",
    "classifier.1",
    "classifier.6",
    "fc.0",
    "last_linear",
    "output",
    "logits",
];

/// Renames tensors that the file calls otherwise to the names that the network lacks; `notes` says so.
pub(super) fn rename(graph: &Graph, tensors: &mut Tensors, notes: &mut Vec<String>) {
    let mut renamed: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (from, to) in shortcuts(graph).into_iter().chain(norms(graph)).chain(classifier(graph)) {
        // A module is renamed only if all its tensors have the other name and none has the network's
        // name, so that nothing is overwritten and no part of another network is taken.
        let moved: Vec<(String, String)> = graph
            .params
            .iter()
            .filter_map(|param| param.name.strip_prefix(&format!("{to}.")))
            .map(|rest| (format!("{from}.{rest}"), format!("{to}.{rest}")))
            .collect();
        if moved.iter().all(|(old, new)| tensors.contains_key(old) && !tensors.contains_key(new)) {
            for (old, new) in moved {
                if let Some(tensor) = tensors.remove(&old) {
                    tensors.insert(new, tensor);
                }
            }
            let part = |name: &str| {
                name.rsplit('.').find(|p| p.parse::<u32>().is_err()).map(str::to_owned)
            };
            let kind = (part(&from).unwrap_or(from), part(&to).unwrap_or(to));
            *renamed.entry(kind).or_insert(0) += 1;
        }
    }
    for ((from, to), count) in renamed {
        let times = if count == 1 { String::new() } else { format!(", {count} times") };
        notes.push(format!("{from} is read as {to}{times}"));
    }
}

/// Names of the modules that have parameters: `layer1.0.conv1`.
fn modules(graph: &Graph) -> Vec<&str> {
    let mut names: Vec<&str> =
        graph.params.iter().filter_map(|param| Some(param.name.rsplit_once('.')?.0)).collect();
    names.dedup();
    names
}

fn shortcuts(graph: &Graph) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for name in modules(graph) {
        let Some(own) = SHORTCUTS.iter().find(|own| name.contains(&format!(".{own}."))) else {
            continue;
        };
        for other in SHORTCUTS.iter().filter(|other| *other != own) {
            let with = format!(".{other}.");
            pairs.push((name.replace(&format!(".{own}."), &with), name.to_owned()));
        }
    }
    pairs
}

/// Quantisation-aware training in PyTorch keeps a batch norm inside the convolution before it:
/// `conv1.bn` is `bn1`.
fn norms(graph: &Graph) -> Vec<(String, String)> {
    let owner = |name: &str| name.rsplit_once('.').map_or("", |(owner, _)| owner).to_owned();
    let (mut pairs, mut before) = (Vec::new(), String::new());
    for param in &graph.params {
        match param.role {
            Role::Weight => before = owner(&param.name),
            Role::Gamma => pairs.push((format!("{before}.bn"), owner(&param.name))),
            _ => {}
        }
    }
    pairs
}

fn classifier(graph: &Graph) -> Vec<(String, String)> {
    let linear = graph.params.iter().filter(|p| p.role == Role::Weight && p.shape.len() == 2);
    let mut names = linear.filter_map(|param| Some(param.name.rsplit_once('.')?.0));
    let (Some(own), None) = (names.next(), names.next()) else { return Vec::new() };
    let others = CLASSIFIERS.iter().filter(|other| **other != own);
    others.map(|other| ((*other).to_owned(), own.to_owned())).collect()
}
