//! What a generator was trained for, in the metadata of its file: the base network, its data, and the
//! faults under which it is evaluated by default.

use super::{attempt::Run, faults::FaultArgs};
use crate::{
    data::PreprocessArgs,
    error::{Error, Result},
    fault::{FaultModel, Fields, MapDetail, Maps},
    files::{Weights, sha256},
    step::Loss,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Keys of what images were, and how they became so: channels, rows and columns; the flags.
const IMAGE_SHAPE: &str = "image_shape";
const SIDE: &str = "side";
const PREPROCESS: &str = "preprocess";

/// Records in the metadata of a generator's weights what a run trained it for.
pub(super) fn note(run: &Run<'_>, weights: &mut Weights) {
    let (faults, config) = (&run.faults, run.config);
    let chip = match (faults.measured(), run.maps) {
        (Some(profile), _) => profile.file.clone(),
        (None, Maps::Chip(seed)) => seed.to_string(),
        (None, Maps::Fresh { .. }) => "none".into(),
    };
    // An invalid temperature was refused before the training began.
    let temperature = config.goal.loss().ok().and_then(Loss::temperature);
    let list = |numbers: &Vec<f32>| json!(numbers).to_string();
    let [ber, ber10] = faults.rates();
    // Generators for the sizes of the paper's networks say nothing of it, as before there were others.
    let [c, h, w] = run.base.input();
    let shape = !matches!([c, h, w], [3, 32, 32] | [3, 224, 224]);
    let [(_, side), (_, preprocess)] = config.images_form.flags();
    let detail = Fields { faults: None, ber: None, ..run.base.graph.described(faults).fields() };
    for (key, value) in [
        ("dataset", Some(run.dataset.clone())),
        ("base", Some(run.base.model.clone())),
        ("base_sha256", Some(run.base.sha256.clone())),
        ("base_precision", Some(run.precision.to_string())),
        (
            "base_input_shape",
            config.hints.input_shape.as_ref().map(|shape| json!(shape).to_string()),
        ),
        ("base_input_mean", config.hints.input_mean.as_ref().map(list)),
        ("base_input_std", config.hints.input_std.as_ref().map(list)),
        (IMAGE_SHAPE, shape.then(|| format!("{c},{h},{w}"))),
        (SIDE, side),
        (PREPROCESS, preprocess),
        ("faults", Some(faults.kind().to_string())),
        ("ber", Some(ber.to_string())),
        ("ber10", Some(ber10.to_string())),
        // Bits, layers, lot and measured map.
        ("fault_detail", Some(json!(detail).to_string())),
        ("chip", Some(chip)),
        // The loss, unless labels were learnt.
        ("loss", temperature.map(|_| "distill".to_owned())),
        ("temperature", temperature.map(|t| t.to_string())),
    ] {
        weights.metadata.extend(value.map(|value| (key.to_owned(), value)));
    }
    weights.set_class_names(run.labelling.names());
}

/// What a generator was trained for.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedFor {
    /// Model of the base network, and SHA-256 of its file.
    pub base: Option<(String, String)>,
    /// The data set: a name, or the path of a folder at that time.
    pub dataset: Option<String>,
    /// Channels, rows and columns of images, if a flag gave them.
    pub input_shape: Option<Vec<u32>>,
    /// Mean and standard deviation of the base network's input, if flags gave them.
    pub input: Option<[Vec<f32>; 2]>,
    /// How images became those of the base network, if flags said so.
    pub images_form: PreprocessArgs,
    /// The faults, their rate and the precision of the base network.
    pub asked: Asked,
    /// The measured map.
    map: Option<MapDetail>,
}

/// Faults under which a network is evaluated, as flags give them. What no flag gives is left open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// All settings of the faults except their rates.
    pub faults: FaultArgs,
    /// Rates.
    pub bers: Vec<f64>,
    /// Seeds of fault maps.
    pub seeds: Option<String>,
    /// Bits per stored weight of the base network.
    pub precision: Option<u32>,
}

