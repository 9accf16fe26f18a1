//! Accuracy against the share of faulty cells.

use crate::report::{
    documents::measure::Measure,
    pictures::{
        chart::{Around, Chart, FULL, Series, Xy, XyPoint},
        entry::Sweep,
        svg::{Scale, own_ticks},
    },
    words,
};

/// Maximum number of lines that have bands. Bands of more would cover each other, so these lines have
/// whiskers.
const BANDS: usize = 3;

/// The curves, if one of them has at least two rates; `clean` accuracies are lines to compare with.
pub(crate) fn sweep(sweeps: &[Sweep<'_>], clean: Vec<f64>, measure: Measure) -> Option<Chart> {
    let rates = || sweeps.iter().flat_map(|s| s.points.iter().map(|p| 100.0 * p.0));
    let mut distinct: Vec<f64> = rates().filter(|r| r.is_finite()).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if sweeps.iter().all(|s| s.points.len() < 2) || distinct.len() < 2 {
        return None;
    }
    let around = if sweeps.len() <= BANDS { Around::Band } else { Around::Whiskers };
    let several = sweeps.iter().flat_map(|s| &s.points).any(|p| p.1.each.len() > 1);
    let about = match (several, around) {
        (false, _) => "One fault map for each point.",
        (_, Around::Band) => {
            "Mean over the fault maps, and a band of one standard deviation around it."
        }
        (_, _) => {
            "Mean over the fault maps, and whiskers of one standard deviation; what is of the same rate stands \
             side by side."
        }
    };
    let values = sweeps.iter().flat_map(|s| &s.points).flat_map(|p| {
        let s = p.1;
        [s.mean - s.std, s.mean + s.std]
    });
    let y = Scale::accuracy(values.chain(clean.iter().copied()));
    let x = Scale::rates(rates());
    let series = |s: &Sweep<'_>| Series { around, ..Series::new(&s.label, s.style, points(s)) };
    let chart = Xy {
        title: format!("{} against faulty cells", measure.title()),
        about: about.into(),
        x: ("faulty cells (BER, %)", x),
        ticks: own_ticks(x, &distinct),
        y: (measure.axis(), y),
        levels: ("without faults (CA)", clean),
        series: sweeps.iter().map(series).collect(),
        size: (FULL, 420.0),
    };
    Some(chart.chart())
}

fn points(s: &Sweep<'_>) -> Vec<XyPoint> {
    let point = |(rate, spread, _): &(f64, &_, &_)| {
        let spread: &crate::report::documents::eval_json::Spread = spread;
        XyPoint {
            at: (100.0 * rate, spread.mean),
            std: (spread.each.len() > 1).then_some(spread.std),
            name: String::new(),
            says: format!("{} % at {}", words::spread(spread), words::rate(*rate)),
        }
    };
    s.points.iter().map(point).collect()
}
