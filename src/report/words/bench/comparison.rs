//! Finds which numbers of several reports can be compared.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::adapter;
use crate::report::documents::bench_json::{Report, Settings, TimedCase, per_second, roof};

/// A number of one report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeasuredRate {
    /// The number at the median time.
    pub median: f64,
    /// The numbers at the quartiles of the time, the smaller one first.
    pub quartiles: [f64; 2],
}

/// A measured thing, with a number from each report that has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRow {
    /// Name of the measured thing.
    pub what: String,
    /// Its shape or size.
    pub shape: String,
    /// Unit of the numbers; more is better.
    pub unit: &'static str,
    /// Whether it is a single layer of a network, whose layers' sum has a row too.
    pub layer: bool,
    /// A number per report.
    pub values: Vec<Option<MeasuredRate>>,
}

/// Reports beside each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Short name of each report, and a description of its adapter.
    pub reports: Vec<(String, String)>,
    /// The highest rates of the adapters.
    pub ceilings: Vec<ComparedRow>,
    /// Kernels in the variant that networks use; the sums over a network's convolutions come first.
    pub kernels: Vec<ComparedRow>,
    /// Whole steps.
    pub steps: Vec<ComparedRow>,
    /// Steps that grow, at each number of a quantity.
    pub growth: Vec<ComparedRow>,
    /// The reasons to doubt the comparison, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Comparison {
    /// Compares reports that were read from these files.
    pub fn of(reports: &[(PathBuf, Report)]) -> Self {
        let names = names(&reports.iter().map(|(path, _)| path.as_path()).collect::<Vec<_>>());
        let about = |r: &Report| {
            let version = if r.version == 0 { ", a report without a version" } else { "" };
            format!("{}, commit {}{version}", adapter(&r.adapter), r.commit)
        };
        let warnings = warnings(&names, reports);
        let mut made = Self {
            warnings,
            reports: names.into_iter().zip(reports.iter().map(|(_, r)| about(r))).collect(),
            ..Self::default()
        };
        let n = reports.len();
        for (i, (_, report)) in reports.iter().enumerate() {
            for c in &report.ceilings {
                let value = MeasuredRate { median: c.rate, quartiles: [c.rate, c.rate] };
                let unit = ["GB/s", "GFLOP/s", "Gop/s"].into_iter().find(|u| *u == c.unit);
                put(&mut made.ceilings, n, i, (&c.name, "", unit.unwrap_or("")), value);
            }
            for s in &report.summary {
                let value = MeasuredRate { median: s.gflops, quartiles: [s.gflops, s.gflops] };
                put(&mut made.kernels, n, i, ("convolutions of", &s.name, "GFLOP/s"), value);
            }
            for case in report.cases.iter().filter(|c| c.chosen) {
                let (unit, value) = number(case);
                let row = put(&mut made.kernels, n, i, (&case.case, &case.shape, unit), value);
                row.layer = !case.networks.is_empty();
            }
            for s in &report.steps {
                let per_second =
                    |ms: f64| if ms > 0.0 { 1e3 * f64::from(s.batch) / ms } else { 0.0 };
                let value = MeasuredRate {
                    median: per_second(s.times.median_ms),
                    quartiles: [per_second(s.times.upper_ms), per_second(s.times.lower_ms)],
                };
                let size = match s.copies {
                    0 => format!("batch {}", s.batch),
                    copies => format!("batch {}, {copies} copies", s.batch),
                };
                put(&mut made.steps, n, i, (&s.name, &size, "images/s"), value);
            }
        }
        for (i, (_, report)) in reports.iter().enumerate() {
            for (g, p) in report.growth.iter().flat_map(|g| g.points.iter().map(move |p| (g, p))) {
                let per_second = |ms: f64| if ms > 0.0 { 1e3 / ms } else { 0.0 };
                let value = MeasuredRate {
                    median: per_second(p.times.median_ms),
                    quartiles: [per_second(p.times.upper_ms), per_second(p.times.lower_ms)],
                };
                let number = p.number.to_string();
                put(&mut made.growth, n, i, (&g.quantity, &number, "steps/s"), value);
            }
        }
        // Sums over networks come before single shapes.
        made.kernels.sort_by_key(|row| row.what != "convolutions of");
        made
    }

    /// A row for each number of each report.
    pub(crate) fn records(&self) -> serde_json::Value {
        let mut records = Vec::new();
        for (section, rows) in self.sections() {
            for row in rows {
                let values = row.values.iter().zip(&self.reports);
                records.extend(values.filter_map(|(value, (report, about))| {
                    let MeasuredRate { median, quartiles: [lower, upper] } = (*value)?;
                    Some(json!({
                        "section": section, "what": row.what, "shape": row.shape, "unit": row.unit,
                        "report": report, "adapter": about,
                        "median": median, "lower_quartile": lower, "upper_quartile": upper,
                    }))
                }));
            }
        }
        records.into()
    }

    /// Titles and rows of the sections that have rows.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&'static str, &[ComparedRow])> {
        let all: [(&str, &[ComparedRow]); 4] = [
            ("Ceilings of the adapters", &self.ceilings),
            ("Kernels", &self.kernels),
            ("Whole steps", &self.steps),
            ("A step that grows", &self.growth),
        ];
        all.into_iter().filter(|(_, rows)| !rows.is_empty())
    }
}

