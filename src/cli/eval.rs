//! `nf-gpu eval`.

mod journal;

use super::{gpu::TunedArgs, interrupt, places::Places, terminal};
use crate::{
    data,
    error::{Error, Result},
    eval::Journal,
    evaluation::{EvalConfig, Keep, Setup},
    files::npy,
    nn::dtype_line,
    report::{
        eval_json::{Document, Evaluation},
        progress::{Progress, Unit},
        saving, table, words,
        wrap::paragraph,
    },
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

/// Evaluates a base network, alone and behind generators.
pub fn run(args: &EvalArgs) -> Result<()> {
    args.config.checked()?;
    if args.logits.is_some() && args.config.generator.len() > 1 {
        let hint = "evaluate one generator at a time";
        return Err(Error::argument("--logits", "several generators share one file", hint));
    }
    let setup = Setup::of(&args.config, &|dataset, faults| args.places(dataset, faults))?;
    if !args.quiet {
        setup.notes.iter().for_each(|note| terminal::say(note));
    }
    interrupt::watch(args.quiet);
    let gpu = args.gpu.open(args.quiet)?;
    let ready = setup.on(&gpu, &interrupt::pressed)?;
    let mut journal = match &args.out {
        // The journal has no room for logits, and a device such as /dev/null cannot have a journal
        // beside it.
        Some(out) if args.logits.is_none() && !is_device(out) => {
            Journal::open(journal_of(out), &ready.identity(&gpu))?
        }
        _ => Journal::default(),
    };
    if !journal.is_empty() && !args.quiet {
        terminal::say(&format!("going on: {} results are there", journal.len()));
    }
    let setup = ready.setup();
    let outputs = setup.base.outputs() as usize;
    let mut runs = Vec::new();
    // If one file cannot be written, the others still are; the error is reported at the end.
    let mut written = Ok(());
    for generator in ready.subjects() {
        let all = Some(ready.passes(generator));
        let progress = Progress::new(args.quiet, Unit::Many("images"), all);
        let mut tick = |done| {
            progress.add(done);
            !interrupt::pressed()
        };
        let mut saved = Ok(());
        let shape = [setup.seeds.len() * setup.faults.len(), setup.set.len(), outputs];
        let mut save = |logits: &[f32]| {
            saved = args.logits.as_ref().map_or(Ok(()), |file| npy::save_f32(file, &shape, logits));
        };
        let logits: Option<Keep<'_>> = if args.logits.is_some() { Some(&mut save) } else { None };
        let evaluated = ready.evaluate(&gpu, generator, logits, &mut journal, &mut tick);
        drop(progress);
        if matches!(evaluated, Err(Error::Interrupted)) && args.out.is_some() && !args.quiet {
            terminal::say(&format!("{} results are kept: the same command goes on", journal.len()));
        }
        runs.push(evaluated?);
        written = written.and(saved);
    }
    if let Some(csv) = &args.csv {
        written = written.and(words::save_maps(csv, &runs));
    }
    let document = Document::new(runs.clone());
    if let Some(out) = &args.out {
        written = written.and(document.save(out).and_then(|()| journal.remove()));
    }
    if args.json {
        return written.and(terminal::print(&document.to_json()));
    }
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

impl EvalArgs {
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
