//! Results by kernel, variant and adapter, and the first failure of each.

use super::{CaseOutcome, Failure, Quirk, Use, VariantRow};
use crate::{
    gpu::AdapterReport,
    kernels::{list, twin::Suite},
};

/// Results of all cases on all adapters so far.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Adapters that were surveyed.
    pub adapters: Vec<AdapterReport>,
    /// One row per variant and adapter.
    pub rows: Vec<VariantRow>,
    /// Known mistakes of drivers.
    pub quirks: Vec<Quirk>,
    /// Per quirk, the number of its cases with a right and with a wrong result.
    tried: Vec<[usize; 2]>,
    /// Adapters on which all cases of the suites were run.
    ended: usize,
}

impl Survey {
    /// An empty survey.
    pub fn new(quirks: Vec<Quirk>) -> Self {
        Self { tried: vec![[0; 2]; quirks.len()], quirks, ..Self::default() }
    }

    /// Begins with an adapter: adds a row, not run yet, for every variant of these kernels.
    pub fn begin(&mut self, adapter: AdapterReport, suites: &[&Suite]) {
        let index = self.adapters.len();
        let variants = suites.iter().flat_map(|s| s.kernel.variants.iter().map(|v| (s.kernel, v)));
        self.rows.extend(variants.map(|(kernel, variant)| VariantRow::new(index, kernel, variant)));
        self.adapters.push(adapter);
    }

    /// Adds an adapter that cannot be opened: no case is run there.
    pub fn refuse(&mut self, adapter: AdapterReport, suites: &[&Suite], why: &str) {
        let first = self.rows.len();
        self.begin(adapter, suites);
        for row in &mut self.rows[first..] {
            row.lacks = Some(why.to_owned());
        }
    }

    /// Notes that all cases of the suites were run on the adapter that was begun last.
    pub fn end(&mut self) {
        self.ended += 1;
    }

    /// Records an outcome on the adapter that was begun last. Returns the failure if it is the
    /// variant's first.
    pub fn record(&mut self, of: &Use<'_>, outcome: &CaseOutcome) -> Option<Failure> {
        let last = self.adapters.len().checked_sub(1)?;
        let adapter = &self.adapters[last];
        let covers =
            |q: &Quirk| q.is_of(adapter) && q.covers(of.kernel, of.variant, of.case.trim());
        let quirk = self.quirks.iter().position(covers);
        let is_its =
            |r: &&mut VariantRow| (r.adapter, r.kernel, r.variant) == (last, of.kernel, of.variant);
        let row = self.rows.iter_mut().find(is_its)?;
        match (outcome, quirk) {
            (CaseOutcome::Ok, quirk) => {
                row.ok += 1;
                if let Some(quirk) = quirk {
                    self.tried[quirk][0] += 1;
                }
            }
            (CaseOutcome::Wrong(wrong), Some(quirk)) => {
                row.known += 1;
                self.tried[quirk][1] += 1;
                row.first_known.get_or_insert_with(|| (Failure::of(of, wrong), quirk));
            }
            (CaseOutcome::Wrong(wrong), None) => {
                row.wrong += 1;
                if row.first_wrong.is_none() {
                    row.first_wrong = Some(Failure::of(of, wrong));
                    return row.first_wrong.clone();
                }
            }
            (CaseOutcome::Unsupported(why), _) => {
                row.unsupported += 1;
                row.lacks.get_or_insert_with(|| why.clone());
            }
        }
        None
    }

    /// Number of wrong cases, without those that a quirk covers.
    pub fn wrong(&self) -> usize {
        self.rows.iter().map(|row| row.wrong).sum()
    }

    /// The first variant that is wrong.
    pub fn first_wrong(&self) -> Option<(&VariantRow, &Failure)> {
        self.rows.iter().find_map(|row| Some((row, row.first_wrong.as_ref()?)))
    }

    /// Whether all cases of the suites were run, on every adapter.
    pub fn complete(&self) -> bool {
        self.ended == self.adapters.len()
    }

