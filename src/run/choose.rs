//! The one procedure that decides between candidates: a kernel's variants for a class of shapes, or the
//! algorithms for a layer. What the user prefers comes first, then what the run has recorded, then what
//! was measured, then the default. A preference and a record that disagree are an error, because a run
//! that goes on keeps to the choices that it began with.

use crate::{
    error::{Error, Result},
    gpu::lock,
    tuning::Choices,
};
use std::{collections::BTreeMap, sync::Mutex};

/// The candidates that answer a question, as the procedure sees them.
pub(super) trait Candidates {
    type Candidate: Copy;

    /// What the user's preference is about: a kernel's name, or `convolution`.
    fn subject(&self) -> &str;

    /// The question under which a run records the choice; `None` where it records none.
    fn question(&self) -> Option<&str>;

    /// The candidate that the user means by a name, if it can be used here.
    fn preferred(&self, name: &str) -> Option<Self::Candidate>;

    /// The candidate that a run has recorded as `name`, if it can be used here.
    fn recorded(&self, name: &str) -> Option<Self::Candidate>;

    /// The candidate to use where nothing else decides.
    fn default(&self) -> Result<Self::Candidate>;

    /// Name by which a run records a candidate.
    fn name(&self, candidate: Self::Candidate) -> String;

    /// Whether the user calls both by the same name.
    fn alike(&self, one: Self::Candidate, other: Self::Candidate) -> bool;

    /// The error about a recorded candidate that cannot be used here; `flag` continues the run.
    fn missing(&self, name: &str, flag: &'static str) -> Error;

    /// The error about a preference for another candidate than the recorded one.
    fn conflict(&self, name: &str, flag: &'static str) -> Error;
}

/// The state that decisions on a device are made from.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    /// The preferred variant or algorithm of a kernel or subject (`--kernel-variant`).
    preferred: BTreeMap<String, String>,
    state: Mutex<RunChoices>,
}

#[derive(Debug, Default)]
struct RunChoices {
    /// Choices that the current run began with, if it continues an earlier one.
    recorded: Option<Recorded>,
    /// Choices that this process has made since the run began.
    used: Choices,
}

/// Choices that a run began with and must keep.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The choices. A run begun by a version that recorded none has `None`, and uses only defaults.
    pub choices: Option<Choices>,
    /// The flag that continues the run, for messages.
    pub flag: &'static str,
}

impl Chooser {
    /// The chooser for the same adapter opened again: the same preferences, and no recorded choices.
    pub(super) fn heir(&self) -> Self {
        Self { preferred: self.preferred.clone(), state: Mutex::default() }
    }

    /// Prefers a candidate wherever it can be used.
    pub(super) fn prefer(&mut self, subject: &str, candidate: &str) {
        self.preferred.insert(subject.to_owned(), candidate.to_owned());
    }

    /// Begins a run with the choices that it has recorded, if it goes on.
    pub(super) fn begin(&self, recorded: Option<Recorded>) {
        *lock(&self.state) = RunChoices { recorded, used: Choices::default() };
    }

    /// Ends what [`Self::begin`] began; the choices made so far stay.
    pub(super) fn forget_recorded(&self) {
        lock(&self.state).recorded = None;
    }

    /// The choices since the run began.
    pub(super) fn choices(&self) -> Choices {
        lock(&self.state).used.clone()
    }

    /// Whether a choice was made since the run began.
    pub(super) fn has_used(&self, question: &str) -> bool {
        lock(&self.state).used.0.contains_key(question)
    }

    /// The candidate to use, without a measurement: see [`Self::decide`].
    pub(super) fn choose<C: Candidates>(&self, of: &C) -> Result<C::Candidate> {
        self.known(of)?.map_or_else(|| of.default(), Ok)
    }

    /// The candidate to use: the user's preference, else the run's record, else what the run has used
    /// so far, else what `measure` finds, else the default that `measure` is given. Notes the choice.
    ///
    /// # Errors
    /// The recorded candidate cannot be used, the user prefers another, or nothing can be used.
    pub(super) fn decide<C: Candidates>(
        &self,
        of: &C,
        measure: impl FnOnce(C::Candidate) -> Result<Option<C::Candidate>>,
    ) -> Result<C::Candidate> {
        let choice = match self.known(of)? {
            Some(known) => known,
            None => {
                let default = of.default()?;
                let measured = if self.is_open(of) { measure(default)? } else { None };
                measured.unwrap_or(default)
            }
        };
        if let Some(question) = of.question() {
            lock(&self.state).used.0.insert(question.to_owned(), of.name(choice));
        }
        Ok(choice)
    }

