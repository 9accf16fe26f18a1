//! The operating point of least energy that is accurate enough, from measured accuracies.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{Cost, OperatingPoint, OperatingPoints};
use crate::{
    data,
    error::{Error, Result},
    files, models,
    report::eval_json::{Evaluation, FaultDetail, Perturbed, Spread, VERSION},
};

/// A way to run the base network whose accuracy was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Supply voltage of the base's memory, relative to the nominal one.
    pub voltage: f64,
    /// Probability that a cell is faulty there.
    pub ber: f64,
    /// The fault model that it was measured with (and the measured map); none at the nominal voltage.
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
    /// Energy of the memory accesses of one image, relative to the base alone at the nominal voltage.
    pub energy: f64,
    /// The mean accuracy is at least the one asked for.
    pub accurate_enough: bool,
}

/// A way to run the base network of which nothing was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unmeasured {
    /// Supply voltage, relative to the nominal one.
    pub voltage: f64,
    /// Probability that a cell is faulty there.
    pub ber: f64,
    /// The generator in front, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// A file that knows the generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What [`choose`] found. Positions are those in `candidates`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Every candidate, the least energy first; of equal energies the most accurate first.
    pub candidates: Vec<Candidate>,
    /// The one of least energy that is accurate enough.
    pub chosen: Option<usize>,
    /// The same among those without a generator.
    pub chosen_without_generator: Option<usize>,
    /// The same among those with a generator.
    pub chosen_with_generator: Option<usize>,
    /// The most accurate one.
    pub most_accurate: Option<usize>,
    /// Operating points without a measured accuracy. Nothing is interpolated.
    pub unmeasured: Vec<Unmeasured>,
    /// Measured rates that no operating point has.
    pub unknown_rates: Vec<f64>,
    /// Measured rates whose faults were kept to some bits or layers: they say nothing of a voltage.
    pub partial_rates: Vec<f64>,
}

/// The evaluations in a document of `nf-gpu eval --json`.
///
/// # Errors
/// The file cannot be read, or is no such document.
pub fn read_evaluations(path: &Path) -> Result<Vec<Evaluation>> {
    let wrong = |what: String| {
        Error::format(path, what, "give a document of `nf-gpu eval --json`, or a run's eval.json")
    };
    let not = |e: serde_json::Error| wrong(format!("it is not an evaluation: {e}"));
    let mut document: Value = serde_json::from_slice(&files::read_file(path)?).map_err(not)?;
    // By hand: serde says of an untagged enum only that no variant fits.
    let runs = match document.get_mut("runs").map(Value::take) {
        Some(runs) => serde_json::from_value(runs).map_err(not)?,
        None => vec![serde_json::from_value::<Evaluation>(document).map_err(not)?],
    };
    match runs.iter().find(|e| e.version != VERSION) {
        Some(e) => Err(wrong(format!("version {} of the document, not {VERSION}", e.version))),
        None if runs.is_empty() => Err(wrong("it holds no run".into())),
        None => Ok(runs),
    }
}

/// Finds the operating point of least energy whose mean accuracy is at least `minimum` (per cent),
/// among measured ones. The base's memory runs at the point's voltage, the generator's at the nominal
/// one. `evaluations` are of one base network on one data set under one fault model, each with the
/// name of its file; fault maps of the same generator and rate are put together. `classes` is their
/// number where neither the document nor the name of the data set tells it.
///
/// # Errors
/// Evaluations that cannot be compared, or of networks that are not known.
pub fn choose(
    evaluations: &[(String, Evaluation)],
    points: &OperatingPoints,
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
    let info = models::base_info(&first.1.base.model)?;
    let base = Cost::of(&models::base(info.name, count_classes(&first.1, classes), None)?);
    let mut search = Search::new(points, minimum, base);
    for (file, evaluation) in evaluations {
        search.add(file, evaluation, info.side)?;
    }
    search.one_fault_model()?;
    Ok(search.finish())
}

/// Accuracies of different networks or images cannot be compared.
fn comparable((a, one): &(String, Evaluation), (b, other): &(String, Evaluation)) -> Result<()> {
    let what = match () {
        () if one.base != other.base => "base networks",
        () if one.dataset.name != other.dataset.name => "data sets",
        () if (&one.dataset.split, one.dataset.images)
            != (&other.dataset.split, other.dataset.images) =>
        {
            "images of the data set"
        }
        () if one.precision != other.precision => "precisions",
        () => return Ok(()),
    };
    let files = if a == b { format!("runs of {a}") } else { format!("{a} and {b}") };
    let hint = "give evaluations of one base network on the same images";
    Err(Error::argument("--min-accuracy", format!("{files} are of different {what}"), hint))
}

