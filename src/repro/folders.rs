//! The folders of a queue: claims single cells and networks in them for one process, so that several processes can
//! share a queue, and refuses to mix results.

use super::{plan::QueuePlan, settings::ReproSettings};
use crate::{
    error::{Error, Result},
    files::Lock,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Files of the results.
pub(super) const JSON: &str = "results.json";
pub(super) const MARKDOWN: &str = "results.md";

/// Claims files and folders that are to be made, or none of them: `None` if another process has claimed one. A claim
/// ends when it is dropped, or with its process, however that ends.
pub(super) fn claimed(made: &[PathBuf]) -> Result<Option<Vec<Lock>>> {
    let mut locks = Vec::new();
    for path in made {
        match locked(path) {
            Ok(lock) => locks.push(lock),
            Err(Error::Busy { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(locks))
}

/// Claims one file or folder that is to be written; its lock stands beside it.
///
/// # Errors
/// [`Error::Busy`]: another process has claimed it. [`Error::Write`].
fn locked(path: &Path) -> Result<Lock> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lock = path.with_file_name(format!(".{name}.lock"));
    lock.parent().map_or(Ok(()), make_folder)?;
    Lock::take(lock, path)
}

/// Claims the results for as long as they are read and written again, and waits while another process does so.
pub(super) fn results_claimed(settings: &ReproSettings, stop: &dyn Fn() -> bool) -> Result<Lock> {
    loop {
        match locked(&settings.out.join(JSON)) {
            Err(Error::Busy { .. }) if !stop() => std::thread::sleep(Duration::from_millis(20)),
            claimed => return claimed,
        }
    }
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
