//! Flags that choose the adapter, the same for every command that computes.

use super::{host::Host, interrupt, terminal};
use crate::{
    error::{Error, Result},
    gpu::{AdapterChoice, BackendName, assigned},
    kernels::{
        desc::{KernelDesc, Variant},
        list,
    },
    nn::Algorithm,
    ranks::{Launch, launched},
    report::Event,
    run::{Gpu, Tuning},
    tuning::{CacheFolder, Store},
};
use clap::{Args, ValueEnum};
use std::{ffi::OsString, sync::Arc, time::Duration};

/// The environment variable through which tests cause a fault of the GPU, as in `lose@submit:17`.
const TROUBLE: &str = "NF_GPU_TROUBLE";

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
    /// The flags in the form that the library takes.
    pub fn choice(&self) -> AdapterChoice {
        AdapterChoice {
            adapter: self.adapter.clone(),
            backend: self.backend,
            require_gpu: self.require_gpu,
        }
    }

    /// The same for this process, if it is one of several on this machine: each takes a card of its own.
    fn own_choice(&self) -> Result<AdapterChoice> {
        let choice = self.choice();
        let Some(Launch { local: (rank, _), .. }) = launched() else { return Ok(choice) };
        let own = assigned(&choice, rank + 1)?.pop();
        Ok(AdapterChoice { adapter: own.map(|own| own.index.to_string()), ..choice })
    }

    /// Opens the adapter. A line tells the user if it is a software adapter.
    pub fn open(&self, quiet: bool) -> Result<Gpu> {
        let mut gpu = Gpu::open_at(&self.own_choice()?, CacheFolder::of_user().as_ref())?;
        // Tests inject faults, to see how the program recovers.
        if let Some(trouble) = std::env::var_os(TROUBLE).filter(|text| !text.is_empty()) {
            gpu.sabotage(Arc::new(trouble.to_string_lossy().parse()?));
        }
        if let Some(line) = software(&gpu).filter(|_| !quiet) {
            terminal::say(&line);
        }
        Ok(gpu)
    }
}

/// Which adapter to use, and which variants of kernels on it.
#[derive(Args, Clone, Debug, Default)]
pub struct ComputeArgs {
    #[command(flatten)]
    adapter: GpuArgs,
    /// Use a variant of a kernel wherever it can run, as in conv2d=plain, or an algorithm:
    /// convolution=direct, convolution=winograd or convolution=winograd4 (of a generator only its gradients)
    #[arg(long, value_name = "KERNEL=VARIANT", value_delimiter = ',')]
    kernel_variant: Vec<String>,
}

impl ComputeArgs {
    /// Opens the adapter; kernels run in the given variants, else in the default ones.
    pub fn open(&self, quiet: bool) -> Result<Gpu> {
        let of_algorithm = |text: &&String| text.split('=').next() == Some(Algorithm::SUBJECT);
        let algorithms = self.kernel_variant.iter().filter(of_algorithm);
        let algorithms = algorithms.map(|text| algorithm(text)).collect::<Result<Vec<_>>>()?;
        let variants = self.kernel_variant.iter().filter(|text| !of_algorithm(text));
        let variants = variants.map(|text| variant(text)).collect::<Result<Vec<_>>>()?;
        let mut gpu = self.adapter.open(quiet)?;
        for (kernel, variant) in variants {
            can_run(&gpu, kernel, variant)?;
            gpu.prefer(kernel.name, variant.name);
        }
        for algorithm in algorithms {
            gpu.prefer(Algorithm::SUBJECT, algorithm.name());
        }
        Ok(gpu)
    }
}

/// The same for commands that run long enough to measure first which variants are fastest.
#[derive(Args, Clone, Debug, Default)]
pub struct TunedArgs {
    #[command(flatten)]
    compute: ComputeArgs,
    /// Do not measure which variants of kernels are fastest here (`NF_GPU_NO_TUNE=1` says the same)
    #[arg(long)]
    no_tune: bool,
}

impl GpuArgs {
    /// Opens the adapter for a caller, who is told if it is a software adapter.
    pub(super) fn open_for(&self, host: &mut Host<'_>) -> Result<Gpu> {
        let gpu = self.open(true)?;
        told(gpu, host)
    }
}

/// Tells a caller if an adapter is a software adapter.
fn told(gpu: Gpu, host: &mut Host<'_>) -> Result<Gpu> {
    if let Some(line) = software(&gpu) {
        host.sink.event(&Event::Note(line))?;
    }
    Ok(gpu)
}

/// A line about a software adapter.
fn software(gpu: &Gpu) -> Option<String> {
    gpu.report().is_software().then(|| {
        let line = gpu.report().line();
        format!("software adapter: {line}; slow, a GPU's driver would be many times faster")
    })
}

