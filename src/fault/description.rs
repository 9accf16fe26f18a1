//! The description of faults in documents, and in words.

use super::{
    FaultModel, Faults, FloatFormat, Lot, Mapping, Memories, Model, Pattern, Positions, Profile,
};
use crate::{
    error::{Error, Result},
    words,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, sync::Arc};

/// Faults as a document describes them: a measured map by its files.
pub type Description = Faults<MapDetail>;

/// A measured map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapDetail {
    /// Name of the map's file.
    pub file: String,
    /// SHA-256 of the file.
    pub file_sha256: String,
    /// Assignment of weights to the map's cells.
    pub mapping: Mapping,
    /// Positions of the layers in the map; absent if they follow one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<LayoutDetail>,
    /// Number of cells in the map; absent in documents that were written before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<u64>,
    /// Ratio of the cells that the weights need to those in the map: above 1 the map is repeated, below 1 a
    /// part of it is used. Absent for the reference mapping, in which all layers use the same cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<f64>,
}

/// Positions of the layers in a measured map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutDetail {
    /// Name of the layout's file (`--layout`).
    pub file: String,
    /// SHA-256 of the file.
    pub file_sha256: String,
}

/// Faults as documents and flags tell them, field by field; what does not apply is absent.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fields<M = MapDetail> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) faults: Option<FaultModel>,
    /// For `asymmetric` the mean of the two rates, for a measured map its share of faulty cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ber: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ber01: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ber10: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bits: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layers: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lot: Option<Lot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) map: Option<M>,
    /// Lines and clusters with their rates, of which `ber` is the share of cells that is expected to fail.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<Pattern>,
    /// Format of weights that are stored as floats.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(crate) stored: Option<FloatFormat>,
    /// Memories that can fail, where they are not the weights alone.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(crate) faults_in: Option<String>,
    /// `fixed` where every image has the cells of image 0.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(crate) activation_map: Option<String>,
}

/// Documents that were written before there was such a field.
fn none<T>() -> Option<T> {
    None
}

impl<M> Fields<M> {
    /// The faults that have these fields.
    ///
    /// # Errors
    /// Fields that contradict each other, or are no rates, bits, layers or lots.
    pub(crate) fn faults(self) -> Result<Faults<M>> {
        let wrong = |what: &str| Error::argument("--faults", what, "leave the document as it was");
        let (Some(model), Some(ber)) = (self.faults, self.ber) else {
            return Err(wrong("there is no fault model, or no rate"));
        };
        let one_rate = self.ber01.or(self.ber10).is_none();
        if (model == FaultModel::Pattern) != self.pattern.is_some() {
            return Err(wrong("the pattern is not that of the fault model"));
        }
        let mut faults = match (model, self.map) {
            (FaultModel::Pattern, None) if one_rate => {
                let Some(pattern) = self.pattern else { return Err(wrong("there is no pattern")) };
                Faults::patterned(Arc::new(pattern))?
            }
            (FaultModel::Profile, Some(map)) if one_rate && (0.0..=1.0).contains(&ber) => {
                Faults::of(Model::Profile(ber, map))
            }
            (FaultModel::Asymmetric, None) => {
                let rates = [self.ber01, self.ber10].map(|rate| rate.unwrap_or(ber));
                Faults::drawn(model, ["--ber01", "--ber10"], rates)?
            }
            (_, None) if one_rate => Faults::drawn(model, ["--ber"; 2], [ber; 2])?,
            _ => return Err(wrong("rates and measured map are not those of the fault model")),
        };
        if let Some(format) = self.stored {
            faults = faults.stored_as(format)?;
        }
        let memories = Memories::of(self.faults_in.as_deref(), self.activation_map.as_deref())?;
        faults = faults.in_memories(memories)?;
        if let Some(bits) = self.bits {
            faults.positions = Positions::parse(&bits, faults.positions.count())?;
        }
        if let Some(layers) = self.layers {
            faults.layers = layers.parse()?;
        }
        match self.lot {
            Some(Lot { seed, shared }) => faults.of_lot(Lot::new(seed, shared)?),
            None => Ok(faults),
        }
    }
}

impl Serialize for Description {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        self.fields().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Description {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        Fields::deserialize(from)?.faults().map_err(de::Error::custom)
    }
}

/// What faults are put into words for.
#[derive(Clone, Copy, Debug)]
pub enum Wording {
    /// A sentence.
    Sentence,
    /// A cell of a table, which has a column for the rate.
    Cell,
    /// A list beside which the rate stands; this function writes rates.
    List(fn(f64) -> String),
    /// Flags, without `--ber`; this function quotes their values for a shell.
    Flags(fn(&str) -> String),
}

