//! `report.html`: a run, or a comparison of runs, on a self-contained page, whose charts are pictures of their own
//! and tables, too.
//!
//! Scripts, fonts and pictures are never loaded from elsewhere. Charts are SVG in the page, and colours
//! follow the reader's choice of light or dark.

mod command;
mod headline;
mod provenance;
mod results;
mod sections;

pub use super::source::Source;
pub(crate) use command::anywhere;

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{
    chart::Chart,
    entry::{self, Entry},
    svg::{printable, style},
};
use crate::{
    error::{Error, Result},
    files::atomic,
    report::documents::published::PublishedPoint,
};

/// Elements that are followed by a line break, which makes the file readable.
const ENDS: [&str; 8] =
    ["</section>", "</figure>", "</table>", "</tr>", "</p>", "</li>", "</head>", "</g>"];

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Runs and documents.
    sources: &'a [Source],
    /// The title, if it is not a description of the content.
    title: Option<&'a str>,
    /// Points that a paper prints, to stand beside those of the same network.
    published: &'a [PublishedPoint],
}

/// The files that a page's charts become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// A picture of each.
    Svg,
    /// The table behind each.
    Csv,
}

impl<'a> Page<'a> {
    /// A page of these sources. The default title describes the content.
    pub fn new(sources: &'a [Source], title: Option<&'a str>) -> Self {
        Self { sources, title, published: &[] }
    }

    /// The page with points that a paper prints beside those of the same network.
    #[must_use]
    pub fn beside(self, published: &'a [PublishedPoint]) -> Self {
        Self { published, ..self }
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Argument`] where `path` is one of the files that the page is made of; [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if self.sources.iter().any(|s| s.reads(path)) {
            let what = format!("{} is what the page is made of", path.display());
            return Err(Error::argument("--out", what, "name a file that ends in .html"));
        }
        atomic::write(path, self.html())
    }

    /// The page.
    pub fn html(&self) -> String {
        let entries = entry::entries(self.sources);
        let title = self.title.map_or_else(|| named(&entries, self.sources), str::to_owned);
        let style = style::page(include_str!("style.css"));
        // The policy forbids running and fetching anything, whatever the files of a run contain: a browser may
        // use the page's own style, known by its hash, and pictures in the page.
        let hash = STANDARD.encode(Sha256::digest(&style));
        let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:");
        let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("NF_COMMIT"));
        let page = html! {
            (DOCTYPE) "\n"
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(format!("nf-gpu {version}"));
                    // The empty icon prevents a request for one.
                    link rel="icon" href="data:,";
                    title { (title) }
                    style { (PreEscaped(style)) }
                }
                body {
                    main {
                        header {
                            p.over { "NeuralFuse report" }
                            h1 { (title) }
                            p.under { (about(&entries)) }
                        }
                        (sections::html(&self.sections(&entries)))
                    }
                    footer { p { (format!("Made by nf-gpu {version} ({commit}).")) } }
                }
            }
        };
        ENDS.iter().fold(printable(page), |page, end| page.replace(end, &format!("{end}\n"))) + "\n"
    }

    fn sections(&self, entries: &[Entry<'_>]) -> Vec<sections::Section> {
        sections::sections(entries, self.sources, self.published)
    }

    /// The charts from top to bottom, each with a name of its own: that of its title.
    fn charts(&self) -> Vec<(String, Chart)> {
        let mut sections = self.sections(&entry::entries(self.sources));
        sections::charts(&mut sections).map(std::mem::take).collect()
    }

    /// The files in `folder` that the charts become, each with its text, and a table of all fault maps for
    /// [`Files::Csv`].
    pub fn files(&self, folder: &Path, files: Files) -> Vec<(PathBuf, String)> {
        let all = self.contents(files).into_iter();
        all.map(|(name, text)| (folder.join(name), text)).collect()
    }

    fn contents(&self, files: Files) -> Vec<(String, String)> {
        let charts = self.charts().into_iter();
        match files {
            Files::Svg => charts.map(|(name, c)| (name + ".svg", c.picture())).collect(),
            Files::Csv => {
                let evaluations = self.sources.iter().flat_map(|s| &s.evaluations);
                let maps = crate::report::words::maps(evaluations).text();
                let maps = ("fault-maps.csv".to_owned(), maps);
                charts
                    .map(|(name, c)| (name + ".csv", c.data.of("of", &c.of).text()))
                    .chain([maps])
                    .collect()
            }
        }
    }
}

fn named(entries: &[Entry<'_>], sources: &[Source]) -> String {
    match (entries, sources) {
        ([one], _) => {
            let model = &one.evaluation.base.model;
            match &one.evaluation.generator {
                Some(generator) => format!("{} in front of {model}", generator.name),
                None => format!("{model} under bit errors"),
            }
        }
        ([], [one]) => one.name.clone(),
        ([], _) => format!("{} runs", sources.len()),
        _ => format!("Comparison of {} evaluations", entries.len()),
    }
}

/// The properties that all evaluations have in common.
fn about(entries: &[Entry<'_>]) -> String {
    let common = |of: &dyn Fn(&Entry<'_>) -> String| {
        let first = of(entries.first()?);
        entries.iter().all(|e| of(e) == first).then_some(first)
    };
    let parts = [
        common(&|e| e.evaluation.base.model.clone()).filter(|_| entries.len() > 1),
        common(&|e| format!("{}: {}", e.evaluation.dataset.name, entry::images(e.evaluation))),
        common(&|e| format!("{}-bit weights", e.evaluation.precision)),
        common(&|e| e.evaluation.adapter.name.clone()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
