//! Decides which candidate answers a question: a kernel's variant for a class of shapes, an algorithm
//! for a layer. The user's preference comes first (an error where a run has recorded another choice),
//! then a run's record, then a measurement, then the default.

use super::{
    contest::{Asked, Contestant, TrialSize, Tuner, Tuning},
    device::{Gpu, lock},
    tape::{Entry, Tape},
    trial::{Agreement, Job},
};
use crate::{
    error::{Error, Result},
    kernels::{
        desc::{KernelDesc, Requires, Variant},
        plan::Plan,
    },
    tuning::{Choices, sources},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// The state that decisions on this device are made from.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    /// The preferred variant or algorithm of a kernel or subject (`--kernel-variant`).
    preferred: BTreeMap<String, String>,
    state: Mutex<State>,
    pub(super) tuner: Option<Arc<Tuner>>,
}

impl Chooser {
    /// The chooser for the same adapter opened again, with the same preferences and measurements. It
    /// has no recorded choices: a run hands its own over again when it goes on.
    pub(super) fn heir(&self) -> Self {
        Self {
            preferred: self.preferred.clone(),
            state: Mutex::default(),
            tuner: self.tuner.clone(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
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

/// A question with its candidates, the default first.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Subject of the question, as `--kernel-variant` names it: `convolution`.
    pub subject: &'a str,
    /// The class of cases that one answer is for.
    pub class: &'a str,
    /// Names of the candidates; the first is the default, and the others must compute the same.
    pub candidates: &'a [&'static str],
    /// Kernels that the candidates use: a measurement holds only for the same shaders.
    pub kernels: &'a [&'static KernelDesc],
    /// How near the results of the others must come to those of the first.
    pub agreement: Agreement,
    /// Whether a measurement may decide, if measuring is on. Otherwise the first candidate is used,
    /// unless the user or the run says otherwise.
    pub measured: bool,
}

/// Keeps recorded choices in force until it is dropped.
#[derive(Debug)]
pub struct Session<'a> {
    gpu: &'a Gpu,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        lock(&self.gpu.chooser.state).recorded = None;
    }
}

impl Gpu {
    /// Turns measuring on, beginning with earlier measurements.
    pub fn tune(&mut self, tuning: Tuning) {
        self.chooser.tuner = Some(Arc::new(Tuner::new(tuning)));
    }

    /// Prefers a variant of a kernel, or an algorithm, wherever it can run (`--kernel-variant`).
    pub fn prefer(&mut self, subject: &str, candidate: &str) {
        self.chooser.preferred.insert(subject.to_owned(), candidate.to_owned());
    }

