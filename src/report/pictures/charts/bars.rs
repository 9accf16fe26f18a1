//! A chart with a row for accuracy with and without faults, alone and with NeuralFuse.

use maud::{Markup, html};

use crate::report::{
    documents::{
        csv::{Csv, known, number},
        eval_json::Spread,
        measure::Measure,
    },
    pictures::{
        chart::{Chart, FULL, Key},
        entry::Condition,
        svg::{Anchor, Frame, Kind, Scale, Style, bar, marker, text, whisker},
    },
    words,
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
pub(crate) fn bars(conditions: &[Condition<'_>], measure: Measure) -> Option<Chart> {
    let rows: Vec<(&str, Vec<Row<'_>>)> =
        conditions.iter().map(|c| (c.name.as_str(), rows(c))).collect();
    let all = || rows.iter().flat_map(|r| &r.1);
    all().next()?;
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
    let mut tops = Vec::new();
    let mut y = 0.0;
    for (_, rows) in &rows {
        tops.push(y);
        y += NAME + ROW * rows.len() as f64 + 8.0;
    }
    let drawing = html! {
        (frame.across(frame.x_axis(measure.axis(), 5), true))
        @for ((name, rows), top) in rows.iter().zip(tops) {
            (text((0.0, top + 22.0), Anchor::Start, "group", name))
            @for (i, row) in rows.iter().enumerate() {
                (draw(&frame, row, top + NAME + ROW * i as f64))
            }
        }
    };
    let unit = |what: &str| format!("{what}, {}", measure.axis());
    let mut data = Csv::new([
        "condition".to_owned(),
        "network".into(),
        unit("without faults"),
        unit("under faults"),
        "standard deviation".into(),
        "fault maps".into(),
    ]);
    for (condition, rows) in &rows {
        for row in rows {
            let p = row.perturbed;
            let cells = [known(row.clean), number(p.mean), number(p.std), p.each.len().to_string()];
            data.row([(*condition).to_owned(), row.label.clone()].into_iter().chain(cells));
        }
    }
    let (title, about) = ("With and without faults".into(), about.into());
    Some(Chart { title, of: String::new(), about, says, keys, size, drawing, data })
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

fn draw(frame: &Frame, row: &Row<'_>, top: f64) -> Markup {
    let (colour, says, p) = (row.style.colour(), value(row), row.perturbed);
    let middle = top + 15.0;
    let (zero, at) = (frame.x(0.0), frame.right + 14.0);
    let clean = row.clean.map_or_else(|| words::NONE.into(), |c| words::fixed(c, 1));
    let map = |i: usize, v: f64| match row.seeds.get(i) {
        Some(seed) => format!("map of seed {seed}: {}", words::percent(v)),
        None => words::percent(v),
    };
    html! {
        (text((frame.left - 10.0, middle + 5.0), Anchor::End, "row", words::shortened(&row.label, 34)))
        @if let Some(clean) = row.clean {
            (bar(&format!("pale {colour}"), (zero, frame.x(clean)), (top, 30.0), &says))
        }
        (bar(&colour, (zero, frame.x(p.mean)), (top + 7.0, 16.0), &says))
        @if p.each.len() > 1 {
            @for (i, &v) in p.each.iter().enumerate().filter(|(_, v)| v.is_finite()) {
                (marker(Style::NEUTRAL, (frame.x(v), top + 26.5), 2.2, &map(i, v)))
            }
            @let [low, high] = [p.mean - p.std, p.mean + p.std].map(|v| (frame.x(v), middle));
            (whisker("plain", low, high))
        }
        (text((at, middle - 1.0), Anchor::Start, "value", format!("{} %", words::spread(p))))
        (text((at, middle + 14.0), Anchor::Start, "small", format!("{clean} % without faults")))
    }
}
