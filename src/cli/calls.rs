//! The commands as calls, for programs in other languages: flags go in, values come out, and nothing is printed. The
//! Python package (`bindings/python`) is made of them, so that names, defaults and errors are those of the command
//! line.

pub use super::host::Host;

use super::{Cli, Command, energy, eval, gpu::GpuArgs, import, inject, parsed, report, train};
use crate::{
    error::{Error, Result, usage},
    flags::parsed as settings,
    report::{eval_json::Evaluation, fault_record::FaultRecord, table, words},
    run::Gpu,
    train::BaseHints,
};
use clap::{ArgMatches, CommandFactory};
use serde_json::{Value, json};
use std::{ffi::OsString, path::PathBuf};

/// `nf-gpu train`: the folder of the run, and the evaluation at its end.
///
/// # Errors
/// Those of the command; [`Error::Interrupted`] after a checkpoint when `host` says stop.
pub fn train(flags: &[OsString], host: &mut Host<'_>) -> Result<(PathBuf, Evaluation)> {
    let (command, matches) = command("train", flags)?;
    match (command, matches.subcommand_matches("train")) {
        (Command::Train(args), Some(typed)) => train::call(&args, typed, host),
        _ => Err(other("train")),
    }
}

/// `nf-gpu eval`: one evaluation for each generator, or one without.
///
/// # Errors
/// Those of the command.
pub fn evaluate(flags: &[OsString], host: &mut Host<'_>) -> Result<Vec<Evaluation>> {
    match command("eval", flags)?.0 {
        Command::Eval(args) => eval::call(&args, host),
        _ => Err(other("eval")),
    }
}

/// `nf-gpu inject`: the record of the faults.
///
/// # Errors
/// Those of the command.
pub fn inject(flags: &[OsString], host: &mut Host<'_>) -> Result<FaultRecord> {
    match command("inject", flags)?.0 {
        Command::Inject(args) => inject::call(&args, host),
        _ => Err(other("inject")),
    }
}

/// `nf-gpu energy --json`: its document.
///
/// # Errors
/// Those of the command.
pub fn energy(flags: &[OsString]) -> Result<Value> {
    match command("energy", flags)?.0 {
        Command::Energy(args) => energy::call(&args),
        _ => Err(other("energy")),
    }
}

/// `nf-gpu report`: the files that were written, the page first.
///
/// # Errors
/// Those of the command.
pub fn report(flags: &[OsString]) -> Result<Vec<PathBuf>> {
    match command("report", flags)?.0 {
        Command::Report(args) => report::call(&args),
        _ => Err(other("report")),
    }
}

/// `nf-gpu import` of weights with the names of a `state_dict`: its document.
///
/// # Errors
/// Those of the command; [`Error::Argument`] for an ONNX file, which is taken as it is.
pub fn import(flags: &[OsString]) -> Result<Value> {
    match command("import", flags)?.0 {
        Command::Import(args) => import::call(&args),
        _ => Err(other("import")),
    }
}

/// Opens the adapter that `--adapter`, `--backend` and `--require-gpu` name.
///
/// # Errors
/// Other flags, or those of [`Gpu::open`].
pub fn open(flags: &[OsString], host: &mut Host<'_>) -> Result<Gpu> {
    settings::<GpuArgs>(flags.iter().cloned())?.0.open_for(host)
}

/// What flags such as `--model` and `--input-mean` say of a base network whose file does not.
///
/// # Errors
/// Other flags.
pub fn hints(flags: &[OsString]) -> Result<BaseHints> {
    Ok(settings::<BaseHints>(flags.iter().cloned())?.0)
}

/// The table of `eval --csv`: a row for each fault map, the names of the columns first, as RFC 4180 has it.
#[must_use]
pub fn maps(evaluations: &[Evaluation]) -> String {
    words::maps(evaluations).text()
}

/// The table that `nf-gpu eval` prints, with lines of at most `width` characters.
#[must_use]
pub fn table(evaluation: &Evaluation, width: usize) -> String {
    table::with_energy(evaluation, width)
}

/// The flags of a command, each as an object: `name` (in kebab-case), `help`, `value` (its name in the help, absent for
/// a switch), `many` (whether it may come several times), `list` (whether one value is a list with commas), `optional`
/// (whether it may stand without its value), `positional`, and where they are known `choices` and `default`.
///
/// # Errors
/// [`Error::Unknown`]: there is no such command.
pub fn flags(name: &str) -> Result<Value> {
    let cli = Cli::command();
    let Some(command) = cli.find_subcommand(name) else {
        let names = cli.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>();
        return Err(Error::unknown("command", name, names));
    };
    Ok(command.get_arguments().map(flag).collect())
}

fn flag(arg: &clap::Arg) -> Value {
    let switch = !arg.get_action().takes_values();
    let choices = arg.get_possible_values().into_iter().map(|v| v.get_name().to_owned());
    let default = arg.get_default_values().first().filter(|_| !arg.is_hide_default_value_set());
    json!({
        "name": arg.get_long().unwrap_or(arg.get_id().as_str()),
        "help": arg.get_help().map(ToString::to_string),
        "value": arg.get_value_names().filter(|_| !switch).and_then(|v| v.first()).map(clap::builder::Str::as_str),
        "many": matches!(arg.get_action(), clap::ArgAction::Append),
        "list": arg.get_value_delimiter().is_some(),
        "optional": arg.get_num_args().is_some_and(|n| n.min_values() == 0 && n.max_values() == 1),
        "positional": arg.is_positional(),
        "choices": if switch { Vec::new() } else { choices.collect::<Vec<_>>() },
        "default": default.map(|value| value.to_string_lossy()),
    })
}

/// A command with its flags, and as it was typed.
fn command(name: &str, flags: &[OsString]) -> Result<(Command, ArgMatches)> {
    let line = ["nf-gpu", name].map(OsString::from).into_iter().chain(flags.iter().cloned());
    let hint = format!("see `nf-gpu {name} --help`");
    parsed(line).map(|(cli, matches)| (cli.command, matches)).map_err(|told| usage(&told, &hint))
}

/// The error for flags that made the parser answer with another command, such as `--help`.
fn other(name: &str) -> Error {
    Error::argument(name, "the flags are of another command", format!("see `nf-gpu {name} --help`"))
}
