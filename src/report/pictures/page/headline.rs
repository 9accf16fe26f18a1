//! The main results in plain words and a few large numbers.

use maud::{Markup, html};

use crate::report::{
    documents::{
        eval_json::{Perturbed, Spread},
        event::Event,
    },
    pictures::{
        entry::{self, Condition, Entry, conditions},
        source::Source,
    },
    words::{self, saving},
};

/// Maximum number of conditions of a comparison that are described in words; the table has all.
const TOLD: usize = 12;

/// The result of one evaluation or, for several, the best of each condition.
pub(super) fn headline(entries: &[Entry<'_>], sources: &[Source]) -> Markup {
    html! {
        @match entries {
            [] => {}
            [one] => (single(one)),
            _ => (comparison(entries)),
        }
        @for source in sources.iter().filter(|s| s.evaluations.is_empty()) {
            p.missing { (unfinished(source)) }
        }
    }
}

fn single(entry: &Entry<'_>) -> Markup {
    let e = entry.evaluation;
    let on = format!("{} on {}", e.base.model, e.dataset.name);
    let Some((first, others)) = e.perturbed.split_first() else {
        let with = e
            .clean
            .accuracy_nf
            .map_or(String::new(), |nf| format!(", {} behind {}", words::percent(nf), entry.label));
        let ca = words::percent(e.clean.accuracy);
        return html! { p.lead { (format!("{on}: {ca} without faults{with}.")) } };
    };
    html! {
        p.lead { (told(entry, first, &on)) }
        @if let Some(note) = e.dataset.measure().note() {
            p.note { (format!("What counts: {note}.")) }
        }
        div.tiles { (tiles(entry, first)) }
        @if !others.is_empty() {
            ul.others { @for p in others { li { (short(p)) } } }
        }
    }
}

/// The result at one fault rate as sentences.
fn told(entry: &Entry<'_>, p: &Perturbed, on: &str) -> String {
    let clean = &entry.evaluation.clean;
    let [ca, pa] = [clean.accuracy, p.accuracy.mean].map(words::percent);
    let maps = words::several(p.seeds.len(), "fault map", "fault maps");
    let (rate, faults) = (words::rate(p.ber()), words::faults(p));
    let mut text = format!(
        "With {rate} of the weight memory’s cells faulty ({faults}, {maps}), {on} falls from {ca} to {pa}."
    );
    if let Some(nf) = &p.accuracy_nf {
        let (name, to) = (&entry.label, words::percent(nf.mean));
        let gain = words::points(nf.mean - p.accuracy.mean);
        text += &format!(" Behind {name} the same faulty network reaches {to}: {gain} points");
        text += &match wins(&p.accuracy, nf) {
            Some((wins, n)) => format!(", better on {wins} of {n} fault maps."),
            None => ".".into(),
        };
    }
    if let Some(nf) = clean.accuracy_nf {
        let (nf, change) = (words::percent(nf), words::points(nf - clean.accuracy));
        text += &format!(" Without faults it reaches {nf} ({change} points).");
    }
    if let Some(gained) = saving::gained(entry.evaluation, p, &entry.label) {
        text += &format!(" {}", words::unbroken(&gained));
    }
    text
}

/// Number of fault maps on which the generator helps, and number of maps.
fn wins(bare: &Spread, nf: &Spread) -> Option<(usize, usize)> {
    let n = nf.each.len();
    if n < 2 || bare.each.len() != n {
        return None;
    }
    Some((bare.each.iter().zip(&nf.each).filter(|(b, nf)| nf > b).count(), n))
}

fn tiles(entry: &Entry<'_>, p: &Perturbed) -> Markup {
    let clean = &entry.evaluation.clean;
    let measured = |title: String, from: f64, to: Option<f64>| match to {
        Some(to) => {
            let note = format!("{} points with NeuralFuse", words::points(to - from));
            tile(&title, Some(words::percent(from)), &words::percent(to), &note)
        }
        None => tile(&title, None, &words::percent(from), ""),
    };
    let what = entry.evaluation.dataset.measure().title();
    let at_rate = format!("{what} at {} faulty cells", words::rate(p.ber()));
    let flips = &p.flipped_bits;
    let each = flips.each.iter().sum::<u64>() / flips.each.len().max(1) as u64;
    let note = format!("{} in a fault map", words::count(each));
    let savings = entry.evaluation.savings(p).unwrap_or_default();
    html! {
        (measured(at_rate, p.accuracy.mean, p.accuracy_nf.as_ref().map(|s| s.mean)))
        (measured(format!("{what} without faults"), clean.accuracy, clean.accuracy_nf))
        (tile("Stored bits that changed", None, &words::share(flips.mean_rate), &note))
        @if let Some(saving) = savings.behind.or(savings.alone) {
            @let voltage = savings.voltage.map(|v| format!("at {} Vmin", words::short(v)));
            @let voltage = voltage.unwrap_or_else(|| "than at nominal voltage".into());
            @let alone = savings.alone.filter(|_| savings.behind.is_some());
            @let alone = alone.map(|v| format!("; without NeuralFuse {}", words::saving(v)));
            @let note = voltage + &alone.unwrap_or_default();
            (tile("Energy of weight memory", None, &words::saving(saving), &note))
        }
    }
}

fn tile(title: &str, from: Option<String>, to: &str, note: &str) -> Markup {
    html! {
        div.tile {
            p.what { (title) }
            p.number {
                @if let Some(from) = from { span.from { (from) " →" } " " }
                strong { (to) }
            }
            p.note { (note) }
        }
    }
}

fn short(p: &Perturbed) -> String {
    let (rate, faults) = (words::rate(p.ber()), words::faults(p));
    let pa = words::percent(p.accuracy.mean);
    match &p.accuracy_nf {
        Some(nf) => {
            let (to, gain) = (words::percent(nf.mean), words::points(nf.mean - p.accuracy.mean));
            format!("At {rate} ({faults}): {pa} → {to}, {gain} points")
        }
        None => format!("At {rate} ({faults}): {pa}"),
    }
}

fn comparison(entries: &[Entry<'_>]) -> Markup {
    let conditions = conditions(entries);
    html! {
        @if let Some(text) = different_images(entries) { p.missing { (text) } }
        ul.lead {
            @for condition in conditions.iter().take(TOLD) {
                li { span.condition { (condition.name) } " " span { (best(condition)) } }
            }
        }
        @if conditions.len() > TOLD {
            p.note { (format!("{} more in the table.", conditions.len() - TOLD)) }
        }
    }
}

/// A warning for evaluations on different images, whose accuracies should not be compared directly.
fn different_images(entries: &[Entry<'_>]) -> Option<String> {
    let mut all = Vec::new();
    for e in entries.iter().map(|entry| entry.evaluation) {
        let which = (&e.dataset.name, e.dataset.which());
        if all.iter().all(|(other, _)| *other != which) {
            all.push((which, format!("{}: {}", e.dataset.name, entry::images(e))));
        }
    }
    let fewest = entries.iter().map(|entry| entry.evaluation.dataset.images).min()?;
    // A share of one half has the largest standard error.
    let error = 50.0 / (fewest.max(1) as f64).sqrt();
    (all.len() > 1).then(|| {
        format!(
            "These evaluations are not of the same images: {}. An accuracy on {} images has a standard \
             error of up to {} points.",
            all.iter().map(|(_, images)| images.as_str()).collect::<Vec<_>>().join("; "),
            words::count(fewest),
            words::fixed(error, 1)
        )
    })
}

fn best(c: &Condition<'_>) -> String {
    let best = c.fused.iter().max_by(|a, b| a.2.mean.total_cmp(&b.2.mean));
    match best {
        Some((entry, p, nf)) => {
            let [pa, to] = [p.accuracy.mean, nf.mean].map(words::percent);
            let gain = words::points(nf.mean - p.accuracy.mean);
            let of = match c.fused.len() {
                1 => String::new(),
                n => format!(", the best of {n}"),
            };
            format!("{pa} → {to} with {}{of} ({gain}\u{a0}points)", entry.label)
        }
        None => {
            let bare = c.bare.first().map(|b| words::percent(b.2.mean));
            format!("{} without NeuralFuse", bare.as_deref().unwrap_or(words::NONE))
        }
    }
}

/// How far a run without an evaluation came.
fn unfinished(source: &Source) -> String {
    let last = source.events.iter().rev().find_map(|event| match event {
        Event::Step(step) => Some(format!("it reached step {} of {}", step.step, step.steps)),
        _ => None,
    });
    let far = last.unwrap_or_else(|| "no step was recorded".into());
    format!("{} has no eval.json: the run is not finished; {far}.", source.name)
}
