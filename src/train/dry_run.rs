//! `nf-gpu train --dry-run`: what a step would need, without running the training.

use super::{base::BaseNet, config::TrainConfig, length::Length};
use crate::{
    error::Result,
    models,
    nn::{Cut, DeviceImages, Graph, TrainableNet, initialise},
    run::Gpu,
    step::{Eopm, EopmSettings},
    words::{duration, mebibytes},
};
use serde::Serialize;
use std::fmt;

/// Number of largest buffers that are listed.
const LISTED: usize = 6;

/// What one training step needs on an adapter.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    /// Version of this document.
    pub version: u32,
    pub adapter: String,
    /// Largest size of one binding there, in bytes.
    pub binding_limit: u64,
    pub generator: Network,
    pub base: Network,
    /// Images of each part of a batch.
    pub parts: Vec<u32>,
    /// Copies of the base network that run together, the clean one counted.
    pub copies_together: u32,
    /// Number of groups of copies.
    pub groups: u32,
    /// Dispatches of one pass over the tape; the base network's part runs once per group.
    pub dispatches: usize,
    /// Floating-point operations of a step.
    pub flops: u64,
    /// Bytes of activations and gradients, which share memory.
    pub activations: u64,
    /// Bytes that activations and gradients would take without sharing.
    pub activations_unshared: u64,
    /// Bytes of weights: stored words, dequantised copies, parameters and optimiser state.
    pub weights: u64,
    /// Bytes of other buffers.
    pub others: u64,
    /// The largest buffers.
    pub largest: Vec<Need>,
    /// Buffers that one binding cannot hold: with these the run would stop before its first step.
    pub too_large: Vec<Need>,
    /// Number of steps of the run, if the number of training images is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Estimated duration of the run, if it was estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Estimate>,
}

/// Duration of a run, estimated from one timed step, which may have fewer images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Images of the step that was timed.
    pub images_timed: u32,
    /// Seconds of a step of the run.
    pub seconds_per_step: f64,
    /// Seconds of all steps, evaluations not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// Operations of a step that is timed on a software adapter: one or two seconds of work.
const TIMED_FLOPS: u64 = 40_000_000_000;

impl DryRun {
    /// Number of images of the step that is timed ([`images_to_time`]).
    pub fn images_to_time(&self, software: bool) -> u32 {
        images_to_time(self.parts.iter().sum(), self.flops, software)
    }

    /// Records that a step of `images` took so many seconds.
    pub fn timed(&mut self, images: u32, seconds: f64) {
        let batch: u32 = self.parts.iter().sum();
        let seconds_per_step = seconds * f64::from(batch) / f64::from(images.max(1));
        let seconds = self.steps.map(|steps| steps as f64 * seconds_per_step);
        self.time = Some(Estimate { images_timed: images, seconds_per_step, seconds });
    }

    /// The estimated time in a line for the user.
    pub fn time_line(&self) -> String {
        let Some(Estimate { images_timed, seconds_per_step, seconds }) = self.time else {
            return "time        not estimated\n".into();
        };
        let all = self.steps.zip(seconds).map_or(String::new(), |(steps, seconds)| {
            format!(", {} for {steps} steps without evaluations", duration(seconds))
        });
        let step = duration(seconds_per_step);
        let how = match images_timed {
            1 => "a step of one image".to_owned(),
            n => format!("a step of {n} images"),
        };
        format!(
            "time        about {step} a step{all}\n            (an estimate: {how} was timed)\n"
        )
    }
}

/// Number of images of a step that is timed to estimate a step of `batch` images and `flops`
/// operations. On a GPU it is the whole batch, because a GPU needs as long for few images as for many.
/// On a software adapter, whose time is proportional to the operations, it is as many images as are
/// done within seconds.
pub fn images_to_time(batch: u32, flops: u64, software: bool) -> u32 {
    let soon = u64::from(batch).saturating_mul(TIMED_FLOPS) / flops.max(1);
    if software { batch.min(u32::try_from(soon).unwrap_or(batch)).max(1) } else { batch }
}

/// Number of steps of a run, if the number of training images is known without reading them.
fn steps(config: &TrainConfig, base: &BaseNet) -> Option<u64> {
    if config.steps.is_some() {
        return config.steps;
    }
    let dataset = base.dataset(config.dataset.as_deref()).ok()?;
    Some(Length::of_training(config, &dataset).ok()?.steps)
}

/// Size of a network.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// Name of the network.
    pub name: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Multiply-adds for one image.
    pub macs: u64,
}

impl Network {
    fn of(graph: &Graph) -> Self {
        Self { name: graph.name.clone(), parameters: graph.parameter_count(), macs: graph.macs() }
    }
}

