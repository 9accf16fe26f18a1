//! Whole steps: a generator forward and backward, a frozen base network forward and back to its
//! input, and a training step of the one in front of copies of the other.

mod breakdown;
mod estimate;
mod networks;

pub use estimate::{estimate_pass, estimate_pretraining_step, estimate_step, seconds_of_a_step};

use super::{Effort, go_on};
use crate::{
    error::{Error, Result},
    fault,
    kernels::plan::Dtype,
    report::bench_json::{TimedStep, Times},
    run::{Clock, Gpu, StepTime},
    step::Loss,
};
use networks::Alone;
pub(super) use networks::{CLASSES, GeneratorStep};
use std::time::Instant;

/// The steps by name: `eopm/GENERATOR/BASE`, `generator/GENERATOR`, `base/BASE`.
pub const STEPS: &[&str] = &[
    "eopm/ConvS/resnet20",
    "eopm/ConvL/resnet18",
    "generator/ConvS",
    "generator/ConvL",
    "base/resnet20",
    "base/resnet18",
];

/// The step that a quick look times.
pub const GLANCE: &str = STEPS[0];

/// How large the steps are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSettings {
    /// Images of a batch.
    pub batch: u32,
    /// Perturbed copies of the base network.
    pub copies: u32,
    /// Precision in which inputs, weights and gradients enter products.
    pub dtype: Dtype,
    /// What the copies are trained to answer.
    pub loss: Loss,
}

impl StepSettings {
    /// The paper's ten copies and 256 images on hardware; two and 32 on a software adapter; a quarter
    /// of the images for a glance.
    pub fn of(gpu: &Gpu, quick: bool) -> Self {
        let (batch, copies) = if gpu.report().is_software() { (32, 2) } else { (256, 10) };
        let batch = if quick { batch / 4 } else { batch };
        Self { batch, copies, dtype: Dtype::F32, loss: Loss::Labels }
    }
}

/// A step that can be repeated.
pub(super) trait Repeated {
    /// Submits one more step, without waiting for it except to keep few in flight.
    fn run(&mut self, gpu: &Gpu) -> Result<()>;
    /// Times of its dispatches, each run alone.
    fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>>;
    /// How it is cut to fit the adapter.
    fn cut(&self) -> String;
    /// Operations of its convolutions and linear layers for one image, by their definition.
    fn conv_flops(&self) -> u64;
}

/// The steps whose names the glob `pattern` fits.
pub fn step_names(pattern: &str) -> Result<Vec<&'static str>> {
    let fits = |name: &&&str| fault::matches(&pattern.to_lowercase(), &name.to_lowercase());
    let names: Vec<_> = STEPS.iter().filter(fits).copied().collect();
    if names.is_empty() {
        return Err(Error::unknown("step", pattern, STEPS));
    }
    Ok(names)
}

/// Times the steps of these names; `each` is given every step as it is done, and `stop` is asked before the next.
pub fn steps(
    gpu: &Gpu,
    names: &[&str],
    settings: StepSettings,
    effort: Effort,
    mut each: impl FnMut(TimedStep),
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    for name in names {
        go_on(stop)?;
        each(time(gpu, name, settings, effort)?);
    }
    Ok(())
}

fn time(gpu: &Gpu, name: &str, settings: StepSettings, effort: Effort) -> Result<TimedStep> {
    let StepSettings { batch, copies, dtype, .. } = settings;
    let parts: Vec<&str> = name.split('/').collect();
    let (mut repeated, copies): (Box<dyn Repeated>, u32) = match parts[..] {
        ["eopm", generator, base] => {
            (Box::new(GeneratorStep::new(gpu, (generator, base), settings)?), copies)
        }
        ["generator", generator] => (Box::new(Alone::generator(gpu, generator, batch, dtype)?), 0),
        ["base", base] => (Box::new(Alone::base(gpu, base, batch, dtype)?), 0),
        _ => return Err(Error::unknown("step", name, STEPS)),
    };
    let wall = walls(gpu, repeated.as_mut(), effort)?;
    let busy = busy(gpu, repeated.as_mut())?;
    let mut profiles = Vec::new();
    let started = Instant::now();
    while profiles.is_empty() || profiles.len() < 5 && started.elapsed() < effort.step {
        profiles.push(repeated.profile(gpu)?);
    }
    let times = Times::of(&wall);
    let mut step =
        breakdown::of(&breakdown::medians(&profiles), u64::from(batch) * repeated.conv_flops());
    // Reports compare steps of the same name, so steps in f16 have another name.
    step.name = match dtype {
        Dtype::F32 => name.to_owned(),
        Dtype::F16 => format!("{name} f16"),
    };
    (step.batch, step.copies, step.cut) = (batch, copies, repeated.cut());
    step.images_per_second =
        if times.median_ms > 0.0 { 1e3 * f64::from(batch) / times.median_ms } else { 0.0 };
    (step.times, step.busy) = (times, busy);
    Ok(step)
}

/// Seconds of single steps in a row of many, as in training: a step is submitted while the one before
/// runs, and submitting waits for the end of the one before that.
pub(super) fn walls(gpu: &Gpu, repeated: &mut dyn Repeated, effort: Effort) -> Result<Vec<f64>> {
    for _ in 0..3 {
        repeated.run(gpu)?; // compiles, measures the pace, fills the row
    }
    let (mut walls, started) = (Vec::new(), Instant::now());
    let mut last = started;
    while walls.len() < effort.samples || started.elapsed() < effort.step {
        repeated.run(gpu)?;
        let now = Instant::now();
        walls.push((now - last).as_secs_f64());
        last = now;
    }
    gpu.wait("time a step")?;
    Ok(walls)
}

/// Steps in a row for [`busy`].
const ROW: usize = 4;

/// Share of the time from the first to the last dispatch of a few steps in which some dispatch runs, by
/// the GPU's timestamps; `None` without these.
fn busy(gpu: &Gpu, repeated: &mut dyn Repeated) -> Result<Option<f64>> {
    gpu.record()?;
    let done = (0..ROW).try_for_each(|_| repeated.run(gpu));
    let recording = gpu.recording()?;
    done?;
    let spans = recording.dispatches.iter().map(|d| [d.begin, d.begin + d.seconds]).collect();
    Ok(covered(spans).filter(|_| recording.clock == Clock::GpuTimestamps))
}

/// Share of the time from the first begin to the last end that lies in some span.
fn covered(mut spans: Vec<[f64; 2]>) -> Option<f64> {
    spans.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let begin = spans.first()?[0];
    let (mut end, mut inside) = (begin, 0.0);
    for [from, to] in spans {
        inside += (to - from.max(end)).max(0.0);
        end = end.max(to);
    }
    (end > begin).then(|| inside / (end - begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_spans_count_once_and_gaps_not_at_all() {
        let spans = vec![[3.0, 4.0], [0.0, 2.0], [1.0, 2.5], [1.2, 1.3]];
        assert_eq!(covered(spans), Some(3.5 / 4.0));
        assert_eq!(covered(Vec::new()), None);
        assert_eq!(covered(vec![[1.0, 1.0]]), None);
    }

    #[test]
    fn steps_are_chosen_by_glob() {
        assert_eq!(step_names("*").unwrap(), STEPS);
        assert_eq!(step_names("EOPM*resnet20").unwrap(), ["eopm/ConvS/resnet20"]);
        let error = step_names("eopm").unwrap_err();
        assert!(error.hint().unwrap().contains("eopm/ConvL/resnet18"), "{error:?}");
    }
}
