//! Results of a run: accuracies during training, and the files at its end.

use super::{
    attempt::{Run, Trained},
    base::EVAL_BATCH,
    config::TrainConfig,
    showcase, trained_for,
};
use crate::{
    data::{ImageSet, LabelsFrom, Which},
    energy::{OperatingPoints, published},
    error::Result,
    eval::{self, Details, Journal, Measurement, Named, Request, Subject},
    fault::{Faults, Maps, PAPER_SEEDS},
    files::{FORMAT, Weights, read_text, sha256},
    models,
    report::{
        Evaluated, Event, Finished, Outcome, Sink, curves, eval_json,
        eval_json::{Evaluation, Given, Spread},
        jsonl, page,
    },
};

/// Name of the held-out images in the metrics.
const HELD_OUT_SPLIT: &str = "held-out";

impl Run<'_> {
    /// Whether the metrics hold the accuracies on held-out images after `step`.
    pub(super) fn has_glance(&self, step: u64) -> Result<bool> {
        let lines = jsonl::load(self.folder.metrics())?;
        let there = |e: &Evaluated| e.step == step && e.split == HELD_OUT_SPLIT;
        Ok(lines.iter().any(|line| matches!(&line.event, Some(Event::Evaluated(e)) if there(e))))
    }

    /// Accuracies on held-out training images, during training; `stop` is called after every batch.
    pub(super) fn glance(
        &self,
        set: &ImageSet,
        step: u64,
        epoch: u64,
        sink: &mut dyn Sink,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let weights = self.net.weights(self.gpu)?;
        // One fault map is enough during training; for a chip it is the chip's own.
        let seeds = &self.eval_seeds()[..1];
        let request = self.request(&weights, set, seeds);
        let m = eval::measure_with(self.gpu, &request, &mut Journal::default(), sink, stop)?;
        sink.event(&Event::Evaluated(evaluated(&m, set, step, epoch, HELD_OUT_SPLIT)))
    }

    /// Runs the first batch of a [`Self::glance`] after the first step, so that a lack of memory shows
    /// before hours of training, and the run's memory does not grow after its first minute.
    pub(super) fn rehearse_glance(&self, set: &ImageSet) -> Result<()> {
        let weights = self.net.weights(self.gpu)?;
        eval::rehearse(self.gpu, &self.request(&weights, set, &self.eval_seeds()[..1]))
    }

    /// Seeds of the maps of the final table: the chip's own, or those of the paper.
    fn eval_seeds(&self) -> Vec<u64> {
        match self.maps {
            Maps::Chip(seed) => vec![seed],
            Maps::Fresh { .. } => final_maps(self.config).collect(),
        }
    }

    fn request<'a>(
        &'a self,
        weights: &'a Weights,
        set: &'a ImageSet,
        seeds: &'a [u64],
    ) -> Request<'a> {
        let subject = Subject {
            base: (&self.base.graph, &self.base.weights),
            generator: Some((&self.graph, weights)),
            generator_id: "",
            set,
            precision: self.precision,
            batch: EVAL_BATCH,
            dtype: self.net.dtype(),
        };
        let faults = std::slice::from_ref(&self.faults);
        Request { subject, faults, seeds, keep_logits: false }
    }

    /// Writes the generator's file, the final table, the pictures and the report.
    pub(super) fn finish(
        &self,
        test_set: &ImageSet,
        trained: Trained,
        sink: &mut dyn Sink,
        stop: &dyn Fn() -> bool,
    ) -> Result<Evaluation> {
        let mut weights = self.net.weights(self.gpu)?;
        let config = self.config;
        for (key, value) in [
            ("format", FORMAT.to_owned()),
            ("model", self.graph.name.clone()),
            ("precision", models::GENERATOR_BITS.to_string()),
            ("input", "[-1,1]".to_owned()),
            ("seed", config.seed.to_string()),
            ("dtype", self.net.dtype().name().to_owned()),
            ("adapter", self.gpu.report().line()),
            ("commit", env!("NF_COMMIT").to_owned()),
        ] {
            weights.metadata.insert(key.to_owned(), value);
        }
        let began = config.init_sha256.clone();
        weights.metadata.extend(began.map(|sha256| ("init_sha256".to_owned(), sha256)));
        // A folder whose settings nobody can read as flags has a generator without a command.
        let command = page::anywhere("train", &read_text(&self.folder.config())?);
        weights.metadata.extend(command.map(|command| ("command".to_owned(), command)));
        trained_for::note(self, &mut weights);
        weights.save(self.folder.generator())?;
        let seeds = self.eval_seeds();
        sink.event(&Event::Note(format!("evaluating on {}", test_set.images())))?;
        let request = self.request(&weights, test_set, &seeds);
        let m = eval::measure_with(self.gpu, &request, &mut Journal::default(), sink, stop)?;
        sink.event(&Event::Evaluated(evaluated(
            &m,
            test_set,
            trained.steps,
            trained.epochs,
            "test",
        )))?;
        // The generator was safe before its evaluation; now its file also says what that found.
        let agreement = test_set.labels_from == LabelsFrom::CleanNetwork;
        let measure = if agreement { ", agreement with the clean network" } else { "" };
        let images = format!("{}{measure}", test_set.images());
        let results = results(&m, &images, &self.faults, &seeds);
        weights.metadata.insert("results".to_owned(), results);
        weights.save(self.folder.generator())?;
        let sha256 = sha256(self.folder.generator())?;
        let points = OperatingPoints::built_in()?;
        let mut evaluation = eval::document(
            self.gpu,
            &self.request(&weights, test_set, &seeds),
            Named { name: &self.base.model, sha256: &self.base.sha256 },
            Some(Named { name: &self.graph.name, sha256: &sha256 }),
            &m,
            Details { classes: true, points: Some(&points), ..Details::default() },
        );
        let generator = self.folder.generator();
        let given = Given::new(&config.base, Some(&generator), &self.dataset, &config.data_dir);
        let given = config.hints.note(given).with_all(config.images_form.flags());
        evaluation.given = given.with("--allow-mismatch", config.allow_mismatch.then(String::new));
        let document = eval_json::Document::new(vec![evaluation.clone()]);
        document.save(self.folder.eval())?;
        curves::save_from(self.folder.curves(), self.folder.metrics())?;
        showcase::save(
            self.gpu,
            &self.base,
            (&self.graph, &weights),
            (test_set, Which::of(&self.dataset)),
            (self.precision, self.net.dtype()),
            &self.faults,
            seeds[0],
            &self.folder.images(),
        )?;
        let (source, paper) = (page::Source::load(self.folder.root())?, published()?.points());
        page::Page::new(&[source], None).beside(&paper).save(self.folder.report())?;
        sink.event(&Event::Finished(Finished {
            outcome: Outcome::Complete,
            step: trained.steps,
            seconds: trained.seconds,
            files: vec![
                self.folder.generator(),
                self.folder.eval(),
                self.folder.curves(),
                self.folder.images(),
                self.folder.report(),
            ],
        }))?;
        Ok(evaluation)
    }
}

