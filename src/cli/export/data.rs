//! The images of an export: for golden outputs, for the ranges of activations, and for what int8 costs.

use super::{ExportArgs, onnx_file::Behind};
use crate::{
    cli::terminal,
    data::{self, ImageSet, Preprocessing, Split, WantedImages},
    deploy::{byte_images, synthetic},
    error::{Error, Result},
    train::{Generator, Mismatch},
};

/// Multiply-adds that calibration and measurement may take, on some two cores a minute.
const BUDGET: u64 = 40_000_000_000;
/// Fewest images of a measurement that is not told how many.
const FEWEST: usize = 16;
/// Most images that span the ranges of activations, and most on which their cost is measured.
const CALIBRATION: usize = 128;
const MEASURED: usize = 500;

/// Where images come from.
pub(super) struct Sources<'a> {
    args: &'a ExportArgs,
    chw: [u32; 3],
    form: Preprocessing,
    /// The data set, if one is known.
    pub(super) dataset: Option<String>,
    macs: u64,
}

impl<'a> Sources<'a> {
    pub(super) fn of(
        args: &'a ExportArgs,
        generator: &Generator,
        behind: Option<&Behind>,
        macs: u64,
    ) -> Result<Self> {
        let chw = generator.graph.nodes[generator.graph.input()].chw;
        let trained = generator.trained.as_ref();
        let form = trained.map(|trained| trained.images_form).unwrap_or_default().for_input(chw)?;
        let of_base = || behind.and_then(|behind| behind.net.weights.meta("dataset"));
        let named = args.dataset.clone().or_else(|| trained?.dataset.clone());
        let dataset = named.or_else(|| of_base().map(str::to_owned));
        Ok(Self { args, chw, form, dataset, macs })
    }

    fn open(&self, name: &str, split: Split, n: usize) -> Result<ImageSet> {
        data::open_some(name, &self.args.data_dir, split, self.form, WantedImages::AtMost(n))
    }

    /// The data set, if its files are there. One that a flag names must be.
    fn here(&self) -> Result<Option<&str>> {
        let Some(name) = self.dataset.as_deref() else { return Ok(None) };
        let given = self.args.dataset.is_some();
        match data::is_here(name, &self.args.data_dir) {
            Ok(true) => Ok(Some(name)),
            // Reading it says what is missing.
            _ if given => Ok(Some(name)),
            _ => Ok(None),
        }
    }

    /// Images `[N, C, H, W]` for golden outputs, and where they come from.
    pub(super) fn golden(&self, n: usize) -> Result<(Vec<f32>, String)> {
        let Some(name) = self.here()? else {
            let why = match &self.dataset {
                Some(name) => format!("{name} is not here"),
                None => "no data set is known".into(),
            };
            let source = format!("{n} synthetic images, as {why}");
            return Ok((synthetic(n, self.chw), source));
        };
        let set = self.open(name, Split::Test, n)?;
        Ok((byte_images(&set.pixels), format!("{} of {name}", set.images())))
    }

    /// Training images that span the ranges of activations.
    pub(super) fn calibration(&self) -> Result<Vec<f32>> {
        let Some(name) = self.dataset.as_deref() else {
            let what = "ranges of activations come from training images, and no data set is known";
            return Err(Error::argument("--quantize", what, "name one with --dataset"));
        };
        let n = self.args.calibration_images.unwrap_or_else(|| self.affordable(CALIBRATION));
        let set = self.open(name, Split::Train, n)?;
        Ok(byte_images(&set.pixels))
    }

    fn affordable(&self, most: usize) -> usize {
        let fits = BUDGET / self.macs.max(1);
        usize::try_from(fits).unwrap_or(most).clamp(FEWEST, most)
    }

    /// Test images on which the cost of int8 is measured, with their labels as a classifier's outputs where there is one
    /// and the data set has them.
    pub(super) fn measured(&self, behind: Option<&Behind>) -> Result<(ImageSet, bool)> {
        let name = self.dataset.as_deref().unwrap_or_default();
        let n = self.args.images.unwrap_or_else(|| self.affordable(MEASURED));
        let mut set = self.open(name, Split::Test, n)?;
        let Some(behind) = behind else { return Ok((set, false)) };
        if data::is_unlabelled(name) {
            return Ok((set, false));
        }
        match behind.net.labelling(name, Mismatch::allowed(false)) {
            Ok(labelling) => {
                labelling.apply(&mut set);
                Ok((set, true))
            }
            Err(error) => {
                if !self.args.quiet {
                    terminal::say(&format!("note: accuracy is not measured: {error}"));
                }
                Ok((set, false))
            }
        }
    }
}
