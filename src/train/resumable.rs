//! What each setting of a training means for a run that goes on: the one list behind the facts of a checkpoint, the
//! flags beside `--resume`, and the artefacts that `repro` takes up again.

use super::{config::TrainConfig, loss::LossArgs, schedule::Schedule};
use crate::data;
use std::{fs, path::Path};

/// What a setting of a run that goes on is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ComparedBy {
    /// By the setting itself, like every setting that is not listed.
    Itself,
    /// By what it means, since a default may be stated.
    Meaning,
    /// By what the settings of faults mean together.
    Faults,
    /// By itself where the schedule is a cosine, which ends with the run; another is prolonged.
    Length,
    /// By nothing: it changes no result, or only its last bits.
    Nothing,
}

/// A run that goes on.
pub(super) struct GoingOn<'a> {
    /// The settings that it began with.
    pub(super) saved: &'a TrainConfig,
    /// The settings that are given now.
    pub(super) now: &'a TrainConfig,
    /// The folder of the run.
    pub(super) root: &'a Path,
}

impl GoingOn<'_> {
    fn prolongs(&self) -> bool {
        self.saved.schedule != Schedule::Cosine
    }
}

/// Whether a setting that is given now fits the run, although the run may have begun with another; the run adopts it
/// then.
type Fits = fn(&mut TrainConfig, &GoingOn<'_>) -> bool;

/// What holds for settings of these names.
pub(super) struct Rule {
    names: &'static [&'static str],
    pub(super) compared: ComparedBy,
    pub(super) fits: Fits,
}

/// The rules, those of pretraining among them, which has no `--resume`.
const RULES: &[Rule] = {
    use ComparedBy::{Faults, Itself, Length, Meaning, Nothing};
    const fn of(names: &'static [&'static str], compared: ComparedBy, fits: Fits) -> Rule {
        Rule { names, compared, fits }
    }
    const NEVER: Fits = |_, _| false;
    const ALWAYS: Fits = |_, _| true;
    &[
        // Files and folders may have moved: a checkpoint is compared with their contents.
        of(&["base", "data_dir"], Nothing, ALWAYS),
        of(&["dataset"], Nothing, |_, on| may_have_moved(on.saved, on.now)),
        of(&["out"], Nothing, |_, on| is_same(&on.now.out, on.root)),
        of(&["init"], Nothing, |run, on| {
            is_of(on.now.init.as_deref(), on.saved.init_sha256.as_deref())
                && adopt(&mut run.init, &on.now.init)
        }),
        // These cost time or memory, and change no step.
        of(&["checkpoint", "micro_batch", "preset"], Nothing, NEVER),
        of(&["eval_every"], Nothing, |run, on| adopt(&mut run.eval_every, &on.now.eval_every)),
        of(&["checkpoint_every"], Nothing, |run, on| {
            adopt(&mut run.checkpoint_every, &on.now.checkpoint_every)
        }),
        of(&["on_nan"], Nothing, |run, on| adopt(&mut run.on_nan, &on.now.on_nan)),
        of(&["verify_every"], Nothing, |run, on| {
            adopt(&mut run.verify_every, &on.now.verify_every)
        }),
        of(&["tensorboard"], Nothing, |run, on| adopt(&mut run.tensorboard, &on.now.tensorboard)),
        // The cut of a step, which a checkpoint records, says what it meant.
        of(&["mixed"], Nothing, |run, on| adopt(&mut run.mixed, &on.now.mixed)),
        of(&["images"], Nothing, |run, on| adopt(&mut run.images, &on.now.images)),
        // Its effect, the order of the classes, is compared instead.
        of(&["allow_mismatch"], Nothing, |run, on| {
            adopt(&mut run.allow_mismatch, &on.now.allow_mismatch)
        }),
        of(&["steps"], Length, |run, on| {
            let same = on.now.steps == on.saved.steps;
            (on.prolongs() || same) && adopt(&mut run.steps, &on.now.steps)
        }),
        of(&["epochs"], Length, |run, on| {
            let same = on.saved.steps.is_none() && on.now.epochs == on.saved.epochs;
            (on.prolongs() || same)
                && adopt(&mut run.steps, &None)
                && adopt(&mut run.epochs, &on.now.epochs)
        }),
        of(&["model"], Meaning, |run, on| adopt(&mut run.hints.model, &on.now.hints.model)),
        // What it is on this adapter has been compared before.
        of(&["dtype"], Meaning, ALWAYS),
        of(&["precision", "loss"], Meaning, NEVER),
        of(&["temperature"], Meaning, |_, on| same_temperature(on.saved, on.now)),
        of(&["generator"], Itself, |_, on| {
            on.now.generator.eq_ignore_ascii_case(&on.saved.generator)
        }),
        of(&["faults", "ber", "ber01", "ber10", "bits", "layers", "stored"], Faults, NEVER),
        of(&["faults_in", "activation_map"], Faults, NEVER),
        of(&["fault_map", "layout", "mapping", "chip", "lot", "shared"], Faults, NEVER),
    ]
};

