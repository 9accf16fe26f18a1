//! The sections of the page from top to bottom; a section without content is left out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};

use super::{
    headline::headline,
    provenance::{missing, provenance},
    results::results,
};
use crate::report::{
    documents::{measure::Measure, published::PublishedPoint},
    pictures::{
        chart::Chart,
        charts::{self, PerClass, TrainingRun},
        entry::{Condition, Entry, conditions, maps, measure, network, sweeps},
        source::Source,
        svg::Style,
    },
    words,
};

/// A section of the page.
pub(super) struct Section {
    title: String,
    parts: Vec<Piece>,
}

/// A piece of a section.
enum Piece {
    /// Words, tables, pictures of images.
    Html(Markup),
    /// A chart of the page's whole width, or several beside each other, each with a name that no other has.
    Charts(Vec<(String, Chart)>),
    /// Parts with a title that unfold on a click, and in print.
    Folded(String, Vec<Self>),
}

impl Piece {
    fn chart(chart: Option<Chart>) -> Option<Self> {
        chart.map(|chart| Self::beside(vec![chart]))
    }

    fn beside(charts: Vec<Chart>) -> Self {
        Self::Charts(charts.into_iter().map(|chart| (String::new(), chart)).collect())
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Html(markup) => markup.0.is_empty(),
            Self::Charts(charts) => charts.is_empty(),
            Self::Folded(_, parts) => parts.iter().all(Self::is_empty),
        }
    }

    fn html(&self) -> Markup {
        let figures = |charts: &[(String, Chart)]| {
            html! { @for (name, chart) in charts { (chart.figure(name)) } }
        };
        match self {
            Self::Html(markup) => markup.clone(),
            Self::Charts(charts) if charts.iter().all(|(_, c)| c.is_wide()) => figures(charts),
            Self::Charts(charts) => html! { div.pair { (figures(charts)) } },
            Self::Folded(title, parts) => html! {
                details {
                    summary { (title) }
                    @for part in parts { (part.html()) }
                }
            },
        }
    }

    fn charts(&mut self) -> Vec<&mut (String, Chart)> {
        match self {
            Self::Html(_) => Vec::new(),
            Self::Charts(charts) => charts.iter_mut().collect(),
            Self::Folded(_, parts) => parts.iter_mut().flat_map(Self::charts).collect(),
        }
    }
}

/// All charts with their names, from top to bottom.
pub(super) fn charts(sections: &mut [Section]) -> impl Iterator<Item = &mut (String, Chart)> {
    sections.iter_mut().flat_map(|section| &mut section.parts).flat_map(Piece::charts)
}

/// The sections in the page.
pub(super) fn html(sections: &[Section]) -> Markup {
    html! {
        @for section in sections {
            section id=(section.title.to_lowercase()) {
                h2 { (section.title) }
                @for part in &section.parts { (part.html()) }
            }
        }
    }
}