/// The number by which a case is compared: operations per second for convolutions and for kernels that draw
/// random numbers, bytes per second for all others. It depends on the kernel, not on the bound, so that the
/// unit is the same on all adapters.
fn number(case: &TimedCase) -> (&'static str, MeasuredRate) {
    let (unit, work) = match roof::arithmetic(&case.kernel, &case.variant) {
        _ if case.case.starts_with("conv2d") || case.kernel == "matmul" => ("GFLOP/s", case.flops),
        "integer" => ("Gop/s", case.flops),
        _ => ("GB/s", case.bytes),
    };
    let at = |ms: f64| per_second(work, ms);
    let times = &case.times;
    let quartiles = [at(times.upper_ms), at(times.lower_ms)];
    (unit, MeasuredRate { median: at(times.median_ms), quartiles })
}

/// The warnings in the reports themselves, and the differences between their settings.
fn warnings(names: &[String], reports: &[(PathBuf, Report)]) -> Vec<String> {
    let all = || names.iter().zip(reports.iter().map(|(_, report)| report));
    let own = |(name, report): (&String, &Report)| {
        report.warnings.iter().map(|doubt| format!("{name}: {doubt}")).collect::<Vec<_>>()
    };
    let mut warnings: Vec<String> = all().flat_map(own).collect();
    let known = || all().filter_map(|(name, report)| Some((name, report.settings.as_ref()?)));
    let Some((_, first)) = known().next() else { return warnings };
    for (i, (what, value)) in first.comparable().iter().enumerate() {
        let of = |settings: &Settings| settings.comparable()[i].1.clone();
        if known().any(|(_, settings)| of(settings) != *value) {
            let values: Vec<String> =
                known().map(|(name, s)| format!("{} in {name}", of(s))).collect();
            warnings.push(format!("measured differently, {what}: {}", values.join(", ")));
        }
    }
    for (name, _) in all().filter(|(_, report)| report.settings.is_none()) {
        warnings.push(format!("{name} does not say how it was measured"));
    }
    warnings
}

/// Stores a number of report `i` of `n` in its row, which is added if it is missing.
fn put<'a>(
    rows: &'a mut Vec<ComparedRow>,
    n: usize,
    i: usize,
    (what, shape, unit): (&str, &str, &'static str),
    value: MeasuredRate,
) -> &'a mut ComparedRow {
    let same = |r: &ComparedRow| r.what == what && r.shape == shape && r.unit == unit;
    let place = rows.iter().position(same).unwrap_or_else(|| {
        let (what, shape) = (what.to_owned(), shape.to_owned());
        rows.push(ComparedRow { what, shape, unit, layer: false, values: vec![None; n] });
        rows.len() - 1
    });
    rows[place].values[i] = Some(value);
    &mut rows[place]
}

