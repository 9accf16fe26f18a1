//! `nf-gpu train`.

use super::{gpu::TunedArgs, interrupt, places::Places, terminal};
use crate::{
    data,
    error::Result,
    files::Weights,
    report::{Console, Sink, Tee, console::Verbosity, eval_json::Document, table},
    train::{Every, Preset, RunFolder, Schedule, TrainConfig, dry_run, train},
};
use clap::{ArgMatches, Args, parser::ValueSource};
use serde_json::json;

/// Arguments of `nf-gpu train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    #[command(flatten)]
    config: TrainConfig,
    #[command(flatten)]
    gpu: TunedArgs,
    /// Print the final evaluation as one JSON document
    #[arg(long)]
    json: bool,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// Trains a NeuralFuse generator. `typed` tells which flags the user gave: those win over a preset.
///
/// # Errors
/// Those of [`train`].
pub fn run(args: &TrainArgs, typed: &ArgMatches) -> Result<()> {
    let mut config = args.config.clone();
    if let Some(preset) = config.preset {
        apply(preset, &mut config, &|flag| {
            typed.value_source(flag) == Some(ValueSource::CommandLine)
        });
    }
    if config.resume.is_none() {
        config.checked()?;
    }
    check_places(&config)?;
    interrupt::watch(args.quiet);
    let gpu = args.gpu.open(args.quiet)?;
    if config.dry_run {
        let plan = dry_run(&gpu, &config)?;
        return if args.json {
            terminal::print_json(&json!(plan))
        } else {
            terminal::print(&plan.to_string())
        };
    }
    let verbosity = if args.quiet { Verbosity::Quiet } else { Verbosity::Normal };
    let mut console = Console::stderr(verbosity);
    let sinks: Vec<&mut dyn Sink> = vec![&mut console];
    let evaluation = train(&gpu, &config, &mut Tee(sinks), &interrupt::pressed)?;
    if args.json {
        return terminal::print(&Document::new(vec![evaluation]).to_json());
    }
    terminal::print(&table::evaluation(&evaluation).to_string())
}

/// The files of the run replace nothing that it reads.
fn check_places(config: &TrainConfig) -> Result<()> {
    let (root, resumed) = match &config.resume {
        Some(root) => (root, Some(RunFolder::open(root)?.1.moved(config))),
        None => (&config.out, None),
    };
    let run = resumed.as_ref().unwrap_or(config);
    let of_base = || Weights::load(&run.base).ok()?.meta("dataset").map(str::to_owned);
    let dataset = run.dataset.clone().or_else(of_base);
    let folder = RunFolder::at(root);
    let profile = config.profile.iter();
    let profile =
        profile.map(|file| if file.as_os_str().is_empty() { folder.trace() } else { file.clone() });
    Places::default()
        .reads("--base", [&run.base])
        .reads("--fault-map", run.faults.map_files()?)
        .reads("--dataset", dataset.map_or_else(Vec::new, |d| data::places(&d, &run.data_dir)))
        .makes("a file of the run", folder.files())
        .makes("--profile", profile)
        .check()
}

/// Fills in a preset where the user typed nothing.
fn apply(preset: Preset, config: &mut TrainConfig, typed: &dyn Fn(&str) -> bool) {
    let Preset::Quick = preset;
    let mut set = |flag: &str, value: &mut dyn FnMut(&mut TrainConfig)| {
        if !typed(flag) {
            value(config);
        }
    };
    set("generator", &mut |c| c.generator = "UNetS".into());
    // Half of the stuck cells change their bit: about one per cent of all bits flip.
    set("ber", &mut |c| c.ber = Some(0.02));
    set("batch_size", &mut |c| c.batch_size = 64);
    if !typed("epochs") {
        set("steps", &mut |c| c.steps = Some(250));
    }
    set("lr", &mut |c| c.lr = 5e-3);
    set("schedule", &mut |c| c.schedule = Schedule::Cosine);
    set("eval_every", &mut |c| c.eval_every = Some(100));
    set("checkpoint_every", &mut |c| c.checkpoint_every = Some(Every::Steps(100)));
    set("images", &mut |c| c.images = Some(2000));
}