/// All sections that have content.
pub(super) fn sections(
    entries: &[Entry<'_>],
    sources: &[Source],
    published: &[PublishedPoint],
) -> Vec<Section> {
    let conditions = conditions(entries);
    let some = !entries.is_empty();
    let section = |title: &str, parts: Vec<Piece>| Section { title: title.to_owned(), parts };
    let one = |title: &str, markup: Markup| section(title, vec![Piece::Html(markup)]);
    let mut all = vec![
        one("Result", headline(entries, sources)),
        one(
            "Numbers",
            if some {
                results(entries)
            } else {
                html! {}
            },
        ),
        section(measure(entries).title(), accuracy(entries, &conditions, published)),
        section("Training", training(entries, sources)),
        one("Images", images(sources)),
        section("Faults", faults(entries, &conditions)),
        section("Classes", classes(entries)),
        section("Sensitivity", sensitivity(entries)),
        one("Provenance", provenance(sources)),
        one("Terms", terms(entries)),
    ];
    for section in &mut all {
        section.parts.retain(|part| !part.is_empty());
    }
    all.retain(|section| !section.parts.is_empty());
    name(&mut all);
    all
}

/// Names every chart after its title; of several with one title the second is `NAME-2`.
fn name(sections: &mut [Section]) {
    let mut names: Vec<String> = Vec::new();
    for (name, chart) in charts(sections) {
        let plain = chart.title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let numbered = (2..).map(|i| format!("{plain}-{i}"));
        let mut free = std::iter::once(plain.clone()).chain(numbered);
        *name = free.find(|name| !names.contains(name)).unwrap_or_default();
        names.push(name.clone());
    }
}

fn accuracy(
    entries: &[Entry<'_>],
    conditions: &[Condition<'_>],
    published: &[PublishedPoint],
) -> Vec<Piece> {
    let (measure, sweeps) = (measure(entries), sweeps(entries));
    let mut clean: Vec<f64> = Vec::new();
    for ca in entries.iter().map(|entry| entry.evaluation.clean.accuracy) {
        if !clean.contains(&ca) {
            clean.push(ca);
        }
    }
    let charts = [
        charts::bars(conditions, measure),
        charts::sweep(&sweeps, clean, measure),
        charts::energy(entries, &sweeps, published, measure),
    ];
    charts.into_iter().filter_map(Piece::chart).collect()
}

fn training(entries: &[Entry<'_>], sources: &[Source]) -> Vec<Piece> {
    let there = sources.iter().filter(|s| !s.events.is_empty());
    let several = sources.iter().filter(|s| s.folder).count() > 1;
    let runs: Vec<TrainingRun<'_>> = there
        .enumerate()
        .map(|(i, source)| {
            // A run has the colour of its evaluation.
            let entry = entries.iter().find(|e| std::ptr::eq(e.source, source));
            let style = entry.map_or(Style::of(i), |e| e.style);
            TrainingRun {
                label: if several { &source.name } else { "" },
                style,
                events: &source.events,
            }
        })
        .collect();
    let without = sources.iter().filter(|s| s.folder && s.events.is_empty());
    let without = without.map(|s| missing(s, "metrics.jsonl", "its training cannot be shown"));
    let charts = Piece::beside(charts::training(&runs));
    std::iter::once(charts).chain(without.map(Piece::Html)).collect()
}

fn images(sources: &[Source]) -> Markup {
    let alt = "Test images, what NeuralFuse makes of them, the difference, and the answers of \
               the faulty network to both";
    html! {
        @for source in sources {
            @if let Some(png) = &source.picture {
                figure.picture {
                    @if sources.len() > 1 { h3 { (source.name) } }
                    div.white {
                        img src=(format!("data:image/png;base64,{}", STANDARD.encode(png))) alt=(alt);
                    }
                    figcaption {
                        "The faulty network’s answers below: to the image as it is, and behind NeuralFuse. "
                        "The difference is enlarged by the factor beside it."
                    }
                }
            } @else if source.folder {
                (missing(source, "images.png", "there are no pictures to show"))
            }
        }
    }
}

/// Puts parts under a title. The first of several is always visible, the others fold; a part that is alone needs
/// no title. The charts, too, say what they are of.
fn titled(title: String, first: bool, several: bool, mut parts: Vec<Piece>) -> Vec<Piece> {
    if several || !first {
        for (_, chart) in parts.iter_mut().flat_map(Piece::charts) {
            chart.of.clone_from(&title);
        }
    }
    match first {
        false => vec![Piece::Folded(title, parts)],
        true if several => {
            std::iter::once(Piece::Html(html! { p.of { (title) } })).chain(parts).collect()
        }
        true => parts,
    }
}

fn faults(entries: &[Entry<'_>], conditions: &[Condition<'_>]) -> Vec<Piece> {
    // Evaluations under the same fault maps have the same flips, which are shown once.
    let mut shown: Vec<&[u64]> = Vec::new();
    let mut all = Vec::new();
    for entry in entries {
        for p in &entry.evaluation.perturbed {
            let f = &p.flipped_bits;
            let known = f.each.is_empty() || shown.contains(&f.each.as_slice());
            if known || f.each.iter().all(|&n| n == 0) {
                continue;
            }
            let (rate, faults) = (words::rate(p.ber()), words::faults(p));
            let (model, maps) = (network(entry, entries), maps(p));
            let title = format!("{model}: {rate} faulty cells, {faults}, {maps}");
            let charts = Piece::beside(charts::flips(p, entry.evaluation.precision));
            all.extend(titled(title, shown.is_empty(), conditions.len() > 1, vec![charts]));
            shown.push(&f.each);
        }
    }
    all
}

fn classes(entries: &[Entry<'_>]) -> Vec<Piece> {
    let counted = |e: &Entry<'_>| {
        let all = e.evaluation.perturbed.iter();
        all.filter(|p| p.classes.is_some() || p.classes_nf.is_some()).count()
    };
    let several = entries.iter().map(counted).sum::<usize>() > 1;
    let mut all = Vec::new();
    for entry in entries {
        let e = entry.evaluation;
        for p in &e.perturbed {
            let (bare, fused) = (p.classes.as_ref(), p.classes_nf.as_ref());
            if bare.or(fused).is_none() {
                continue;
            }
            let (names, clean) = (e.dataset.classes.as_slice(), e.clean.classes.as_ref());
            let (style, measure) = (entry.style, e.dataset.measure());
            let per_class = PerClass { names, bare, fused, clean, style, measure };
            let (rate, faults) = (words::rate(p.ber()), words::faults(p));
            let title = format!("{}: {rate} faulty cells, {faults}", entry.label);
            let whole = Piece::chart(charts::classes(&per_class));
            let matrices = Piece::beside(charts::confusion(&per_class));
            let parts = whole.into_iter().chain([matrices]).collect();
            all.extend(titled(title, all.is_empty(), several, parts));
        }
    }
    all
}

fn sensitivity(entries: &[Entry<'_>]) -> Vec<Piece> {
    let studies = entries.iter().filter_map(|e| Some((e, e.evaluation.sensitivity.as_ref()?)));
    let (mut shown, mut all) = (Vec::new(), Vec::new());
    for (entry, s) in studies {
        // A study without a generator is about the base network alone, so other evaluations may
        // have the same one.
        if shown.contains(&s) {
            continue;
        }
        let (of, style) = match s.with_generator {
            true => (format!("behind {}", entry.label), entry.style),
            false => (format!("{} alone", entry.evaluation.base.model), Style::NEUTRAL),
        };
        let maps = words::several(s.seeds.len(), "map", "maps");
        let title = format!("{of}: {}, {} faulty cells, {maps}", s.faults, words::rate(s.ber));
        let measure = entry.evaluation.dataset.measure();
        let pair = Piece::beside(charts::sensitivity(s, style, measure));
        let parts = [Some(pair), Piece::chart(charts::protection(s, measure))];
        let parts = parts.into_iter().flatten().collect();
        all.extend(titled(title, shown.is_empty(), true, parts));
        shown.push(s);
    }
    all
}

fn terms(entries: &[Entry<'_>]) -> Markup {
    let measured = match measure(entries) {
        Measure::Accuracy => "Accuracy with clean and with perturbed (faulty) weights.",
        Measure::Agreement => {
            "Agreement with clean and with perturbed (faulty) weights: the images have no labels; right is what \
             the network answers without faults and NeuralFuse."
        }
        Measure::Both => {
            "Accuracy with clean and with perturbed (faulty) weights; of images without labels, how often the \
             answer is that of the network without faults and NeuralFuse."
        }
    };
    let terms = [
        ("BER", "Probability that a memory cell is faulty."),
        ("CA, PA", measured),
        ("CA(NF), PA(NF)", "The same with NeuralFuse, a small generator, in front of the network."),
        ("RP", "Recovery: PA(NF) less PA, in percentage points."),
        (
            "Energy",
            "Of the accesses to the weight memory for one image: the network’s at the low voltage, the \
             generator’s at the nominal one.",
        ),
        ("Fault map", "Which cells are faulty and what they do; a seed stands for a map."),
        (
            "Bits changed",
            "Stored bits that read other than written: a stuck cell may hold the right bit.",
        ),
    ];
    html! { dl { @for (term, meaning) in terms { dt { (term) } dd { (meaning) } } } }
}
