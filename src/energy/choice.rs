//! The operating point of least energy that is accurate enough, from measured accuracies.

mod search;

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{Cost, OperatingPoint, OperatingPoints, StoredBits};
use crate::{
    data,
    error::{Error, Result},
    files::{self, FloatFormat},
    models::{self, BaseInfo},
    report::eval_json::{Evaluation, VERSION},
};
use search::Search;

/// A way to run the base network whose accuracy was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Supply voltage of the base's memory, relative to the nominal one.
    pub voltage: f64,
    /// Probability that a cell was faulty where the accuracy was measured.
    pub ber: f64,
    /// The fault model of the measurement (and the measured map); absent at the nominal voltage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<String>,
    /// The generator in front, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// The files with the measurements.
    pub files: Vec<String>,
    /// Mean accuracy in per cent.
    pub accuracy: f64,
    /// 95 % interval of the mean, where several fault maps were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Fault maps measured; 0 at the nominal voltage, where the accuracy is exact.
    pub maps: usize,
    /// Energy of the memory accesses of one image, relative to the base alone at the nominal
    /// voltage.
    pub energy: f64,
    /// Whether the mean accuracy reaches the requested minimum.
    pub accurate_enough: bool,
}

/// A way to run the base network that no evaluation has measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unmeasured {
    /// Supply voltage, relative to the nominal one.
    pub voltage: f64,
    /// Probability that a cell is faulty at this voltage.
    pub ber: f64,
    /// The generator in front, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// The file in which the generator was first met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// The result of [`choose`]. The indices point into `candidates`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Every candidate, the least energy first; of equal energies the most accurate first.
    pub candidates: Vec<Candidate>,
    /// The candidate of least energy that is accurate enough.
    pub chosen: Option<usize>,
    /// The candidate of least energy that is accurate enough and has no generator.
    pub chosen_without_generator: Option<usize>,
    /// The candidate of least energy that is accurate enough and has a generator.
    pub chosen_with_generator: Option<usize>,
    /// The most accurate candidate; of equally accurate ones the one of least energy.
    pub most_accurate: Option<usize>,
    /// Operating points without a measured accuracy. Nothing is interpolated.
    pub unmeasured: Vec<Unmeasured>,
    /// Measured fault rates that belong to no operating point.
    pub unknown_rates: Vec<f64>,
    /// Measured fault rates that say nothing about a voltage, because only a part of the memory could fail
    /// ([`super::tells_voltage`]).
    pub partial_rates: Vec<f64>,
}

/// The evaluations in a document of `nf-gpu eval --json`.
pub fn read_evaluations(path: &Path) -> Result<Vec<Evaluation>> {
    let wrong = |what: String| {
        Error::format(path, what, "give a document of `nf-gpu eval --json`, or a run's eval.json")
    };
    let not = |e: serde_json::Error| wrong(format!("it is not an evaluation: {e}"));
    let mut document: Value = serde_json::from_slice(&files::read_file(path)?).map_err(not)?;
    // The variants are tried by hand: serde's error for an untagged enum only says that none fits.
    let runs = match document.get_mut("runs").map(Value::take) {
        Some(runs) => serde_json::from_value(runs).map_err(not)?,
        None => vec![serde_json::from_value::<Evaluation>(document).map_err(not)?],
    };
    match runs.iter().find(|e| e.version != VERSION) {
        Some(e) => Err(wrong(format!("version {} of the document, not {VERSION}", e.version))),
        None if runs.is_empty() => Err(wrong("it holds no run".into())),
        None if runs.iter().flat_map(accuracies).any(|a| !(0.0..=100.0).contains(&a)) => {
            Err(wrong("it has an accuracy that is not from 0 to 100 per cent".into()))
        }
        None => Ok(runs),
    }
}

/// Every accuracy of an evaluation, in per cent.
fn accuracies(e: &Evaluation) -> Vec<f64> {
    let clean = std::iter::once(e.clean.accuracy).chain(e.clean.accuracy_nf);
    let faulty = e.perturbed.iter().flat_map(|p| {
        let behind = p.accuracy_nf.iter().flat_map(|nf| &nf.each);
        p.accuracy.each.iter().chain(behind).copied()
    });
    clean.chain(faulty).collect()
}

