//! Loss and accuracy over the steps of a training.

use crate::report::{
    documents::{
        event::{Evaluated, Event, Step},
        measure::Measure,
    },
    pictures::{
        chart::{Chart, HALF, Series, Xy, XyPoint},
        svg::{Scale, Style},
    },
    words,
};

/// Steps are averaged in groups, so that a loss curve has between this many points and twice as many.
const POINTS: usize = 40;
/// About this many single steps (fewer than twice as many) are drawn behind their average: more cannot be
/// told apart.
const SINGLE: usize = 400;
/// Name of the split of the final evaluation in events.
const TEST: &str = "test";

/// A training run in the charts.
pub(crate) struct TrainingRun<'a> {
    /// Name of the run; empty if there is only one.
    pub(crate) label: &'a str,
    /// Colour of the run.
    pub(crate) style: Style,
    /// Recorded events.
    pub(crate) events: &'a [Event],
}

impl TrainingRun<'_> {
    fn name(&self, what: &str) -> String {
        if self.label.is_empty() { what.into() } else { format!("{}, {what}", self.label) }
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.events.iter().filter_map(|event| match event {
            Event::Step(step) => Some(step),
            _ => None,
        })
    }

    fn evaluations(&self) -> impl Iterator<Item = &Evaluated> {
        self.events.iter().filter_map(|event| match event {
            Event::Evaluated(evaluated) => Some(evaluated),
            _ => None,
        })
    }
}

