//! Flags given with `--resume`: which of them a resumed run adopts, and which contradict it.

use super::{
    config::TrainConfig,
    folder::RunFolder,
    resumable::{ComparedBy, GoingOn, Rule},
};
use crate::{
    error::{Error, Result},
    run::Gpu,
};
use serde_json::{Map, Value};
use std::path::Path;

/// A run that is resumed.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) folder: RunFolder,
    pub(super) config: TrainConfig,
    /// Whether the settings differ from those in the folder.
    pub(super) changed: bool,
}

/// The run in a folder with its `saved` settings, and with those given with `--resume` that it can
/// adopt.
pub(super) fn goes_on(
    gpu: &Gpu,
    folder: RunFolder,
    saved: &TrainConfig,
    now: &TrainConfig,
) -> Result<Resumed> {
    keeps_dtype(gpu, saved, now)?;
    let mut config = TrainConfig { given: now.given.clone(), ..saved.clone() };
    if now.resume.is_some() {
        follow(&mut config, saved, now, folder.root())?;
    }
    let config = config.moved(now);
    let changed = settings(&config) != settings(saved);
    Ok(Resumed { folder, config, changed })
}

/// Settings by name, in the form of `config.toml`.
fn settings(config: &TrainConfig) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(all)) => all,
        // Not reached: settings are texts, numbers and paths, and paths that are no Unicode are refused.
        _ => Map::new(),
    }
}

/// Adopts the settings that may change, and refuses those that may not.
fn follow(
    config: &mut TrainConfig,
    saved: &TrainConfig,
    now: &TrainConfig,
    root: &Path,
) -> Result<()> {
    let [then, wanted] = [saved, now].map(settings);
    let on = GoingOn { saved, now, root };
    let mut faults = Vec::new();
    for name in now.given.iter().filter(|name| wanted.contains_key(*name)) {
        let (then, wanted) = (then.get(name), wanted.get(name));
        let rule = Rule::of(name);
        // Epochs say nothing of a run whose length was given in steps.
        let same = then == wanted && rule.compared != ComparedBy::Length;
        if (rule.fits)(config, &on) || same {
            continue;
        }
        match rule.compared {
            ComparedBy::Faults => faults.push(name.as_str()),
            _ => return Err(contradiction(name, then, wanted)),
        }
    }
    if faults.is_empty() { Ok(()) } else { follow_faults(config, now, &faults) }
}

/// Adopts flags of faults that are spelt in another way than those of the run but mean the same: a
/// default that is stated, or the measured map at another path.
fn follow_faults(config: &mut TrainConfig, now: &TrainConfig, odd: &[&str]) -> Result<()> {
    let asked = with(config, now, odd)?;
    if !same_faults(config, &asked)? {
        let alone =
            |name: &&&str| with(config, now, &[**name]).and_then(|c| same_faults(config, &c));
        let name = odd.iter().find(|name| matches!(alone(name), Ok(false))).or(odd.first());
        let [then, wanted] = [&*config, now].map(settings);
        let name = name.copied().unwrap_or("faults");
        return Err(contradiction(name, then.get(name), wanted.get(name)));
    }
    (config.faults, config.ber) = (asked.faults, asked.ber);
    Ok(())
}

/// Settings in which those called `names` are replaced by those of `other`.
fn with(config: &TrainConfig, other: &TrainConfig, names: &[&str]) -> Result<TrainConfig> {
    const MAP: [&str; 2] = ["chip", "fault_map"];
    let (mut all, other) = (settings(config), settings(other));
    // Both flags name the measured map: what either of them named before is removed.
    if names.iter().any(|name| MAP.contains(name)) {
        all.retain(|name, _| !MAP.contains(&name.as_str()));
    }
    all.extend(other.into_iter().filter(|(name, _)| names.contains(&name.as_str())));
    let mut all: TrainConfig =
        serde_json::from_value(all.into()).map_err(|e| Error::Shape(format!("settings: {e}")))?;
    // The run's own rate does not contradict a measured map.
    if !names.contains(&"ber") && !all.faults.takes_rate()? {
        all.ber = None;
    }
    Ok(all)
}

/// Whether two settings mean the same faults. If the measured map or the pattern of a run has moved, any other file is
/// accepted here, because the checkpoint knows what it held.
fn same_faults(began: &TrainConfig, asked: &TrainConfig) -> Result<bool> {
    let meaning = |config: &TrainConfig| -> Result<_> {
        Ok((config.fault_model()?.identity(), config.maps()?.describe()))
    };
    let is_map = |config: &TrainConfig| Ok(!config.faults.map_files()?.is_empty());
    let is_pattern = |config: &TrainConfig| config.faults.pattern_file().is_some();
    match meaning(began) {
        Ok(began) => Ok(meaning(asked)? == began),
        Err(_) if is_pattern(began) => Ok(is_pattern(asked)),
        Err(_) => Ok(is_map(began)? && is_map(asked)?),
    }
}

impl TrainConfig {
    /// These saved settings with the present places of base network and data: those that were given, or
    /// those of a caller that passes whole settings.
    #[must_use]
    pub fn moved(mut self, now: &Self) -> Self {
        let whole = now.given.is_empty() && !now.base.as_os_str().is_empty();
        let is_given = |name: &str| whole || now.given.iter().any(|given| given == name);
        if is_given("base") {
            self.base.clone_from(&now.base);
        }
        if is_given("data_dir") {
            self.data_dir.clone_from(&now.data_dir);
        }
        if is_given("dataset") && now.dataset.is_some() {
            self.dataset.clone_from(&now.dataset);
        }
        self
    }
}

/// Refuses another precision of arithmetic than that with which the run began. Both are compared by
/// their meaning on this adapter.
fn keeps_dtype(gpu: &Gpu, saved: &TrainConfig, now: &TrainConfig) -> Result<()> {
    let began = saved.dtype.unwrap_or_default().on(gpu);
    match now.dtype.map(|asked| asked.on(gpu)).filter(|&asked| asked != began) {
        None => Ok(()),
        Some(asked) => Err(Error::argument(
            "--dtype",
            format!("the run began with {}, not {}", began.name(), asked.name()),
            "a run keeps to its arithmetic: leave this out, or begin anew",
        )),
    }
}

fn contradiction(name: &str, then: Option<&Value>, wanted: Option<&Value>) -> Error {
    let flag = format!("--{}", name.replace('_', "-"));
    let say = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(all)) if all.is_empty() => None,
        Some(value) => Some(value.to_string()),
    };
    let (then, wanted) = (say(then), say(wanted).unwrap_or_default());
    let what = match then {
        Some(then) => format!("the run began with {then}, not {wanted}"),
        None => format!("the run began without it, not with {wanted}"),
    };
    let hint = match name {
        "steps" | "epochs" => {
            "a cosine ends with its run: leave it out, or begin anew in another --out"
        }
        _ => "a run keeps to its settings: leave it out, or begin anew in another --out",
    };
    Error::argument(flag, what, hint)
}
