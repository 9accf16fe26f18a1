//! Typed access to what a weights file says about itself.

use std::str::FromStr;

use super::Weights;
use crate::error::{Error, Result};

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

impl Normalisation {
    /// Checks that values from 0 to 1 can have this mean and deviation.
    ///
    /// # Errors
    /// What is wrong, and as a hint what was probably meant: statistics of values from 0 to 255 or from -1 to
    /// 1, reciprocals of deviations, or numbers that were divided twice.
    pub fn of(mean: [f32; 3], std: [f32; 3]) -> std::result::Result<Self, (String, String)> {
        Self::check(&mean, &std).map(|()| Self { mean, std })
    }

    /// Checks that values from 0 to 1 can have these means and deviations, one of each per channel.
    ///
    /// # Errors
    /// Those of [`Self::of`].
    pub fn check(mean: &[f32], std: &[f32]) -> std::result::Result<(), (String, String)> {
        let each = |v: &[f32], f: &dyn Fn(f32) -> f32| v.iter().map(|&x| f(x)).collect::<Vec<_>>();
        let list = |v: &[f32]| {
            let rounded = v.iter().map(|x| ((x * 1e6).round() / 1e6).to_string());
            rounded.collect::<Vec<_>>().join(",")
        };
        let wrong = |what: &str, mean: &[f32], std: &[f32], of: &str| {
            let (mean, std) = (list(mean), list(std));
            Err((what.to_owned(), format!("{of}: --input-mean {mean} --input-std {std}")))
        };
        let any = |v: &[f32], bad: fn(f32) -> bool| v.iter().any(|&x| bad(x));
        if any(mean, |m| !m.is_finite()) || any(std, |s| !s.is_finite() || s <= 0.0) {
            let what = format!("{mean:?} and {std:?}");
            return Err((
                what,
                "means and standard deviations are numbers, the latter positive".into(),
            ));
        }
        // A deviation of exactly 1 means that values are not scaled; with a mean of bytes it is one of bytes.
        let bytes = any(mean, |m| m > 1.0);
        if bytes || any(std, |s| s > LARGEST_MULTIPLE) {
            let divided = |v: f32, divide: bool| if divide { v / 255.0 } else { v };
            let mean = each(mean, &|m| divided(m, bytes));
            let std = each(std, &|s| divided(s, s >= 1.0));
            let what = "mean and deviation are of values from 0 to 1, not of bytes from 0 to 255";
            return wrong(what, &mean, &std, "divided by 255 they are");
        }
        if any(mean, |m| m < 0.0) {
            let what = "a mean below 0 is none of values from 0 to 1";
            let (mean, std) = (each(mean, &|m| (m + 1.0) / 2.0), each(std, &|s| s / 2.0));
            return wrong(what, &mean, &std, "if they are of values from -1 to 1, then");
        }
        if any(std, |s| s > 1.0) {
            let what = "values from 0 to 1 do not deviate by more than 1";
            let std = each(std, &|s| if s > 1.0 { 1.0 / s } else { s });
            return wrong(what, mean, &std, "if these are what is multiplied with, then");
        }
        if any(std, |s| s < 0.5 / 255.0) {
            let what = "a deviation is less than half a grey level";
            let times = |v: &[f32]| each(v, &|x| x * 255.0);
            let mean = if any(mean, |m| m > 1.0 / 255.0) { mean.to_vec() } else { times(mean) };
            return wrong(what, &mean, &times(std), "if they were divided by 255 twice, then");
        }
        Ok(())
    }
}

/// Largest number that can be the reciprocal of an image set's deviation; larger ones are deviations of bytes.
const LARGEST_MULTIPLE: f32 = 12.0;

impl Weights {
    /// The text under a metadata key.
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The value under a metadata key, such as a seed or a precision; `None` without the key.
    ///
    /// # Errors
    /// [`Error::Format`] for text that is no `T`.
    pub fn meta_as<T: FromStr>(&self, key: &str) -> Result<Option<T>> {
        self.meta(key).map(|text| text.trim().parse().map_err(|_| self.odd(key, text))).transpose()
    }

