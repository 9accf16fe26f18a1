//! Time of each step of a program: GPU timestamps where the adapter has them, else submit to idle.

use super::{device::Gpu, program::Program, program::Step};
use crate::error::{Error, Result};
use serde::Serialize;
use std::time::Instant;

/// Which clock a time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The GPU's timestamps around the dispatch.
    GpuTimestamps,
    /// The host's, from submission to idle: carries the submission's overhead.
    SubmitToIdle,
}

/// Time of one dispatch.
#[derive(Clone, Debug, Serialize)]
pub struct StepTime {
    /// Kernel and variant.
    pub name: String,
    /// Section of the tape.
    pub section: usize,
    /// Operations, as its plan states them.
    pub flops: u64,
    /// Bytes of its bindings, as its plan states them.
    pub bytes: u64,
    /// Seconds.
    pub seconds: f64,
    /// Where the time comes from.
    pub clock: Clock,
}

/// Two timestamps and the buffers that bring them back.
struct Stopwatch {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Nanoseconds per tick.
    period: f64,
}

impl Stopwatch {
    fn new(gpu: &Gpu) -> Result<Option<Self>> {
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("stopwatch"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = gpu.create_buffer("stopwatch", 16, usage)?;
        let period = f64::from(gpu.queue.get_timestamp_period());
        Ok(Some(Self { queries, resolved, period }))
    }
}

impl Program {
    /// Runs each dispatch alone and times it.
    ///
    /// # Errors
    /// The device failed.
    pub fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        let stopwatch = Stopwatch::new(gpu)?;
        let mut times = Vec::new();
        for (i, step) in self.steps().iter().enumerate() {
            gpu.wait("profile a program")?;
            let started = Instant::now();
            self.submit_timed(gpu, step, stopwatch.as_ref().map(|s| &s.queries));
            gpu.wait("profile a program")?;
            let host = started.elapsed().as_secs_f64();
            let Step::Dispatch { name, flops, bytes, .. } = step else { continue };
            let on_gpu = stopwatch.as_ref().map(|s| read(gpu, s)).transpose()?.flatten();
            times.push(StepTime {
                name: name.clone(),
                section: self.section_of(i),
                flops: *flops,
                bytes: *bytes,
                seconds: on_gpu.unwrap_or(host),
                clock: if on_gpu.is_some() { Clock::GpuTimestamps } else { Clock::SubmitToIdle },
            });
        }
        Ok(times)
    }
}

/// Passes that a [`Watch`] can record: WebGPU allows 4096 queries in a set.
const PASSES: u32 = 2048;

/// Timestamps around every compute pass that any program submits.
#[derive(Debug)]
pub(super) struct Watch {
    queries: wgpu::QuerySet,
    passes: u32,
}

impl Watch {
    /// Where the next pass writes its timestamps; none when there is no more room.
    pub(super) fn next_pass(&mut self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        if self.passes == PASSES {
            return None;
        }
        let first = 2 * self.passes;
        self.passes += 1;
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }
}

impl Gpu {
    /// Records when every compute pass begins and ends, while `work` runs: seconds since the first
    /// begin, in the order of submission. Empty where the adapter has no timestamps, or none that
    /// count. Waits for the device before and after.
    ///
    /// # Errors
    /// Those of `work`, or the device failed.
    pub fn passes(&self, work: impl FnOnce() -> Result<()>) -> Result<Vec<[f64; 2]>> {
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            work()?;
            return Ok(Vec::new());
        }
        self.wait("watch passes")?;
        let queries = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("watch"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * PASSES,
        });
        *self.watch() = Some(Watch { queries, passes: 0 });
        let done = work();
        let watch = self.watch().take();
        done?;
        self.wait("watch passes")?;
        let Some(Watch { queries, passes: passes @ 1.. }) = watch else { return Ok(Vec::new()) };
        let count = 2 * passes;
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = self.create_buffer("watch", u64::from(count) * 8, usage)?;
        let ticks = ticks(self, &queries, count, &resolved)?;
        let period = f64::from(self.queue.get_timestamp_period()) * 1e-9;
        let begin = ticks.iter().copied().min().unwrap_or(0);
        let pass = |pair: &[u64]| [pair[0], pair[1]].map(|t| (t - begin) as f64 * period);
        let spans: Vec<[f64; 2]> = ticks.chunks_exact(2).map(pass).collect();
        let counts = spans.iter().any(|[begin, end]| end > begin);
        Ok(if counts { spans } else { Vec::new() })
    }
}

/// Seconds between the two timestamps; `None` where a driver gives none (Metal on macOS 26 has been
/// seen to return zeros).
fn read(gpu: &Gpu, stopwatch: &Stopwatch) -> Result<Option<f64>> {
    let ticks = ticks(gpu, &stopwatch.queries, 2, &stopwatch.resolved)?;
    let elapsed = ticks[1].saturating_sub(ticks[0]);
    Ok((elapsed > 0).then_some(elapsed as f64 * stopwatch.period * 1e-9))
}

/// The first `count` timestamps of a set; `resolved` has room for them.
fn ticks(
    gpu: &Gpu,
    queries: &wgpu::QuerySet,
    count: u32,
    resolved: &wgpu::Buffer,
) -> Result<Vec<u64>> {
    let bytes = u64::from(count) * 8;
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let back = gpu.create_buffer("stopwatch readback", bytes, usage)?;
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.resolve_query_set(queries, 0..count, resolved, 0);
    encoder.copy_buffer_to_buffer(resolved, 0, &back, 0, bytes);
    gpu.queue.submit([encoder.finish()]);
    back.slice(..).map_async(wgpu::MapMode::Read, |_| {});
    gpu.wait("read timestamps")?;
    let view = back
        .slice(..)
        .get_mapped_range()
        .map_err(|e| Error::Gpu { doing: "read timestamps".into(), message: e.to_string() })?;
    Ok(view.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect())
}
