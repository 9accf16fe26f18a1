//! `nf-gpu train --dry-run`: what a step would need, without running it.

use super::{
    base::{BaseHints, BaseNet},
    config::TrainConfig,
    eopm::{Eopm, EopmSettings},
};
use crate::{
    error::Result,
    gpu::Gpu,
    models,
    nn::{Cut, DeviceImages, Graph, TrainableNet, initialise},
};
use serde::Serialize;
use std::fmt;

/// Buffers that are listed.
const LISTED: usize = 6;

/// What one training step needs on an adapter.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    /// Of this document.
    pub version: u32,
    /// The adapter.
    pub adapter: String,
    /// Bytes that one binding may have there.
    pub binding_limit: u64,
    /// The generator.
    pub generator: Network,
    /// The base network.
    pub base: Network,
    /// Images of each part of a batch.
    pub parts: Vec<u32>,
    /// Copies of the base network that run together, the clean one counted.
    pub copies_together: u32,
    /// Groups of so many copies.
    pub groups: u32,
    /// Dispatches of one pass over the tape; the base network's part runs once per group.
    pub dispatches: usize,
    /// Floating-point operations of a step.
    pub flops: u64,
    /// Bytes of activations and gradients, which share memory.
    pub activations: u64,
    /// What they would be without sharing.
    pub activations_unshared: u64,
    /// Bytes of weights: stored words, dequantised copies, parameters and optimiser state.
    pub weights: u64,
    /// Bytes of other buffers.
    pub others: u64,
    /// The largest buffers.
    pub largest: Vec<Need>,
    /// Buffers that one binding cannot hold: with these the run would stop before its first step.
    pub too_large: Vec<Need>,
}

/// A network in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Parameters.
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
    /// What it holds.
    pub what: String,
    /// Its bytes.
    pub bytes: u64,
}

/// Plans a training step as `config` says. Weights are put on the device; nothing runs, no data set is
/// opened, and nothing is written.
///
/// # Errors
/// Bad settings or files, or the device has no memory for the weights.
pub fn dry_run(gpu: &Gpu, config: &TrainConfig) -> Result<DryRun> {
    config.checked()?;
    let hints = BaseHints {
        model: config.model.clone(),
        mean: config.input_mean.clone(),
        std: config.input_std.clone(),
    };
    let base = BaseNet::load(&config.base, &hints)?;
    let graph = models::generator(&config.generator, base.side())?;
    let weights = initialise(&graph, false, config.seed);
    let net = TrainableNet::new(gpu, &graph, &weights, models::GENERATOR_BITS)?
        .with_operands(config.dtype.unwrap_or_default().operands(gpu));
    let images = DeviceImages::streamed(base.side(), base.side(), &[]);
    let settings = EopmSettings {
        base: (&base.graph, &base.weights),
        precision: base.precision(config.precision)?,
        perturbed: config.perturbed_copies()?,
        faults: &config.fault_model()?,
        maps: config.maps()?,
        lambda: config.lambda,
        batch: config.batch_size,
        micro_batch: config.micro_batch,
    };
    let copies = 1 + settings.perturbed;
    let nets = [(&graph, 1), (&base.graph, copies)];
    let cut = Cut::that_fits(gpu, config.batch_size, copies, &nets, config.micro_batch);
    let tape = Eopm::planned(gpu, &net, &images, &settings, &cut)?;
    let memory = tape.memory();
    let limits = gpu.limits();
    let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let sized = |(what, bytes): &(String, u64)| Need { what: what.clone(), bytes: *bytes };
    let [forward, of_group, backward] = tape.flops_of_sections();
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
        flops: forward + of_group * u64::from(cut.groups) + backward,
        activations: memory.shared,
        activations_unshared: memory.unshared,
        weights: memory.imported,
        others: memory.kept,
        largest: memory.largest.iter().take(LISTED).map(sized).collect(),
        too_large: memory.largest.iter().filter(|(_, bytes)| *bytes > limit).map(sized).collect(),
    })
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
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
