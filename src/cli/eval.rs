//! `nf-gpu eval`.

mod journal;
mod merge;

use super::{
    gpu::{TUNING_BUDGET, TunedArgs},
    host::Host,
    interrupt, job,
    places::Places,
    terminal,
};
use crate::{
    data,
    error::{Error, Result},
    eval::Journal,
    evaluation::{EvalConfig, Keep, Ready, Setup, dismiss, serve},
    files::npy,
    nn::dtype_line,
    ranks::Link,
    report::{
        Evaluating, Event, Sink,
        eval_json::{Document, Evaluation},
        progress::{Progress, Unit},
        saving, table, words,
        wrap::paragraph,
    },
    run::Gpu,
    train::FaultArgs,
};
use clap::Args;
use journal::{is_device, journal_of};
use std::path::PathBuf;

/// Arguments of `nf-gpu eval`.
#[derive(Args, Debug)]
pub struct EvalArgs {
    #[command(flatten)]
    config: EvalConfig,
    /// Write the document of --json to this file; beside it a journal, from which the same command goes
    /// on when it was interrupted or killed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a table with a row for each fault map to this file, as comma-separated values
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the logits `[seed, image, class]` of what was evaluated to this .npy file
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    #[command(flatten)]
    gpu: TunedArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// What an evaluation has found.
struct Found<'a> {
    ready: Ready<'a>,
    gpu: Gpu,
    runs: Vec<Evaluation>,
    /// If one file cannot be written, the others still are: the first error.
    written: Result<()>,
}

/// Evaluates a base network, alone and behind generators.
pub fn run(args: &EvalArgs) -> Result<()> {
    if !args.config.merge.is_empty() {
        return args.merged();
    }
    // Whoever names a share has divided the work.
    if args.config.shard.is_some() {
        if args.out.is_none() && !args.json {
            let what = "a share is worth nothing without its document";
            let hint = "add --out FILE, which `nf-gpu eval --merge` reads, or --json";
            return Err(Error::argument("--shard", what, hint));
        }
        return first(args, None);
    }
    job::shared(&|link| first(args, link), &|link| {
        interrupt::watch(true);
        serve(link, &args.config, &|| args.gpu.open(true))
    })
}

/// Evaluates on the process that stands alone, or on the first rank of several.
fn first(args: &EvalArgs, link: Option<&dyn Link>) -> Result<()> {
    let mut shown = Shown { quiet: args.quiet, progress: None };
    let open = |_: &mut dyn Sink| {
        interrupt::watch(args.quiet);
        args.gpu.open(args.quiet)
    };
    let Found { ready, gpu, runs, written } =
        evaluated((args, link), &mut shown, interrupt::pressed, &open)?;
    link.inspect(|link| dismiss(*link));
    if args.json {
        return written.and(terminal::print(&Document::new(runs).to_json()));
    }
    let setup = ready.setup();
    let about = |generator: &str| {
        let (model, images) = (&setup.base.model, setup.set.images());
        let (adapter, arithmetic) = (gpu.report().line(), dtype_line(&gpu, ready.dtype));
        format!("{model}, {generator}, {images}; {adapter}; {arithmetic}")
    };
    written.and(args.print(&runs, &setup.labels(), about))?;
    if let Some(out) = args.out.as_ref().filter(|_| !args.quiet) {
        terminal::say(&format!("wrote {0}; a page of it: nf-gpu report {0}", out.display()));
    }
    Ok(())
}

/// Evaluates for a caller, with the settings and files that the command would have.
pub(super) fn call(args: &EvalArgs, host: &mut Host<'_>) -> Result<Vec<Evaluation>> {
    if !args.config.merge.is_empty() {
        return args.merge_and_save();
    }
    let stop = host.stop;
    let open = |sink: &mut dyn Sink| args.gpu.open_for(TUNING_BUDGET, &mut Host { sink, stop });
    let found = evaluated((args, None), host.sink, stop, &open)?;
    found.written.map(|()| found.runs)
}

/// Opens the adapter, when everything that can be refused without it has been.
type Opens<'a> = &'a dyn Fn(&mut dyn Sink) -> Result<Gpu>;

