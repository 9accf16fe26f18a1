//! `nf-gpu pretrain`: quantisation-aware training of a base network.

use super::{
    base::EVAL_BATCH,
    checkpoint::Checkpoint,
    feed::{Feed, TrainSet, tell},
    identity::{self, Identity},
    labelling::class_order,
    pretrain_config::PretrainConfig,
    recovery::{Attempt, Setback, keep_going, recovered},
    resumable::is_a_fact,
    sampler::Sampler,
    settings::batch_of,
    stepper::{Course, Stepper},
};
use crate::{
    data::{self, Split, Which},
    error::{Error, Result},
    eval::{Evaluator, RESIDENT},
    files::{FORMAT, Weights, atomic, sha256},
    kernels::plan::Dtype,
    models,
    nn::{DeviceImages, FrozenNet, Graph, TrainableNet, initialise, most_images},
    report::{Evaluated, Event, Finished, Outcome, Sink},
    run::{Gpu, Recorded},
    step::{Supervised, SupervisedSettings, TrainingStep as _},
};
use std::path::Path;

/// Test images of the evaluation after each epoch; the last evaluation uses all.
pub(super) const GLANCE: usize = 2000;

/// Trains a base network and writes it to `config.out`. `stop` is called after every step. With
/// `config.checkpoint` the training continues where an earlier call with the same settings was stopped,
/// or where it was when the device was lost; without a checkpoint it begins again.
///
/// # Errors
/// Bad settings, a missing data set, a number that is not finite, no memory, a device that is lost
/// again and again, a file that cannot be written, a checkpoint of another run, or
/// [`Error::Interrupted`] (the weights reached so far are written then too).
pub fn pretrain(
    gpu: &Gpu,
    config: &PretrainConfig,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<f64> {
    keep_going(gpu, config.max_recoveries, sink, |gpu, setback, sink| {
        attempt(gpu, config, setback, sink, stop).map(Attempt::Done)
    })
}

fn attempt(
    gpu: &Gpu,
    config: &PretrainConfig,
    setback: Option<&Setback>,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<f64> {
    config.checked()?;
    // Checked now, so that hours of training do not end with a folder that does not exist.
    atomic::check(&config.out)?;
    config.checkpoint.as_ref().map_or(Ok(()), atomic::check)?;
    let side = models::base_info(&config.model)?.side;
    let form = config.images_form.for_input([3, side, side])?;
    let changes = config.augment.of(&config.dataset);
    let (name, dir) = (&config.dataset, &config.data_dir);
    data::need_labels(name)?;
    let train = TrainSet::open(name, dir, form, changes, &mut |note| tell(sink, note, stop))?;
    let test = data::open_sized(&config.dataset, &config.data_dir, Split::Test, form)?;
    let classes = &test.class_names;
    batch_of(config.batch_size, train.len())?;
    let graph = models::base(&config.model, train.classes(), None)?;
    let weights = match &config.init {
        Some(file) => begun_with(file, &graph, classes)?,
        None => initialise(&graph, true, config.seed),
    };
    let net = TrainableNet::new(gpu, &graph, &weights, config.precision)?
        .with_dtype(config.dtype.on(gpu));
    let (n, arithmetic) = (config.batch_size, (config.precision, net.dtype()));
    let sampler = Sampler::new(train.len(), n, config.seed, train.chw(), train.remaining(changes));
    let per_epoch = sampler.steps_per_epoch();
    let steps = config.steps.unwrap_or(config.epochs * per_epoch);
    let checkpoint = config.checkpoint.as_ref().map(Checkpoint::at);
    let _lock = checkpoint.as_ref().map(Checkpoint::lock).transpose()?;
    let recorded = match checkpoint.as_ref().filter(|file| file.exists()) {
        Some(file) => Some(Recorded { choices: file.choices()?, flag: "--checkpoint" }),
        None => None,
    };
    let _session = gpu.session(recorded);
    let trained_on = (train.len(), classes.as_slice());
    let identity = run_identity(config, steps, trained_on, &gpu.report().line())?;
    let restored =
        checkpoint.as_ref().map(|file| file.restore(gpu, &net, &identity)).transpose()?;
    let begun = restored.unwrap_or(0);
    if let Some(damage) = checkpoint.as_ref().map_or(Ok(None), Checkpoint::damage)? {
        let what = format!("{damage}; going on from the checkpoint before it, of step {begun}");
        sink.event(&Event::Note(what))?;
    }
    setback.map_or(Ok(()), |setback| sink.event(&recovered(setback, begun)))?;
    let feed = Feed::new(gpu, train, sampler, begun..steps, config.seed)?;
    let settings = SupervisedSettings {
        batch: n,
        micro_batch: config.micro_batch,
        momentum: config.momentum,
        weight_decay: config.weight_decay,
        seed: config.seed,
    };
    let program = Supervised::new(gpu, &net, &feed.images, &settings)?;
    let cut = program.cut().describe();
    let keep = |step: u64| -> Result<()> {
        checkpoint.as_ref().map_or(Ok(()), |file| file.save(gpu, &net, step, &identity, &cut))
    };
    if let Some(file) = checkpoint.as_ref().filter(|_| begun > 0) {
        file.same_cut(&cut)?;
    }
    let course = Course {
        stored: None,
        steps,
        per_epoch,
        images: n,
        report_every: (steps / 200).clamp(1, 20),
        rate: &|step| config.schedule.rate(config.lr, step, steps),
        distance: false,
    };
    let mut stepper = Stepper::new(gpu, program, feed, &net, begun, course)?;
    let title = format!("pretraining {} on {}", graph.name, config.dataset);
    stepper.begin(title, (&graph, net.dtype()), Vec::new(), begun, sink)?;
    for step in begun..steps {
        stepper.step(step, None)?;
        let done = step + 1;
        let stopped = stop();
        let keeps = done.is_multiple_of(per_epoch) && done < steps || stopped;
        if let Some(error) = stepper.look(done, keeps, sink)? {
            return Err(error);
        }
        if keeps {
            // The files are written first, so that an evaluation that fails loses nothing.
            keep(done)?;
            let weights = net.weights(gpu)?;
            save(gpu, config, weights.clone(), classes, None, done)?;
            // A stopped run with a checkpoint ends at once. Without one, the file is its only result.
            if stopped && config.checkpoint.is_some() {
                finish(sink, config, Outcome::Interrupted, done, stepper.seconds())?;
                return Err(Error::Interrupted);
            }
            let glance = test.clone().some(Which::of(&config.dataset), GLANCE);
            // After a stop without a checkpoint the evaluation is completed, so that the file has its
            // accuracy.
            let enough = || !stopped && stop();
            let accuracy = match accuracy(gpu, &graph, &weights, arithmetic, &glance, &enough) {
                Err(Error::Interrupted) => {
                    finish(sink, config, Outcome::Interrupted, done, stepper.seconds())?;
                    return Err(Error::Interrupted);
                }
                accuracy => accuracy?,
            };
            sink.event(&evaluated(done, stepper.epoch(done), accuracy))?;
            save(gpu, config, weights, classes, Some(accuracy), done)?;
            stepper.goes_on(done);
        }
        if stopped {
            finish(sink, config, Outcome::Interrupted, done, stepper.seconds())?;
            return Err(Error::Interrupted);
        }
    }
    keep(steps)?;
    let weights = net.weights(gpu)?;
    save(gpu, config, weights.clone(), classes, None, steps)?;
    let accuracy = accuracy(gpu, &graph, &weights, arithmetic, &test, stop)?;
    sink.event(&evaluated(steps, stepper.epoch(steps), accuracy))?;
    save(gpu, config, weights, classes, Some(accuracy), steps)?;
    finish(sink, config, Outcome::Complete, steps, stepper.seconds())?;
    Ok(accuracy)
}

/// The accuracy on test images after so many steps and epochs.
fn evaluated(step: u64, epoch: u64, accuracy: f64) -> Event {
    let (accuracy, split) = (Some(accuracy), "test".into());
    Event::Evaluated(Evaluated { step, epoch, accuracy, split, ..Evaluated::default() })
}

/// The weights of a file to begin with.
///
/// # Errors
/// A file that is none of this network's, or one whose classes are others or in another order.
fn begun_with(file: &Path, graph: &Graph, classes: &[String]) -> Result<Weights> {
    let weights = Weights::load(file)?;
    graph.check(&weights)?;
    let theirs = weights.class_names()?;
    if theirs.is_some_and(|theirs| theirs != classes) {
        let what = format!("{} has other classes, or has them in another order", file.display());
        return Err(Error::argument("--init", what, "begin with a network of this data set"));
    }
    Ok(weights)
}

/// The facts that a checkpoint depends on; `images` and `classes` are those of the training set.
fn run_identity(
    config: &PretrainConfig,
    steps: u64,
    (images, classes): (usize, &[String]),
    adapter: &str,
) -> Result<Identity> {
    // The arithmetic is compared separately; the number of epochs is contained in the number of steps. No other fact
    // distinguishes one data set from another here, so the folder may not move.
    let named = Identity::of(config, is_a_fact)
        .with("model", config.model.as_str())
        .with("dataset", config.dataset.as_str())
        .with("precision", config.precision)
        .with("steps", steps)
        .with("adapter", adapter)
        .with(identity::IMAGES, images)
        .with_any("class order", class_order(&config.dataset, classes));
    // Of the file that the weights came from its contents count.
    Ok(match &config.init {
        Some(file) => named.with("init", sha256(file)?),
        None => named,
    })
}

/// Accuracy in per cent of the quantised network without faults.
fn accuracy(
    gpu: &Gpu,
    graph: &Graph,
    weights: &Weights,
    (bits, dtype): (u32, Dtype),
    set: &data::ImageSet,
    stop: &dyn Fn() -> bool,
) -> Result<f64> {
    let frozen = FrozenNet::for_inference(gpu, graph, weights, bits, 1)?.with_dtype(dtype);
    frozen.injector(gpu, 1, None)?.run(gpu, &[0])?;
    let images = DeviceImages::resident(gpu, set, RESIDENT)?;
    let most = most_images(gpu, &[(graph, 1)], u64::MAX);
    let n = EVAL_BATCH.min(images.len() as u32).min(most).max(1);
    let evaluator = Evaluator::new(gpu, &frozen, None, &images, n)?;
    let name = |_| graph.name.clone();
    let right = evaluator.run(gpu, (&images, set), &name, |_, _, _| !stop())?;
    Ok(right[0] as f64 * 100.0 / images.len() as f64)
}

fn save(
    gpu: &Gpu,
    config: &PretrainConfig,
    mut weights: Weights,
    classes: &[String],
    accuracy: Option<f64>,
    steps: u64,
) -> Result<()> {
    if let Some(file) = &config.init {
        weights.metadata.insert("init_sha256".to_owned(), sha256(file)?);
    }
    for (key, value) in [
        ("format", FORMAT.to_owned()),
        ("model", config.model.to_lowercase()),
        ("dataset", config.dataset.clone()),
        ("precision", config.precision.to_string()),
        ("input", "[-1,1]".to_owned()),
        ("seed", config.seed.to_string()),
        ("dtype", config.dtype.on(gpu).name().to_owned()),
        ("adapter", gpu.report().line()),
        ("commit", env!("NF_COMMIT").to_owned()),
    ] {
        weights.metadata.insert(key.to_owned(), value);
    }
    let command = config.command(steps);
    weights.metadata.extend(command.map(|command| ("command".to_owned(), command)));
    weights.set_class_names(classes);
    if let Some(accuracy) = accuracy {
        weights.metadata.insert("accuracy".to_owned(), format!("{accuracy:.2}"));
    }
    weights.save(&config.out)
}

fn finish(
    sink: &mut dyn Sink,
    config: &PretrainConfig,
    outcome: Outcome,
    step: u64,
    seconds: f64,
) -> Result<()> {
    sink.event(&Event::Finished(Finished {
        outcome,
        step,
        seconds,
        files: vec![config.out.clone()],
    }))
}
