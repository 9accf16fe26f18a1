//! The table of results, and the values behind it.

use super::{entry::Entry, html::Html, words};
use crate::report::eval_json::{Perturbed, Spread};

/// Writes a row for each evaluation and rate, and below them every value of every fault map.
pub(super) fn results(h: &mut Html, entries: &[Entry<'_>]) {
    let nf = entries.iter().any(Entry::has_generator);
    let energy =
        entries.iter().any(|e| e.evaluation.perturbed.iter().any(|p| e.energy(p).is_some()));
    let several = entries.len() > 1;
    let mut head = vec!["faults", "BER", "maps", "CA", "PA"];
    if nf {
        head.extend(["CA(NF)", "PA(NF)", "RP"]);
    }
    head.push("bits changed");
    if energy {
        head.push("energy saved");
    }
    h.element("div", &[("class", &"scroll")], |h| {
        h.element("table", &[("class", &"results")], |h| {
            h.element("thead", &[], |h| {
                h.element("tr", &[], |h| {
                    for title in several.then_some("evaluation").iter().chain(&head) {
                        h.leaf("th", &[("scope", &"col")], title);
                    }
                });
            });
            h.element("tbody", &[], |h| {
                for entry in entries {
                    rows(h, entry, several, nf, energy);
                }
            });
        });
    });
    let about = "Accuracies in per cent: mean ± population standard deviation over the fault maps, and \
                 below it the 95 % interval of the mean (Student’s t). RP in percentage points.";
    h.leaf("p", &[("class", &"note")], about);
    h.element("details", &[], |h| {
        h.leaf("summary", &[], "Values of each fault map");
        for entry in entries {
            for p in &entry.evaluation.perturbed {
                each(h, entry, p, several);
            }
        }
    });
}

fn rows(h: &mut Html, entry: &Entry<'_>, several: bool, nf: bool, energy: bool) {
    let e = entry.evaluation;
    let one = |v: Option<f64>| v.map_or_else(|| words::NONE.into(), |v| words::fixed(v, 1));
    let cell = |h: &mut Html, text: String| h.leaf("td", &[], text);
    let blank = || words::NONE.to_owned();
    let name = |h: &mut Html, i: usize| {
        if several {
            // The name again in every row, for readers by ear; the eye needs it once.
            let class = if i == 0 { "name" } else { "name again" };
            h.leaf("th", &[("scope", &"row"), ("class", &class)], &entry.label);
        }
    };
    for (i, p) in e.perturbed.iter().enumerate() {
        let class = if i == 0 { "first" } else { "next" };
        h.element("tr", &[("class", &class)], |h| {
            name(h, i);
            h.leaf("td", &[("class", &"words")], words::faults(p));
            cell(h, words::rate(p.ber));
            cell(h, p.seeds.len().to_string());
            cell(h, one(Some(e.clean.accuracy)));
            spread(h, Some(&p.accuracy), false);
            if nf {
                cell(h, one(e.clean.accuracy_nf));
                spread(h, p.accuracy_nf.as_ref(), true);
                cell(h, p.recovery.map_or_else(blank, words::points));
            }
            cell(h, words::rate(p.flipped_bits.mean_rate));
            if energy {
                let saving = entry.energy(p).map(|e| words::percent(e.saving_percent));
                cell(h, saving.unwrap_or_else(blank));
            }
        });
    }
    if e.perturbed.is_empty() {
        h.element("tr", &[("class", &"first")], |h| {
            name(h, 0);
            h.leaf("td", &[("class", &"words")], "none");
            let (ca, blanks) = (one(Some(e.clean.accuracy)), [blank(), "0".into()]);
            let after = [one(e.clean.accuracy_nf), blank(), blank()];
            let after = after.into_iter().filter(|_| nf);
            let all = blanks.into_iter().chain([ca, blank()]).chain(after);
            for text in all.chain([blank()]).chain(energy.then(blank)) {
                cell(h, text);
            }
        });
    }
}

fn spread(h: &mut Html, s: Option<&Spread>, strong: bool) {
    h.element("td", &[], |h| {
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

/// A row for each map.
fn each(h: &mut Html, entry: &Entry<'_>, p: &Perturbed, several: bool) {
    let name = if several { format!("{}, ", entry.label) } else { String::new() };
    let title = format!("{name}{} faulty cells, {}", words::rate(p.ber), words::faults(p));
    let nf = p.accuracy_nf.as_ref();
    let mut head = vec!["seed", "PA (%)"];
    if nf.is_some() {
        head.extend(["PA(NF) (%)", "RP (points)"]);
    }
    head.push("bits changed");
    h.element("div", &[("class", &"scroll")], |h| {
        h.element("table", &[("class", &"each")], |h| {
            h.leaf("caption", &[], title);
            h.element("thead", &[], |h| {
                h.element("tr", &[], |h| {
                    for title in head {
                        h.leaf("th", &[("scope", &"col")], title);
                    }
                });
            });
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
