//! Accuracy against the energy of the weight memory.

use super::FULL;
use crate::report::{
    measure::Measure,
    page::{
        entry::{Entry, Sweep},
        figure::{Figure, Key},
        html::Html,
        svg::{Frame, Kind, Labels, Scale, Style, line, marker},
        words,
    },
};

/// Maximum number of points that have names in the drawing; more would cover each other.
const NAMED: usize = 14;

/// A series of points with their names.
struct Series {
    label: String,
    style: Style,
    /// Relative energy in per cent, accuracy in per cent, name.
    points: Vec<(f64, f64, String)>,
}

/// Draws the operating points whose energy is known.
pub(crate) fn energy(h: &mut Html, entries: &[Entry<'_>], sweeps: &[Sweep<'_>], measure: Measure) {
    let mut all: Vec<Series> = sweeps.iter().map(series).collect();
    all.retain(|s| !s.points.is_empty());
    if all.is_empty() {
        return;
    }
    let mut nominal: Vec<(f64, f64, String)> = Vec::new();
    for entry in entries {
        let ca = entry.evaluation.clean.accuracy;
        if ca.is_finite() && !nominal.iter().any(|n| n.1 == ca) {
            nominal.push((100.0, ca, String::new()));
        }
    }
    let label = "nominal voltage, no NeuralFuse".into();
    all.push(Series { label, style: Style::NEUTRAL, points: nominal });
    let points = || all.iter().flat_map(|s| &s.points);
    let size = (FULL, 400.0);
    let x = Scale::linear(points().map(|p| p.0), [0.0, f64::INFINITY]);
    let y = Scale::accuracy(points().map(|p| p.1));
    let frame = Frame::inside(size, x, y);
    let says = all.iter().map(in_words).collect::<Vec<_>>().join(". ");
    let key = |s: &Series| {
        let kind = if s.points.len() > 1 { Kind::Line } else { Kind::Dot };
        Key::new(&s.label, s.style, kind)
    };
    let keys = all.iter().map(key).collect();
    let about = "Energy of the accesses to the weight memory: base network at the low voltage, generator \
                 at the nominal one; 100 % is the base network alone at the nominal voltage. Further up \
                 and to the left is better.";
    let title = format!("{} against energy", measure.title());
    let figure = Figure { title, about: about.into(), says, keys, size };
    figure.draw(h, |h| {
        let x = frame.x_axis("energy of weight memory, relative to nominal voltage (%)", 8);
        frame.draw(h, x, frame.y_axis(measure.axis(), 6));
        let named = points().count() <= NAMED;
        let all_places: Vec<_> = points().map(|p| (frame.x(p.0), frame.y(p.1))).collect();
        let mut labels = Labels::new(&frame, &all_places);
        for s in &all {
            let places: Vec<_> = s.points.iter().map(|p| (frame.x(p.0), frame.y(p.1))).collect();
            line(h, s.style, "thin", &places);
            for (at, (energy, accuracy, name)) in places.iter().zip(&s.points) {
                let (energy, accuracy) = (words::percent(*energy), words::percent(*accuracy));
                let says = format!("{} {name}: {accuracy} at {energy} energy", s.label);
                marker(h, s.style, *at, 5.5, &says);
                if named && !name.is_empty() {
                    labels.write(h, *at, name);
                }
            }
        }
    });
}

fn series(sweep: &Sweep<'_>) -> Series {
    let with = sweep.style.series.is_some();
    let points = sweep.points.iter().zip(&sweep.savings).filter_map(|((rate, s, _), savings)| {
        let savings = (*savings)?;
        let saved = if with { savings.behind } else { savings.alone };
        let relative = 100.0 - saved?;
        let voltage = savings.voltage.map(|v| format!(", {} Vmin", words::short(v)));
        let name = words::rate(*rate) + &voltage.unwrap_or_default();
        (relative.is_finite() && s.mean.is_finite()).then_some((relative, s.mean, name))
    });
    Series { label: sweep.label.clone(), style: sweep.style, points: points.collect() }
}

fn in_words(s: &Series) -> String {
    let points = s.points.iter().map(|(energy, accuracy, name)| {
        let at = words::percent(*energy);
        format!("{} at {at} energy {name}", words::percent(*accuracy))
    });
    format!("{}: {}", s.label, points.collect::<Vec<_>>().join(", "))
}
