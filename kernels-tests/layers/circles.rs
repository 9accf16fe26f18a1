//! No file of `src` uses another that uses it in turn, be it over others. A module and its own children may use each
//! other: what they use of each other is left out. Unit tests are left out too.
use super::{
    modules::{Crate, Path},
    sources,
};
use std::collections::{BTreeMap, BTreeSet};

impl Crate {
    /// Every module with those that it uses, be it over others.
    fn reached(&self) -> BTreeMap<&Path, BTreeSet<Path>> {
        // The root is the parent of all: what it hands on is theirs.
        let modules = || self.0.keys().filter(|own| !own.is_empty());
        let below = |own| self.used(own).into_iter().filter(|used| !used.is_empty()).collect();
        let used: BTreeMap<&Path, BTreeSet<Path>> =
            modules().map(|own| (own, below(own))).collect();
        let from = |own: &Path| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![own.clone()]);
            while let Some(next) = open.pop() {
                open.extend(
                    used[&next].iter().filter(|&module| seen.insert(module.clone())).cloned(),
                );
            }
            seen
        };
        modules().map(|own| (own, from(own))).collect()
    }

    /// The largest sets of modules that all use each other, and one way around for each.
    fn circles(&self) -> Vec<(BTreeSet<String>, String)> {
        let reached = self.reached();
        let mut found: Vec<(BTreeSet<String>, String)> = Vec::new();
        for (&own, seen) in reached.iter().filter(|(own, seen)| seen.contains(**own)) {
            let circle = seen.iter().filter(|other| reached[other].contains(own));
            let circle: BTreeSet<Path> = circle.cloned().collect();
            let names: BTreeSet<String> = circle.iter().map(|path| path.join("::")).collect();
            if found.iter().all(|(known, _)| *known != names) {
                found.push((names, self.way(own, &circle)));
            }
        }
        found
    }

    /// A shortest way from a module of a circle back to it, as text.
    fn way(&self, own: &Path, circle: &BTreeSet<Path>) -> String {
        let mut ways = vec![vec![own.clone()]];
        loop {
            let mut longer = Vec::new();
            for way in ways {
                for next in self.used(&way[way.len() - 1]).intersection(circle) {
                    let all = [&way[..], std::slice::from_ref(next)].concat();
                    if next == own {
                        return all.iter().map(|p| p.join("::")).collect::<Vec<_>>().join(" -> ");
                    }
                    if !way.contains(next) {
                        longer.push(all);
                    }
                }
            }
            ways = longer;
        }
    }
}

#[test]
fn files_use_each_other_in_no_circle() {
    let circles = Crate::of(&sources()).circles();
    let told = circles.iter().map(|(circle, way)| {
        let all: Vec<&str> = circle.iter().map(String::as_str).collect();
        format!("a circle: {way} (of {})", all.join(", "))
    });
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn a_circle_is_seen_through_everything_that_hides_it() {
    let circles = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(n, t)| (format!("src/{n}"), t.to_string())).collect();
        Crate::of(&files).circles().into_iter().map(|(_, way)| way).collect::<Vec<_>>()
    };
    let lib = ("lib.rs", "mod a; mod b;");
    let b = ("b.rs", "use crate::a::one::One; pub struct B(One);");
    let above = [lib, b, ("a/mod.rs", "pub mod one; mod two; pub use two::Two as Other;")];
    let two = ("a/two.rs", "pub struct Two(crate::b::B);");
    for one in [
        "use super::Other; pub struct One(Other);", // re-exported under another name
        "use super::two; pub struct One(Box<two::Two>);", // by its module
        "use crate::{a::{self, two::{Two}}, b}; pub struct One(Two, a::two::Two, b::B);",
        "use crate::a::two::*; pub struct One(Two);",
        "use crate::a::two::Two as _; pub struct One(u32);", // a trait, of which methods are used
        "pub struct One(super::two::Two);",
    ] {
        let found = circles(&[&above[..], &[two, ("a/one.rs", one)]].concat());
        assert_eq!(found.len(), 1, "{one}: {found:?}");
    }
    for one in [
        "pub struct One(u32); // super::two::Two",
        "pub struct One(u32);\n#[cfg(test)]\nmod tests {\nuse super::super::two::Two;\n}",
        "use super::Below; pub struct One(Below);",
    ] {
        let found = circles(&[&above[..], &[two, ("a/one.rs", one)]].concat());
        assert!(found.is_empty(), "{one}: {found:?}");
    }
    let own = [
        ("lib.rs", ""),
        ("a.rs", "mod one; pub struct A(one::One);"),
        ("a/one.rs", "use super::A; pub struct One(A);"),
    ];
    assert!(circles(&own).is_empty(), "a parent and its child");
}
