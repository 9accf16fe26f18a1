//! Why a file cannot be run: all reasons at once, with the names of nodes and what to do.

use crate::error::Error;
use std::path::Path;

/// Why one node or tensor cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// What is in the way.
    pub(super) what: String,
    /// What the user can do about it.
    pub(super) advice: String,
}

/// Result of taking one node.
pub(super) type Taken<T> = Result<T, Reason>;

impl Reason {
    /// A reason with advice.
    pub(super) fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }

    /// A node without an input that it needs.
    pub(super) fn missing(input: usize) -> Self {
        Self::damaged(format!("its input {input} is missing"))
    }

    /// A node or tensor that no exporter writes.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::new(
            what,
            "the file is damaged: check it with onnx.checker.check_model, and export it anew",
        )
    }
}

impl From<Error> for Reason {
    fn from(error: Error) -> Self {
        let advice = error.hint().unwrap_or_else(|| SIZES.into());
        Self::new(error.to_string(), advice)
    }
}

/// Advice where sizes do not fit together.
pub(super) const SIZES: &str =
    "check the size of the input that the network is made for, and --input-shape";

/// A reason and the node that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// Name of the node; of a node without one, of its first output.
    pub(super) node: String,
    /// Its operator, such as `Conv`; empty for the graph's inputs and outputs.
    pub(super) op: String,
    /// What is in the way.
    pub(super) reason: Reason,
}

/// Most names that are listed of nodes with the same reason.
const NAMES: usize = 8;

/// The error of a file: nodes with the same reason together, in the order of the file.
pub(super) fn error(path: &Path, problems: &[Obstacle]) -> Error {
    let mut groups: Vec<(&Obstacle, Vec<&str>)> = Vec::new();
    for problem in problems {
        let same = |(first, _): &&mut (&Obstacle, Vec<&str>)| {
            first.op == problem.op && first.reason == problem.reason
        };
        match groups.iter_mut().find(same) {
            Some((_, nodes)) => nodes.push(&problem.node),
            None => groups.push((problem, vec![&problem.node])),
        }
    }
    let mut advice: Vec<&str> = Vec::new();
    for (problem, _) in &groups {
        if !advice.contains(&problem.reason.advice.as_str()) {
            advice.push(&problem.reason.advice);
        }
    }
    let many = groups.len() > 1;
    let line = |(i, (problem, nodes)): (usize, &(&Obstacle, Vec<&str>))| {
        let number = if many { format!("({}) ", i + 1) } else { String::new() };
        format!("{number}{}: {}", named(&problem.op, nodes), problem.reason.what)
    };
    let lines: Vec<String> = groups.iter().enumerate().map(line).collect();
    let before = if many {
        format!("it cannot be run, for {} reasons: ", lines.len())
    } else {
        String::new()
    };
    Error::format(path, format!("{before}{}", lines.join("; ")), advice.join("; "))
}

fn named(op: &str, nodes: &[&str]) -> String {
    let names = nodes[..nodes.len().min(NAMES)].join(", ");
    let more = match nodes.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let op = if op.is_empty() { String::new() } else { format!(" ({op})") };
    format!("{names}{more}{op}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(node: &str, op: &str, what: &str) -> Obstacle {
        let reason = Reason::new(what, format!("{what}?"));
        Obstacle { node: node.into(), op: op.into(), reason }
    }

    #[test]
    fn one_reason_is_a_sentence() {
        let error = error(Path::new("n.onnx"), &[problem("/act/Gelu", "Gelu", "is not computed")]);
        assert_eq!(error.to_string(), "n.onnx: /act/Gelu (Gelu): is not computed");
        assert_eq!(error.hint().unwrap(), "is not computed?");
    }

    #[test]
    fn nodes_with_the_same_reason_stand_together() {
        let nodes: Vec<String> = (0..10).map(|i| format!("a{i}")).collect();
        let mut all: Vec<Obstacle> = nodes.iter().map(|n| problem(n, "Erf", "no")).collect();
        all.push(problem("b", "Loop", "never"));
        let error = error(Path::new("n.onnx"), &all);
        let says = "n.onnx: it cannot be run, for 2 reasons: (1) a0, a1, a2, a3, a4, a5, a6, a7 and 2 more \
                    (Erf): no; (2) b (Loop): never";
        assert_eq!(error.to_string(), says);
        assert_eq!(error.hint().unwrap(), "no?; never?");
    }
}
