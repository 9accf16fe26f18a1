//! Weights of a network: f32 tensors under the names and shapes of PyTorch's `state_dict`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    FloatFormat,
    packed::{Packed, unpacked},
    quantised::words_refused,
    safetensors::{self, Raw},
    wide_words::WideWords,
    words::StoredWords,
};
use crate::error::{Error, Result};

/// Metadata key of the digest.
const SEAL: &str = "sha256";

/// Tensors by name with PyTorch shapes, and the metadata of a weights file (`docs/weights-format.md`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Parameters and running statistics; convolutions are `[K, C, R, S]`.
    pub tensors: BTreeMap<String, Tensor>,
    /// `format`, `model`, `dataset`, `precision`, `input`, and how the weights were made.
    pub metadata: BTreeMap<String, String>,
    /// Words of layers, by the name of their tensor, where the file stores words and not the floats of `tensors`,
    /// which are then what the words stand for.
    pub words: BTreeMap<String, StoredWords>,
    /// Words of 32 bits of biases, by the name of their tensor, where the file stores such words.
    pub wide: BTreeMap<String, WideWords>,
    /// The file they came from, for messages; empty for weights that were made in memory.
    pub origin: PathBuf,
}

/// An f32 tensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Extents, the last one fastest; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<f32>,
}

