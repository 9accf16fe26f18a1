//! `nf-gpu train`.

use super::{gpu::TunedArgs, interrupt, terminal};
use crate::{
    bench::{self, StepSettings},
    error::Result,
    gpu::Gpu,
    report::{Console, Sink, Tee, console::Verbosity, eval_json::Document, table},
    train::{Every, Preset, Schedule, TrainConfig, dry_run, train},
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
    interrupt::watch();
    let gpu = args.gpu.open(args.quiet)?;
    if config.dry_run {
        return print_plan(&gpu, &config, args);
    }
    let verbosity = if args.quiet { Verbosity::Quiet } else { Verbosity::Normal };
    let mut console = Console::stderr(verbosity);
    let sinks: Vec<&mut dyn Sink> = vec![&mut console];
    let evaluation = train(&gpu, &config, &mut Tee(sinks), &interrupt::pressed)?;
    if args.json {
        return terminal::print(&Document::new(vec![evaluation]).to_json());
    }
    terminal::print(&format!("{:1$}", table::evaluation(&evaluation), terminal::columns()))
}

/// What a step needs, then how long it takes, for which one is run with random weights.
fn print_plan(gpu: &Gpu, config: &TrainConfig, args: &TrainArgs) -> Result<()> {
    let mut plan = dry_run(gpu, config)?;
    if !args.json {
        terminal::print(&plan.to_string())?;
    }
    if plan.too_large.is_empty() {
        let settings = StepSettings {
            batch: plan.images_to_time(gpu.report().is_software()),
            copies: config.perturbed_copies()?,
            operands: config.dtype.unwrap_or_default().operands(gpu),
        };
        let names = (plan.generator.name.as_str(), plan.base.name.as_str());
        match bench::seconds_of_a_step(gpu, names, settings) {
            Ok(seconds) => plan.timed(settings.batch, seconds),
            // The plan is right all the same, and says what would not fit.
            Err(error) if error.is_size() => {}
            Err(error) => return Err(error),
        }
    }
    match args.json {
        true => terminal::print_json(&json!(plan)),
        false => terminal::print(&plan.time_line()),
    }
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