/// Finds the operating point of least energy whose mean accuracy is at least `minimum` (per cent), among the
/// measured ones. The base's memory runs at the point's voltage, the generator's memory at the nominal one.
///
/// All `evaluations` must be of one base network on one data set under one fault model; each comes with the
/// name of its file. Fault maps of the same generator and rate are merged. `classes` is the number of classes
/// where neither the document nor the name of the data set tells it. A fault rate belongs to the nearest
/// operating point within 1 %, unless the evaluation names a voltage, or `at` names one point for all
/// evaluations.
pub fn choose(
    evaluations: &[(String, Evaluation)],
    (points, at): (&OperatingPoints, Option<&OperatingPoint>),
    minimum: f64,
    classes: u32,
) -> Result<Choice> {
    let Some((first, rest)) = evaluations.split_first() else {
        let hint = "give the eval.json of a run, or what `nf-gpu eval --json` printed";
        return Err(Error::argument("--min-accuracy", "no evaluation was given", hint));
    };
    for other in rest {
        comparable(first, other)?;
    }
    // What an evaluation has counted is of the network itself, which may be the user's own.
    let counted = || evaluations.iter().filter_map(|(_, e)| Some((e, e.accesses()?)));
    let base = match counted().next() {
        Some((_, (base, _))) => base,
        None => base_accesses(first, classes)?,
    };
    let generators = counted().filter_map(|(e, (_, accesses))| {
        Some((e.generator.as_ref()?.file_sha256.clone(), accesses?))
    });
    let mut search = Search::new(points, at, minimum, (base, generators.collect()));
    for (file, evaluation) in evaluations {
        search.add(file, evaluation)?;
    }
    search.one_fault_model()?;
    Ok(search.finish())
}

/// Accesses of a base network that has a name, as its evaluation stored it.
fn base_accesses((file, evaluation): &(String, Evaluation), classes: u32) -> Result<u64> {
    let bits = evaluation.precision;
    if bits != 8 && bits != FloatFormat::BITS {
        let what = format!("{file} is of weights of {bits} bits");
        let hint = "accesses are counted for weights of whole bytes: evaluate with --precision 8, or --stored";
        return Err(Error::argument("--min-accuracy", what, hint));
    }
    let info = named_base(file, evaluation)?;
    let graph = models::base(info.name, count_classes(evaluation, classes), None)?;
    let stored = vec![StoredBits { weight: bits, bias: 0 }; graph.layers.len()];
    Ok(Cost::stored(&graph, &stored).weight_accesses)
}

/// The base network of an evaluation that has not counted its accesses.
fn named_base(file: &str, evaluation: &Evaluation) -> Result<&'static BaseInfo> {
    models::base_info(&evaluation.base.model).map_err(|_| {
        let what = format!("{file} is of {}, a network of yours, without its accesses", evaluation.base.model);
        let hint = "evaluate it again with --points FILE.toml, the voltages of your memory, or --voltage V";
        Error::argument("--min-accuracy", what, hint)
    })
}

/// Refuses evaluations of different networks or images: their accuracies cannot be compared.
fn comparable((a, one): &(String, Evaluation), (b, other): &(String, Evaluation)) -> Result<()> {
    let what = match () {
        () if one.base != other.base => "base networks",
        () if one.dataset.name != other.dataset.name => "data sets",
        () if one.dataset.which() != other.dataset.which() => "images of the data set",
        () if one.precision != other.precision => "precisions",
        () if one.dataset.labels != other.dataset.labels => "labels",
        () => return Ok(()),
    };
    let files = if a == b { format!("runs of {a}") } else { format!("{a} and {b}") };
    let hint = "give evaluations of one base network on the same images";
    Err(Error::argument("--min-accuracy", format!("{files} are of different {what}"), hint))
}

/// Number of classes of the evaluated data set, or `otherwise` if neither the document nor the data set's
/// name tells it.
fn count_classes(evaluation: &Evaluation, otherwise: u32) -> u32 {
    let named = u32::try_from(evaluation.dataset.classes.len()).unwrap_or(0);
    match data::info(&evaluation.dataset.name) {
        _ if named > 0 => named,
        Ok(info) => info.classes,
        Err(_) => otherwise,
    }
}

#[cfg(test)]
mod tests;
