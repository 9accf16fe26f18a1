//! The choices of a run, as its log, settings and checkpoint record them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The candidate that was chosen for each question, by the question's text.
///
/// A question begins with its subject (`conv2d`), a candidate with its name (`subgroup8@8`: the
/// variant, and the size of its workgroups).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices(pub BTreeMap<String, String>);

impl Choices {
    /// One line: `conv2d subgroup8@8 (12 shapes), plain@64 (3); ...`, the most used first.
    pub fn summary(&self) -> String {
        let mut subjects: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for (question, choice) in &self.0 {
            let subject = question.split(' ').next().unwrap_or_default();
            *subjects.entry(subject).or_default().entry(choice).or_default() += 1;
        }
        let of = |(subject, counts): (&str, BTreeMap<&str, usize>)| {
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
            let plural = |n: usize| if n == 1 { "shape" } else { "shapes" };
            let parts: Vec<String> =
                counts.iter().map(|(name, n)| format!("{name} ({n} {})", plural(*n))).collect();
            format!("{subject} {}", parts.join(", "))
        };
        subjects.into_iter().map(of).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_shapes() {
        let pairs = [
            ("conv2d 3x3 a", "plain@64"),
            ("conv2d 3x3 b", "subgroup8@8"),
            ("conv2d 1x1", "subgroup8@8"),
            ("conv2d_grad_weight 3x3", "plain@64"),
        ];
        let choices = Choices(pairs.map(|(k, v)| (k.into(), v.into())).into());
        assert_eq!(
            choices.summary(),
            "conv2d subgroup8@8 (2 shapes), plain@64 (1 shape); conv2d_grad_weight plain@64 (1 shape)"
        );
        let text = serde_json::to_string(&choices).unwrap();
        assert_eq!(serde_json::from_str::<Choices>(&text).unwrap(), choices);
    }
}
