//! The settings that an artefact was made with, and whether they are the wanted ones.

use crate::{
    error::{Error, Result},
    files::{atomic, read_text, toml_problem},
    train::is_of_no_matter,
};
use serde::Serialize;
use std::path::Path;
use toml::{Table, Value};

/// Settings as a table, sorted by name.
pub(super) fn table(settings: &impl Serialize) -> Result<Table> {
    Table::try_from(settings).map_err(|e| Error::Shape(format!("settings as TOML: {e}")))
}

/// Writes a recipe.
pub(super) fn save(path: &Path, recipe: &Table) -> Result<()> {
    atomic::write(path, format!("# nf-gpu repro ({})\n{recipe}", env!("NF_COMMIT")))
}

/// Refuses an artefact that was made under other settings; `path` holds its recipe.
pub(super) fn check(path: &Path, wanted: &Table) -> Result<()> {
    let text = read_text(path)?;
    let hint = "use another --out (or --artefacts), or delete what was made before";
    let there: Table = toml::from_str(&text).map_err(|e| {
        Error::format(path, format!("no settings: {}", toml_problem(&text, &e)), hint)
    })?;
    let differences = differences(&there, wanted);
    if differences.is_empty() {
        return Ok(());
    }
    let what = format!("it was made under other settings: {}", differences.join("; "));
    Err(Error::format(path, what, hint))
}

/// The settings that matter and differ, each such as `epochs 3 there, 150 wanted`.
fn differences(there: &Table, wanted: &Table) -> Vec<String> {
    let say = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let mut names: Vec<&String> = there.keys().chain(wanted.keys()).collect();
    names.sort();
    names.dedup();
    // The table `kernels` records the kernel variants of a run; it is not a setting.
    names.retain(|name| name.as_str() != "kernels" && !is_of_no_matter(name));
    // Where steps are given, epochs are ignored.
    if there.contains_key("steps") && wanted.contains_key("steps") {
        names.retain(|name| *name != "epochs");
    }
    // Settings without a `dtype` mean f32.
    let f32 = Value::from("f32");
    let value = |of: &Table, name: &str| match of.get(name) {
        None if name == "dtype" => Some(f32.clone()),
        value => value.cloned(),
    };
    let differ = names.into_iter().filter(|&name| value(there, name) != value(wanted, name));
    differ
        .map(|name| {
            format!("{name} {} there, {} wanted", say(there.get(name)), say(wanted.get(name)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_must_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let recipe = |text: &str| -> Table { toml::from_str(text).unwrap() };
        save(&path, &recipe("epochs = 3\nlr = 0.1\nout = 'x'\n[kernels]\na = 'b'")).unwrap();
        check(&path, &recipe("epochs = 3\nlr = 0.1\nout = 'elsewhere'\nimages = 5")).unwrap();
        let error = check(&path, &recipe("epochs = 150\nlr = 0.1\nseed = 1")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("epochs 3 there, 150 wanted; seed nothing there, 1 wanted"),
            "{text}"
        );
        assert!(error.hint().unwrap().contains("another --out"));
        save(&path, &recipe("epochs = 3\nsteps = 7")).unwrap();
        check(&path, &recipe("epochs = 4\nsteps = 7")).unwrap();
        assert!(check(&path, &recipe("epochs = 3")).is_err());
        let (silent, single, half) =
            ("seed = 1", "seed = 1\ndtype = 'f32'", "seed = 1\ndtype = 'f16'");
        for (there, wanted, same) in [
            (silent, single, true),
            (single, silent, true),
            (half, silent, false),
            (silent, half, false),
        ] {
            save(&path, &recipe(there)).unwrap();
            assert_eq!(check(&path, &recipe(wanted)).is_ok(), same, "{there}, {wanted}");
        }
    }
}
