//! Draws a comparison of reports: a group of bars per kernel or step, a bar per report, longer is faster.

use std::path::Path;

use super::{
    comparison::{Comparison, Row},
    drawing::{self, Key, Sample},
    rate,
};
use crate::{
    error::{Error, Result},
    report::page::{
        html::Html,
        svg::{Anchor, Axis, Frame, Scale, Style, bar, rule, text, whisker, width},
        words,
    },
};

const WIDTH: f64 = 1000.0;
/// Left and right end of titles and legend.
const ENDS: (f64, f64) = (20.0, 980.0);
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
    rows: Vec<&'a Row>,
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
    let key = |(i, (name, about)): (usize, &(String, String))| Key {
        name: format!("{name}: {about}"),
        style: Style::of(i),
        sample: Sample::Bar,
    };
    let keys: Vec<Key> = comparison.reports.iter().enumerate().map(key).collect();
    let top = 56.0 + drawing::legend_height(&keys, ENDS);
    let height = top + panels.iter().map(|p| p.height(reports)).sum::<f64>();
    let title = "nf-gpu bench: reports beside each other";
    drawing::save(path.as_ref(), (WIDTH, height), title, |h| {
        text(h, (ENDS.0, 34.0), Anchor::Start, "title", title);
        drawing::legend(h, &keys, ENDS, 46.0);
        let mut at = top;
        for panel in &panels {
            draw(h, panel, reports, at);
            at += panel.height(reports);
        }
    })
}

fn panels(comparison: &Comparison) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for (title, rows) in comparison.sections() {
        let first = panels.len();
        // Single layers are too many, and their sums show the same; a row with one bar compares
        // nothing.
        let shared = |r: &&Row| r.values.iter().flatten().count() > 1 || r.values.len() == 1;
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

fn draw(h: &mut Html, panel: &Panel<'_>, reports: usize, top: f64) {
    text(h, (ENDS.0, top + 24.0), Anchor::Start, "group", &panel.title);
    let label = |text: &str| words::shortened(text, LABEL);
    let names = panel.rows.iter().flat_map(|r| [label(&r.what), label(&r.shape)]);
    let left = names.map(|name| width(&name, 13.0)).fold(60.0, f64::max) + 34.0;
    let group = panel.group(reports);
    let bottom = top + 40.0 + group * panel.rows.len() as f64;
    let values = panel.rows.iter().flat_map(|r| r.values.iter().flatten());
    let most = values.flat_map(|v| v.quartiles.into_iter().chain([v.median])).fold(0.0, f64::max);
    let x = Scale::linear([0.0, most], [0.0, f64::INFINITY]);
    let y = Scale::Linear { low: 0.0, high: 1.0 };
    let frame = Frame { left, right: WIDTH - 80.0, top: top + 36.0, bottom, x, y };
    frame.across(h, Axis { title: panel.unit, ticks: frame.x.ticks(6) }, true);
    for (i, row) in panel.rows.iter().enumerate() {
        let from = top + 40.0 + group * i as f64;
        let middle = from + 0.5 * (group - GAP);
        let one_line = row.shape.is_empty();
        let at = if one_line { middle + 4.5 } else { middle - 2.0 };
        text(h, (left - 10.0, at), Anchor::End, "under", label(&row.what));
        if !one_line {
            text(h, (left - 10.0, middle + 13.0), Anchor::End, "small", label(&row.shape));
        }
        let first = middle - 0.5 * BAR * reports as f64;
        for (j, value) in row.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let (y, end) = (first + BAR * j as f64, frame.x(value.median));
            let says = format!("{}, {}: {} {}", row.what, row.shape, rate(value.median), row.unit);
            bar(h, &Style::of(j).colour(), (frame.x(0.0), end), (y, BAR - 2.0), &says);
            let [low, high] = value.quartiles.map(|v| frame.x(v));
            let y = y + 0.5 * (BAR - 2.0);
            if high - low > 2.0 {
                whisker(h, "", (low, y), (high, y));
            }
            let end = end.max(high) + 6.0;
            text(h, (end, y + 4.0), Anchor::Start, "small halo", rate(value.median));
        }
    }
    rule(h, (frame.x(0.0), frame.top), (frame.x(0.0), bottom), "base");
}
