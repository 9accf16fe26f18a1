//! The main results in plain words and a few large numbers.

use super::{
    entry::{self, Condition, Entry, conditions},
    html::Html,
    source::Source,
    words,
};
use crate::report::{
    eval_json::{Perturbed, Spread},
    event::Event,
    saving,
};

/// Maximum number of conditions of a comparison that are described in words; the table has all.
const TOLD: usize = 12;

/// Writes the result of one evaluation or, for several, the best of each condition.
pub(super) fn headline(h: &mut Html, entries: &[Entry<'_>], sources: &[Source]) {
    match entries {
        [] => {}
        [one] => single(h, one),
        _ => comparison(h, entries),
    }
    for source in sources.iter().filter(|s| s.evaluations.is_empty()) {
        unfinished(h, source);
    }
}

fn single(h: &mut Html, entry: &Entry<'_>) {
    let e = entry.evaluation;
    let on = format!("{} on {}", e.base.model, e.dataset.name);
    let Some((first, others)) = e.perturbed.split_first() else {
        let with = e
            .clean
            .accuracy_nf
            .map_or(String::new(), |nf| format!(", {} behind {}", words::percent(nf), entry.label));
        let ca = words::percent(e.clean.accuracy);
        h.leaf("p", &[("class", &"lead")], format!("{on}: {ca} without faults{with}."));
        return;
    };
    h.leaf("p", &[("class", &"lead")], told(entry, first, &on));
    if let Some(note) = e.dataset.measure().note() {
        h.leaf("p", &[("class", &"note")], format!("What counts: {note}."));
    }
    h.element("div", &[("class", &"tiles")], |h| tiles(h, entry, first));
    if !others.is_empty() {
        h.element("ul", &[("class", &"others")], |h| {
            for p in others {
                h.leaf("li", &[], short(p));
            }
        });
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

fn tiles(h: &mut Html, entry: &Entry<'_>, p: &Perturbed) {
    let clean = &entry.evaluation.clean;
    let change = |from: f64, to: Option<f64>| match to {
        Some(to) => {
            let (number, change) = (words::percent(to), words::points(to - from));
            (Some(words::percent(from)), number, format!("{change} points with NeuralFuse"))
        }
        None => (None, words::percent(from), String::new()),
    };
    let (from, to, note) = change(p.accuracy.mean, p.accuracy_nf.as_ref().map(|s| s.mean));
    let what = entry.evaluation.dataset.measure().title();
    let title = format!("{what} at {} faulty cells", words::rate(p.ber()));
    tile(h, &title, from.as_deref(), &to, &note);
    let (from, to, note) = change(clean.accuracy, clean.accuracy_nf);
    tile(h, &format!("{what} without faults"), from.as_deref(), &to, &note);
    let flips = &p.flipped_bits;
    let each = flips.each.iter().sum::<u64>() / flips.each.len().max(1) as u64;
    let note = format!("{} in a fault map", words::count(each));
    tile(h, "Stored bits that changed", None, &words::share(flips.mean_rate), &note);
    let savings = entry.evaluation.savings(p).unwrap_or_default();
    if let Some(saving) = savings.behind.or(savings.alone) {
        let voltage = savings.voltage.map(|v| format!("at {} Vmin", words::short(v)));
        let voltage = voltage.unwrap_or_else(|| "than at nominal voltage".into());
        let alone = savings.alone.filter(|_| savings.behind.is_some());
        let alone = alone.map_or(String::new(), |alone| {
            format!("; without NeuralFuse {}", words::saving(alone))
        });
        let note = voltage + &alone;
        tile(h, "Energy of weight memory", None, &words::saving(saving), &note);
    }
}

fn tile(h: &mut Html, title: &str, from: Option<&str>, to: &str, note: &str) {
    h.element("div", &[("class", &"tile")], |h| {
        h.leaf("p", &[("class", &"what")], title);
        h.element("p", &[("class", &"number")], |h| {
            if let Some(from) = from {
                h.leaf("span", &[("class", &"from")], format!("{from} →"));
                h.text(" ");
            }
            h.leaf("strong", &[], to);
        });
        h.leaf("p", &[("class", &"note")], note);
    });
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

fn comparison(h: &mut Html, entries: &[Entry<'_>]) {
    let conditions = conditions(entries);
    if let Some(text) = different_images(entries) {
        h.leaf("p", &[("class", &"missing")], text);
    }
    h.element("ul", &[("class", &"lead")], |h| {
        for condition in conditions.iter().take(TOLD) {
            h.element("li", &[], |h| {
                h.leaf("span", &[("class", &"condition")], &condition.name);
                h.text(" ");
                h.leaf("span", &[], best(condition));
            });
        }
    });
    if conditions.len() > TOLD {
        let more = format!("{} more in the table.", conditions.len() - TOLD);
        h.leaf("p", &[("class", &"note")], more);
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
    let bare = c.bare.first().map(|b| b.2.mean);
    let pa = bare.map_or_else(|| words::NONE.into(), words::percent);
    let best = c.fused.iter().max_by(|a, b| a.2.mean.total_cmp(&b.2.mean));
    match best {
        Some((entry, p, nf)) => {
            let (to, gain) = (words::percent(nf.mean), words::points(nf.mean - p.accuracy.mean));
            let of = match c.fused.len() {
                1 => String::new(),
                n => format!(", the best of {n}"),
            };
            format!("{pa} → {to} with {}{of} ({gain}\u{a0}points)", entry.label)
        }
        None => format!("{pa} without NeuralFuse"),
    }
}

/// Writes how far a run without an evaluation came.
fn unfinished(h: &mut Html, source: &Source) {
    let last = source.events.iter().rev().find_map(|event| match event {
        Event::Step(step) => Some(format!("it reached step {} of {}", step.step, step.steps)),
        _ => None,
    });
    let far = last.unwrap_or_else(|| "no step was recorded".into());
    let text = format!("{} has no eval.json: the run is not finished; {far}.", source.name);
    h.leaf("p", &[("class", &"missing")], text);
}
