//! `nf-gpu pretrain`.

use super::{gpu::TunedArgs, interrupt, job, places::Places, terminal};
use crate::{
    data,
    error::Result,
    report::{Console, Event, JsonLines, Sink, Tee, console::Verbosity},
    train::{PretrainConfig, pretrain},
    words::percent_to,
};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `nf-gpu pretrain`.
#[derive(Args, Debug)]
pub struct PretrainArgs {
    #[command(flatten)]
    config: PretrainConfig,
    #[command(flatten)]
    gpu: TunedArgs,
    /// Also write every step's numbers to this file, a JSON object a line; a run that goes on from its
    /// checkpoint adds to it
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// Trains a base network.
pub fn run(args: &PretrainArgs) -> Result<()> {
    job::alone("pretrain")?;
    args.config.checked()?;
    let config = &args.config;
    Places::default()
        .reads("--dataset", data::places(&config.dataset, &config.data_dir))
        .reads("--init", &config.init)
        .writes("--out", [&config.out])
        .writes("--checkpoint", config.checkpoint_files())
        .writes("--metrics", &args.metrics)
        .check()?;
    interrupt::watch(args.quiet);
    let gpu = args.gpu.open(args.quiet)?;
    let verbosity = Verbosity::of_flag(args.quiet);
    let mut console = Console::stderr(verbosity);
    let mut lines = args.metrics.as_ref().map(JsonLines::begin);
    let mut sinks: Vec<&mut dyn Sink> = vec![&mut console];
    if let Some(lines) = &mut lines {
        sinks.push(lines);
    }
    let mut tee = Tee(sinks);
    let accuracy = pretrain(&gpu, config, &mut tee, &interrupt::pressed)?;
    tee.event(&Event::Note(format!("written to {}", config.out.display())))?;
    terminal::print(&format!("accuracy on the test set: {}\n", percent_to(accuracy, 2)))
}
