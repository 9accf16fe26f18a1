//! The table of results, and the values of all fault maps.

use std::fmt::Display;

use super::{
    entry::{self, Entry},
    html::Html,
    words,
};
use crate::report::{
    eval_json::{Perturbed, Spread},
    measure::Measure,
    saving,
};

/// The columns of the table: those with the same value in every row are left out.
#[derive(Clone, Copy)]
struct Columns {
    name: bool,
    faults: bool,
    nf: bool,
    energy: bool,
}

impl Columns {
    fn of(entries: &[Entry<'_>]) -> Self {
        let all =
            || entries.iter().flat_map(|e| e.evaluation.perturbed.iter().map(move |p| (e, p)));
        let first = all().next().map(|(_, p)| words::faults(p));
        Self {
            name: entries.len() > 1,
            faults: entries.len() == 1 || all().any(|(_, p)| Some(words::faults(p)) != first),
            nf: entries.iter().any(Entry::has_generator),
            energy: all().any(|(e, p)| e.evaluation.savings(p).is_some()),
        }
    }

    fn titles(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.name, "evaluation"),
            (self.faults, "faults"),
            (true, "BER"),
            (true, "maps"),
            (true, "CA"),
            (true, "PA"),
            (self.nf, "CA(NF)"),
            (self.nf, "PA(NF)"),
            (self.nf, "RP"),
            (true, "bits changed"),
            (self.energy, "energy"),
            (self.energy && self.nf, "energy(NF)"),
        ];
        all.into_iter().filter_map(|(there, title)| there.then_some(title))
    }
}

/// Writes a row for each evaluation and rate, and below the table the values of every fault map.
pub(super) fn results(h: &mut Html, entries: &[Entry<'_>]) {
    let columns = Columns::of(entries);
    h.element("div", &[("class", &"scroll")], |h| {
        h.element("table", &[("class", &"results")], |h| {
            head(h, columns.titles());
            for entry in entries {
                h.element("tbody", &[], |h| rows(h, entry, columns));
            }
        });
    });
    let all = entries.iter().flat_map(|e| &e.evaluation.perturbed).next();
    let faults = all.filter(|_| !columns.faults).map(|p| format!("Faults: {}. ", words::faults(p)));
    let what = match entry::measure(entries) {
        Measure::Accuracy => "Accuracies",
        Measure::Agreement => "Agreement with the clean network",
        Measure::Both => "Accuracies, or agreement with the clean network,",
    };
    let energy = match (columns.energy, columns.nf) {
        (false, _) => "",
        (true, false) => " Energy of the weight memory against nominal voltage.",
        (true, true) => {
            " Energy of the weight memory against the network alone at nominal voltage; (NF) with that of \
             the generator."
        }
    };
    let about = format!(
        "{}{what} in per cent: mean ± population standard deviation over the fault maps, and below \
         it the 95 % interval of the mean (Student’s t). RP in percentage points.{energy}",
        faults.unwrap_or_default()
    );
    h.leaf("p", &[("class", &"note")], about);
    if let Some(how) = saving::unknown(entries.iter().map(|entry| entry.evaluation)) {
        h.leaf("p", &[("class", &"note")], words::unbroken(&how.replace('`', "")));
    }
    if entries.iter().all(|e| e.evaluation.perturbed.is_empty()) {
        return;
    }
    h.element("details", &[], |h| {
        h.leaf("summary", &[], "Values of each fault map");
        h.element("div", &[("class", &"tables")], |h| {
            for entry in entries {
                for p in &entry.evaluation.perturbed {
                    each(h, entry, p, columns.name);
                }
            }
        });
    });
}

fn head<'t>(h: &mut Html, titles: impl Iterator<Item = &'t str>) {
    h.element("thead", &[], |h| {
        h.element("tr", &[], |h| {
            for title in titles {
                h.leaf("th", &[("scope", &"col")], title);
            }
        });
    });
}