impl Description {
    /// The fields of a document.
    pub(crate) fn fields(&self) -> Fields {
        let [ber01, ber10] = match self.model {
            Model::Asymmetric(rates) => rates.map(Some),
            _ => [None; 2],
        };
        Fields {
            faults: Some(self.kind()),
            ber: Some(self.ber()),
            ber01,
            ber10,
            bits: (!self.positions.is_all()).then(|| self.positions.to_string()),
            layers: (!self.layers.is_all()).then(|| self.layers.to_string()),
            lot: self.lot,
            map: self.measured().cloned(),
            pattern: self.pattern().cloned(),
            stored: self.stored,
            faults_in: (!self.memories.only_weights()).then(|| self.memories.to_string()),
            activation_map: self.memories.fixed.then(|| Memories::FIXED.to_owned()),
        }
    }

    /// The memory that has these faults: no single rate, and no field that documents of earlier versions lack.
    #[must_use]
    pub fn memory(mut self) -> Self {
        match &mut self.model {
            Model::Asymmetric(_) => {}
            Model::Flip(ber) | Model::StuckAt(ber) | Model::Reference(ber) => *ber = 0.0,
            Model::Profile(share, map) => {
                (*share, map.cells, map.repeated) = (0.0, None, None);
            }
            Model::Pattern(pattern) => Arc::make_mut(pattern).file.clear(),
        }
        self
    }

    /// [`Self::memory`] as a text, in which files are what they hold and not what they are called.
    pub(crate) fn memory_id(&self) -> String {
        let mut memory = self.clone().memory();
        if let Model::Profile(_, map) = &mut memory.model {
            map.file.clear();
            map.layout.iter_mut().for_each(|layout| layout.file.clear());
        }
        format!("{memory:?}")
    }

    /// Whether a rate is asked for (`--ber`), and not told by the map, the pattern or the directions.
    pub(crate) fn takes_rate(&self) -> bool {
        match self.model {
            Model::Flip(_) | Model::StuckAt(_) | Model::Reference(_) => true,
            Model::Asymmetric(_) | Model::Profile(..) | Model::Pattern(_) => false,
        }
    }

    /// These faults in words, in a piece for each of their properties.
    pub fn words(&self, wording: Wording) -> Vec<String> {
        let rate = |rate: f64| match wording {
            Wording::List(written) => written(rate),
            _ => rate.to_string(),
        };
        let mut pieces = Vec::new();
        // What each wording says of a property, and the values for its gaps.
        let mut say = |[sentence, cell, list, flags]: [&str; 4], values: &[&str]| {
            let (text, quoted): (_, fn(&str) -> String) = match wording {
                Wording::Sentence => (sentence, str::to_owned),
                Wording::Cell => (cell, str::to_owned),
                Wording::List(_) => (list, str::to_owned),
                Wording::Flags(quoted) => (flags, quoted),
            };
            let mut parts = text.split("{}");
            let mut piece = parts.next().unwrap_or_default().to_owned();
            parts.zip(values).for_each(|(part, value)| piece += &(quoted(value) + part));
            pieces.extend((!piece.is_empty()).then_some(piece));
        };
        match self.pattern() {
            None => say(["{}", "{}", "{}", "--faults {}"], &[&self.kind().to_string()]),
            Some(pattern) => {
                say(["a pattern: {}", "{}", "pattern {}", ""], &[&pattern.in_words()]);
                say(["", "", "", "--faults {}"], &[&pattern.file]);
            }
        }
        match &self.model {
            Model::Pattern(pattern) => {
                say(
                    [", {} of the cells expected", "", "", ""],
                    &[&words::share(pattern.share(), 3)],
                );
            }
            Model::Asymmetric([ber01, ber10]) => {
                let (to_1, to_0) = (rate(*ber01), rate(*ber10));
                say([" at rates of {} (0 to 1)", " {}", ", 0→1 at {}", "--ber01 {}"], &[&to_1]);
                say([" and {} (1 to 0)", ", {}", ", 1→0 at {}", "--ber10 {}"], &[&to_0]);
            }
            Model::Profile(share, _) => {
                say([" of {} of the cells", "", "", ""], &[&words::share(*share, 3)]);
            }
            Model::Flip(ber) | Model::StuckAt(ber) | Model::Reference(ber) => {
                say([" at a rate of {}", "", "", ""], &[&rate(*ber)]);
            }
        }
        let Fields { bits, layers, lot, map, stored, faults_in, activation_map, .. } =
            self.fields();
        if let Some(memories) = faults_in {
            say([" in {}", " in {}", ", in {}", "--faults-in {}"], &[&memories]);
        }
        if let Some(map) = activation_map {
            let same = ", the same cells for every image";
            say([same, " fixed", same, "--activation-map {}"], &[&map]);
        }
        if let Some(format) = stored {
            let list = ", weights stored as {}";
            let texts = [" of weights stored as {}", " {}", list, "--stored {}"];
            say(texts, &[&format.to_string()]);
        }
        if let Some(bits) = bits {
            say([" in bits {}", " bits {}", ", bits {}", "--bits {}"], &[&bits]);
        }
        if let Some(layers) = layers {
            say([" in layers {}", " layers {}", ", layers {}", "--layers {}"], &[&layers]);
        }
        if let Some(lot) = lot {
            let list = ", lot {} with {} of the weak cells shared";
            let texts = [" of lot {}, {} shared", " lot {} ({})", list, "--lot {} --shared {}"];
            say(texts, &[&lot.seed.to_string(), &rate(lot.shared)]);
        }
        if let Some(map) = map {
            let mapping = map.mapping.to_string();
            say(["", "", ", map {} ({})", "--fault-map {} --mapping {}"], &[&map.file, &mapping]);
            if let Some(layout) = map.layout {
                say(["", "", ", laid out by {}", "--layout {}"], &[&layout.file]);
            }
            if let Some(times) = map.repeated.filter(|&times| times > 1.0) {
                say(["", "", ", repeated {}\u{a0}times", ""], &[&format!("{times:.2}")]);
            }
        }
        pieces
    }
}