/// Evaluates, and writes the files that the flags name.
fn evaluated<'a>(
    (args, link): (&'a EvalArgs, Option<&dyn Link>),
    sink: &mut dyn Sink,
    stop: fn() -> bool,
    open: Opens<'_>,
) -> Result<Found<'a>> {
    args.config.checked()?;
    args.logits_go_together()?;
    let setup = Setup::of(&args.config, &|dataset, faults| args.places(dataset, faults))?;
    setup.notes.iter().try_for_each(|note| sink.event(&Event::Note(note.clone())))?;
    let gpu = open(sink)?;
    let ready = setup.on(&gpu, &stop)?;
    // Logits are kept by one process.
    let link = link.filter(|link| link.size() > 1 && args.logits.is_none());
    let adapters = link.map(|link| ready.gather(&gpu, link, &stop)).transpose()?;
    let mut journal = match &args.out {
        // The journal has no room for logits, and a device such as /dev/null cannot have a journal
        // beside it.
        Some(out) if args.logits.is_none() && !is_device(out) => {
            Journal::open(journal_of(out), &ready.identity(&gpu))?
        }
        _ => Journal::default(),
    };
    if !journal.is_empty() {
        let what = format!("going on: {} results are there", journal.len());
        sink.event(&Event::Note(what))?;
    }
    let setup = ready.setup();
    let outputs = setup.base.outputs() as usize;
    let mut runs = Vec::new();
    let mut written = Ok(());
    for (subject, generator) in ready.subjects().enumerate() {
        let mut at = Evaluating { done: 0, all: ready.passes(generator) };
        sink.event(&Event::Evaluating(at))?;
        let mut heard = Ok(());
        let mut tick = |done| {
            at.done += done;
            heard = sink.event(&Event::Evaluating(at));
            heard.is_ok() && !stop()
        };
        let mut saved = Ok(());
        let shape = [setup.seeds.len() * setup.faults.len(), setup.set.len(), outputs];
        let mut save = |logits: &[f32]| {
            saved = args.logits.as_ref().map_or(Ok(()), |file| npy::save_f32(file, &shape, logits));
        };
        let logits: Option<Keep<'_>> = if args.logits.is_some() { Some(&mut save) } else { None };
        let shared = link.map_or(Ok(()), |link| {
            ready.share((&gpu, link), (subject, generator), &mut journal, &mut tick)
        });
        // What the ranks have counted is not counted again.
        let counts = link.is_none();
        let mut again = |images| tick(if counts { images } else { 0 });
        let evaluated =
            shared.and_then(|()| ready.evaluate(&gpu, generator, logits, &mut journal, &mut again));
        heard?;
        if matches!(evaluated, Err(Error::Interrupted)) && args.out.is_some() {
            let what = format!("{} results are kept: the same command goes on", journal.len());
            sink.event(&Event::Note(what))?;
        }
        let mut evaluation = evaluated?;
        evaluation.adapter = adapters.clone().unwrap_or(evaluation.adapter);
        runs.push(evaluation);
        written = written.and(saved);
    }
    if let Some(csv) = &args.csv {
        written = written.and(words::save_maps(csv, &runs));
    }
    if let Some(out) = &args.out {
        let document = Document::new(runs.clone());
        written = written.and(document.save(out).and_then(|()| journal.remove()));
    }
    Ok(Found { ready, gpu, runs, written })
}

/// Shows notes and progress on stderr.
struct Shown {
    quiet: bool,
    progress: Option<Progress>,
}

impl Sink for Shown {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            // With several generators each has a count of its own.
            Event::Evaluating(Evaluating { done: 0, all }) => {
                self.progress = None;
                self.progress = Some(Progress::new(self.quiet, Unit::Many("images"), Some(*all)));
            }
            Event::Evaluating(Evaluating { done, all }) => {
                if let Some(progress) = &self.progress {
                    progress.set(*done, Some(*all));
                }
                if done >= all {
                    self.progress = None;
                }
            }
            Event::Note(note) if !self.quiet => {
                self.progress = None;
                terminal::say(note);
            }
            _ => {}
        }
        Ok(())
    }
}

impl EvalArgs {
    /// Refuses logits of results that do not go into one file.
    fn logits_go_together(&self) -> Result<()> {
        let of = match (&self.logits, &self.config) {
            (Some(_), config) if config.generator.len() > 1 => "several generators share one file",
            (Some(_), config) if config.shard.is_some() => "a share has only some of the maps",
            _ => return Ok(()),
        };
        Err(Error::argument("--logits", of, "evaluate one generator at a time, and all maps"))
    }

    /// Checks that no output replaces another file or goes into the data set.
    fn places(&self, dataset: &str, faults: &FaultArgs) -> Result<()> {
        let journal = self.out.as_deref().map(journal_of);
        Places::default()
            .reads("--base", [&self.config.base])
            .reads("--generator", &self.config.generator)
            .reads("--points", &self.config.points)
            .reads_faults(faults)?
            .reads("--dataset", data::places(dataset, &self.config.data_dir))
            .writes("--logits", &self.logits)
            .writes("--out", &self.out)
            .writes("--csv", &self.csv)
            .makes("the journal of --out", journal)
            .check()
    }

    /// Prints the tables. Each stands below the line that `about` makes for its generator.
    fn print(
        &self,
        runs: &[Evaluation],
        labels: &[String],
        about: impl Fn(&str) -> String,
    ) -> Result<()> {
        let width = terminal::columns();
        for (i, run) in runs.iter().enumerate() {
            let name = labels.get(i).map_or("no generator", String::as_str);
            if !self.quiet {
                terminal::say(&about(name));
            }
            // With several tables each needs its name on stdout too, in case stdout goes to a file.
            if runs.len() > 1 {
                terminal::print(&format!("{}{name}\n", if i > 0 { "\n" } else { "" }))?;
            }
            terminal::print(&table::with_energy(run, width))?;
            if self.config.per_class {
                terminal::print(&format!("\n{}", table::per_class(run, width)))?;
            }
            if self.config.confusion {
                terminal::print(&format!("\n{}", table::confusion(run, width)))?;
            }
            if let Some(study) = &run.sensitivity {
                terminal::print(&format!("\n{:width$}", table::sensitivity(study)))?;
            }
        }
        // The explanation is printed once for all tables.
        if let Some(how) = saving::unknown(runs).filter(|_| !self.quiet) {
            terminal::say(&paragraph(&how, width, 2));
        }
        Ok(())
    }
}
