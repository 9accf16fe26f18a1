//! Records a timeline: GPU time of each dispatch, and what the host does meanwhile.
//!
//! While a recording is on, each dispatch is a pass of its own between two timestamps. All timestamps of
//! a submission are in one query set, and nothing is read back before the end. On an adapter without
//! timestamps each dispatch is submitted and waited for alone.

use super::step::{self, ProgramStep};
use crate::{
    error::{Error, Result},
    gpu::{Device, lock},
};
use serde::Serialize;
use std::{sync::Mutex, time::Instant};

/// Which clock a time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The GPU's timestamps around the dispatch.
    GpuTimestamps,
    /// The host's clock, from submission to idle: it includes the submission's overhead.
    SubmitToIdle,
}

/// One dispatch of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatched {
    /// Kernel and variant.
    pub name: String,
    /// Name of the plan's class of shapes; empty without one.
    pub shape: String,
    /// Operations, as the dispatch's plan states them.
    pub flops: u64,
    /// Bytes of all bindings.
    pub bytes: u64,
    /// Seconds from the begin of the recording.
    pub begin: f64,
    pub seconds: f64,
}

/// Something that the host did, with its times.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSpan {
    /// What the host did.
    pub name: &'static str,
    /// Seconds from the begin of the recording.
    pub begin: f64,
    pub seconds: f64,
}

/// Something that was done elsewhere for this run, with its times.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSpan {
    /// Where, such as `rank 1`.
    pub track: String,
    /// What was done.
    pub name: String,
    /// Seconds from the begin of the recording.
    pub begin: f64,
    pub seconds: f64,
}

/// A finished recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Dispatches in order.
    pub dispatches: Vec<Dispatched>,
    /// Spans of the host, in the order in which they ended.
    pub host: Vec<HostSpan>,
    /// Spans of other processes.
    pub remote: Vec<RemoteSpan>,
    /// The clock of the dispatches' times.
    pub clock: Clock,
    /// Seconds from begin to end.
    pub seconds: f64,
}

/// Records a timeline of a device while a recording is on.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Option<Progress>>);

/// A recording in progress.
#[derive(Debug)]
struct Progress {
    started: Instant,
    submissions: Vec<Submission>,
    host: Vec<HostSpan>,
    remote: Vec<RemoteSpan>,
}

/// The dispatches of one submission, and the buffer that their timestamps are copied to.
#[derive(Debug)]
struct Submission {
    /// Time of the submission, in seconds of the host's clock from the begin of the recording.
    at: f64,
    /// With timestamps, `begin` and `seconds` of each are filled in at the end.
    dispatches: Vec<Dispatched>,
    ticks: Option<wgpu::Buffer>,
}

/// Timestamps in a query set: the number that every implementation allows.
const QUERIES: usize = 4096;

/// A span of host work that ends when it is dropped.
#[derive(Debug)]
pub struct Span<'a> {
    recorder: &'a Recorder,
    name: &'static str,
    began: Instant,
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        if let Some(progress) = lock(&self.recorder.0).as_mut() {
            // A span that began before the recording does not belong to it.
            if let Some(begin) = self.began.checked_duration_since(progress.started) {
                progress.host.push(HostSpan {
                    name: self.name,
                    begin: begin.as_secs_f64(),
                    seconds: self.began.elapsed().as_secs_f64(),
                });
            }
        }
    }
}

impl Recorder {
    /// Begins a recording.
    pub(super) fn begin(&self, device: &Device) -> Result<()> {
        device.wait("begin a recording")?;
        let (submissions, host, remote) = Default::default();
        *lock(&self.0) = Some(Progress { started: Instant::now(), submissions, host, remote });
        Ok(())
    }

