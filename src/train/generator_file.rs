//! A generator in its file: which network it is, for whom it was trained.

use super::{config::TrainConfig, trained_for::TrainedFor};
use crate::{
    error::{Error, Result},
    files::{Weights, sha256},
    models,
    nn::Graph,
};
use std::path::{Path, PathBuf};

/// A weights file of a generator, before it is known which images it is for.
#[derive(Clone, Debug)]
pub struct GeneratorFile {
    /// The file.
    pub path: PathBuf,
    weights: Weights,
    model: String,
    /// What it was trained for; not known of a generator from elsewhere.
    pub trained: Option<TrainedFor>,
}

/// A generator with its weights.
#[derive(Clone, Debug)]
pub struct Generator {
    /// The network.
    pub graph: Graph,
    /// Its weights.
    pub weights: Weights,
    /// SHA-256 of its file.
    pub sha256: String,
    /// The file.
    pub path: PathBuf,
    /// What it was trained for; not known of a generator from elsewhere.
    pub trained: Option<TrainedFor>,
}

impl GeneratorFile {
    /// Reads the file.
    ///
    /// # Errors
    /// As [`Weights::load`]; [`Error::Format`]: it does not say which generator it holds, or what it
    /// was trained for in words that nobody understands.
    pub fn load(path: &Path) -> Result<Self> {
        let weights = Weights::load(path)?;
        let Some(model) = weights.meta("model").map(str::to_owned) else {
            let hint = "give a file that `nf-gpu train` wrote";
            let what = "the file does not say which generator it holds";
            return Err(Error::format(path, what, hint));
        };
        let trained = TrainedFor::read(&weights)?;
        Ok(Self { path: path.to_owned(), weights, model, trained })
    }

    /// The network for images of `side` rows and columns.
    ///
    /// # Errors
    /// There is no generator of the file's name, or its tensors are not that generator's.
    pub fn network(self, side: u32) -> Result<Generator> {
        let graph = models::generator(&self.model, side)?;
        graph.check(&self.weights)?;
        let sha256 = sha256(&self.path)?;
        Ok(Generator {
            graph,
            weights: self.weights,
            sha256,
            path: self.path,
            trained: self.trained,
        })
    }
}

impl Generator {
    /// The line that says what a training begins with.
    pub(super) fn begins(&self) -> String {
        let begins =
            format!("the training begins with {} of {}", self.graph.name, self.path.display());
        let Some(trained) = &self.trained else { return begins };
        let base = trained.base.as_ref().map_or(String::new(), |(model, _)| format!("{model}, "));
        format!("{begins}, trained for {base}{}", trained.asked.words())
    }
}

impl TrainConfig {
    /// The generator of `--init`, for images of `side` rows and columns; none without that flag. Its kind
    /// is the file's unless a flag says one, which then has to be the same.
    ///
    /// # Errors
    /// As [`GeneratorFile::load`] and [`GeneratorFile::network`]; [`Error::Argument`]: it is of another
    /// kind than the flag says; [`Error::Format`]: it is not the one that the run began with.
    pub(super) fn warm_start(&self, side: u32) -> Result<Option<Generator>> {
        let Some(path) = &self.init else { return Ok(None) };
        let generator = GeneratorFile::load(path)?.network(side)?;
        // Whole settings without flags, as a caller of the library gives them, say it too.
        let says = self.given.is_empty() || self.given.iter().any(|flag| flag == "generator");
        if says && !generator.graph.name.eq_ignore_ascii_case(&self.generator) {
            let what = format!(
                "{} holds {}, not {}",
                path.display(),
                generator.graph.name,
                self.generator
            );
            let hint = "leave out --generator, or begin with a generator of that kind";
            return Err(Error::argument("--init", what, hint));
        }
        if let Some(began) = self.init_sha256.as_ref().filter(|began| **began != generator.sha256) {
            let what = format!("it is not the generator that the run began with, {began}");
            return Err(Error::format(path, what, "give that one back, or begin anew"));
        }
        Ok(Some(generator))
    }

    /// These settings, of a training that begins with `generator`.
    pub(super) fn begun_with(&self, generator: Option<&Generator>) -> Self {
        let mut settings = self.clone();
        if let Some(generator) = generator {
            settings.generator.clone_from(&generator.graph.name);
            settings.init_sha256 = Some(generator.sha256.clone());
        }
        settings
    }
}
