//! Loss and accuracy over the steps of a training.

use super::HALF;
use crate::report::{
    curves::averaged,
    event::{Evaluated, Event, Step},
    measure::Measure,
    page::{
        figure::{Figure, Key},
        html::Html,
        svg::{Frame, Kind, Scale, Style, line, marker},
        words,
    },
};

/// Steps are averaged in groups, so that a loss curve has between this many points and twice as many.
const POINTS: usize = 40;
/// About this many single steps (fewer than twice as many) are drawn behind their average: more cannot be
/// told apart.
const SINGLE: usize = 400;

/// A training run in the charts.
pub(crate) struct Run<'a> {
    /// Name of the run; empty if there is only one.
    pub(crate) label: &'a str,
    /// Colour of the run.
    pub(crate) style: Style,
    /// Recorded events.
    pub(crate) events: &'a [Event],
}

/// A curve over steps.
struct Curve {
    name: String,
    style: Style,
    points: Vec<(f64, f64)>,
}

/// Draws loss and accuracy side by side; either is left out if it was not recorded.
pub(crate) fn training(h: &mut Html, runs: &[Run<'_>]) {
    h.element("div", &[("class", &"pair")], |h| {
        losses(h, runs);
        accuracies(h, runs);
    });
}

fn name(run: &Run<'_>, what: &str) -> String {
    if run.label.is_empty() { what.into() } else { format!("{}, {what}", run.label) }
}

fn losses(h: &mut Html, runs: &[Run<'_>]) {
    let (mut single, mut curves) = (Vec::new(), Vec::new());
    for run in runs {
        let mut curve = |what, style, value: fn(&Step) -> Option<f32>| {
            let steps = run.events.iter().filter_map(|event| match event {
                Event::Step(step) => Some((step.step as f64, f64::from(value(step)?))),
                _ => None,
            });
            let points: Vec<_> = steps.filter(|p| p.1.is_finite()).collect();
            let group = (points.len() / POINTS).max(1);
            if group > 1 && runs.len() == 1 {
                let every = (points.len() / SINGLE).max(1);
                single.push((style, points.iter().copied().step_by(every).collect::<Vec<_>>()));
            }
            let points = averaged(&points, group);
            curves.push(Curve { name: name(run, what), style, points });
        };
        curve("under faults", run.style, |s| s.loss_perturbed);
        curve("without faults", run.style.light(), |s| Some(s.loss_clean));
    }
    curves.retain(|c| !c.points.is_empty());
    let distances = runs.iter().flat_map(|run| run.events).filter_map(|event| match event {
        Event::Step(step) => Some(step.distance),
        _ => None,
    });
    let (some, all) = distances.fold((false, true), |(some, all), d| (some || d, all && d));
    let (unit, about) = match (some, all) {
        (false, _) => {
            ("cross-entropy", "Cross-entropy on training images, averaged over neighbouring steps.")
        }
        (true, true) => (
            "KL divergence",
            "Distance from the clean network’s answers (Kullback-Leibler divergence) on training images, \
             averaged over neighbouring steps.",
        ),
        (true, false) => (
            "loss",
            "Cross-entropy, or distance from the clean network’s answers, on training images, averaged over \
             neighbouring steps.",
        ),
    };
    draw(
        h,
        ("Training loss", unit, about),
        |v| Scale::linear(v, [0.0, f64::INFINITY]),
        &curves,
        &single,
    );
}

fn accuracies(h: &mut Html, runs: &[Run<'_>]) {
    let mut curves = Vec::new();
    for run in runs {
        let mut curve = |what, style, value: fn(&Evaluated) -> Option<f64>| {
            let points = run.events.iter().filter_map(|event| match event {
                Event::Evaluated(e) if e.split != "test" => Some((e.step as f64, value(e)?)),
                _ => None,
            });
            let points: Vec<_> = points.filter(|p| p.1.is_finite()).collect();
            curves.push(Curve { name: name(run, what), style, points });
        };
        curve("PA(NF)", run.style, |e| e.perturbed_nf);
        curve("CA(NF)", run.style.light(), |e| e.accuracy_nf);
        if runs.len() == 1 {
            curve("PA", Style::NEUTRAL, |e| e.perturbed);
            curve("CA", Style::NEUTRAL.light(), |e| e.accuracy);
        }
    }
    curves.retain(|c| !c.points.is_empty());
    let about = "On training images that were held out, under one fault map.";
    let evaluated = runs.iter().flat_map(|run| run.events).filter_map(|event| match event {
        Event::Evaluated(e) => Some(Measure::agreement(e.agreement)),
        _ => None,
    });
    let measure = Measure::all(evaluated);
    let title = format!("{} during training", measure.title());
    draw(h, (&title, measure.axis(), about), Scale::accuracy, &curves, &[]);
}

type Single = (Style, Vec<(f64, f64)>);

fn draw(
    h: &mut Html,
    (title, unit, about): (&str, &str, &str),
    scale: fn(Vec<f64>) -> Scale,
    curves: &[Curve],
    single: &[Single],
) {
    if curves.is_empty() {
        return;
    }
    let points = || curves.iter().flat_map(|c| &c.points);
    let last = points().map(|p| p.0).fold(10.0, f64::max);
    // The averages determine the range, because a single spike must not flatten the rest.
    let y = scale(points().map(|p| p.1).chain([0.0]).collect());
    let frame = Frame::inside(HALF, Scale::Linear { low: 0.0, high: last }, y);
    let few = curves.iter().all(|c| c.points.len() <= POINTS / 2);
    let kind = if few { Kind::Line } else { Kind::Stroke };
    let keys = curves.iter().map(|c| Key::new(&c.name, c.style, kind)).collect();
    let says = curves.iter().filter_map(|c| {
        let (first, last) = (c.points.first()?, c.points.last()?);
        let [a, b] = [first.1, last.1].map(words::short);
        Some(format!("{}: from {a} at step {} to {b} at step {}", c.name, first.0, last.0))
    });
    let says = says.collect::<Vec<_>>().join(". ");
    let figure = Figure { title: title.into(), about: about.into(), says, keys, size: HALF };
    figure.draw(h, |h| {
        frame.draw(h, frame.x_axis("step", 6), frame.y_axis(unit, 6));
        for (style, points) in single {
            line(h, Style { light: false, ..*style }, "pale", &frame.places(points));
        }
        for curve in curves {
            line(h, curve.style, "", &frame.places(&curve.points));
            for &(step, v) in curve.points.iter().filter(|_| few) {
                let says = format!("{}, step {step}: {}", curve.name, words::short(v));
                marker(h, curve.style, (frame.x(step), frame.y(v)), 4.0, &says);
            }
        }
    });
}
