//! Draws named values below each other with a bar each, such as those of bit positions or layers.

use super::HALF;
use crate::report::{
    eval_json::Spread,
    page::{
        figure::Figure,
        html::Html,
        svg::{Anchor, Frame, Scale, Style, bar, line, rule, text, whisker, width},
        words,
    },
};

/// Maximum number of characters of a name that is not shortened.
const LABEL: usize = 26;

/// A bar.
pub(super) struct Row {
    /// Name beside the bar.
    pub(super) label: String,
    /// Length of the bar.
    pub(super) value: f64,
    /// Standard deviation, if there are several values.
    pub(super) std: Option<f64>,
    /// Text at the end of the bar.
    pub(super) note: String,
}

impl Row {
    /// A bar for the loss that faults cause: `from` less the mean accuracy.
    pub(super) fn loss(label: String, from: f64, accuracy: &Spread) -> Self {
        let value = from - accuracy.mean;
        let std = (accuracy.each.len() > 1).then_some(accuracy.std);
        Self { label, value, std, note: words::fixed(value, 1) }
    }
}

/// Draws rows in `figure`, whose size and texts are filled in here, with a line at `reference`.
pub(super) fn rows(
    h: &mut Html,
    figure: Figure,
    unit: &str,
    style: Style,
    rows: &[Row],
    reference: Option<f64>,
) {
    if rows.is_empty() {
        return;
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
    let says = rows.iter().map(|r| format!("{}: {}", r.label, r.note)).collect::<Vec<_>>();
    let figure = Figure { says: says.join("; "), size: (HALF.0, inner + 50.0), ..figure };
    figure.draw(h, |h| {
        frame.across(h, frame.x_axis(unit, 5), true);
        for (i, (row, label)) in rows.iter().zip(&labels).enumerate() {
            let (top, says) = (4.0 + pitch * i as f64, format!("{}: {}", row.label, row.note));
            let middle = top + 0.5 * (pitch - 4.0);
            text(h, (left - 8.0, middle + 5.0), Anchor::End, "row", label);
            let ends = (frame.x(0.0), frame.x(row.value));
            bar(h, &style.colour(), ends, (top, pitch - 4.0), &says);
            if let Some(std) = row.std {
                let ends = [row.value - std, row.value + std].map(|v| (frame.x(v), middle));
                whisker(h, "", ends[0], ends[1]);
            }
            text(h, (right + 10.0, middle + 4.5), Anchor::Start, "small", &row.note);
        }
        let zero = frame.x(0.0);
        rule(h, (zero, 0.0), (zero, inner), "base");
        if let Some(v) = reference.filter(|v| v.is_finite()) {
            let at = frame.x(v);
            line(h, Style::NEUTRAL.light(), "thin", &[(at, 0.0), (at, inner)]);
        }
    });
}
