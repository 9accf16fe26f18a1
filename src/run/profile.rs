//! Time of each step of a program: from GPU timestamps where the adapter has them, else from
//! submission to idle on the host's clock.

use super::{program::Program, record::Clock, session::Gpu, step::ProgramStep};
use crate::{error::Result, gpu::Device};
use serde::Serialize;
use std::time::Instant;

/// Time of one dispatch.
#[derive(Clone, Debug, Serialize)]
pub struct StepTime {
    /// Kernel and variant.
    pub name: String,
    /// Section of the tape.
    pub section: usize,
    /// Operations, as the dispatch's plan states them.
    pub flops: u64,
    /// Bytes of the bindings, as the dispatch's plan states them.
    pub bytes: u64,
    pub seconds: f64,
    /// The clock of `seconds`.
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
    fn new(device: &Device) -> Result<Option<Self>> {
        if !device.raw.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let queries = device.raw.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("stopwatch"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = device.create_buffer("stopwatch", 16, usage)?;
        let period = f64::from(device.queue.get_timestamp_period());
        Ok(Some(Self { queries, resolved, period }))
    }
}

impl Program {
    /// Runs each dispatch alone and times it.
    pub fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        let stopwatch = Stopwatch::new(gpu)?;
        let mut times = Vec::new();
        for (i, step) in self.steps().iter().enumerate() {
            gpu.wait("profile a program")?;
            let started = Instant::now();
            self.submit_timed(gpu, step, stopwatch.as_ref().map(|s| &s.queries));
            gpu.wait("profile a program")?;
            let host = started.elapsed().as_secs_f64();
            let ProgramStep::Dispatch { name, flops, bytes, .. } = step else { continue };
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

/// Seconds between the two timestamps; `None` where a driver gives none (Metal on macOS 26 has been
/// seen to return zeros).
fn read(device: &Device, stopwatch: &Stopwatch) -> Result<Option<f64>> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let back = device.create_buffer("stopwatch readback", 16, usage)?;
    let mut encoder = device.encoder();
    encoder.resolve_query_set(&stopwatch.queries, 0..2, &stopwatch.resolved, 0);
    encoder.copy_buffer_to_buffer(&stopwatch.resolved, 0, &back, 0, 16);
    device.submit(encoder);
    let ticks = device.ticks(&back)?;
    let elapsed = ticks[1].saturating_sub(ticks[0]);
    Ok((elapsed > 0).then_some(elapsed as f64 * stopwatch.period * 1e-9))
}
