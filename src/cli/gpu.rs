//! Flags that choose the adapter, the same for every command that computes.

use crate::{
    error::Result,
    gpu::{AdapterChoice, BackendName, Gpu},
};
use clap::Args;

/// Which adapter to use.
#[derive(Args, Clone, Debug, Default)]
pub struct GpuArgs {
    /// Adapter by index or part of its name (see `nf-gpu devices`)
    #[arg(long, value_name = "NAME|INDEX")]
    pub adapter: Option<String>,
    /// Only adapters of this backend
    #[arg(long, value_enum)]
    pub backend: Option<BackendName>,
    /// Fail rather than use a software adapter
    #[arg(long)]
    pub require_gpu: bool,
}

impl GpuArgs {
    /// The choice as the library takes it.
    #[must_use]
    pub fn choice(&self) -> AdapterChoice {
        AdapterChoice {
            adapter: self.adapter.clone(),
            backend: self.backend,
            require_gpu: self.require_gpu,
        }
    }

    /// Opens the adapter, with one visible line where it is a software one.
    ///
    /// # Errors
    /// No adapter fits.
    #[expect(clippy::print_stderr, reason = "a message for the user")]
    pub fn open(&self, quiet: bool) -> Result<Gpu> {
        let gpu = Gpu::open(&self.choice())?;
        if gpu.report().is_software() && !quiet {
            eprintln!(
                "software adapter: {}; slow, a GPU's driver would be many times faster",
                gpu.report().line()
            );
        }
        Ok(gpu)
    }
}
