//! Finds the network in a file: behind which prefix it is, and which of several copies is meant.

use super::{Graph, Tensors, names_of, select::holds};
use crate::error::{Error, Result};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

/// Parts of names that wrappers put in: `DataParallel`, `torch.compile`, FSDP, activation checkpoints.
const WRAPPERS: [&str; 4] =
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// Most parts of a name, wrappers included, that are compared with the network's names: a name in a
/// foreign file may have millions of parts.
const DEEPEST: usize = 24;

/// Words in the name of a moving average of the weights.
const AVERAGES: [&str; 4] = ["ema", "swa", "averaged", "shadow"];

/// Moves the network's tensors to its own names, without wrappers and prefix, and returns the prefix.
/// Moving averages beside the network are left out, and `notes` says so.
///
/// # Errors
/// [`Error::Format`]: two copies of the network, and nothing says which one is meant.
pub(super) fn bare(
    graph: &Graph,
    mut tensors: Tensors,
    origin: &Path,
    notes: &mut Vec<String>,
) -> Result<(Tensors, String)> {
    let found = prefixes(graph, &tensors);
    let most = found.values().copied().max().unwrap_or(0);
    // Prefixes under which nearly all parameters are found. `Graph::adopt` reports those that are
    // missing.
    let copies: Vec<&String> = found
        .iter()
        .filter(|(_, count)| **count * 10 > most * 9)
        .map(|(prefix, _)| prefix)
        .collect();
    let plain: Vec<&String> = copies.iter().filter(|p| !is_average(p)).copied().collect();
    let prefix = match (&plain[..], &copies[..]) {
        (&[one], _) | (&[], &[one]) => one.clone(),
        (&[], &[]) => String::new(),
        _ if most * 2 > graph.params.len() => return Err(several(graph, &copies, origin)),
        // Probably another network that shares some names: `Graph::adopt` will report what is missing.
        (_, others) => others.first().map_or_else(String::new, |first| (*first).clone()),
    };
    if !is_average(&prefix) {
        let before = names_of(&tensors);
        tensors.retain(|name, _| !is_average(name.rsplit_once('.').map_or("", |(owner, _)| owner)));
        let dropped: Vec<String> =
            before.into_iter().filter(|name| !tensors.contains_key(name)).collect();
        if !dropped.is_empty() {
            let averages = holds(&dropped);
            notes.push(format!(
                "an average of the weights is left out: {averages}; --prefix takes it instead"
            ));
        }
    }
    let mut bare = BTreeMap::new();
    let wanted = wrapped(&prefix);
    for (name, tensor) in tensors {
        let parts: Vec<&str> = wrapped(&name);
        // A name that does not begin with the prefix stays as it is.
        let short = match parts.strip_prefix(&wanted[..]) {
            Some(rest) => rest.join("."),
            None => name.clone(),
        };
        if bare.insert(short.clone(), tensor).is_some() {
            let what = format!("two of its tensors are {short} without wrappers, {name} is one");
            return Err(Error::format(origin, what, "leave the others out with --drop"));
        }
    }
    Ok((bare, prefix))
}

/// Prefixes (empty, or with a dot at the end) under which parameters of the network are found, each with
/// the number of those parameters.
fn prefixes(graph: &Graph, tensors: &Tensors) -> BTreeMap<String, usize> {
    let wanted: HashSet<&str> = graph.params.iter().map(|param| param.name.as_str()).collect();
    let mut found = BTreeMap::new();
    for name in tensors.keys() {
        let parts: Vec<&str> = name.split('.').collect();
        let begins = parts.len().saturating_sub(DEEPEST)..parts.len();
        for at in begins.filter(|&at| !WRAPPERS.contains(&parts[at])) {
            if wanted.contains(bare_parts(&parts[at..]).join(".").as_str()) {
                let prefix: String = parts[..at].iter().flat_map(|part| [part, "."]).collect();
                *found.entry(prefix).or_insert(0) += 1;
            }
        }
    }
    found
}

/// Parts of a name without those of wrappers.
fn bare_parts<'a>(parts: &[&'a str]) -> Vec<&'a str> {
    parts.iter().copied().filter(|part| !part.is_empty() && !WRAPPERS.contains(part)).collect()
}

fn wrapped(name: &str) -> Vec<&str> {
    bare_parts(&name.split('.').collect::<Vec<_>>())
}

/// Whether a part of the name says that an average of weights is below it: `model_ema`.
fn is_average(name: &str) -> bool {
    let words = name.split(['.', '_']).map(str::to_ascii_lowercase);
    words.into_iter().any(|word| AVERAGES.contains(&word.as_str()))
}

fn several(graph: &Graph, copies: &[&String], origin: &Path) -> Error {
    let name = |prefix: &&String| match prefix.as_str() {
        "" => "one without a prefix".to_owned(),
        prefix => prefix.to_owned(),
    };
    let list: Vec<String> = copies.iter().map(name).collect();
    let named =
        copies.iter().find(|prefix| !prefix.is_empty()).map_or("", |prefix| prefix.as_str());
    let named = named.trim_end_matches('.');
    let what = format!("it holds {} copies of {}: {}", list.len(), graph.name, list.join(", "));
    let hint = format!("choose: --prefix {named} takes one, --drop '{named}.*' leaves one out");
    Error::format(origin, what, hint)
}