    /// What the user, the run's record or the run so far has decided.
    fn known<C: Candidates>(&self, of: &C) -> Result<Option<C::Candidate>> {
        let preferred = self.preferred.get(of.subject()).and_then(|name| of.preferred(name));
        let Some(question) = of.question() else { return Ok(preferred) };
        let state = lock(&self.state);
        if let Some(Recorded { choices: Some(choices), flag }) = &state.recorded
            && let Some(name) = choices.0.get(question)
        {
            let recorded = of.recorded(name).ok_or_else(|| of.missing(name, flag))?;
            return match preferred {
                Some(preferred) if !of.alike(preferred, recorded) => Err(of.conflict(name, flag)),
                _ => Ok(Some(recorded)),
            };
        }
        Ok(preferred.or_else(|| of.recorded(state.used.0.get(question)?)))
    }

    /// Whether a measurement may decide: the user prefers nothing here, and a run that goes on has
    /// recorded choices, none of them for this question. One that recorded none keeps to defaults.
    fn is_open<C: Candidates>(&self, of: &C) -> bool {
        let recorded_none = matches!(&lock(&self.state).recorded, Some(r) if r.choices.is_none());
        !recorded_none && !self.preferred.contains_key(of.subject())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three candidates in two sizes each, of which the second candidate is not to be had here.
    struct Colours;

    const NAMES: [&str; 6] = ["red@1", "red@2", "green@1", "green@2", "blue@1", "blue@2"];

    impl Candidates for Colours {
        type Candidate = usize;

        fn subject(&self) -> &str {
            "paint"
        }

        fn question(&self) -> Option<&str> {
            Some("paint the door")
        }

        fn preferred(&self, name: &str) -> Option<usize> {
            self.recorded(&format!("{name}@1"))
        }

        fn recorded(&self, name: &str) -> Option<usize> {
            NAMES.iter().position(|n| *n == name).filter(|at| at / 2 != 1)
        }

        fn default(&self) -> Result<usize> {
            Ok(0)
        }

        fn name(&self, candidate: usize) -> String {
            NAMES[candidate].into()
        }

        fn alike(&self, one: usize, other: usize) -> bool {
            one / 2 == other / 2
        }

        fn missing(&self, name: &str, flag: &'static str) -> Error {
            Error::argument(flag, format!("{name} is missing"), "")
        }

        fn conflict(&self, name: &str, flag: &'static str) -> Error {
            Error::argument(flag, format!("{name} is recorded"), "")
        }
    }

    fn record(choice: Option<&str>) -> Option<Recorded> {
        let choices = choice.map(|c| Choices([("paint the door".into(), c.into())].into()));
        Some(Recorded { choices, flag: "--resume" })
    }

    #[test]
    fn preference_comes_before_record_before_measurement_before_default() {
        let blue = |_| Ok(Some(5));
        let none = |_| Ok(None);
        let mut chooser = Chooser::default();
        assert_eq!(chooser.choose(&Colours).unwrap(), 0);
        assert!(!chooser.has_used("paint the door"), "a look is not a choice");
        assert_eq!(chooser.decide(&Colours, none).unwrap(), 0);
        // What the run has used once it keeps, and is not measured again.
        assert_eq!(chooser.decide(&Colours, blue).unwrap(), 0);
        chooser.begin(None);
        assert_eq!(chooser.decide(&Colours, blue).unwrap(), 5);
        assert_eq!(chooser.choices().0["paint the door"], "blue@2");
        chooser.begin(record(Some("red@2")));
        assert_eq!(chooser.decide(&Colours, blue).unwrap(), 1);
        // A run of a version that recorded nothing began with defaults.
        chooser.begin(record(None));
        assert_eq!(chooser.decide(&Colours, blue).unwrap(), 0);
        // One that recorded other questions is measured in this one.
        chooser.begin(Some(Recorded { choices: Some(Choices::default()), flag: "--resume" }));
        assert_eq!(chooser.decide(&Colours, blue).unwrap(), 5);
        chooser.begin(record(Some("green@1")));
        let error = chooser.decide(&Colours, blue).unwrap_err().to_string();
        assert!(error.contains("green@1 is missing"), "{error}");

        chooser.prefer("paint", "red");
        chooser.begin(None);
        assert_eq!(chooser.decide(&Colours, blue).unwrap(), 0);
        // The record says the size too, which the preference leaves open.
        chooser.begin(record(Some("red@2")));
        assert_eq!(chooser.decide(&Colours, blue).unwrap(), 1);
        chooser.begin(record(Some("blue@1")));
        let error = chooser.choose(&Colours).unwrap_err().to_string();
        assert!(error.contains("blue@1 is recorded"), "{error}");
        chooser.forget_recorded();
        assert_eq!(chooser.choose(&Colours).unwrap(), 0);
        // A preference that cannot be had leaves the default, and nothing is measured.
        chooser.prefer("paint", "green");
        chooser.begin(None);
        assert_eq!(chooser.heir().decide(&Colours, blue).unwrap(), 0);
    }
}
