//! NeuralFuse on any GPU: hand-written WGSL kernels with a thin wgpu host.
//!
//! A small generator network in front of a frozen classifier keeps its accuracy when low-voltage SRAM flips bits of
//! the classifier's stored weights (`NeurIPS` 2024, arXiv 2306.16869). The library does what the `nf-gpu` command does, with
//! the same names, defaults and errors, and prints nothing. This page lists its front door; everything behind it may change
//! from version to version.
//!
//! | to | call |
//! |---|---|
//! | open a device | [`Gpu::open`] |
//! | train a generator | [`train`] with a [`TrainConfig`] |
//! | train a base network | [`pretrain`] with a [`PretrainConfig`] |
//! | measure accuracies under faults | [`evaluate`] with an [`EvalConfig`] |
//! | draw faults, read a network as it is with them | [`Faults`], [`faulty_weights`] |
//! | count energy | [`OperatingPoints`], [`EnergyCost`] |
//! | make a page of results | [`Page::save`] |
//!
//! Train for one faulty chip, evaluate, and make a page:
//!
//! ```
//! use nf_gpu::{AdapterChoice, EvalConfig, Gpu, Page, Source, TrainConfig, evaluate, train};
//! # fn main() -> nf_gpu::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let (run, page) = (folder.path().join("run"), folder.path().join("page.html"));
//! let gpu = Gpu::open(&AdapterChoice::default())?;
//! let base = "models/vgg-small-fashion.safetensors";
//! let mut flags = format!("--base {base} --generator ConvS --chip 1 --ber 0.01 --images 10");
//! # flags += " --steps 1 --batch-size 2"; // here as short as can be
//! let mut config = TrainConfig::from_flags(flags.split_whitespace().map(Into::into))?;
//! config.out = run.clone();
//! let mut events = Vec::new(); // or a sink that shows them as they come
//! let found = train(&gpu, &config, &mut events, &|| false)?;
//! println!("PA(NF): {:?} %", found.perturbed[0].accuracy_nf.as_ref().map(|a| a.mean));
//!
//! let generator = run.join("generator.safetensors");
//! let flags = format!("--base {base} --seeds 7..9 --faults stuck-at --ber 0.02 --images 10");
//! let mut config = EvalConfig::from_flags(flags.split_whitespace().map(Into::into))?;
//! config.generator = vec![generator];
//! let evaluations = evaluate(&gpu, &config, &mut events, &|| false)?;
//! assert_eq!(evaluations[0].perturbed[0].seeds, [7, 8]);
//! Page::new(&[Source::new("two chips", evaluations)], None).save(page)?;
//! # Ok(()) }
//! ```
//!
//! Faults need no GPU:
//!
//! ```
//! use nf_gpu::{BaseHints, BaseNet, Faults, FaultModel, OperatingPoints, EnergyCost, faulty_weights};
//! # fn main() -> nf_gpu::Result<()> {
//! let base = BaseNet::load("models/vgg-small-cifar10.safetensors".as_ref(), &BaseHints::default())?;
//! let faults = Faults::new(FaultModel::StuckAt, 0.01)?;
//! let read = faulty_weights((&base.graph, &base.weights), 8, &faults, 50_000)?;
//! # let folder = tempfile::tempdir().unwrap();
//! # let file = folder.path().join("faulty.safetensors");
//! read.weights.save(file)?;
//!
//! let points = OperatingPoints::built_in()?;
//! let low = points.require(0.01)?;
//! let saved = EnergyCost::of(&base.graph).energy_saving(None, low.energy_per_access);
//! assert!((saved - 30.6).abs() < 0.05); // per cent, at 0.83 of the lowest voltage without faults
//! # Ok(()) }
//! ```

#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod canvas;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod conformance;
#[doc(hidden)]
pub mod data;
#[doc(hidden)]
pub mod deploy;
#[doc(hidden)]
pub mod energy;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod eval;
#[doc(hidden)]
pub mod evaluation;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod files;
mod flags;
#[doc(hidden)]
pub mod forward;
#[doc(hidden)]
pub mod gpu;
#[doc(hidden)]
pub mod kernels;
#[doc(hidden)]
pub mod models;
#[doc(hidden)]
pub mod nn;
#[doc(hidden)]
pub mod onnx;
#[doc(hidden)]
pub mod ranks;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod repro;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod shape;
#[doc(hidden)]
pub mod step;
#[doc(hidden)]
pub mod train;
#[doc(hidden)]
pub mod tuning;
#[doc(hidden)]
pub mod words;

pub use energy::{Cost as EnergyCost, OperatingPoint, OperatingPoints};
pub use error::{Error, Result};
pub use evaluation::{EvalConfig, evaluate};
pub use fault::{FaultModel, Faults, Lot, MAX_SEED};
pub use files::Weights;
pub use gpu::{AdapterChoice, AdapterReport, list as list_adapters};
pub use nn::{FaultyWeights, Graph, faulty_weights};
pub use report::{
    Event, Sink,
    eval_json::{Document, Evaluation},
    page::{Page, Source},
};
pub use run::Gpu;
pub use train::{
    BaseHints, BaseNet, FaultArgs, Generator, GeneratorFile, PretrainConfig, TrainConfig, pretrain,
    train,
};
