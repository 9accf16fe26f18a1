//! A generator in its file: which network it is, and what it was trained for.

use super::trained_for::{TrainedFor, image_shape, not_understood};
use crate::{
    error::{Error, Result},
    files::{Weights, read_file, sha256_of},
    models,
    nn::Graph,
};
use std::path::{Path, PathBuf};

/// Rows and columns of the images of a generator whose file does not say more.
const OTHERWISE: [u32; 2] = [32, 32];

/// A weights file of a generator, before the size of its images is known.
#[derive(Clone, Debug)]
pub struct GeneratorFile {
    /// The file.
    pub path: PathBuf,
    weights: Weights,
    model: String,
    sha256: String,
    /// What it was trained for; `None` for a generator that `nf-gpu train` did not write.
    pub trained: Option<TrainedFor>,
}

/// A generator with its weights.
#[derive(Clone, Debug)]
pub struct Generator {
    /// The network.
    pub graph: Graph,
    pub weights: Weights,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The file.
    pub path: PathBuf,
    /// What it was trained for; `None` for a generator that `nf-gpu train` did not write.
    pub trained: Option<TrainedFor>,
}

impl GeneratorFile {
    /// Reads the file.
    ///
    /// # Errors
    /// As [`Weights::load`]; [`Error::Format`]: the file does not say which generator it holds, or its
    /// metadata on what it was trained for is not understood.
    pub fn load(path: &Path) -> Result<Self> {
        let file = Self::read(path)?;
        Ok(Self { trained: TrainedFor::read(&file.weights)?, ..file })
    }

    /// Like [`Self::load`], for callers that do not need to know what it was trained for: metadata on
    /// that is ignored if it is not understood.
    pub fn load_network(path: &Path) -> Result<Self> {
        let file = Self::read(path)?;
        Ok(Self { trained: TrainedFor::read(&file.weights).ok().flatten(), ..file })
    }

    /// Reads weights and digest from the same bytes, because a training may replace the file at any
    /// time.
    fn read(path: &Path) -> Result<Self> {
        let bytes = read_file(path)?;
        let weights = Weights::load_bytes(&bytes, path)?;
        let Some(model) = weights.meta("model").map(str::to_owned) else {
            let hint = "give a file that `nf-gpu train` wrote";
            let what = "the file does not say which generator it holds";
            return Err(Error::format(path, what, hint));
        };
        let (path, sha256) = (path.to_owned(), sha256_of(&bytes));
        Ok(Self { path, weights, model, sha256, trained: None })
    }

    /// Channels, rows and columns of the images that it is for, where the file says so.
    ///
    /// # Errors
    /// [`Error::Format`]: what it says is no shape.
    pub fn images(&self) -> Result<Option<[u32; 3]>> {
        image_shape(&self.weights).map_err(|key| not_understood(&self.weights, key))
    }

    /// Images `[C, H, W]` that the generator takes: its own channels, and `hw` rows and columns unless its file
    /// says what it was trained for.
    ///
    /// # Errors
    /// There is no generator of the file's name, or as [`Self::images`].
    pub fn input(&self, hw: Option<[u32; 2]>) -> Result<[u32; 3]> {
        let otherwise = self.images()?.map_or(OTHERWISE, |[_, h, w]| [h, w]);
        models::generator_input(&self.model, &self.weights, hw.unwrap_or(otherwise))
    }

    /// The network for images `[C, H, W]`.
    ///
    /// # Errors
    /// There is no generator of the file's name, or its tensors are not that generator's.
    pub fn network(self, chw: [u32; 3]) -> Result<Generator> {
        let graph = models::generator(&self.model, chw)?;
        let [c, ..] = models::generator_input(&self.model, &self.weights, [chw[1], chw[2]])?;
        if c != chw[0] {
            let what =
                format!("it takes images of {c} channels; those of the network have {}", chw[0]);
            let hint = "give a generator that was trained for this network";
            return Err(Error::format(&self.path, what, hint));
        }
        graph.check(&self.weights)?;
        Ok(Generator {
            graph,
            weights: self.weights,
            sha256: self.sha256,
            path: self.path,
            trained: self.trained,
        })
    }
}

impl Generator {
    /// A line for the user that says which generator a training begins with.
    pub(super) fn begins(&self) -> String {
        let begins =
            format!("the training begins with {} of {}", self.graph.name, self.path.display());
        let Some(trained) = &self.trained else { return begins };
        let base = trained.base.as_ref().map_or(String::new(), |(model, _)| format!("{model}, "));
        format!("{begins}, trained for {base}{}", trained.asked.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::initialise;

    /// A file that another program wrote may know the size and no faults.
    #[test]
    fn the_size_of_images_needs_no_training() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.safetensors");
        let mut weights = initialise(&models::generator("ConvS", [3, 28, 28]).unwrap(), false, 1);
        weights.metadata.insert("model".into(), "ConvS".into());
        let input = |weights: &mut Weights, shape: Option<&str>| {
            weights.metadata.extend(shape.map(|shape| ("image_shape".into(), shape.into())));
            weights.save(&path).unwrap();
            let file = GeneratorFile::load(&path).unwrap();
            assert!(file.trained.is_none());
            [file.input(None), file.input(Some([40, 24]))].map(Result::unwrap)
        };
        assert_eq!(input(&mut weights, None), [[3, 32, 32], [3, 40, 24]]);
        assert_eq!(input(&mut weights, Some("3,28,28")), [[3, 28, 28], [3, 40, 24]]);
        weights.metadata.insert("image_shape".into(), "28x28".into());
        weights.save(&path).unwrap();
        let error = GeneratorFile::load(&path).unwrap().input(None).unwrap_err();
        assert!(error.to_string().contains("metadata image_shape is not understood"), "{error}");
    }
}