    /// Begins a span of host work; it is noted if a recording is on.
    pub(super) fn span(&self, name: &'static str) -> Span<'_> {
        Span { recorder: self, name, began: Instant::now() }
    }

    /// Notes what was done elsewhere, if a recording is on.
    pub(super) fn note(&self, track: &str, name: &str, began: Instant, seconds: f64) {
        if let Some(progress) = lock(&self.0).as_mut()
            && let Some(begin) = began.checked_duration_since(progress.started)
        {
            let (track, name, begin) = (track.to_owned(), name.to_owned(), begin.as_secs_f64());
            progress.remote.push(RemoteSpan { track, name, begin, seconds });
        }
    }

    /// Ends the recording. Waits for the device.
    pub(super) fn end(&self, device: &Device) -> Result<Recording> {
        let waiting = self.span("wait for the GPU");
        device.wait("end a recording")?;
        drop(waiting);
        let progress = lock(&self.0).take();
        let Some(Progress { started, submissions, host, remote }) = progress else {
            return Err(Error::Shape("no recording is on".into()));
        };
        let seconds = started.elapsed().as_secs_f64();
        let stamped = submissions.iter().any(|s| s.ticks.is_some());
        let clock = if stamped { Clock::GpuTimestamps } else { Clock::SubmitToIdle };
        let period = f64::from(device.queue.get_timestamp_period()) * 1e-9;
        let (mut all, mut ahead) = (Vec::new(), f64::NEG_INFINITY);
        let mut origin = None;
        for Submission { at, mut dispatches, ticks } in submissions {
            if let Some(ticks) = ticks {
                let ticks = device.ticks(&ticks)?;
                for (dispatch, pair) in dispatches.iter_mut().zip(ticks.chunks_exact(2)) {
                    let origin = *origin.get_or_insert(pair[0]);
                    dispatch.begin = pair[0].wrapping_sub(origin) as i64 as f64 * period;
                    dispatch.seconds = pair[1].saturating_sub(pair[0]) as f64 * period;
                }
                let begin = dispatches.first().map_or(f64::INFINITY, |d| d.begin);
                ahead = ahead.max(at - begin);
            }
            all.extend(dispatches);
        }
        if stamped {
            // The two clocks have no common zero. The GPU's times are shifted by the smallest amount
            // with which no submission's work begins before it was submitted.
            all.iter_mut().for_each(|dispatch| dispatch.begin += ahead);
        }
        Ok(Recording { dispatches: all, host, remote, clock, seconds })
    }

    /// Submits steps with timestamps if a recording is on, else does nothing.
    pub(super) fn submit(
        &self,
        device: &Device,
        steps: &[ProgramStep],
    ) -> Option<wgpu::SubmissionIndex> {
        let started = lock(&self.0).as_ref()?.started;
        let span = self.span("encode and submit");
        let mut last = None;
        if device.raw.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            for steps in steps.chunks(QUERIES / 2) {
                last = Some(self.submit_stamped(device, steps, started));
            }
        } else {
            for step in steps {
                last = Some(self.submit_alone(device, step, started));
            }
        }
        drop(span);
        last
    }

    fn submit_stamped(
        &self,
        device: &Device,
        steps: &[ProgramStep],
        started: Instant,
    ) -> wgpu::SubmissionIndex {
        let dispatches: Vec<Dispatched> =
            steps.iter().filter_map(ProgramStep::dispatched).collect();
        let count = 2 * u32::try_from(dispatches.len()).unwrap_or(u32::MAX);
        let mut encoder = device.encoder();
        let stamps = (count > 0).then(|| Stamps::new(&device.raw, count));
        let mut at = 0;
        for step in steps {
            let (ProgramStep::Dispatch { .. }, Some(stamps)) = (step, &stamps) else {
                step.transfer(&mut encoder);
                continue;
            };
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &stamps.queries,
                    beginning_of_pass_write_index: Some(at),
                    end_of_pass_write_index: Some(at + 1),
                }),
            });
            step.dispatch(&mut pass);
            at += 2;
        }
        let ticks = stamps.map(|stamps| stamps.resolve(&mut encoder, count));
        let begin = started.elapsed().as_secs_f64();
        let submitted = device.submit(encoder);
        self.submitted(Submission { at: begin, dispatches, ticks });
        submitted
    }

    /// Submits one step after all earlier work is done, and waits for it.
    fn submit_alone(
        &self,
        device: &Device,
        step: &ProgramStep,
        started: Instant,
    ) -> wgpu::SubmissionIndex {
        // The error is ignored: a lost device is reported at the next check.
        let _ = device.wait_for(None);
        let begin = started.elapsed().as_secs_f64();
        let submitted = step::submit(device, std::slice::from_ref(step));
        let _ = device.wait_for(None);
        let seconds = started.elapsed().as_secs_f64() - begin;
        let dispatches = step.dispatched().map(|d| Dispatched { begin, seconds, ..d });
        let dispatches = dispatches.into_iter().collect();
        self.submitted(Submission { at: begin, dispatches, ticks: None });
        submitted
    }

    fn submitted(&self, submission: Submission) {
        if let Some(progress) = lock(&self.0).as_mut() {
            progress.submissions.push(submission);
        }
    }
}

impl ProgramStep {
    /// The step's entry in a recording, without times; `None` for a copy or clear.
    fn dispatched(&self) -> Option<Dispatched> {
        let Self::Dispatch { name, shape, flops, bytes, .. } = self else { return None };
        let (name, shape) = (name.clone(), shape.clone());
        let (flops, bytes) = (*flops, *bytes);
        Some(Dispatched { name, shape, flops, bytes, begin: 0.0, seconds: 0.0 })
    }
}

/// Timestamps of one submission.
struct Stamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    back: wgpu::Buffer,
}

impl Stamps {
    fn new(device: &wgpu::Device, count: u32) -> Self {
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("recording"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("recording"),
                size: u64::from(count) * 8,
                usage,
                mapped_at_creation: false,
            })
        };
        use wgpu::BufferUsages as Usage;
        let resolved = buffer(Usage::QUERY_RESOLVE | Usage::COPY_SRC);
        let back = buffer(Usage::MAP_READ | Usage::COPY_DST);
        Self { queries, resolved, back }
    }

    /// Copies the timestamps to a buffer that the host can read.
    fn resolve(self, encoder: &mut wgpu::CommandEncoder, count: u32) -> wgpu::Buffer {
        encoder.resolve_query_set(&self.queries, 0..count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.back, 0, u64::from(count) * 8);
        self.back
    }
}
