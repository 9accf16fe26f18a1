//! Prepares the evaluations of all sources for comparison: which of them are compared, and with which names
//! and colours.

use super::{source::Source, svg::Style};
use crate::report::{
    documents::{
        eval_json::{Evaluation, Perturbed, Savings, Spread},
        measure::Measure,
    },
    words,
};

/// An evaluation with a name that differs from those of all others.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    /// Name of the generator, and whatever else distinguishes it from the others.
    pub(crate) label: String,
    /// Colour of the generator.
    pub(crate) style: Style,
    /// What was measured.
    pub(crate) evaluation: &'a Evaluation,
    /// The source of the evaluation.
    pub(crate) source: &'a Source,
}

/// All evaluations, in the order of the sources.
pub(crate) fn entries(sources: &[Source]) -> Vec<Entry<'_>> {
    let all = sources.iter().flat_map(|s| s.evaluations.iter().map(move |e| (s, e)));
    let all: Vec<(&Source, &Evaluation)> = all.collect();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (i, &(source, evaluation)) in all.iter().enumerate() {
        let differs = |of: &dyn Fn(&Source, &Evaluation) -> String| {
            let own = of(source, evaluation);
            all.iter().any(|(s, e)| of(s, e) != own).then_some(own)
        };
        // Several generators of one name in one document are distinguished by their files.
        let file = |e: &Evaluation| e.given.generator.as_ref().map(|g| g.display().to_string());
        let namesake = source
            .evaluations
            .iter()
            .any(|e| generator(e) == generator(evaluation) && file(e) != file(evaluation));
        let parts = [
            Some(generator(evaluation)),
            file(evaluation).filter(|_| namesake),
            differs(&|_, e| e.base.model.clone()),
            namesake_file(evaluation, all.iter().map(|(_, e)| *e)),
            differs(&|_, e| e.dataset.name.clone()),
            differs(&|_, e| images(e)),
            differs(&|_, e| format!("{} bits", e.precision)),
            differs(&|_, e| dtype(e).to_owned()),
            differs(&|s, _| s.name.clone()),
        ];
        let label = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
        let label = numbered(label, entries.iter().map(|e| e.label.as_str()));
        entries.push(Entry { label, style: Style::of(i), evaluation, source });
    }
    entries
}

/// A name with a number behind it, if it is among those that are taken.
pub(crate) fn numbered<'n>(name: String, taken: impl Iterator<Item = &'n str>) -> String {
    let with_number = format!("{name} #");
    match taken.filter(|other| *other == name || other.starts_with(&with_number)).count() {
        0 => name,
        same => format!("{with_number}{}", same + 1),
    }
}

/// What tells the base network of an evaluation from another file of a network of the same name.
fn namesake_file<'e>(
    e: &Evaluation,
    mut all: impl Iterator<Item = &'e Evaluation>,
) -> Option<String> {
    let base = &e.base;
    let other = all.any(|o| o.base.model == base.model && o.base.file_sha256 != base.file_sha256);
    other.then(|| format!("file {}", base.file_sha256.get(..8).unwrap_or(&base.file_sha256)))
}

/// The base network of an entry, told from namesakes.
pub(crate) fn network(entry: &Entry<'_>, all: &[Entry<'_>]) -> String {
    let file = namesake_file(entry.evaluation, all.iter().map(|e| e.evaluation));
    let file = file.map_or_else(String::new, |file| format!(" ({file})"));
    format!("{}{file}", entry.evaluation.base.model)
}

/// The precision of products; documents that do not say are of f32.
fn dtype(e: &Evaluation) -> &str {
    e.dtype.as_deref().unwrap_or("f32")
}

fn generator(e: &Evaluation) -> String {
    e.generator.as_ref().map_or_else(|| "no generator".into(), |g| g.name.clone())
}

/// Whether the evaluations measured accuracy, agreement, or both.
pub(crate) fn measure(entries: &[Entry<'_>]) -> Measure {
    Measure::all(entries.iter().map(|entry| entry.evaluation.dataset.measure()))
}

/// The images in words.
pub(crate) fn images(e: &Evaluation) -> String {
    e.dataset.words(words::count)
}

impl Entry<'_> {
    /// Whether a generator was in front.
    pub(crate) fn has_generator(&self) -> bool {
        self.evaluation.generator.is_some()
    }
}

/// Faults that several evaluations have in common: the same base network on the same images under the same
/// fault maps.
#[derive(Clone, Debug)]
pub(crate) struct Condition<'a> {
    /// Name of the condition, with the properties that distinguish it.
    pub(crate) name: String,
    /// Name, clean accuracy and accuracy under faults without a generator; evaluations with equal accuracies
    /// share an entry.
    pub(crate) bare: Vec<(String, f64, &'a Spread)>,
    /// Evaluations with a generator, and their accuracies.
    pub(crate) fused: Vec<(&'a Entry<'a>, &'a Perturbed, &'a Spread)>,
}

