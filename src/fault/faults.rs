//! The one description of faults: a fault model with its rates, and the bits, layers and lot that its faults
//! are restricted to.

use super::{
    CellMap, FaultModel, FloatFormat, LayerChoice, Lot, Memories, Pattern, Positions, Profile,
    mask::{self, FORMAT_VERSION, LEAST, OTHER_MEMORIES},
    quantize::check_word,
};
use crate::error::{Error, Result};
use std::sync::Arc;

/// The rate of faulty cells where a user gives none.
pub const DEFAULT_BER: f64 = 0.01;

/// What a faulty cell does, and the probability that a cell is faulty. `M` is a measured map: the map itself,
/// or what a document says of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Model<M = Arc<Profile>> {
    /// [`FaultModel::Flip`].
    Flip(f64),
    /// [`FaultModel::StuckAt`].
    StuckAt(f64),
    /// [`FaultModel::Asymmetric`]: probabilities that a stored 0 reads 1, and that a stored 1 reads 0.
    Asymmetric([f64; 2]),
    /// [`FaultModel::Reference`].
    Reference(f64),
    /// [`FaultModel::Profile`]: share of the map's cells that are faulty, and the map.
    Profile(f64, M),
    /// [`FaultModel::Pattern`].
    Pattern(Arc<Pattern>),
}

/// Which cells of a memory fail, and how. Faults with a rate that is no probability, with a map that is not
/// whole, or with a lot of one chip's maps cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults<M = Arc<Profile>> {
    pub(super) model: Model<M>,
    pub(super) lot: Option<Lot>,
    /// The format in which the memory stores weights that are floats; `None` where it stores integers.
    pub(super) stored: Option<FloatFormat>,
    /// Memories that can fail.
    pub(super) memories: Memories,
    /// Bit positions that can fail.
    pub positions: Positions,
    /// Layers that can fail.
    pub layers: LayerChoice,
}

impl<M> Default for Faults<M> {
    /// The faults of commands without flags.
    fn default() -> Self {
        Self::of(Model::StuckAt(DEFAULT_BER))
    }
}

impl<M> Faults<M> {
    /// Faults in all bits and layers.
    pub(super) fn of(model: Model<M>) -> Self {
        let (positions, layers) = (Positions::ALL, LayerChoice::default());
        let memories = Memories::default();
        Self { model, lot: None, stored: None, memories, positions, layers }
    }

    /// Faults of a model that draws its cells, at these rates, which these flags give.
    pub(super) fn drawn(model: FaultModel, flags: [&str; 2], rates: [f64; 2]) -> Result<Self> {
        let of = match model {
            FaultModel::Flip => Model::Flip(rates[0]),
            FaultModel::StuckAt => Model::StuckAt(rates[0]),
            FaultModel::Asymmetric => Model::Asymmetric(rates),
            FaultModel::Reference => Model::Reference(rates[0]),
            FaultModel::Pattern => {
                let hint = "give its file, as in --faults pattern.toml";
                return Err(Error::argument("--faults pattern", "there is no pattern", hint));
            }
            FaultModel::Profile => {
                let hint = "give it with --fault-map";
                return Err(Error::argument("--faults profile", "there is no measured map", hint));
            }
        };
        check_rate(flags[0], rates[0], model)?;
        check_rate(flags[1], rates[1], model)?;
        Ok(Self::of(of))
    }

    /// Faults of a pattern.
    pub(super) fn patterned(pattern: Arc<Pattern>) -> Result<Self> {
        match pattern.problem() {
            None => Ok(Self::of(Model::Pattern(pattern))),
            Some(what) => Err(Error::argument("--faults", what, "correct the pattern's file")),
        }
    }

    /// The fault model with its rates.
    pub fn model(&self) -> &Model<M> {
        &self.model
    }

    /// The fault model, as `--faults` takes it.
    pub fn kind(&self) -> FaultModel {
        match self.model {
            Model::Flip(_) => FaultModel::Flip,
            Model::StuckAt(_) => FaultModel::StuckAt,
            Model::Asymmetric(_) => FaultModel::Asymmetric,
            Model::Reference(_) => FaultModel::Reference,
            Model::Profile(..) => FaultModel::Profile,
            Model::Pattern(_) => FaultModel::Pattern,
        }
    }

    /// Probabilities that a cell is faulty where it stores 0, and where it stores 1.
    pub fn rates(&self) -> [f64; 2] {
        match &self.model {
            Model::Asymmetric(rates) => *rates,
            Model::Flip(ber)
            | Model::StuckAt(ber)
            | Model::Reference(ber)
            | Model::Profile(ber, _) => [*ber; 2],
            Model::Pattern(pattern) => [pattern.share(); 2],
        }
    }