impl Profile {
    /// What a document says of the map under a network that takes `needed` words.
    pub fn described(&self, needed: Option<u64>) -> MapDetail {
        MapDetail {
            file: self.file.clone(),
            file_sha256: self.sha256.clone(),
            mapping: self.cells.mapping,
            layout: self.layout.as_ref().map(|layout| LayoutDetail {
                file: layout.file.clone(),
                file_sha256: layout.sha256.clone(),
            }),
            cells: Some(32 * u64::from(self.cells.words())),
            repeated: needed.and_then(|needed| self.repeated(needed)),
        }
    }
}

impl Faults {
    /// The description of these faults; `reach` is the number of words of a measured map up to the last one
    /// that a network uses.
    pub fn described(&self, reach: Option<u64>) -> Description {
        let model = match &self.model {
            &Model::Flip(ber) => Model::Flip(ber),
            &Model::StuckAt(ber) => Model::StuckAt(ber),
            &Model::Asymmetric(rates) => Model::Asymmetric(rates),
            &Model::Reference(ber) => Model::Reference(ber),
            Model::Profile(share, map) => Model::Profile(*share, map.described(reach)),
            Model::Pattern(pattern) => Model::Pattern(Arc::clone(pattern)),
        };
        Faults {
            model,
            lot: self.lot,
            stored: self.stored,
            memories: self.memories,
            positions: self.positions,
            layers: self.layers.clone(),
        }
    }

    /// These faults with the names that a document has for the files of their measured map, so that a record
    /// made again is the same wherever the files are now.
    ///
    /// # Errors
    /// A measured map or a layout whose SHA-256 differs from the document's.
    pub fn named_as(mut self, document: &Description) -> Result<Self> {
        let changed = |file: &str, sha256: &str, what| {
            Err(Error::format(file, format!("its SHA-256 is not {sha256}"), what))
        };
        let (Model::Profile(_, map), Some(then)) = (&mut self.model, document.measured()) else {
            return Ok(self);
        };
        let map = Arc::make_mut(map);
        if map.sha256 != then.file_sha256 {
            return changed(&then.file, &then.file_sha256, "the measured map has changed");
        }
        map.file.clone_from(&then.file);
        match (&mut map.layout, &then.layout) {
            (None, None) => {}
            (Some(layout), Some(then)) if layout.sha256 == then.file_sha256 => {
                layout.file.clone_from(&then.file);
            }
            (_, Some(then)) => {
                return changed(&then.file, &then.file_sha256, "the layout has changed");
            }
            (Some(_), None) => {
                let what = "the record has none";
                return Err(Error::argument("--layout", what, "leave it out"));
            }
        }
        Ok(self)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.described(None).words(Wording::Sentence).concat())
    }
}
