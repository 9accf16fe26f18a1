//! Gathers measured accuracies by operating point and generator.

use super::{Candidate, Choice, Unmeasured, named_base};
use crate::{
    energy::{Cost, OperatingPoint, OperatingPoints, cost::energy, tells_voltage},
    error::{Error, Result},
    models,
    report::{
        eval_json::{Description, EvaluatedGenerator, Evaluation, Perturbed, Spread},
        table,
    },
};

use std::collections::BTreeMap;

/// What stands in front of the base network: a generator or nothing.
struct InFront {
    /// The generator's name, and its accesses for one image.
    generator: Option<(String, u64)>,
    /// Distinguishes two generators of the same name.
    file_sha256: String,
    /// The evaluation in which the generator was first met.
    file: Option<String>,
}

/// Accuracies that were measured at an operating point.
#[derive(Clone)]
struct Measured<'a> {
    point: &'a OperatingPoint,
    /// Probability that a cell was faulty: the point's, or near it.
    ber: f64,
    /// Index into [`Search::fronts`].
    front: usize,
    /// The memory's faults without their rate; `None` for measurements without faults.
    faults: Option<Description>,
    /// Pairs of fault map seed and accuracy; without faults a single pair with seed 0.
    each: Vec<(u64, f64)>,
    files: Vec<String>,
}

