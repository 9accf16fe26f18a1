//! `nf-gpu train --profile`: a timeline of a few steps, and where their time goes.

use crate::{
    error::Result,
    files::atomic,
    report::{
        Event, Sink, Table,
        trace::{self, Slice},
    },
    run::{Clock, Dispatched, Gpu, Recording},
    words::percent,
};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf};

/// Steps before the recording: the first ones compile, measure the pace and fill caches.
const WARM_UP: u64 = 3;
/// Steps that are recorded.
const STEPS: u64 = 5;

/// Records some steps of a run, if this was asked for.
#[derive(Debug, Default)]
pub(super) struct Profiler {
    /// File for the timeline, until it is written.
    file: Option<PathBuf>,
    /// Number of steps still to record; `None` before the recording begins.
    left: Option<u64>,
    recorded: u64,
}

impl Profiler {
    /// A profiler that writes a timeline to `file`, if one is given.
    pub(super) fn new(file: Option<PathBuf>) -> Result<Self> {
        // Checked now rather than after the steps.
        file.as_ref().map_or(Ok(()), atomic::check)?;
        Ok(Self { file, ..Self::default() })
    }

    /// Called before step `at` of this process, `left` steps before the end of the run.
    pub(super) fn before(&mut self, gpu: &Gpu, at: u64, left: u64) -> Result<()> {
        if self.file.is_some() && self.left.is_none() && (at >= WARM_UP || left <= 1) {
            self.recorded = STEPS.min(left);
            self.left = Some(self.recorded);
            gpu.record()?;
        }
        Ok(())
    }

    /// Called after a step. Writes the timeline once enough steps are recorded.
    pub(super) fn after(&mut self, gpu: &Gpu, sink: &mut dyn Sink) -> Result<()> {
        let Some(left) = &mut self.left else { return Ok(()) };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return Ok(());
        }
        let Some(file) = self.file.take() else { return Ok(()) };
        let recording = gpu.recording()?;
        let title = format!("nf-gpu train on {}", gpu.report().line());
        trace::save(&file, &title, &slices(&recording))?;
        sink.event(&Event::Note(summary(&recording, self.recorded)))?;
        sink.event(&Event::Note(format!("timeline of {} steps: {}", self.recorded, file.display())))
    }
}

fn slices(recording: &Recording) -> Vec<Slice> {
    let on_gpu = recording.dispatches.iter().map(|d| Slice {
        track: "GPU".into(),
        name: d.name.clone(),
        begin: d.begin,
        seconds: d.seconds,
        details: vec![
            ("shape", json!(d.shape)),
            ("flops", json!(d.flops)),
            ("bytes", json!(d.bytes)),
            ("gflops_per_s", json!(rate(d.flops, d.seconds))),
        ],
    });
    let on_host = recording.host.iter().map(|span| Slice {
        track: "host".into(),
        name: span.name.into(),
        begin: span.begin,
        seconds: span.seconds,
        details: Vec::new(),
    });
    let elsewhere = recording.remote.iter().map(|span| Slice {
        track: span.track.clone(),
        name: span.name.clone(),
        begin: span.begin,
        seconds: span.seconds,
        details: Vec::new(),
    });
    on_gpu.chain(on_host).chain(elsewhere).collect()
}

/// Amount per second, in billions.
fn rate(amount: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { amount as f64 / seconds * 1e-9 } else { 0.0 }
}

/// Time per kernel, the longest first, and the share of the time that the GPU was busy.
fn summary(recording: &Recording, steps: u64) -> String {
    let mut kernels: BTreeMap<&str, Dispatched> = BTreeMap::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for d in &recording.dispatches {
        let zero = || Dispatched { flops: 0, bytes: 0, seconds: 0.0, ..d.clone() };
        let sum = kernels.entry(&d.name).or_insert_with(zero);
        sum.flops += d.flops;
        sum.bytes += d.bytes;
        sum.seconds += d.seconds;
        *counts.entry(&d.name).or_default() += 1;
    }
    let busy: f64 = kernels.values().map(|k| k.seconds).sum();
    let per_step = |seconds: f64| seconds * 1e3 / steps.max(1) as f64;
    let mut rows: Vec<&Dispatched> = kernels.values().collect();
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let header = ["kernel", "dispatches", "ms/step", "share", "GFLOP/s", "GB/s"];
    let mut table = Table::new(header);
    for k in rows {
        // Multiply-adds are counted only for kernels that have classes of shapes.
        let flops = if k.shape.is_empty() { 0 } else { k.flops };
        table.row([
            k.name.clone(),
            format!("{:.1}", counts[k.name.as_str()] as f64 / steps.max(1) as f64),
            format!("{:.2}", per_step(k.seconds)),
            percent(100.0 * k.seconds / busy.max(f64::MIN_POSITIVE)),
            if flops > 0 { format!("{:.1}", rate(flops, k.seconds)) } else { String::new() },
            format!("{:.1}", rate(k.bytes, k.seconds)),
        ]);
    }
    let clock = match recording.clock {
        Clock::GpuTimestamps => "GPU timestamps",
        Clock::SubmitToIdle => "host's clock, each dispatch alone",
    };
    format!(
        "{table}{:.1} ms a step, of which the GPU computes {:.1} ms: busy {} ({clock})",
        per_step(recording.seconds),
        per_step(busy),
        percent(100.0 * busy / recording.seconds.max(f64::MIN_POSITIVE))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_summed_and_the_longest_comes_first() {
        let dispatch = |name: &str, shape: &str, begin, seconds| Dispatched {
            name: name.into(),
            shape: shape.into(),
            flops: 1_000_000_000,
            bytes: 500_000_000,
            begin,
            seconds,
        };
        let recording = Recording {
            dispatches: vec![
                dispatch("add plain", "", 0.0, 0.1),
                dispatch("conv2d plain", "3x3", 0.2, 0.25),
                dispatch("conv2d plain", "1x1", 0.5, 0.25),
            ],
            host: Vec::new(),
            remote: Vec::new(),
            clock: Clock::GpuTimestamps,
            seconds: 1.0,
        };
        let text = summary(&recording, 2);
        let lines: Vec<&str> = text.lines().collect();
        let conv = lines.iter().position(|l| l.contains("conv2d")).unwrap();
        let add = lines.iter().position(|l| l.contains("add")).unwrap();
        assert!(conv < add, "{text}");
        for part in ["1.0", "250.00", "83.3 %", "4.0", "2.0"] {
            assert!(lines[conv].contains(part), "{part}: {text}");
        }
        assert!(text.contains("500.0 ms a step") && text.contains("busy 60.0 %"), "{text}");
        assert_eq!(slices(&recording).len(), 3);
    }
}
