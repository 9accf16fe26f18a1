//! A training that begins with a generator: loading it, and what the run records of it.

use super::{
    config::{DEFAULT_GENERATOR, TrainConfig},
    generator_file::{Generator, GeneratorFile},
};
use crate::error::{Error, Result};

impl TrainConfig {
    /// The generator of `--init`, for images `[C, H, W]`; `None` without that flag. The
    /// file determines its kind; a kind given by a flag must be the same.
    ///
    /// # Errors
    /// As [`GeneratorFile::load_network`] and [`GeneratorFile::network`]; [`Error::Argument`]: the
    /// generator is of another kind than the flag says; [`Error::Format`]: it is not the one that the
    /// run began with.
    pub(super) fn warm_start(&self, chw: [u32; 3]) -> Result<Option<Generator>> {
        let Some(path) = &self.init else { return Ok(None) };
        let generator = GeneratorFile::load_network(path)?.network(chw)?;
        // A caller of the library may have set the generator without a flag.
        let says = self.generator != DEFAULT_GENERATOR
            || self.given.is_empty()
            || self.given.iter().any(|flag| flag == "generator");
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

    /// These settings, completed for a training that begins with `generator`.
    pub(super) fn begun_with(&self, generator: Option<&Generator>) -> Self {
        let mut settings = self.clone();
        if let Some(generator) = generator {
            settings.generator.clone_from(&generator.graph.name);
            settings.init_sha256 = Some(generator.sha256.clone());
        }
        settings
    }
}
