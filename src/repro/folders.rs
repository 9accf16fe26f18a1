//! The folders of a queue: claims them for one process, and refuses to mix results in them.

use super::{plan::QueuePlan, settings::ReproSettings};
use crate::{
    error::{Error, Result},
    files::Lock,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files of the results.
pub(super) const JSON: &str = "results.json";
pub(super) const MARKDOWN: &str = "results.md";

/// Locks the folders of results and of artefacts for this process.
pub(super) fn claimed(settings: &ReproSettings) -> Result<Vec<Lock>> {
    let mut folders = vec![&settings.out, &settings.artefacts];
    folders.dedup();
    let lock = |folder: &PathBuf| {
        make_folder(folder)?;
        Lock::take(folder.join(".lock"), folder)
    };
    folders.into_iter().map(lock).collect()
}

/// Refuses a folder with the results of another table.
pub(super) fn unmixed(plan: &QueuePlan, settings: &ReproSettings) -> Result<()> {
    let path = settings.out.join(JSON);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
    let there: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match there["table"].as_str() {
        Some(table) if table != plan.table.name => {
            let what = format!("{} holds the results of {table}", settings.out.display());
            let hint = "give each table a folder; with --artefacts they share networks";
            Err(Error::argument("--out", what, hint))
        }
        Some(_) if there["smoke"] != settings.smoke || there["dataset"] != plan.dataset_name => {
            let of = if there["smoke"] == true { "a smoke test" } else { "real networks" };
            let dataset = there["dataset"].as_str().unwrap_or("another data set");
            let out = settings.out.display();
            let what = format!("{out} holds the results of {of} on {dataset}");
            Err(Error::argument("--out", what, "give this run a folder of its own"))
        }
        _ => Ok(()),
    }
}

/// Refuses a folder of given base networks that has none of those in the plan.
pub(super) fn given_bases(plan: &QueuePlan, settings: &ReproSettings) -> Result<()> {
    let Some(folder) = &settings.bases else { return Ok(()) };
    let file = |model: &String| format!("{model}-{}.safetensors", plan.dataset_name);
    let names: Vec<String> = plan.bases.iter().map(file).collect();
    if names.iter().any(|name| folder.join(name).exists()) {
        return Ok(());
    }
    let what = format!("{} has no base network of these cells", folder.display());
    Err(Error::argument("--bases", what, format!("it must hold {}", names.join(" or "))))
}

/// Makes a folder and its parents.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::write(path, e))
}