/// What was measured of one base network.
pub(super) struct Search<'a> {
    points: &'a OperatingPoints,
    /// The operating point of all faulty measurements, if the user names one.
    at: Option<&'a OperatingPoint>,
    minimum: f64,
    /// Accesses of the base network for one image.
    base: u64,
    /// Those of generators that evaluations have counted, by the SHA-256 of their files.
    generators: BTreeMap<String, u64>,
    /// The first entry stands for "no generator".
    fronts: Vec<InFront>,
    measured: Vec<Measured<'a>>,
    unknown_rates: Vec<f64>,
    partial_rates: Vec<f64>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        points: &'a OperatingPoints,
        at: Option<&'a OperatingPoint>,
        minimum: f64,
        (base, generators): (u64, BTreeMap<String, u64>),
    ) -> Self {
        let none = InFront { generator: None, file_sha256: String::new(), file: None };
        Self {
            points,
            at,
            minimum,
            base,
            generators,
            fronts: vec![none],
            measured: Vec::new(),
            unknown_rates: Vec::new(),
            partial_rates: Vec::new(),
        }
    }

    /// Adds the measurements of an evaluation.
    pub(super) fn add(&mut self, file: &str, evaluation: &Evaluation) -> Result<()> {
        let front = match &evaluation.generator {
            None => None,
            Some(g) => {
                let known = |f: &InFront| f.generator.is_some() && f.file_sha256 == g.file_sha256;
                Some(match self.fronts.iter().position(known) {
                    Some(at) => at,
                    None => self.front(g, evaluation, file)?,
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
            // A voltage that the user or the document states wins over the one that the fault rate
            // suggests.
            let said = self.at.is_some() || p.voltage.is_some();
            // A memory without faults was counted above.
            if !said && p.ber() == 0.0 {
                continue;
            }
            let of_file = || match p.voltage {
                Some(voltage) => self.points.at_voltage(voltage),
                None => self.points.at(p.ber()),
            };
            let Some(point) = self.at.or_else(of_file) else {
                remember(&mut self.unknown_rates, p.ber());
                continue;
            };
            if !said && !tells_voltage(&p.faults) {
                remember(&mut self.partial_rates, p.ber());
                continue;
            }
            let each = |spread: &Spread| match p.seeds.len() == spread.each.len() {
                true if !p.seeds.is_empty() => Ok(spread.each.clone()),
                _ => {
                    let what = format!("BER {}: not one accuracy per seed", p.ber());
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

    /// Remembers a generator and returns its index.
    fn front(
        &mut self,
        generator: &EvaluatedGenerator,
        evaluation: &Evaluation,
        file: &str,
    ) -> Result<usize> {
        let name = generator.name.clone();
        let accesses = match self.generators.get(&generator.file_sha256) {
            Some(&accesses) => accesses,
            None => {
                let side = named_base(file, evaluation)?.side;
                Cost::of(&models::generator(&name, [3, side, side])?).weight_accesses
            }
        };
        let (file_sha256, file) = (generator.file_sha256.clone(), Some(file.to_owned()));
        self.fronts.push(InFront { generator: Some((name, accesses)), file_sha256, file });
        Ok(self.fronts.len() - 1)
    }

    /// Remembers accuracies, one per seed. Evaluations of different generators repeat the accuracies without
    /// a generator, so a seed that is already known is skipped.
    fn measure(
        &mut self,
        point: &'a OperatingPoint,
        perturbed: Option<&Perturbed>,
        front: usize,
        accuracies: &[f64],
        file: &str,
    ) {
        let faults = perturbed.map(|p| p.faults.clone().memory());
        let seeds = perturbed.map_or(&[0][..], |p| &p.seeds);
        let ber = perturbed.map_or(0.0, Perturbed::ber);
        let of_point =
            |m: &Measured<'_>| m.front == front && m.point == point && m.faults == faults;
        let new =
            Measured { point, ber, front, faults: faults.clone(), each: vec![], files: vec![] };
        let at = match self.measured.iter().position(of_point) {
            Some(at) => at,
            None => {
                self.measured.push(new.clone());
                self.measured.len() - 1
            }
        };
        let m = &mut self.measured[at];
        if m.ber != ber {
            // Two different rates lie near this point: only the nearer one counts as the point's.
            let nearer = (ber - point.ber).abs() < (m.ber - point.ber).abs();
            remember(&mut self.unknown_rates, if nearer { m.ber } else { ber });
            if !nearer {
                return;
            }
            *m = new;
        }
        for (&seed, &accuracy) in seeds.iter().zip(accuracies) {
            if m.each.iter().all(|&(known, _)| known != seed) {
                m.each.push((seed, accuracy));
                if m.files.last().is_none_or(|last| last != file) {
                    m.files.push(file.to_owned());
                }
            }
        }
    }

    /// Refuses a mix of memories: accuracies under different fault models cannot be compared, nor can those
    /// under different maps, lots or directions at one operating point.
    pub(super) fn one_fault_model(&self) -> Result<()> {
        let mut models = self.measured.iter().filter_map(|m| Some(m.faults.as_ref()?.kind()));
        let first = models.next();
        if let Some((first, other)) = first.zip(models.find(|model| Some(*model) != first)) {
            let what = format!("some accuracies are under {first} faults, some under {other}");
            let hint = "give evaluations under the fault model that your memory has";
            return Err(Error::argument("--min-accuracy", what, hint));
        }
        for (i, m) in self.measured.iter().enumerate() {
            let same = |n: &&Measured<'_>| n.front == m.front && n.point == m.point;
            if self.measured[..i].iter().any(|n| same(&n)) {
                let what = format!("there are different memories at a rate of {}", m.point.ber);
                let hint = "give evaluations of one memory: one measured map, one lot, the same rates \
                            in both directions";
                return Err(Error::argument("--min-accuracy", what, hint));
            }
        }
        Ok(())
    }

    fn candidate(&self, m: Measured<'_>) -> Candidate {
        let generator = self.fronts[m.front].generator.as_ref();
        let values: Vec<f64> = m.each.iter().map(|&(_, accuracy)| accuracy).collect();
        let accuracy = Spread::of(&values);
        let maps = if m.faults.is_some() { values.len() } else { 0 };
        let faults = m.faults.map(|faults| {
            let map = faults.measured().map_or(String::new(), |map| format!(" {}", map.file));
            table::faults(&faults) + &map
        });
        Candidate {
            voltage: m.point.voltage,
            ber: m.ber,
            faults,
            generator: generator.map(|(name, _)| name.clone()),
            files: m.files,
            accuracy: accuracy.mean,
            interval: accuracy.interval,
            maps,
            energy: energy(self.base, generator.map(|g| g.1), m.point.energy_per_access),
            accurate_enough: accuracy.mean >= self.minimum,
        }
    }

    /// Pairs of operating point and front that were not measured.
    fn unmeasured(&self) -> Vec<Unmeasured> {
        let fronts = self.fronts.iter().enumerate();
        let missing = fronts.flat_map(|(at, front)| {
            let there = move |p: &&OperatingPoint| {
                !self.measured.iter().any(|m| (m.front, m.point) == (at, *p))
            };
            self.points.iter().filter(there).map(move |p| Unmeasured {
                voltage: p.voltage,
                ber: p.ber,
                generator: front.generator.as_ref().map(|(name, _)| name.clone()),
                file: front.file.clone(),
            })
        });
        missing.collect()
    }

    pub(super) fn finish(mut self) -> Choice {
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
            // `max_by` returns the last of equal maxima; in reverse order that is the one of least
            // energy.
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
