//! Draws kernels under the measured roofline of their adapter: operations per second over operations per
//! byte.

use std::{collections::BTreeMap, path::Path};

use maud::{Markup, html};

use crate::{
    error::{Error, Result},
    files::atomic,
    report::{
        documents::{
            bench_json::{Ceiling, Report, TimedCase},
            csv::Csv,
        },
        pictures::{
            chart::{Chart, Key},
            svg::{Anchor, Axis, Frame, Kind, Labels, Scale, Style, line, marker, text, turned},
        },
        words::bench::adapter,
    },
    words::{percent_to, three_digits as rate},
};

const SIZE: (f64, f64) = (960.0, 580.0);
/// Number of shapes that are drawn per pass of a convolution, those with most operations first. Marks for all
/// layers of all networks would cover each other; the report has them all.
const SHAPES: usize = 6;
/// The y axis reaches down to the lowest point of the memory roof divided by this number; slower kernels do
/// too little to be of interest.
const TOO_SHORT: f64 = 40.0;

/// Families of kernels that share a colour, by prefix of the case's name; the first prefix that fits counts.
const FAMILIES: &[(&str, &str)] = &[
    ("conv2d forward", "convolution, forward"),
    ("conv2d input gradient", "convolution, input gradient"),
    ("conv2d weight gradient", "convolution, weight gradient"),
    ("batch_norm", "batch norm"),
    ("fault_dequantize", "faults and dequantisation (integers)"),
    ("", "everything else"),
];

fn family(case: &TimedCase) -> usize {
    FAMILIES
        .iter()
        .position(|(begin, _)| case.case.starts_with(begin))
        .unwrap_or(FAMILIES.len() - 1)
}

/// A kernel's coordinates: operations per byte, and billions of operations per second.
fn place(case: &TimedCase) -> Option<(f64, f64)> {
    let there = case.bytes > 0 && case.flops > 0 && case.gflops > 0.0;
    there.then(|| (case.flops as f64 / case.bytes as f64, case.gflops))
}

/// The cases that are drawn: in the variants that networks use, and of each pass of a convolution only the
/// largest.
fn drawn(report: &Report) -> Vec<&TimedCase> {
    let mut cases: Vec<&TimedCase> =
        report.cases.iter().filter(|c| c.chosen && place(c).is_some()).collect();
    cases.sort_by_key(|c| std::cmp::Reverse(c.flops));
    let mut passes: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    cases.retain(|case| {
        let half = case.case.ends_with("f16");
        let pass = passes.entry((family(case), half)).or_default();
        *pass += 1;
        !is_convolution(case) || *pass <= SHAPES
    });
    cases
}

fn is_convolution(case: &TimedCase) -> bool {
    case.case.starts_with("conv2d")
}

/// The name beside a mark: the kernel's; for a convolution, whose pass the colour tells, window, channels and
/// size, as in `3x3 64>128 16x16`.
fn name(case: &TimedCase) -> String {
    if !is_convolution(case) {
        return case.case.clone();
    }
    let field = |name: &str, n: usize| {
        let fields = case.shape.split(['[', ']', ' ']);
        fields.filter_map(|f| f.strip_prefix(name)?.strip_prefix('=')).nth(n)
    };
    let half = if case.case.ends_with("f16") { " f16" } else { "" };
    match [field("r", 0), field("s", 0), field("c", 0), field("k", 0), field("h", 0), field("w", 0)]
    {
        [Some(r), Some(s), Some(c), Some(k), Some(h), Some(w)] => {
            format!("{r}x{s} {c}>{k} {h}x{w}{half}")
        }
        _ => case.shape.clone() + half,
    }
}