/// The results of the final evaluation on one line, as the file of a generator keeps them: accuracies in per cent, over
/// several maps their mean and population standard deviation.
fn results(m: &Measurement, images: &str, faults: &Faults, seeds: &[u64]) -> String {
    let one = |accuracy: f64| format!("{accuracy:.2}");
    let over_maps = |each: Vec<f64>| {
        let Spread { mean, std, .. } = Spread::of(&each);
        if each.len() > 1 { format!("{mean:.2} +- {std:.2}") } else { one(mean) }
    };
    let maps = match seeds {
        [first, .., last] => format!(", seeds {first}..{}", last + 1),
        [seed] if faults.measured().is_none() => format!(", seed {seed}"),
        // The words of the faults tell of the measured map.
        _ => String::new(),
    };
    let mut text = format!("{images}, {faults}{maps}: CA {}", one(m.clean.accuracy()));
    for p in &m.perturbed {
        text += &format!(", PA {}", over_maps(p.accuracy()));
        text.extend(m.clean_nf.iter().map(|nf| format!(", CA(NF) {}", one(nf.accuracy()))));
        text += &format!(", PA(NF) {}", over_maps(p.accuracy_nf()));
    }
    text
}

/// Seeds of the maps of the final table, without a chip.
pub(super) fn final_maps(config: &TrainConfig) -> impl Iterator<Item = u64> {
    PAPER_SEEDS.take(config.final_maps.unwrap_or(usize::MAX))
}

/// Mean accuracies of a measurement.
fn evaluated(m: &Measurement, set: &ImageSet, step: u64, epoch: u64, split: &str) -> Evaluated {
    let mean = |each: Vec<f64>| each.iter().sum::<f64>() / each.len().max(1) as f64;
    Evaluated {
        step,
        epoch,
        accuracy: Some(m.clean.accuracy()),
        accuracy_nf: m.clean_nf.as_ref().map(eval::Answers::accuracy),
        perturbed: m.perturbed.first().map(|p| mean(p.accuracy())),
        perturbed_nf: m.perturbed.first().map(|p| mean(p.accuracy_nf())),
        split: split.into(),
        agreement: set.labels_from == LabelsFrom::CleanNetwork,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        eval::{Answers, OfMap, PerturbedMeasurement},
        fault::FaultModel,
    };

    #[test]
    fn results_are_one_line_that_tells_each_number_from_the_others() {
        // Of ten images of one class so many are right.
        let answers = |right| Answers(vec![vec![right, 10 - right], vec![0, 0]]);
        let maps = |right: &[u64]| -> Vec<OfMap> {
            right.iter().map(|&n| OfMap { answers: answers(n), ..OfMap::default() }).collect()
        };
        let measured = |faults: &Faults, alone: &[u64], behind: &[u64]| Measurement {
            clean: answers(9),
            clean_nf: Some(answers(8)),
            perturbed: vec![PerturbedMeasurement {
                faults: faults.clone(),
                alone: maps(alone),
                behind: maps(behind),
            }],
            logits: Vec::new(),
        };
        let faults = Faults::new(FaultModel::Reference, 0.01).unwrap();
        let m = measured(&faults, &[2, 4], &[5, 7]);
        assert_eq!(
            results(&m, "10 test images", &faults, &[50_000, 50_001]),
            "10 test images, reference at a rate of 0.01, seeds 50000..50002: CA 90.00, PA 30.00 +- 10.00, \
             CA(NF) 80.00, PA(NF) 60.00 +- 10.00"
        );
        let faults = Faults::asymmetric(0.01, 0.02).unwrap();
        let m = measured(&faults, &[2], &[5]);
        assert_eq!(
            results(&m, "10 test images", &faults, &[3]),
            "10 test images, asymmetric at rates of 0.01 (0 to 1) and 0.02 (1 to 0), seed 3: CA 90.00, \
             PA 20.00, CA(NF) 80.00, PA(NF) 50.00"
        );
    }
}
