//! `nf-gpu report`: a page of one run, or of several beside each other.

use super::{places::Places, terminal};
use crate::{
    error::Result,
    report::page::{self, Source},
    train::RunFolder,
};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `nf-gpu report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Folders of runs, or documents that `nf-gpu eval --out` wrote; several are compared
    #[arg(required = true, value_name = "RUN|FILE.json")]
    runs: Vec<PathBuf>,
    /// Page to write (default: report.html in the first run's folder; beside a document, with its name)
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    /// Title of the page (default: what it shows)
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

/// Writes the page and prints where it is.
///
/// # Errors
/// Files that cannot be read, have unexpected content, or cannot be written.
pub fn run(args: &ReportArgs) -> Result<()> {
    let mut paths: Vec<&PathBuf> = Vec::new();
    for path in &args.runs {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let sources = paths.into_iter().map(Source::load).collect::<Result<Vec<_>>>()?;
    let beside = sources.first().map(Source::page);
    let out = args.out.clone().or(beside).unwrap_or_else(|| "report.html".into());
    let mut places = Places::default();
    for run in &args.runs {
        let folder = RunFolder::at(run);
        let mut files = if run.is_dir() { folder.files() } else { vec![run.clone()] };
        // The page of a run is not an input, so it may be replaced.
        files.retain(|file| *file != folder.report());
        places = places.reads("RUN", files);
    }
    places.writes(if args.out.is_some() { "--out" } else { "the page" }, [&out]).check()?;
    page::save(&out, &sources, args.title.as_deref())?;
    terminal::print(&format!("{}\n", out.display()))
}
