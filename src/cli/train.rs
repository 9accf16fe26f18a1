//! `nf-gpu train`.

use super::{
    gpu::{BRIEF_BUDGET, TUNING_BUDGET, TunedArgs},
    host::Host,
    interrupt, job,
    places::Places,
    terminal,
};
use crate::{
    bench::{self, StepSettings},
    data,
    error::{Error, Result},
    files::Weights,
    flags::given,
    onnx,
    ranks::Link,
    report::{
        Console, Sink, Tee,
        console::Verbosity,
        eval_json::{Document, Evaluation},
        save_maps, saving, table,
        wrap::paragraph,
    },
    run::Gpu,
    train::{
        Every, Preset, RunFolder, Schedule, TrainConfig, dismiss, dry_run, serve, train, train_with,
    },
};
use clap::{ArgMatches, Args, parser::ValueSource};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Arguments of `nf-gpu train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    #[command(flatten)]
    config: TrainConfig,
    #[command(flatten)]
    gpu: TunedArgs,
    /// Write the final evaluation to this file: a row for each fault map, as `eval --csv` does
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print the final evaluation as one JSON document
    #[arg(long)]
    json: bool,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// Trains a NeuralFuse generator. `typed` tells which flags the user gave: a preset does not change those.
pub fn run(args: &TrainArgs, typed: &ArgMatches) -> Result<()> {
    if args.config.dry_run {
        job::alone("train --dry-run")?;
        return first(args, typed, None);
    }
    job::shared(&|link| first(args, typed, link), &|link| {
        interrupt::watch(true);
        serve(link, &|| args.gpu.open(true))
    })
}

/// Trains on the process that stands alone, or on the first rank of several.
fn first(args: &TrainArgs, typed: &ArgMatches, link: Option<&dyn Link>) -> Result<()> {
    let config = settings(args, typed)?;
    interrupt::watch(args.quiet);
    let gpu = args.gpu.open_within(tuning_budget(&config), args.quiet)?;
    if config.dry_run {
        return print_plan(&gpu, &config, args);
    }
    let verbosity = Verbosity::of_flag(args.quiet);
    let mut console = Console::stderr(verbosity);
    let sinks: Vec<&mut dyn Sink> = vec![&mut console];
    let evaluation = train_with(&gpu, &config, link, &mut Tee(sinks), &interrupt::pressed)?;
    link.inspect(|link| dismiss(*link));
    if let Some(csv) = &args.csv {
        save_maps(csv, [&evaluation])?;
    }
    if args.json {
        return terminal::print(&Document::new(vec![evaluation]).to_json());
    }
    let width = terminal::columns();
    terminal::print(&table::with_energy(&evaluation, width))?;
    if let Some(how) = saving::unknown([&evaluation]).filter(|_| !args.quiet) {
        terminal::say(&paragraph(&how, width, 2));
    }
    Ok(())
}

/// How long a run may measure kernels.
fn tuning_budget(config: &TrainConfig) -> Duration {
    match config.preset {
        Some(Preset::Quick) => BRIEF_BUDGET,
        None => TUNING_BUDGET,
    }
}

/// Trains for a caller, with the settings that the command would have: the folder of the run, and the evaluation
/// at its end.
pub(super) fn call(
    args: &TrainArgs,
    typed: &ArgMatches,
    host: &mut Host<'_>,
) -> Result<(PathBuf, Evaluation)> {
    let config = settings(args, typed)?;
    if config.dry_run {
        let hint = "type `nf-gpu train --dry-run` with the same flags";
        return Err(Error::argument("--dry-run", "it is no run", hint));
    }
    let gpu = args.gpu.open_for(tuning_budget(&config), host)?;
    let evaluation = train(&gpu, &config, host.sink, &host.stop)?;
    Ok((config.resume.unwrap_or(config.out), evaluation))
}

/// The settings of the flags that were typed, checked as far as they can be without an adapter.
fn settings(args: &TrainArgs, typed: &ArgMatches) -> Result<TrainConfig> {
    let mut config = TrainConfig { given: given(typed), ..args.config.clone() };
    if let Some(preset) = config.preset {
        apply(preset, &mut config, &|flag| {
            typed.value_source(flag) == Some(ValueSource::CommandLine)
        })?;
    }
    config.check_paths()?;
    if config.resume.is_none() {
        config.checked()?;
    }
    check_places(&config, args.csv.as_deref())?;
    Ok(config)
}

/// Prints the memory plan of a step, and then its duration, which is measured on a step with random weights.
fn print_plan(gpu: &Gpu, config: &TrainConfig, args: &TrainArgs) -> Result<()> {
    let mut plan = dry_run(gpu, config)?;
    if !args.json {
        terminal::print(&plan.to_string())?;
    }
    // The step that is timed is of networks by name; an ONNX file's name is none, or another's.
    if plan.too_large.is_empty() && !onnx::is_onnx(&config.base) {
        let settings = StepSettings {
            batch: plan.images_to_time(gpu.report().is_software()),
            copies: config.perturbed_copies()?,
            dtype: config.dtype.unwrap_or_default().on(gpu),
            loss: config.goal.loss()?,
        };
        let names = (plan.generator.name.as_str(), plan.base.name.as_str());
        match bench::seconds_of_a_step(gpu, names, settings) {
            Ok(seconds) => plan.timed(settings.batch, seconds),
            // The plan stays valid if the timed step does not fit: it says what is too large.
            Err(error) if error.is_size() => {}
            Err(error) => return Err(error),
        }
    }
    match args.json {
        true => terminal::print_json(&json!(plan)),
        false => terminal::print(&plan.time_line()),
    }
}

/// Checks that the files of the run replace none that it reads.
fn check_places(config: &TrainConfig, csv: Option<&Path>) -> Result<()> {
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
        .reads("--init", &run.init)
        .reads_faults(&run.faults)?
        .reads("--dataset", dataset.map_or_else(Vec::new, |d| data::places(&d, &run.data_dir)))
        .writes("--csv", csv)
        .makes("a file of the run", folder.files())
        .makes("--profile", profile)
        .check()
}

/// Applies a preset to the flags that the user did not type, leaving out settings that contradict them.
fn apply(preset: Preset, config: &mut TrainConfig, typed: &dyn Fn(&str) -> bool) -> Result<()> {
    let Preset::Quick = preset;
    let takes_rate = config.faults.takes_rate()?;
    // A generator given with `--init` brings its own architecture and fault rate, and is only
    // tuned.
    let tunes = config.init.is_some();
    let mut set = |flag: &str, value: &mut dyn FnMut(&mut TrainConfig)| {
        if !typed(flag) {
            value(config);
        }
    };
    if !tunes {
        set("generator", &mut |c| c.generator = "UNetS".into());
        if takes_rate {
            // Half of the stuck cells change their bit: about one per cent of all bits flip.
            set("ber", &mut |c| c.ber = Some(0.02));
        }
    }
    let (steps, batch_size, lr) = if tunes { (80, 32, 1e-2) } else { (250, 64, 5e-3) };
    if tunes {
        // The default lambda would, in so few steps, gain accuracy on the faulty chip at too high a
        // price in clean accuracy.
        set("lambda", &mut |c| c.lambda = 2.0);
    }
    set("batch_size", &mut |c| c.batch_size = batch_size);
    if !typed("epochs") {
        set("steps", &mut |c| c.steps = Some(steps));
    }
    set("lr", &mut |c| c.lr = lr);
    set("schedule", &mut |c| c.schedule = Schedule::Cosine);
    set("eval_every", &mut |c| c.eval_every = Some(100));
    set("checkpoint_every", &mut |c| c.checkpoint_every = Some(Every::Steps(100)));
    set("images", &mut |c| c.images = Some(1000));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};
    use std::fs;

    /// The settings that `train --base b.safetensors --preset quick` has with these flags.
    fn quick(flags: &str) -> Result<TrainConfig> {
        let command = TrainArgs::augment_args(Command::new("train").no_binary_name(true));
        let line = format!("--base b.safetensors --preset quick {flags}");
        let typed = command.try_get_matches_from(line.split_whitespace()).unwrap();
        let mut config = TrainArgs::from_arg_matches(&typed).unwrap().config;
        let is_typed = |flag: &str| typed.value_source(flag) == Some(ValueSource::CommandLine);
        apply(Preset::Quick, &mut config, &is_typed)?;
        config.checked()?;
        Ok(config)
    }

    #[test]
    fn a_preset_contradicts_nothing_that_was_typed() {
        let folder = tempfile::tempdir().unwrap();
        let map = folder.path().join("map.csv");
        fs::write(&map, format!("1{}\n", ",0".repeat(31))).unwrap();
        let map = map.display();
        for (flags, ber) in [
            (String::new(), Some(0.02)),
            ("--chip 1".into(), Some(0.02)),
            (format!("--chip {map}"), None),
            (format!("--fault-map {map}"), None),
            (format!("--fault-map {map} --mapping linear --bits 7"), None),
            (format!("--faults profile --fault-map {map}"), None),
            (format!("--faults profile --chip {map}"), None),
            ("--faults asymmetric --ber01 0.03 --ber10 0.001".into(), None),
            ("--faults asymmetric --ber01 0.03".into(), Some(0.02)),
            ("--faults asymmetric --ber10 0.03".into(), Some(0.02)),
            ("--faults asymmetric".into(), Some(0.02)),
            ("--faults asymmetric --ber 0.3".into(), Some(0.3)),
            ("--faults flip --chip 2".into(), Some(0.02)),
            ("--faults reference".into(), Some(0.02)),
            ("--lot 3 --shared 0.5 --layers features.*".into(), Some(0.02)),
            ("--ber 0.01".into(), Some(0.01)),
        ] {
            let config = quick(&flags).unwrap_or_else(|e| panic!("{flags}: {e}"));
            assert_eq!((config.ber, config.steps), (ber, Some(250)), "{flags}");
            assert_eq!((config.generator.as_str(), config.images), ("UNetS", Some(1000)));
        }
        let typed = quick("--epochs 3 --generator ConvL --batch-size 8 --images 20").unwrap();
        assert_eq!((typed.steps, typed.epochs, typed.batch_size), (None, 3, 8));
        assert_eq!((typed.generator.as_str(), typed.images), ("ConvL", Some(20)));
        assert_eq!(quick("--steps 7").unwrap().steps, Some(7));
        // With `--init` the generator is tuned, and its rate is left to its file.
        let tuned = quick("--init g.safetensors --chip 1").unwrap();
        assert_eq!((tuned.ber, tuned.steps, tuned.batch_size), (None, Some(80), 32));
        assert_eq!((tuned.lambda, typed.lambda), (2.0, 5.0));
        assert_eq!(tuned.generator, "ConvS");
        let saved = quick("--resume run").unwrap();
        assert_eq!(saved.resume, Some("run".into()));
        // An error about typed flags names those flags, not ones that the preset fills in.
        let both = quick(&format!("--chip {map} --ber 0.01")).unwrap_err().to_string();
        assert!(both.starts_with("--ber: "), "{both}");
    }
}