    /// The finite numbers under a metadata key: `0.485,0.456,0.406`, or a JSON list of them.
    ///
    /// # Errors
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
    /// [`Error::Format`] for a mean without a deviation or a deviation without a mean, for numbers that values
    /// from 0 to 1 cannot have, and for an `input` that says something else than `[-1,1]` without the numbers
    /// to do it: guessing would give a network that runs and answers nonsense.
    pub fn normalisation(&self) -> Result<Option<Normalisation>> {
        let three = |key| match self.meta_list(key)? {
            None => Ok(None),
            Some(list) => match list[..] {
                [r, g, b] => Ok(Some([r, g, b])),
                _ => Err(self.odd(key, &format!("{list:?}"))),
            },
        };
        match (three("input_mean")?, three("input_std")?) {
            (Some(mean), Some(std)) => {
                Normalisation::of(mean, std).map(Some).map_err(|(what, hint)| {
                    let what = format!("its input_mean and input_std: {what}");
                    Error::format(self.name(), what, hint)
                })
            }
            (None, None) => match self.meta("input") {
                None => Ok(None),
                Some(text) if text.replace(' ', "") == "[-1,1]" => Ok(None),
                Some(text) => Err(self.odd("input", text)),
            },
            (None, Some(std)) => Err(self.odd("input_std", &format!("{std:?}"))),
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

    /// The name of the network: the `typed` one, else the file's.
    ///
    /// # Errors
    /// [`Error::Format`] if neither is there; the hint lists the `known` names for the flag.
    pub(crate) fn network(
        &self,
        typed: Option<&String>,
        flag: &str,
        known: &[&str],
    ) -> Result<String> {
        let name = typed.map(String::as_str).or_else(|| self.meta("model"));
        name.map(str::to_owned).ok_or_else(|| {
            let hint = format!("name it with {flag}: {}", known.join(", "));
            Error::format(self.name(), "the file does not say which network it holds", hint)
        })
    }

    /// Names of the classes that the network was trained to tell apart, in the order of its outputs.
    ///
    /// # Errors
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
            &[("input_mean", "103,116,123"), ("input_std", "1,1,1")],
            &[("input_mean", "1,2"), ("input_std", "1,2")],
            &[("input", "x/255 normalised with mean 0.485")],
        ] {
            let error = with(odd).normalisation().unwrap_err();
            assert!(error.hint().unwrap().contains("--input-mean"), "{error}");
        }
        let zero = with(&[("input_mean", "0,0,0"), ("input_std", "1,0,1")]);
        assert!(zero.normalisation().unwrap_err().hint().unwrap().contains("positive"));
    }

    #[test]
    fn a_normalisation_of_other_values_is_refused_with_what_was_meant() {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        // Nothing, the whole range, a 0..255 network, and what data sets have.
        for (mean, std) in [
            ([0.0; 3], [1.0; 3]),
            ([0.5; 3], [0.5; 3]),
            ([103.939 / 255.0, 116.779 / 255.0, 123.68 / 255.0], [1.0 / 255.0; 3]),
            (mean, std),
            ([1.0; 3], [1.0; 3]),
        ] {
            assert_eq!(Normalisation::of(mean, std), Ok(Normalisation { mean, std }));
        }
        let times = |v: [f32; 3], by: f32| v.map(|x| x * by);
        for (mean, std, meant) in [
            (
                [125.3, 123.0, 113.9],
                [63.0, 62.1, 66.7],
                "0.491373,0.482353,0.446667 --input-std 0.247059,0.243529,0.261569",
            ),
            (
                [125.3, 123.0, 113.9],
                [0.247, 0.2435, 0.2616],
                "0.491373,0.482353,0.446667 --input-std 0.247,0.2435,0.2616",
            ),
            (
                [0.4914, 0.4822, 0.4465],
                [63.0, 62.1, 66.7],
                "0.4914,0.4822,0.4465 --input-std 0.247059,0.243529,0.261569",
            ),
            (
                [103.939, 116.779, 123.68],
                [1.0; 3],
                "0.407604,0.457957,0.48502 --input-std 0.003922,0.003922,0.003922",
            ),
            (
                times(mean, 2.0).map(|m| m - 1.0),
                times(std, 2.0),
                "0.485,0.456,0.406 --input-std 0.229,0.224,0.225",
            ),
            (mean, std.map(|s| 1.0 / s), "0.485,0.456,0.406 --input-std 0.229,0.224,0.225"),
            (
                times(mean, 1.0 / 255.0),
                times(std, 1.0 / 255.0),
                "0.485,0.456,0.406 --input-std 0.229,0.224,0.225",
            ),
        ] {
            let (_, hint) = Normalisation::of(mean, std).unwrap_err();
            assert!(hint.ends_with(&format!("--input-mean {meant}")), "{mean:?}: {hint}");
        }
        // As many numbers are meant as were given.
        let (_, hint) = Normalisation::check(&[33.3285], &[78.5655]).unwrap_err();
        assert!(hint.ends_with("--input-mean 0.1307 --input-std 0.3081"), "{hint}");
        for (mean, std) in
            [([f32::NAN; 3], [1.0; 3]), ([0.0; 3], [0.0; 3]), ([0.0; 3], [f32::INFINITY; 3])]
        {
            assert!(Normalisation::of(mean, std).unwrap_err().1.contains("positive"));
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