impl TrainedFor {
    /// Reads what `nf-gpu train` recorded; `None` for any other generator.
    pub fn read(weights: &Weights) -> Result<Option<Self>> {
        let Some(model) = weights.meta("faults") else { return Ok(None) };
        let odd = |key: &str| not_understood(weights, key);
        let fields = serde_json::from_str::<Fields>(weights.meta("fault_detail").unwrap_or("{}"));
        let fields = Fields {
            faults: Some(model.parse().map_err(|_| odd("faults"))?),
            ber: Some(weights.meta_as("ber")?.ok_or_else(|| odd("ber"))?),
            ..fields.map_err(|_| odd("fault_detail"))?
        };
        let is_rate = fields.ber.is_some_and(|ber| (0.0..1.0).contains(&ber));
        let described =
            fields.faults().map_err(|_| odd(if is_rate { "fault_detail" } else { "ber" }))?;
        image_shape(weights).map_err(odd)?;
        let (mut faults, ber) = FaultArgs::of_document(&described);
        if described.measured().is_none() {
            faults.chip = weights.meta("chip").filter(|chip| *chip != "none").map(str::to_owned);
            // Text that is neither a seed nor a map's file does not name a chip.
            if faults.chip.is_some() && faults.chip_seed()?.is_none() {
                return Err(odd("chip"));
            }
        }
        let pair = |a: Option<&str>, b: Option<&str>| Some((a?.to_owned(), b?.to_owned()));
        // Whole numbers below 2^24 are exact.
        let of_flag = weights.meta_list("base_input_shape")?;
        let input = (weights.meta_list("base_input_mean")?, weights.meta_list("base_input_std")?);
        Ok(Some(Self {
            base: pair(weights.meta("base"), weights.meta("base_sha256")),
            dataset: weights.meta("dataset").map(str::to_owned),
            input_shape: of_flag.map(|shape| shape.iter().map(|&extent| extent as u32).collect()),
            input: input.0.zip(input.1).map(|(mean, std)| [mean, std]),
            images_form: PreprocessArgs {
                side: weights.meta(SIDE).map(str::parse).transpose().map_err(|_| odd(SIDE))?,
                preprocess: weights
                    .meta(PREPROCESS)
                    .map(|text| clap::ValueEnum::from_str(text, false))
                    .transpose()
                    .map_err(|_: String| odd(PREPROCESS))?,
            },
            map: described.measured().cloned(),
            asked: Asked {
                faults,
                bers: ber.into_iter().collect(),
                seeds: None,
                precision: weights.meta_as("base_precision")?,
            },
        }))
    }

    /// Whether the generator was trained in front of the network in a file with this SHA-256; `None` if
    /// its file does not say.
    pub fn is_for(&self, sha256: &str) -> Option<bool> {
        self.base.as_ref().map(|(_, own)| own == sha256)
    }

    /// What the generator was trained for, with the present paths of the measured map and its layout:
    /// where they were, or beside the generator's file `file`. If `flags` name another map, mapping and
    /// layout are left out.
    ///
    /// # Errors
    /// [`Error::Format`]: a file that `flags` do not replace has disappeared or changed.
    /// [`Error::Read`]: a map that `flags` name cannot be read.
    pub fn located(&self, file: &Path, flags: &FaultArgs) -> Result<Self> {
        let mut located = self.clone();
        let faults = &mut located.asked.faults;
        let named = flags.map_files()?;
        let sums = self.map.as_ref().map_or("", |map| &map.file_sha256);
        if named.is_empty() {
            for (map, sum) in faults.fault_map.iter_mut().zip(sums.split(',')) {
                *map = locate(map, sum, file, "measured map", "--fault-map")?;
            }
        } else if named.iter().map(sha256).collect::<Result<Vec<_>>>()?.join(",") != sums {
            (faults.mapping, faults.layout) = (None, None);
        }
        if flags.layout.is_none() {
            let then = self.map.iter().flat_map(|map| &map.layout);
            for (layout, then) in faults.layout.iter_mut().zip(then) {
                let what = "layout of the measured map";
                *layout = locate(layout, &then.file_sha256, file, what, "--layout")?;
            }
        }
        Ok(located)
    }
}

/// The error for metadata of a generator that say nothing.
pub(super) fn not_understood(weights: &Weights, key: &str) -> Error {
    let what = format!("its metadata {key} is not understood");
    Error::format(&weights.origin, what, "name what it says with flags of your own")
}

/// The images `[C, H, W]` that a generator is for, where its file says so; the key of text that is none.
pub(super) fn image_shape(
    weights: &Weights,
) -> std::result::Result<Option<[u32; 3]>, &'static str> {
    weights.meta(IMAGE_SHAPE).map(|text| shape(text).ok_or(IMAGE_SHAPE)).transpose()
}

/// Channels, rows and columns, as in `1,28,28`.
fn shape(text: &str) -> Option<[u32; 3]> {
    let extents = text.split(',').map(|extent| extent.trim().parse().ok());
    extents.collect::<Option<Vec<u32>>>()?.try_into().ok()
}

/// Finds the file with this SHA-256 that the generator in `file` was trained for.
fn locate(path: &Path, sum: &str, file: &Path, what: &str, flag: &str) -> Result<PathBuf> {
    let beside = file.parent().unwrap_or(Path::new(""));
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    let places = [path.to_owned(), beside.join(path), beside.join(name)];
    let there: Vec<&PathBuf> = places.iter().filter(|place| place.is_file()).collect();
    if let Some(place) = there.iter().find(|p| sha256(p).is_ok_and(|own| own == sum)) {
        return Ok((*place).clone());
    }
    let what = match there.first() {
        Some(other) => {
            let other = other.display();
            format!("it was trained for another {what} than {other}: its SHA-256 was {sum}")
        }
        None => format!("the {what} that it was trained for is gone: {}", path.display()),
    };
    let hint = format!("name it with {flag}, or other faults: --faults, --chip, --ber");
    Err(Error::format(file, what, hint))
}

