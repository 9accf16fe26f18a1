//! The document of `nf-gpu bench --json`.

mod growth;
mod read;
pub(crate) mod roof;
mod settings;
mod times;

pub use growth::{Growth, GrowthPoint, PowerLaw};
pub use read::load;
pub use settings::Settings;
pub use times::Times;
pub(crate) use times::per_second;

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{error::Result, files::atomic};

/// Version of the document's format.
pub const VERSION: u32 = 1;

/// What `nf-gpu bench` measured on one adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`]; 0 for documents that were written before versions were introduced.
    #[serde(default)]
    pub version: u32,
    /// The adapter that was measured.
    pub adapter: BenchAdapter,
    /// Commit of the program.
    pub commit: String,
    /// Clock of ceilings and kernels: `gpu-timestamps`, `submit-to-idle`, or `mixed`.
    #[serde(default)]
    pub clock: String,
    /// The highest rates of the adapter.
    #[serde(default)]
    pub ceilings: Vec<Ceiling>,
    /// Kernels, one entry per shape and variant.
    #[serde(default)]
    pub cases: Vec<TimedCase>,
    /// Shares of the ceilings over many cases.
    #[serde(default)]
    pub summary: Vec<Summary>,
    /// Whole steps.
    #[serde(default)]
    pub steps: Vec<TimedStep>,
    /// How a step grows, a quantity after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<Growth>,
    /// The settings of the measurement; absent in documents that were written before they were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// The reasons to doubt the numbers, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The adapter that did the work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchAdapter {
    /// Name of the adapter.
    pub name: String,
    /// Vulkan, Metal, DX12 or GL.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `software`, `other`.
    #[serde(default)]
    pub kind: String,
    /// Features and limits, as `nf-gpu devices --json` names them.
    #[serde(flatten)]
    pub limits: BTreeMap<String, Value>,
}

/// A rate that the adapter reached on a kernel made only to measure it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// `copy`, `fma-f32`, `fma-f16`, `integer`, `cooperative-matrix`.
    pub name: String,
    /// `GB/s`, `GFLOP/s` or `Gop/s`.
    pub unit: String,
    /// The rate in that unit, at the fastest repeat.
    pub rate: f64,
    /// Variant of the kernel.
    pub variant: String,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Operations, or bytes, of one dispatch.
    pub work: u64,
    /// The clock of the times: `gpu-timestamps` or `submit-to-idle`.
    pub clock: String,
    /// Times of one dispatch.
    #[serde(flatten)]
    pub times: Times,
    /// The rate before the kernels were timed and the rate after; `rate` is the better of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<f64>,
}

/// One timed shape of one kernel with one variant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimedCase {
    #[serde(default)]
    pub kernel: String,
    /// The role of the kernel, such as `conv2d forward`.
    pub case: String,
    /// Variant of the kernel, or `winograd` for all dispatches of that algorithm together, whose operations
    /// are also counted as those of the definition.
    pub variant: String,
    /// Invocations of a workgroup; 0 for several dispatches.
    #[serde(default)]
    pub workgroup: u32,
    /// Whether networks use this variant here.
    #[serde(default = "yes")]
    pub chosen: bool,
    /// The shape, in words.
    pub shape: String,
    /// The networks that have this layer; empty for a shape that belongs to no network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Operations of one dispatch.
    pub flops: u64,
    /// Bytes of all bindings.
    #[serde(default)]
    pub bytes: u64,
    /// The clock of the times: `gpu-timestamps` or `submit-to-idle`.
    #[serde(default)]
    pub clock: String,
    /// Times of one dispatch.
    #[serde(flatten)]
    pub times: Times,
    /// Operations per second at the median, in billions.
    pub gflops: f64,
    /// Bytes per second at the median, in billions.
    #[serde(default)]
    pub gb_s: f64,
    /// Share of the rate that the roof allows at this ratio of operations to bytes. It exceeds 1 where the
    /// bindings stay in the adapter's caches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The ceiling that bounds the case, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
}

