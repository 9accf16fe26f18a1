//! `nf-gpu report`: a page of one run, or of several beside each other.

use super::{places::Places, terminal};
use crate::{
    energy::published,
    error::{Error, Result},
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
    let paper = published()?.points();
    let page = Page::new(&sources, args.title.as_deref()).beside(&paper);
    let folders = [("--svg", &args.svg, Files::Svg), ("--csv", &args.csv, Files::Csv)];
    let folders =
        folders.into_iter().filter_map(|(flag, dir, files)| Some((flag, dir.as_ref()?, files)));
    let mut places = Places::default();
    for run in &args.runs {
        let folder = RunFolder::at(run);
        let mut files = if run.is_dir() { folder.files() } else { vec![run.clone()] };
        // The page of a run is not an input, so it may be replaced.
        files.retain(|file| *file != folder.report());
        places = places.reads("RUN", files);
    }
    places = places.writes(if args.out.is_some() { "--out" } else { "the page" }, [&out]);
    for (flag, dir, files) in folders.clone() {
        places = places.fills(flag, dir, page.files(dir, files));
    }
    places.check()?;
    // Folders are made first: a page must not be written if what belongs to it cannot be.
    for (_, dir, _) in folders.clone() {
        std::fs::create_dir_all(dir).map_err(|e| Error::write(dir, e))?;
    }
    page.save(&out)?;
    let mut written = format!("{}\n", out.display());
    for (_, dir, files) in folders {
        page.save_files(dir, files)?;
        let files = page.files(dir, files).into_iter();
        written.extend(files.map(|file| format!("{}\n", file.display())));
    }
    terminal::print(&written)
}
