//! Making what a cell needs, and measuring it.

use super::{Queue, say};
use crate::{
    error::{Error, Result},
    files::{FORMAT, Weights},
    models,
    nn::initialise,
    report::{
        Sink,
        eval_json::{Document, Evaluation},
    },
    repro::{evaluate::evaluate, folders::make_folder, forecast::Shared, recipe},
    train::{BaseHints, BaseNet, Mismatch, pretrain, remove_checkpoint, train},
};
use std::{fs, rc::Rc};

impl Queue<'_> {
    /// Makes what cell `i` needs, and measures it. The inner error is the message of a need that failed
    /// before.
    pub(super) fn cell(
        &self,
        i: usize,
        sink: &mut dyn Sink,
    ) -> Result<std::result::Result<Evaluation, String>> {
        let planned = &self.plan.cells[i];
        let training = match planned.training {
            Ok(training) => training,
            Err(why) => return Ok(Err(why.to_owned())),
        };
        let source = self.artefacts.source(training);
        let needs = [Shared::Base(planned.base), Shared::Base(source), Shared::Training(training)];
        if let Some(why) = needs.iter().find_map(|need| self.failed.borrow().get(need).cloned()) {
            return Ok(Err(why));
        }
        say(sink, format!("cell {} of {}: {}", i + 1, self.plan.cells.len(), planned.cell.id()))?;
        for need in needs {
            self.make(need, sink).inspect_err(|error| {
                self.failed.borrow_mut().insert(need, error.to_string());
            })?;
        }
        let conditions = self.conditions(planned)?;
        let path = self.artefacts.evaluation(planned);
        path.parent().map_or(Ok(()), make_folder)?;
        if let Some(e) = self.artefacts.trained_evaluation(planned, training, &conditions) {
            // The evaluation at the end of the training is this cell's.
            Document::new(vec![e.clone()]).save(path)?;
            return Ok(Ok(e));
        }
        say(sink, format!("evaluating {} on {}", planned.cell.id(), self.set.images()))?;
        let (base, generator) = (self.load(planned.base)?, self.artefacts.generator(training));
        let mismatch = Mismatch::allowed(self.settings.allow_mismatch);
        let (labelling, mut set) =
            (base.labelling(&self.plan.dataset, mismatch)?, self.set.clone());
        labelling.apply(&mut set);
        labelling.note().map_or(Ok(()), |note| say(sink, note.to_owned()))?;
        let subject = (&*base, &*generator, &set);
        Ok(Ok(evaluate(self.gpu.latest(), subject, &conditions, &path, (sink, self.stop))?))
    }

    /// Makes a base network or a generator, unless it exists.
    fn make(&self, what: Shared, sink: &mut dyn Sink) -> Result<()> {
        if (self.stop)() {
            return Err(Error::Interrupted);
        }
        match what {
            Shared::Base(i) if !self.artefacts.has_base(i)? => self.make_base(i, sink),
            Shared::Training(i) if !self.artefacts.has_generator(i)? => self.train(i, sink),
            _ => Ok(()),
        }
    }

    fn make_base(&self, i: usize, sink: &mut dyn Sink) -> Result<()> {
        let files = self.artefacts.base(i);
        files.weights.parent().map_or(Ok(()), make_folder)?;
        recipe::save(&files.recipe(), &self.artefacts.base_recipe(i)?)?;
        if self.settings.smoke {
            return self.random_base(&self.plan.bases[i])?.save(&files.weights);
        }
        pretrain(self.gpu, &self.artefacts.pretraining(i)?, sink, self.stop)?;
        let done = files.training();
        fs::rename(&done, &files.weights).map_err(|e| Error::write(&files.weights, e))?;
        // The checkpoint is three times as large as the weights, and useless now. Failing to delete
        // it does no harm.
        remove_checkpoint(&files.checkpoint());
        Ok(())
    }

    fn random_base(&self, model: &str) -> Result<Weights> {
        let graph = models::base(model, self.set.classes, None)?;
        let mut weights = initialise(&graph, true, self.settings.seed);
        for (key, value) in [
            ("format", FORMAT),
            ("model", model),
            ("dataset", &self.plan.dataset),
            ("precision", "8"),
            ("input", "[-1,1]"),
            ("command", "nf-gpu repro --smoke: random weights"),
            ("commit", env!("NF_COMMIT")),
        ] {
            weights.metadata.insert(key.to_owned(), value.to_owned());
        }
        Ok(weights)
    }

    fn train(&self, i: usize, sink: &mut dyn Sink) -> Result<()> {
        let mut config = self.artefacts.train_config(i)?;
        config.resume = self.artefacts.is_begun(i).then(|| config.out.clone());
        train(self.gpu, &config, sink, self.stop).map(drop)
    }

    fn load(&self, i: usize) -> Result<Rc<BaseNet>> {
        if let Some((_, base)) = self.base.borrow().as_ref().filter(|(last, _)| *last == i) {
            return Ok(base.clone());
        }
        let hints = BaseHints { model: Some(self.plan.bases[i].clone()), ..BaseHints::default() };
        let base = Rc::new(BaseNet::load(&self.artefacts.base(i).weights, &hints)?);
        *self.base.borrow_mut() = Some((i, base.clone()));
        Ok(base)
    }
}
