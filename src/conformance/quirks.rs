//! Known mistakes of drivers, listed in `quirks.toml`.

use crate::{
    error::{Error, Result},
    fault::matches,
    files::toml_problem,
    gpu::AdapterReport,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The list that is embedded in the program.
const LIST: &str = include_str!("quirks.toml");

/// Cases that fail on an adapter although the kernel is right. Every pattern is a glob.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quirk {
    /// Names of adapters.
    pub adapter: String,
    /// Drivers and their versions.
    pub driver: String,
    /// Backends.
    #[serde(default = "any")]
    pub backend: String,
    /// Kernels.
    pub kernel: String,
    /// Their variants.
    #[serde(default = "any")]
    pub variant: String,
    /// Labels of cases.
    #[serde(default = "any")]
    pub case: String,
    /// What goes wrong.
    pub reason: String,
    /// Where it was reported.
    pub link: String,
}

fn any() -> String {
    "*".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    quirk: Vec<Quirk>,
}

impl Quirk {
    /// Path of the embedded list in the repository.
    pub const FILE: &str = "src/conformance/quirks.toml";

    /// The list that is embedded in the program.
    pub fn known() -> Result<Vec<Self>> {
        Self::parse(Self::FILE, LIST)
    }

    /// A list in the form of `quirks.toml`; `file` names it in messages.
    ///
    /// # Errors
    /// [`Error::Format`]: the text is not a list of quirks, or a quirk has no reason or no link.
    pub fn parse(file: impl AsRef<Path>, text: &str) -> Result<Vec<Self>> {
        let hint = "every [[quirk]] has adapter, driver, kernel, reason and link, and may have \
                    backend, variant and case";
        let wrong = |what: String| Error::format(&file, what, hint);
        let list: List = toml::from_str(text).map_err(|e| wrong(toml_problem(text, &e)))?;
        for quirk in &list.quirk {
            for (field, value) in [("reason", &quirk.reason), ("link", &quirk.link)] {
                if value.trim().is_empty() {
                    return Err(wrong(format!("a quirk of {} has no {field}", quirk.kernel)));
                }
            }
        }
        Ok(list.quirk)
    }

    /// Whether the quirk applies to an adapter.
    pub fn is_of(&self, adapter: &AdapterReport) -> bool {
        matches(&self.adapter, &adapter.name)
            && matches(&self.driver, &adapter.driver)
            && matches(&self.backend, &adapter.backend)
    }

    /// Whether the quirk covers a case.
    pub fn covers(&self, kernel: &str, variant: &str, case: &str) -> bool {
        matches(&self.kernel, kernel)
            && matches(&self.variant, variant)
            && matches(&self.case, case)
    }

    /// Whether the quirk may cover cases of a kernel.
    pub fn names(&self, kernel: &str) -> bool {
        matches(&self.kernel, kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_one_and_mistakes_in_a_list_are_named() {
        Quirk::known().unwrap();
        let good = "[[quirk]]\nadapter = \"A*\"\ndriver = \"*\"\nkernel = \"conv2d*\"\n\
                    reason = \"r\"\nlink = \"l\"\n";
        let quirk = &Quirk::parse("q", good).unwrap()[0];
        assert!(quirk.covers("conv2d", "tile", "any") && !quirk.covers("add", "plain", "any"));
        assert!(quirk.names("conv2d_grad_weight"));
        for (bad, says) in [
            (good.replace("link = \"l\"", ""), "line 1: missing field `link`"),
            (good.replace("\"r\"", "\" \""), "no reason"),
            (good.replace("driver", "drivers"), "line 3: unknown field `drivers`"),
            (good.replace("[[quirk]]", "[[quirks]]"), "quirks"),
        ] {
            let error = Quirk::parse("q", &bad).unwrap_err();
            assert!(error.to_string().contains(says) && error.hint().is_some(), "{error}");
        }
    }
}