    /// Probability that a cell is faulty: the mean of both directions' rates.
    pub fn ber(&self) -> f64 {
        let [ber01, ber10] = self.rates();
        f64::midpoint(ber01, ber10)
    }

    /// The format in which the memory stores weights that are floats; `None` where it stores integers.
    pub fn stored(&self) -> Option<FloatFormat> {
        self.stored
    }

    /// Memories that can fail.
    pub fn memories(&self) -> Memories {
        self.memories
    }

    /// The cells that can fail of those that weights of `bits` bits use: 0 where only biases have bits in these positions.
    ///
    /// # Errors
    /// [`Error::Argument`] if no word has a bit there, or unless 2 <= bits <= 8 or bits = 16.
    pub fn weight_cells(&self, bits: u32) -> Result<u32> {
        match self.positions.stored(bits) {
            Err(_) if self.memories.biases && check_word(bits).is_ok() => Ok(0),
            cells => cells,
        }
    }

    /// The same faults, in these memories; where these have wider words, in all of their bits.
    ///
    /// # Errors
    /// [`Error::Argument`] for faults in biases or activations of a model whose cells are not drawn, one by one.
    pub fn in_memories(self, memories: Memories) -> Result<Self> {
        if memories.beside_weights() && self.kind().lists_cells() {
            let what = format!("{} faults are those of the memory of weights", self.kind());
            let hint = "use flip, stuck-at or asymmetric, or let weights fail alone";
            return Err(Error::argument("--faults-in", what, hint));
        }
        let positions = match self.positions.count() {
            count if memories.positions(count) == count => self.positions,
            count => Positions::all(memories.positions(count)),
        };
        Ok(Self { memories, positions, ..self })
    }

    /// Bytes of the memory that a weight takes.
    pub fn bytes_per_weight(&self) -> u64 {
        if self.stored.is_some() { 2 } else { 1 }
    }

    /// Version of the map from seed to cells that is drawn (`docs/fault-format.md`).
    pub fn format_version(&self) -> u32 {
        if self.stored.is_some() || self.memories.beside_weights() {
            OTHER_MEMORIES
        } else {
            FORMAT_VERSION
        }
    }

    /// The same faults of a memory that stores weights as floats, in all of their 16 bits.
    ///
    /// # Errors
    /// [`Error::Argument`] for the reference model, whose map is one of bytes.
    pub fn stored_as(self, format: FloatFormat) -> Result<Self> {
        if matches!(self.model, Model::Reference(_)) {
            let what = "the map of the paper's code is one of weights of a byte each";
            return Err(Error::argument(
                "--stored",
                what,
                "leave it out, or choose another --faults",
            ));
        }
        Ok(Self { stored: Some(format), positions: Positions::all(FloatFormat::BITS), ..self })
    }

    /// The lot that all chips belong to, if they share weak cells.
    pub fn lot(&self) -> Option<Lot> {
        self.lot
    }

    /// The measured map of [`Model::Profile`].
    pub fn measured(&self) -> Option<&M> {
        match &self.model {
            Model::Profile(_, map) => Some(map),
            _ => None,
        }
    }

    /// The pattern of [`Model::Pattern`].
    pub fn pattern(&self) -> Option<&Pattern> {
        match &self.model {
            Model::Pattern(pattern) => Some(pattern),
            _ => None,
        }
    }

    /// Whether every bit of the weights of every layer can fail.
    pub fn is_everywhere(&self) -> bool {
        self.positions.is_all() && self.layers.is_all() && self.memories.weights
    }

    /// The same faults, in bits of these positions only.
    #[must_use]
    pub fn in_bits(self, positions: Positions) -> Self {
        Self { positions, ..self }
    }

    /// The same faults, in these layers only.
    #[must_use]
    pub fn in_layers(self, layers: LayerChoice) -> Self {
        Self { layers, ..self }
    }

    /// The same faults, on chips of one lot.
    ///
    /// # Errors
    /// [`Error::Argument`] for the reference model, measured maps and patterns: each such map is that of one chip.
    pub fn of_lot(self, lot: Lot) -> Result<Self> {
        if self.kind().lists_cells() {
            let what = format!("the map of {} faults is one chip's", self.kind());
            return Err(Error::argument("--lot", what, "use flip, stuck-at or asymmetric"));
        }
        Ok(Self { lot: Some(lot), ..self })
    }
}

