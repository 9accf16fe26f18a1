//! Stored words in a weights file: a layer's weights as int8 beside their scale, in a quarter of the bytes.
//! `docs/weights-format.md` is the definition.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::safetensors::{Contents, Dtype, Raw};
use crate::error::{Error, Result};

/// Value of the metadata key `format` in files that we write.
pub const FORMAT: &str = "nf-gpu-1";

/// Metadata key of the [`Note`], JSON. Only a file of our [`FORMAT`] with this key holds stored words of ours.
const NOTE: &str = "packed";

/// Metadata key of the bits per stored weight of a network.
const PRECISION: &str = "precision";

/// Suffix that turns the name of a tensor of words into the name of its scale.
const SCALE: &str = ".scale";

/// The note of a file on its stored words.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// Bits of a word, 2 to 8.
    bits: u32,
    /// Number of tensors of words, which shows whether one was lost.
    tensors: usize,
}

/// Layers of a network as stored words.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// Bits of a word, 2 to 8.
    pub bits: u32,
    /// The words of each layer, by the name of its weights.
    pub layers: BTreeMap<String, PackedLayer>,
}

/// The stored words of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedLayer {
    /// In the order of the weights, `-(2^(bits - 1) - 1)` to `2^(bits - 1) - 1`.
    pub words: Vec<i8>,
    /// Real value of one step, positive.
    pub scale: f32,
}

impl Packed {
    /// The contents of a weights file with these words in place of their floats.
    ///
    /// # Errors
    /// [`Error::Shape`] for what [`Weights::save_packed`](super::Weights::save_packed) refuses.
    pub(super) fn within(&self, (mut tensors, mut metadata): Contents) -> Result<Contents> {
        let note = Note { bits: self.bits, tensors: self.layers.len() };
        if note.tensors == 0 {
            return Err(Error::Shape("no layer is stored as words".into()));
        }
        if !(2..=8).contains(&self.bits) {
            return Err(Error::Shape(format!("words of {} bits; 2 to 8 are stored", self.bits)));
        }
        for (name, layer) in &self.layers {
            let Some(tensor) = tensors.get_mut(name) else {
                return Err(Error::Shape(format!("there are words of {name}, which is no tensor")));
            };
            tensor.dtype = Dtype::I8;
            tensor.bytes = layer.words.iter().map(|word| word.cast_unsigned()).collect();
            let scale = Raw::f32(&[], &[layer.scale]);
            // Words that no reader would accept are not written.
            floats(tensor, Some(&scale), self.bits)
                .map_err(|what| Error::Shape(format!("the words of {name}: {what}")))?;
            let beside = format!("{name}{SCALE}");
            if tensors.insert(beside.clone(), scale).is_some() {
                return Err(Error::Shape(format!("there is a tensor {beside} already")));
            }
        }
        metadata.insert("format".to_owned(), FORMAT.to_owned());
        metadata.insert(NOTE.to_owned(), serde_json::json!(note).to_string());
        Ok((tensors, metadata))
    }
}

