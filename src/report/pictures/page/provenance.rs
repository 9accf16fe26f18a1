//! Shows the origin of every number: adapter, files, seeds, settings, commands.

use maud::{Markup, html};

use super::command;
use crate::report::{
    documents::eval_json::Evaluation,
    pictures::{entry, source::Source},
    words,
};

/// A block for each source.
pub(super) fn provenance(sources: &[Source]) -> Markup {
    let paths = sources.iter().map(|s| s.path.as_path()).filter(|p| !p.as_os_str().is_empty());
    html! {
        @for source in sources {
            section.source {
                @if sources.len() > 1 { h3 { (source.name) } }
                (facts(source))
                (commands(source))
                @if let Some(config) = &source.config {
                    details { summary { "config.toml" } pre { (config.trim_end()) } }
                } @else if source.folder {
                    (missing(source, "config.toml", "its settings are not known"))
                }
            }
        }
        @if paths.clone().next().is_some() {
            p.note { (format!("This page: {}", command::report(paths))) }
        }
    }
}

/// A line in place of a file that a run folder lacks.
pub(super) fn missing(source: &Source, file: &str, so: &str) -> Markup {
    html! { p.missing { (format!("{} has no {file}: {so}.", source.name)) } }
}

fn facts(source: &Source) -> Markup {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| {
        let known = rows.iter().any(|r| r.0 == name && r.1 == value);
        if !known && !value.is_empty() {
            rows.push((name.to_owned(), value));
        }
    };
    for e in &source.evaluations {
        evaluation(&mut row, e);
    }
    if source.evaluations.is_empty() {
        row("adapter", source.adapter.clone().unwrap_or_default());
    }
    if let Some((from, to)) = source.times {
        let date = words::date(from).unwrap_or_default();
        row("trained", format!("{date}, for {}", words::duration(to - from)));
    }
    for (name, hash) in &source.files {
        row(&format!("file {name}"), format!("SHA-256 {hash}"));
    }
    html! {
        div.scroll {
            table.facts {
                tbody { @for (name, value) in &rows { tr { th scope="row" { (name) } td { (value) } } } }
            }
        }
    }
}

fn evaluation(row: &mut dyn FnMut(&str, String), e: &Evaluation) {
    let a = &e.adapter;
    row("adapter", a.name.clone());
    let parts = [a.backend.as_str(), a.driver.as_str()];
    row(
        "backend, driver",
        parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", "),
    );
    row("commit of nf-gpu", e.commit.clone());
    row("base network", format!("{}, SHA-256 {}", e.base.model, e.base.file_sha256));
    if let Some(g) = &e.generator {
        row("generator", format!("{}, SHA-256 {}", g.name, g.file_sha256));
    }
    row("images", format!("{}: {}", e.dataset.name, entry::images(e)));
    row("weights", format!("{} bits each", e.precision));
    if let Some(dtype) = &e.dtype {
        let sums = if dtype == "f32" { "" } else { " products, summed in f32" };
        row("arithmetic", format!("{dtype}{sums}"));
    }
    for p in &e.perturbed {
        let (faults, rate) = (words::faults(p), words::rate(p.ber()));
        row("fault maps", format!("{faults} at {rate}, seeds {}", words::seeds(&p.seeds)));
        if let Some(map) = p.faults.measured() {
            row("measured map", format!("{}, SHA-256 {}", map.file, map.file_sha256));
        }
    }
}

fn commands(source: &Source) -> Markup {
    let config = source.config.as_deref().unwrap_or_default();
    let train = command::train(config).filter(|_| !config.is_empty());
    let all = source.evaluations.iter();
    let eval: Vec<String> = all.clone().flat_map(|e| command::eval(source, e)).collect();
    let mut missing: Vec<String> = all.flat_map(|e| command::missing(source, e)).collect();
    missing.sort();
    missing.dedup();
    html! {
        @if let Some(train) = train {
            (command("The training again, into a new folder:", "command", &train))
            @for line in command::gone(config) { p.note { (line) } }
        }
        @if !eval.is_empty() {
            (command("The evaluation again:", "evaluation", &eval.join("\n\n")))
            @for line in missing { p.note { (line) } }
        }
    }
}

fn command(about: &str, summary: &str, text: &str) -> Markup {
    html! { p { (about) } details open="" { summary { (summary) } pre { (text) } } }
}