/// Writes the rows of an evaluation; an evaluation without faults has one row.
fn rows(h: &mut Html, entry: &Entry<'_>, columns: Columns) {
    let e = entry.evaluation;
    let one = |v: Option<f64>| v.map_or_else(|| words::NONE.into(), |v| words::fixed(v, 1));
    // On narrow screens cells are stacked, each under its own title.
    let cell = |h: &mut Html, title: &str, text: String| {
        h.leaf("td", &[("data-title", &title)], text);
    };
    let blank = || words::NONE.to_owned();
    let n = e.perturbed.len().max(1);
    let perturbed = e.perturbed.iter().map(Some).chain(e.perturbed.is_empty().then_some(None));
    for (i, p) in perturbed.enumerate() {
        h.element("tr", &[], |h| {
            if columns.name && i == 0 {
                let at: [(&str, &dyn Display); 2] = [("scope", &"rowgroup"), ("rowspan", &n)];
                h.leaf("th", &at, &entry.label);
            }
            if columns.faults {
                let faults = p.map_or_else(|| "none".into(), words::faults);
                h.leaf("td", &[("class", &"words"), ("data-title", &"faults")], faults);
            }
            cell(h, "BER", p.map_or_else(blank, |p| words::rate(p.ber())));
            cell(h, "maps", p.map_or(0, |p| p.seeds.len()).to_string());
            cell(h, "CA", one(Some(e.clean.accuracy)));
            spread(h, "PA", p.map(|p| &p.accuracy), false);
            if columns.nf {
                cell(h, "CA(NF)", one(e.clean.accuracy_nf));
                spread(h, "PA(NF)", p.and_then(|p| p.accuracy_nf.as_ref()), true);
                cell(h, "RP", p.and_then(|p| p.recovery).map_or_else(blank, words::points));
            }
            cell(
                h,
                "bits changed",
                p.map_or_else(blank, |p| words::share(p.flipped_bits.mean_rate)),
            );
            let savings = p.and_then(|p| e.savings(p)).unwrap_or_default();
            let saved = |saving: Option<f64>| saving.map_or_else(blank, words::saving);
            if columns.energy {
                cell(h, "energy", saved(savings.alone));
            }
            if columns.energy && columns.nf {
                cell(h, "energy(NF)", saved(savings.behind));
            }
        });
    }
}

fn spread(h: &mut Html, title: &str, s: Option<&Spread>, strong: bool) {
    h.element("td", &[("data-title", &title)], |h| {
        let Some(s) = s else {
            return h.text(words::NONE);
        };
        h.leaf(if strong { "strong" } else { "span" }, &[], words::spread(s));
        if let Some(interval) = words::interval(s) {
            h.empty("br", &[]);
            h.leaf("small", &[], interval);
        }
    });
}

/// Writes a row for each fault map.
fn each(h: &mut Html, entry: &Entry<'_>, p: &Perturbed, several: bool) {
    let name = if several { format!("{}, ", entry.label) } else { String::new() };
    let title = format!("{name}{} faulty cells, {}", words::rate(p.ber()), words::faults(p));
    let nf = p.accuracy_nf.as_ref();
    let mut titles = vec!["seed", "PA (%)"];
    if nf.is_some() {
        titles.extend(["PA(NF) (%)", "RP (points)"]);
    }
    titles.push("bits changed");
    h.element("div", &[("class", &"scroll")], |h| {
        h.element("table", &[("class", &"each")], |h| {
            h.leaf("caption", &[], title);
            head(h, titles.into_iter());
            h.element("tbody", &[], |h| {
                for (i, &pa) in p.accuracy.each.iter().enumerate() {
                    let seed = p.seeds.get(i).map_or_else(|| words::NONE.into(), u64::to_string);
                    h.element("tr", &[], |h| {
                        h.leaf("th", &[("scope", &"row")], seed);
                        h.leaf("td", &[], words::fixed(pa, 2));
                        if let Some(nf) = nf {
                            let nf = nf.each.get(i).copied().unwrap_or(f64::NAN);
                            h.leaf("td", &[], words::fixed(nf, 2));
                            h.leaf("td", &[], words::points(nf - pa));
                        }
                        let flips = p.flipped_bits.each.get(i).copied();
                        let flips = flips.map_or_else(|| words::NONE.into(), words::count);
                        h.leaf("td", &[], flips);
                    });
                }
            });
        });
    });
}
