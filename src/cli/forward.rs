//! `nf-gpu forward`: a known network on a tensor, and gradients on request.

mod combination;
mod document;
mod precision;
mod tensors;

use self::{
    document::{about, describe, text},
    precision::Precision,
};
use super::{gpu::ComputeArgs, places::Places, terminal};
use crate::{
    error::{Error, Result},
    fault::{Faults, PAPER_SEEDS, check_seed, parse_seeds},
    files::{Weights, npy, sha256},
    forward::{self, BaseRequest, EopmRequest, GeneratorRequest, Images, OutputLoss},
    kernels::plan::Dtype,
    models, onnx,
    train::{BaseHints, BaseNet, FaultArgs, LossArgs},
    words,
};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Arguments of `nf-gpu forward`.
#[derive(Args, Debug)]
pub struct ForwardArgs {
    /// Name of the network, base or generator, where its file does not say
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Weights of the network
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Images, a .npy file of float32 [N, C, H, W] in [-1, 1]
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Output, a .npy file: logits [N, classes] of a base, images [N, C, H, W] of a generator; not
    /// written if a number of it is not finite
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Class of each image, a .npy file of int32 [N]: the loss is the mean cross-entropy
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// A .npy file shaped like the output: the loss is sum(output * upstream)
    #[arg(long, value_name = "FILE")]
    upstream: Option<PathBuf>,
    /// Batch norm of a generator: running statistics (eval) or those of the images (train)
    #[arg(long, value_enum)]
    mode: Option<PassMode>,
    #[command(flatten)]
    faults: FaultArgs,
    /// Probability that a cell is faulty, as in 0.01 (default: no faults, or 0.01 where another flag is about them)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    ber: Option<f64>,
    /// Seed of the fault map (default: 50000)
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Bits per stored weight of a base, 2 to 8 (default: 8), or float: weights as they are stored,
    /// without faults (the default for an ONNX file without faults)
    #[arg(long, value_name = "BITS|float")]
    precision: Option<Precision>,
    /// Write the loss's gradients to this file: grad.input, and grad.NAME of a training generator's
    /// parameters
    #[arg(long, value_name = "FILE")]
    grads: Option<PathBuf>,
    /// Write the running statistics after a --mode train pass to this file, as after.NAME
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
    /// Channels, rows and columns of images, where an ONNX file leaves them open
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    input_shape: Option<Vec<u32>>,
    /// Mean of a base's input per channel, of values from 0 to 1 (default: the file's)
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    input_mean: Option<Vec<f32>>,
    /// Standard deviation of a base's input per channel
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    input_std: Option<Vec<f32>>,
    /// One step of EOPM without the update: a generator in front of the base
    #[arg(long)]
    eopm: bool,
    /// With --eopm: name of the generator, where its file does not say
    #[arg(long, value_name = "NAME")]
    generator: Option<String>,
    /// With --eopm: weights of the generator
    #[arg(long, value_name = "FILE")]
    generator_weights: Option<PathBuf>,
    /// With --eopm: seed of each perturbed copy's fault map, a list or a half-open range
    #[arg(long, value_name = "A,B", allow_negative_numbers = true)]
    seeds: Option<String>,
    /// With --eopm: weight of the perturbed copies' mean loss (default: 5)
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lambda: Option<f64>,
    // The help texts of these flags are those of `train`; without --eopm the flags are refused.
    #[command(flatten)]
    goal: LossArgs,
    /// Images computed at once, at most (default: as many as fit the adapter); the result is the same
    #[arg(long, value_name = "N")]
    micro_batch: Option<u32>,
    #[command(flatten)]
    gpu: ComputeArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// How batch norm normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PassMode {
    /// With the running statistics
    Eval,
    /// With the statistics of the images
    Train,
}

/// Runs a network once. If an output has a number that is not finite, nothing is written.
pub fn run(args: &ForwardArgs) -> Result<()> {
    args.check_combination()?;
    args.check_places()?;
    let mut report = if args.eopm {
        eopm(args)?
    } else {
        match args.generator_name()? {
            Some(model) => {
                args.check_generator()?;
                generator(args, &model)?
            }
            None => {
                args.check_base()?;
                base(args)?
            }
        }
    };
    if !args.json {
        return terminal::print(&text(&report));
    }
    report.insert("version".into(), json!(1));
    report.insert("commit".into(), json!(env!("NF_COMMIT")));
    terminal::print_json(&Value::Object(report))
}

