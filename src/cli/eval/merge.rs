//! `nf-gpu eval --merge`.

use super::{EvalArgs, Places, terminal};
use crate::{
    error::{Error, Result},
    evaluation::merge,
    report::{
        eval_json::{Document, Evaluation},
        words,
    },
};

impl EvalArgs {
    /// Puts shares together, writes the files that the flags name, and prints as an evaluation does.
    pub(super) fn merged(&self) -> Result<()> {
        let runs = self.merge_and_save()?;
        if self.json {
            return terminal::print(&Document::new(runs).to_json());
        }
        let name = |run: &Evaluation| run.generator.as_ref().map(|of| of.name.clone());
        let shared =
            |run: &Evaluation| runs.iter().filter(|other| name(other) == name(run)).count() > 1;
        let label = |run: &Evaluation| match (name(run), &run.given.generator) {
            (Some(name), Some(file)) if shared(run) => format!("{name} ({})", file.display()),
            (Some(name), _) => name,
            (None, _) => "no generator".to_owned(),
        };
        let labels: Vec<String> = runs.iter().map(label).collect();
        let about = |name: &str| {
            let shares = self.config.merge.len();
            let base = runs.first().map_or("", |run| run.base.model.as_str());
            format!("{base}, {name}; {shares} shares")
        };
        self.print(&runs, &labels, about)
    }

    /// Puts shares together, and writes the files that the flags name.
    pub(super) fn merge_and_save(&self) -> Result<Vec<Evaluation>> {
        if self.logits.is_some() {
            let what = "documents of shares hold no logits";
            return Err(Error::argument("--logits", what, "leave it out"));
        }
        Places::default()
            .reads("--merge", &self.config.merge)
            .writes("--out", &self.out)
            .writes("--csv", &self.csv)
            .check()?;
        let runs = merge(&self.config)?;
        let written = self.csv.as_ref().map_or(Ok(()), |csv| words::save_maps(csv, &runs));
        let document = Document::new(runs.clone());
        let saved = self.out.as_ref().map_or(Ok(()), |out| document.save(out));
        written.and(saved).map(|()| runs)
    }
}