    /// Quirks to remove from the list: some of their cases were run, and all of those gave the right
    /// result. A quirk is judged only if all its kernels and all cases of the suites were run.
    pub fn stale(&self) -> Vec<&Quirk> {
        if !self.complete() {
            return Vec::new();
        }
        let ran = |quirk: &Quirk| {
            let mut named = list::suites().filter(|s| quirk.names(s.kernel.name));
            named.all(|s| self.rows.iter().any(|row| row.kernel == s.kernel.name))
        };
        let each = self.quirks.iter().zip(&self.tried);
        let stale = each.filter(|&(quirk, &[held, failed])| held > 0 && failed == 0 && ran(quirk));
        stale.map(|(quirk, _)| quirk).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Status, Wrong},
        *,
    };

    /// `adam` and `add`, in the order of the list.
    fn suites() -> Vec<&'static Suite> {
        list::suites().filter(|s| ["add", "adam"].contains(&s.kernel.name)).collect()
    }

    fn surveyed(quirk: Option<&str>, outcomes: &[(&str, CaseOutcome)]) -> Survey {
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
        survey.begin(AdapterReport::for_tests("Test 9"), &suites());
        for (case, outcome) in outcomes {
            let (kernel, variant) = ("add", "plain");
            survey.record(&Use { kernel, variant, workgroup: 64, case, replay: None }, outcome);
        }
        survey.end();
        survey
    }

    fn wrong() -> CaseOutcome {
        CaseOutcome::Wrong(Wrong { binding: None, mismatch: None, what: "bad".into() })
    }

    #[test]
    fn what_was_not_run_or_is_unsupported_is_not_ok() {
        let status = |outcomes: &[(&str, CaseOutcome)]| {
            let survey = surveyed(None, outcomes);
            assert_eq!(survey.rows[0].status(), Status::NotRun);
            survey.rows[1].status()
        };
        let lacks = || CaseOutcome::Unsupported("f16".into());
        assert_eq!(status(&[]), Status::NotRun);
        assert_eq!(status(&[("a", CaseOutcome::Ok)]), Status::Ok);
        assert_eq!(status(&[("a", lacks())]), Status::Unsupported);
        assert_eq!(status(&[("a", CaseOutcome::Ok), ("b", lacks())]), Status::Part);
        assert_eq!(status(&[("a", wrong()), ("b", CaseOutcome::Ok)]), Status::Wrong);
        let mut survey = Survey::default();
        survey.refuse(AdapterReport::for_tests("Test 9"), &suites(), "no device");
        let row = &survey.rows[0];
        assert_eq!((row.status(), row.lacks.as_deref()), (Status::NotRun, Some("no device")));
    }

    #[test]
    fn the_first_wrong_of_a_variant_is_news() {
        let mut survey = surveyed(None, &[("a", CaseOutcome::Ok)]);
        let of = |case| Use { kernel: "add", variant: "plain", workgroup: 64, case, replay: None };
        assert!(survey.record(&of("a"), &CaseOutcome::Ok).is_none());
        assert_eq!(survey.record(&of("b"), &wrong()).unwrap().case, "b");
        assert!(survey.record(&of("c"), &wrong()).is_none());
        assert_eq!((survey.wrong(), survey.first_wrong().unwrap().1.case.as_str()), (2, "b"));
    }

    #[test]
    fn a_quirk_makes_its_cases_known_and_fails_when_they_hold() {
        let survey = surveyed(Some("a*"), &[("a1", wrong()), ("a2", CaseOutcome::Ok)]);
        assert_eq!((survey.rows[1].status(), survey.wrong()), (Status::Known, 0));
        assert!(survey.stale().is_empty());
        // A case that the quirk does not cover still counts as wrong.
        let survey = surveyed(Some("a*"), &[("a1", wrong()), ("b", wrong())]);
        assert_eq!((survey.rows[1].status(), survey.wrong()), (Status::Wrong, 1));
        let held = [("a1", CaseOutcome::Ok), ("b", CaseOutcome::Ok)];
        let mut survey = surveyed(Some("a*"), &held);
        assert_eq!(survey.stale().len(), 1);
        survey.begin(AdapterReport::for_tests("Test 9"), &suites());
        assert!(survey.stale().is_empty(), "cut short on the next adapter");
        // No case of the quirk was run, or only a part of its kernels.
        assert!(surveyed(Some("c"), &held).stale().is_empty());
        let mut survey = surveyed(Some("a*"), &held);
        survey.quirks[0].kernel = "a*".into();
        assert!(survey.stale().is_empty());
    }
}