/// Approximate limit on the time that one process spends on measurements.
pub(super) const TUNING_BUDGET: Duration = Duration::from_secs(60);
/// The same for a run of a minute or two, which would not gain what more would cost. The next one goes on measuring.
pub(super) const BRIEF_BUDGET: Duration = Duration::from_secs(5);

impl TunedArgs {
    /// Opens the adapter, and the user's file of measurements for it.
    pub fn open(&self, quiet: bool) -> Result<Gpu> {
        self.open_within(TUNING_BUDGET, quiet)
    }

    /// The same with another limit on measuring.
    pub(super) fn open_within(&self, budget: Duration, quiet: bool) -> Result<Gpu> {
        self.open_and_ask(quiet, interrupt::pressed, budget)
    }

    /// Opens the adapter for a caller, who is told if it is a software adapter.
    pub(super) fn open_for(&self, budget: Duration, host: &mut Host<'_>) -> Result<Gpu> {
        let gpu = self.open_and_ask(true, host.stop, budget)?;
        told(gpu, host)
    }

    /// These flags as they are typed.
    pub(super) fn line(&self) -> Vec<OsString> {
        let Self { compute: ComputeArgs { adapter, kernel_variant }, no_tune } = self;
        let backend = adapter.backend.and_then(|backend| backend.to_possible_value());
        let mut line: Vec<OsString> = Vec::new();
        line.extend(adapter.adapter.iter().map(|name| format!("--adapter={name}").into()));
        line.extend(backend.map(|backend| format!("--backend={}", backend.get_name()).into()));
        line.extend(adapter.require_gpu.then(|| "--require-gpu".into()));
        line.extend(kernel_variant.iter().map(|text| format!("--kernel-variant={text}").into()));
        line.extend(no_tune.then(|| "--no-tune".into()));
        line
    }

    fn open_and_ask(&self, quiet: bool, stop: fn() -> bool, budget: Duration) -> Result<Gpu> {
        let mut gpu = self.compute.open(quiet)?;
        let told = std::env::var_os("NF_GPU_NO_TUNE").is_some_and(|v| !v.is_empty() && v != "0");
        if self.no_tune || told {
            return Ok(gpu);
        }
        let adapter = gpu.report().line();
        let (store, problem) = match CacheFolder::of_user() {
            Some(place) => place.store(&adapter),
            None => (Store::in_memory(), Some("measurements are not kept: no cache folder".into())),
        };
        let say = move |line: &str| {
            if !quiet {
                terminal::say(line);
            }
        };
        if let Some(problem) = problem {
            say(&problem);
        }
        gpu.tune(Tuning { store, budget, say: Box::new(say), stop });
        Ok(gpu)
    }
}

/// The algorithm that `convolution=NAME` names.
fn algorithm(text: &str) -> Result<Algorithm> {
    let name = text.split_once('=').map_or("", |(_, name)| name);
    let found = Algorithm::ALL.into_iter().find(|a| a.name() == name);
    found.ok_or_else(|| Error::unknown("algorithm", name, Algorithm::ALL.map(Algorithm::name)))
}

/// The kernel and the variant that `KERNEL=VARIANT` names.
fn variant(text: &str) -> Result<(&'static KernelDesc, &'static Variant)> {
    let tunable = || list::kernels().filter(|kernel| kernel.variants.len() > 1);
    let Some((kernel, name)) = text.split_once('=') else {
        let known: Vec<_> =
            tunable().map(|k| format!("{}={}", k.name, k.variants[0].name)).collect();
        let hint = format!("write KERNEL=VARIANT, as in {}", known.join(" or "));
        return Err(Error::argument("--kernel-variant", format!("{text:?} has no ="), hint));
    };
    let found = list::kernels().find(|k| k.name == kernel);
    let found = found.ok_or_else(|| Error::unknown("kernel", kernel, tunable().map(|k| k.name)))?;
    let variant =
        found.variants.iter().find(|v| v.name == name).ok_or_else(|| {
            Error::unknown("variant", name, found.variants.iter().map(|v| v.name))
        })?;
    Ok((found, variant))
}

/// Refuses a variant that the adapter cannot run.
fn can_run(gpu: &Gpu, kernel: &KernelDesc, variant: &Variant) -> Result<()> {
    let lacks: Vec<_> = variant.workgroups.iter().map(|&size| gpu.lacks(variant, size)).collect();
    let Some(Some(reason)) = lacks.iter().find(|_| lacks.iter().all(Option::is_some)) else {
        return Ok(());
    };
    let runs = |v: &&Variant| v.workgroups.iter().any(|&size| gpu.lacks(v, size).is_none());
    let others: Vec<&str> = kernel.variants.iter().filter(runs).map(|v| v.name).collect();
    Err(Error::argument(
        "--kernel-variant",
        format!("{} {} needs {reason} ({})", kernel.name, variant.name, gpu.report().line()),
        format!("this adapter runs {}", others.join(", ")),
    ))
}
