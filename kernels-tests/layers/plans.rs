//! The plan of a kernel and its twin share no code: what a plan function calls, in its file and over the files of the
//! kernels, is nothing that computes with values. Plans know shapes; twins and cases take or give numbers in bulk, or
//! lie in a file or folder `twin` or `cases`.
use super::{
    modules::{Crate, Path, words},
    sources,
};
use std::collections::BTreeSet;

/// Words of a signature that only twins and cases have.
const VALUES: &[&str] = &["f32", "f64", "Case", "Data", "Random", "Suite", "Want"];

/// A function: its module, its name, and the words of its signature and of its body.
struct Function<'a> {
    module: &'a Path,
    name: &'a str,
    signature: Vec<&'a str>,
    body: Vec<&'a str>,
}

impl Function<'_> {
    fn is_plan(&self) -> bool {
        let in_kernels = self.module.first().is_some_and(|first| first == "kernels");
        in_kernels && self.signature.ends_with(&["Result", "<", "Plan", ">"])
    }

    fn is_twin(&self) -> bool {
        let lies = |name: &String| name == "twin" || name == "cases";
        let bulk = |w: &[&str]| ["[", "<"].contains(&w[0]) && VALUES[..2].contains(&w[1]);
        self.module.iter().any(lies)
            || self.signature.windows(2).any(bulk)
            || self.signature.iter().any(|word| VALUES[2..].contains(word))
    }
}

/// The functions in the code of a module.
fn functions<'a>(module: &'a Path, code: &'a str) -> Vec<Function<'a>> {
    let all = words(code);
    let mut found = Vec::new();
    for at in 0..all.len().saturating_sub(1) {
        // The `;` of an array's type is within brackets.
        let mut inner = 0;
        let opens = all[at..].iter().position(|word| {
            inner += i32::from(["[", "("].contains(word)) - i32::from(["]", ")"].contains(word));
            inner <= 0 && ["{", ";"].contains(word)
        });
        let Some(opens) = opens else { break };
        let opens = at + opens;
        if all[at] != "fn" || !all[at + 1].starts_with(char::is_alphabetic) || all[opens] == ";" {
            continue;
        }
        let mut depth = 0;
        let ends = all[opens..].iter().position(|word| {
            depth += i32::from(*word == "{") - i32::from(*word == "}");
            depth == 0
        });
        let ends = ends.map_or(all.len(), |ends| opens + ends);
        let (signature, body) = (all[at + 2..opens].to_vec(), all[opens..ends].to_vec());
        found.push(Function { module, name: all[at + 1], signature, body });
    }
    found
}

/// For every plan that calls a twin, a line about it; and the number of plans.
fn objections(of: &Crate) -> (Vec<String>, usize) {
    let kernels = of.0.iter().filter(|(module, _)| module.first().is_some_and(|m| m == "kernels"));
    let all: Vec<Function<'_>> =
        kernels.flat_map(|(module, file)| functions(module, &file.code)).collect();
    // The functions that a word of a body calls.
    let called = |by: &Function<'_>, word: &str| -> Vec<usize> {
        let path: Path = word.split("::").map(str::to_owned).collect();
        let own = path.len() == 1 || path[0] == "Self";
        let module = match of.resolve(by.module, &path, 0) {
            Some((module, true)) => module,
            _ if own => by.module.clone(),
            _ => return Vec::new(),
        };
        let name = path[path.len() - 1].as_str();
        let is = |f: &&Function<'_>| *f.module == module && f.name == name;
        all.iter().enumerate().filter(|(_, f)| is(f)).map(|(i, _)| i).collect()
    };
    let plans: Vec<usize> = (0..all.len()).filter(|&i| all[i].is_plan()).collect();
    let mut wrong = Vec::new();
    for &plan in plans.iter().filter(|&&plan| !all[plan].is_twin()) {
        let (mut seen, mut open) = (BTreeSet::from([plan]), vec![plan]);
        while let Some(next) = open.pop() {
            for (at, word) in all[next].body.iter().enumerate() {
                let calls = ["(", ":"].contains(all[next].body.get(at + 1).unwrap_or(&""));
                for found in called(&all[next], word).into_iter().filter(|_| calls) {
                    if seen.insert(found) {
                        open.push(found);
                        if all[found].is_twin() {
                            let (from, to) =
                                (all[plan].module.join("::"), all[found].module.join("::"));
                            let (plan, twin) = (all[plan].name, all[found].name);
                            wrong.push(format!("{from}::{plan} comes to {to}::{twin}"));
                        }
                    }
                }
            }
        }
    }
    (wrong, plans.len())
}

#[test]
fn plans_use_no_twins() {
    let (wrong, plans) = objections(&Crate::of(&sources()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(plans > 40, "{plans}: are they still found?");
}

#[test]
fn a_plan_that_uses_a_twin_is_noticed() {
    let twin = "pub fn sum(x: &[f64]) -> f64 { x.iter().sum() } pub fn size(n: u32) -> u32 { n }";
    let wrong = |body: &str| {
        let files = [
            ("lib", ""),
            ("kernels/mod", ""),
            ("kernels/x", body),
            ("kernels/y", twin),
            ("kernels/z/mod", ""),
            ("kernels/z/twin", "pub fn at(i: u32) -> u32 { i }"),
        ];
        let files = files.map(|(name, text)| (format!("src/{name}.rs"), text.to_owned()));
        objections(&Crate::of(&files)).0.len()
    };
    for bad in [
        "fn plan() -> Result<Plan> { step([1.0; 3]) } fn step(x: [f64; 3]) -> f64 { 1.0 }",
        "use crate::kernels::y; fn plan() -> Result<Plan> { y::sum(&[]) }",
        "use crate::kernels::y::sum; fn plan() -> Result<Plan> { sum(&[]) }",
        "use crate::kernels::z::twin::at; fn plan() -> Result<Plan> { at(1) }",
        "fn plan() -> Result<Plan> { size() } fn size() -> u32 { crate::kernels::z::twin::at(1) }",
        "fn plan() -> Result<Plan> { want(1) } fn want(n: u32) -> Vec<f64> { vec![] }",
    ] {
        assert_eq!(wrong(bad), 1, "{bad}");
    }
    for good in [
        "use crate::kernels::y::{self, size}; fn plan() -> Result<Plan> { size(1); y::size(2) }",
        "fn plan() -> Result<Plan> { 1 } fn case() -> Result<Case> { crate::kernels::y::sum(&[]) }",
    ] {
        assert_eq!(wrong(good), 0, "{good}");
    }
}
