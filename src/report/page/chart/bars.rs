//! A chart with a row for accuracy with and without faults, alone and with NeuralFuse.

use super::FULL;
use crate::report::{
    eval_json::Spread,
    measure::Measure,
    page::{
        entry::Condition,
        figure::{Figure, Key},
        html::Html,
        svg::{Anchor, Frame, Kind, Scale, Style, bar, marker, text, whisker},
        words,
    },
};

/// Height of a row, and of the heading of a group.
const ROW: f64 = 34.0;
const NAME: f64 = 34.0;

/// A row: clean accuracy as the pale bar behind, accuracy under faults as the solid one.
struct Row<'a> {
    label: String,
    style: Style,
    clean: Option<f64>,
    perturbed: &'a Spread,
    seeds: &'a [u64],
}

/// Draws a group of rows for each condition.
pub(crate) fn bars(h: &mut Html, conditions: &[Condition<'_>], measure: Measure) {
    let rows: Vec<(&str, Vec<Row<'_>>)> =
        conditions.iter().map(|c| (c.name.as_str(), rows(c))).collect();
    let all = || rows.iter().flat_map(|r| &r.1);
    if all().next().is_none() {
        return;
    }
    let labels = all().map(|r| r.label.chars().count().min(34)).max().unwrap_or(0);
    let inner: f64 = rows.iter().map(|r| NAME + ROW * r.1.len() as f64 + 8.0).sum();
    let size = (FULL, inner + 56.0);
    let frame = Frame {
        left: (24.0 + 7.6 * labels as f64).max(120.0),
        right: FULL - 200.0,
        top: 0.0,
        bottom: inner,
        x: Scale::Linear { low: 0.0, high: 100.0 },
        y: Scale::Linear { low: 0.0, high: 1.0 },
    };
    let spread = all().any(|r| r.perturbed.each.len() > 1);
    let grey = Style::NEUTRAL;
    let mut keys = vec![
        Key::new("under faults (PA)", grey, Kind::Bar),
        Key::new("without faults (CA)", grey, Kind::Pale),
    ];
    if spread {
        keys.push(Key::new("± one standard deviation", grey, Kind::Whisker));
        keys.push(Key::new("one fault map", grey, Kind::Speck));
    }
    let says = all().map(|r| format!("{}: {}", r.label, value(r))).collect::<Vec<_>>().join("; ");
    let about = "Grey is the base network alone, colour the same network behind NeuralFuse. What the \
                 solid bar lacks of the pale one is what the faults cost.";
    let figure =
        Figure { title: "With and without faults".into(), about: about.into(), says, keys, size };
    figure.draw(h, |h| {
        let axis = frame.x_axis(measure.axis(), 5);
        frame.across(h, axis, true);
        let mut y = 0.0;
        for (name, rows) in &rows {
            text(h, (0.0, y + 22.0), Anchor::Start, "group", name);
            y += NAME;
            for row in rows {
                draw(h, &frame, row, y);
                y += ROW;
            }
            y += 8.0;
        }
    });
}

fn rows<'a>(c: &'a Condition<'a>) -> Vec<Row<'a>> {
    let seeds = c.fused.first().map_or(&[][..], |f| &f.1.seeds);
    let bare = c.bare.iter().map(|(label, clean, perturbed)| Row {
        label: label.clone(),
        style: Style::NEUTRAL,
        clean: Some(*clean),
        perturbed,
        seeds,
    });
    let fused = c.fused.iter().map(|(entry, p, nf)| Row {
        label: entry.label.clone(),
        style: entry.style,
        clean: entry.evaluation.clean.accuracy_nf,
        perturbed: nf,
        seeds: &p.seeds,
    });
    bare.chain(fused).collect()
}

fn value(row: &Row<'_>) -> String {
    let clean = row.clean.map_or_else(|| words::NONE.into(), words::percent);
    format!("{clean} without faults, {} % under faults", words::spread(row.perturbed))
}

fn draw(h: &mut Html, frame: &Frame, row: &Row<'_>, top: f64) {
    let (colour, says, p) = (row.style.colour(), value(row), row.perturbed);
    let middle = top + 15.0;
    let label = words::shortened(&row.label, 34);
    text(h, (frame.left - 10.0, middle + 5.0), Anchor::End, "row", label);
    let zero = frame.x(0.0);
    if let Some(clean) = row.clean {
        bar(h, &format!("pale {colour}"), (zero, frame.x(clean)), (top, 30.0), &says);
    }
    bar(h, &colour, (zero, frame.x(p.mean)), (top + 7.0, 16.0), &says);
    if p.each.len() > 1 {
        for (i, &v) in p.each.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let says = match row.seeds.get(i) {
                Some(seed) => format!("map of seed {seed}: {}", words::percent(v)),
                None => words::percent(v),
            };
            marker(h, Style::NEUTRAL, (frame.x(v), top + 26.5), 2.2, &says);
        }
        let (low, high) = (p.mean - p.std, p.mean + p.std);
        whisker(h, "", (frame.x(low), middle), (frame.x(high), middle));
    }
    let clean = row.clean.map_or_else(|| words::NONE.into(), |c| words::fixed(c, 1));
    let at = frame.right + 14.0;
    text(h, (at, middle - 1.0), Anchor::Start, "value", format!("{} %", words::spread(p)));
    text(h, (at, middle + 14.0), Anchor::Start, "small", format!("{clean} % without faults"));
}