impl Rule {
    /// The rule for a setting.
    pub(super) fn of(name: &str) -> &'static Self {
        const OTHER: Rule = Rule { names: &[], compared: ComparedBy::Itself, fits: |_, _| false };
        RULES.iter().find(|rule| rule.names.contains(&name)).unwrap_or(&OTHER)
    }
}

/// Whether a setting of either training changes no result, or only its last bits.
pub(crate) fn is_of_no_matter(name: &str) -> bool {
    Rule::of(name).compared == ComparedBy::Nothing
}

/// Whether a setting is among the facts that a checkpoint of either training depends on: others are there by what
/// they mean.
pub(super) fn is_a_fact(name: &str) -> bool {
    Rule::of(name).compared == ComparedBy::Itself
}

/// Whether a setting of a generator's training is among those facts: the length is where it ends with a cosine.
pub(super) fn is_a_fact_of(name: &str, schedule: Schedule) -> bool {
    is_a_fact(name) || schedule == Schedule::Cosine && Rule::of(name).compared == ComparedBy::Length
}

fn adopt<T: Clone>(run: &mut T, now: &T) -> bool {
    run.clone_from(now);
    true
}

/// Whether the temperature is that of the distillation that is resumed; either may be left to the
/// default.
fn same_temperature(saved: &TrainConfig, now: &TrainConfig) -> bool {
    let loss = saved.goal.loss;
    let of = |temperature| LossArgs { loss, temperature }.loss().ok();
    let [saved, now] = [saved, now].map(|config| of(config.goal.temperature));
    now.is_some() && now == saved
}

/// Whether both may be the same data set: a folder of images may have moved, a known data set has a
/// fixed name.
fn may_have_moved(saved: &TrainConfig, now: &TrainConfig) -> bool {
    let is_known = |config: &TrainConfig| {
        config.dataset.as_deref().is_some_and(|name| data::info(name).is_ok())
    };
    saved.dataset == now.dataset || !is_known(saved) && !is_known(now)
}

/// Whether a file has this SHA-256.
fn is_of(file: Option<&Path>, sha256: Option<&str>) -> bool {
    let own = file.and_then(|file| crate::files::sha256(file).ok());
    own.is_some() && own.as_deref() == sha256
}

/// Whether two paths lead to the same place.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(a) == real(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::PretrainConfig;
    use clap::{Args as _, Command};

    #[test]
    fn every_rule_is_about_a_setting_that_there_is_and_none_has_two() {
        let command = PretrainConfig::augment_args(Command::new("pretrain"));
        let others = TrainConfig::augment_args(Command::new("train"));
        let known: Vec<&str> = command
            .get_arguments()
            .chain(others.get_arguments())
            .map(|a| a.get_id().as_str())
            .collect();
        let mut names: Vec<&str> = RULES.iter().flat_map(|rule| rule.names).copied().collect();
        for name in &names {
            assert!(known.contains(name), "{name}");
        }
        let len = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), len);
    }
}
