//! What protecting the worst bit positions or layers gains.

use crate::report::{
    documents::{
        eval_json::{Protected, Sensitivity},
        measure::Measure,
    },
    pictures::{
        chart::{Around, Chart, FULL, Series, Xy, XyPoint},
        svg::{Scale, Style},
    },
    words,
};

/// Number of points of a curve that are named in the drawing: the first steps gain most.
const NAMED: usize = 4;

/// Accuracy against the share of stored bits that is protected.
pub(crate) fn protection(s: &Sensitivity, measure: Measure) -> Option<Chart> {
    let mut series = vec![
        curve(s, "bit positions, the worst first", 0, &s.protected_bits),
        curve(s, "layers, the worst first", 1, &s.protected_layers),
    ];
    series.retain(|c| c.points.len() > 1);
    if series.is_empty() {
        return None;
    }
    let points = || series.iter().flat_map(|c| &c.points);
    let values = points().flat_map(|p| {
        let std = p.std.unwrap_or(0.0);
        [p.at.1 - std, p.at.1 + std]
    });
    let y = Scale::accuracy(values.chain([s.clean]));
    let x = match Scale::linear(points().map(|p| p.at.0).chain([0.0]), [0.0, 100.0]) {
        Scale::Linear { high, .. } => Scale::Linear { low: 0.0, high },
        log @ Scale::Log { .. } => log,
    };
    let about = "The most harmful bit positions or layers are protected one after another; everything \
                 else stays faulty. Bands are one standard deviation.";
    let chart = Xy {
        title: "What protection buys".into(),
        about: about.into(),
        x: ("stored bits that are protected (%)", x),
        ticks: None,
        y: (measure.axis(), y),
        levels: ("no faults at all", vec![s.clean]),
        series,
        size: (FULL, 400.0),
    };
    Some(chart.chart())
}

/// A curve that begins with nothing protected.
fn curve(s: &Sensitivity, label: &str, series: usize, steps: &[Protected]) -> Series {
    let steps = steps.iter().map(|p| (100.0 * p.share, &p.accuracy, p.name.as_str()));
    let points =
        [(0.0, &s.everything, "")].into_iter().chain(steps).map(|(share, spread, name)| {
            let with = if name.is_empty() { "nothing" } else { name };
            let (accuracy, part) = (words::spread(spread), words::part(share, 1));
            XyPoint {
                at: (share, spread.mean),
                std: Some(spread.std),
                name: if name.is_empty() {
                    String::new()
                } else {
                    format!("+ {}", words::shortened(name, 24))
                },
                says: format!("{accuracy} % with {with} ({part}) protected"),
            }
        });
    let (around, names) = (Around::Band, NAMED);
    let points = points.collect();
    Series { around, names, dots: 4.5, ..Series::new(label, Style::of(series), points) }
}
