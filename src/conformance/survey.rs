//! What holds where: kernel x variant x adapter, and what is wrong first.

use super::{Mismatch, Outcome, Quirk, Wrong};
use crate::{
    gpu::AdapterReport,
    kernel::{KernelDesc, Variant},
    reference::SUITES,
};
use serde::Serialize;

/// Whether a variant computes on an adapter what the CPU computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// In every case, at every workgroup size.
    Ok,
    /// In every case that ran; the others ask for what the adapter lacks.
    Part,
    /// Not in some case.
    Wrong,
    /// Not in some case, for a reason that is known.
    Known,
    /// The adapter lacks what it needs.
    Unsupported,
    /// No case was run.
    NotRun,
}

impl Status {
    /// As tables and documents say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Part => "ok in part",
            Self::Wrong => "wrong",
            Self::Known => "known",
            Self::Unsupported => "unsupported",
            Self::NotRun => "not run",
        }
    }
}

/// One use of a variant on an adapter.
#[derive(Clone, Debug)]
pub struct Use<'a> {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The variant's.
    pub variant: &'static str,
    /// Workgroup size.
    pub workgroup: u32,
    /// The case's label.
    pub case: &'a str,
    /// How to draw the case again, if it was drawn.
    pub replay: Option<String>,
}

/// A case that gave something wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Its label.
    pub case: String,
    /// Workgroup size.
    pub workgroup: u32,
    /// The kernel's name of the wrong buffer, if there is one.
    pub binding: Option<String>,
    /// The first wrong element, if there is one.
    pub element: Option<Mismatch>,
    /// All of it in words.
    pub what: String,
    /// What to give to `--replay`, if the case was drawn.
    pub replay: Option<String>,
}

impl Failure {
    fn of(of: &Use<'_>, wrong: &Wrong) -> Self {
        Self {
            case: of.case.trim().to_owned(),
            workgroup: of.workgroup,
            binding: wrong.binding.clone(),
            element: wrong.mismatch.clone(),
            what: wrong.what.clone(),
            replay: of.replay.clone(),
        }
    }
}

/// One variant on one adapter.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which of the survey's adapters.
    pub adapter: usize,
    /// The kernel's name.
    pub kernel: &'static str,
    /// The variant's.
    pub variant: &'static str,
    /// Cases that held.
    pub ok: usize,
    /// That did not.
    pub wrong: usize,
    /// That did not, as a quirk says.
    pub known: usize,
    /// That the adapter cannot run.
    pub unsupported: usize,
    /// What the adapter lacks, in words.
    pub lacks: Option<String>,
    /// The first that is wrong.
    pub first_wrong: Option<Failure>,
    /// The first that is known, and the quirk's number.
    pub first_known: Option<(Failure, usize)>,
}

impl Row {
    /// What to say of it in a word.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self { wrong: 1.., .. } => Status::Wrong,
            Self { known: 1.., .. } => Status::Known,
            Self { ok: 1.., unsupported: 1.., .. } => Status::Part,
            Self { ok: 1.., .. } => Status::Ok,
            Self { unsupported: 1.., .. } => Status::Unsupported,
            _ => Status::NotRun,
        }
    }
}

/// Everything that was found out.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Adapters that were asked.
    pub adapters: Vec<AdapterReport>,
    /// Every variant on every adapter.
    pub rows: Vec<Row>,
    /// Known mistakes.
    pub quirks: Vec<Quirk>,
    /// Whether everything asked for was run.
    pub complete: bool,
    /// Of every quirk the cases that held and those that did not.
    tried: Vec<[usize; 2]>,
}

impl Survey {
    /// An empty one.
    #[must_use]
    pub fn new(quirks: Vec<Quirk>) -> Self {
        Self { tried: vec![[0; 2]; quirks.len()], quirks, ..Self::default() }
    }

