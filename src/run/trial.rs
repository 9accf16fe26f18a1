//! Tries a candidate: whether it computes the same as the reference, and how long it takes.

use super::{
    program::Program,
    session::Gpu,
    tape::{BufferId, Tape},
};
use crate::{
    error::Result,
    kernels::{
        desc::{Access, Variant},
        plan::Plan,
    },
};

/// Type of the words of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// 32-bit floats.
    Floats,
    /// Bits and integers.
    Bits,
}

/// One way to compute something, on a tape of its own. Inputs and outputs are kept buffers
/// ([`Tape::kept`]), which the host can write and read.
#[derive(Clone, Debug)]
pub struct Job {
    /// The dispatches to run.
    pub tape: Tape,
    /// Buffers to fill before the run.
    pub inputs: Vec<(BufferId, Words)>,
    /// Buffers to compare after the run, in the same order for every candidate.
    pub outputs: Vec<(BufferId, Words)>,
}

impl Job {
    /// One dispatch of a plan with a variant.
    pub(super) fn of(plan: &Plan, variant: &'static Variant, workgroup: u32) -> Result<Self> {
        let mut tape = Tape::new();
        let (mut inputs, mut outputs, mut all) = (Vec::new(), Vec::new(), Vec::new());
        let bits = plan.class.as_ref().map_or(&[][..], |class| class.words);
        for (&(name, access), &bytes) in plan.kernel.bindings[1..].iter().zip(&plan.bytes) {
            let id = tape.kept(name, bytes);
            let words = if bits.contains(&name) { Words::Bits } else { Words::Floats };
            match access {
                Access::ReadWrite => outputs.push((id, words)),
                Access::Read | Access::Uniform => inputs.push((id, words)),
            }
            all.push(id);
        }
        tape.push_as(plan.clone(), &all, variant.name, workgroup)?;
        Ok(Self { tape, inputs, outputs })
    }

    /// Approximate number of additions per output: half the operations, divided by the number of
    /// outputs.
    fn terms(&self) -> f64 {
        let outputs: u64 = self.outputs.iter().map(|&(id, _)| self.tape.bytes(id) / 4).sum();
        (self.tape.flops() as f64 / 2.0 / outputs.max(1) as f64).max(1.0)
    }
}

/// Kinds of numbers that inputs are filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// Whole numbers from -3 to 3: their products and sums are exact in f32, in any order, and the
    /// products in f16 too, so that all candidates must agree to the last bit.
    Integers,
    /// Random numbers in [-1, 1). None is denormal, because adapters compute with denormals at
    /// another speed.
    Reals,
}

/// Results of a job on both kinds of numbers, a list of words per output.
#[derive(Debug)]
pub(super) struct JobResults {
    integers: Vec<Vec<u32>>,
    reals: Vec<Vec<u32>>,
    kinds: Vec<Words>,
    /// Approximate number of additions per output.
    terms: f64,
    /// Seconds of the faster of two warm runs.
    pub(super) seconds: f64,
}

/// A NaN that outputs are filled with, so that an element that was not written is found.
const POISON: u32 = 0x7FC0_DEAD;
/// Period in words of the random data: a prime, so that neighbouring rows of an image do not get
/// equal data.
const PERIOD: usize = 262_147;

/// Runs a job, made into a program, on whole numbers and on real numbers.
pub(super) fn results(gpu: &Gpu, job: &Job, program: &Program) -> Result<JobResults> {
    let run = |fill: Fill| -> Result<(Vec<Vec<u32>>, f64)> {
        write_inputs(gpu, program, job, fill);
        for &(id, _) in &job.outputs {
            program.write(gpu, id, 0, &vec![POISON; (job.tape.bytes(id) / 4) as usize]);
        }
        let seconds = once(gpu, program)?;
        let read = |&(id, _): &(BufferId, Words)| {
            let mut words: Vec<u32> = program.read(gpu, id)?;
            words.truncate((job.tape.bytes(id) / 4) as usize);
            Ok(words)
        };
        Ok((job.outputs.iter().map(read).collect::<Result<_>>()?, seconds))
    };
    let (integers, _) = run(Fill::Integers)?;
    let (_, first) = run(Fill::Reals)?;
    let (reals, second) = run(Fill::Reals)?;
    // The machine may have been busy with something else during one of the runs.
    let seconds = first.min(second);
    let kinds = job.outputs.iter().map(|&(_, words)| words).collect();
    Ok(JobResults { integers, reals, kinds, terms: job.terms(), seconds })
}