/// Classes of the data set that was evaluated, `otherwise` if nothing tells.
fn count_classes(evaluation: &Evaluation, otherwise: u32) -> u32 {
    let named = u32::try_from(evaluation.dataset.classes.len()).unwrap_or(0);
    match data::info(&evaluation.dataset.name) {
        _ if named > 0 => named,
        Ok(info) => info.classes,
        Err(_) => otherwise,
    }
}

/// What stands in front of the base network.
struct Front {
    generator: Option<Cost>,
    /// Tells apart two generators of one name.
    file_sha256: String,
    /// Where it was met first.
    file: Option<String>,
}

/// Accuracies that were measured at an operating point.
struct Measured<'a> {
    point: &'a OperatingPoint,
    /// Position of the front.
    front: usize,
    /// Model and details; none without faults.
    faults: Option<(String, FaultDetail)>,
    /// The accuracy of each fault map, by its seed; the one without faults.
    each: Vec<(u64, f64)>,
    files: Vec<String>,
}

struct Search<'a> {
    points: &'a OperatingPoints,
    minimum: f64,
    base: Cost,
    /// The first is none.
    fronts: Vec<Front>,
    measured: Vec<Measured<'a>>,
    unknown_rates: Vec<f64>,
    partial_rates: Vec<f64>,
}

impl<'a> Search<'a> {
    fn new(points: &'a OperatingPoints, minimum: f64, base: Cost) -> Self {
        let none = Front { generator: None, file_sha256: String::new(), file: None };
        Self {
            points,
            minimum,
            base,
            fronts: vec![none],
            measured: Vec::new(),
            unknown_rates: Vec::new(),
            partial_rates: Vec::new(),
        }
    }

    /// Takes what an evaluation measured.
    fn add(&mut self, file: &str, evaluation: &Evaluation, side: u32) -> Result<()> {
        let front = match &evaluation.generator {
            None => None,
            Some(g) => {
                let known = |f: &Front| f.generator.is_some() && f.file_sha256 == g.file_sha256;
                Some(match self.fronts.iter().position(known) {
                    Some(at) => at,
                    None => self.front(&g.name, &g.file_sha256, side, file)?,
                })
            }
        };
        if let Some(point) = self.points.at(0.0) {
            self.measure(point, None, 0, &[evaluation.clean.accuracy], file);
            if let (Some(front), Some(accuracy)) = (front, evaluation.clean.accuracy_nf) {
                self.measure(point, None, front, &[accuracy], file);
            }
        }
        for p in &evaluation.perturbed {
            let Some(point) = self.points.at(p.ber) else {
                remember(&mut self.unknown_rates, p.ber);
                continue;
            };
            if p.detail.bits.is_some() || p.detail.layers.is_some() {
                remember(&mut self.partial_rates, p.ber);
                continue;
            }
            let each = |spread: &Spread| match p.seeds.len() == spread.each.len() {
                true if !p.seeds.is_empty() => Ok(spread.each.clone()),
                _ => {
                    let what = format!("BER {}: not one accuracy per seed", p.ber);
                    Err(Error::format(file, what, "evaluate again with `nf-gpu eval --json`"))
                }
            };
            self.measure(point, Some(p), 0, &each(&p.accuracy)?, file);
            if let (Some(front), Some(accuracy)) = (front, &p.accuracy_nf) {
                self.measure(point, Some(p), front, &each(accuracy)?, file);
            }
        }
        Ok(())
    }

    /// Remembers a generator; its position.
    fn front(&mut self, name: &str, sha256: &str, side: u32, file: &str) -> Result<usize> {
        let generator = Some(Cost::of(&models::generator(name, side)?));
        let (file_sha256, file) = (sha256.to_owned(), Some(file.to_owned()));
        self.fronts.push(Front { generator, file_sha256, file });
        Ok(self.fronts.len() - 1)
    }

