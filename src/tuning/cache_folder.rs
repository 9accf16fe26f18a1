//! Where the files lie: in the user's cache folder, which anybody may delete at any time.

use super::{PipelineFile, Store, sources};
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The folder of the program's caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFolder {
    root: PathBuf,
}

impl CacheFolder {
    /// `nf-gpu` in the user's cache folder: `$XDG_CACHE_HOME` where it is set, else
    /// `%LOCALAPPDATA%`, `~/Library/Caches` or `~/.cache`. `None` where none of these is known.
    pub fn of_user() -> Option<Self> {
        let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|p| p.is_absolute());
        let given = |name: &str| env::var_os(name).and_then(absolute);
        let home = || env::home_dir().filter(|home| home.is_absolute());
        let caches = given("XDG_CACHE_HOME").or_else(|| match env::consts::OS {
            "windows" => given("LOCALAPPDATA"),
            "macos" => Some(home()?.join("Library/Caches")),
            _ => Some(home()?.join(".cache")),
        })?;
        Some(Self::at(caches.join("nf-gpu")))
    }

    /// A given folder in place of the user's.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Path of the measurements on an adapter, `tuning/*.json`; `adapter` names it with its backend
    /// and driver.
    pub fn tuning(&self, adapter: &str) -> PathBuf {
        self.root.join("tuning").join(format!("{}.json", sources([adapter])))
    }

    /// The measurements in the file of [`Self::tuning`], and what is wrong with the file, if
    /// something is.
    pub fn store(&self, adapter: &str) -> (Store, Option<String>) {
        Store::open(self.tuning(adapter), adapter)
    }

    /// The file of an adapter's compiled pipelines: `pipelines/*.bin`.
    pub fn pipelines(&self, adapter: &str) -> PipelineFile {
        let name = format!("{}.bin", sources([adapter]));
        PipelineFile::at(self.root.join("pipelines").join(name))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_adapter_and_driver_has_files_of_its_own_that_stay_the_same() {
        let place = CacheFolder::at("/c");
        let a = place.tuning("llvmpipe (vulkan, Mesa 22.3.6)");
        assert_eq!(a, place.tuning("llvmpipe (vulkan, Mesa 22.3.6)"));
        assert_ne!(a, place.tuning("llvmpipe (vulkan, Mesa 26.1.6)"));
        assert_ne!(a, place.tuning("llvmpipe (gl, Mesa 22.3.6)"));
        // The names of files must not change: files of earlier versions must be found.
        let known = place.tuning("adapter");
        assert_eq!(known.file_name().unwrap(), "05611f8318a2f36a.json");
    }
}
