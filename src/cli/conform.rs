//! `nf-gpu conform`: the kernels' conformance cases on the user's adapters.

mod matrix;
mod progress;

use super::{gpu::GpuArgs, interrupt, places::Places, terminal};
use crate::{
    conformance::{self, Draw, Quirk, Survey, What},
    error::{Error, Result},
    fault::matches,
    files::{atomic, read_text},
    gpu::{self, AdapterChoice, AdapterReport},
    kernels::{list, twin::Suite},
    words,
};
use clap::Args;
use progress::AdapterProgress;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// Arguments of `nf-gpu conform`.
#[derive(Args, Debug)]
pub struct ConformArgs {
    /// Only this kernel (a name or a glob, such as 'conv2d*')
    #[arg(long, value_name = "KERNEL", conflicts_with = "replay")]
    kernel: Option<String>,
    /// On every adapter of this machine
    #[arg(long, conflicts_with_all = ["adapter", "backend", "require_gpu"])]
    all_adapters: bool,
    #[command(flatten)]
    gpu: GpuArgs,
    /// Draw cases of random shapes and values for so long on each adapter, such as 90s, 10m or 2h,
    /// instead of the fixed ones
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    stress: Option<Duration>,
    /// Seed of the sequence of drawn cases (default: from the clock)
    #[arg(long, value_name = "N", requires = "stress")]
    seed: Option<u32>,
    /// Run one drawn case again, as a failure of --stress names it
    #[arg(long, value_name = "KERNEL:SEED", conflicts_with = "stress")]
    replay: Option<String>,
    /// Write a page that runs the cases in a browser with WebGPU, instead of running them here
    #[arg(long, value_name = "FILE.html", conflicts_with_all = [
        "all_adapters", "adapter", "backend", "require_gpu", "stress", "replay", "quirks", "json", "csv",
    ])]
    web: Option<PathBuf>,
    /// Known mistakes of drivers, instead of the list in the program
    #[arg(long, value_name = "FILE.toml")]
    quirks: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// The support matrix as CSV, a line per kernel, variant and adapter: to this file, or printed
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    csv: Option<PathBuf>,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Runs every case of every kernel and variant, or drawn ones, against its CPU twin.
///
/// # Errors
/// [`Error::Gpu`] when a result is wrong, [`Error::Format`] when the list holds a mistake of a driver that no
/// longer occurs, both after the table is printed; an adapter that cannot be opened.
pub fn run(args: &ConformArgs) -> Result<()> {
    let draw: Option<Draw> = args.replay.as_deref().map(str::parse).transpose()?;
    let suites = match draw {
        Some(draw) => list::suites().filter(|s| s.kernel.name == draw.kernel).collect(),
        None => suites(args.kernel.as_deref().unwrap_or("*"))?,
    };
    if let Some(file) = &args.web {
        Places::default().writes("--web", [file]).check()?;
        return atomic::write(file, conformance::web_page(&suites, env!("NF_COMMIT"))?);
    }
    let file = args.csv.iter().filter(|csv| *csv != Path::new("-"));
    Places::default().reads("--quirks", &args.quirks).writes("--csv", file).check()?;
    let quirks = args.quirks.as_deref().map_or_else(Quirk::known, load_quirks)?;
    let adapters = if args.all_adapters { gpu::list() } else { Vec::new() };
    if args.all_adapters && adapters.is_empty() {
        return Err(Error::NoAdapter { wanted: "any adapter".into(), found: Vec::new() });
    }
    interrupt::watch(args.quiet);
    let mut survey = Survey::new(quirks);
    let work = AdapterWork { args, suites, draw, seed: args.seed.unwrap_or_else(clock) };
    let outcome = if args.all_adapters {
        adapters.into_iter().try_for_each(|adapter| work.on_listed(&mut survey, adapter))
    } else {
        work.on(&mut survey, &args.gpu.choice())
    };
    let printed = if survey.adapters.is_empty() { Ok(()) } else { work.print(&survey) };
    verdict(&survey, args.quirks.as_deref(), outcome).and(printed)
}

