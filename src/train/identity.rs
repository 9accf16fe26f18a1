//! Facts on which the numbers of a run depend: a run is resumed only if none of them has changed.

use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// A fact that checkpoints of earlier versions lack, which go on all the same.
pub(super) const IMAGES: &str = "training images";

/// Named facts, such as `lr` and its value, or `adapter` and its name and driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity(BTreeMap<String, Value>);

impl Identity {
    /// Those settings of a run that are facts.
    pub(super) fn of(settings: &impl Serialize, is_fact: impl Fn(&str) -> bool) -> Self {
        // Settings are texts, numbers and paths, and paths that are no Unicode are refused: the conversion cannot fail and
        // gives an object.
        let Ok(Value::Object(all)) = serde_json::to_value(settings) else {
            return Self(BTreeMap::new());
        };
        let set = all.into_iter().filter(|(name, value)| {
            // A setting without a value counts as absent, so that later versions can add settings.
            is_fact(name) && !value.is_null()
        });
        Self(set.collect())
    }

    /// Adds a fact.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a fact, if there is a value.
    #[must_use]
    pub(super) fn with_any(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The facts as one line of JSON.
    pub(super) fn text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// Refuses a file that belongs to another run. `text` holds the facts in the file at `path`.
    pub(super) fn check(&self, text: &str, path: &Path) -> Result<()> {
        let hint = "give back what the run began with, or begin anew in another folder";
        let Ok(then) = serde_json::from_str::<BTreeMap<String, Value>>(text) else {
            return Err(Error::format(path, "it does not say what run it is of", hint));
        };
        let mut names: Vec<&String> = then.keys().chain(self.0.keys()).collect();
        names.sort();
        names.dedup();
        let say = |value: Option<&Value>| match value {
            None => "not set".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let differences: Vec<String> = names
            .into_iter()
            .filter(|&name| then.get(name) != self.0.get(name))
            .filter(|&name| name != IMAGES || then.contains_key(name))
            .map(|name| {
                format!("{name} was {}, now {}", say(then.get(name)), say(self.0.get(name)))
            })
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        let what = format!("it is of another run: {}", differences.join("; "));
        Err(Error::format(path, what, hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Settings {
        lr: f64,
        steps: Option<u64>,
        out: &'static str,
    }

    #[test]
    fn a_difference_is_named_with_both_values_and_free_settings_are_free() {
        let of = |lr, steps, out| {
            Identity::of(&Settings { lr, steps, out }, |name| name != "out")
                .with("adapter", "llvmpipe")
        };
        let (then, path) = (of(0.1, None, "a").text(), Path::new("c"));
        of(0.1, None, "b").check(&then, path).unwrap();
        let error = of(0.25, Some(3), "a").with("adapter", "other").check(&then, path).unwrap_err();
        assert_eq!(
            error.to_string(),
            "c: it is of another run: adapter was llvmpipe, now other; lr was 0.1, now 0.25; steps was \
             not set, now 3"
        );
        // A checkpoint of an earlier version does not say how many images there were.
        let now = of(0.1, None, "a").with(IMAGES, 100);
        now.check(&then, path).unwrap();
        assert!(now.check(&of(0.1, None, "a").with(IMAGES, 99).text(), path).is_err());
        let error = of(0.1, None, "a").check("resnet20 for nothing", path).unwrap_err();
        assert!(error.to_string().contains("does not say"), "{error}");
    }
}
