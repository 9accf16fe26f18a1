//! Shows the origin of every number: adapter, files, seeds, settings, commands.

use super::{command, entry, html::Html, source::Source, words};
use crate::report::eval_json::Evaluation;

/// Writes a block for each source.
pub(super) fn provenance(h: &mut Html, sources: &[Source]) {
    for source in sources {
        let several = sources.len() > 1;
        h.element("section", &[("class", &"source")], |h| {
            if several {
                h.leaf("h3", &[], &source.name);
            }
            facts(h, source);
            commands(h, source);
            if let Some(config) = &source.config {
                h.element("details", &[], |h| {
                    h.leaf("summary", &[], "config.toml");
                    h.leaf("pre", &[], config.trim_end());
                });
            } else if source.folder {
                missing(h, source, "config.toml", "its settings are not known");
            }
        });
    }
    let paths = sources.iter().map(|s| s.path.as_path()).filter(|p| !p.as_os_str().is_empty());
    if paths.clone().next().is_some() {
        let text = format!("This page: {}", command::report(paths));
        h.leaf("p", &[("class", &"note")], text);
    }
}

/// Writes a line in place of a file that a run folder lacks.
pub(super) fn missing(h: &mut Html, source: &Source, file: &str, so: &str) {
    let text = format!("{} has no {file}: {so}.", source.name);
    h.leaf("p", &[("class", &"missing")], text);
}

fn facts(h: &mut Html, source: &Source) {
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
    h.element("div", &[("class", &"scroll")], |h| {
        h.element("table", &[("class", &"facts")], |h| {
            h.element("tbody", &[], |h| {
                for (name, value) in &rows {
                    h.element("tr", &[], |h| {
                        h.leaf("th", &[("scope", &"row")], name);
                        h.leaf("td", &[], value);
                    });
                }
            });
        });
    });
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

fn commands(h: &mut Html, source: &Source) {
    let note = |h: &mut Html, line: String| h.leaf("p", &[("class", &"note")], line);
    let config = source.config.as_deref().unwrap_or_default();
    if let Some(train) = command::train(config).filter(|_| !config.is_empty()) {
        command(h, "The training again, into a new folder:", "command", &train);
        command::gone(config).into_iter().for_each(|line| note(h, line));
    }
    let all = source.evaluations.iter();
    let eval: Vec<String> = all.clone().flat_map(|e| command::eval(source, e)).collect();
    if eval.is_empty() {
        return;
    }
    command(h, "The evaluation again:", "evaluation", &eval.join("\n\n"));
    let mut missing: Vec<String> = all.flat_map(|e| command::missing(source, e)).collect();
    missing.sort();
    missing.dedup();
    missing.into_iter().for_each(|line| note(h, line));
}

fn command(h: &mut Html, about: &str, summary: &str, text: &str) {
    h.leaf("p", &[], about);
    h.element("details", &[("open", &"")], |h| {
        h.leaf("summary", &[], summary);
        h.leaf("pre", &[], text);
    });
}