impl Asked {
    /// These flags, completed by what a generator was trained for. Flags that ask for drawn chips (a
    /// rate, seeds, a chip's seed, a fault model) exclude the measured map of the generator.
    pub fn or(&self, trained: &Self) -> Result<Self> {
        let (flags, own) = (&self.faults, &trained.faults);
        let mut all = self.clone();
        all.faults.faults_in = flags.faults_in.clone().or(own.faults_in.clone());
        let fixed = flags.activation_map.clone().or_else(|| own.activation_map.clone());
        all.faults.activation_map =
            fixed.filter(|_| flags.faults_in.is_none() || flags.activation_map.is_some());
        // Bits of integers and floats exclude each other.
        let stored = || own.stored.clone().filter(|_| self.precision.is_none());
        all.faults.stored = flags.stored.clone().or_else(stored);
        let same = all.faults.stored == own.stored;
        all.precision = self.precision.or(trained.precision.filter(|_| same));
        all.faults.bits = flags.bits.clone().or(own.bits.clone());
        all.faults.layers = flags.layers.clone().or(own.layers.clone());
        if !flags.map_files()?.is_empty() {
            all.faults.mapping = flags.mapping.clone().or(own.mapping.clone());
            all.faults.layout = flags.layout.clone().or(own.layout.clone());
            return Ok(all);
        }
        let is_map = flags.faults.is_none() || flags.model()? == FaultModel::Profile;
        let rated = !self.bers.is_empty() || flags.ber01.or(flags.ber10).is_some();
        let chips = self.seeds.is_some() || flags.chip.is_some() || flags.lot.is_some();
        if !own.map_files()?.is_empty() {
            if is_map && !rated && !chips {
                all.faults.fault_map.clone_from(&own.fault_map);
                all.faults.mapping = flags.mapping.clone().or(own.mapping.clone());
                all.faults.layout = flags.layout.clone().or(own.layout.clone());
            }
            return Ok(all);
        }
        if flags.faults.is_none() {
            all.faults.pattern.clone_from(&own.pattern);
        }
        all.faults.faults = flags.faults.clone().or(own.faults.clone());
        let model = all.faults.model()?;
        if self.seeds.is_none() && flags.chip.is_none() {
            all.faults.chip.clone_from(&own.chip);
        }
        if flags.lot.is_none() && !model.lists_cells() {
            (all.faults.lot, all.faults.shared) = (own.lot, own.shared);
        }
        if self.bers.is_empty() && FaultModel::RATED.contains(&model) {
            all.bers.clone_from(&trained.bers);
            if model == FaultModel::Asymmetric {
                all.faults.ber01 = flags.ber01.or(own.ber01);
                all.faults.ber10 = flags.ber10.or(own.ber10);
                if all.faults.ber01.is_some() && all.faults.ber10.is_some() {
                    all.bers.clear();
                }
            }
        }
        Ok(all)
    }

    /// These faults in words, such as `stuck-at, rate 0.02, chip 1, 8-bit weights`.
    pub fn words(&self) -> String {
        let flags = &self.faults;
        let mut words = Vec::new();
        let mut say = |what: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("{what}{value}")));
        };
        let list = |all: Vec<String>| (!all.is_empty()).then(|| all.join(","));
        let path = |file: &PathBuf| file.display().to_string();
        let text = |number: &f64| number.to_string();
        let shared = |(lot, shared): (u64, f64)| format!("{lot} ({shared} shared)");
        say("", flags.faults.clone().filter(|_| flags.fault_map.is_empty()));
        say("measured map ", list(flags.fault_map.iter().map(path).collect()));
        say("laid out by ", flags.layout.as_ref().map(path));
        say("rate ", list(self.bers.iter().map(text).collect()));
        say("rate 0 to 1 ", flags.ber01.as_ref().map(text));
        say("rate 1 to 0 ", flags.ber10.as_ref().map(text));
        say("chip ", flags.chip.clone());
        say("seeds ", self.seeds.clone());
        say("lot ", flags.lot.zip(flags.shared).map(shared));
        say("bits ", flags.bits.clone());
        say("layers ", flags.layers.clone());
        say("faults in ", flags.faults_in.clone());
        say("activation map ", flags.activation_map.clone());
        match &flags.stored {
            Some(format) => say("", Some(format!("weights stored as {format}"))),
            None => say("", self.precision.map(|bits| format!("{bits}-bit weights"))),
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests;
