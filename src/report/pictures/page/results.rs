//! The table of results, and the values of all fault maps.

use maud::{Markup, html};

use crate::report::{
    documents::{
        eval_json::{Perturbed, Spread},
        measure::Measure,
    },
    pictures::entry::{self, Entry},
    words::{self, saving, table::flipped},
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

/// A row for each evaluation and rate, and below the table the values of every fault map.
pub(super) fn results(entries: &[Entry<'_>]) -> Markup {
    let columns = Columns::of(entries);
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
    html! {
        div.scroll {
            table.results {
                (head(columns.titles()))
                @for entry in entries { tbody { (rows(entry, columns)) } }
            }
        }
        p.note { (about) }
        @if let Some(how) = saving::unknown(entries.iter().map(|entry| entry.evaluation)) {
            p.note { (words::unbroken(&how.replace('`', ""))) }
        }
        @if all.is_some() {
            details {
                summary { "Values of each fault map" }
                div.tables {
                    @for entry in entries {
                        @for p in &entry.evaluation.perturbed { (each(entry, p, columns.name)) }
                    }
                }
            }
        }
    }
}

fn head<'t>(titles: impl Iterator<Item = &'t str>) -> Markup {
    html! { thead { tr { @for title in titles { th scope="col" { (title) } } } } }
}

/// The rows of an evaluation; an evaluation without faults has one row.
fn rows(entry: &Entry<'_>, columns: Columns) -> Markup {
    let e = entry.evaluation;
    let one = |v: Option<f64>| v.map_or_else(|| words::NONE.into(), |v| words::fixed(v, 1));
    // On narrow screens cells are stacked, each under its own title.
    let cell = |title: &str, text: String| html! { td data-title=(title) { (text) } };
    let blank = || words::NONE.to_owned();
    let n = e.perturbed.len().max(1);
    let perturbed = e.perturbed.iter().map(Some).chain(e.perturbed.is_empty().then_some(None));
    html! {
        @for (i, p) in perturbed.enumerate() {
            @let savings = p.and_then(|p| e.savings(p)).unwrap_or_default();
            @let saved = |saving: Option<f64>| saving.map_or_else(blank, words::saving);
            tr {
                @if columns.name && i == 0 { th scope="rowgroup" rowspan=(n) { (entry.label) } }
                @if columns.faults {
                    td.words data-title="faults" { (p.map_or_else(|| "none".into(), words::faults)) }
                }
                (cell("BER", p.map_or_else(blank, |p| words::rate(p.ber()))))
                (cell("maps", p.map_or(0, |p| p.seeds.len()).to_string()))
                (cell("CA", one(Some(e.clean.accuracy))))
                (spread("PA", p.map(|p| &p.accuracy), false))
                @if columns.nf {
                    (cell("CA(NF)", one(e.clean.accuracy_nf)))
                    (spread("PA(NF)", p.and_then(|p| p.accuracy_nf.as_ref()), true))
                    (cell("RP", p.and_then(|p| p.recovery).map_or_else(blank, words::points)))
                }
                (cell("bits changed", p.map_or_else(blank, |p| flipped(p, words::share))))
                @if columns.energy { (cell("energy", saved(savings.alone))) }
                @if columns.energy && columns.nf { (cell("energy(NF)", saved(savings.behind))) }
            }
        }
    }
}

fn spread(title: &str, s: Option<&Spread>, strong: bool) -> Markup {
    let mean = s.map_or_else(|| words::NONE.into(), words::spread);
    html! {
        td data-title=(title) {
            @if strong && s.is_some() { strong { (mean) } } @else { span { (mean) } }
            @if let Some(interval) = s.and_then(words::interval) { br; small { (interval) } }
        }
    }
}

/// A row for each fault map.
fn each(entry: &Entry<'_>, p: &Perturbed, several: bool) -> Markup {
    let name = if several { format!("{}, ", entry.label) } else { String::new() };
    let title = format!("{name}{} faulty cells, {}", words::rate(p.ber()), words::faults(p));
    let nf = p.accuracy_nf.as_ref();
    let titles = [
        (true, "seed"),
        (true, "PA (%)"),
        (nf.is_some(), "PA(NF) (%)"),
        (nf.is_some(), "RP (points)"),
        (true, "bits changed"),
    ];
    let number = |n: Option<u64>, say: fn(u64) -> String| n.map_or_else(|| words::NONE.into(), say);
    html! {
        div.scroll {
            table.each {
                caption { (title) }
                (head(titles.into_iter().filter(|t| t.0).map(|t| t.1)))
                tbody {
                    @for (i, &pa) in p.accuracy.each.iter().enumerate() {
                        tr {
                            th scope="row" { (number(p.seeds.get(i).copied(), |seed| seed.to_string())) }
                            td { (words::fixed(pa, 2)) }
                            @if let Some(nf) = nf {
                                @let nf = nf.each.get(i).copied().unwrap_or(f64::NAN);
                                td { (words::fixed(nf, 2)) }
                                td { (words::points(nf - pa)) }
                            }
                            td { (number(p.flipped_bits.each.get(i).copied(), words::count)) }
                        }
                    }
                }
            }
        }
    }
}
