//! The paths of base networks, generators and evaluations, which of them exist, and whether they were made
//! under the settings that the plan wants.

use super::{
    evaluate::Conditions,
    plan::{PlannedCell, QueuePlan},
    recipe,
    results::BaseRecord,
    settings::ReproSettings,
};
use crate::{
    error::{Error, Result},
    files::{Weights, read_text, sha256},
    report::eval_json::{Document, Evaluation},
    train::{PretrainConfig, RunFolder, TrainConfig},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The files that a plan produces or uses.
#[derive(Debug)]
pub(super) struct Artefacts<'a> {
    plan: &'a QueuePlan,
    settings: &'a ReproSettings,
    /// SHA-256 sums of finished files, which do not change any more.
    sums: RefCell<BTreeMap<PathBuf, String>>,
}

/// The files of a base network.
#[derive(Clone, Debug)]
pub(super) struct BaseFiles {
    /// The finished weights.
    pub(super) weights: PathBuf,
    /// Whether the user supplied the weights.
    pub(super) given: bool,
}

impl BaseFiles {
    fn beside(&self, ending: &str) -> PathBuf {
        self.weights.with_extension(ending)
    }

    /// The settings that the base network is made with.
    pub(super) fn recipe(&self) -> PathBuf {
        self.beside("toml")
    }

    /// The weights while the network is being trained.
    pub(super) fn training(&self) -> PathBuf {
        self.beside("training.safetensors")
    }

    /// The checkpoint from which an interrupted training resumes.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.beside("checkpoint.safetensors")
    }
}

impl<'a> Artefacts<'a> {
    pub(super) fn new(plan: &'a QueuePlan, settings: &'a ReproSettings) -> Self {
        Self { plan, settings, sums: RefCell::default() }
    }

    fn sha256(&self, path: &Path) -> Result<String> {
        if let Some(sum) = self.sums.borrow().get(path) {
            return Ok(sum.clone());
        }
        let sum = sha256(path)?;
        self.sums.borrow_mut().insert(path.to_owned(), sum.clone());
        Ok(sum)
    }

    /// Index of the base network in front of which generator `i` is trained.
    pub(super) fn source(&self, i: usize) -> usize {
        let own = &self.plan.trainings[i].base;
        self.plan.bases.iter().position(|base| base == own).unwrap_or(0)
    }

    /// The record of base network `i`, if its weights exist.
    pub(super) fn base_record(&self, i: usize) -> Result<Option<BaseRecord>> {
        let BaseFiles { weights: file, given } = self.base(i);
        if !file.exists() {
            return Ok(None);
        }
        let origin = match (given, self.settings.smoke) {
            (true, _) => "given",
            (false, true) => "random",
            (false, false) => "pretrained",
        };
        let (model, sha256) = (self.plan.bases[i].clone(), self.sha256(&file)?);
        Ok(Some(BaseRecord { model, file, sha256, origin }))
    }

    /// The files of base network `i`.
    pub(super) fn base(&self, i: usize) -> BaseFiles {
        let file = format!("{}-{}.safetensors", self.plan.bases[i], self.plan.dataset_name);
        let given = self.settings.bases.as_ref().map(|folder| folder.join(&file));
        match given.filter(|path| path.exists()) {
            Some(weights) => BaseFiles { weights, given: true },
            None => {
                let weights = self.settings.artefacts.join("bases").join(file);
                BaseFiles { weights, given: false }
            }
        }
    }

    /// The run folder of generator `i`. Its name holds everything that the generator depends on, except the
    /// settings.
    pub(super) fn training(&self, i: usize) -> PathBuf {
        let t = &self.plan.trainings[i];
        let name = format!(
            "{}-{}-{}-ber{}-lambda{}-n{}",
            t.base, self.plan.dataset_name, t.generator, t.ber, t.lambda, t.copies
        );
        self.settings.artefacts.join("generators").join(name)
    }

    /// The weights of generator `i`.
    pub(super) fn generator(&self, i: usize) -> PathBuf {
        self.training(i).join("generator.safetensors")
    }

    pub(super) fn evaluation(&self, cell: &PlannedCell) -> PathBuf {
        self.settings.out.join("cells").join(cell.cell.id()).join("eval.json")
    }

    /// The training settings of base network `i`.
    pub(super) fn pretraining(&self, i: usize) -> Result<PretrainConfig> {
        let files = self.base(i);
        let config = self.settings.pretraining(
            &self.plan.bases[i],
            &self.plan.dataset,
            &files.training(),
        )?;
        Ok(PretrainConfig { checkpoint: Some(files.checkpoint()), ..config })
    }

