//! `nf-gpu report`: a page of one run, or of several beside each other.

use super::{places::Places, terminal};
use crate::{
    energy::published,
    error::{Error, Result},
    files::atomic,
    report::page::{Files, Page, Source},
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
    /// Write every chart of the page as a picture of its own into this folder
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Write the table behind every chart, and one of all fault maps, into this folder
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
}

/// Writes the page and what else is wanted, and prints where it is.
pub fn run(args: &ReportArgs) -> Result<()> {
    let lines = call(args)?.into_iter().map(|file| format!("{}\n", file.display()));
    terminal::print(&lines.collect::<String>())
}

/// Writes the page and what else is wanted, and returns the files, the page first.
pub(super) fn call(args: &ReportArgs) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<&PathBuf> = Vec::new();
    for path in &args.runs {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let sources = Source::load_all(paths)?;
    let beside = sources.first().map(Source::page);
    let out = args.out.clone().or(beside).unwrap_or_else(|| "report.html".into());
    let paper = published()?.points();
    let page = Page::new(&sources, args.title.as_deref()).beside(&paper);
    let folders = [("--svg", &args.svg, Files::Svg), ("--csv", &args.csv, Files::Csv)];
    let folders = folders.into_iter().filter_map(|(flag, dir, files)| {
        Some((flag, dir.as_ref()?, page.files(dir.as_ref()?, files)))
    });
    let folders: Vec<_> = folders.collect();
    let mut places = Places::default();
    for run in &args.runs {
        let folder = RunFolder::at(run);
        let mut files = if run.is_dir() { folder.files() } else { vec![run.clone()] };
        // The page of a run is not an input, so it may be replaced.
        files.retain(|file| *file != folder.report());
        places = places.reads("RUN", files);
    }
    places = places.writes(if args.out.is_some() { "--out" } else { "the page" }, [&out]);
    for (flag, dir, files) in &folders {
        places = places.fills(flag, dir, files.iter().map(|(file, _)| file.clone()).collect());
    }
    places.check()?;
    // The page is written last, because it must not be there without what belongs to it.
    let mut written = vec![out.clone()];
    for (_, dir, files) in &folders {
        std::fs::create_dir_all(dir).map_err(|e| Error::write(dir, e))?;
        for (file, text) in files {
            atomic::write(file, text)?;
            written.push(file.clone());
        }
    }
    page.save(&out)?;
    Ok(written)
}
