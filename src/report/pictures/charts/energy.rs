//! Accuracy against the energy of the weight memory, beside the points that the paper prints.

use crate::report::{
    documents::{measure::Measure, published::PublishedPoint},
    pictures::{
        chart::{Chart, FULL, Series, Xy, XyPoint},
        entry::{Entry, Sweep},
        svg::{Scale, Style},
    },
    words,
};

/// Maximum number of measured points that have names in the drawing; more would cover each other.
const NAMED: usize = 14;

/// The operating points whose energy is known.
pub(crate) fn energy(
    entries: &[Entry<'_>],
    sweeps: &[Sweep<'_>],
    published: &[PublishedPoint],
    measure: Measure,
) -> Option<Chart> {
    let mut series: Vec<Series> = sweeps.iter().map(measured).collect();
    series.retain(|s| !s.points.is_empty());
    if series.is_empty() {
        return None;
    }
    let mut nominal: Vec<f64> = Vec::new();
    for ca in entries.iter().map(|entry| entry.evaluation.clean.accuracy) {
        if ca.is_finite() && !nominal.contains(&ca) {
            nominal.push(ca);
        }
    }
    let nominal = nominal.into_iter().map(|ca| point(100.0, ca, String::new())).collect();
    series.push(dots("nominal voltage, no NeuralFuse", Style::NEUTRAL, nominal));
    let measured = series.iter().map(|s| s.points.len()).sum::<usize>();
    let printed: Vec<XyPoint> =
        published.iter().filter(|p| fits(entries, p)).map(in_print).collect();
    let mut about = "Energy of the accesses to the weight memory: base network at the low voltage, generator \
                     at the nominal one; 100 % is the base network alone at the nominal voltage. Further up \
                     and to the left is better."
        .to_owned();
    if !printed.is_empty() {
        about += " “The paper”: what it prints for this network (tables 2 and 12), whose faults are those of \
                  --faults reference.";
        let style = Style::of(entries.len()).light();
        series.push(dots("the paper", style, printed));
    }
    let points = || series.iter().flat_map(|s| &s.points);
    let names = if measured <= NAMED { usize::MAX } else { 0 };
    let x = Scale::linear(points().map(|p| p.at.0), [0.0, f64::INFINITY]);
    let y = Scale::accuracy(points().map(|p| p.at.1));
    let chart = Xy {
        title: format!("{} against energy", measure.title()),
        about,
        x: ("energy of weight memory, relative to nominal voltage (%)", x),
        ticks: None,
        y: (measure.axis(), y),
        levels: ("", Vec::new()),
        series: series.into_iter().map(|s| Series { names, dots: 5.5, ..s }).collect(),
        size: (FULL, 400.0),
    };
    Some(chart.chart())
}

fn point(energy: f64, accuracy: f64, name: String) -> XyPoint {
    let says = format!("{} at {} energy", words::percent(accuracy), words::percent(energy));
    let says = if name.is_empty() { says } else { format!("{says} ({name})") };
    XyPoint { at: (energy, accuracy), std: None, name, says }
}

fn dots(label: &str, style: Style, points: Vec<XyPoint>) -> Series {
    Series { line: None, ..Series::new(label, style, points) }
}

fn measured(sweep: &Sweep<'_>) -> Series {
    let with = sweep.style.series.is_some();
    let points = sweep.points.iter().zip(&sweep.savings).filter_map(|((rate, s, _), savings)| {
        let savings = (*savings)?;
        let saved = if with { savings.behind } else { savings.alone };
        let relative = 100.0 - saved?;
        let voltage = savings.voltage.map(|v| format!(", {} Vmin", words::short(v)));
        let name = words::rate(*rate) + &voltage.unwrap_or_default();
        (relative.is_finite() && s.mean.is_finite()).then(|| point(relative, s.mean, name))
    });
    let points = points.collect();
    Series { line: Some("thin"), ..Series::new(&sweep.label, sweep.style, points) }
}

/// Whether a printed point is of the network, the images and a rate of an evaluation.
fn fits(entries: &[Entry<'_>], p: &PublishedPoint) -> bool {
    entries.iter().map(|entry| entry.evaluation).any(|e| {
        let same =
            e.base.model == p.base && e.dataset.name == p.dataset && e.dataset.labels.is_none();
        same && e.perturbed.iter().any(|own| own.ber() == p.ber)
    })
}

fn in_print(p: &PublishedPoint) -> XyPoint {
    let name = p.generator.as_deref().unwrap_or("no NeuralFuse");
    point(p.energy, p.accuracy, name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        documents::eval_json::{Energy, sample, stuck_at},
        pictures::{
            entry::{entries, sweeps},
            source::Source,
        },
    };

    fn printed(base: &str, generator: Option<&str>, accuracy: f64) -> PublishedPoint {
        let (base, generator) = (base.into(), generator.map(str::to_owned));
        PublishedPoint {
            base,
            dataset: "cifar10".into(),
            generator,
            ber: 0.01,
            accuracy,
            energy: 69.0,
        }
    }

    #[test]
    fn points_of_the_same_network_in_the_paper_are_hollow_marks() {
        let mut e = sample();
        e.energy = Some(Energy { saving_percent: 19.0, ..Energy::default() });
        let sources = |e| [Source::new("a", vec![e])];
        let paper = [
            printed("resnet18", Some("ConvS"), 59.5),
            printed("resnet18", None, 38.9),
            printed("vgg11", Some("ConvS"), 66.3),
        ];
        let drawn = |e| {
            let sources = sources(e);
            let entries = entries(&sources);
            energy(&entries, &sweeps(&entries), &paper, Measure::Accuracy).unwrap()
        };
        let chart = drawn(e.clone());
        let keys: Vec<_> = chart.keys.iter().map(|k| (k.name.as_str(), k.style.light)).collect();
        let wanted =
            [("ConvL", false), ("nominal voltage, no NeuralFuse", false), ("the paper", true)];
        assert_eq!(keys, wanted);
        let table = chart.data.text();
        let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("the paper")).collect();
        assert_eq!(rows, ["the paper,69,59.5,ConvS", "the paper,69,38.9,no NeuralFuse"]);
        assert_eq!(chart.drawing.into_string().matches("class=\"hollow c1\"").count(), 2);
        // Of another rate, and on other images, the paper says something else.
        let mut other = e.clone();
        other.perturbed[0].faults = stuck_at(0.02);
        assert_eq!(drawn(other).keys.len(), 2);
        e.dataset.name = "gtsrb".into();
        assert_eq!(drawn(e).keys.len(), 2);
    }
}
