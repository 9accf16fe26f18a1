//! The two kinds of candidates: the variants of a kernel for a plan, and the algorithms for a layer.

use super::{choose::Candidates, trial::Agreement};
use crate::{
    error::{Error, Result},
    gpu::Device,
    kernels::{
        desc::{KernelDesc, Variant},
        plan::Plan,
    },
};

/// A variant with a size of its workgroups.
pub(super) type Sized = (&'static Variant, u32);

/// The variants that a device can run for a plan.
pub(super) struct Variants<'a> {
    device: &'a Device,
    plan: &'a Plan,
    question: Option<String>,
}

impl<'a> Variants<'a> {
    pub(super) fn of(device: &'a Device, plan: &'a Plan) -> Self {
        Self { device, plan, question: plan.question() }
    }

    fn first_size(&self, v: &'static Variant) -> Option<Sized> {
        let runs = |&&size: &&u32| self.device.lacks(v, size).is_none();
        v.workgroups.iter().find(runs).map(|&size| (v, size))
    }

    /// Variants and workgroup sizes to compare, the default first. A software adapter compares one size of each variant:
    /// it runs a workgroup's invocations one after another, so the size hardly matters.
    pub(super) fn all(&self, default: Sized) -> Vec<Sized> {
        let software = self.device.report().is_software();
        let sizes = if software { 1 } else { usize::MAX };
        let mut all = vec![default];
        let suited = |v: &&'static Variant| v.suits.is_measured(software);
        for variant in self.device.variants(self.plan).into_iter().filter(suited) {
            let runs = |&&size: &&u32| self.device.lacks(variant, size).is_none();
            let each = variant.workgroups.iter().filter(runs).take(sizes).map(|&s| (variant, s));
            all.extend(each.filter(|(v, s)| (v.name, *s) != (default.0.name, default.1)));
        }
        all
    }
}

impl Candidates for Variants<'_> {
    type Candidate = Sized;

    fn subject(&self) -> &str {
        self.plan.kernel.name
    }

    fn question(&self) -> Option<&str> {
        self.question.as_deref()
    }

    fn preferred(&self, name: &str) -> Option<Sized> {
        let named = self.plan.kernel.variants.iter().find(|v| v.name == name)?;
        self.first_size(named).filter(|_| named.serves(self.plan))
    }

    fn recorded(&self, name: &str) -> Option<Sized> {
        parsed(self.plan.kernel, name).filter(|&(v, size)| self.device.lacks(v, size).is_none())
    }

    /// The variant that the shape favours, else the first that runs.
    fn default(&self) -> Result<Sized> {
        let mut order = self.device.variants(self.plan).into_iter();
        order.find_map(|v| self.first_size(v)).ok_or_else(|| Error::Gpu {
            doing: format!("run {}", self.plan.kernel.name),
            message: format!("{} can run none of its variants", self.device.report().name),
        })
    }

    /// `variant@workgroup`
    fn name(&self, (variant, workgroup): Sized) -> String {
        format!("{}@{workgroup}", variant.name)
    }

    fn alike(&self, one: Sized, other: Sized) -> bool {
        one.0.name == other.0.name
    }

    fn missing(&self, name: &str, flag: &'static str) -> Error {
        let (kernel, adapter) = (self.plan.kernel.name, &self.device.report().name);
        Error::argument(
            flag,
            format!("the run began with {kernel} {name}, which {adapter} cannot run"),
            "go on where it was begun, with that version, or begin anew",
        )
    }

    fn conflict(&self, name: &str, _flag: &'static str) -> Error {
        Error::argument(
            "--kernel-variant",
            format!("the run began with {} {name}", self.plan.kernel.name),
            "a run keeps to its variants: leave this out, or begin anew",
        )
    }
}

/// The variant and size with a name that [`Variants::name`] gave; `None` if the kernel has no such
/// variant or size.
fn parsed(kernel: &KernelDesc, name: &str) -> Option<Sized> {
    let (variant, size) = name.split_once('@')?;
    let size = size.parse().ok()?;
    let variant = kernel.variants.iter().find(|v| v.name == variant)?;
    variant.workgroups.contains(&size).then_some((variant, size))
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

/// The candidates of a [`Question`].
pub(super) struct Algorithms<'a> {
    question: &'a Question<'a>,
    text: String,
}

impl<'a> Algorithms<'a> {
    pub(super) fn of(question: &'a Question<'a>) -> Self {
        Self { question, text: format!("{} {}", question.subject, question.class) }
    }
}

impl Candidates for Algorithms<'_> {
    type Candidate = &'static str;

    fn subject(&self) -> &str {
        self.question.subject
    }

    fn question(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn preferred(&self, name: &str) -> Option<&'static str> {
        self.question.candidates.iter().copied().find(|&c| c == name)
    }

    fn recorded(&self, name: &str) -> Option<&'static str> {
        self.preferred(name)
    }

    fn default(&self) -> Result<&'static str> {
        Ok(self.question.candidates.first().copied().unwrap_or_default())
    }

    fn name(&self, candidate: &'static str) -> String {
        candidate.to_owned()
    }

    fn alike(&self, one: &'static str, other: &'static str) -> bool {
        one == other
    }

    fn missing(&self, name: &str, flag: &'static str) -> Error {
        let what = format!("the run began with {}: {name}, which is not here", self.text);
        Error::argument(flag, what, "go on with the version that began it, or begin anew")
    }

    fn conflict(&self, name: &str, flag: &'static str) -> Error {
        let what = format!("the run began with {} {name}", self.question.subject);
        Error::argument(flag, what, "leave out --kernel-variant, or begin anew")
    }
}
