//! Checks which flags of `nf-gpu forward` go together.

use super::{ForwardArgs, PassMode, precision::Precision};
use crate::{
    error::{Error, Result},
    models::GENERATOR_BITS,
    step::Loss,
    train::LossFlag,
};
use std::path::PathBuf;

/// Fails for the first flag in `flags` that is given.
fn refuse(flags: &[(&str, bool)], what: &str, hint: &str) -> Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::argument(*flag, what, hint)),
    }
}

impl ForwardArgs {
    /// Checks all combinations that can be judged without reading a file.
    pub(super) fn check_combination(&self) -> Result<()> {
        if self.micro_batch == Some(0) {
            let hint = "leave it out for as many images as fit";
            return Err(Error::argument("--micro-batch", "0 images are none", hint));
        }
        self.check_precision()?;
        if self.eopm {
            return self.check_eopm();
        }
        refuse(
            &[
                ("--generator", self.generator.is_some()),
                ("--generator-weights", self.generator_weights.is_some()),
                ("--seeds", self.seeds.is_some()),
                ("--lambda", self.lambda.is_some()),
                ("--loss", self.goal.loss == LossFlag::Distill),
                ("--temperature", self.goal.temperature.is_some()),
            ],
            "it belongs to --eopm",
            "add --eopm, or leave it out; one network is named by --model and --weights",
        )?;
        if self.output.is_none() {
            let hint = "as in --output y.npy";
            return Err(Error::argument("--output", "nowhere to write the output", hint));
        }
        if self.labels.is_some() && self.upstream.is_some() {
            let what = "it and --labels are two losses";
            return Err(Error::argument("--upstream", what, "give one of them"));
        }
        if self.grads.is_some() && self.labels.is_none() && self.upstream.is_none() {
            let hint = "add --labels (cross-entropy) or --upstream (sum(output * upstream))";
            return Err(Error::argument("--grads", "there is no loss to differentiate", hint));
        }
        if self.ber.is_none() && !self.faults.any() {
            let given = [("--seed", self.seed.is_some())];
            refuse(&given, "without --ber there are no faults", "add --ber, as in --ber 0.01")?;
        }
        if self.after.is_some() && self.mode != Some(PassMode::Train) {
            let what = "running statistics change only in training";
            return Err(Error::argument("--after", what, "add --mode train"));
        }
        Ok(())
    }

    fn check_eopm(&self) -> Result<()> {
        refuse(
            &[
                ("--output", self.output.is_some()),
                ("--upstream", self.upstream.is_some()),
                ("--mode", self.mode.is_some()),
                ("--after", self.after.is_some()),
            ],
            "it does not go with --eopm, which gives losses and --grads",
            "leave it out",
        )?;
        refuse(
            &[("--seed", self.seed.is_some())],
            "--eopm has a map a perturbed copy",
            "use --seeds, as in --seeds 11,12",
        )?;
        let distills = self.goal.loss()? != Loss::Labels;
        refuse(
            &[("--labels", distills && self.labels.is_some())],
            "a distillation learns what the clean network answers",
            "leave it out, or use --loss labels",
        )?;
        for (flag, given, example) in [
            ("--generator-weights", self.generator_weights.is_some(), "generator.safetensors"),
            ("--labels", self.labels.is_some() || distills, "labels.npy"),
            ("--ber", self.ber.is_some() || self.faults.any(), "0.01"),
            ("--seeds", self.seeds.is_some(), "11,12"),
        ] {
            if !given {
                let hint = format!("as in {flag} {example}");
                return Err(Error::argument(flag, "--eopm needs it", hint));
            }
        }
        if let Some(lambda) = self.lambda.filter(|l| !((*l as f32).is_finite() && *l >= 0.0)) {
            let hint = "the paper's is 5";
            return Err(Error::argument("--lambda", format!("{lambda} is no weight"), hint));
        }
        Ok(())
    }

    /// Refuses flags that a generator has no use for.
    pub(super) fn check_generator(&self) -> Result<()> {
        let precision =
            self.precision.is_some_and(|given| given != Precision::Bits(GENERATOR_BITS));
        refuse(
            &[("--labels", self.labels.is_some())],
            "a generator's output are images, not logits",
            "use --upstream for its loss, or --eopm for the loss of a base behind it",
        )?;
        refuse(
            &[("--ber", self.ber.is_some() || self.faults.any())],
            "a generator is free of faults, as in the paper",
            "leave it out; faults are in the weights of a base",
        )?;
        let mean = self.input_mean.is_some() || self.input_std.is_some();
        refuse(
            &[("--input-mean", mean)],
            "a generator takes images in [-1, 1]",
            "leave it out; it is for base networks",
        )?;
        let what = "a generator's weights are stored in 8 bits, as in the paper";
        refuse(&[("--precision", precision)], what, "leave it out")
    }

    /// Refuses flags that a base network has no use for.
    pub(super) fn check_base(&self) -> Result<()> {
        refuse(
            &[("--mode", self.mode == Some(PassMode::Train))],
            "a base network is frozen: its batch norm uses the running statistics",
            "leave it out, or name a generator with --model",
        )
    }

    /// The path that [`Self::check_combination`] has required.
    pub(super) fn place<'a>(&self, path: Option<&'a PathBuf>) -> Result<&'a PathBuf> {
        path.ok_or_else(|| Error::argument("forward", "a file is missing", "see --help"))
    }
}
