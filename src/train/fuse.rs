//! `nf-gpu train`: a NeuralFuse generator in front of a faulty base network.

use super::{
    base::{BaseHints, BaseNet},
    config::{TrainConfig, batch_of},
    eopm::{Eopm, EopmSettings},
    every::{Due, Every},
    feed::{Feed, TrainSet, tell},
    folder::RunFolder,
    identity::Identity,
    pretrain::{arithmetic_line, plan_lines},
    profile::Profiler,
    sampler::Sampler,
    showcase,
};
use crate::{
    data::{self, ImageSet, Split},
    energy::OperatingPoints,
    error::{Error, Result},
    eval::{self, Details, Journal, Measurement, Named, Request, Subject},
    fault::{Faults, Maps},
    files::{FORMAT, Weights, sha256},
    gpu::Gpu,
    models,
    nn::{Graph, TrainableNet, initialise},
    report::{
        Evaluated, Event, Finished, JsonLines, Outcome, Sink, Started, Step, Tee, curves,
        eval_json::{self, Evaluation},
        jsonl, page,
    },
};
use serde_json::json;
use std::time::Instant;

/// Training images held out for the evaluations during training.
const HELD_OUT: usize = 1000;
/// What metrics call them.
const HELD_OUT_SPLIT: &str = "held-out";
/// Images of an evaluation batch.
const EVAL_BATCH: u32 = 100;
/// Seeds of the final table without a chip: the paper's.
const EVAL_SEEDS: std::ops::Range<u64> = 50_000..50_010;

/// A run with everything it needs.
struct Run<'a> {
    gpu: &'a Gpu,
    config: &'a TrainConfig,
    folder: RunFolder,
    base: BaseNet,
    graph: Graph,
    net: TrainableNet,
    dataset: String,
    faults: Faults,
    maps: Maps,
    precision: u32,
}

