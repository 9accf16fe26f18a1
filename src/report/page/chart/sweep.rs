//! Accuracy against the share of faulty cells.

use super::FULL;
use crate::report::{
    measure::Measure,
    page::{
        entry::Sweep,
        figure::{Figure, Key},
        html::Html,
        svg::{Axis, Frame, Kind, Scale, Style, band, line, marker, own_ticks, whisker},
        words,
    },
};

/// Maximum number of lines that have bands. Bands of more would cover each other, so these lines have
/// whiskers.
const BANDS: usize = 3;

/// Draws the curves if one of them has at least two rates; `clean` accuracies are lines to compare with.
pub(crate) fn sweep(h: &mut Html, sweeps: &[Sweep<'_>], clean: &[(f64, Style)], measure: Measure) {
    let rates = || sweeps.iter().flat_map(|s| s.points.iter().map(|p| 100.0 * p.0));
    let mut distinct: Vec<f64> = rates().filter(|r| r.is_finite()).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let curves = sweeps.iter().any(|s| s.points.len() > 1);
    if !curves || distinct.len() < 2 {
        return;
    }
    let values = sweeps.iter().flat_map(|s| &s.points).flat_map(|p| {
        let s = p.1;
        [s.mean - s.std, s.mean + s.std]
    });
    let size = (FULL, 420.0);
    let y = Scale::accuracy(values.chain(clean.iter().map(|c| c.0)));
    let frame = Frame::inside(size, Scale::rates(rates()), y);
    let mut keys: Vec<Key> =
        sweeps.iter().map(|s| Key::new(&s.label, s.style, Kind::Line)).collect();
    if !clean.is_empty() {
        keys.push(Key::new("without faults (CA)", Style::NEUTRAL, Kind::Stroke));
    }
    let banded = sweeps.len() <= BANDS;
    let spread = sweeps.iter().flat_map(|s| &s.points).any(|p| p.1.each.len() > 1);
    let about = match (spread, banded) {
        (false, _) => "One fault map for each point.",
        (_, true) => "Mean over the fault maps, and a band of one standard deviation around it.",
        (_, false) => {
            "Mean over the fault maps, and whiskers of one standard deviation; what is of the same rate \
                       stands side by side."
        }
    };
    let says = sweeps.iter().map(in_words).collect::<Vec<_>>().join(". ");
    let title = format!("{} against faulty cells", measure.title());
    let figure = Figure { title, about: about.into(), says, keys, size };
    figure.draw(h, |h| {
        let title = "faulty cells (BER, %)";
        let x = match own_ticks(frame.x, &distinct) {
            Some(ticks) => Axis { title, ticks },
            None => frame.x_axis(title, 8),
        };
        frame.draw(h, x, frame.y_axis(measure.axis(), 6));
        for &(accuracy, style) in clean.iter().filter(|c| c.0.is_finite()) {
            let y = frame.y(accuracy);
            line(h, style, "thin", &[(frame.left, y), (frame.right, y)]);
        }
        for s in sweeps.iter().filter(|_| banded) {
            let points = s.points.iter().filter(|p| frame.x.has(100.0 * p.0));
            let points = points.map(|(r, s, _)| {
                let ends = [s.mean - s.std, s.mean + s.std].map(|v| frame.y(v));
                (frame.x(100.0 * r), ends[0], ends[1])
            });
            band(h, s.style, &points.collect::<Vec<_>>());
        }
        // Whiskers of one rate stand side by side, otherwise they would cover each other.
        let narrowest = distinct.windows(2).map(|w| frame.x(w[1]) - frame.x(w[0]));
        let pitch = (0.4 * narrowest.fold(f64::MAX, f64::min) / sweeps.len() as f64).min(6.0);
        let middle = (sweeps.len() as f64 - 1.0) / 2.0;
        for (i, s) in sweeps.iter().enumerate() {
            let shift = if banded { 0.0 } else { (i as f64 - middle) * pitch };
            curve(h, &frame, s, shift, !banded);
        }
    });
}

fn curve(h: &mut Html, frame: &Frame, s: &Sweep<'_>, shift: f64, whiskers: bool) {
    let points: Vec<_> = s.points.iter().map(|p| (100.0 * p.0, p.1.mean)).collect();
    let places = frame.places(&points).into_iter().map(|(x, y)| (x + shift, y));
    line(h, s.style, "", &places.collect::<Vec<_>>());
    for (rate, spread, _) in &s.points {
        let (x, mean) = (100.0 * rate, spread.mean);
        if !frame.x.has(x) || !mean.is_finite() {
            continue;
        }
        let at = (frame.x(x) + shift, frame.y(mean));
        if whiskers && spread.each.len() > 1 {
            let ends = [mean - spread.std, mean + spread.std].map(|v| (at.0, frame.y(v)));
            whisker(h, &s.style.colour(), ends[0], ends[1]);
        }
        let says = format!("{}, {}: {} %", s.label, words::rate(*rate), words::spread(spread));
        marker(h, s.style, at, 5.0, &says);
    }
}

fn in_words(s: &Sweep<'_>) -> String {
    let points = s.points.iter();
    let points =
        points.map(|(rate, s, _)| format!("{} % at {}", words::spread(s), words::rate(*rate)));
    format!("{}: {}", s.label, points.collect::<Vec<_>>().join(", "))
}
