//! The modules of `src`, and what a path that is written in one of them names.
use super::code;
use std::collections::{BTreeMap, BTreeSet};

/// A module's path below the crate: `["gpu", "device"]`.
pub(super) type Path = Vec<String>;

/// The path of a module in a file below `src`; `None` for the binary and unit tests.
fn module(file: &str) -> Option<Path> {
    let name = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut path: Path = name.split('/').map(str::to_owned).collect();
    match path.last().map(String::as_str) {
        Some("lib" | "mod") => drop(path.pop()),
        Some("main" | "tests") => return None,
        _ => {}
    }
    Some(path)
}

/// One file, and the names that paths can begin or go on with.
#[derive(Default)]
pub(super) struct File {
    pub(super) code: String,
    /// Imports and re-exports: the name here, and the path as it is written.
    imports: BTreeMap<String, Path>,
    /// The names among them that are re-exports.
    passed_on: BTreeSet<String>,
    /// Modules of which everything is imported.
    globs: Vec<Path>,
}

/// The words and signs of code: names with `::` between them are one word.
pub(super) fn words(code: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), code);
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        if is_name(c) {
            let begins = |at: &str| at.chars().next().is_some_and(is_name);
            loop {
                len = rest[len..].find(|c| !is_name(c)).map_or(rest.len(), |more| len + more);
                let next = rest[len..].strip_prefix("::").is_some_and(begins);
                if !next {
                    break;
                }
                len += 2;
            }
        }
        if !c.is_whitespace() {
            found.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    found
}

/// The leaves of a `use` tree that begins at a word, with the names that they get here. Stops at the word
/// that ends it.
fn leaves(words: &[&str], at: &mut usize, before: &[String], found: &mut Vec<(String, Path)>) {
    let mut path = before.to_vec();
    while let Some(&word) = words.get(*at) {
        *at += 1;
        match word {
            "{" => {
                while words.get(*at).is_some_and(|w| *w != "}") {
                    leaves(words, at, &path, found);
                    *at += usize::from(words.get(*at) == Some(&","));
                }
                *at += 1;
                return;
            }
            "*" => return found.push(("*".into(), path)),
            ":" => {}
            _ => {
                path.extend(word.split("::").map(str::to_owned));
                if words.get(*at) != Some(&":") {
                    let own = path.last().is_some_and(|last| last == "self");
                    if own {
                        path.pop();
                    }
                    let renamed = words.get(*at) == Some(&"as");
                    *at += 2 * usize::from(renamed);
                    let name = if renamed {
                        words[*at - 1].to_owned()
                    } else {
                        path.last().cloned().unwrap_or_default()
                    };
                    return found.push((name, path));
                }
            }
        }
    }
}

/// The modules of a crate.
pub(super) struct Crate(pub BTreeMap<Path, File>);

impl Crate {
    pub(super) fn of(sources: &[(String, String)]) -> Self {
        let mut files = BTreeMap::new();
        for (name, text) in sources {
            let Some(path) = module(name) else { continue };
            // The unit tests of a file may use modules of higher layers.
            let code = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
            let mut file = File::default();
            let (all, mut at) = (words(&code), 0);
            let mut rest = Vec::new();
            while at < all.len() {
                at += 1;
                if all[at - 1] != "use" {
                    rest.push(all[at - 1]);
                    continue;
                }
                let passed_on = at > 1 && ["pub", ")"].contains(&all[at - 2]);
                let mut found = Vec::new();
                leaves(&all, &mut at, &[], &mut found);
                for (name, path) in found {
                    file.passed_on.extend(passed_on.then(|| name.clone()));
                    match name.as_str() {
                        "*" => file.globs.push(path),
                        _ => drop(file.imports.insert(name, path)),
                    }
                }
            }
            file.code = rest.join(" ");
            files.insert(path, file);
        }
        Self(files)
    }

    /// The module that a path leads to from a module, and whether it names an item in it. `None` for paths
    /// out of the crate.
    pub(super) fn resolve(&self, from: &Path, path: &[String], depth: u32) -> Option<(Path, bool)> {
        let (first, mut rest) = path.split_first()?;
        let mut here: Path = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            _ => {
                rest = path;
                from.clone()
            }
        };
        let (begin, mut first) = (here.clone(), rest.len() == path.len());
        while let Some((name, more)) = rest.split_first() {
            let child = [&here[..], std::slice::from_ref(name)].concat();
            let file = self.0.get(&here)?;
            if name == "super" {
                here.pop();
            } else if self.0.contains_key(&child) {
                here = child;
            } else if let Some(target) = file.imports.get(name).filter(|_| depth < 8) {
                let (module, item) = self.resolve(&here, target, depth + 1)?;
                if item {
                    return Some((module, true));
                }
                here = module;
            } else {
                let defines = |glob: &Path| {
                    let (module, _) = self.resolve(&here, glob, depth + 1)?;
                    let words = words(&self.0.get(&module)?.code);
                    let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static"];
                    let named = words.windows(2).any(|w| kinds.contains(&w[0]) && w[1] == name);
                    named.then_some(module)
                };
                let module = file.globs.iter().filter(|_| depth < 8).find_map(defines);
                if first && here == begin && module.is_none() {
                    return None; // another crate, or an item of this very file
                }
                return Some((module.unwrap_or(here), true));
            }
            (rest, first) = (more, false);
        }
        Some((here, false))
    }

    /// The modules that a module uses, without its parent and its children.
    pub(super) fn used(&self, own: &Path) -> BTreeSet<Path> {
        let file = &self.0[own];
        let written = words(&file.code).into_iter().filter(|word| word.contains("::"));
        let written = written.map(|word| word.split("::").map(str::to_owned).collect());
        let words: BTreeSet<&str> = words(&file.code).into_iter().collect();
        // What is only passed on is not used. Of a trait only the methods may be named.
        let is_used = |name: &str| !file.passed_on.contains(name) || words.contains(name);
        let imported = file.imports.iter().filter(|(name, _)| is_used(name));
        let paths = written.chain(imported.map(|(_, path)| path.clone()));
        let resolved = paths.filter_map(|path: Path| self.resolve(own, &path, 0));
        let items = resolved.filter(|(_, item)| *item);
        let all = file.globs.iter().filter_map(|path| self.resolve(own, path, 0));
        let is_family = |other: &Path| {
            other.split_last().is_some_and(|(_, up)| up == own)
                || own.split_last().is_some_and(|(_, up)| up == other)
        };
        let modules = items.chain(all).map(|(module, _)| module);
        modules.filter(|module| module != own && !is_family(module)).collect()
    }
}
