//! Tables in plain text.

use super::comparison::Comparison;
use crate::{
    report::{
        documents::bench_json::{Ceiling, Growth, PowerLaw, Report, Summary, TimedCase, TimedStep},
        words::{table::Table, wrap::paragraph},
    },
    words::{mebibytes, percent, percent_to, three_digits as rate},
};

/// A share in per cent.
fn share(share: f64) -> String {
    percent(100.0 * share)
}

/// A table of the adapter's ceilings.
pub fn ceilings(ceilings: &[Ceiling], width: usize) -> String {
    let mut table = Table::new(["ceiling", "rate", "variant", "median ms", "clock"]);
    for c in ceilings {
        table.row([
            c.name.clone(),
            format!("{} {}", rate(c.rate), c.unit),
            format!("{} @{}", c.variant, c.workgroup),
            format!("{:.2}", c.times.median_ms),
            c.clock.clone(),
        ]);
    }
    format!("{table:width$}")
}

/// A case in one line, for the progress display.
pub fn case_line(case: &TimedCase) -> String {
    let TimedCase { case: role, shape, variant, gflops, gb_s, .. } = case;
    let ms = case.times.median_ms;
    format!(
        "{role}, {shape}, {variant}: {ms:.2} ms, {} GFLOP/s, {} GB/s",
        rate(*gflops),
        rate(*gb_s)
    )
}

/// A table of all cases; the variant that networks use is marked.
pub fn cases(cases: &[TimedCase], width: usize) -> String {
    let mut table = Table::new([
        "kernel",
        "shape",
        "variant",
        "median ms",
        "quartiles",
        "GFLOP/s",
        "GB/s",
        "of the roof",
        "bound",
    ])
    .with_words(&[0, 1])
    .named_by(2);
    for c in cases {
        let mark = if c.chosen { "*" } else { " " };
        table.row([
            c.case.clone(),
            c.shape.clone(),
            format!("{} {mark}", c.variant),
            format!("{:.2}", c.times.median_ms),
            format!("{:.2}-{:.2}", c.times.lower_ms, c.times.upper_ms),
            rate(c.gflops),
            rate(c.gb_s),
            c.share.map(share).unwrap_or_default(),
            c.bound.clone().unwrap_or_default(),
        ]);
    }
    format!("{table:width$}")
}

/// A table of the convolutions of whole networks.
pub fn summary(summary: &[Summary], width: usize) -> String {
    let mut table = Table::new(["convolutions of", "GFLOP", "GFLOP/s", "of fma-f32"]);
    for s in summary {
        table.row([
            s.name.clone(),
            format!("{:.2}", s.flops as f64 / 1e9),
            rate(s.gflops),
            s.share.map(share).unwrap_or_default(),
        ]);
    }
    format!("{table:width$}")
}

/// A step, and the kernels that take its time.
pub fn step(step: &TimedStep, width: usize) -> String {
    let copies = match step.copies {
        0 => String::new(),
        copies => format!(", {copies} perturbed copies"),
    };
    let mut text = format!("{}, batch {}{copies} ({})\n", step.name, step.batch, step.cut);
    let times = &step.times;
    text += &format!(
        "wall {:.1} ms ({:.1} to {:.1}, {} steps), {} images/s; GPU {:.1} ms in {} dispatches{}\n",
        times.median_ms,
        times.lower_ms,
        times.upper_ms,
        times.samples,
        rate(step.images_per_second),
        step.gpu_ms,
        step.dispatches,
        step.busy.map_or(String::new(), |busy| format!(", busy {}", share(busy))),
    );
    text += &format!(
        "convolutions {:.2} GFLOP in {:.1} ms: {} GFLOP/s; the rest {:.1} ms = {}, {:.3} of the \
         convolutions at 30 GFLOP/s; faults {}\n",
        step.conv_flops as f64 / 1e9,
        step.conv_ms,
        rate(step.conv_gflops),
        step.gpu_ms - step.conv_ms,
        share(step.rest_share),
        step.rest_of_budget,
        share(step.fault_share),
    );
    let mut table =
        Table::new(["kernel", "variant", "dispatches", "ms", "share", "GFLOP/s", "GB/s"])
            .with_words(&[0, 1])
            .named_by(2);
    for k in &step.kernels {
        table.row([
            k.kernel.clone(),
            k.variant.clone(),
            k.dispatches.to_string(),
            format!("{:.2}", k.ms),
            share(k.share),
            rate(k.gflops),
            rate(k.gb_s),
        ]);
    }
    text + &format!("{table:width$}")
}

/// How a step grows with one quantity: its time and memory at each number.
pub fn growth(growth: &Growth, width: usize) -> String {
    let mut table = Table::new([&growth.quantity, "steps", "median ms", "quartiles", "MiB"]);
    for p in &growth.points {
        table.row([
            p.number.to_string(),
            p.times.samples.to_string(),
            format!("{:.1}", p.times.median_ms),
            format!("{:.1}-{:.1}", p.times.lower_ms, p.times.upper_ms),
            format!("{:.1}", mebibytes(p.bytes)),
        ]);
    }
    format!("{table:width$}")
}

/// The powers that fit the growth of a step.
pub fn powers(report: &Report, width: usize) -> String {
    let mut laws =
        Table::new(["power that fits", "of the time", "within", "of the memory", "within"]);
    let cells = |law: &Option<PowerLaw>| match law {
        Some(law) => [
            format!("{:.2}", law.exponent),
            law.off.map_or_else(|| "-".into(), |off| percent_to(100.0 * (off - 1.0), 0)),
        ],
        None => ["-".into(), "-".into()],
    };
    for g in &report.growth {
        let ([time, off], [memory, memory_off]) = (cells(&g.time), cells(&g.memory));
        laws.row([g.quantity.clone(), time, off, memory, memory_off]);
    }
    format!("{laws:width$}{}\n", paragraph(&report.growing_step(), width, 0))
}

/// Tables of reports side by side.
pub fn compared(comparison: &Comparison, width: usize) -> String {
    let mut text = String::new();
    for (name, about) in &comparison.reports {
        text += &format!("{}\n", paragraph(&format!("{name}: {about}"), width, 2));
    }
    for warning in &comparison.warnings {
        text += &format!("{}\n", paragraph(&format!("warning: {warning}"), width, 2));
    }
    let mut header = vec!["", "", "unit"];
    header.extend(comparison.reports.iter().map(|(name, _)| name.as_str()));
    for (title, rows) in comparison.sections() {
        let mut table = Table::new(header.clone()).with_words(&[0, 1, 2]).named_by(3);
        for row in rows {
            let mut cells = vec![row.what.clone(), row.shape.clone(), row.unit.to_owned()];
            let values = row.values.iter();
            cells.extend(values.map(|v| v.map_or_else(|| "-".into(), |v| rate(v.median))));
            table.row(cells);
        }
        text += &format!("\n{title}\n{table:width$}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_variant_is_marked() {
        let case = |variant: &str, chosen| TimedCase {
            case: "conv2d forward".into(),
            variant: variant.into(),
            chosen,
            share: Some(0.5),
            ..TimedCase::default()
        };
        let text = cases(&[case("tile", true), case("plain", false)], 200);
        assert!(text.contains("tile *") && !text.contains("plain *"), "{text}");
        assert!(text.contains("50.0 %"), "{text}");
    }
}
