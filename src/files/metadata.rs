//! What a weights file says about itself, with types.

use std::str::FromStr;

use super::Weights;
use crate::error::{Error, Result};

/// Value of the metadata key `format` in files that we write.
pub const FORMAT: &str = "nf-gpu-1";

/// Metadata key of the class names, a JSON list.
const CLASS_NAMES: &str = "class_names";

/// What a base network expects of its input: `(v - mean) / std` per channel, v in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// Mean per channel.
    pub mean: [f32; 3],
    /// Standard deviation per channel, positive.
    pub std: [f32; 3],
}

impl Weights {
    /// The text under a metadata key.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The value under a metadata key, such as a seed or a precision; `None` without the key.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] for text that is no `T`.
    pub fn meta_as<T: FromStr>(&self, key: &str) -> Result<Option<T>> {
        self.meta(key).map(|text| text.trim().parse().map_err(|_| self.odd(key, text))).transpose()
    }

    /// The finite numbers under a metadata key: `0.485,0.456,0.406`, or a JSON list of them.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] for anything else.
    pub fn meta_list(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let Some(text) = self.meta(key) else {
            return Ok(None);
        };
        let inner = text.trim();
        let inner = inner.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(inner);
        let numbers =
            inner.split(',').map(|n| n.trim().parse().ok().filter(|v: &f32| v.is_finite()));
        numbers.collect::<Option<Vec<f32>>>().map(Some).ok_or_else(|| self.odd(key, text))
    }

    /// How the network wants its input; `None` means values in [-1, 1] as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] for half a pair, for a deviation that is not positive, and for an
    /// `input` that says something else than `[-1,1]` without the numbers to do it: guessing would
    /// give a network that runs and answers nonsense.
    pub fn normalisation(&self) -> Result<Option<Normalisation>> {
        let three = |key| match self.meta_list(key)? {
            None => Ok(None),
            Some(list) => match list[..] {
                [r, g, b] => Ok(Some([r, g, b])),
                _ => Err(self.odd(key, &format!("{list:?}"))),
            },
        };
        match (three("input_mean")?, three("input_std")?) {
            (Some(mean), Some(std)) if std.iter().all(|&s| s > 0.0) => {
                Ok(Some(Normalisation { mean, std }))
            }
            (None, None) => match self.meta("input") {
                None => Ok(None),
                Some(text) if text.replace(' ', "") == "[-1,1]" => Ok(None),
                Some(text) => Err(self.odd("input", text)),
            },
            (_, Some(std)) => Err(self.odd("input_std", &format!("{std:?}"))),
            (Some(mean), None) => Err(self.odd("input_mean", &format!("{mean:?}"))),
        }
    }

    /// Records how the network wants its input, as [`Weights::normalisation`] reads it.
    pub fn set_normalisation(&mut self, normalisation: Option<Normalisation>) {
        let list = |v: [f32; 3]| v.map(|x| x.to_string()).join(",");
        let mut set = |key: &str, value: Option<String>| match value {
            Some(value) => drop(self.metadata.insert(key.into(), value)),
            None => drop(self.metadata.remove(key)),
        };
        let mean = normalisation.map(|n| list(n.mean));
        let std = normalisation.map(|n| list(n.std));
        let input = match (&mean, &std) {
            (Some(mean), Some(std)) => format!("mean {mean} std {std}"),
            _ => "[-1,1]".into(),
        };
        set("input", Some(input));
        set("input_mean", mean);
        set("input_std", std);
    }

    /// Names of the classes that the network was trained to tell apart, in the order of its outputs.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] for text that is no JSON list of names.
    pub fn class_names(&self) -> Result<Option<Vec<String>>> {
        let parsed = |text| serde_json::from_str(text).map_err(|_| self.odd(CLASS_NAMES, text));
        self.meta(CLASS_NAMES).map(parsed).transpose()
    }

    /// Records names of classes, as [`Weights::class_names`] reads them.
    pub fn set_class_names(&mut self, names: &[String]) {
        self.metadata.insert(CLASS_NAMES.into(), serde_json::json!(names).to_string());
    }

    fn odd(&self, key: &str, text: &str) -> Error {
        let what = format!("its metadata {key} = {text} is not understood");
        let hint = if key.starts_with("input") {
            "pass --input-mean and --input-std, three numbers each"
        } else {
            "correct the metadata, or give the value on the command line"
        };
        Error::format(self.name(), what, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Weights {
        let metadata = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        Weights { metadata, ..Weights::default() }
    }

    #[test]
    fn lists_come_in_two_spellings() {
        for text in ["0.485,0.456,0.406", "[0.485, 0.456, 0.406]", " 0.485 ,0.456, 0.406"] {
            let list = with(&[("input_mean", text)]).meta_list("input_mean").unwrap();
            assert_eq!(list, Some(vec![0.485, 0.456, 0.406]), "{text}");
        }
        for text in ["", "[", "0.4;0.5", "0.4,,0.5", "nan", "0.4,inf", "[[1]]"] {
            assert!(with(&[("x", text)]).meta_list("x").is_err(), "{text:?}");
        }
        assert_eq!(with(&[]).meta_list("x").unwrap(), None);
    }

    #[test]
    fn normalisation_is_both_numbers_or_an_error() {
        let n = Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
        let mut weights = with(&[]);
        weights.set_normalisation(Some(n));
        assert_eq!(weights.normalisation().unwrap(), Some(n));
        weights.set_normalisation(None);
        assert_eq!(weights.normalisation().unwrap(), None);
        assert_eq!(weights.meta("input"), Some("[-1,1]"));
        assert_eq!(with(&[]).normalisation().unwrap(), None);
        for odd in [
            &[("input_mean", "1,2,3")][..],
            &[("input_std", "1,2,3")],
            &[("input_mean", "1,2,3"), ("input_std", "1,0,3")],
            &[("input_mean", "1,2"), ("input_std", "1,2")],
            &[("input", "x/255 normalised with mean 0.485")],
        ] {
            let error = with(odd).normalisation().unwrap_err();
            assert!(error.hint().unwrap().contains("--input-mean"), "{error}");
        }
    }

    #[test]
    fn class_names_are_a_list_whatever_is_in_them() {
        let names = ["T-shirt/top", "a, b", "\"", ""].map(str::to_owned);
        let mut weights = with(&[]);
        assert_eq!(weights.class_names().unwrap(), None);
        weights.set_class_names(&names);
        assert_eq!(weights.class_names().unwrap().unwrap(), names);
        for odd in ["cat,dog", "[1, 2]", "{}", ""] {
            let error = with(&[("class_names", odd)]).class_names().unwrap_err();
            assert!(error.to_string().contains("class_names"), "{error}");
        }
    }

    #[test]
    fn values_are_parsed_or_refused() {
        let weights = with(&[("seed", "7"), ("precision", "eight")]);
        assert_eq!(weights.meta_as::<u64>("seed").unwrap(), Some(7));
        assert_eq!(weights.meta_as::<u64>("none").unwrap(), None);
        let error = weights.meta_as::<u32>("precision").unwrap_err();
        assert!(error.to_string().contains("precision = eight"), "{error}");
    }
}