/// Trains a generator as `config` says and evaluates it; everything goes to the run's folder.
/// `stop` is asked after every step.
///
/// # Errors
/// Bad settings or files, a loss that is not finite, no memory, a file that cannot be written, or
/// [`Error::Interrupted`] after a checkpoint.
pub fn train(
    gpu: &Gpu,
    config: &TrainConfig,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Evaluation> {
    let profile = config.profile.clone();
    let resumed = config.resume.as_ref().map(|root| RunFolder::resume(root)).transpose()?;
    let resumed = resumed.map(|(folder, saved)| (folder, saved.moved(config)));
    if let Some((_, saved)) = &resumed {
        saved.keeps_dtype(gpu, config.dtype)?;
    }
    let config = resumed.as_ref().map_or(config, |(_, saved)| saved);
    config.checked()?;
    let recorded = resumed.as_ref().map(|(folder, _)| folder.recorded()).transpose()?;
    let _session = gpu.session(recorded);
    let hints = BaseHints {
        model: config.model.clone(),
        mean: config.input_mean.clone(),
        std: config.input_std.clone(),
    };
    let base = BaseNet::load(&config.base, &hints)?;
    let dataset = base.dataset(config.dataset.as_deref())?;
    let changes = config.augment.of(&dataset);
    let say = &mut |note| tell(sink, note, stop);
    let mut train_set = TrainSet::open(&dataset, &config.data_dir, base.side(), changes, say)?;
    base.fits(&dataset, train_set.classes())?;
    let test_set = data::open_sized(&dataset, &config.data_dir, Split::Test, base.side())?;
    let held_out = train_set.held_out(HELD_OUT.min(train_set.len() / 10))?;
    batch_of(config.batch_size, train_set.len())?;
    let graph = models::generator(&config.generator, base.side())?;
    let operands = config.dtype.unwrap_or_default().operands(gpu);
    let net = TrainableNet::new(
        gpu,
        &graph,
        &initialise(&graph, false, config.seed),
        models::GENERATOR_BITS,
    )?
    .with_operands(operands);
    let (faults, maps) = (config.fault_model()?, config.maps()?);
    let precision = base.precision(config.precision)?;
    base.can_have(&faults, precision)?;
    let folder = match &resumed {
        Some((folder, _)) => folder.clone(),
        None => {
            let dataset = Some(dataset.clone());
            // What `auto` means now: on another adapter it may mean something else.
            let (precision, dtype) = (Some(precision), Some(operands.into()));
            let saved = TrainConfig { dataset, precision, dtype, ..config.clone() };
            RunFolder::create(&config.out, &saved)?
        }
    };
    let mut run = Run { gpu, config, folder, base, graph, net, dataset, faults, maps, precision };
    let done = match resumed {
        Some(_) => run.restore(sink)?,
        None => 0,
    };
    let mut lines = JsonLines::resume(run.folder.metrics(), done)?;
    let mut tee = Tee(vec![sink, &mut lines]);
    let profile =
        profile.map(|file| if file.as_os_str().is_empty() { run.folder.trace() } else { file });
    let profiler = Profiler::new(profile)?;
    let trained = run.steps(train_set, &held_out, done, profiler, &mut tee, stop)?;
    run.finish(&test_set, trained, &mut tee, stop)
}

/// How far the training came, and how long it took.
#[derive(Clone, Copy, Debug)]
struct Trained {
    steps: u64,
    epochs: u64,
    seconds: f64,
}

impl Run<'_> {
    /// What a checkpoint depends on.
    fn identity(&self) -> Identity {
        Identity::of(self.config, &self.config.free())
            .with("base network", format!("{} ({})", self.base.model, &self.base.sha256[..12]))
            .with("faults", self.faults.identity())
            .with("fault maps", self.maps.describe())
            .with("precision", self.precision)
            .with("adapter", self.gpu.report().line())
    }

    /// The one chip that it trains for: a seed, or the file of a measured map.
    fn chip(&self) -> String {
        match (&self.faults.profile, self.maps) {
            (Some(profile), _) => profile.file.clone(),
            (None, Maps::Chip(seed)) => seed.to_string(),
            (None, Maps::Fresh { .. }) => "none".into(),
        }
    }

    /// Puts the checkpoint back; says so if another version of the program wrote it.
    fn restore(&self, sink: &mut dyn Sink) -> Result<u64> {
        let done = self.folder.restore(self.gpu, &self.net, &self.identity())?;
        if let Some(damage) = self.folder.damage()? {
            let what = format!("{damage}; going on from the checkpoint before it, of step {done}");
            sink.event(&Event::Note(what))?;
        }
        let (then, now) = (self.folder.commit()?, env!("NF_COMMIT"));
        if let Some(then) = then.filter(|then| then != now) {
            let what = format!(
                "commit {then} wrote the checkpoint, this is {now}: the rest may differ in last bits"
            );
            sink.event(&Event::Note(what))?;
        }
        Ok(done)
    }

    /// Runs the training steps from `done` on.
    fn steps(
        &mut self,
        train_set: TrainSet,
        held_out: &ImageSet,
        done: u64,
        mut profiler: Profiler,
        sink: &mut dyn Sink,
        stop: &dyn Fn() -> bool,
    ) -> Result<Trained> {
        let (gpu, config) = (self.gpu, self.config);
        let n = config.batch_size;
        let changes = config.augment.of(&self.dataset).of(&train_set);
        let sampler = Sampler::new(train_set.len(), n, config.seed, train_set.side(), changes);
        let per_epoch = sampler.steps_per_epoch();
        let steps = config.steps.unwrap_or(config.epochs * per_epoch);
        let mut feed = Feed::new(gpu, train_set, sampler, done..steps, config.seed)?;
        let settings = EopmSettings {
            base: (&self.base.graph, &self.base.weights),
            precision: self.precision,
            perturbed: config.perturbed_copies()?,
            faults: &self.faults,
            maps: self.maps,
            lambda: config.lambda,
            batch: n,
            micro_batch: config.micro_batch,
        };
        let mut program = Eopm::new(gpu, &self.net, &feed.images, &settings)?;
        let cut = program.cut().describe();
        if done > 0 {
            self.folder.same_cut(&cut)?;
        }
        let mut plan = plan_lines(&self.graph, program.program(), program.cut());
        plan.push(arithmetic_line(gpu, self.net.operands(), program.loss_scale()));
        plan.push(format!("faults: {}, {}", self.faults, self.maps.describe()));
        let choices = gpu.choices();
        plan.push(format!("kernels: {}", choices.summary()));
        if done == 0 {
            self.folder.note_choices(&choices)?;
        }
        sink.event(&Event::Started(Started {
            title: format!(
                "training {} in front of {} on {}",
                self.graph.name, self.base.model, self.dataset
            ),
            adapter: format!("{}, {}", gpu.report().line(), self.net.operands().name()),
            plan,
            steps,
            done,
        }))?;
        let stored_bits = self.base.graph.faultable_weights() * u64::from(self.precision);
        let (started, first) = (Instant::now(), done);
        let mut last = (Instant::now(), done);
        // Each report reads losses and flips back, which stalls the GPU: fifty are enough for a curve.
        let report_every = (steps / 50).clamp(1, 10);
        let mut checkpoint = Due::new(config.checkpoint_every.unwrap_or(Every::Steps(per_epoch)));
        let glance_at = |done: u64| {
            let due = done.is_multiple_of(config.eval_every.unwrap_or(per_epoch));
            due && done < steps && !held_out.is_empty()
        };
        // The run may have ended between a checkpoint and the evaluation behind it.
        if done > 0 && glance_at(done) && !self.has_glance(done)? {
            self.glance(held_out, done, done.div_ceil(per_epoch), sink)?;
        }
        for step in done..steps {
            let lr = config.schedule.rate(config.lr, step, steps);
            profiler.before(gpu, step - first, steps - step)?;
            let batch = gpu.span("prepare batch");
            let (picks, pixels) = feed.batch(step)?;
            drop(batch);
            program.step(gpu, &feed.images, (&picks, &pixels), step, lr)?;
            profiler.after(gpu, sink)?;
            let done = step + 1;
            let epoch = step / per_epoch + 1;
            if done.is_multiple_of(report_every) || done == steps {
                let losses = program.losses(gpu)?;
                if !(losses.clean.is_finite() && losses.perturbed.is_finite()) {
                    return Err(Error::NotFinite { what: "loss".into(), step: done });
                }
                let seconds = last.0.elapsed().as_secs_f64() / (done - last.1) as f64;
                last = (Instant::now(), done);
                sink.event(&Event::Step(Step {
                    step: done,
                    steps,
                    epoch,
                    loss_clean: losses.clean,
                    loss_perturbed: Some(losses.perturbed),
                    lr,
                    images_per_s: f64::from(n) / seconds,
                    step_ms: seconds * 1e3,
                    flip_rate: Some(program.flip_rate(gpu, stored_bits)?),
                    seconds_left: seconds * (steps - done) as f64,
                }))?;
            }
            let stopped = stop();
            if checkpoint.after(done) && done < steps || stopped {
                self.folder.save(gpu, &self.net, done, &self.identity(), &cut)?;
                sink.event(&Event::Checkpoint(self.folder.checkpoint()))?;
                last = (Instant::now(), done);
            }
            // Behind the checkpoint: an evaluation that fails loses nothing.
            if glance_at(done) && !stopped {
                self.glance(held_out, done, epoch, sink)?;
                last = (Instant::now(), done);
            }
            if stopped {
                let seconds = started.elapsed().as_secs_f64();
                let files = vec![self.folder.checkpoint()];
                let outcome = Outcome::Interrupted;
                sink.event(&Event::Finished(Finished { outcome, step: done, seconds, files }))?;
                return Err(Error::Interrupted);
            }
        }
        self.folder.save(gpu, &self.net, steps, &self.identity(), &cut)?;
        let (epochs, seconds) = (steps.div_ceil(per_epoch), started.elapsed().as_secs_f64());
        Ok(Trained { steps, epochs, seconds })
    }

    /// Whether the accuracies on held-out images after `step` are among the metrics.
    fn has_glance(&self, step: u64) -> Result<bool> {
        let lines = jsonl::load(self.folder.metrics())?;
        Ok(lines.iter().any(|line| {
            matches!(&line.event, Some(Event::Evaluated(e)) if e.step == step && e.split == HELD_OUT_SPLIT)
        }))
    }

    /// Accuracies on held-out training images, during training.
    fn glance(&self, set: &ImageSet, step: u64, epoch: u64, sink: &mut dyn Sink) -> Result<()> {
        let weights = self.net.weights(self.gpu)?;
        // One seed is a glance; a chip's is its own.
        let m = self.measure(&weights, set, &self.eval_seeds()[..1], &|| false)?;
        sink.event(&Event::Evaluated(evaluated(&m, step, epoch, HELD_OUT_SPLIT)))
    }

    /// Maps of the final table: the chip's own, or those of the paper.
    fn eval_seeds(&self) -> Vec<u64> {
        match self.maps {
            Maps::Chip(seed) => vec![seed],
            Maps::Fresh { .. } => EVAL_SEEDS.collect(),
        }
    }

    fn measure(
        &self,
        weights: &Weights,
        set: &ImageSet,
        seeds: &[u64],
        stop: &dyn Fn() -> bool,
    ) -> Result<Measurement> {
        let request = self.request(weights, set, seeds);
        eval::measure(self.gpu, &request, &mut Journal::default(), &mut |_| !stop())
    }

    fn request<'a>(
        &'a self,
        weights: &'a Weights,
        set: &'a ImageSet,
        seeds: &'a [u64],
    ) -> Request<'a> {
        let subject = Subject {
            base: (&self.base.graph, &self.base.weights),
            generator: Some((&self.graph, weights)),
            generator_id: "",
            set,
            precision: self.precision,
            batch: EVAL_BATCH,
            operands: self.net.operands(),
        };
        let faults = std::slice::from_ref(&self.faults);
        Request { subject, faults, seeds, keep_logits: false }
    }

    /// The generator's file, the final table, the pictures.
    fn finish(
        &self,
        test_set: &ImageSet,
        trained: Trained,
        sink: &mut dyn Sink,
        stop: &dyn Fn() -> bool,
    ) -> Result<Evaluation> {
        let mut weights = self.net.weights(self.gpu)?;
        let config = self.config;
        for (key, value) in [
            ("format", FORMAT.to_owned()),
            ("model", self.graph.name.clone()),
            ("dataset", self.dataset.clone()),
            ("precision", models::GENERATOR_BITS.to_string()),
            ("input", "[-1,1]".to_owned()),
            ("base", self.base.model.clone()),
            ("base_sha256", self.base.sha256.clone()),
            ("faults", self.faults.model.to_string()),
            ("ber", self.faults.ber.to_string()),
            ("ber10", self.faults.ber10.to_string()),
            // Bits, layers, lot, measured map.
            ("fault_detail", json!(eval::detail(&self.faults)).to_string()),
            ("chip", self.chip()),
            ("seed", config.seed.to_string()),
            ("dtype", self.net.operands().name().to_owned()),
            ("adapter", self.gpu.report().line()),
            ("commit", env!("NF_COMMIT").to_owned()),
        ] {
            weights.metadata.insert(key.to_owned(), value);
        }
        weights.save(self.folder.generator())?;
        let images = config.images.unwrap_or(test_set.len());
        let test_set = test_set.clone().take(images);
        let seeds = self.eval_seeds();
        sink.event(&Event::Note(format!("evaluating on {} test images", test_set.len())))?;
        let m = self.measure(&weights, &test_set, &seeds, stop)?;
        sink.event(&Event::Evaluated(evaluated(&m, trained.steps, trained.epochs, "test")))?;
        let sha256 = sha256(self.folder.generator())?;
        let points = OperatingPoints::built_in()?;
        let evaluation = eval::document(
            self.gpu,
            &self.request(&weights, &test_set, &seeds),
            Named { name: &self.base.model, sha256: &self.base.sha256 },
            Some(Named { name: &self.graph.name, sha256: &sha256 }),
            &m,
            Details { classes: true, points: Some(&points), ..Details::default() },
        );
        let document = eval_json::Document::new(vec![evaluation.clone()]);
        document.save(self.folder.eval())?;
        curves::save_from(self.folder.curves(), self.folder.metrics())?;
        showcase::save(
            self.gpu,
            &self.base,
            (&self.graph, &weights),
            &test_set,
            (self.precision, self.net.operands()),
            &self.faults,
            seeds[0],
            &self.folder.images(),
        )?;
        page::save(self.folder.report(), &[page::Source::load(self.folder.root())?], None)?;
        sink.event(&Event::Finished(Finished {
            outcome: Outcome::Complete,
            step: trained.steps,
            seconds: trained.seconds,
            files: vec![
                self.folder.generator(),
                self.folder.eval(),
                self.folder.curves(),
                self.folder.images(),
                self.folder.report(),
            ],
        }))?;
        Ok(evaluation)
    }
}

/// Mean accuracies of a measurement.
fn evaluated(m: &Measurement, step: u64, epoch: u64, split: &str) -> Evaluated {
    let mean = |each: Vec<f64>| each.iter().sum::<f64>() / each.len().max(1) as f64;
    Evaluated {
        step,
        epoch,
        accuracy: Some(m.clean.accuracy()),
        accuracy_nf: m.clean_nf.as_ref().map(eval::Answers::accuracy),
        perturbed: m.perturbed.first().map(|p| mean(p.accuracy())),
        perturbed_nf: m.perturbed.first().map(|p| mean(p.accuracy_nf())),
        split: split.into(),
    }
}
