//! Draws what protecting the worst bit positions or layers gains.

use super::FULL;
use crate::report::{
    eval_json::{Protected, Sensitivity, Spread},
    measure::Measure,
    page::{
        figure::{Figure, Key},
        html::Html,
        svg::{Frame, Kind, Labels, Scale, Style, band, line, marker},
        words,
    },
};

/// Number of steps of a curve that are named in the drawing; the first steps gain most.
const NAMED: usize = 3;

/// A curve that begins with nothing protected.
struct Curve<'a> {
    label: &'a str,
    style: Style,
    /// Share of the stored bits in per cent, accuracy, name of the part protected from this point on.
    points: Vec<(f64, &'a Spread, &'a str)>,
}

/// Draws accuracy against the share of stored bits that is protected.
pub(crate) fn protection(h: &mut Html, s: &Sensitivity, measure: Measure) {
    let mut curves = vec![
        curve(s, "bit positions, the worst first", 0, &s.protected_bits),
        curve(s, "layers, the worst per bit first", 1, &s.protected_layers),
    ];
    curves.retain(|c| c.points.len() > 1);
    if curves.is_empty() {
        return;
    }
    let size = (FULL, 400.0);
    let values = curves.iter().flat_map(|c| &c.points).map(|p| p.1);
    let values = values.flat_map(|s| [s.mean - s.std, s.mean + s.std]).chain([s.clean]);
    let y = Scale::accuracy(values);
    let most = curves.iter().flat_map(|c| &c.points).map(|p| p.0);
    let x = match Scale::linear(most.chain([0.0]), [0.0, 100.0]) {
        Scale::Linear { high, .. } => Scale::Linear { low: 0.0, high },
        log @ Scale::Log { .. } => log,
    };
    let frame = Frame::inside(size, x, y);
    let mut keys: Vec<Key> =
        curves.iter().map(|c| Key::new(c.label, c.style, Kind::Line)).collect();
    keys.push(Key::new("no faults at all", Style::NEUTRAL, Kind::Stroke));
    let about = "The most harmful bit positions or layers are protected one after another; everything \
                 else stays faulty. Bands are one standard deviation.";
    let says = curves.iter().map(in_words).collect::<Vec<_>>().join(". ");
    let title = "What protection buys".into();
    let figure = Figure { title, about: about.into(), says, keys, size };
    figure.draw(h, |h| {
        let x = frame.x_axis("stored bits that are protected (%)", 8);
        frame.draw(h, x, frame.y_axis(measure.axis(), 6));
        let clean = frame.y(s.clean);
        line(h, Style::NEUTRAL, "thin", &[(frame.left, clean), (frame.right, clean)]);
        for c in &curves {
            let ends = |s: &Spread| [s.mean - s.std, s.mean + s.std].map(|v| frame.y(v));
            let around = c.points.iter().filter(|p| p.1.mean.is_finite());
            let around = around.map(|(x, s, _)| (frame.x(*x), ends(s)[0], ends(s)[1]));
            band(h, c.style, &around.collect::<Vec<_>>());
        }
        let places = curves.iter().flat_map(|c| &c.points);
        let places: Vec<_> = places.map(|p| (frame.x(p.0), frame.y(p.1.mean))).collect();
        let mut labels = Labels::new(&frame, &places);
        for c in &curves {
            let points: Vec<_> = c.points.iter().map(|p| (p.0, p.1.mean)).collect();
            line(h, c.style, "", &frame.places(&points));
            for (i, (share, spread, name)) in c.points.iter().enumerate() {
                if !spread.mean.is_finite() || !share.is_finite() {
                    continue;
                }
                let at = (frame.x(*share), frame.y(spread.mean));
                let share = words::part(*share, 1);
                let says = format!("{name}: {} % with {share} protected", words::spread(spread));
                marker(h, c.style, at, 4.5, &says);
                if (1..=NAMED).contains(&i) {
                    labels.write(h, at, &format!("+ {}", words::shortened(name, 24)));
                }
            }
        }
    });
}

fn curve<'a>(
    s: &'a Sensitivity,
    label: &'a str,
    series: usize,
    steps: &'a [Protected],
) -> Curve<'a> {
    let none = (0.0, &s.everything, "nothing");
    let steps = steps.iter().map(|p| (100.0 * p.share, &p.accuracy, p.name.as_str()));
    Curve { label, style: Style::of(series), points: [none].into_iter().chain(steps).collect() }
}

fn in_words(c: &Curve<'_>) -> String {
    let points = c.points.iter().map(|(share, s, name)| {
        format!("{} % with {name} ({}) protected", words::spread(s), words::part(*share, 1))
    });
    format!("{}: {}", c.label, points.collect::<Vec<_>>().join(", "))
}