/// The rate of several cases together, weighted by their operations, and its share of a ceiling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the group of cases.
    pub name: String,
    /// Operations of all.
    pub flops: u64,
    /// Operations per second over all, in billions.
    pub gflops: f64,
    /// Share of the ceiling `fma-f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// One whole step. A report of another program gives at least name, size and times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimedStep {
    /// Description of the step, such as `EOPM ConvS + resnet20`.
    pub name: String,
    /// Images of a batch.
    pub batch: u32,
    /// Perturbed copies of the base network.
    pub copies: u32,
    /// The cut of the step that makes it fit the adapter, in words.
    pub cut: String,
    /// Wall-clock times of one step in a sequence of steps, host work included.
    #[serde(flatten)]
    pub times: Times,
    /// Images per second at the median.
    pub images_per_second: f64,
    pub dispatches: u64,
    /// Operations that are executed, as the kernels' plans state them.
    pub flops: u64,
    /// Operations of the convolutions and linear layers by their definition. Winograd executes fewer.
    pub conv_flops: u64,
    /// Milliseconds of all dispatches, each timed alone.
    pub gpu_ms: f64,
    /// Milliseconds of the convolutions' dispatches, Winograd's transforms included.
    pub conv_ms: f64,
    /// `conv_flops` per second of `conv_ms`, in billions.
    pub conv_gflops: f64,
    /// Share of the GPU time that is not convolution.
    pub rest_share: f64,
    /// GPU time outside the convolutions, divided by (`conv_flops` / 30 GFLOP/s).
    pub rest_of_budget: f64,
    /// Share of the GPU time in the kernel that draws faults and dequantises weights.
    pub fault_share: f64,
    /// Share of the time in which some dispatch runs, from the first to the last dispatch of several steps in
    /// a row, by GPU timestamps around each dispatch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<f64>,
    /// GPU time by kernel, the longest first.
    #[serde(default)]
    pub kernels: Vec<KernelShare>,
}

/// The dispatches of one kernel with one variant in a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelShare {
    pub kernel: String,
    pub variant: String,
    /// Number of dispatches.
    pub dispatches: u64,
    /// Milliseconds of all these dispatches.
    pub ms: f64,
    /// Share of the step's GPU time.
    pub share: f64,
    /// Operations of all these dispatches.
    pub flops: u64,
    /// Bytes of all bindings.
    pub bytes: u64,
    /// Operations per second, in billions.
    pub gflops: f64,
    /// Bytes per second, in billions.
    pub gb_s: f64,
}

fn yes() -> bool {
    true
}

impl Report {
    /// Writes the document, whole or not at all.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::write(path.as_ref(), format!("{:#}\n", self.document()))
    }

    /// The document as JSON.
    pub fn document(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// What a table of the report has as rows: the cases of kernels, or where there are none, the kernels of steps,
    /// or where there are none either, the points of growing steps.
    pub(crate) fn records(&self) -> Value {
        let of_step = |step: &TimedStep| {
            let (name, batch, copies) = (step.name.clone(), step.batch, step.copies);
            let with_step = move |kernel: &KernelShare| {
                let mut row = json!(kernel);
                row["step"] = json!({"name": name, "batch": batch, "copies": copies});
                row
            };
            step.kernels.iter().map(with_step).collect::<Vec<_>>()
        };
        let of_growth = |growth: &Growth| {
            let quantity = growth.quantity.clone();
            let with_quantity = move |point: &GrowthPoint| {
                let mut row = json!(point);
                row["quantity"] = json!(quantity);
                row
            };
            growth.points.iter().map(with_quantity).collect::<Vec<_>>()
        };
        match (&self.cases[..], &self.steps[..]) {
            ([], []) => self.growth.iter().flat_map(of_growth).collect(),
            ([], steps) => steps.iter().flat_map(of_step).collect(),
            (cases, _) => json!(cases),
        }
    }

    /// The step that was measured while it grows, in words.
    pub(crate) fn growing_step(&self) -> String {
        let step = self.growth.first().map_or("", |growth| &growth.step);
        let usual = self.growth.iter().map(|g| format!("{} {}", g.usual, g.quantity));
        let dtype = self.settings.as_ref().map_or("f32", |settings| &settings.dtype);
        let usual = usual.collect::<Vec<_>>().join(", ");
        format!("{step} in {dtype}; where it does not grow: {usual}.")
    }

    /// The rate of a ceiling, if it was measured.
    pub fn ceiling(&self, name: &str) -> Option<f64> {
        self.ceilings.iter().find(|c| c.name == name).map(|c| c.rate)
    }
}
