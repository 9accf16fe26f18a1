//! Draws a comparison of reports: a group of bars per kernel or step, a bar per report, longer is faster.

use std::path::Path;

use maud::{Markup, html};

use crate::{
    error::{Error, Result},
    files::atomic,
    report::{
        documents::csv::Csv,
        pictures::{
            chart::{Chart, Key},
            svg::{Anchor, Axis, Frame, Kind, Scale, Style, bar, rule, text, whisker, width},
        },
        words::{
            self,
            bench::{ComparedRow, Comparison},
        },
    },
    words::three_digits as rate,
};

const WIDTH: f64 = 960.0;
/// Height of a bar.
const BAR: f64 = 13.0;
/// Space between two groups of bars.
const GAP: f64 = 9.0;
/// Maximum characters of a name that is not shortened.
const LABEL: usize = 46;

/// Rows of one unit under a heading.
struct Panel<'a> {
    title: String,
    unit: &'static str,
    rows: Vec<&'a ComparedRow>,
}

impl Panel<'_> {
    fn group(&self, reports: usize) -> f64 {
        // The minimum height leaves room for a name and a shape in two lines.
        (BAR * reports as f64).max(30.0) + GAP
    }

    fn height(&self, reports: usize) -> f64 {
        40.0 + self.group(reports) * self.rows.len() as f64 + 62.0
    }
}

/// Draws the rows that at least two reports measured, without those of single layers of networks.
///
/// # Errors
/// [`Error::Write`]; [`Error::Argument`] where the reports measured nothing in common.
pub fn save(path: impl AsRef<Path>, comparison: &Comparison) -> Result<()> {
    let panels = panels(comparison);
    if panels.is_empty() {
        let what = "the reports measured nothing in common: there is nothing to draw";
        return Err(Error::argument("--plot", what, "leave it out to see the table"));
    }
    let reports = comparison.reports.len();
    let key = |(i, (name, about)): (usize, &(String, String))| {
        Key::new(format!("{name}: {about}"), Style::of(i), Kind::Bar)
    };
    let mut tops = vec![0.0];
    for panel in &panels {
        tops.push(tops[tops.len() - 1] + panel.height(reports));
    }
    let titles: Vec<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
    let chart = Chart {
        title: "nf-gpu bench: reports beside each other".into(),
        of: String::new(),
        about: String::new(),
        says: format!("Longer bars are faster: {}", titles.join("; ")),
        keys: comparison.reports.iter().enumerate().map(key).collect(),
        size: (WIDTH, tops[panels.len()]),
        drawing: html! {
            @for (panel, top) in panels.iter().zip(&tops) { (draw(panel, reports, *top)) }
        },
        data: Csv::default(),
    };
    atomic::write(path, chart.picture())
}

fn panels(comparison: &Comparison) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for (title, rows) in comparison.sections() {
        let first = panels.len();
        // Single layers are too many, and their sums show the same; a row with one bar compares
        // nothing.
        let shared =
            |r: &&ComparedRow| r.values.iter().flatten().count() > 1 || r.values.len() == 1;
        for row in rows.iter().filter(|r| !r.layer).filter(shared) {
            match panels[first..].iter_mut().find(|p| p.unit == row.unit) {
                Some(panel) => panel.rows.push(row),
                None => {
                    let (title, unit) = (format!("{title}, {}", row.unit), row.unit);
                    panels.push(Panel { title, unit, rows: vec![row] });
                }
            }
        }
    }
    panels
}

fn draw(panel: &Panel<'_>, reports: usize, top: f64) -> Markup {
    let label = |text: &str| words::shortened(text, LABEL);
    let names = panel.rows.iter().flat_map(|r| [label(&r.what), label(&r.shape)]);
    let left = names.map(|name| width(&name, 13.0)).fold(60.0, f64::max) + 14.0;
    let group = panel.group(reports);
    let bottom = top + 40.0 + group * panel.rows.len() as f64;
    let values = panel.rows.iter().flat_map(|r| r.values.iter().flatten());
    let most = values.flat_map(|v| v.quartiles.into_iter().chain([v.median])).fold(0.0, f64::max);
    let x = Scale::linear([0.0, most], [0.0, f64::INFINITY]);
    let y = Scale::Linear { low: 0.0, high: 1.0 };
    let frame = Frame { left, right: WIDTH - 60.0, top: top + 36.0, bottom, x, y };
    let row = |i: usize, row: &ComparedRow| {
        let middle = top + 40.0 + group * i as f64 + 0.5 * (group - GAP);
        let first = middle - 0.5 * BAR * reports as f64;
        let at = if row.shape.is_empty() { middle + 4.5 } else { middle - 2.0 };
        html! {
            (text((left - 10.0, at), Anchor::End, "under", label(&row.what)))
            @if !row.shape.is_empty() {
                (text((left - 10.0, middle + 13.0), Anchor::End, "small", label(&row.shape)))
            }
            @for (j, value) in row.values.iter().enumerate() {
                @if let Some(value) = value {
                    @let (y, end) = (first + BAR * j as f64, frame.x(value.median));
                    @let median = rate(value.median);
                    @let says = format!("{}, {}: {median} {}", row.what, row.shape, row.unit);
                    (bar(&Style::of(j).colour(), (frame.x(0.0), end), (y, BAR - 2.0), &says))
                    @let [low, high] = value.quartiles.map(|v| frame.x(v));
                    @let y = y + 0.5 * (BAR - 2.0);
                    @if high - low > 2.0 { (whisker("plain", (low, y), (high, y))) }
                    (text((end.max(high) + 6.0, y + 4.0), Anchor::Start, "small halo", median))
                }
            }
        }
    };
    html! {
        (text((0.0, top + 24.0), Anchor::Start, "group", &panel.title))
        (frame.across(Axis { title: panel.unit, ticks: frame.x.ticks(6) }, true))
        @for (i, of) in panel.rows.iter().enumerate() { (row(i, of)) }
        (rule((frame.x(0.0), frame.top), (frame.x(0.0), bottom), "base"))
    }
}
