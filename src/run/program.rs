//! A tape made ready on a device: memory is planned, pipelines are compiled and bind groups are made
//! once. Running the program replays them.

mod build;

use super::{
    arena::TapeMemory,
    session::Gpu,
    step::{self, ProgramStep},
    tape::BufferId,
};
use crate::{
    error::{Error, Result},
    gpu::{Buffer, Device},
};
use std::ops::Range;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

/// GPU time that one submission should not exceed: Windows' watchdog resets a GPU after 2 s.
const SUBMIT_BUDGET: Duration = Duration::from_millis(300);

/// A tape that can run.
#[derive(Debug)]
pub struct Program {
    steps: Vec<ProgramStep>,
    /// First step of each section after the first.
    sections: Vec<usize>,
    /// Step at which a mark of [`Tape::mark`] stands, and its text.
    pub(super) marks: Vec<(usize, String)>,
    /// Per step, the transients that it is the first to use, with their bytes.
    pub(super) fresh: Vec<Vec<(Buffer, u64)>>,
    buffers: Vec<Option<Buffer>>,
    memory: TapeMemory,
    /// Nanoseconds per 10^9 operations in the first measured run; 0 before it.
    pace: AtomicU64,
    /// Last submission of the previous run.
    in_flight: Mutex<Option<wgpu::SubmissionIndex>>,
}

impl Program {
    /// Submits one run and returns without waiting, except to keep at most two runs in flight.
    pub fn run(&self, gpu: &Gpu) -> Result<()> {
        self.run_steps(gpu, &self.steps)
    }

    /// Like [`Self::run`], for one section of the tape, counted from 0.
    pub fn run_section(&self, gpu: &Gpu, section: usize) -> Result<()> {
        self.run_range(gpu, self.section(section)?)
    }

    /// The entries of the tape in one of its sections, counted from 0.
    pub fn section(&self, section: usize) -> Result<Range<usize>> {
        let bound = |i: usize| match i {
            0 => Some(0),
            i if i == self.sections.len() + 1 => Some(self.steps.len()),
            i => self.sections.get(i - 1).copied(),
        };
        match (bound(section), bound(section + 1)) {
            (Some(first), Some(end)) => Ok(first..end),
            _ => Err(Error::Shape(format!("a program has no section {section}"))),
        }
    }

    /// All entries of the tape.
    pub fn entries(&self) -> Range<usize> {
        0..self.steps.len()
    }

    /// Runs some entries of the tape. Running all entries in such ranges, in order, is the same as
    /// one run.
    pub fn run_range(&self, gpu: &Gpu, entries: Range<usize>) -> Result<()> {
        let steps = self.steps.get(entries.clone());
        let steps =
            steps.ok_or_else(|| Error::Shape(format!("a program has no entries {entries:?}")))?;
        self.run_steps(gpu, steps)
    }

    fn run_steps(&self, gpu: &Gpu, steps: &[ProgramStep]) -> Result<()> {
        let pace = self.pace.load(Ordering::Relaxed);
        let total: u64 = steps.iter().map(ProgramStep::flops).sum();
        // Operations per submission. Before the first measurement: a number that suits slow software
        // adapters.
        let per_submit = match pace {
            0 => 2_000_000_000,
            ns => SUBMIT_BUDGET.as_nanos() as u64 * 1_000_000_000 / ns.max(1),
        };
        let started = Instant::now();
        let mut submitted = None;
        let (mut first, mut flops) = (0, 0);
        for i in 0..steps.len() {
            flops += steps[i].flops();
            let next = steps.get(i + 1).map_or(u64::MAX, ProgramStep::flops);
            if flops.saturating_add(next) > per_submit {
                submitted = Some(Self::submit(gpu, &steps[first..=i]));
                (first, flops) = (i + 1, 0);
            }
        }
        if first < steps.len() {
            submitted = Some(Self::submit(gpu, &steps[first..]));
        }
        let before = {
            let mut last = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, submitted)
        };
        if before.is_some() {
            let _span = gpu.span("wait for the run before");
            gpu.wait_for(before)?;
        }
        // Copies and clears have no operations and cannot tell the pace.
        if pace == 0 && total > 0 {
            gpu.wait("run a program")?;
            let ns = started.elapsed().as_nanos() as u64;
            let measured = u128::from(ns) * 1_000_000_000 / u128::from(total.max(1));
            self.pace.store(u64::try_from(measured).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        }
        gpu.check("run a program")
    }

    fn submit(gpu: &Gpu, steps: &[ProgramStep]) -> wgpu::SubmissionIndex {
        gpu.recorder.submit(gpu, steps).unwrap_or_else(|| step::submit(gpu, steps))
    }

    pub(super) fn steps(&self) -> &[ProgramStep] {
        &self.steps
    }

    pub(super) fn section_of(&self, step: usize) -> usize {
        self.sections.partition_point(|&first| first <= step)
    }

    /// Submits one step, with timestamps around it if there are queries for them.
    pub(super) fn submit_timed(
        &self,
        gpu: &Gpu,
        step: &ProgramStep,
        queries: Option<&wgpu::QuerySet>,
    ) {
        if !matches!(step, ProgramStep::Dispatch { .. }) {
            Self::submit(gpu, std::slice::from_ref(step));
            return;
        }
        let mut encoder = gpu.encoder();
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: queries.map(|query_set| wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            }),
        });
        step.dispatch(&mut pass);
        drop(pass);
        gpu.submit(encoder);
    }

    /// Writes into a buffer of the tape at a byte offset (a multiple of 4).
    pub fn write<T: bytemuck::NoUninit>(
        &self,
        gpu: &Gpu,
        id: BufferId,
        offset: u64,
        contents: &[T],
    ) {
        if let Some(buffer) = &self.buffers[id.0] {
            buffer.write(gpu, offset, contents);
        }
    }

    /// Reads a buffer of the tape; waits for the work before it.
    pub fn read<T: bytemuck::AnyBitPattern>(&self, gpu: &Gpu, id: BufferId) -> Result<Vec<T>> {
        self.buffers[id.0].as_ref().map_or_else(|| Ok(Vec::new()), |buffer| buffer.read(gpu))
    }

    /// Copies bytes between buffers, submitted by itself between runs.
    pub fn copy(device: &Device, from: (&Buffer, u64), to: (&Buffer, u64), bytes: u64) {
        let mut encoder = device.encoder();
        encoder.copy_buffer_to_buffer(&from.0.raw, from.1, &to.0.raw, to.1, bytes);
        device.submit(encoder);
    }

    /// A buffer of the tape, to import it elsewhere. `None` for a buffer that no dispatch uses.
    pub fn buffer(&self, id: BufferId) -> Option<&Buffer> {
        self.buffers[id.0].as_ref()
    }

    /// The memory that it takes on the device.
    pub fn memory(&self) -> &TapeMemory {
        &self.memory
    }

    /// Dispatches of one run.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }
}