/// The work that is done on each adapter.
struct AdapterWork<'a> {
    args: &'a ConformArgs,
    suites: Vec<&'static Suite>,
    draw: Option<Draw>,
    /// Seed of the drawn cases.
    seed: u32,
}

impl AdapterWork<'_> {
    fn on(&self, survey: &mut Survey, choice: &AdapterChoice) -> Result<()> {
        let what = match (self.draw, self.args.stress) {
            (Some(draw), _) => What::Replay(draw),
            // The time is limited to 2^31 seconds, so that the sum cannot overflow.
            (None, Some(time)) => What::Drawn {
                seed: self.seed,
                until: Instant::now() + time.min(Duration::from_secs(1 << 31)),
            },
            (None, None) => What::Suites,
        };
        let cases = self.cases(&what)?;
        let mut progress = AdapterProgress::new(self.args.quiet, &what, cases);
        conformance::run(survey, choice, &self.suites, what, &mut |survey, news| {
            progress.show(survey, news);
            if interrupt::pressed() { Err(Error::Interrupted) } else { Ok(()) }
        })
    }

    /// Number of cases per adapter, for the progress bar; 0 where no progress is shown or the number is
    /// unknown.
    fn cases(&self, what: &What) -> Result<u64> {
        let counted = matches!(what, What::Suites) && !self.args.quiet;
        let suites = self.suites.iter().filter(|_| counted);
        suites.map(|suite| Ok((suite.cases)()?.len() as u64)).sum()
    }

    /// Runs on one of all adapters. If it cannot be opened, the survey records that, and the others still get
    /// their turn.
    fn on_listed(&self, survey: &mut Survey, adapter: AdapterReport) -> Result<()> {
        let index = Some(adapter.index.to_string());
        let begun = survey.adapters.len();
        match self.on(survey, &AdapterChoice { adapter: index, ..AdapterChoice::default() }) {
            Err(error) if survey.adapters.len() == begun => {
                survey.refuse(adapter, &self.suites, &error.to_string());
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn print(&self, survey: &Survey) -> Result<()> {
        let stress = self.args.stress.map(|_| self.seed);
        let commit = env!("NF_COMMIT");
        match &self.args.csv {
            Some(printed) if printed == Path::new("-") => {
                return terminal::print(&survey.csv(commit));
            }
            Some(file) => atomic::write(file, survey.csv(commit))?,
            None => {}
        }
        if self.args.json {
            let mut document = survey.json(commit);
            document["stress_seed"] = stress.into();
            return terminal::print_json(&document);
        }
        let seed = stress.map(|seed| format!("\ndrawn with --seed {seed}\n")).unwrap_or_default();
        terminal::print(&format!("{}{seed}", matrix::text(survey, terminal::columns())))
    }
}

/// The result that decides the exit code: an error if a case is wrong, no case could be run, or the list of
/// known mistakes is out of date.
fn verdict(survey: &Survey, quirks: Option<&Path>, outcome: Result<()>) -> Result<()> {
    let failed =
        |message| Err(Error::Gpu { doing: "compute what the CPU computes".into(), message });
    if let Some((row, failure)) = survey.first_wrong() {
        let (wrong, kernel, variant) = (survey.wrong(), row.kernel, row.variant);
        let what = format!("{}: {}", failure.case, failure.what);
        return failed(format!("{wrong} wrong, the first of {kernel} {variant}: {what}"));
    }
    outcome?;
    let ran = survey.rows.iter().map(|row| row.ok + row.known).sum::<usize>();
    if ran == 0 {
        let why = survey.rows.iter().find_map(|row| row.lacks.as_deref());
        return failed(format!("no case could be run: {}", why.unwrap_or("there was no time")));
    }
    if let Some(quirk) = survey.stale().first() {
        let Quirk { kernel, variant, adapter, reason, .. } = quirk;
        let what = format!("{kernel} {variant} on {adapter} is right now, but listed: {reason}");
        let file = quirks.unwrap_or(Path::new(Quirk::FILE));
        return Err(Error::format(file, what, "take it out of the list"));
    }
    Ok(())
}

/// The suites of the kernels whose name matches the pattern.
fn suites(pattern: &str) -> Result<Vec<&'static Suite>> {
    let fits: Vec<_> = list::suites().filter(|s| matches(pattern, s.kernel.name)).collect();
    if fits.is_empty() {
        return Err(Error::unknown("kernel", pattern, list::suites().map(|s| s.kernel.name)));
    }
    Ok(fits)
}

fn load_quirks(path: &Path) -> Result<Vec<Quirk>> {
    Quirk::parse(path, &read_text(path)?)
}

/// A seed that differs from run to run.
fn clock() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.subsec_nanos() ^ now.as_secs() as u32)
}