impl Faults {
    /// Faults of a model at a rate, in all bits and layers; asymmetric ones at the same rate in both
    /// directions.
    ///
    /// # Errors
    /// [`Error::Argument`] unless 0 <= ber < 1, or for a rate so small that it would draw no cell; a
    /// measured map has no rate (see [`Self::profile`]).
    pub fn new(model: FaultModel, ber: f64) -> Result<Self> {
        Self::drawn(model, ["--ber"; 2], [ber; 2])
    }

    /// Asymmetric faults: a stored 0 reads 1 with probability `ber01`, a stored 1 reads 0 with `ber10`.
    ///
    /// # Errors
    /// [`Error::Argument`] for what [`Self::new`] refuses.
    pub fn asymmetric(ber01: f64, ber10: f64) -> Result<Self> {
        Self::drawn(FaultModel::Asymmetric, ["--ber01", "--ber10"], [ber01, ber10])
    }

    /// The faults of a measured map. All of its cells may be faulty.
    ///
    /// # Errors
    /// [`Error::Argument`]: words of the map are missing.
    pub fn profile(map: impl Into<Profile>) -> Result<Self> {
        let map = map.into();
        if !map.cells.is_whole() {
            let hint = "give as many words stuck at 1 as at 0, and whole rows of 4 words to the \
                        reference mapping";
            return Err(Error::argument("--fault-map", "a map that is not whole", hint));
        }
        Ok(Self::of(Model::Profile(map.cells.share(), Arc::new(map))))
    }

    /// The faults of a pattern.
    ///
    /// # Errors
    /// [`Error::Argument`]: a pattern that [`Pattern::load`] would refuse.
    pub fn of_pattern(pattern: Pattern) -> Result<Self> {
        Self::patterned(Arc::new(pattern))
    }

    /// Everything that the map of a seed depends on, to the last bit, in one line;
    /// [`Display`](std::fmt::Display) is for people.
    pub fn identity(&self) -> String {
        let (kind, [ber01, ber10]) = (self.kind(), self.rates());
        let Self { lot, stored, memories, positions, layers, .. } = self;
        let mut text = format!("{kind} {ber01:e} {ber10:e} bits {positions} layers {layers}");
        if let Some(lot) = lot {
            text += &format!(" lot {} {:e}", lot.seed, lot.shared);
        }
        if let Some(format) = stored {
            text += &format!(" stored {format}");
        }
        if *memories != Memories::default() {
            text += &format!(" in {memories}");
            text += if memories.fixed { " (fixed)" } else { "" };
        }
        if let Some(pattern) = self.pattern() {
            let nameless = Pattern { file: String::new(), ..pattern.clone() };
            text += &format!(" {}", serde_json::json!(nameless));
        }
        if let Some(profile) = self.measured() {
            let cells = &profile.cells;
            text += &format!(" map {} {} {}", cells.mapping, cells.words(), profile.sha256);
            text.extend(profile.layout.iter().map(|layout| format!(" layout {}", layout.sha256)));
        }
        text
    }

    /// Refuses a seed that the model has no map for, without drawing it.
    pub fn check_seed(&self, seed: u64) -> Result<()> {
        match self.model {
            Model::Reference(_) => CellMap::check_seed(seed).map(drop),
            _ => Ok(()),
        }
    }

    /// Probability that a stored bit reads differently, in the positions and layers that can fail; `ones` is
    /// the share of stored bits that are 1.
    pub fn flip_rate(&self, ones: f64) -> f64 {
        let directed = |[to_1, to_0]: [f64; 2]| to_1 * (1.0 - ones) + to_0 * ones;
        match &self.model {
            Model::Flip(ber) => *ber,
            Model::StuckAt(ber) | Model::Reference(ber) => ber / 2.0,
            Model::Asymmetric(rates) => directed(*rates),
            Model::Profile(_, map) => directed(map.cells.shares()),
            Model::Pattern(pattern) => directed(pattern.directed()),
        }
    }
}

fn check_rate(flag: &str, ber: f64, model: FaultModel) -> Result<()> {
    if !(0.0..1.0).contains(&ber) {
        let what = format!("{ber} is not a rate of faulty cells: 0 <= rate < 1");
        return Err(Error::argument(flag, what, "rates are probabilities: 0.01 is one per cent"));
    }
    // Uniforms of the reference model have 53 bits, those of the other models 32.
    if model != FaultModel::Reference && mask::draws_nothing(ber) {
        let what = format!("a rate of {ber:?} draws no cell: the smallest that does is {LEAST}");
        return Err(Error::argument(flag, what, "0 is a memory without faults"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
