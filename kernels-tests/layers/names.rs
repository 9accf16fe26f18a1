//! One name, one meaning: no two types of the crate that more than one file can see have the same name.
use super::{code, sources};
use std::collections::{BTreeMap, BTreeSet};

/// The types that a file declares for others too.
fn types(code: &str) -> Vec<&str> {
    let declared = |line: &'_ str| -> Option<usize> {
        let rest = line.trim_start().strip_prefix("pub")?;
        let rest = rest
            .strip_prefix('(')
            .map_or(rest, |rest| rest.split_once(')').map_or("", |(_, rest)| rest));
        let (kind, name) = rest.strip_prefix(' ')?.split_once(' ')?;
        let kinds = ["struct", "enum", "trait", "type", "union"];
        kinds.contains(&kind).then(|| line.len() - name.len())
    };
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let begin = declared(line)?;
        let len = line[begin..].find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len() - begin);
        Some((begin, begin + len))
    };
    code.lines().filter_map(|line| name(line).map(|(begin, end)| &line[begin..end])).collect()
}

/// Every type with the files that declare it.
fn declared(sources: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources {
        let code = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        for name in types(&code) {
            found.entry(name.to_owned()).or_default().insert(file.clone());
        }
    }
    found
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let found = declared(&sources());
    assert!(found.len() > 300, "{}: are they still found?", found.len());
    let mut wrong = Vec::new();
    for (name, files) in found.iter().filter(|(_, files)| files.len() > 1) {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        wrong.push(format!("{name} is declared in {}", files.join(", ")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn types_of_every_visibility_but_private_are_found() {
    let code = "pub struct A;\npub(super) enum B<T> {}\npub(in crate::data) type C = u8;\n    pub trait D: E {\n\
                struct F;\npub fn g() {}\ncrate::params! {\n    pub struct H {\n        pub structure: u32,\n";
    assert_eq!(types(code), ["A", "B", "C", "D", "H"]);
}
