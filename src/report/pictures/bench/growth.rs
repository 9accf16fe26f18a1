//! Draws how a step grows: time and memory over each quantity, as multiples of the usual step.

use std::path::Path;

use crate::{
    error::{Error, Result},
    files::atomic,
    report::{
        documents::bench_json::{Growth, GrowthPoint, PowerLaw, Report},
        pictures::{
            chart::{Chart, HALF, Series, Xy, XyPoint, picture},
            svg::{Scale, Style, own_ticks},
        },
        words::bench::adapter,
    },
    words::{mebibytes, percent_to, three_digits},
};

/// What is drawn of a point, and the law that fits it.
struct Drawn {
    title: &'static str,
    axis: &'static str,
    unit: &'static str,
    value: fn(&GrowthPoint) -> f64,
    law: fn(&Growth) -> Option<PowerLaw>,
}

const DRAWN: [Drawn; 2] = [
    Drawn {
        title: "Time of a step",
        axis: "milliseconds",
        unit: "ms",
        value: |p| p.times.median_ms,
        law: |g| g.time,
    },
    Drawn {
        title: "Memory of a step",
        axis: "MiB on the device",
        unit: "MiB",
        value: |p| mebibytes(p.bytes),
        law: |g| g.memory,
    },
];

/// Draws the growth that a report measured.
///
/// # Errors
/// [`Error::Write`]; [`Error::Argument`] for a report without any.
pub fn save(path: impl AsRef<Path>, report: &Report) -> Result<()> {
    if report.growth.iter().all(|growth| growth.points.is_empty()) {
        let what = "the report does not say how a step grows: there is nothing to draw";
        return Err(Error::argument("--plot", what, "measure it: nf-gpu bench --scaling"));
    }
    let charts: Vec<Chart> = DRAWN.iter().map(|drawn| chart(report, drawn)).collect();
    atomic::write(path, picture("nf-gpu bench --scaling", &charts))
}

fn chart(report: &Report, drawn: &Drawn) -> Chart {
    let growth = &report.growth;
    let series = growth.iter().enumerate().map(|(i, g)| {
        let usual = f64::from(g.usual.max(1));
        let point = |p: &GrowthPoint| XyPoint {
            at: (f64::from(p.number) / usual, (drawn.value)(p)),
            says: format!("{} {} at {}", three_digits((drawn.value)(p)), drawn.unit, p.number),
            ..XyPoint::default()
        };
        let power = (drawn.law)(g).map(|law| {
            let within =
                law.off.map(|off| format!(", within {}", percent_to(100.0 * (off - 1.0), 0)));
            format!(": power {:.2}{}", law.exponent, within.unwrap_or_default())
        });
        let label = format!("{}{}", g.quantity, power.unwrap_or_default());
        Series::new(label, Style::of(i), g.points.iter().map(point).collect())
    });
    let series: Vec<Series> = series.collect();
    let points = || series.iter().flat_map(|s| s.points.iter().map(|p| p.at));
    let mut multiples: Vec<f64> = points().map(|at| at.0).collect();
    multiples.sort_by(f64::total_cmp);
    multiples.dedup();
    let x = Scale::rates(points().map(|at| at.0));
    let y = Scale::rates(points().map(|at| at.1));
    let xy = Xy {
        title: drawn.title.into(),
        about: format!(
            "{} Both scales are logarithmic: a power is a slope.",
            report.growing_step()
        ),
        x: ("multiple of the usual number", x),
        ticks: own_ticks(x, &multiples),
        y: (drawn.axis, y),
        levels: ("", Vec::new()),
        series,
        size: HALF,
    };
    Chart { of: format!("{}, commit {}", adapter(&report.adapter), report.commit), ..xy.chart() }
}
