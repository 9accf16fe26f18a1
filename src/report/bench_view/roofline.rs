//! Kernels under the measured roof of their adapter: operations per second over operations per byte.

use std::path::Path;

use super::{
    adapter,
    drawing::{self, Key, Sample},
    rate,
};
use crate::{
    error::{Error, Result},
    report::{
        bench_json::{Case, Ceiling, Report},
        page::{
            html::{Html, Px},
            svg::{Anchor, Axis, Frame, Labels, Scale, Style, line, marker, text},
        },
    },
};

const SIZE: (f64, f64) = (1000.0, 690.0);
/// A kernel so many times below the lowest roof does too little to be of interest.
const TOO_SHORT: f64 = 40.0;
/// Left and right end of titles and legend.
const ENDS: (f64, f64) = (20.0, 980.0);

/// Kernels that look alike, by the beginning of what they compute; the first that fits counts.
const FAMILIES: &[(&str, &str)] = &[
    ("conv2d forward", "convolution, forward"),
    ("conv2d input gradient", "convolution, input gradient"),
    ("conv2d weight gradient", "convolution, weight gradient"),
    ("batch_norm", "batch norm"),
    ("fault_dequantize", "faults and dequantisation (integers)"),
    ("", "everything else"),
];

fn family(case: &Case) -> usize {
    FAMILIES
        .iter()
        .position(|(begin, _)| case.case.starts_with(begin))
        .unwrap_or(FAMILIES.len() - 1)
}

fn style(case: &Case) -> Style {
    let style = Style::of(family(case));
    if case.chosen { style } else { style.light() }
}

/// A kernel's place: operations per byte, billions of operations per second.
fn place(case: &Case) -> Option<(f64, f64)> {
    let there = case.bytes > 0 && case.flops > 0 && case.gflops > 0.0;
    there.then(|| (case.flops as f64 / case.bytes as f64, case.gflops))
}

/// Draws a report's kernels and ceilings.
///
/// # Errors
/// [`Error::Write`]; [`Error::Argument`] for a report without ceilings or kernels.
pub fn save(path: impl AsRef<Path>, report: &Report) -> Result<()> {
    let cases: Vec<&Case> = report.cases.iter().filter(|c| place(c).is_some()).collect();
    let Some(copy) = report.ceiling("copy").filter(|_| !cases.is_empty()) else {
        let what = "a roofline needs kernels and ceilings, and the report has none";
        return Err(Error::argument("--roofline", what, "measure anew: nf-gpu bench --no-steps"));
    };
    let flat: Vec<&Ceiling> = report.ceilings.iter().filter(|c| c.name != "copy").collect();
    let title = format!("Roofline of {}", report.adapter.name);
    drawing::save(path.as_ref(), SIZE, &title, |h| {
        text(h, (ENDS.0, 34.0), Anchor::Start, "title", &title);
        let under = format!(
            "{}; commit {}; clock {}",
            adapter(&report.adapter),
            report.commit,
            report.clock
        );
        text(h, (ENDS.0, 56.0), Anchor::Start, "under", under);
        let keys = keys(&cases);
        drawing::legend(h, &keys, ENDS, 66.0);
        let top = 66.0 + drawing::legend_height(&keys, ENDS) + 14.0;
        let frame = frame(&cases, copy, &flat, top);
        let y = Axis { title: "billion operations per second", ticks: frame.y.ticks(12) };
        let x = Axis { title: "operations per byte of all bindings", ticks: frame.x.ticks(14) };
        frame.draw(h, x, y);
        roofs(h, &frame, copy, &flat);
        kernels(h, &frame, &cases);
    })
}

fn keys(cases: &[&Case]) -> Vec<Key> {
    let there = |(i, _): &(usize, &(&str, &str))| cases.iter().any(|c| family(c) == *i);
    let families = FAMILIES.iter().enumerate().filter(there);
    let mut keys: Vec<Key> = families
        .map(|(i, (_, name))| Key {
            name: (*name).to_owned(),
            style: Style::of(i),
            sample: Sample::Dot,
        })
        .collect();
    if cases.iter().any(|c| !c.chosen) {
        let style = Style::NEUTRAL.light();
        keys.push(Key {
            name: "hollow: variants not used here".into(),
            style,
            sample: Sample::Dot,
        });
    }
    keys
}

fn frame(cases: &[&Case], copy: f64, flat: &[&Ceiling], top: f64) -> Frame {
    let (xs, ys): (Vec<f64>, Vec<f64>) = cases.iter().filter_map(|c| place(c)).unzip();
    let most = flat.iter().map(|c| c.rate).fold(0.0, f64::max);
    // Both parts of the roof are seen: its ridge lies inside.
    let ridge = most / copy;
    let low = |values: &[f64]| values.iter().copied().fold(f64::MAX, f64::min);
    let high = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let x = Scale::Log { low: low(&xs).min(ridge) / 1.6, high: high(&xs).max(2.0 * ridge) * 1.6 };
    // Kernels that hardly begin before they end would leave the others no room.
    let begin = low(&xs).min(ridge);
    let floor = low(&ys).max(copy * begin / TOO_SHORT);
    let y = Scale::Log { low: floor / 1.8, high: high(&ys).max(most) * 1.8 };
    // Beside the right edge stand the names of the ceilings.
    Frame { top, left: 70.0, right: SIZE.0 - 150.0, ..Frame::inside(SIZE, x, y) }
}

