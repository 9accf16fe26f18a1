//! One name, one meaning: no two types of the crate that more than one file can see have the same name.
use super::{code, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Names that still stand for two types, with the files that declare them. A name that stands for one type or for none
/// must leave the list.
const KNOWN: &[(&str, &[&str])] = &[
    ("Adapter", &["src/report/bench_json/mod.rs", "src/report/eval_json/mod.rs"]),
    ("Case", &["src/kernels/twin/case.rs", "src/report/bench_json/mod.rs"]),
    ("Dataset", &["src/data/dataset.rs", "src/report/eval_json/mod.rs"]),
    ("Generator", &["src/report/eval_json/mod.rs", "src/train/generator_file.rs"]),
    ("Key", &["src/report/bench_view/drawing.rs", "src/report/page/figure.rs"]),
    ("Row", &["src/report/bench_view/comparison.rs", "src/report/page/chart/rows.rs"]),
    ("Run", &["src/report/page/chart/training.rs", "src/train/fuse.rs", "src/train/sentinel.rs"]),
    ("Step", &["src/report/bench_json/mod.rs", "src/report/event.rs"]),
];

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
        let known =
            KNOWN.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, files)| files);
        if files.iter().any(|file| !known.contains(&file.as_str())) {
            wrong.push(format!(
                "{name} is declared in {}",
                files.iter().cloned().collect::<Vec<_>>().join(", ")
            ));
        }
    }
    for (name, files) in KNOWN {
        let there =
            files.iter().filter(|file| found.get(*name).is_some_and(|all| all.contains(**file)));
        if there.count() < files.len().max(2) {
            wrong.push(format!(
                "{name} is not declared in all of {files:?} any more: correct KNOWN"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn types_of_every_visibility_but_private_are_found() {
    let code = "pub struct A;\npub(super) enum B<T> {}\npub(in crate::data) type C = u8;\n    pub trait D: E {\n\
                struct F;\npub fn g() {}\ncrate::params! {\n    pub struct H {\n        pub structure: u32,\n";
    assert_eq!(types(code), ["A", "B", "C", "D", "H"]);
}
