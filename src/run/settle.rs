//! Puts the questions of a computation to the chooser, and measures where that may decide.

use super::{
    candidates::{Algorithms, Question, Sized, Variants},
    choose::Candidates,
    contest::{Contestant, TrialSize, contest, timed},
    program::Program,
    session::Gpu,
    tape::{Tape, TapeEntry},
    trial::{Agreement, Job},
    tune::{Answer, Tuner, TuningQuestion},
};
use crate::{
    error::Result,
    kernels::{
        desc::{KernelDesc, Requires, Variant},
        plan::Plan,
    },
    tuning::sources,
};

impl Program {
    /// Plans memory, compiles pipelines and makes bind groups.
    ///
    /// # Errors
    /// A buffer does not fit the adapter, a shader does not compile, or a variant cannot run here.
    pub fn build(gpu: &Gpu, tape: &Tape) -> Result<Self> {
        gpu.settle(tape)?;
        Self::assemble(gpu, tape, &|plan| gpu.choose(plan))
    }
}

impl Gpu {
    /// The variant and workgroup size to use for a plan on this device: the user's preference, else
    /// the run's record, else what this run has decided, else the variant that the shape favours,
    /// else the first that runs. Measures nothing.
    ///
    /// # Errors
    /// The adapter can run none of the variants, or not the recorded one; or the user prefers another
    /// variant than the recorded one.
    pub fn choose(&self, plan: &Plan) -> Result<(&'static Variant, u32)> {
        self.chooser.choose(&Variants::of(self, plan))
    }

    /// Decides for every plan of a tape that has a class. It must be called before the tape's memory
    /// is allocated: trials need memory too.
    fn settle(&self, tape: &Tape) -> Result<()> {
        let (before, mut measured) = (self.tuned(), false);
        for entry in &tape.entries {
            let TapeEntry::Dispatch { plan, fixed: None, .. } = entry else { continue };
            let Some(question) = plan.question() else { continue };
            if !self.chooser.has_used(&question) {
                measured |= self.settle_plan(plan, &question)?;
            }
        }
        if let Some(tuner) = self.tuner.as_deref().filter(|_| measured) {
            tuner.save();
            tuner.report(&before);
        }
        Ok(())
    }

    /// Decides for one plan; returns whether that took a measurement.
    fn settle_plan(&self, plan: &Plan, question: &str) -> Result<bool> {
        let (variants, mut measured) = (Variants::of(self, plan), false);
        self.chooser.decide(&variants, |default| {
            let Some(tuner) = self.tuner.as_deref() else { return Ok(None) };
            let all = variants.all(default);
            let contestant = |&(variant, workgroup): &Sized| Contestant {
                name: variants.name((variant, workgroup)),
                job: Box::new(move |size| Job::of(&shrunk(plan, size)?, variant, workgroup)),
            };
            let contestants: Vec<Contestant<'_>> = all.iter().map(contestant).collect();
            let eps = plan.class.as_ref().map_or(0.0, |class| class.eps);
            let agreement = Agreement { exact: true, eps, growth: 1.0 };
            let asked = TuningQuestion { question, sources: &digest(&[plan.kernel]) };
            let plain = all.iter().position(|(v, _)| v.requires == Requires::Nothing);
            let reference = plain.unwrap_or(0);
            let answer = self.measure(tuner, &asked, &agreement, &contestants, reference)?;
            Ok(answer.map(|answer| {
                measured = answer.measured;
                all[answer.candidate]
            }))
        })?;
        Ok(measured)
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
        let (algorithms, job) = (Algorithms::of(question), &job);
        self.chooser.decide(&algorithms, |_| {
            let tuner = self.tuner.as_deref().filter(|_| question.measured);
            let (Some(tuner), Some(text)) = (tuner, algorithms.question()) else {
                return Ok(None);
            };
            let contestant = |&name: &&'static str| Contestant {
                name: name.to_owned(),
                job: Box::new(move |size| job(name, size)),
            };
            let contestants: Vec<Contestant<'_>> =
                question.candidates.iter().map(contestant).collect();
            let asked = TuningQuestion { question: text, sources: &digest(question.kernels) };
            if contestants.len() > 1 && !tuner.knows(&asked) {
                // The variants of the kernels on the candidates' tapes are decided before the
                // candidates are compared.
                let size = timed(self);
                contestants.iter().try_for_each(|c| self.settle(&(c.job)(size)?.tape))?;
            }
            let answer = self.measure(tuner, &asked, &question.agreement, &contestants, 0)?;
            if answer.is_some_and(|answer| answer.measured) {
                tuner.save();
            }
            Ok(answer.map(|answer| question.candidates[answer.candidate]))
        })
    }

    fn measure(
        &self,
        tuner: &Tuner,
        asked: &TuningQuestion<'_>,
        agreement: &Agreement,
        contestants: &[Contestant<'_>],
        reference: usize,
    ) -> Result<Option<Answer>> {
        let names: Vec<&str> = contestants.iter().map(|c| c.name.as_str()).collect();
        tuner.decide(&self.report().name, asked, &names, || {
            let build = |tape: &Tape| Program::build(self, tape);
            contest(self, &build, agreement, contestants, reference)
        })
    }
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

/// Digest of everything about kernels that could change a measurement.
fn digest(kernels: &[&KernelDesc]) -> String {
    let variants = kernels.iter().flat_map(|kernel| kernel.variants);
    let texts: Vec<String> =
        variants.map(|v| format!("{} {:?} {}", v.name, v.workgroups, v.wgsl)).collect();
    sources(texts.iter().map(String::as_str))
}