/// Median seconds of a few warm runs of a job, made into a program; of only two runs, where both took
/// more than twice `best`.
pub(super) fn seconds(gpu: &Gpu, job: &Job, program: &Program, best: f64) -> Result<f64> {
    const RUNS: usize = 5;
    write_inputs(gpu, program, job, Fill::Reals);
    once(gpu, program)?;
    let mut times = vec![once(gpu, program)?, once(gpu, program)?];
    while times[0].min(times[1]) <= 2.0 * best && times.len() < RUNS {
        times.push(once(gpu, program)?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn once(gpu: &Gpu, program: &Program) -> Result<f64> {
    Ok(program.profile(gpu)?.iter().map(|step| step.seconds).sum())
}

fn write_inputs(gpu: &Gpu, program: &Program, job: &Job, fill: Fill) {
    let mut random = 0x9E37_79B9u32;
    let mut bits = move || {
        // PCG's output function over a linear congruential generator.
        random = random.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = ((random >> ((random >> 28) + 4)) ^ random).wrapping_mul(277_803_737);
        (word >> 22) ^ word
    };
    for &(id, words) in &job.inputs {
        let len = (job.tape.bytes(id) / 4) as usize;
        let mut data: Vec<u32> = (0..len.min(PERIOD))
            .map(|_| match (words, fill) {
                (Words::Bits, _) => bits(),
                (Words::Floats, Fill::Integers) => ((bits() % 7) as f32 - 3.0).to_bits(),
                // Multiples of 2^-23: none is denormal.
                (Words::Floats, Fill::Reals) => {
                    ((bits() >> 8) as f32 / 8_388_608.0 - 1.0).to_bits()
                }
            })
            .collect();
        while data.len() < len {
            data.extend_from_within(..PERIOD.min(len - data.len()));
        }
        program.write(gpu, id, 0, &data);
    }
}

/// How near a candidate's results must come to the reference's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Whether results on whole numbers must be exact.
    pub exact: bool,
    /// Relative rounding of one operation of the arithmetic.
    pub eps: f64,
    /// Factor by which the algorithm may round more than a plain sum of products.
    pub growth: f64,
}

impl Agreement {
    /// Why `got` does not agree with `want`; `None` if it does.
    ///
    /// Rounding each partial sum of `k` random terms in one order and in another makes the two
    /// results differ by `0.3 sqrt(k) eps` of their size in the mean: partial sums grow like a random
    /// walk, each is rounded by `eps / sqrt(12)` of itself at most, and the errors add up like a
    /// random walk too. The root of the mean square may be 25 times that and one element 200 times;
    /// an element that was computed wrongly is off by about its size.
    pub(super) fn objection(&self, want: &JobResults, got: &JobResults) -> Option<String> {
        let kinds = &want.kinds;
        let near = self.eps * self.growth * want.terms.sqrt();
        let exactly = if self.exact { 0.0 } else { near };
        let rounds = [
            ("whole numbers", &want.integers, &got.integers, exactly),
            ("real numbers", &want.reals, &got.reals, near),
        ];
        rounds.into_iter().find_map(|(data, want, got, near)| {
            let len = |outputs: &[Vec<u32>]| outputs.iter().map(Vec::len).collect::<Vec<_>>();
            if len(want) != len(got) {
                return Some("it has other outputs".into());
            }
            let mut outputs = want.iter().zip(got).zip(kinds);
            outputs
                .find_map(|((want, got), words)| match words {
                    Words::Bits => other_bits(want, got, near),
                    Words::Floats => other_floats(want, got, near),
                })
                .map(|what| format!("on {data}, {what}"))
        })
    }
}

/// How outputs of bits differ by more than rounding explains. A bit may be the sign of a value that
/// rounding moves across 0: a share of about `near` of all values lies that close to 0, relative to
/// their size.
fn other_bits(want: &[u32], got: &[u32], near: f64) -> Option<String> {
    let differ: u32 = want.iter().zip(got).map(|(a, b)| (a ^ b).count_ones()).sum();
    let most = if near == 0.0 { 0.0 } else { 2.0 + 10.0 * near * 32.0 * want.len() as f64 };
    (f64::from(differ) > most).then(|| format!("{differ} bits of {} differ", 32 * want.len()))
}

/// How floats differ by more than rounding explains. NaN and infinity are always wrong.
fn other_floats(want: &[u32], got: &[u32], near: f64) -> Option<String> {
    if want.iter().chain(got).all(|&word| word == POISON) {
        return None; // a binding that this plan does not use
    }
    let float = |&word: &u32| f64::from(f32::from_bits(word));
    let size = (want.iter().map(|w| float(w).powi(2)).sum::<f64>() / want.len() as f64).sqrt();
    let (mut sum, mut worst) = (0.0, (0.0, 0));
    for (at, (want, got)) in want.iter().zip(got).enumerate() {
        let error = (float(got) - float(want)).abs();
        let within = error <= 60.0 * near * size && error.is_finite();
        if !within {
            let (want, got) = (float(want), float(got));
            return Some(format!("element {at} is {got:e} instead of {want:e}"));
        }
        sum += error.powi(2);
        if error > worst.0 {
            worst = (error, at);
        }
    }
    let mean = (sum / want.len() as f64).sqrt();
    (mean > 8.0 * near * size).then(|| {
        format!("elements are off by {:.1e} of their size, element {} most", mean / size, worst.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    #[test]
    fn rounding_passes_and_a_wrong_element_does_not() {
        let want: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin() * 20.0).collect();
        let near = f64::from(f32::EPSILON) * 24.0;
        let with = |at: usize, value: f32| {
            let mut got = want.clone();
            got[at] = value;
            other_floats(&floats(&want), &floats(&got), near)
        };
        let rounded: Vec<f32> = want.iter().map(|v| v * (1.0 + 3.0 * f32::EPSILON)).collect();
        assert_eq!(other_floats(&floats(&want), &floats(&rounded), near), None);
        assert!(other_floats(&floats(&want), &floats(&rounded), 0.0).is_some(), "not exact");
        for (at, wrong) in [(0, 0.01), (999, f32::NAN), (3, f32::INFINITY), (7, -want[7])] {
            assert!(with(at, wrong).is_some_and(|what| what.contains(&format!("element {at} "))));
        }
        // A relative error of 1e-4 everywhere comes from arithmetic with fewer bits.
        let coarse: Vec<f32> = want.iter().map(|v| v * 1.0001).collect();
        assert!(other_floats(&floats(&want), &floats(&coarse), near).is_some());
    }

    #[test]
    fn nan_is_wrong_even_where_the_reference_has_it_too() {
        let nan = floats(&[1.0, f32::NAN]);
        assert!(other_floats(&nan, &nan, 1.0).is_some());
        let half = [1.0f32.to_bits(), POISON];
        assert!(other_floats(&half, &half, 1.0).is_some(), "an element that was not written");
        assert_eq!(other_floats(&[POISON; 4], &[POISON; 4], 0.0), None);
    }

    #[test]
    fn bits_differ_only_where_rounding_decides() {
        let want = vec![0x5555_5555; 10_000];
        let with = |flipped: usize, near: f64| {
            let mut got = want.clone();
            got[..flipped].iter_mut().for_each(|word| *word ^= 1);
            other_bits(&want, &got, near)
        };
        assert_eq!((with(0, 0.0), with(3, 3e-6)), (None, None));
        assert!(with(1, 0.0).is_some() && with(200, 3e-6).is_some());
    }
}