    /// The settings that identify how base network `i` was made.
    pub(super) fn base_recipe(&self, i: usize) -> Result<toml::Table> {
        if !self.settings.smoke {
            return recipe::table(&self.pretraining(i)?);
        }
        let mut table = toml::Table::new();
        table.insert("random".into(), true.into());
        table.insert("seed".into(), self.settings.seed.to_string().into());
        Ok(table)
    }

    /// The training settings of generator `i`.
    pub(super) fn train_config(&self, i: usize) -> Result<TrainConfig> {
        let training = &self.plan.trainings[i];
        let (base, out) = (self.base(self.source(i)).weights, self.training(i));
        self.settings.training(training, &self.plan.dataset, &base, &out)
    }

    /// Whether base network `i` is finished.
    ///
    /// # Errors
    /// It exists, finished or not, and was made under other settings.
    pub(super) fn has_base(&self, i: usize) -> Result<bool> {
        let files = self.base(i);
        let there = files.weights.exists();
        if files.given {
            return Ok(true);
        }
        if there || files.recipe().exists() {
            recipe::check(&files.recipe(), &self.base_recipe(i)?)?;
        }
        Ok(there)
    }

    /// Whether the training of generator `i` has begun.
    pub(super) fn is_begun(&self, i: usize) -> bool {
        self.training(i).join("config.toml").exists()
    }

    /// Whether generator `i` is finished. The evaluation is the last file of importance that a training
    /// writes.
    ///
    /// # Errors
    /// It exists, finished or not, and was made under other settings or for another base network.
    pub(super) fn has_generator(&self, i: usize) -> Result<bool> {
        if !self.is_begun(i) {
            return Ok(false);
        }
        let (folder, _) = RunFolder::open(&self.training(i))?;
        let config = self.train_config(i)?;
        recipe::check(&folder.config(), &recipe::table(&config)?)?;
        let done = folder.generator().exists() && folder.eval().exists();
        if done && config.base.exists() {
            let made_for = Weights::load(folder.generator())?;
            if made_for.meta("base_sha256") != Some(&self.sha256(&config.base)?) {
                let what = format!("it was trained in front of another {}", config.base.display());
                let hint = "put back that base network, or use another --out";
                return Err(Error::format(folder.generator(), what, hint));
            }
        }
        Ok(done)
    }

    /// The evaluation of a cell, if it is finished.
    ///
    /// # Errors
    /// It exists, but under other settings, or of another base network or generator.
    pub(super) fn evaluated(
        &self,
        cell: &PlannedCell,
        conditions: &Conditions<'_>,
    ) -> Result<Option<Evaluation>> {
        let path = self.evaluation(cell);
        let (Ok(training), true) = (cell.training, path.exists()) else { return Ok(None) };
        if !self.has_base(cell.base)? || !self.has_generator(training)? {
            let what = "the base network or the generator that it is of is not there";
            let hint = "name their folder with --artefacts, put them back, or delete this file";
            return Err(Error::format(path, what, hint));
        }
        let e = evaluation(&path)?;
        let generator = e.generator.as_ref().map_or("", |g| &g.file_sha256);
        let other = conditions.missed_by(&e).or_else(|| {
            let same = |file: &Path, there: &str| self.sha256(file).is_ok_and(|sum| sum == there);
            if !same(&self.base(cell.base).weights, &e.base.file_sha256) {
                return Some("another base network".into());
            }
            (!same(&self.generator(training), generator)).then(|| "another generator".into())
        });
        match other {
            None => Ok(Some(e)),
            Some(other) => {
                let hint = "use another --out, or delete this file to measure the cell again";
                Err(Error::format(path, format!("it was made under other settings: {other}"), hint))
            }
        }
    }

    /// The evaluation at the end of generator `i`'s training, if it fulfils the conditions of a cell.
    pub(super) fn trained_evaluation(
        &self,
        cell: &PlannedCell,
        i: usize,
        conditions: &Conditions<'_>,
    ) -> Option<Evaluation> {
        let same_base = self.plan.trainings[i].base == self.plan.bases[cell.base];
        let e = evaluation(&self.training(i).join("eval.json")).ok()?;
        (same_base && conditions.missed_by(&e).is_none()).then_some(e)
    }
}

/// The single evaluation in a document.
fn evaluation(path: &Path) -> Result<Evaluation> {
    let text = read_text(path)?;
    match serde_json::from_str(&text) {
        Ok(Document::One(e)) => Ok(*e),
        _ => Err(Error::format(path, "no evaluation", "delete it: the cell is measured again")),
    }
}
