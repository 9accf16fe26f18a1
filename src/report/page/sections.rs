//! The sections of the page from top to bottom; a section without content is left out.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    chart::{self, PerClass, Run},
    entry::{Condition, Entry, Sweep, conditions, measure, sweeps},
    headline::headline,
    html::Html,
    provenance::{missing, provenance},
    results::results,
    source::Source,
    svg::Style,
    words,
};
use crate::report::measure::Measure;

/// Writes all sections.
pub(super) fn write(h: &mut Html, entries: &[Entry<'_>], sources: &[Source]) {
    let (conditions, sweeps) = (conditions(entries), sweeps(entries));
    section(h, "Result", |h| headline(h, entries, sources));
    if !entries.is_empty() {
        section(h, "Numbers", |h| results(h, entries));
        section(h, measure(entries).title(), |h| accuracy(h, entries, &conditions, &sweeps));
    }
    section(h, "Training", |h| training(h, entries, sources));
    section(h, "Images", |h| images(h, sources));
    section(h, "Faults", |h| faults(h, entries, &conditions));
    section(h, "Classes", |h| classes(h, entries));
    section(h, "Sensitivity", |h| sensitivity(h, entries));
    section(h, "Provenance", |h| provenance(h, sources));
    section(h, "Terms", |h| terms(h, entries));
}

/// Writes a section if `inside` writes anything.
fn section(h: &mut Html, title: &str, inside: impl FnOnce(&mut Html)) {
    let mut body = h.piece();
    inside(&mut body);
    if body.is_empty() {
        return;
    }
    let id = title.to_lowercase();
    h.element("section", &[("id", &id)], |h| {
        h.leaf("h2", &[], title);
        h.append(&body);
    });
}

fn accuracy(h: &mut Html, entries: &[Entry<'_>], c: &[Condition<'_>], sweeps: &[Sweep<'_>]) {
    let measure = measure(entries);
    chart::bars(h, c, measure);
    let mut clean: Vec<(f64, Style)> = Vec::new();
    for entry in entries {
        let ca = entry.evaluation.clean.accuracy;
        if !clean.iter().any(|c| c.0 == ca) {
            clean.push((ca, Style::NEUTRAL));
        }
    }
    chart::sweep(h, sweeps, &clean, measure);
    chart::energy(h, entries, sweeps, measure);
}

fn training(h: &mut Html, entries: &[Entry<'_>], sources: &[Source]) {
    let there = sources.iter().filter(|s| !s.events.is_empty());
    let several = sources.iter().filter(|s| s.folder).count() > 1;
    let runs: Vec<Run<'_>> = there
        .enumerate()
        .map(|(i, source)| {
            // A run has the colour of its evaluation.
            let entry = entries.iter().find(|e| std::ptr::eq(e.source, source));
            let style = entry.map_or(Style::of(i), |e| e.style);
            Run { label: if several { &source.name } else { "" }, style, events: &source.events }
        })
        .collect();
    if !runs.is_empty() {
        chart::training(h, &runs);
    }
    for source in sources.iter().filter(|s| s.folder && s.events.is_empty()) {
        missing(h, source, "metrics.jsonl", "its training cannot be shown");
    }
}

fn images(h: &mut Html, sources: &[Source]) {
    for source in sources {
        let Some(png) = &source.picture else {
            if source.folder {
                missing(h, source, "images.png", "there are no pictures to show");
            }
            continue;
        };
        h.element("figure", &[("class", &"picture")], |h| {
            if sources.len() > 1 {
                h.leaf("h3", &[], &source.name);
            }
            let data = format!("data:image/png;base64,{}", STANDARD.encode(png));
            let alt = "Test images, what NeuralFuse makes of them, the difference, and the answers of \
                       the faulty network to both";
            h.element("div", &[("class", &"paper")], |h| {
                h.empty("img", &[("src", &data), ("alt", &alt)]);
            });
            let about = "The faulty network’s answers below: to the image as it is, and behind \
                         NeuralFuse. The difference is \
                         enlarged by the factor beside it.";
            h.leaf("figcaption", &[], about);
        });
    }
}

fn faults(h: &mut Html, entries: &[Entry<'_>], conditions: &[Condition<'_>]) {
    // Evaluations under the same fault maps have the same flips, which are shown once.
    let mut shown: Vec<&[u64]> = Vec::new();
    for entry in entries {
        for p in &entry.evaluation.perturbed {
            let f = &p.flipped_bits;
            let known = f.each.is_empty() || shown.contains(&f.each.as_slice());
            if known || f.each.iter().all(|&n| n == 0) {
                continue;
            }
            shown.push(&f.each);
            let title = format!("{} faulty cells, {}", words::rate(p.ber()), words::faults(p));
            let maps = words::several(p.seeds.len(), "map", "maps");
            let draw = |h: &mut Html| chart::flips(h, p, entry.evaluation.precision);
            folded(h, shown.len() > 1, &format!("{title}, {maps}"), conditions.len() > 1, draw);
        }
    }
}

/// Writes a part. The first of several is always visible; the others unfold on a click, and in print.
fn folded(h: &mut Html, fold: bool, title: &str, several: bool, inside: impl FnOnce(&mut Html)) {
    if fold {
        h.element("details", &[], |h| {
            h.leaf("summary", &[], title);
            inside(h);
        });
    } else {
        if several {
            h.leaf("p", &[("class", &"of")], title);
        }
        inside(h);
    }
}

fn classes(h: &mut Html, entries: &[Entry<'_>]) {
    let with = |e: &Entry<'_>| {
        let counted = e.evaluation.perturbed.iter();
        counted.filter(|p| p.classes.is_some() || p.classes_nf.is_some()).count()
    };
    let all: usize = entries.iter().map(with).sum();
    let mut shown = 0;
    for entry in entries {
        let e = entry.evaluation;
        for p in &e.perturbed {
            if p.classes.is_none() && p.classes_nf.is_none() {
                continue;
            }
            let (bare, fused) = (p.classes.as_ref(), p.classes_nf.as_ref());
            let (names, clean) = (e.dataset.classes.as_slice(), e.clean.classes.as_ref());
            let (style, measure) = (entry.style, e.dataset.measure());
            let per_class = PerClass { names, bare, fused, clean, style, measure };
            let (rate, faults) = (words::rate(p.ber()), words::faults(p));
            let title = format!("{}: {rate} faulty cells, {faults}", entry.label);
            folded(h, shown > 0, &title, all > 1, |h| {
                chart::classes(h, &per_class);
                chart::confusion(h, &per_class);
            });
            shown += 1;
        }
    }
}

fn sensitivity(h: &mut Html, entries: &[Entry<'_>]) {
    let all = || entries.iter().filter_map(|e| Some((e, e.evaluation.sensitivity.as_ref()?)));
    let mut shown = Vec::new();
    for (entry, s) in all() {
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
        folded(h, !shown.is_empty(), &title, true, |h| {
            let measure = entry.evaluation.dataset.measure();
            chart::sensitivity(h, s, style, measure);
            chart::protection(h, s, measure);
        });
        shown.push(s);
    }
}

fn terms(h: &mut Html, entries: &[Entry<'_>]) {
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
    h.element("dl", &[], |h| {
        for (term, meaning) in [
            ("BER", "Probability that a memory cell is faulty."),
            ("CA, PA", measured),
            (
                "CA(NF), PA(NF)",
                "The same with NeuralFuse, a small generator, in front of the network.",
            ),
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
        ] {
            h.leaf("dt", &[], term);
            h.leaf("dd", &[], meaning);
        }
    });
}