/// The contents of a weights file in which its stored words are replaced by the floats that they stand for,
/// `word * scale`, and what the metadata said of them is removed. If the file does not name its precision, it
/// becomes that of the words. Files of other programs, and files without words, stay as they are.
///
/// # Errors
/// [`Error::Format`]: words without scale or a scale without words, words that quantisation to their bits does
/// not leave, more or fewer tensors of them than the file says.
pub(crate) fn unpacked((mut tensors, mut metadata): Contents, origin: &Path) -> Result<Contents> {
    let is_ours = metadata.get("format").is_some_and(|format| format == FORMAT);
    let Some(text) = metadata.get(NOTE).filter(|_| is_ours) else {
        return Ok((tensors, metadata));
    };
    let damaged = |what: String| {
        let hint = "it is damaged: use a copy of it, or make it again with nf-gpu import --packed";
        Error::format(origin, what, hint)
    };
    let note: Option<Note> = serde_json::from_str(text).ok();
    let Some(note) = note.filter(|note| (2..=8).contains(&note.bits) && note.tensors > 0) else {
        return Err(damaged(format!("its metadata {NOTE} = {text} is not understood")));
    };
    metadata.remove(NOTE);
    metadata.entry(PRECISION.to_owned()).or_insert_with(|| note.bits.to_string());

    let is_word = |tensor: &Raw| tensor.dtype == Dtype::I8;
    let named = tensors.iter().filter(|(_, tensor)| is_word(tensor)).map(|(name, _)| name.clone());
    let named: BTreeSet<String> = named.collect();
    if named.len() != note.tensors {
        let lost = tensors.keys().filter_map(|name| name.strip_suffix(SCALE));
        let lost = lost.filter(|name| !named.contains(*name)).map(|name| {
            let instead = tensors.get(name).map(|tensor| format!("is {}", tensor.dtype));
            format!(": {name} {}, and has a scale", instead.unwrap_or("is missing".into()))
        });
        let what = format!(
            "its metadata say that {} tensors are stored words, and {} are{}",
            note.tensors,
            named.len(),
            lost.take(1).collect::<String>()
        );
        return Err(damaged(what));
    }
    for name in named {
        let scale = tensors.remove(&format!("{name}{SCALE}"));
        let Some(words) = tensors.get_mut(&name) else { continue };
        let floats = floats(words, scale.as_ref(), note.bits)
            .map_err(|what| damaged(format!("the stored words of {name}: {what}")))?;
        *words = Raw::f32(&words.shape, &floats);
    }
    Ok((tensors, metadata))
}