impl Weights {
    /// Reads a file: F32 as it is, F16, BF16 and F64 rounded to f32, stored words of ours
    /// ([`Weights::save_packed`]) as the floats that they stand for. Single integers in 64 bits are left
    /// out: `num_batches_tracked` and the like are of no use to us.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Format`] for a file that is cut off or no safetensors file, for
    /// tensors of other types, for damaged words, and for values that are not finite.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_contents(safetensors::load(path)?, path)
    }

    /// Reads the bytes of a file, such as embedded ones; `name` is what messages call them.
    pub fn load_bytes(bytes: &[u8], name: impl AsRef<Path>) -> Result<Self> {
        Self::from_contents(safetensors::parse(bytes, &name)?, name.as_ref())
    }

    /// The weights in what [`safetensors::load`] gave; `origin` is the file, for messages.
    pub fn from_contents(contents: safetensors::Contents, origin: &Path) -> Result<Self> {
        let (raw, metadata) = unpacked(contents, origin)?;
        if let Some((name, words)) = raw.iter().find(|(name, tensor)| tensor.is_words(name)) {
            return Err(words_refused(origin, &format!("{name} is {}", words.dtype)));
        }
        let mut tensors = BTreeMap::new();
        for (name, tensor) in raw {
            if tensor.is_counter() {
                continue;
            }
            let Some(data) = tensor.to_f32() else {
                return Err(Error::format(
                    origin,
                    format!("tensor {name} is {}; weights are floating-point", tensor.dtype),
                    "check that it is the weights file that you meant, not a fault map or data",
                ));
            };
            if let Some(i) = data.iter().position(|v| !v.is_finite()) {
                let (was, hint) = match tensor.f64_at(i).filter(|was| was.is_finite()) {
                    Some(was) => (
                        format!("{was:e}, too large for float32"),
                        "networks compute in float32: check what the tensor is, and export it anew",
                    ),
                    None => (
                        data[i].to_string(),
                        "the training that made it diverged: train again with a lower --lr",
                    ),
                };
                let what = format!("element {i} of tensor {name} is {was}");
                return Err(Error::format(origin, what, hint));
            }
            tensors.insert(name, Tensor { shape: tensor.shape, data });
        }
        Ok(Self { tensors, metadata, origin: origin.to_owned(), ..Self::default() })
    }

    /// Writes a file, whole or not at all; the same weights give the same bytes.
    ///
    /// # Errors
    /// [`Error::Shape`] for a tensor whose length is not that of its shape; [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        safetensors::save(path, &self.raw(), &self.metadata)
    }

    /// Like [`Weights::save`], with some layers as stored words in place of their floats.
    ///
    /// # Errors
    /// [`Error::Shape`] for words of a tensor that is not there or has another length, for words or a scale that
    /// quantisation to these bits does not leave, for a tensor where a scale would go, and for no words at all;
    /// [`Error::Write`].
    pub fn save_packed(&self, path: impl AsRef<Path>, packed: &Packed) -> Result<()> {
        let (tensors, metadata) = packed.within((self.raw(), self.metadata.clone()))?;
        safetensors::save(path, &tensors, &metadata)
    }

    /// SHA-256 of the file that [`Weights::save`] would write.
    pub fn sha256(&self) -> Result<String> {
        safetensors::sha256(&self.raw(), &self.metadata)
    }

    /// Like [`Weights::save`], but the file that was there stays as `previous`.
    pub fn save_keeping(&self, path: impl AsRef<Path>, previous: impl AsRef<Path>) -> Result<()> {
        safetensors::save_keeping(path, previous, &self.raw(), &self.metadata)
    }

    /// Notes in the metadata the SHA-256 of the file without this note, for [`Weights::unseal`].
    pub fn seal(&mut self) -> Result<()> {
        self.metadata.remove(SEAL);
        let sum = self.sha256()?;
        self.metadata.insert(SEAL.to_owned(), sum);
        Ok(())
    }

    /// Checks what [`Weights::seal`] noted, and removes it.
    ///
    /// # Errors
    /// [`Error::Format`]: there is no note, or it does not agree with the weights and the metadata.
    pub fn unseal(&mut self) -> Result<()> {
        let noted = self.metadata.remove(SEAL);
        let sum = self.sha256()?;
        if noted.as_ref() == Some(&sum) {
            return Ok(());
        }
        let what = match noted {
            Some(noted) => format!("it is damaged: its contents have SHA-256 {sum}, not {noted}"),
            None => "it is damaged: the SHA-256 of its contents is missing".to_owned(),
        };
        Err(Error::format(self.name(), what, "use a copy of it, or begin anew"))
    }

    fn raw(&self) -> BTreeMap<String, Raw> {
        let raw = |t: &Tensor| Raw::f32(&t.shape, &t.data);
        self.tensors.iter().map(|(name, t)| (name.clone(), raw(t))).collect()
    }

    /// The tensor `name`, which must have the shape `expected`.
    ///
    /// # Errors
    /// [`Error::Format`] naming the file: with the nearest name for a missing tensor, with both
    /// shapes for a wrong one.
    pub fn get(&self, name: &str, expected: &[usize]) -> Result<&Tensor> {
        let Some(tensor) = self.tensors.get(name) else {
            let names: Vec<String> = self.tensors.keys().cloned().collect();
            let near = crate::error::closest(name, &names).map_or_else(
                || self.model_hint(),
                |near| {
                    format!("the nearest is {near} {:?}; {}", self.shape(near), self.model_hint())
                },
            );
            let what = format!("it has no tensor {name} {expected:?}");
            return Err(Error::format(self.name(), what, near));
        };
        if tensor.shape != expected {
            let what = format!("tensor {name} is {:?}, expected {expected:?}", tensor.shape);
            return Err(Error::format(self.name(), what, self.model_hint()));
        }
        Ok(tensor)
    }

    /// Adds a tensor, or replaces it and the words that it stood for.
    pub fn insert(&mut self, name: impl Into<String>, shape: &[usize], data: Vec<f32>) {
        let name = name.into();
        self.words.remove(&name);
        self.wide.remove(&name);
        self.tensors.insert(name, Tensor { shape: shape.to_vec(), data });
    }

    /// Adds a tensor of stored words, or replaces it.
    pub fn insert_words(&mut self, name: impl Into<String>, shape: &[usize], words: StoredWords) {
        let name = name.into();
        self.insert(name.clone(), shape, words.values());
        self.words.insert(name, words);
    }

    /// The format of stored words that are floats; `None` where there are none.
    #[must_use]
    pub fn floats(&self) -> Option<FloatFormat> {
        self.words.values().find_map(|words| words.parameters.float)
    }

    fn shape(&self, name: &str) -> &[usize] {
        self.tensors.get(name).map_or(&[], |t| &t.shape)
    }

    /// The name of the weights' file in messages.
    pub(crate) fn name(&self) -> &Path {
        if self.origin.as_os_str().is_empty() { Path::new("weights") } else { &self.origin }
    }

    /// The words of a bias.
    pub(crate) fn wide_words(&self, name: &str) -> Result<&WideWords> {
        let missing = || Error::Shape(format!("the bias {name} is not stored as words"));
        self.wide.get(name).ok_or_else(missing)
    }

    fn model_hint(&self) -> String {
        match self.metadata.get("model") {
            Some(model) => format!("the file says that it holds {model}: check --model"),
            None => "check --model: the file does not say which network it holds".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::safetensors::Dtype, *};

    fn sample() -> Weights {
        let mut weights = Weights::default();
        weights.insert("conv1.weight", &[2, 1, 1, 1], vec![0.5, -0.25]);
        weights.insert("bn1.bias", &[2], vec![0.0, 1e-8]);
        weights.metadata.insert("model".into(), "resnet20".into());
        weights
    }

    #[test]
    fn weights_survive_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        sample().save(&path).unwrap();
        let back = Weights::load(&path).unwrap();
        assert_eq!(back.origin, path);
        assert_eq!(Weights { origin: PathBuf::new(), ..back.clone() }, sample());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(Weights::load_bytes(&bytes, &path).unwrap(), back);
    }

    #[test]
    fn a_seal_holds_until_anything_changes() {
        let mut sealed = sample();
        assert!(sealed.clone().unseal().unwrap_err().to_string().contains("missing"));
        sealed.seal().unwrap();
        let mut back = sealed.clone();
        back.unseal().unwrap();
        assert_eq!(back, sample());
        let changes: [fn(&mut Weights); 3] = [
            |w| w.tensors.get_mut("bn1.bias").unwrap().data[0] = -0.0,
            |w| w.metadata.insert("model".into(), "resnet32".into()).map_or((), drop),
            |w| drop(w.tensors.remove("bn1.bias")),
        ];
        for change in changes {
            let mut changed = sealed.clone();
            change(&mut changed);
            assert!(changed.unseal().unwrap_err().to_string().contains("damaged"));
        }
    }

    #[test]
    fn get_says_what_is_there_instead() {
        let weights = Weights { origin: "w.st".into(), ..sample() };
        assert_eq!(weights.get("bn1.bias", &[2]).unwrap().data, [0.0, 1e-8]);
        let error = weights.get("bn1.bias", &[4]).unwrap_err();
        assert_eq!(error.to_string(), "w.st: tensor bn1.bias is [2], expected [4]");
        assert!(error.hint().unwrap().contains("resnet20"));
        let error = weights.get("bn1.bia", &[2]).unwrap_err();
        assert_eq!(error.to_string(), "w.st: it has no tensor bn1.bia [2]");
        assert!(error.hint().unwrap().contains("the nearest is bn1.bias [2]"));
    }

    #[test]
    fn counters_are_skipped_and_other_integers_refused() {
        let counter = Raw { dtype: Dtype::I64, shape: vec![], bytes: vec![0; 8] };
        let words =
            |dtype: Dtype| Raw { dtype, shape: vec![2, 1], bytes: vec![1; dtype.bitsize() / 4] };
        let half = Raw { dtype: Dtype::F16, shape: vec![1], bytes: vec![0, 0x3c] };
        let mut raw = BTreeMap::from([
            ("bn1.num_batches_tracked".to_owned(), counter),
            ("w".to_owned(), half),
        ]);
        let weights =
            Weights::from_contents((raw.clone(), BTreeMap::new()), Path::new("w")).unwrap();
        assert_eq!(weights.tensors.keys().collect::<Vec<_>>(), ["w"]);
        assert_eq!(weights.get("w", &[1]).unwrap().data, [1.0]);
        let refused = |raw: &BTreeMap<String, Raw>, name: &str, tensor: Raw| {
            let raw = raw.clone().into_iter().chain([(name.to_owned(), tensor)]).collect();
            Weights::from_contents((raw, BTreeMap::new()), Path::new("w")).unwrap_err()
        };
        for (name, dtype) in [("map", Dtype::U8), ("conv1.index", Dtype::I64)] {
            let error = refused(&raw, name, words(dtype));
            assert!(error.to_string().contains(&format!("tensor {name} is {dtype}")), "{error}");
        }
        // Whatever lies before it: the first thing that is wrong with the file is that it is quantised.
        raw.insert("bn1.bias".into(), words(Dtype::I8));
        for dtype in [Dtype::I8, Dtype::U8, Dtype::I16, Dtype::I32, Dtype::I64, Dtype::F8_E4M3] {
            let error = refused(&raw, "conv1.weight", words(dtype));
            let says = format!("its weights are quantised (conv1.weight is {dtype})");
            assert!(error.to_string().contains(&says), "{error}");
            assert!(error.hint().unwrap().contains("before torch.ao's convert()"), "{error}");
        }
    }

    #[test]
    fn nan_is_refused() {
        for bad in [f32::NAN, f32::INFINITY] {
            let raw = BTreeMap::from([("w".to_owned(), Raw::f32(&[2], &[1.0, bad]))]);
            let error = Weights::from_contents((raw, BTreeMap::new()), Path::new("w")).unwrap_err();
            assert!(error.to_string().contains("element 1 of tensor w"), "{error}");
        }
    }
}