/// A buffer that the step needs.
#[derive(Clone, Debug, Serialize)]
pub struct Need {
    /// Name of the buffer.
    pub what: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// Plans a training step as `config` says. Weights are put on the device, but no step runs, no images
/// are read, and nothing is written.
pub fn dry_run(gpu: &Gpu, config: &TrainConfig) -> Result<DryRun> {
    config.checked()?;
    let mut base = BaseNet::load(&config.base, &config.hints)?;
    let config = &config.begun_with(config.warm_start(base.input())?.as_ref());
    if let Ok(dataset) = base.dataset(config.dataset.as_deref()) {
        config.goal.suits(&dataset)?;
    }
    config.images_form.for_input(base.input())?;
    let faults = config.fault_model()?;
    base.suffer(&faults)?;
    base.can_have(&faults, base.precision(config.precision)?)?;
    let graph = models::generator(&config.generator, base.input())?;
    let weights = initialise(&graph, false, config.seed);
    let net = TrainableNet::new(gpu, &graph, &weights, models::GENERATOR_BITS)?
        .with_dtype(config.dtype.unwrap_or_default().on(gpu));
    let images = DeviceImages::streamed(base.input(), &[]);
    let settings = EopmSettings {
        base: (&base.graph, &base.weights),
        precision: base.precision(config.precision)?,
        perturbed: config.perturbed_copies()?,
        faults: &config.fault_model()?,
        maps: config.maps()?,
        lambda: config.lambda,
        loss: config.goal.loss()?,
        batch: config.batch_size,
        micro_batch: config.micro_batch,
        group: config.group,
    };
    let copies = 1 + settings.perturbed;
    let nets = [(&graph, 1), (&base.graph, copies)];
    let cut = Cut::that_fits(gpu, config.batch_size, copies, &nets, settings.together());
    let tape = Eopm::planned(gpu, &net, &images, &settings, &cut)?;
    let memory = tape.memory();
    let limits = gpu.limits();
    let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let sized = |(what, bytes): &(String, u64)| Need { what: what.clone(), bytes: *bytes };
    let groups = u64::from(cut.groups);
    let flops = match tape.flops_of_sections()[..] {
        // The sections in the middle run once for each group.
        [forward, ref of_group @ .., backward] => {
            forward + of_group.iter().sum::<u64>() * groups + backward
        }
        ref all => all.iter().sum(),
    };
    Ok(DryRun {
        version: 1,
        adapter: gpu.report().line(),
        binding_limit: limit,
        generator: Network::of(&graph),
        base: Network::of(&base.graph),
        parts: cut.parts.clone(),
        copies_together: cut.copies,
        groups: cut.groups,
        dispatches: tape.dispatches(),
        flops,
        activations: memory.shared,
        activations_unshared: memory.unshared,
        weights: memory.imported,
        others: memory.kept,
        largest: memory.largest.iter().take(LISTED).map(sized).collect(),
        too_large: memory.largest.iter().filter(|(_, bytes)| *bytes > limit).map(sized).collect(),
        steps: steps(config, &base),
        time: None,
    })
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| format!("{:.1} MiB", mebibytes(bytes));
        writeln!(f, "adapter     {}", self.adapter)?;
        for (what, net) in [("generator", &self.generator), ("base", &self.base)] {
            let (name, parameters) = (&net.name, net.parameters);
            let macs = net.macs as f64 / 1e6;
            writeln!(
                f,
                "{what:<12}{name}: {parameters} parameters, {macs:.1} M multiply-adds an image"
            )?;
        }
        let images: u32 = self.parts.iter().sum();
        let most = self.parts.first().copied().unwrap_or(0);
        writeln!(f, "batch       {images} images in {} parts of at most {most}", self.parts.len())?;
        let (together, groups) = (self.copies_together, self.groups);
        writeln!(f, "copies      {together} of the base together, in {groups} groups")?;
        let gflop = self.flops as f64 / 1e9;
        writeln!(f, "step        {} dispatches, {gflop:.1} GFLOP", self.dispatches)?;
        let (shared, unshared) = (mib(self.activations), mib(self.activations_unshared));
        writeln!(f, "activations {shared} ({unshared} without sharing)")?;
        writeln!(f, "weights     {}; other buffers {}", mib(self.weights), mib(self.others))?;
        let all = self.activations + self.weights + self.others;
        writeln!(
            f,
            "in all      {}, and the training set; how much is free, no adapter tells",
            mib(all)
        )?;
        writeln!(f, "largest     (one binding holds {})", mib(self.binding_limit))?;
        for Need { what, bytes } in &self.largest {
            writeln!(f, "  {:>12}  {what}", mib(*bytes))?;
        }
        if self.too_large.is_empty() {
            return writeln!(f, "every buffer fits one binding");
        }
        writeln!(f, "would not fit one binding:")?;
        for Need { what, bytes } in &self.too_large {
            writeln!(f, "  {:>12}  {what}", mib(*bytes))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(flops: u64, steps: Option<u64>) -> DryRun {
        let net = || Network { name: "net".into(), parameters: 1, macs: 1 };
        DryRun {
            version: 1,
            adapter: "a".into(),
            binding_limit: 1,
            generator: net(),
            base: net(),
            parts: vec![150, 106],
            copies_together: 1,
            groups: 1,
            dispatches: 1,
            flops,
            activations: 1,
            activations_unshared: 1,
            weights: 1,
            others: 1,
            largest: Vec::new(),
            too_large: Vec::new(),
            steps,
            time: None,
        }
    }

    #[test]
    fn a_software_adapter_times_as_many_images_as_are_done_soon() {
        for (flops, images) in [(1, 256), (TIMED_FLOPS * 4, 64), (TIMED_FLOPS * 10_000, 1)] {
            assert_eq!(plan(flops, None).images_to_time(true), images);
            assert_eq!(plan(flops, None).images_to_time(false), 256);
        }
    }

    #[test]
    fn the_time_is_that_of_all_images_and_all_steps() {
        let mut plan = plan(1, Some(100));
        assert!(plan.time_line().contains("not estimated"));
        plan.timed(64, 0.5);
        let time = plan.time.unwrap();
        assert_eq!((time.seconds_per_step, time.seconds), (2.0, Some(200.0)));
        let line = plan.time_line();
        for part in ["2.0 s a step", "3 min 20 s for 100 steps", "an estimate: a step of 64 images"]
        {
            assert!(line.contains(part), "{line}");
        }
        plan.steps = None;
        plan.timed(1, 0.5);
        assert!(plan.time_line().contains("2 min 08 s a step\n"), "{}", plan.time_line());
    }
}