/// Draws a report's kernels and ceilings.
///
/// # Errors
/// [`Error::Write`]; [`Error::Argument`] for a report without ceilings or kernels.
pub fn save(path: impl AsRef<Path>, report: &Report) -> Result<()> {
    let cases = drawn(report);
    let Some(copy) = report.ceiling("copy").filter(|_| !cases.is_empty()) else {
        let what = "a roofline needs kernels and ceilings, and the report has none";
        return Err(Error::argument("--roofline", what, "measure anew: nf-gpu bench --no-steps"));
    };
    let flat: Vec<&Ceiling> = report.ceilings.iter().filter(|c| c.name != "copy").collect();
    let frame = frame(&cases, copy, &flat);
    let y = Axis { title: "billion operations per second", ticks: frame.y.ticks(12) };
    let x = Axis { title: "operations per byte of all bindings", ticks: frame.x.ticks(14) };
    let (clock, commit) = (&report.clock, &report.commit);
    let measured = about(report, cases.len());
    let chart = Chart {
        title: format!("Roofline of {}", report.adapter.name),
        of: format!("{}; commit {commit}; clock {clock}; {measured}", adapter(&report.adapter)),
        about: String::new(),
        says: format!("Kernels under the ceilings of their adapter: {measured}"),
        keys: keys(&cases),
        size: SIZE,
        drawing: html! {
            (frame.draw(x, y))
            (roofs(&frame, copy, &flat))
            (kernels(&frame, &cases))
        },
        data: Csv::default(),
    };
    atomic::write(path, chart.picture())
}

fn keys(cases: &[&TimedCase]) -> Vec<Key> {
    let there = |(i, _): &(usize, &(&str, &str))| cases.iter().any(|c| family(c) == *i);
    let families = FAMILIES.iter().enumerate().filter(there);
    let key = |(i, (_, name)): (usize, &(&str, &str))| Key::new(*name, Style::of(i), Kind::Dot);
    families.map(key).collect()
}

/// Says which of the measurements are drawn.
fn about(report: &Report, drawn: usize) -> String {
    let all = report.cases.len();
    let mut text =
        format!("{drawn} of {all} measurements: as networks compute, the largest shapes");
    if report.settings.as_ref().is_some_and(|s| s.quick) {
        text += "; --quick";
    }
    if !report.warnings.is_empty() {
        text += "; DOUBTFUL: the machine was not at rest";
    }
    text
}

fn frame(cases: &[&TimedCase], copy: f64, flat: &[&Ceiling]) -> Frame {
    let (xs, ys): (Vec<f64>, Vec<f64>) = cases.iter().filter_map(|c| place(c)).unzip();
    let most = flat.iter().map(|c| c.rate).fold(0.0, f64::max);
    // The ridge lies inside the drawing, so that both parts of the roof are visible.
    let ridge = most / copy;
    let low = |values: &[f64]| values.iter().copied().fold(f64::MAX, f64::min);
    let high = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let x = Scale::Log { low: low(&xs).min(ridge) / 1.6, high: high(&xs).max(2.0 * ridge) * 1.6 };
    // Very short kernels are so slow that they would leave the others no room.
    let begin = low(&xs).min(ridge);
    let floor = low(&ys).max(copy * begin / TOO_SHORT);
    // A ceiling below all kernels is included in the range.
    let rates = flat.iter().map(|c| c.rate).filter(|&rate| rate > 0.0);
    let floor = rates.fold(floor, f64::min);
    let y = Scale::Log { low: floor / 1.8, high: high(&ys).max(most) * 1.8 };
    // The margin at the right holds the names of the ceilings.
    Frame { left: 70.0, right: SIZE.0 - 130.0, ..Frame::inside(SIZE, x, y) }
}

/// Draws the slope of the memory bound up to the highest arithmetic ceiling, and the ceilings as flat lines.
fn roofs(frame: &Frame, copy: f64, flat: &[&Ceiling]) -> Markup {
    let (Scale::Log { low, high }, Scale::Log { low: floor, .. }) = (frame.x, frame.y) else {
        return html! {};
    };
    let most = flat.iter().map(|c| c.rate).fold(0.0, f64::max);
    let begin = low.max(floor / copy);
    let end = if most > 0.0 { (most / copy).min(high) } else { high };
    let slope = frame.places(&[(begin, copy * begin), (end, copy * end)]);
    let mut flat = flat.to_vec();
    flat.sort_by(|a, b| b.rate.total_cmp(&a.rate));
    // Name and rate take two lines beside the end of the ceiling, below those of the ceiling above it.
    let mut lowest = f64::NEG_INFINITY;
    let bases = flat.iter().map(|ceiling| {
        let base = (frame.y(ceiling.rate) - 3.0).max(lowest + 17.0);
        lowest = base + 15.0;
        base
    });
    let bases: Vec<f64> = bases.collect();
    let x = frame.right + 8.0;
    html! {
        (line(Style::NEUTRAL, "", &slope))
        @if let [from, to] = slope[..] { (along(from, to, &format!("copy {} GB/s", rate(copy)))) }
        @for (ceiling, base) in flat.iter().zip(bases) {
            @let from = (ceiling.rate / copy).clamp(low, high);
            @let ends = frame.places(&[(from, ceiling.rate), (high, ceiling.rate)]);
            @let style = if ceiling.rate < most { Style::NEUTRAL.light() } else { Style::NEUTRAL };
            (line(style, "", &ends))
            (text((x, base), Anchor::Start, "under", &ceiling.name))
            @let value = format!("{} {}", rate(ceiling.rate), ceiling.unit);
            (text((x, base + 15.0), Anchor::Start, "under", value))
        }
    }
}

