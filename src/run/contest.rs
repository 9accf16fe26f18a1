//! Compares candidates: the fastest of those that compute the same as the reference wins.

use super::{
    program::Program,
    session::Gpu,
    tape::Tape,
    trial::{self, Agreement, Job},
};
use crate::{
    error::{Error, Result},
    gpu::Device,
    tuning::Tried,
};

/// Upper limit of one trial's cost, kept where the job can be made that small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialSize {
    /// Operations of one run.
    pub flops: u64,
    /// Bytes of all buffers.
    pub bytes: u64,
}

/// Size of the comparison with the reference; a candidate may be slow.
const CHECK: TrialSize = TrialSize { flops: 100_000_000, bytes: 64 << 20 };
/// Size of the measurement on a software adapter: 20 ms on a fast one.
const ON_SOFTWARE: TrialSize = TrialSize { flops: 500_000_000, bytes: 128 << 20 };
/// Size of the measurement on hardware: large enough to fill the GPU, small enough for driver
/// watchdogs.
const ON_HARDWARE: TrialSize = TrialSize { flops: 20_000_000_000, bytes: 512 << 20 };
/// A time must be below this share of the best one so far to win, so that noise does not decide.
const BETTER: f64 = 0.97;

/// One candidate.
pub(super) struct Contestant<'a> {
    pub(super) name: String,
    /// Makes the candidate's job, which should stay within a size.
    pub(super) job: Box<dyn Fn(TrialSize) -> Result<Job> + 'a>,
}

/// The index of the best candidate, and the result of each.
pub(super) fn contest(
    gpu: &Gpu,
    build: &dyn Fn(&Tape) -> Result<Program>,
    agreement: &Agreement,
    candidates: &[Contestant<'_>],
    reference: usize,
) -> Result<(usize, Vec<Tried>)> {
    let mut tried: Vec<Tried> =
        candidates.iter().map(|c| Tried { name: c.name.clone(), ..Tried::default() }).collect();
    let check = |i: usize| {
        let job = (candidates[i].job)(CHECK)?;
        trial::results(gpu, &job, &build(&job.tape)?)
    };
    let wanted = check(reference)?;
    // Candidates that agree with the reference, with their seconds in the comparison.
    let mut passed: Vec<(usize, f64)> = Vec::new();
    for (i, tried) in tried.iter_mut().enumerate() {
        let results = match if i == reference { Ok(None) } else { check(i).map(Some) } {
            Ok(results) => results,
            Err(error @ Error::DeviceLost { .. }) => return Err(error),
            Err(error) if error.is_size() => return Err(error),
            Err(error) => {
                // A compiler's message may have many lines: join them into one.
                let words = error.to_string();
                tried.refused = Some(words.split_whitespace().collect::<Vec<_>>().join(" "));
                continue;
            }
        };
        let results = results.as_ref().unwrap_or(&wanted);
        tried.refused = agreement.objection(&wanted, results);
        tried.ms = Some(results.seconds * 1e3).filter(|_| tried.refused.is_none());
        if tried.refused.is_none() {
            passed.push((i, results.seconds));
        }
    }
    let quickest = passed.iter().map(|&(_, seconds)| seconds).fold(f64::INFINITY, f64::min);
    passed.retain(|&(_, seconds)| seconds <= 2.0 * quickest);
    let Some(&(first, _)) = passed.first() else {
        // Not even the reference agrees with itself: nothing better is known than the default.
        return Ok((0, tried));
    };
    if passed.len() == 1 {
        return Ok((first, tried));
    }
    let size = timed(gpu);
    let (mut best, mut shortest) = (first, f64::INFINITY);
    for (i, _) in passed {
        let job = (candidates[i].job)(size)?;
        let seconds = trial::seconds(gpu, &job, &build(&job.tape)?, shortest)?;
        tried[i].ms = Some(seconds * 1e3);
        if seconds < shortest * BETTER {
            (best, shortest) = (i, seconds);
        }
    }
    Ok((best, tried))
}

/// The size of trials that are timed on a device.
pub(super) fn timed(device: &Device) -> TrialSize {
    if device.report().is_software() { ON_SOFTWARE } else { ON_HARDWARE }
}