fn base(args: &ForwardArgs) -> Result<Map<String, Value>> {
    let mut net = args.base_net()?;
    let [classes, ..] = net.graph.nodes[net.graph.output()].chw;
    let input = tensors::images(&args.input, net.input())?;
    let (n, out) = (input.shape[0], args.place(args.output.as_ref())?);
    args.warn_of_range(&input.data);
    let labels = args.labels.as_ref().map(|p| tensors::labels(p, n, classes)).transpose()?;
    let upstream = args.upstream.as_ref();
    let upstream = upstream.map(|p| tensors::upstream(p, &[n, classes as usize])).transpose()?;
    let loss = labels.as_deref().map(OutputLoss::CrossEntropy);
    let loss = loss.or(upstream.as_deref().map(OutputLoss::Upstream));
    let faults = args.faults()?;
    if let Some((faults, _)) = &faults {
        net.suffer(faults)?;
    }
    args.remark(&net, faults.as_ref().map(|(faults, _)| faults))?;
    let precision = args.precision_of(&net, faults.is_some())?;
    let gpu = args.gpu.open(args.quiet)?;
    let pass = forward::base(
        &gpu,
        &BaseRequest {
            graph: &net.graph,
            weights: &net.weights,
            precision: precision.bits(),
            faults: faults.as_ref().map(|(faults, seed)| (faults, *seed)),
            images: Images::new(&input.shape, &input.data)?,
            loss,
            gradient: args.grads.is_some(),
            micro_batch: args.micro_batch,
        },
    )?;
    let shape = [n, classes as usize];
    npy::save_f32(out, &shape, &pass.logits)?;
    let mut gradients = Weights::default();
    if let Some(gradient) = pass.input_gradient {
        gradients.insert("grad.input", &input.shape, gradient);
    }
    args.save_gradients(gradients, &net.model)?;
    let mut report = about(&gpu, &net.model, &net.sha256);
    report.insert("precision".into(), precision.document());
    report.insert("output".into(), json!({"file": words::path(out), "shape": shape}));
    report.insert("loss".into(), json!(pass.loss));
    if let Some((faults, seed)) = faults {
        let flips = [pass.flips, pass.bias_flips, pass.activation_flips].map(|of| vec![of]);
        let seen = describe(&faults, &net.graph, &[seed], flips.each_ref().map(|of| &of[..]));
        report.insert("faults".into(), seen);
    }
    Ok(report)
}

fn generator(args: &ForwardArgs, model: &str) -> Result<Map<String, Value>> {
    let weights = Weights::load(&args.weights)?;
    let [channels, ..] = models::generator_input(model, &weights, [8, 8])?;
    let input = tensors::generator_images(&args.input, channels)?;
    args.warn_of_range(&input.data);
    let graph = models::generator(model, Images::new(&input.shape, &input.data)?.chw())?;
    graph.check(&weights)?;
    let out = args.place(args.output.as_ref())?;
    let upstream = args.upstream.as_ref();
    let upstream = upstream.map(|p| tensors::upstream(p, &input.shape)).transpose()?;
    let training = args.mode == Some(PassMode::Train);
    let gpu = args.gpu.open(args.quiet)?;
    let pass = forward::generator(
        &gpu,
        &GeneratorRequest {
            graph: &graph,
            weights: &weights,
            training,
            images: Images::new(&input.shape, &input.data)?,
            upstream: upstream.as_deref(),
            gradient: args.grads.is_some(),
            micro_batch: args.micro_batch,
        },
    )?;
    npy::save_f32(out, &input.shape, &pass.images)?;
    let mut gradients = prefixed("grad", pass.gradients.unwrap_or_default());
    if let Some(gradient) = pass.input_gradient {
        gradients.insert("grad.input", &input.shape, gradient);
    }
    args.save_gradients(gradients, &graph.name)?;
    if let (Some(path), Some(after)) = (&args.after, pass.after) {
        let mut after = prefixed("after", after);
        after.metadata.insert("model".into(), graph.name.clone());
        after.save(path)?;
    }
    let mut report = about(&gpu, &graph.name, &sha256(&args.weights)?);
    report.insert("mode".into(), json!(if training { "train" } else { "eval" }));
    report.insert("precision".into(), json!(models::GENERATOR_BITS));
    report.insert("output".into(), json!({"file": words::path(out), "shape": input.shape}));
    report.insert("loss".into(), json!(pass.loss));
    Ok(report)
}