    /// Begins a run: forgets the choices so far, and keeps to recorded ones until the session is
    /// dropped.
    #[must_use]
    pub fn session(&self, recorded: Option<Recorded>) -> Session<'_> {
        *lock(&self.chooser.state) = State { recorded, used: Choices::default() };
        Session { gpu: self }
    }

    /// The choices of all programs built since the run began.
    #[must_use]
    pub fn choices(&self) -> Choices {
        lock(&self.chooser.state).used.clone()
    }

    /// The variant and workgroup size to use for a plan on this device: the user's preference, else
    /// the run's record, else what this run has decided, else the variant that the shape favours,
    /// else the first that runs. Measures nothing.
    ///
    /// # Errors
    /// The adapter can run none of the variants, or not the recorded one; or the user prefers another
    /// variant than the recorded one.
    pub fn choose(&self, plan: &Plan) -> Result<(&'static Variant, u32)> {
        let (preferred, question) = (self.preferred_variant(plan), plan.question());
        let state = lock(&self.chooser.state);
        let recorded = question.as_ref().and_then(|question| {
            let recorded = state.recorded.as_ref()?;
            Some((recorded.flag, recorded.choices.as_ref()?.0.get(question)?))
        });
        if let Some((flag, choice)) = recorded {
            let found =
                parsed(plan.kernel, choice).filter(|(v, size)| self.lacks(v, *size).is_none());
            let conflict = preferred.zip(found).is_some_and(|((p, _), (f, _))| p.name != f.name);
            if conflict {
                let what = format!("the run began with {} {choice}", plan.kernel.name);
                return Err(Error::argument(
                    "--kernel-variant",
                    what,
                    "a run keeps to its variants: leave this out, or begin anew",
                ));
            }
            return found.ok_or_else(|| Error::Argument {
                flag: flag.to_owned(),
                what: format!(
                    "the run began with {} {choice}, which {} cannot run",
                    plan.kernel.name,
                    self.report().name
                ),
                hint: "go on where it was begun, with that version, or begin anew".into(),
            });
        }
        let used = question.and_then(|question| parsed(plan.kernel, state.used.0.get(&question)?));
        drop(state);
        match preferred.or(used) {
            Some(choice) => Ok(choice),
            None => self.default_of(plan),
        }
    }

    /// The variant and workgroup size to use without measurements and preferences.
    pub(super) fn default_of(&self, plan: &Plan) -> Result<(&'static Variant, u32)> {
        let mut order = self.variants(plan).into_iter();
        order.find_map(|v| self.first_size(v)).ok_or_else(|| Error::Gpu {
            doing: format!("run {}", plan.kernel.name),
            message: format!("{} can run none of its variants", self.report().name),
        })
    }

    fn first_size(&self, v: &'static Variant) -> Option<(&'static Variant, u32)> {
        v.workgroups.iter().find(|&&size| self.lacks(v, size).is_none()).map(|&size| (v, size))
    }

    fn preferred_variant(&self, plan: &Plan) -> Option<(&'static Variant, u32)> {
        let name = self.chooser.preferred.get(plan.kernel.name)?;
        let named = plan.kernel.variants.iter().find(|v| v.name == name)?;
        self.first_size(named).filter(|_| named.serves(plan))
    }

    /// Decides for every plan of a tape that has a class. It must be called before the tape's memory
    /// is allocated: trials need memory too.
    pub(super) fn settle(&self, tape: &Tape) -> Result<()> {
        let (before, mut measured) = (self.tuned(), false);
        for entry in &tape.entries {
            let Entry::Dispatch { plan, fixed: None, .. } = entry else { continue };
            let Some(question) = plan.question() else { continue };
            let open = {
                let state = lock(&self.chooser.state);
                !state.used.0.contains_key(&question)
            };
            if open {
                measured |= self.settle_plan(plan, &question)?;
            }
        }
        if let Some(tuner) = self.chooser.tuner.as_deref().filter(|_| measured) {
            tuner.save();
            tuner.report(&before);
        }
        Ok(())
    }

    /// Decides for one plan; returns whether that took a measurement.
    fn settle_plan(&self, plan: &Plan, question: &str) -> Result<bool> {
        let mut choice = self.choose(plan)?;
        let mut measured = false;
        if let Some(tuner) = self.tuner_for(plan.kernel.name, question) {
            let all = self.candidates(plan, choice);
            let contestant = |&(variant, workgroup): &(&'static Variant, u32)| Contestant {
                name: name(variant, workgroup),
                job: Box::new(move |size| Job::of(&shrunk(plan, size)?, variant, workgroup)),
            };
            let contestants: Vec<Contestant<'_>> = all.iter().map(contestant).collect();
            let eps = plan.class.as_ref().map_or(0.0, |class| class.eps);
            let agreement = Agreement { exact: true, eps, growth: 1.0 };
            let sources = digest(&[plan.kernel]);
            let asked = Asked { question, sources: &sources, agreement };
            let plain = all.iter().position(|(v, _)| v.requires == Requires::Nothing);
            if let Some(answer) = tuner.decide(self, &asked, &contestants, plain.unwrap_or(0))? {
                choice = all[answer.candidate];
                measured = answer.measured;
            }
        }
        let chosen = name(choice.0, choice.1);
        lock(&self.chooser.state).used.0.insert(question.to_owned(), chosen);
        Ok(measured)
    }

    /// The tuner, if measuring is on and neither the user nor the run has decided the question.
    fn tuner_for(&self, subject: &str, question: &str) -> Option<&Tuner> {
        let state = lock(&self.chooser.state);
        let free = state.recorded.as_ref().is_none_or(|recorded| {
            recorded.choices.as_ref().is_some_and(|choices| !choices.0.contains_key(question))
        });
        let tuner = self.chooser.tuner.as_deref();
        tuner.filter(|_| free && !self.chooser.preferred.contains_key(subject))
    }

    /// Variants and workgroup sizes to compare, the default first. On a software adapter each variant
    /// has one size: it runs a workgroup's invocations one after another, so the size hardly matters.
    fn candidates(
        &self,
        plan: &Plan,
        default: (&'static Variant, u32),
    ) -> Vec<(&'static Variant, u32)> {
        let sizes = if self.report().is_software() { 1 } else { usize::MAX };
        let mut all = vec![default];
        for variant in self.variants(plan) {
            let runs = |&&size: &&u32| self.lacks(variant, size).is_none();
            let each = variant.workgroups.iter().filter(runs).take(sizes).map(|&s| (variant, s));
            all.extend(each.filter(|(v, s)| (v.name, *s) != (default.0.name, default.1)));
        }
        all
    }

    /// The candidate to use: the user's preference, else the run's record, else the one measured to
    /// be fastest if measuring is on, else the first.
    ///
    /// `job` makes the tape of a named candidate; it should stay within the given size.
    ///
    /// # Errors
    /// The run has recorded a candidate that no longer exists, or another than the user prefers; or
    /// the device was lost.
    pub fn decide(
        &self,
        question: &Question<'_>,
        job: impl Fn(&'static str, TrialSize) -> Result<Job>,
    ) -> Result<&'static str> {
        let Question { subject, class, candidates, kernels, agreement, measured } = *question;
        let text = format!("{subject} {class}");
        let named = |name: &str| candidates.iter().copied().find(|&c| c == name);
        let preferred = self.chooser.preferred.get(subject).and_then(|name| named(name));
        let state = lock(&self.chooser.state);
        let recorded = state.recorded.as_ref().and_then(|recorded| {
            Some((recorded.flag, recorded.choices.as_ref()?.0.get(&text)?.clone()))
        });
        let used = state.used.0.get(&text).and_then(|name| named(name));
        drop(state);
        let mut choice = preferred.or(used).or(candidates.first().copied()).unwrap_or_default();
        if let Some((flag, name)) = recorded {
            let error = |what, hint: &str| Err(Error::argument(flag, what, hint));
            choice = match (named(&name), preferred) {
                (None, _) => {
                    let what = format!("the run began with {text}: {name}, which is not here");
                    return error(what, "go on with the version that began it, or begin anew");
                }
                (Some(name), Some(other)) if name != other => {
                    let what = format!("the run began with {subject} {name}");
                    return error(what, "leave out --kernel-variant, or begin anew");
                }
                (Some(name), _) => name,
            };
        } else if let Some(tuner) =
            self.tuner_for(subject, &text).filter(|_| measured && used.is_none())
        {
            let job = &job;
            let contestant = |&name: &&'static str| Contestant {
                name: name.to_owned(),
                job: Box::new(move |size| job(name, size)),
            };
            let contestants: Vec<Contestant<'_>> = candidates.iter().map(contestant).collect();
            let sources = digest(kernels);
            if contestants.len() > 1 && !tuner.knows(&text, &sources) {
                self.settle_within(&contestants)?;
            }
            let asked = Asked { question: &text, sources: &sources, agreement };
            if let Some(answer) = tuner.decide(self, &asked, &contestants, 0)? {
                choice = candidates[answer.candidate];
                if answer.measured {
                    tuner.save();
                }
            }
        }
        lock(&self.chooser.state).used.0.insert(text, choice.to_owned());
        Ok(choice)
    }
}

