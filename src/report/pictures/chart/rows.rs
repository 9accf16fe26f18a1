//! Draws named values below each other with a bar each, such as those of bit positions or layers.

use maud::html;

use super::{Chart, HALF};
use crate::report::{
    documents::{
        csv::{Csv, known, number},
        eval_json::Spread,
    },
    pictures::svg::{Anchor, Frame, Scale, Style, bar, line, rule, text, whisker, width},
    words,
};

/// Maximum number of characters of a name that is not shortened.
const LABEL: usize = 26;

pub(crate) struct BarRow {
    /// Name beside the bar.
    pub(crate) label: String,
    /// Length of the bar.
    pub(crate) value: f64,
    /// Standard deviation, if there are several values.
    pub(crate) std: Option<f64>,
    /// Text at the end of the bar.
    pub(crate) note: String,
}

impl BarRow {
    /// A bar for the loss that faults cause: `from` less the mean accuracy.
    pub(crate) fn loss(label: String, from: f64, accuracy: &Spread) -> Self {
        let value = from - accuracy.mean;
        let std = (accuracy.each.len() > 1).then_some(accuracy.std);
        Self { label, value, std, note: words::fixed(value, 1) }
    }

    fn says(&self) -> String {
        format!("{}: {}", self.label, self.note)
    }
}

/// Draws rows in `chart`, whose size, description and drawing are filled in here, with a line at `reference`.
/// `name` says what the labels are.
pub(crate) fn rows(
    chart: Chart,
    (name, unit): (&str, &str),
    style: Style,
    rows: &[BarRow],
    reference: Option<f64>,
) -> Option<Chart> {
    if rows.is_empty() {
        return None;
    }
    // Many rows stand closer together.
    let pitch = if rows.len() > 24 { 17.0 } else { 24.0 };
    let inner = 6.0 + pitch * rows.len() as f64;
    let labels: Vec<String> = rows.iter().map(|r| words::shortened(&r.label, LABEL)).collect();
    let widest = |texts: &mut dyn Iterator<Item = &String>, size| {
        texts.map(|t| width(t, size)).fold(0.0, f64::max)
    };
    let left = widest(&mut labels.iter(), 14.0) + 16.0;
    let right = HALF.0 - widest(&mut rows.iter().map(|r| &r.note), 13.0) - 18.0;
    let ends = rows.iter().flat_map(|r| {
        let std = r.std.unwrap_or(0.0);
        [r.value - std, r.value + std]
    });
    let x = Scale::linear(ends.chain([0.0]).chain(reference), [f64::NEG_INFINITY, f64::INFINITY]);
    // Bars begin at 0, so the axis does too, unless there are negative values.
    let negative = rows.iter().any(|r| r.value < 0.0);
    let x = match x {
        Scale::Linear { high, .. } if !negative && high > 0.0 => Scale::Linear { low: 0.0, high },
        other => other,
    };
    let y = Scale::Linear { low: 0.0, high: 1.0 };
    let frame = Frame { left, right, top: 0.0, bottom: inner, x, y };
    let zero = frame.x(0.0);
    let drawing = html! {
        (frame.across(frame.x_axis(unit, 5), true))
        @for (i, (row, label)) in rows.iter().zip(&labels).enumerate() {
            @let top = 4.0 + pitch * i as f64;
            @let middle = top + 0.5 * (pitch - 4.0);
            (text((left - 8.0, middle + 5.0), Anchor::End, "row", label))
            (bar(&style.colour(), (zero, frame.x(row.value)), (top, pitch - 4.0), &row.says()))
            @if let Some(std) = row.std {
                @let [from, to] = [row.value - std, row.value + std].map(|v| (frame.x(v), middle));
                (whisker("plain", from, to))
            }
            (text((right + 10.0, middle + 4.5), Anchor::Start, "small", &row.note))
        }
        (rule((zero, 0.0), (zero, inner), "base"))
        @if let Some(at) = reference.filter(|v| v.is_finite()).map(|v| frame.x(v)) {
            (line(Style::NEUTRAL.light(), "thin", &[(at, 0.0), (at, inner)]))
        }
    };
    let std = rows.iter().any(|r| r.std.is_some());
    let columns = [name, unit, "standard deviation"];
    let mut data = Csv::new(columns.into_iter().take(if std { 3 } else { 2 }));
    for r in rows {
        let cells = [r.label.clone(), number(r.value), known(r.std)];
        data.row(cells.into_iter().take(if std { 3 } else { 2 }));
    }
    let says = rows.iter().map(BarRow::says).collect::<Vec<_>>().join("; ");
    Some(Chart { says, size: (HALF.0, inner + 50.0), drawing, data, ..chart })
}
