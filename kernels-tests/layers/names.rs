//! One name, one meaning: no two types of the crate that more than one file can see have the same name, and no
//! private type has that of a public one.
use super::{code, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Who can see a type: its file alone, more files, or all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Visibility {
    Private,
    Restricted,
    Public,
}

/// The types that a file declares. Associated types, which are indented, are not among them unless they are public.
fn types(code: &str) -> Vec<(Visibility, &str)> {
    let declared = |line: &'_ str| -> Option<(Visibility, usize)> {
        let (seen, rest) = match line.trim_start().strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => {
                (Visibility::Restricted, rest.split_once(") ")?.1)
            }
            Some(rest) => (Visibility::Public, rest.strip_prefix(' ')?),
            None => (Visibility::Private, line),
        };
        let (kind, name) = rest.split_once(' ')?;
        let kinds = ["struct", "enum", "trait", "type", "union"];
        kinds.contains(&kind).then(|| (seen, line.len() - name.len()))
    };
    let name = |line: &'_ str| -> Option<(Visibility, usize, usize)> {
        let (seen, begin) = declared(line)?;
        let len = line[begin..].find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len() - begin);
        Some((seen, begin, begin + len))
    };
    let lines = code.lines();
    lines.filter_map(|line| name(line).map(|(seen, a, b)| (seen, &line[a..b]))).collect()
}

/// The types that so many can see, with the files that declare them.
fn declared(
    sources: &[(String, String)],
    wanted: fn(Visibility) -> bool,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources {
        let code = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        for (_, name) in types(&code).into_iter().filter(|&(seen, _)| wanted(seen)) {
            found.entry(name.to_owned()).or_default().insert(file.clone());
        }
    }
    found
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let found = declared(&sources(), |seen| seen != Visibility::Private);
    assert!(found.len() > 300, "{}: are they still found?", found.len());
    let mut wrong = Vec::new();
    for (name, files) in found.iter().filter(|(_, files)| files.len() > 1) {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        wrong.push(format!("{name} is declared in {}", files.join(", ")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_private_type_does_not_have_the_name_of_a_public_one() {
    // Tests have names of their own.
    let sources: Vec<_> =
        sources().into_iter().filter(|(file, _)| !file.contains("tests")).collect();
    let public = declared(&sources, |seen| seen == Visibility::Public);
    let private = declared(&sources, |seen| seen == Visibility::Private);
    assert!(private.len() > 100, "{}: are they still found?", private.len());
    let both = private.iter().filter_map(|(name, here)| Some((name, here, public.get(name)?)));
    let wrong: Vec<_> = both
        .map(|(name, here, there)| format!("{name} of {here:?} is a public type of {there:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn types_of_every_visibility_are_found() {
    let code = "pub struct A;\npub(super) enum B<T> {}\npub(in crate::data) type C = u8;\n    pub trait D: E {\n\
                struct F;\npub fn g() {}\ncrate::params! {\n    pub struct H {\n        pub structure: u32,\n";
    let [here, there, everywhere] =
        [Visibility::Private, Visibility::Restricted, Visibility::Public];
    let found = [(everywhere, "A"), (there, "B"), (there, "C"), (everywhere, "D"), (here, "F")];
    assert_eq!(types(code), [&found[..], &[(everywhere, "H")]].concat());
}
