//! Results of one variant on one adapter: counts of cases, and the first failure.

use super::{Quirk, Wrong};
use crate::kernels::desc::{KernelDesc, Variant};
use crate::kernels::twin::WrongElements;
use serde::Serialize;

/// Whether a variant computes on an adapter what the CPU twin computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It does in every case, at every workgroup size.
    Ok,
    /// It does in every case that ran; other cases need what the adapter lacks.
    Part,
    /// Some case is wrong.
    Wrong,
    /// Some case is wrong, and each wrong case is covered by a known quirk.
    Known,
    /// The adapter lacks what the variant needs.
    Unsupported,
    /// No case was run.
    NotRun,
}

impl Status {
    /// The status as tables and documents print it.
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
    /// The variant's name.
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
    /// The case's label.
    pub case: String,
    /// Workgroup size.
    pub workgroup: u32,
    /// The kernel's name of the wrong buffer, if there is one.
    pub binding: Option<String>,
    /// The first wrong element, if there is one.
    pub element: Option<WrongElements>,
    /// The whole failure in words.
    pub what: String,
    /// What to give to `--replay`, if the case was drawn.
    pub replay: Option<String>,
}

impl Failure {
    pub(super) fn of(of: &Use<'_>, wrong: &Wrong) -> Self {
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
pub struct VariantRow {
    /// Index into the survey's adapters.
    pub adapter: usize,
    /// The kernel's name.
    pub kernel: &'static str,
    /// The variant's name.
    pub variant: &'static str,
    /// Cases with the right result.
    pub ok: usize,
    /// Cases with a wrong result that no quirk covers.
    pub wrong: usize,
    /// Cases with a wrong result that a quirk covers.
    pub known: usize,
    /// Cases that the adapter cannot run.
    pub unsupported: usize,
    /// What the adapter lacks, in words, or why it cannot be opened.
    pub lacks: Option<String>,
    /// The first of the `wrong` cases.
    pub first_wrong: Option<Failure>,
    /// The first of the `known` cases, and the quirk's index in the survey's list.
    pub first_known: Option<(Failure, usize)>,
}

impl VariantRow {
    pub(super) fn new(adapter: usize, kernel: &KernelDesc, variant: &Variant) -> Self {
        Self {
            adapter,
            kernel: kernel.name,
            variant: variant.name,
            ok: 0,
            wrong: 0,
            known: 0,
            unsupported: 0,
            lacks: None,
            first_wrong: None,
            first_known: None,
        }
    }

    /// The row's status.
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

    /// Why the status is not simply ok, in words; `quirks` are the survey's.
    pub fn note(&self, quirks: &[Quirk]) -> Option<String> {
        let known = |(failure, quirk): &(Failure, usize)| {
            let quirk = quirks.get(*quirk)?;
            Some(format!("{} ({}): {}", quirk.reason, quirk.link, failure.case))
        };
        let wrong = |failure: &Failure| {
            format!("{} at {}: {}", failure.case, failure.workgroup, failure.what)
        };
        let first = self.first_wrong.as_ref().map(wrong);
        first.or_else(|| self.first_known.as_ref().and_then(known)).or_else(|| self.lacks.clone())
    }
}
