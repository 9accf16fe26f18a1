//! `report.html`: a run, or a comparison of runs, on a self-contained page.
//!
//! Scripts, fonts and pictures are never loaded from elsewhere. Charts are SVG in the page, and colours
//! follow the reader's choice of light or dark.

mod chart;
mod command;
mod entry;
mod figure;
mod headline;
pub(super) mod html;
mod provenance;
mod results;
mod sections;
mod source;
pub(super) mod svg;
pub(super) mod words;

pub(crate) use command::train_anywhere;
pub use source::Source;

use std::{fmt::Display, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use html::Html;
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Result},
    files::atomic,
};

const STYLE: &str = include_str!("style.css");

/// Writes the page, whole or not at all. The default title describes the content.
///
/// # Errors
///
/// [`Error::Argument`] where `path` is one of the files that the page is made of; [`Error::Write`].
pub fn save(path: impl AsRef<Path>, sources: &[Source], title: Option<&str>) -> Result<()> {
    let path = path.as_ref();
    if sources.iter().any(|s| s.reads(path)) {
        let what = format!("{} is what the page is made of", path.display());
        return Err(Error::argument("--out", what, "name a file that ends in .html"));
    }
    atomic::write(path, page(sources, title))
}

/// The page.
#[must_use]
pub fn page(sources: &[Source], title: Option<&str>) -> String {
    let entries = entry::entries(sources);
    let title = title.map_or_else(|| named(&entries, sources), str::to_owned);
    let mut h = Html::default();
    h.element("html", &[("lang", &"en")], |h| {
        h.element("head", &[], |h| {
            h.empty("meta", &[("charset", &"utf-8")]);
            // The policy forbids running and fetching anything, whatever the files of a run
            // contain.
            let policy = policy();
            let policy: [(&str, &dyn Display); 2] =
                [("http-equiv", &"Content-Security-Policy"), ("content", &policy)];
            h.empty("meta", &policy);
            let view = "width=device-width, initial-scale=1";
            h.empty("meta", &[("name", &"viewport"), ("content", &view)]);
            h.empty("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
            let maker = concat!("nf-gpu ", env!("CARGO_PKG_VERSION"));
            h.empty("meta", &[("name", &"generator"), ("content", &maker)]);
            // The empty icon prevents a request for one.
            h.empty("link", &[("rel", &"icon"), ("href", &"data:,")]);
            h.leaf("title", &[], &title);
            h.element("style", &[], |h| h.trusted(STYLE));
        });
        h.element("body", &[], |h| {
            h.element("main", &[], |h| {
                h.element("header", &[], |h| {
                    h.leaf("p", &[("class", &"over")], "NeuralFuse report");
                    h.leaf("h1", &[], &title);
                    h.leaf("p", &[("class", &"under")], about(&entries));
                });
                sections::write(h, &entries, sources);
            });
            h.element("footer", &[], |h| {
                let version = env!("CARGO_PKG_VERSION");
                let text = format!("Made by nf-gpu {version} ({}).", env!("NF_COMMIT"));
                h.leaf("p", &[], text);
            });
        });
    });
    format!("<!DOCTYPE html>\n{}", h.into_text())
}

/// The content security policy: a browser may use the page's own style, known by its hash, and pictures in
/// the page.
fn policy() -> String {
    // Browsers convert every line end to a line feed before hashing, however the file was checked
    // out.
    let hash = Sha256::digest(STYLE.replace("\r\n", "\n"));
    let hash = STANDARD.encode(hash);
    format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:")
}

fn named(entries: &[entry::Entry<'_>], sources: &[Source]) -> String {
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
fn about(entries: &[entry::Entry<'_>]) -> String {
    let common = |of: &dyn Fn(&entry::Entry<'_>) -> String| {
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