/// Loss and accuracy, to stand side by side; either is left out if it was not recorded.
pub(crate) fn training(runs: &[TrainingRun<'_>]) -> Vec<Chart> {
    losses(runs).into_iter().chain(accuracies(runs)).collect()
}

fn losses(runs: &[TrainingRun<'_>]) -> Option<Chart> {
    let (mut shades, mut curves) = (Vec::new(), Vec::new());
    for run in runs {
        let mut curve = |what, style: Style, value: fn(&Step) -> Option<f32>| {
            let points = run.steps().filter_map(|s| Some((s.step as f64, f64::from(value(s)?))));
            let points: Vec<_> = points.filter(|p| p.1.is_finite()).collect();
            let group = (points.len() / POINTS).max(1);
            if group > 1 && runs.len() == 1 {
                let every = (points.len() / SINGLE).max(1);
                let single = points.iter().copied().step_by(every).collect();
                let style = Style { light: false, ..style };
                let shade = series(String::new(), style, single);
                shades.push(Series { told: false, line: Some("pale"), dots: 0.0, ..shade });
            }
            curves.push(series(run.name(what), style, averaged(&points, group)));
        };
        curve("under faults", run.style, |s| s.loss_perturbed);
        curve("without faults", run.style.light(), |s| Some(s.loss_clean));
    }
    let distances = runs.iter().flat_map(TrainingRun::steps).map(|step| step.distance);
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
    let scale = |values: Vec<f64>| Scale::linear(values, [0.0, f64::INFINITY]);
    chart(("Training loss".into(), unit, about), scale, shades, curves)
}

fn accuracies(runs: &[TrainingRun<'_>]) -> Option<Chart> {
    let mut curves = Vec::new();
    let mut tested = false;
    for run in runs {
        let of = |test: bool, value: fn(&Evaluated) -> Option<f64>| -> Vec<(f64, f64)> {
            let all = run.evaluations().filter(|e| (e.split == TEST) == test);
            let points = all.filter_map(|e| Some((e.step as f64, value(e)?)));
            points.filter(|p| p.1.is_finite()).collect()
        };
        // A pretraining is evaluated on test images only, so these make its curve.
        let held_out = run.evaluations().any(|e| e.split != TEST);
        let mut curve = |what, style: Style, value: fn(&Evaluated) -> Option<f64>| {
            curves.push(series(run.name(what), style, of(!held_out, value)));
        };
        curve("PA(NF)", run.style, |e| e.perturbed_nf);
        curve("CA(NF)", run.style.light(), |e| e.accuracy_nf);
        let generator = run.evaluations().any(|e| e.accuracy_nf.or(e.perturbed_nf).is_some());
        // With a generator CA and PA are what the others are compared with; without one they are the curves.
        let style = if generator { Style::NEUTRAL } else { run.style };
        if runs.len() == 1 || !generator {
            curve("PA", style, |e| e.perturbed);
            curve("CA", style.light(), |e| e.accuracy);
        }
        if held_out && runs.len() == 1 {
            // A line to the final test would suggest a change that training did not make.
            let mut dot = |what, style: Style, value: fn(&Evaluated) -> Option<f64>| {
                let points = of(true, value);
                tested |= !points.is_empty();
                let name = run.name(&format!("{what} on the test images"));
                curves.push(Series { line: None, ..series(name, style, points) });
            };
            let test = Style::of(style_after(run.style));
            dot("PA(NF)", test, |e| e.perturbed_nf);
            dot("CA(NF)", test.light(), |e| e.accuracy_nf);
        }
    }
    let measure =
        runs.iter().flat_map(TrainingRun::evaluations).map(|e| Measure::agreement(e.agreement));
    let measure = Measure::all(measure);
    let only_test = runs.iter().flat_map(TrainingRun::evaluations).all(|e| e.split == TEST);
    let about = match (only_test, tested) {
        (true, _) => "On test images.",
        (_, true) => {
            "On training images that were held out, under one fault map. Single dots are of the test images."
        }
        (_, false) => "On training images that were held out, under one fault map.",
    };
    let title = format!("{} during training", measure.title());
    chart((title, measure.axis(), about), Scale::accuracy, Vec::new(), curves)
}

/// The series after that of a style, whose colour and shape differ from it.
fn style_after(style: Style) -> usize {
    style.series.map_or(0, |i| i + 1)
}

fn series(name: String, style: Style, points: Vec<(f64, f64)>) -> Series {
    let ends = points.first().zip(points.last());
    let says = ends.map(|(first, last)| {
        let [a, b] = [first.1, last.1].map(words::short);
        format!("from {a} at step {} to {b} at step {}", first.0, last.0)
    });
    let point = |at: (f64, f64)| XyPoint {
        at,
        std: None,
        name: String::new(),
        says: format!("{} at step {}", words::short(at.1), at.0),
    };
    let points = points.into_iter().map(point).collect();
    Series { says, ..Series::new(name, style, points) }
}

/// Means of `group` points each.
fn averaged(points: &[(f64, f64)], group: usize) -> Vec<(f64, f64)> {
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        (chunk.iter().map(|p| p.0).sum::<f64>() / n, chunk.iter().map(|p| p.1).sum::<f64>() / n)
    };
    points.chunks(group.max(1)).map(mean).collect()
}

fn chart(
    (title, unit, about): (String, &str, &str),
    scale: fn(Vec<f64>) -> Scale,
    shades: Vec<Series>,
    mut curves: Vec<Series>,
) -> Option<Chart> {
    curves.retain(|c| !c.points.is_empty());
    if curves.is_empty() {
        return None;
    }
    let points = || curves.iter().flat_map(|c| &c.points).map(|p| p.at);
    // The range is at least ten steps, otherwise the axis would name the same step twice.
    let last = points().map(|p| p.0).fold(10.0, f64::max);
    // The averages determine the range, because a single spike must not flatten the rest.
    let y = scale(points().map(|p| p.1).chain([0.0]).collect());
    let few = curves.iter().all(|c| c.points.len() <= POINTS / 2);
    let dotted = |c: &Series| few || c.line.is_none() || c.points.len() == 1;
    let curves =
        curves.into_iter().map(|c| Series { dots: if dotted(&c) { 4.0 } else { 0.0 }, ..c });
    let chart = Xy {
        title,
        about: about.into(),
        x: ("step", Scale::Linear { low: 0.0, high: last }),
        ticks: None,
        y: (unit, y),
        levels: ("", Vec::new()),
        series: shades.into_iter().chain(curves).collect(),
        size: HALF,
    };
    Some(chart.chart())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(events: &[Event]) -> Option<Chart> {
        accuracies(&[TrainingRun { label: "", style: Style::of(0), events }])
    }

    fn names(chart: &Chart) -> Vec<&str> {
        chart.keys.iter().map(|k| k.name.as_str()).collect()
    }

    #[test]
    fn without_a_generator_ca_is_a_curve_and_not_a_baseline() {
        let pretraining =
            Evaluated { accuracy: Some(50.0), split: TEST.into(), ..Evaluated::default() };
        let chart = drawn(&[Event::Evaluated(pretraining.clone())]).unwrap();
        assert_eq!((names(&chart), chart.keys[0].style.series), (vec!["CA"], Some(0)));
        assert_eq!(chart.about, "On test images.");
        let training =
            Evaluated { accuracy_nf: Some(40.0), split: "held-out".into(), ..pretraining };
        let chart = drawn(&[Event::Evaluated(training)]).unwrap();
        assert_eq!(names(&chart), ["CA(NF)", "CA"]);
        assert_eq!(chart.keys[1].style, Style::NEUTRAL.light());
    }

    #[test]
    fn the_final_test_is_no_point_of_the_held_out_curves_and_the_axis_begins_at_0() {
        let of = |step, split: &str, [ca, pa, ca_nf, pa_nf]: [f64; 4]| {
            Event::Evaluated(Evaluated {
                step,
                accuracy: Some(ca),
                perturbed: Some(pa),
                accuracy_nf: Some(ca_nf),
                perturbed_nf: Some(pa_nf),
                split: split.into(),
                ..Evaluated::default()
            })
        };
        let held_out = of(10, "held-out", [90.0, 70.0, 89.0, 85.0]);
        let chart = drawn(&[held_out, of(10, TEST, [60.0, 40.0, 55.0, 50.0])]).unwrap();
        let wanted = "series,step,accuracy (%)\r\nPA(NF),10,85\r\nCA(NF),10,89\r\nPA,10,70\r\nCA,10,90\r\n\
                      PA(NF) on the test images,10,50\r\nCA(NF) on the test images,10,55\r\n";
        assert_eq!(chart.data.text(), wanted);
        // No value lies between 0 and 50 %, but the axis still begins at 0.
        assert!(chart.drawing.into_string().contains(">0</text>"));
    }

    #[test]
    fn averages_keep_the_mean() {
        let points: Vec<_> = (0..10).map(|i| (f64::from(i), f64::from(i * i))).collect();
        assert_eq!(averaged(&points, 5), [(2.0, 6.0), (7.0, 51.0)]);
        assert_eq!(averaged(&points, 0), points);
    }
}