/// The slope that memory allows up to the highest flat part, and the flat parts.
fn roofs(h: &mut Html, frame: &Frame, copy: f64, flat: &[&Ceiling]) {
    let (Scale::Log { low, high }, Scale::Log { low: floor, .. }) = (frame.x, frame.y) else {
        return;
    };
    let most = flat.iter().map(|c| c.rate).fold(0.0, f64::max);
    let begin = low.max(floor / copy);
    let end = if most > 0.0 { (most / copy).min(high) } else { high };
    let slope = frame.places(&[(begin, copy * begin), (end, copy * end)]);
    line(h, Style::NEUTRAL, "", &slope);
    if let [from, to] = slope[..] {
        along(h, from, to, &format!("copy {} GB/s", rate(copy)));
    }
    let mut flat = flat.to_vec();
    flat.sort_by(|a, b| b.rate.total_cmp(&a.rate));
    let mut lowest = f64::NEG_INFINITY;
    for ceiling in flat {
        let from = (ceiling.rate / copy).clamp(low, high);
        let y = frame.y(ceiling.rate);
        let ends = [(from, ceiling.rate), (high, ceiling.rate)];
        let style = if ceiling.rate < most { Style::NEUTRAL.light() } else { Style::NEUTRAL };
        line(h, style, "", &frame.places(&ends));
        // Two lines beside the end of the line, below those of the one above it.
        let base = (y - 3.0).max(lowest + 17.0);
        lowest = base + 15.0;
        let x = frame.right + 8.0;
        text(h, (x, base), Anchor::Start, "under", &ceiling.name);
        let value = format!("{} {}", rate(ceiling.rate), ceiling.unit);
        text(h, (x, lowest), Anchor::Start, "under", value);
    }
}

/// A text above the middle of a rising line, turned with it.
fn along(h: &mut Html, (x0, y0): (f64, f64), (x1, y1): (f64, f64), what: &str) {
    let (x, y) = (f64::midpoint(x0, x1), f64::midpoint(y0, y1));
    let degrees = (y1 - y0).atan2(x1 - x0).to_degrees();
    let turn = format!("rotate({degrees:.2} {} {})", Px(x), Px(y));
    let at: [(&str, &dyn std::fmt::Display); 5] = [
        ("x", &Px(x)),
        ("y", &Px(y - 8.0)),
        ("text-anchor", &"middle"),
        ("class", &"under halo"),
        ("transform", &turn),
    ];
    h.leaf("text", &at, what);
}

/// Dots, those of variants that are not used behind the others; names where there is room.
fn kernels(h: &mut Html, frame: &Frame, cases: &[&Case]) {
    let mut ordered = cases.to_vec();
    ordered.sort_by_key(|c| c.chosen);
    let Scale::Log { low: floor, .. } = frame.y else { return };
    let places = |c: &Case| {
        let (x, y) = place(c)?;
        (y > floor).then(|| (frame.x(x), frame.y(y)))
    };
    for case in &ordered {
        let Some(at) = places(case) else { continue };
        let share =
            case.share.map_or(String::new(), |s| format!(", {:.0} % of the roof", 100.0 * s));
        let says = format!(
            "{} ({}), {}: {} GFLOP/s, {} GB/s{share}",
            case.case,
            case.variant,
            case.shape,
            rate(case.gflops),
            rate(case.gb_s)
        );
        marker(h, style(case), at, if case.chosen { 5.0 } else { 3.5 }, &says);
    }
    let all: Vec<_> = ordered.iter().filter_map(|c| places(c)).collect();
    let mut labels = Labels::new(frame, &all);
    // One name a kernel, but each shape of a convolution is drawn: their family says what they are.
    for case in ordered.iter().filter(|c| c.chosen && !c.case.starts_with("conv2d")) {
        if let Some(at) = places(case) {
            labels.write(h, at, &case.case);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(role: &str, flops: u64, gflops: f64, chosen: bool) -> Case {
        Case { case: role.into(), flops, bytes: 1000, gflops, chosen, ..Case::default() }
    }

    #[test]
    fn every_kernel_has_a_mark_and_the_roof_a_name() {
        let ceiling = |name: &str, rate, unit: &str| Ceiling {
            name: name.into(),
            unit: unit.into(),
            rate,
            ..Ceiling::default()
        };
        let report = Report {
            ceilings: vec![ceiling("copy", 9.0, "GB/s"), ceiling("fma-f32", 170.0, "GFLOP/s")],
            cases: vec![
                case("conv2d forward", 90_000, 47.0, true),
                case("conv2d forward", 90_000, 14.0, false),
                case("add", 250, 2.0, true),
                case("never ran", 0, 0.0, true),
            ],
            ..Report::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roof.svg");
        save(&path, &report).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for text in
            ["copy 9.00 GB/s", ">fma-f32<", "170 GFLOP/s", ">add<", "47.0 GFLOP/s", "hollow"]
        {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert!(!svg.contains("never ran") && !svg.contains("NaN") && !svg.contains("inf"));

        let none = Report { ceilings: Vec::new(), ..report };
        assert!(save(&path, &none).unwrap_err().to_string().contains("ceilings"));
    }
}
