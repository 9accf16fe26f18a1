//! `nf-gpu repro`.

use super::{gpu::TunedArgs, interrupt, job, places::Places, terminal};
use crate::{
    data,
    error::{Error, Result},
    fault::parse_seeds,
    report::{
        self, Console, Event, Sink, console::Verbosity, csv::Csv, shell::quoted, wrap::paragraph,
    },
    repro::{self, Forecast, PaperTable, QueuePlan, ReproSettings, TABLES},
};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `nf-gpu repro`.
#[derive(Args, Debug)]
pub struct ReproArgs {
    /// The table (see --list)
    #[arg(value_name = "TABLE", required_unless_present = "list")]
    table: Option<String>,
    /// List the tables, or the cells of TABLE; nothing runs. With --hours: which of them fit
    #[arg(long)]
    list: bool,
    /// Only cells whose name matches, as in 'resnet18/ConvL*'
    #[arg(long, value_name = "GLOB")]
    only: Option<String>,
    /// Folder of everything that comes out (default: runs/repro-TABLE)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of base networks and generators, which several tables can share (default: that of --out)
    #[arg(long, value_name = "DIR")]
    artefacts: Option<PathBuf>,
    #[command(flatten)]
    settings: ReproSettings,
    /// Seeds of the fault maps of evaluations (default: the paper's 50000..50010)
    #[arg(long, value_name = "A..B", allow_negative_numbers = true, conflicts_with = "smoke")]
    seeds: Option<String>,
    #[command(flatten)]
    gpu: TunedArgs,
    /// Write the results to this file: a row for each cell, with the fields of --json's cells as columns
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    csv: Option<PathBuf>,
    /// Print the results as one JSON document
    #[arg(long)]
    json: bool,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// Runs the experiments of a table, or lists them.
pub fn run(args: &ReproArgs) -> Result<()> {
    let Some(name) = &args.table else {
        return args
            .settings
            .hours
            .map_or_else(|| terminal::print(&tables()?), |_| Err(no_table()));
    };
    let table = repro::table(name)?;
    let settings = args.settings(table)?;
    settings.checked()?;
    let plan = QueuePlan::new(table, args.only.as_deref(), &settings)?;
    if args.list && args.settings.hours.is_none() {
        return terminal::print(&cells(&plan));
    }
    is_there(&plan, &settings)?;
    if args.list {
        job::alone("repro --list --hours")?;
        return cells_of(args, &plan, &settings);
    }
    // Ranks share a queue as any processes do: by the claims in its folders.
    job::shared(&|_| cells_of(args, &plan, &settings), &|_| quietly(args, &plan, &settings))
}

/// Runs cells without a word on a rank that is not the first.
fn quietly(args: &ReproArgs, plan: &QueuePlan, settings: &ReproSettings) -> Result<()> {
    interrupt::watch(true);
    let gpu = args.gpu.open(true)?;
    let mut sink = PerTraining::new(true);
    repro::run(&gpu, plan, settings, &mut sink, &mut |_| Ok(()), &interrupt::pressed).map(drop)
}

/// Runs the cells of a plan, or says which would fit in the hours.
fn cells_of(args: &ReproArgs, plan: &QueuePlan, settings: &ReproSettings) -> Result<()> {
    // The two folders may be the same one, so they are checked separately.
    for (flag, folder) in [("--out", &settings.out), ("--artefacts", &settings.artefacts)] {
        let read = data::places(&plan.dataset, &settings.data_dir);
        Places::default()
            .reads("the data set", read)
            .writes("--csv", &args.csv)
            .makes(flag, [folder])
            .check()?;
    }
    interrupt::watch(args.quiet);
    let gpu = args.gpu.open(args.quiet)?;
    let mut sink = PerTraining::new(args.quiet);
    if args.list {
        let forecast = repro::forecast(&gpu, plan, settings, &mut sink, &interrupt::pressed)?;
        return match args.json {
            true => terminal::print_json(&json!({"version": 1, "forecast": forecast})),
            false => terminal::print(&forecast.to_text(terminal::columns())),
        };
    }
    // The forecast goes to stderr, because stdout is for the results.
    let planned = &mut |forecast: &Forecast| {
        if !args.quiet {
            terminal::say(forecast.to_text(terminal::columns()).trim_end());
        }
        Ok(())
    };
    let outcome = repro::run(&gpu, plan, settings, &mut sink, planned, &interrupt::pressed)?;
    let results = outcome.results;
    let text = if args.json { results.to_json() } else { results.to_text(terminal::columns()) };
    let printed = terminal::print(&text);
    let written =
        args.csv.as_ref().map_or(Ok(()), |path| Csv::of_records(&json!(results.cells)).save(path));
    if !outcome.left_out.cells.is_empty() && !args.quiet {
        let hours = outcome.left_out.hours_to_go_on(args.settings.hours.unwrap_or_default());
        let typed = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let command = same_command(typed, hours);
        terminal::say(&outcome.left_out.left_out(terminal::columns(), &command));
    }
    let files = settings.out.join("results.json, results.md");
    sink.event(&Event::Note(format!("written to {}", files.display())))?;
    outcome.failure.map_or(printed.and(written), Err)
}

fn no_table() -> Error {
    let hint = "as in `nf-gpu repro uip --list --hours 3`";
    Error::argument("--hours", "no table is named whose cells might fit", hint)
}

/// The command as it was typed, with another value of `--hours`.
fn same_command(typed: impl Iterator<Item = String>, hours: f64) -> String {
    let (mut words, mut value) = (Vec::new(), false);
    for word in typed {
        match word.as_str() {
            _ if value => value = false,
            "--hours" => value = true,
            _ if word.starts_with("--hours=") => {}
            _ => words.push(quoted(&word)),
        }
    }
    words.push(format!("--hours {hours}"));
    words.join(" ")
}

impl ReproArgs {
    fn settings(&self, table: &PaperTable) -> Result<ReproSettings> {
        let mut settings = self.settings.clone();
        if let Some(seeds) = &self.seeds {
            settings.seeds = parse_seeds(seeds)?;
        }
        Ok(settings.of_table(table.name, self.out.clone(), self.artefacts.clone()))
    }
}

/// A list of the tables and what they need.
fn tables() -> Result<String> {
    let header = ["table", "data set", "cells", "bases", "trainings", ""];
    let mut list = report::Table::new(header).with_words(&[0, 1, 5]);
    for table in TABLES {
        let plan = QueuePlan::new(table, None, &ReproSettings::default())?;
        let count = |n: usize| n.to_string();
        list.row([
            table.name.to_owned(),
            table.dataset.to_owned(),
            count(plan.cells.len()),
            count(plan.bases.len()),
            count(plan.trainings.len()),
            table.title.to_owned(),
        ]);
    }
    let width = terminal::columns();
    let about = "Tables share base networks and generators with --artefacts. Not here: the paper's \
                 adversarial studies (Tables 25, 26).";
    Ok(format!("{list:width$}\n{}\n", paragraph(about, width, 0)))
}

/// The cells of a table.
fn cells(plan: &QueuePlan) -> String {
    let mut text = String::new();
    for planned in &plan.cells {
        text += &planned.cell.id();
        text += &planned
            .training
            .err()
            .map_or(String::new(), |why| format!("  (cannot be run: {why})"));
        text += "\n";
    }
    text
}

/// Refuses a missing data set before any other work, and says how to get it.
fn is_there(plan: &QueuePlan, settings: &ReproSettings) -> Result<()> {
    let dir = &settings.data_dir;
    if data::is_folder(&plan.dataset) {
        return Ok(());
    }
    let (what, hint) = match data::info(&plan.dataset) {
        Ok(info) if data::is_here(info.name, dir)? => return Ok(()),
        Ok(info) => (
            format!("{} is not in {}", info.name, dir.display()),
            format!("run `nf-gpu data fetch {}`, or say where it is", info.name),
        ),
        Err(_) => (
            format!("there is no folder {}", plan.dataset),
            "put the images there, as train/CLASS/IMAGE and test/CLASS/IMAGE".to_owned(),
        ),
    };
    Err(Error::argument("--data-dir", what, hint))
}

/// Replaces the console for each training, so that the progress bar of the one before goes away.
struct PerTraining {
    verbosity: Verbosity,
    console: Console,
}

impl PerTraining {
    fn new(quiet: bool) -> Self {
        let verbosity = Verbosity::of_flag(quiet);
        Self { verbosity, console: Console::stderr(verbosity) }
    }
}

impl Sink for PerTraining {
    fn event(&mut self, event: &Event) -> Result<()> {
        if matches!(event, Event::Started(_)) {
            self.console = Console::stderr(self.verbosity);
        }
        self.console.event(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_goes_on_is_the_one_that_was_typed_with_other_hours() {
        for typed in [
            "nf-gpu repro uip --hours 2 --only a/*",
            "nf-gpu repro uip --only a/* --hours=2",
            "nf-gpu repro uip --only a/*",
        ] {
            let words = typed.split(' ').map(str::to_owned);
            assert_eq!(same_command(words, 0.5), "nf-gpu repro uip --only 'a/*' --hours 0.5");
        }
    }
}
