//! Metal's compiler refuses a name that a block declares twice; naga 30 writes some.
use std::collections::HashSet;

/// Names that a block of MSL declares more than once. naga writes a declaration per line.
pub(crate) fn declared_twice(text: &str) -> Vec<String> {
    let mut scopes = vec![HashSet::new()];
    let mut twice = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let open = line.matches('{').count();
        let close = line.matches('}').count();
        if line.starts_with('}') {
            scopes.pop();
        }
        let scope = scopes.last_mut().unwrap();
        if let Some(name) = declares(line).filter(|&name| !scope.insert(name.to_owned())) {
            twice.push(name.to_owned());
        }
        let pops = usize::from(line.starts_with('}'));
        for _ in close..open + pops {
            scopes.push(HashSet::new());
        }
        for _ in open + pops..close {
            scopes.pop();
        }
    }
    assert_eq!(scopes.len(), 1, "braces");
    twice
}

/// The name that a line of MSL declares: `type name;` or `type name = value;`.
fn declares(line: &str) -> Option<&str> {
    let left = line.strip_suffix(';')?;
    let left =
        left.split_once(" = ").map_or(left, |(left, _)| left).trim_end_matches("= {}").trim();
    let (ty, name) = left.rsplit_once(' ')?;
    let statement = ["return", "using", "struct", "typedef", "case", "goto"];
    let word = |s: &str| s.chars().all(|c| c.is_alphanumeric() || c == '_');
    let plain = !name.is_empty() && word(name.trim_start_matches('&'));
    let ty_first = ty.split(' ').next().unwrap_or_default();
    let is_type = ty.chars().all(|c| c.is_alphanumeric() || "_:<>&*, ".contains(c));
    (plain && is_type && !statement.contains(&ty_first)).then(|| name.trim_start_matches('&'))
}
