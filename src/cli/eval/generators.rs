//! The generators of an evaluation, from their files.

use crate::{
    error::{Error, Result},
    files::{Weights, sha256},
    models,
    nn::Graph,
    train::TrainedFor,
};
use std::path::{Path, PathBuf};

/// A weights file of a generator, before it is known which images it is for.
pub(super) struct GeneratorFile {
    pub(super) path: PathBuf,
    weights: Weights,
    model: String,
    pub(super) trained: Option<TrainedFor>,
}

impl GeneratorFile {
    pub(super) fn load(path: &Path) -> Result<Self> {
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
    pub(super) fn network(self, side: u32) -> Result<Generator> {
        let graph = models::generator(&self.model, side)?;
        graph.check(&self.weights)?;
        let label = graph.name.clone();
        Ok(Generator {
            graph,
            weights: self.weights,
            sha256: sha256(&self.path)?,
            label,
            path: self.path,
        })
    }
}

/// A generator.
pub(super) struct Generator {
    pub(super) graph: Graph,
    pub(super) weights: Weights,
    pub(super) sha256: String,
    /// Its name; of several with one name, with their files.
    pub(super) label: String,
    pub(super) path: PathBuf,
}

/// Tells generators of one name apart.
pub(super) fn tell_apart(generators: &mut [Generator]) {
    let names: Vec<String> = generators.iter().map(|g| g.graph.name.clone()).collect();
    for generator in generators {
        if names.iter().filter(|name| **name == generator.graph.name).count() > 1 {
            generator.label += &format!(" ({})", generator.path.display());
        }
    }
}