    /// Remembers accuracies, one per seed. Runs that differ in the generator hold the same ones without
    /// it: a seed counts once.
    fn measure(
        &mut self,
        point: &'a OperatingPoint,
        perturbed: Option<&Perturbed>,
        front: usize,
        accuracies: &[f64],
        file: &str,
    ) {
        let faults = perturbed.map(|p| (p.faults.clone(), p.detail.clone()));
        let seeds = perturbed.map_or(&[0][..], |p| &p.seeds);
        let there = self
            .measured
            .iter()
            .position(|m| m.front == front && m.point.ber == point.ber && m.faults == faults);
        let at = there.unwrap_or(self.measured.len());
        if there.is_none() {
            let (each, files) = (Vec::new(), Vec::new());
            self.measured.push(Measured { point, front, faults, each, files });
        }
        let m = &mut self.measured[at];
        for (&seed, &accuracy) in seeds.iter().zip(accuracies) {
            if m.each.iter().all(|&(known, _)| known != seed) {
                m.each.push((seed, accuracy));
                if m.files.last().is_none_or(|last| last != file) {
                    m.files.push(file.to_owned());
                }
            }
        }
    }

    /// Accuracies under different fault models are no alternatives of one memory.
    fn one_fault_model(&self) -> Result<()> {
        let mut models = self.measured.iter().filter_map(|m| m.faults.as_ref().map(|f| &f.0));
        let Some(first) = models.next() else { return Ok(()) };
        models.find(|model| *model != first).map_or(Ok(()), |other| {
            let what = format!("some accuracies are under {first} faults, some under {other}");
            let hint = "give evaluations under the fault model that your memory has";
            Err(Error::argument("--min-accuracy", what, hint))
        })
    }

    fn candidate(&self, m: Measured<'_>) -> Candidate {
        let generator = self.fronts[m.front].generator.as_ref();
        let values: Vec<f64> = m.each.iter().map(|&(_, accuracy)| accuracy).collect();
        let accuracy = Spread::of(&values);
        let maps = if m.faults.is_some() { values.len() } else { 0 };
        let faults = m.faults.map(|(model, detail)| match detail.map {
            Some(map) => format!("{model} {}", map.file),
            None => model,
        });
        Candidate {
            voltage: m.point.voltage,
            ber: m.point.ber,
            faults,
            generator: generator.map(|g| g.name.clone()),
            files: m.files,
            accuracy: accuracy.mean,
            interval: accuracy.interval,
            maps,
            energy: self.base.energy(generator, m.point.energy_per_access),
            accurate_enough: accuracy.mean >= self.minimum,
        }
    }

    /// Operating points at which a front was not measured.
    fn unmeasured(&self) -> Vec<Unmeasured> {
        let fronts = self.fronts.iter().enumerate();
        let missing = fronts.flat_map(|(at, front)| {
            let there = move |p: &&OperatingPoint| {
                !self.measured.iter().any(|m| (m.front, m.point.ber) == (at, p.ber))
            };
            self.points.iter().filter(there).map(move |p| Unmeasured {
                voltage: p.voltage,
                ber: p.ber,
                generator: front.generator.as_ref().map(|g| g.name.clone()),
                file: front.file.clone(),
            })
        });
        missing.collect()
    }

    fn finish(mut self) -> Choice {
        let unmeasured = self.unmeasured();
        let measured = std::mem::take(&mut self.measured);
        let mut candidates: Vec<_> = measured.into_iter().map(|m| self.candidate(m)).collect();
        candidates
            .sort_by(|a, b| a.energy.total_cmp(&b.energy).then(b.accuracy.total_cmp(&a.accuracy)));
        let first = |with: fn(&Candidate) -> bool| {
            candidates.iter().position(|c| c.accurate_enough && with(c))
        };
        let accuracy = |&at: &usize| candidates[at].accuracy;
        Choice {
            chosen: first(|_| true),
            chosen_without_generator: first(|c| c.generator.is_none()),
            chosen_with_generator: first(|c| c.generator.is_some()),
            // Of equal ones `max_by` gives the last, so backwards the one of least energy.
            most_accurate: (0..candidates.len())
                .rev()
                .max_by(|a, b| accuracy(a).total_cmp(&accuracy(b))),
            unmeasured,
            unknown_rates: self.unknown_rates,
            partial_rates: self.partial_rates,
            candidates,
        }
    }
}

fn remember(rates: &mut Vec<f64>, rate: f64) {
    if !rates.contains(&rate) {
        rates.push(rate);
    }
}

#[cfg(test)]
mod tests;