/// A choice's name, `variant@workgroup`.
fn name(variant: &Variant, workgroup: u32) -> String {
    format!("{}@{workgroup}", variant.name)
}

/// Halves a plan until it is within a size, or cannot be halved further.
fn shrunk(plan: &Plan, size: TrialSize) -> Result<Plan> {
    let mut plan = plan.clone();
    while plan.flops > size.flops || plan.bytes.iter().sum::<u64>() > size.bytes {
        let Some(half) = plan.class.as_ref().and_then(|class| class.less.half()) else { break };
        plan = half?;
    }
    Ok(plan)
}

/// The inverse of [`name`]; `None` if the kernel has no such variant or size.
fn parsed(kernel: &KernelDesc, name: &str) -> Option<(&'static Variant, u32)> {
    let (variant, size) = name.split_once('@')?;
    let size = size.parse().ok()?;
    let variant = kernel.variants.iter().find(|v| v.name == variant)?;
    variant.workgroups.contains(&size).then_some((variant, size))
}

/// Digest of everything about kernels that could change a measurement.
fn digest(kernels: &[&KernelDesc]) -> String {
    let variants = kernels.iter().flat_map(|kernel| kernel.variants);
    let texts: Vec<String> =
        variants.map(|v| format!("{} {:?} {}", v.name, v.workgroups, v.wgsl)).collect();
    sources(texts.iter().map(String::as_str))
}
