//! What int8 costs: how far F(x) moves, and with a classifier how many answers, without faults and under those that the
//! generator was trained for.

use super::{Lent, data::Sources, onnx_file::Behind};
use crate::{
    cli::terminal,
    deploy::{Arithmetic, Difference, Quantised, byte_images, protect_all},
    error::Result,
    eval::argmax,
    fault::{Faults, PAPER_SEEDS},
    run::Gpu,
    train::{FaultArgs, Generator},
    words::percent,
};
use serde_json::{Value, json};

/// Most fault maps under which a generator for a population of chips is measured.
const MAPS: usize = 3;

/// What int8 costs.
pub(super) struct Int8Cost {
    dataset: String,
    calibrated_on: usize,
    images: usize,
    difference: Difference,
    /// Without faults first.
    accuracies: Vec<Accuracy>,
}

/// Accuracies in per cent under some faults.
struct Accuracy {
    /// The faults in words, and the seeds of their maps; none for clean weights.
    faults: Option<(String, Vec<u64>)>,
    float: f64,
    int8: f64,
}

/// Measures the cost on test images.
pub(super) fn measure(
    sources: &Sources<'_>,
    by: &Quantised<'_>,
    generator: &Generator,
    behind: Option<&Behind>,
    lent: &mut Lent<'_>,
) -> Result<Int8Cost> {
    let (set, labelled) = sources.measured(behind)?;
    let images = byte_images(&set.pixels);
    let float = protect_all(by.network, Arithmetic::Single, &images);
    let int8 = protect_all(by.network, Arithmetic::Quantised(by), &images);
    let mut accuracies = Vec::new();
    if let Some(behind) = behind.filter(|_| labelled) {
        let mut behind = behind.clone();
        let faults = match faults(generator, &mut behind) {
            Ok(faults) => faults,
            Err(error) => {
                if !lent.args.quiet {
                    terminal::say(&format!("note: it is measured without faults: {error}"));
                }
                None
            }
        };
        let gpu = lent.gpu()?;
        let pair = InTwoWays { behind: &behind, labels: &set.labels, images: [&float, &int8] };
        accuracies.push(pair.under(gpu, None)?);
        if let Some(faults) = faults {
            accuracies.push(pair.under(gpu, Some(faults))?);
        }
    }
    Ok(Int8Cost {
        dataset: sources.dataset.clone().unwrap_or_default(),
        calibrated_on: by.images,
        images: set.len(),
        difference: Difference::of(&float, &int8),
        accuracies,
    })
}

/// The faults that a generator was trained for, the seeds of their maps, and both in words. The classifier gets the memories
/// that fail.
fn faults(
    generator: &Generator,
    behind: &mut Behind,
) -> Result<Option<(Faults, Vec<u64>, String)>> {
    let Some(trained) = &generator.trained else { return Ok(None) };
    let trained = trained.located(&generator.path, &FaultArgs::default())?;
    let Some(faults) = trained.asked.faults.at_each(&trained.asked.bers)?.into_iter().next() else {
        return Ok(None);
    };
    behind.net.suffer(&faults)?;
    behind.net.can_have(&faults, behind.bits)?;
    let seeds = match trained.asked.faults.only_seed()? {
        Some(seed) => vec![seed],
        None => PAPER_SEEDS.take(MAPS).collect(),
    };
    Ok(Some((faults, seeds, trained.asked.words())))
}

/// A classifier and images that the generator made of the same ones in two ways: in float and in int8.
struct InTwoWays<'a> {
    behind: &'a Behind,
    labels: &'a [u16],
    images: [&'a [f32]; 2],
}

impl InTwoWays<'_> {
    /// Accuracies without faults, or their mean under the maps of some seeds.
    fn under(&self, gpu: &Gpu, faults: Option<(Faults, Vec<u64>, String)>) -> Result<Accuracy> {
        let maps: Vec<Option<(&Faults, u64)>> = match &faults {
            None => vec![None],
            Some((faults, seeds, _)) => seeds.iter().map(|&seed| Some((faults, seed))).collect(),
        };
        let mut sums = [0.0; 2];
        for map in &maps {
            for (sum, images) in sums.iter_mut().zip(self.images) {
                *sum += self.accuracy(gpu, images, *map)?;
            }
        }
        let [float, int8] = sums.map(|sum| sum / maps.len().max(1) as f64);
        Ok(Accuracy { faults: faults.map(|(_, seeds, words)| (words, seeds)), float, int8 })
    }

    /// Share of right answers, in per cent.
    fn accuracy(&self, gpu: &Gpu, images: &[f32], map: Option<(&Faults, u64)>) -> Result<f64> {
        let pass = self.behind.logits(gpu, images, map)?;
        let answers = pass.logits.chunks_exact(pass.classes.max(1) as usize).map(argmax);
        let right =
            answers.zip(self.labels).filter(|(answer, label)| *answer == usize::from(**label));
        Ok(100.0 * right.count() as f64 / self.labels.len().max(1) as f64)
    }
}

impl Int8Cost {
    /// Lines for the user.
    pub(super) fn words(&self) -> String {
        let Self { dataset, calibrated_on, images, difference, .. } = self;
        let mut text = format!(
            "int8: activations span what {calibrated_on} training images of {dataset} give; F(x) moves by {:.4} on \
             average and {:.4} at most on {images} test images\n",
            difference.mean, difference.largest
        );
        for Accuracy { faults, float, int8 } in &self.accuracies {
            let under = match faults {
                None => "without faults".to_owned(),
                Some((words, seeds)) if seeds.len() > 1 => {
                    format!("under {words}, mean of {} maps", seeds.len())
                }
                Some((words, _)) => format!("under {words}"),
            };
            let [float, int8] = [*float, *int8].map(percent);
            text += &format!("accuracy {under}: {float} in float, {int8} in int8\n");
        }
        text
    }

    /// The same for programs.
    pub(super) fn document(&self) -> Value {
        let accuracy = |accuracy: &Accuracy| {
            let (faults, seeds) = accuracy.faults.clone().unzip();
            json!({"faults": faults, "seeds": seeds, "float": accuracy.float, "int8": accuracy.int8})
        };
        json!({
            "calibration": {"images": self.calibrated_on, "rule": "smallest to largest"},
            "dataset": self.dataset,
            "images": self.images,
            "difference": {"largest": self.difference.largest, "mean": self.difference.mean},
            "accuracy": self.accuracies.iter().map(accuracy).collect::<Vec<_>>(),
        })
    }
}
