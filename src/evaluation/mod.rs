//! An evaluation from its settings to its document: what `nf-gpu eval` does, without printing and files of results.
//! [`eval`](crate::eval) below measures; here networks, images and faults are found and read.

mod config;
mod merge;
mod setup;
mod shared;

pub use config::EvalConfig;
pub use merge::merge;
pub use setup::Setup;
pub use shared::{dismiss, serve};

use crate::{
    error::Result,
    eval::{
        Details, Journal, Named, Request, Study, Subject, document, measure, passes, sensitivity,
        study_maps,
    },
    kernels::plan::Dtype,
    report::{
        Event, Sink,
        eval_json::{Evaluation, Given, ShardRecord},
    },
    run::Gpu,
    train::Generator,
};

/// Evaluates a base network on test images, without faults and under every fault map, alone and behind each generator
/// of `config`: one evaluation per generator, or one without. With `config.merge` it only merges. `sink` is told what
/// a user should know; `stop` is asked after every batch.
///
/// # Errors
/// Settings that contradict each other or the networks, files that are missing or damaged, a logit that is not
/// finite, no memory, a device that fails, or [`Error::Interrupted`](crate::Error::Interrupted).
pub fn evaluate(
    gpu: &Gpu,
    config: &EvalConfig,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Evaluation>> {
    if !config.merge.is_empty() {
        return merge(config);
    }
    let setup = Setup::of(config, &|_, _| Ok(()))?;
    setup.notes.iter().try_for_each(|note| sink.event(&Event::Note(note.clone())))?;
    let ready = setup.on(gpu, stop)?;
    let each = |generator| {
        let mut journal = Journal::default();
        ready.evaluate(gpu, generator, None, &mut journal, &mut |_| !stop())
    };
    ready.subjects().map(each).collect()
}

/// Who takes the logits of an evaluation.
pub type Keep<'a> = &'a mut dyn FnMut(&[f32]);

/// An evaluation whose images have their labels, on an adapter.
#[derive(Debug)]
pub struct Ready<'a> {
    setup: Setup<'a>,
    /// Precision in which inputs and weights are multiplied.
    pub dtype: Dtype,
}

impl<'a> Setup<'a> {
    /// Prepares the evaluation for an adapter. Images without labels get the clean network's answers.
    pub fn on(mut self, gpu: &Gpu, stop: &dyn Fn() -> bool) -> Result<Ready<'a>> {
        let dtype = self.config.dtype.on(gpu);
        self.base.answer_for(gpu, &mut self.set, self.precision, dtype, stop)?;
        Ok(Ready { setup: self, dtype })
    }
}

impl<'a> Ready<'a> {
    /// What was set up.
    pub fn setup(&self) -> &Setup<'a> {
        &self.setup
    }

    /// The generators, or once none where there is none.
    pub fn subjects(&self) -> impl Iterator<Item = Option<&Generator>> {
        let all = &self.setup.generators;
        all.iter().map(Some).chain(all.is_empty().then_some(None))
    }

    /// What tells this evaluation from others, for a journal.
    pub fn identity(&self, gpu: &Gpu) -> String {
        self.subject(None).identity(gpu, &self.setup.base.sha256)
    }

    /// Images that pass a network altogether in the evaluation of one generator.
    pub fn passes(&self, generator: Option<&Generator>) -> u64 {
        let request = self.request(generator, false);
        let study = self.study().map_or(0, |study| study_maps(&request, study));
        passes(&request) + study * self.setup.set.len() as u64
    }

    /// Evaluates with one generator, or without. `tick` is told of images that have passed a network, and says
    /// whether to go on. The logits `[seed, image, class]` go to `logits`, if somebody wants them, before the study of
    /// sensitivity begins.
    pub fn evaluate(
        &self,
        gpu: &Gpu,
        generator: Option<&Generator>,
        logits: Option<Keep<'_>>,
        journal: &mut Journal,
        tick: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Evaluation> {
        let (setup, config) = (&self.setup, self.setup.config);
        let request = self.request(generator, logits.is_some());
        let measured = measure(gpu, &request, journal, &mut *tick)?;
        if let Some(keep) = logits {
            keep(&measured.logits);
        }
        let named = Named { name: &setup.base.model, sha256: &setup.base.sha256 };
        let behind = generator.map(|g| Named { name: &g.graph.name, sha256: &g.sha256 });
        let details = Details {
            classes: config.per_class,
            // Accuracies per class of all shares come from their counts.
            confusion: config.confusion || config.per_class && config.shard.is_some(),
            points: Some(&setup.points),
            voltage: setup.voltage.as_ref(),
        };
        let mut evaluation = document(gpu, &request, named, behind, &measured, details);
        evaluation.given = self.given(generator);
        evaluation.shard = config.shard.map(|shard| ShardRecord {
            shard,
            seeds: setup.all_seeds.clone(),
            cells: setup.base.graph.stored_bits(&setup.base.weights, setup.precision).iter().sum(),
            confusion: config.confusion,
        });
        if let Some(study) = self.study() {
            evaluation.sensitivity = sensitivity(gpu, &request, study, journal, tick)?;
        }
        Ok(evaluation)
    }

    fn study(&self) -> Option<Study> {
        let config = self.setup.config;
        config.sensitivity.then(|| Study { protect: config.protect.unwrap_or(0) })
    }

    fn subject<'s>(&'s self, generator: Option<&'s Generator>) -> Subject<'s> {
        let setup = &self.setup;
        Subject {
            base: (&setup.base.graph, &setup.base.weights),
            generator: generator.map(|g| (&g.graph, &g.weights)),
            generator_id: generator.map_or("", |g| &g.sha256),
            set: &setup.set,
            precision: setup.precision,
            batch: setup.config.batch_size,
            dtype: self.dtype,
        }
    }

    fn request<'s>(&'s self, generator: Option<&'s Generator>, keep_logits: bool) -> Request<'s> {
        let Setup { faults, seeds, .. } = &self.setup;
        Request { subject: self.subject(generator), faults, seeds, keep_logits }
    }

    /// The flags that a user would have to type again for the same evaluation.
    fn given(&self, generator: Option<&Generator>) -> Given {
        let (setup, config) = (&self.setup, self.setup.config);
        let generator = generator.map(|g| &*g.path);
        let given = Given::new(&config.base, generator, &setup.dataset, &config.data_dir);
        config
            .hints
            .note(given)
            .with_all(config.images_form.flags())
            .with("--allow-mismatch", config.allow_mismatch.then(String::new))
            .with("--points", config.points.as_ref().map(|file| file.display().to_string()))
            .with("--voltage", config.voltage.map(|v| v.to_string()))
            // These flags are recorded even if they say "all", because the generator may have been
            // trained for some.
            .with("--bits", config.faults.bits.clone())
            .with("--layers", config.faults.layers.clone())
            .with("--faults-in", config.faults.faults_in.clone())
    }
}