/// Writes a text above the middle of a rising line, turned along it.
fn along((x0, y0): (f64, f64), (x1, y1): (f64, f64), what: &str) -> Markup {
    let angle = (y1 - y0).atan2(x1 - x0);
    let (x, y) = (f64::midpoint(x0, x1), f64::midpoint(y0, y1));
    let above = (x + 8.0 * angle.sin(), y - 8.0 * angle.cos());
    turned(above, angle.to_degrees(), Anchor::Middle, "under halo", what)
}

/// Draws a dot per kernel, and names where there is room, beginning with the kernels of most operations.
fn kernels(frame: &Frame, cases: &[&TimedCase]) -> Markup {
    let Scale::Log { low: floor, .. } = frame.y else { return html! {} };
    let shown: Vec<(&TimedCase, (f64, f64))> = cases
        .iter()
        .filter_map(|c| Some((*c, place(c)?)))
        .filter(|(_, (_, y))| *y > floor)
        .map(|(c, (x, y))| (c, (frame.x(x), frame.y(y))))
        .collect();
    let mut labels = Labels::new(frame, &shown.iter().map(|s| s.1).collect::<Vec<_>>());
    let says = |c: &TimedCase| {
        let share = c
            .share
            .map(|s| format!(", {} of the roof", percent_to(100.0 * s, 0)))
            .unwrap_or_default();
        let (gflops, gb_s) = (rate(c.gflops), rate(c.gb_s));
        format!("{} ({}), {}: {gflops} GFLOP/s, {gb_s} GB/s{share}", c.case, c.variant, c.shape)
    };
    html! {
        @for (case, at) in &shown { (marker(Style::of(family(case)), *at, 5.0, &says(case))) }
        @for (case, at) in &shown { (labels.write(*at, &name(case))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(role: &str, flops: u64, gflops: f64, chosen: bool) -> TimedCase {
        TimedCase { case: role.into(), flops, bytes: 1000, gflops, chosen, ..TimedCase::default() }
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
            ["copy 9.00 GB/s", ">fma-f32<", "170 GFLOP/s", ">add<", "47.0 GFLOP/s", "2 of 4 meas"]
        {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert!(!svg.contains("14.0 GFLOP/s"), "a variant that is not used: {svg}");
        assert!(!svg.contains("never ran") && !svg.contains("NaN") && !svg.contains("inf"));

        // Of many layers the largest are drawn, each with its name.
        let layer = |i: u64| TimedCase {
            shape: format!("[n=1 h=8 w=8 c=64] [r=3 s=3 c=64 k={i}] stride 2 padding 1"),
            ..case("conv2d weight gradient", 1000 << i, 0.1 * (1 << i) as f64, true)
        };
        let many = Report { cases: (0..9).map(layer).collect(), ..report.clone() };
        let names: Vec<String> = drawn(&many).into_iter().map(name).collect();
        assert_eq!(names.len(), SHAPES);
        assert_eq!((names[0].as_str(), names[5].as_str()), ("3x3 64>8 8x8", "3x3 64>3 8x8"));

        let none = Report { ceilings: Vec::new(), ..report };
        assert!(save(&path, &none).unwrap_err().to_string().contains("ceilings"));
    }
}