    /// Begins with an adapter: every variant of these kernels is not run yet.
    pub fn begin<'a>(
        &mut self,
        adapter: AdapterReport,
        kernels: impl Iterator<Item = &'a KernelDesc>,
    ) {
        let row = |(kernel, variant): (&KernelDesc, &Variant)| Row {
            adapter: self.adapters.len(),
            kernel: kernel.name,
            variant: variant.name,
            ok: 0,
            wrong: 0,
            known: 0,
            unsupported: 0,
            lacks: None,
            first_wrong: None,
            first_known: None,
        };
        self.rows.extend(kernels.flat_map(|k| k.variants.iter().map(move |v| (k, v))).map(row));
        self.adapters.push(adapter);
    }

    /// Takes down what became of a use on the adapter that was begun last.
    pub fn record(&mut self, of: &Use<'_>, outcome: &Outcome) {
        let last = self.adapters.len().saturating_sub(1);
        let (Some(adapter), Some(row)) = (
            self.adapters.get(last),
            self.rows
                .iter_mut()
                .find(|r| r.adapter == last && r.kernel == of.kernel && r.variant == of.variant),
        ) else {
            return;
        };
        let covers =
            |q: &Quirk| q.is_of(adapter) && q.covers(of.kernel, of.variant, of.case.trim());
        let quirk = self.quirks.iter().position(covers);
        match (outcome, quirk) {
            (Outcome::Ok, quirk) => {
                row.ok += 1;
                if let Some(quirk) = quirk {
                    self.tried[quirk][0] += 1;
                }
            }
            (Outcome::Wrong(wrong), Some(quirk)) => {
                row.known += 1;
                self.tried[quirk][1] += 1;
                row.first_known.get_or_insert_with(|| (Failure::of(of, wrong), quirk));
            }
            (Outcome::Wrong(wrong), None) => {
                row.wrong += 1;
                row.first_wrong.get_or_insert_with(|| Failure::of(of, wrong));
            }
            (Outcome::Unsupported(why), _) => {
                row.unsupported += 1;
                row.lacks.get_or_insert_with(|| why.clone());
            }
        }
    }

    /// Cases that are wrong, the known ones left out.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.rows.iter().map(|row| row.wrong).sum()
    }

    /// The first variant that is wrong.
    #[must_use]
    pub fn first_wrong(&self) -> Option<(&Row, &Failure)> {
        self.rows.iter().find_map(|row| Some((row, row.first_wrong.as_ref()?)))
    }

    /// Quirks of which every case holds on an adapter that they name: they are no more. One whose
    /// kernels were not all run, or that was cut short, is not judged.
    #[must_use]
    pub fn stale(&self) -> Vec<&Quirk> {
        let ran = |quirk: &Quirk| {
            let mut named = SUITES.iter().filter(|s| quirk.names(s.kernel.name));
            named.all(|s| self.rows.iter().any(|row| row.kernel == s.kernel.name))
        };
        let each = self.quirks.iter().zip(&self.tried);
        let stale = each.filter(|&(quirk, &[held, failed])| held > 0 && failed == 0 && ran(quirk));
        if self.complete { stale.map(|(quirk, _)| quirk).collect() } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops;

    fn adapter() -> AdapterReport {
        AdapterReport {
            index: 0,
            name: "Test 9".into(),
            backend: "vulkan".into(),
            driver: "drv 1.2".into(),
            kind: "software",
            f16: false,
            subgroup: None,
            cooperative_matrix: Vec::new(),
            timestamps: false,
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            workgroup_bytes: 0,
            max_invocations: 0,
        }
    }

    fn surveyed(quirk: Option<&str>, outcomes: &[(&str, Outcome)]) -> Survey {
        let quirk = quirk.map(|case| Quirk {
            adapter: "Test*".into(),
            driver: "drv 1.*".into(),
            backend: "vulkan".into(),
            kernel: "add".into(),
            variant: "*".into(),
            case: case.into(),
            reason: "rounds wrongly".into(),
            link: "somewhere".into(),
        });
        let mut survey = Survey::new(quirk.into_iter().collect());
        survey.begin(adapter(), [&ops::add::KERNEL, &ops::adam::KERNEL].into_iter());
        for (case, outcome) in outcomes {
            let (kernel, variant) = ("add", "plain");
            survey.record(&Use { kernel, variant, workgroup: 64, case, replay: None }, outcome);
        }
        survey.complete = true;
        survey
    }

    fn wrong() -> Outcome {
        Outcome::Wrong(Wrong { binding: None, mismatch: None, what: "bad".into() })
    }

    #[test]
    fn what_was_not_run_or_is_unsupported_is_not_ok() {
        let status = |outcomes: &[(&str, Outcome)]| {
            let survey = surveyed(None, outcomes);
            assert_eq!(survey.rows[1].status(), Status::NotRun);
            survey.rows[0].status()
        };
        let lacks = || Outcome::Unsupported("f16".into());
        assert_eq!(status(&[]), Status::NotRun);
        assert_eq!(status(&[("a", Outcome::Ok)]), Status::Ok);
        assert_eq!(status(&[("a", lacks())]), Status::Unsupported);
        assert_eq!(status(&[("a", Outcome::Ok), ("b", lacks())]), Status::Part);
        assert_eq!(status(&[("a", wrong()), ("b", Outcome::Ok)]), Status::Wrong);
    }

    #[test]
    fn a_quirk_makes_its_cases_known_and_fails_when_they_hold() {
        let survey = surveyed(Some("a*"), &[("a1", wrong()), ("a2", Outcome::Ok)]);
        assert_eq!((survey.rows[0].status(), survey.wrong()), (Status::Known, 0));
        assert!(survey.stale().is_empty());
        // Another case is as wrong as without it.
        let survey = surveyed(Some("a*"), &[("a1", wrong()), ("b", wrong())]);
        assert_eq!((survey.rows[0].status(), survey.wrong()), (Status::Wrong, 1));
        let held = [("a1", Outcome::Ok), ("b", Outcome::Ok)];
        let mut survey = surveyed(Some("a*"), &held);
        assert_eq!(survey.stale().len(), 1);
        survey.complete = false;
        assert!(survey.stale().is_empty(), "cut short");
        // Nothing of it was run, or its kernels in part.
        assert!(surveyed(Some("c"), &held).stale().is_empty());
        let mut survey = surveyed(Some("a*"), &held);
        survey.quirks[0].kernel = "a*".into();
        assert!(survey.stale().is_empty());
    }
}