/// A number of seconds, minutes or hours: `90`, `90s`, `1.5m`, `2h`.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let (number, unit) = words::timed(text);
    let seconds = number.parse::<f64>().ok().filter(|n| *n > 0.0);
    let time = seconds.and_then(|n| Duration::try_from_secs_f64(n * unit.unwrap_or(1) as f64).ok());
    time.ok_or_else(|| "a time above 0, such as 90s, 10m or 2h".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{CaseOutcome, Use, Wrong};

    /// A survey of the kernel `add` on a made-up adapter.
    fn surveyed(quirks: Vec<Quirk>, outcome: &CaseOutcome) -> Survey {
        let mut survey = Survey::new(quirks);
        survey.begin(AdapterReport::for_tests("Test 9"), &suites("add").unwrap());
        let (kernel, variant, case) = ("add", "plain", "n=1");
        survey.record(&Use { kernel, variant, workgroup: 64, case, replay: None }, outcome);
        survey.end();
        survey
    }

    #[test]
    fn the_exit_code_says_whether_all_is_right() {
        let wrong = CaseOutcome::Wrong(Wrong { binding: None, mismatch: None, what: "bad".into() });
        let lacks = CaseOutcome::Unsupported("needs wings".into());
        let list = "[[quirk]]\nadapter = \"*\"\ndriver = \"*\"\nkernel = \"add\"\n\
                    reason = \"r\"\nlink = \"l\"\n";
        let quirks = || Quirk::parse("q", list).unwrap();
        let of = |quirks, outcome| verdict(&surveyed(quirks, outcome), None, Ok(()));
        assert!(of(Vec::new(), &CaseOutcome::Ok).is_ok() && of(quirks(), &wrong).is_ok());
        for (ended, says) in [
            (of(Vec::new(), &wrong), "add plain: n=1: bad"),
            (of(Vec::new(), &lacks), "needs wings"),
            (of(quirks(), &CaseOutcome::Ok), Quirk::FILE),
            // A wrong result is reported although the run was interrupted.
            (verdict(&surveyed(Vec::new(), &wrong), None, Err(Error::Interrupted)), "bad"),
        ] {
            let error = ended.unwrap_err();
            assert!(error.to_string().contains(says) && error.exit_code() == 1, "{error}");
        }
        let survey = surveyed(Vec::new(), &CaseOutcome::Ok);
        let ended = verdict(&survey, None, Err(Error::Interrupted));
        assert!(matches!(ended, Err(Error::Interrupted)));
    }

    #[test]
    fn the_matrix_has_a_column_per_adapter_and_reasons_below() {
        let lacks = CaseOutcome::Unsupported("needs wings".into());
        let mut survey = surveyed(Vec::new(), &lacks);
        survey.refuse(AdapterReport::for_tests("Test 8"), &suites("add").unwrap(), "no device");
        let text = matrix::text(&survey, 80);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("[0] Test 9") && lines[1].starts_with("[1] Test 8"), "{text}");
        for part in [
            "add plain  unsupported  not run",
            "[0] unsupported: needs wings\n    add plain",
            "[1] not run: no device\n    add plain",
            "[0] 0 cases; variants: 1 unsupported",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "m", "0", "-1s", "ten", "5 d", "nan", "infh", "1e300h", "5µ"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
