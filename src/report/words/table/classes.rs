//! Tables of the accuracy of each class, and of confusions between classes.

use super::{Table, named};
use crate::report::{
    documents::eval_json::{ClassCounts, Evaluation},
    words::wrap::paragraph,
};

/// Maximum number of classes for a confusion matrix; of more classes the most frequent confusions are listed.
const MATRIX: usize = 50;
/// Maximum number of listed confusions per class.
const LISTED: usize = 5;

/// The counts per class under one condition, alone and behind the generator.
struct Counted<'a> {
    /// Number of the condition: 0 without faults, from 1 on the fault models and rates.
    number: usize,
    title: String,
    alone: Option<&'a ClassCounts>,
    behind: Option<&'a ClassCounts>,
}

/// The counts without faults, then those under each fault model and rate.
fn counted(e: &Evaluation) -> Vec<Counted<'_>> {
    let (alone, behind) = (e.clean.classes.as_ref(), e.clean.classes_nf.as_ref());
    let clean = Counted { number: 0, title: "without faults".into(), alone, behind };
    let perturbed = e.perturbed.iter().enumerate().map(|(i, p)| {
        let (alone, behind) = (p.classes.as_ref(), p.classes_nf.as_ref());
        let maps = match p.seeds.len() {
            1 => "one map".to_owned(),
            n => format!("{n} maps"),
        };
        let (faults, ber) = named(p);
        Counted { number: i + 1, title: format!("{faults}, BER {ber}, {maps}"), alone, behind }
    });
    let there = |c: &Counted<'_>| c.alone.is_some() || c.behind.is_some();
    std::iter::once(clean).chain(perturbed).filter(there).collect()
}

fn name(e: &Evaluation, class: usize) -> String {
    // Behind the classes are images that got no answer.
    if class > 0 && class == e.dataset.classes.len() {
        return "no answer".into();
    }
    e.dataset
        .classes
        .get(class)
        .map_or_else(|| format!("class {class}"), |name| format!("{class} {name}"))
}

/// A table of accuracies in per cent with a row per class: CA, then PA for each fault model and rate, each
/// followed by its value behind the generator. Empty if nothing was counted.
pub fn per_class(e: &Evaluation, width: usize) -> String {
    let counted = counted(e);
    let classes = counted.iter().flat_map(|c| [c.alone, c.behind]).flatten();
    let n = classes.map(|c| c.accuracy.len()).max().unwrap_or(0);
    let mut columns: Vec<(String, &ClassCounts)> = Vec::new();
    for c in &counted {
        let what = if c.number == 0 { "CA".into() } else { format!("PA {}", c.number) };
        columns.extend(c.alone.map(|counts| (what.clone(), counts)));
        columns.extend(c.behind.map(|counts| (what.replacen('A', "A(NF)", 1), counts)));
    }
    if columns.is_empty() {
        return String::new();
    }
    let mut text = format!("{} of each class, in per cent\n", e.dataset.measure().word());
    for c in counted.iter().filter(|c| c.number > 0) {
        text += &paragraph(&format!("PA {}: {}", c.number, c.title), width, 2);
        text.push('\n');
    }
    let titles = columns.iter().map(|(title, _)| title.clone());
    let mut table = Table::new(std::iter::once("class".to_owned()).chain(titles));
    for class in 0..n {
        let cell = |counts: &ClassCounts| {
            let accuracy = counts.accuracy.get(class).copied().flatten();
            accuracy.map_or_else(|| "-".into(), |a| format!("{a:.1}"))
        };
        let cells = columns.iter().map(|(_, counts)| cell(counts));
        table.row(std::iter::once(name(e, class)).chain(cells));
    }
    text + &format!("{table:width$}")
}

/// Confusion tables in per cent of the images of each class: one for each condition, for the network alone
/// and behind the generator. Empty if nothing was counted.
pub fn confusion(e: &Evaluation, width: usize) -> String {
    let mut tables = Vec::new();
    for c in counted(e) {
        for (counts, behind) in [(c.alone, ""), (c.behind, ", behind the generator")] {
            let Some(counts) = counts.filter(|c| !c.confusion.is_empty()) else { continue };
            let (matrix, how) = match counts.confusion.len() {
                0..=MATRIX => {
                    (matrix(e, &counts.confusion), "a row per class, a column per answer")
                }
                _ => (frequent(e, &counts.confusion), "the most frequent wrong answers"),
            };
            let title = format!("{}{behind}: {how}, in per cent of the class", c.title);
            tables.push(format!("{}\n{matrix:width$}", paragraph(&title, width, 2)));
        }
    }
    tables.join("\n")
}

/// Shares of a row in per cent; `None` for a class without images.
fn shares(row: &[u64]) -> Option<Vec<f64>> {
    let all: u64 = row.iter().sum();
    (all > 0).then(|| row.iter().map(|&n| 100.0 * n as f64 / all as f64).collect())
}