/// Identifies what two measurements must share to be compared: everything except the generator.
fn key(e: &Evaluation, p: &Perturbed) -> String {
    let (b, d) = (&e.base, &e.dataset);
    format!(
        "{}/{} {}/{:?}/{:?} {} {} {} {} {:?}",
        b.model,
        b.file_sha256,
        d.name,
        d.which(),
        d.labels,
        e.precision,
        dtype(e),
        p.faults.memory_id(),
        p.ber(),
        p.seeds
    )
}

/// All conditions, in the order of their first appearance.
pub(crate) fn conditions<'a>(entries: &'a [Entry<'a>]) -> Vec<Condition<'a>> {
    let all = || entries.iter().flat_map(|e| e.evaluation.perturbed.iter().map(move |p| (e, p)));
    let mut keys: Vec<String> = Vec::new();
    let mut conditions: Vec<Condition<'a>> = Vec::new();
    for (entry, p) in all() {
        let key = key(entry.evaluation, p);
        let at = keys.iter().position(|k| *k == key).unwrap_or_else(|| {
            keys.push(key);
            let name = named(entry, p, &all().collect::<Vec<_>>());
            let name = numbered(name, conditions.iter().map(|c| c.name.as_str()));
            conditions.push(Condition { name, bare: Vec::new(), fused: Vec::new() });
            conditions.len() - 1
        });
        let condition = &mut conditions[at];
        let clean = entry.evaluation.clean.accuracy;
        if !condition.bare.iter().any(|b| b.1 == clean && b.2.each == p.accuracy.each) {
            let name = match condition.bare.is_empty() {
                true => "without NeuralFuse".into(),
                false => format!("without, {}", entry.label),
            };
            condition.bare.push((name, clean, &p.accuracy));
        }
        condition.fused.extend(p.accuracy_nf.as_ref().map(|nf| (entry, p, nf)));
    }
    conditions
}

/// The fault maps of a measurement: how many, and of which seeds.
pub(super) fn maps(p: &Perturbed) -> String {
    let count = words::several(p.seeds.len(), "map", "maps");
    match p.seeds.as_slice() {
        _ if p.faults.measured().is_some() => count,
        [one] => format!("map of seed {one}"),
        seeds => format!("{count}, seeds {}", words::seeds(seeds)),
    }
}

/// Rate and faults, and the other properties in which these measurements differ.
fn named(entry: &Entry<'_>, p: &Perturbed, all: &[(&Entry<'_>, &Perturbed)]) -> String {
    let alike = all.iter().all(|(_, other)| other.seeds == p.seeds);
    let several = words::several(p.seeds.len(), "map", "maps");
    let differs = |of: &dyn Fn(&Evaluation, &Perturbed) -> String| {
        let own = of(entry.evaluation, p);
        all.iter().any(|(e, p)| of(e.evaluation, p) != own).then_some(own)
    };
    let parts = [
        differs(&|e, _| e.base.model.clone()),
        namesake_file(entry.evaluation, all.iter().map(|(e, _)| e.evaluation)),
        differs(&|e, _| e.dataset.name.clone()),
        differs(&|e, _| images(e)),
        differs(&|e, _| format!("{} bits", e.precision)),
        differs(&|e, _| dtype(e).to_owned()),
        Some(format!("{} faulty cells", words::rate(p.ber()))),
        Some(words::faults(p)),
        Some(if alike && p.seeds.len() > 1 { several } else { maps(p) }),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Accuracies at several fault rates, with all else equal.
#[derive(Clone, Debug)]
pub(crate) struct Sweep<'a> {
    /// Name in the legend.
    pub(crate) label: String,
    /// Colour of the line.
    pub(crate) style: Style,
    /// Rate, accuracy and the whole measurement, sorted by increasing rate.
    pub(crate) points: Vec<(f64, &'a Spread, &'a Perturbed)>,
    /// Savings at these points, where they are known.
    pub(crate) savings: Vec<Option<Savings>>,
}

/// A line for each generator, and one for the bare network, which evaluations with equal accuracies share.
pub(crate) fn sweeps<'a>(entries: &'a [Entry<'a>]) -> Vec<Sweep<'a>> {
    let (mut bare, mut fused): (Vec<Sweep<'a>>, Vec<Sweep<'a>>) = (Vec::new(), Vec::new());
    for entry in entries {
        let all = &entry.evaluation.perturbed;
        let setting = |p: &Perturbed| format!("{} {:?}", p.faults.memory_id(), p.seeds);
        let mut settings: Vec<String> = all.iter().map(&setting).collect();
        settings.dedup();
        settings.sort();
        settings.dedup();
        for (i, own) in settings.iter().enumerate() {
            let mut there: Vec<&Perturbed> = all.iter().filter(|p| setting(p) == *own).collect();
            there.sort_by(|a, b| a.ber().total_cmp(&b.ber()));
            let suffix = match (settings.len(), there.first()) {
                (2.., Some(p)) => format!(" · {}, {}", words::faults(p), words::seeds(&p.seeds)),
                _ => String::new(),
            };
            let sweep = |of: &dyn Fn(&'a Perturbed) -> Option<&'a Spread>, label, style| {
                let there = there.iter().filter_map(|p| Some((p.ber(), of(p)?, *p)));
                let points: Vec<_> = there.collect();
                let savings = points.iter().map(|p| entry.evaluation.savings(p.2)).collect();
                Sweep { label, style, points, savings }
            };
            let style = Style { light: i % 2 == 1, ..entry.style };
            let nf = sweep(&|p| p.accuracy_nf.as_ref(), format!("{}{suffix}", entry.label), style);
            fused.extend((!nf.points.is_empty()).then_some(nf));
            let alone = sweep(&|p| Some(&p.accuracy), String::new(), Style::NEUTRAL.light());
            let known = bare.iter().position(|b| {
                let values = |s: &Sweep<'_>| -> Vec<(f64, Vec<f64>)> {
                    s.points.iter().map(|p| (p.0, p.1.each.clone())).collect()
                };
                values(b) == values(&alone)
            });
            if known.is_none() {
                let label = format!("{}{suffix}", entry.label);
                bare.push(Sweep { label, ..alone });
            }
        }
    }
    // A single grey line needs no name; of several, each is named after its evaluation.
    let only = bare.len() == 1;
    for line in &mut bare {
        line.label = match only {
            true => "without NeuralFuse".into(),
            false => format!("without NeuralFuse ({})", line.label),
        };
    }
    bare.into_iter().chain(fused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::{EvaluatedGenerator, FlippedBits, sample, stuck_at};
    use serde_json::json;

    fn other(name: &str) -> Evaluation {
        let (name, file_sha256) = (name.into(), "22".into());
        let generator = Some(EvaluatedGenerator { name, file_sha256 });
        Evaluation { generator, ..sample() }
    }

    #[test]
    fn labels_say_what_differs_and_are_never_the_same() {
        let labels = |sources: &[Source]| -> Vec<String> {
            entries(sources).into_iter().map(|e| e.label).collect()
        };
        assert_eq!(labels(&[Source::new("a", vec![sample()])]), ["ConvL"]);
        let two = vec![sample(), other("UNetS"), other("UNetS"), other("UNetS")];
        assert_eq!(labels(&[Source::new("a", two)]), ["ConvL", "UNetS", "UNetS #2", "UNetS #3"]);
        let bare = Evaluation { generator: None, precision: 4, ..sample() };
        let sources = [Source::new("a", vec![sample()]), Source::new("b", vec![bare])];
        assert_eq!(labels(&sources), ["ConvL · 8 bits · a", "no generator · 4 bits · b"]);
    }

    #[test]
    fn generators_under_the_same_faults_share_a_condition_and_its_bare_network() {
        let mut chip = other("UNetL");
        chip.perturbed[0].seeds = vec![1, 2];
        let source = [Source::new("a", vec![sample(), other("UNetS"), chip])];
        let entries = entries(&source);
        let conditions = conditions(&entries);
        let counts: Vec<_> = conditions.iter().map(|c| (c.bare.len(), c.fused.len())).collect();
        assert_eq!(counts, [(1, 2), (1, 1)]);
        assert!(conditions[0].name.starts_with("1\u{a0}% faulty cells · stuck-at"));
    }

    #[test]
    fn what_differs_is_no_common_condition() {
        let pattern = |rate: f64| {
            let pattern =
                json!({"rows": 64, "columns": 64, "cell": [{"rate": rate, "effect": "flip"}]});
            let faults = json!({"faults": "pattern", "ber": 0.01, "pattern": pattern});
            let mut e = sample();
            e.perturbed[0].faults = serde_json::from_value(faults).unwrap();
            e
        };
        let half = Evaluation { dtype: Some("f16".into()), ..sample() };
        let mut retrained = sample();
        retrained.base.file_sha256 = "0123456789".into();
        for [one, other] in
            [[pattern(0.01), pattern(0.02)], [sample(), half], [sample(), retrained]]
        {
            let source = [Source::new("a", vec![one, other])];
            let entries = entries(&source);
            let conditions = conditions(&entries);
            let names: Vec<&str> = conditions.iter().map(|c| c.name.as_str()).collect();
            assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
        }
    }

    #[test]
    fn a_sweep_rises_and_the_bare_one_is_shared() {
        let with = |mut e: Evaluation| {
            let [pa, nf] = [[60.0, 70.0], [85.0, 89.0]];
            let flips = FlippedBits::default();
            let seeds = [50_000, 50_001];
            e.perturbed.push(Perturbed::new(stuck_at(0.005), &seeds, &pa, Some(&nf), flips));
            e
        };
        let source = [Source::new("a", vec![with(sample()), with(other("UNetS"))])];
        let entries = entries(&source);
        let sweeps = sweeps(&entries);
        let labels: Vec<_> = sweeps.iter().map(|s| s.label.as_str()).collect();
        assert_eq!(labels, ["without NeuralFuse", "ConvL", "UNetS"]);
        for sweep in &sweeps {
            let rates: Vec<_> = sweep.points.iter().map(|p| p.0).collect();
            assert_eq!(rates, [0.005, 0.01]);
        }
    }
}