/// The floats that words stand for, or what is wrong with the words.
fn floats(words: &Raw, scale: Option<&Raw>, bits: u32) -> std::result::Result<Vec<f32>, String> {
    let Some(raw) = scale else { return Err("their scale is missing".into()) };
    let scale = match (raw.dtype, raw.shape.len(), raw.to_f32().as_deref()) {
        (Dtype::F32, 0, Some(&[scale])) => scale,
        _ => {
            return Err(format!(
                "their scale is {} {:?}, not one F32 number",
                raw.dtype, raw.shape
            ));
        }
    };
    if !(scale.is_finite() && scale > 0.0) {
        return Err(format!("their scale is {scale:e}, not a positive number"));
    }
    let most = ((1u8 << (bits - 1)) - 1).cast_signed();
    let steps: Vec<i8> = words.bytes.iter().map(|byte| byte.cast_signed()).collect();
    if let Some(i) = steps.iter().position(|step| step.unsigned_abs() > most.unsigned_abs()) {
        return Err(format!("word {i} is {}, and {bits} bits reach {most} steps", steps[i]));
    }
    // The scale is the largest weight over `most`. With another scale, quantising the floats again would give
    // other words or a neighbouring scale. Nor may a word with a flipped sign bit be infinite.
    let reach = steps.iter().fold(0, |reach, step| reach.max(step.unsigned_abs()));
    let most = f32::from(most);
    if f32::from(reach) * scale / most != scale || !(scale * (most + 1.0)).is_finite() {
        return Err(format!(
            "they reach {reach} steps of {scale:e}, which quantisation to {bits} bits does not leave"
        ));
    }
    Ok(steps.into_iter().map(|step| f32::from(step) * scale).collect())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Weights, safetensors},
        *,
    };

    const NAME: &str = "conv1.weight";

    fn sample(bits: u32) -> (Weights, Packed) {
        let mut weights = Weights::default();
        weights.insert(NAME, &[2, 2], vec![0.0; 4]);
        weights.insert("bn1.bias", &[2], vec![0.5, 1e-8]);
        weights.metadata.insert("model".into(), "resnet20".into());
        let most = ((1u8 << (bits - 1)) - 1).cast_signed();
        let layer = PackedLayer { words: vec![most, 0, -1, -most], scale: 0.25 };
        (weights, Packed { bits, layers: [(NAME.to_owned(), layer)].into() })
    }

    /// The contents of a packed file.
    fn contents(bits: u32) -> Contents {
        let folder = tempfile::tempdir().unwrap();
        let (path, (weights, packed)) = (folder.path().join("w"), sample(bits));
        weights.save_packed(&path, &packed).unwrap();
        safetensors::load(&path).unwrap()
    }

    fn load(contents: Contents) -> Result<Weights> {
        Weights::from_contents(contents, Path::new("w"))
    }

    #[test]
    fn words_read_as_floats_and_leave_no_trace() {
        for bits in 2..=8 {
            let (tensors, metadata) = contents(bits);
            assert_eq!((tensors[NAME].dtype, tensors[NAME].bytes.len()), (Dtype::I8, 4));
            assert_eq!(tensors[NAME].shape, [2, 2]);
            let scale = &tensors["conv1.weight.scale"];
            assert_eq!((scale.dtype, scale.shape.len()), (Dtype::F32, 0));
            let read = load((tensors, metadata)).unwrap();
            let most = ((1 << (bits - 1)) - 1) as f32;
            let floats = [most * 0.25, 0.0, -0.25, -most * 0.25];
            assert_eq!(read.get(NAME, &[2, 2]).unwrap().data, floats);
            assert_eq!(read.get("bn1.bias", &[2]).unwrap().data, [0.5, 1e-8]);
            assert_eq!(read.tensors.len(), 2);
            // The words' bits are the precision of a file that names none; the note on words is gone with the
            // words.
            assert_eq!(read.meta("precision"), Some(&*bits.to_string()));
            assert_eq!(read.meta(NOTE), None);
        }
        let (mut weights, packed) = sample(4);
        weights.metadata.insert("precision".into(), "8".into());
        let folder = tempfile::tempdir().unwrap();
        weights.save_packed(folder.path().join("w"), &packed).unwrap();
        let read = Weights::load(folder.path().join("w")).unwrap();
        assert_eq!(read.meta("precision"), Some("8"));
    }

    #[test]
    fn what_is_no_tensor_is_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        let refused = |change: fn(&mut Packed)| {
            let (weights, mut packed) = sample(8);
            change(&mut packed);
            let error = weights.save_packed(&path, &packed).unwrap_err();
            assert!(matches!(error, Error::Shape(_)) && !path.exists(), "{error}");
        };
        refused(|packed| packed.layers.clear());
        refused(|packed| packed.layers.get_mut(NAME).unwrap().words.truncate(3));
        refused(|packed| {
            let layer = packed.layers.remove(NAME).unwrap();
            packed.layers.insert("conv2.weight".into(), layer);
        });
        // Words that no reader would accept are refused too.
        refused(|packed| packed.bits = 9);
        refused(|packed| packed.bits = 4);
        refused(|packed| packed.layers.get_mut(NAME).unwrap().scale = f32::NAN);
        refused(|packed| packed.layers.get_mut(NAME).unwrap().words.fill(1));
        let (mut weights, packed) = sample(8);
        weights.insert("conv1.weight.scale", &[], vec![1.0]);
        assert!(weights.save_packed(&path, &packed).is_err() && !path.exists());
    }

    #[test]
    fn words_of_others_stay_refused() {
        for (key, value) in [("format", None), ("format", Some("pt")), (NOTE, None)] {
            let (tensors, mut metadata) = contents(8);
            metadata.remove(key);
            metadata.extend(value.map(|value| (key.to_owned(), value.to_owned())));
            let error = load((tensors, metadata)).unwrap_err();
            let says = "w: its weights are quantised (conv1.weight is I8)";
            assert!(error.to_string().starts_with(says), "{key}: {error}");
        }
    }

    #[test]
    fn damaged_words_are_refused_with_tensor_and_reason() {
        type Change = fn(&mut BTreeMap<String, Raw>, &mut BTreeMap<String, String>);
        const BESIDE: &str = "conv1.weight.scale";
        let scaled = |scale: f32| Raw::f32(&[], &[scale]);
        let with_scale = |raw: Raw| {
            let (mut tensors, metadata) = contents(8);
            tensors.insert(BESIDE.into(), raw);
            load((tensors, metadata)).unwrap_err()
        };
        let mut refused = vec![
            (with_scale(scaled(f32::NAN)), "conv1.weight: their scale is NaN"),
            (with_scale(scaled(f32::INFINITY)), "conv1.weight: their scale is inf"),
            (with_scale(scaled(0.0)), "conv1.weight: their scale is 0e0, not a positive"),
            (with_scale(scaled(-0.25)), "conv1.weight: their scale is -2.5e-1"),
            (with_scale(Raw::f32(&[1], &[0.25])), "their scale is F32 [1], not one F32"),
            (
                with_scale(Raw { dtype: Dtype::F16, shape: vec![], bytes: vec![0, 0x3c] }),
                "their scale is F16 [], not one F32",
            ),
            // A scale that overflows with a flipped sign bit; and one of which 127 times is a tie, so that
            // quantising again gives its neighbour.
            (with_scale(scaled(2f32.powi(121))), "they reach 127 steps of 2.6584"),
            (with_scale(scaled(f32::from_bits(1.5f32.to_bits() + 64))), "they reach 127 steps"),
        ];
        for (change, says) in [
            ((|t, _| drop(t.remove(BESIDE))) as Change, "conv1.weight: their scale is missing"),
            (|t, _| drop(t.remove(NAME)), "1 tensors are stored words, and 0 are: conv1.weight is"),
            (|t, _| t.get_mut(NAME).unwrap().dtype = Dtype::U8, "0 are: conv1.weight is U8, and"),
            (
                |t, _| {
                    t.remove(NAME);
                    t.remove(BESIDE);
                },
                "1 tensors are stored words, and 0 are",
            ),
            (|t, _| t.get_mut(NAME).unwrap().bytes[2] = 0x80, "word 2 is -128, and 8 bits reach"),
            (
                |t, _| {
                    let bytes = &mut t.get_mut(NAME).unwrap().bytes;
                    (bytes[0], bytes[3]) = (126, 130);
                },
                "they reach 126 steps of 2.5e-1, which quantisation to 8 bits does not leave",
            ),
            (|t, _| t.get_mut(NAME).unwrap().bytes.fill(0), "they reach 0 steps"),
            (
                |_, m| drop(m.insert(NOTE.into(), r#"{"bits":7,"tensors":1}"#.into())),
                "word 0 is 127, and 7 bits reach 63 steps",
            ),
            (
                |_, m| drop(m.insert(NOTE.into(), r#"{"bits":8,"tensors":2}"#.into())),
                "2 tensors are stored words, and 1 are",
            ),
            (
                |_, m| drop(m.insert(NOTE.into(), r#"{"bits":9,"tensors":1}"#.into())),
                r#"packed = {"bits":9,"tensors":1} is not understood"#,
            ),
            (
                |t, m| {
                    t.remove(NAME);
                    m.insert(NOTE.into(), r#"{"bits":8,"tensors":0}"#.into());
                },
                "is not understood",
            ),
            (|_, m| drop(m.insert(NOTE.into(), "true".into())), "packed = true is not"),
        ] {
            let (mut tensors, mut metadata) = contents(8);
            change(&mut tensors, &mut metadata);
            refused.push((load((tensors, metadata)).unwrap_err(), says));
        }
        for (error, says) in refused {
            let text = error.to_string();
            assert!(matches!(error, Error::Format { .. }), "{text}");
            assert!(text.starts_with("w: ") && text.contains(says), "{says:?} in {text}");
            assert!(error.hint().unwrap().contains("damaged"), "{text}");
        }
    }
}