fn matrix(e: &Evaluation, counts: &[Vec<u64>]) -> Table {
    let answers = (0..counts.len()).map(|answer| answer.to_string());
    let mut table = Table::new(std::iter::once("class".to_owned()).chain(answers));
    for (class, row) in counts.iter().enumerate() {
        let shares = shares(row);
        let cell = |answer: usize| match shares.as_ref().and_then(|s| s.get(answer)) {
            None => "-".to_owned(),
            // A dot distinguishes a share of exactly 0 from one that rounds to 0.
            Some(0.0) => ".".to_owned(),
            Some(share) => format!("{share:.0}"),
        };
        table.row(std::iter::once(name(e, class)).chain((0..counts.len()).map(cell)));
    }
    table
}

fn frequent(e: &Evaluation, counts: &[Vec<u64>]) -> Table {
    let mut table = Table::new(["class", "right", "taken for"]).with_words(&[0, 2]);
    for (class, row) in counts.iter().enumerate() {
        let shares = shares(row);
        let right =
            shares.as_ref().and_then(|s| s.get(class)).map_or("-".into(), |s| format!("{s:.1}"));
        let mut wrong: Vec<(usize, f64)> =
            shares.unwrap_or_default().into_iter().enumerate().collect();
        wrong.retain(|&(answer, share)| answer != class && share > 0.0);
        wrong.sort_by(|a, b| b.1.total_cmp(&a.1));
        let more = wrong.len().saturating_sub(LISTED);
        wrong.truncate(LISTED);
        let mut words: Vec<String> = wrong
            .iter()
            .map(|&(answer, share)| format!("{} {share:.1}", name(e, answer)))
            .collect();
        words.extend((more > 0).then(|| format!("{more} more")));
        table.row([name(e, class), right, words.join(", ")]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::sample;

    /// Counts of `n` classes with ten images each, of which the last three are taken for the next two
    /// classes.
    fn counts(n: usize) -> ClassCounts {
        let row = |class: usize| {
            let mut row = vec![0; n];
            (row[class], row[(class + 1) % n]) = (7, 2);
            row[(class + 2) % n] += 1;
            row
        };
        ClassCounts::new((0..n).map(row).collect())
    }

    fn evaluation(n: usize) -> Evaluation {
        let mut e = sample();
        e.dataset.classes = (0..n).map(|class| format!("name{class}")).collect();
        let counts = counts(n);
        (e.clean.classes, e.clean.classes_nf) = (Some(counts.clone()), Some(counts.clone()));
        (e.perturbed[0].classes, e.perturbed[0].classes_nf) = (Some(counts.clone()), Some(counts));
        e
    }

    #[test]
    fn every_class_has_a_row_and_every_condition_a_column() {
        let mut e = evaluation(3);
        e.clean.classes.as_mut().unwrap().accuracy[2] = None;
        let wanted = "\
accuracy of each class, in per cent
PA 1: stuck-at, BER 0.01, 2 maps
class      CA  CA(NF)  PA 1  PA(NF) 1
───────  ────  ──────  ────  ────────
0 name0  70.0    70.0  70.0      70.0
1 name1  70.0    70.0  70.0      70.0
2 name2     -    70.0  70.0      70.0
";
        assert_eq!(per_class(&e, 80), wanted);
        e.dataset.classes.clear();
        assert!(per_class(&e, 80).contains("class 2"));
        assert_eq!(
            (per_class(&sample(), 80), confusion(&sample(), 80)),
            (String::new(), String::new())
        );
    }

    #[test]
    fn a_matrix_has_the_answers_of_a_class_in_its_row() {
        let text = confusion(&evaluation(4), 80);
        let wanted = "\
stuck-at, BER 0.01, 2 maps, behind the generator: a row per class, a column per
  answer, in per cent of the class
class     0   1   2   3
───────  ──  ──  ──  ──
0 name0  70  20  10   .
1 name1   .  70  20  10
2 name2  10   .  70  20
3 name3  20  10   .  70
";
        assert!(text.ends_with(wanted), "{text}");
        assert_eq!(text.matches("per cent").count(), 4, "{text}");
    }

    #[test]
    fn however_many_classes_there_are_the_tables_fit() {
        for n in [2, 10, 43, 100, 1000] {
            let e = evaluation(n);
            for width in [40, 80, 200] {
                let widest = |text: String| text.lines().map(|l| l.chars().count()).max().unwrap();
                assert!(widest(per_class(&e, width)) <= width, "{n} in {width}");
                assert!(widest(confusion(&e, width)) <= width, "{n} in {width}");
            }
            let last = format!("{} name{}", n - 1, n - 1);
            assert!(confusion(&e, 80).contains(&last) && per_class(&e, 80).contains(&last), "{n}");
        }
        assert!(confusion(&evaluation(100), 80).contains("1 name1 20.0, 2 name2 10.0"));
    }
}