fn eopm(args: &ForwardArgs) -> Result<Map<String, Value>> {
    let mut net = args.base_net()?;
    let [classes, ..] = net.graph.nodes[net.graph.output()].chw;
    let input = tensors::images(&args.input, net.input())?;
    args.warn_of_range(&input.data);
    let path = args.place(args.generator_weights.as_ref())?;
    let weights = Weights::load(path)?;
    let name = weights.network(args.generator.as_ref(), "--generator", models::GENERATORS)?;
    let graph = models::generator(&name, net.input())?;
    graph.check(&weights)?;
    let labels = |path: &PathBuf| tensors::labels(path, input.shape[0], classes);
    let labels = args.labels.as_ref().map(labels).transpose()?.unwrap_or_default();
    let seeds = parse_seeds(args.seeds.as_deref().unwrap_or_default())?;
    let Some((faults, _)) = args.faults()? else {
        return Err(Error::argument("--eopm", "it needs --ber", "as in --ber 0.01"));
    };
    net.suffer(&faults)?;
    args.remark(&net, Some(&faults))?;
    let lambda = args.lambda.unwrap_or(5.0);
    let precision = net.precision(args.precision.and_then(Precision::bits))?;
    let gpu = args.gpu.open(args.quiet)?;
    let pass = forward::eopm(
        &gpu,
        &EopmRequest {
            generator: (&graph, &weights),
            base: (&net.graph, &net.weights),
            precision,
            faults: &faults,
            seeds: &seeds,
            lambda,
            images: Images::new(&input.shape, &input.data)?,
            loss: args.goal.loss()?,
            labels: &labels,
            micro_batch: args.micro_batch,
            dtype: Dtype::F32,
            loss_scale: None,
        },
    )?;
    args.save_gradients(prefixed("grad", pass.gradients), &graph.name)?;
    let mut report = about(&gpu, &net.model, &net.sha256);
    let losses: Vec<[f64; 2]> = pass.faulty.iter().map(|&faulty| [pass.clean, faulty]).collect();
    report.insert("generator".into(), json!({"name": graph.name, "file_sha256": sha256(path)?}));
    report.insert("precision".into(), json!(precision));
    report.insert("lambda".into(), json!(lambda));
    report.insert("faults".into(), describe(&faults, &net.graph, &seeds, [&pass.flips, &[], &[]]));
    report.insert("losses".into(), json!(losses));
    report.insert("loss".into(), json!(pass.loss));
    Ok(report)
}

impl ForwardArgs {
    /// The generator that the flag or the file names, if it is one: an ONNX file holds a base.
    fn generator_name(&self) -> Result<Option<String>> {
        if onnx::is_onnx(&self.weights) {
            return Ok(None);
        }
        let name = if let Some(name) = &self.model {
            models::known(name)?.to_owned()
        } else {
            let weights = Weights::load(&self.weights)?;
            let all = [&models::base_names()[..], models::GENERATORS].concat();
            weights.network(None, "--model", &all)?
        };
        Ok(Some(name).filter(|name| models::is_generator(name)))
    }

    fn check_places(&self) -> Result<()> {
        Places::default()
            .reads("--weights", [&self.weights])
            .reads("--input", [&self.input])
            .reads("--labels", &self.labels)
            .reads("--upstream", &self.upstream)
            .reads("--generator-weights", &self.generator_weights)
            .reads_faults(&self.faults)?
            .writes("--output", &self.output)
            .writes("--grads", &self.grads)
            .writes("--after", &self.after)
            .check()
    }

    fn base_net(&self) -> Result<BaseNet> {
        let hints = BaseHints {
            model: self.model.clone(),
            input_shape: self.input_shape.clone(),
            input_mean: self.input_mean.clone(),
            input_std: self.input_std.clone(),
        };
        BaseNet::load(&self.weights, &hints)
    }

    /// The faults of the base and the seed of their map.
    fn faults(&self) -> Result<Option<(Faults, u64)>> {
        if self.ber.is_none() && !self.faults.any() {
            return Ok(None);
        }
        let flag = if self.eopm { "--seeds" } else { "--seed" };
        let seed = match self.faults.only_seed_or(flag, self.seed.is_some() || self.eopm)? {
            Some(seed) => seed,
            None => check_seed("--seed", self.seed.unwrap_or(PAPER_SEEDS.start))?,
        };
        Ok(Some((self.faults.at(self.ber)?, seed)))
    }

    /// Prints the remarks on a measured map.
    fn remark(&self, net: &BaseNet, faults: Option<&Faults>) -> Result<()> {
        let lines = faults.map(|faults| net.graph.remarks(faults)).transpose()?;
        if !self.quiet {
            lines.iter().flatten().for_each(|line| terminal::say(line));
        }
        Ok(())
    }

    fn save_gradients(&self, mut gradients: Weights, model: &str) -> Result<()> {
        let Some(path) = &self.grads else { return Ok(()) };
        gradients.metadata.insert("model".into(), model.to_owned());
        gradients.metadata.insert("commit".into(), env!("NF_COMMIT").to_owned());
        gradients.save(path)
    }

    /// Warns of inputs outside [-1, 1], which the paper's networks expect: bytes or normalised images are an
    /// easy mistake.
    fn warn_of_range(&self, images: &[f32]) {
        let largest = images.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        if largest > 1.0 && !self.quiet {
            let file = self.input.display();
            terminal::say(&format!(
                "warning: {file} has values up to {largest}; networks expect [-1, 1]"
            ));
        }
    }
}

fn prefixed(prefix: &str, weights: Weights) -> Weights {
    let tensors = weights.tensors.into_iter();
    let tensors = tensors.map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)).collect();
    Weights { tensors, ..Weights::default() }
}