/// File names without extensions; with their folders where several are the same.
fn names(paths: &[&Path]) -> Vec<String> {
    let stem = |p: &Path| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = |(i, &path): (usize, &&Path)| {
        let alone = paths.iter().filter(|other| stem(other) == stem(path)).count() == 1;
        if alone { stem(path) } else { format!("{} {}", i + 1, path.with_extension("").display()) }
    };
    paths.iter().enumerate().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::bench_json::{BenchAdapter, Summary, TimedStep, Times};

    fn case(role: &str, ms: f64, chosen: bool, bound: Option<&str>) -> TimedCase {
        let times =
            Times { samples: 3, min_ms: ms, lower_ms: ms, median_ms: ms, upper_ms: 2.0 * ms };
        let (case, shape) = (role.to_owned(), "[4]".to_owned());
        let (flops, bytes, bound) = (8_000_000, 4_000_000, bound.map(str::to_owned));
        TimedCase { case, shape, chosen, flops, bytes, times, bound, ..TimedCase::default() }
    }

    fn report(cases: Vec<TimedCase>) -> Report {
        let adapter = BenchAdapter { name: "GPU".into(), ..BenchAdapter::default() };
        let steps =
            vec![TimedStep { name: "eopm".into(), batch: 32, copies: 2, ..TimedStep::default() }];
        let summary = vec![Summary { name: "net".into(), gflops: 7.0, ..Summary::default() }];
        Report { version: 1, adapter, cases, steps, summary, ..Report::default() }
    }

    #[test]
    fn what_is_the_same_stands_in_one_row() {
        let a = report(vec![
            case("conv2d forward", 1.0, true, Some("fma-f32")),
            case("conv2d forward", 9.0, false, Some("fma-f32")),
            case("add", 2.0, true, Some("copy")),
        ]);
        let mut b = report(vec![case("add", 1.0, true, Some("copy"))]);
        b.version = 0;
        let made = Comparison::of(&[("x/a.json".into(), a), ("y/b.json".into(), b)]);
        let [sum, conv, add] = &made.kernels[..] else { panic!("{made:?}") };
        assert_eq!((sum.shape.as_str(), sum.values[1].unwrap().median), ("net", 7.0));
        let conv_of_a = conv.values[0].unwrap();
        assert_eq!(
            (conv.unit, conv_of_a.median, conv_of_a.quartiles),
            ("GFLOP/s", 8.0, [4.0, 8.0])
        );
        assert!(conv.values[1].is_none() && !conv.layer);
        assert_eq!((add.unit, add.values[0].unwrap().median), ("GB/s", 2.0));
        assert_eq!(add.values[1].unwrap().median, 4.0);
        assert!(made.reports[1].1.contains("without a version") && made.reports[0].0 == "a");
        // A time of 0 counts as speed 0, not as infinite speed.
        assert_eq!(made.steps[0].values[0].unwrap().median, 0.0);
    }

    #[test]
    fn reports_that_were_measured_differently_are_compared_with_a_warning() {
        let with = |settings| Report { settings, ..report(Vec::new()) };
        let full = Settings { batch_size: 32, ..Settings::default() };
        let quick = Settings { quick: true, batch_size: 8, ..Settings::default() };
        let of = |reports: &[Option<&Settings>]| {
            let named = |(i, settings): (usize, &Option<&Settings>)| {
                (PathBuf::from(format!("r{i}.json")), with(settings.cloned()))
            };
            Comparison::of(&reports.iter().enumerate().map(named).collect::<Vec<_>>()).warnings
        };
        assert!(of(&[Some(&full), Some(&full)]).is_empty() && of(&[None, None]).is_empty());
        let warnings = of(&[Some(&full), Some(&quick)]).join("\n");
        for says in ["effort: full in r0, --quick in r1", "batch of kernels: 32 in r0, 8 in r1"] {
            assert!(warnings.contains(says), "{warnings}");
        }
        assert_eq!(of(&[None, Some(&full)]), ["r0 does not say how it was measured"]);
        let doubtful = Report { warnings: vec!["noise".into()], ..with(None) };
        assert_eq!(Comparison::of(&[("a.json".into(), doubtful)]).warnings, ["a: noise"]);
    }

    #[test]
    fn equal_file_names_are_told_apart() {
        let paths = [Path::new("a/bench.json"), Path::new("b/bench.json"), Path::new("c.json")];
        assert_eq!(names(&paths), ["1 a/bench", "2 b/bench", "c"]);
    }
}
