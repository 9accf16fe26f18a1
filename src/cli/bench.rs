//! `nf-gpu bench`.

use super::{gpu::TunedArgs, output};
use crate::{bench, error::Result, files::atomic, report::Table};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `nf-gpu bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    gpu: TunedArgs,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Times the convolution kernels.
///
/// # Errors
/// The device failed, or the report cannot be written.
pub fn run(args: &BenchArgs) -> Result<()> {
    let gpu = args.gpu.open(args.quiet)?;
    let timings = bench::convolution(&gpu)?;
    let report = json!({
        "adapter": gpu.report(),
        "commit": env!("NF_COMMIT"),
        "cases": timings,
    });
    if let Some(path) = &args.out {
        atomic::write(path, format!("{report:#}\n"))?;
    }
    if args.json {
        return output::print_json(&report);
    }
    let mut table = Table::new(["case", "variant", "median ms", "quartiles", "GFLOP/s", "clock"]);
    for t in &timings {
        table.row([
            t.case.clone(),
            t.variant.to_owned(),
            format!("{:.2}", t.median_ms),
            format!("{:.2}-{:.2}", t.lower_ms, t.upper_ms),
            format!("{:.1}", t.gflops),
            format!("{:?}", t.clock),
        ]);
    }
    let first = timings.first().map(|t| t.shape.as_str()).unwrap_or_default();
    output::print(&format!("{}\n{first}\n{table}", gpu.report().line()))
}
