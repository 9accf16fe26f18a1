//! The one description of faults: a fault model with its rates, and the bits, layers and lot that its faults
//! are restricted to.

use super::{
    CellMap, FaultModel, LayerChoice, Lot, Positions, Profile,
    mask::{self, LEAST},
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
}

/// Which cells of a memory fail, and how. Faults with a rate that is no probability, with a map that is not
/// whole, or with a lot of one chip's maps cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults<M = Arc<Profile>> {
    pub(super) model: Model<M>,
    pub(super) lot: Option<Lot>,
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
        Self { model, lot: None, positions: Positions::ALL, layers: LayerChoice::default() }
    }

    /// Faults of a model that draws its cells, at these rates, which these flags give.
    pub(super) fn drawn(model: FaultModel, flags: [&str; 2], rates: [f64; 2]) -> Result<Self> {
        let of = match model {
            FaultModel::Flip => Model::Flip(rates[0]),
            FaultModel::StuckAt => Model::StuckAt(rates[0]),
            FaultModel::Asymmetric => Model::Asymmetric(rates),
            FaultModel::Reference => Model::Reference(rates[0]),
            FaultModel::Profile => {
                let hint = "give it with --fault-map";
                return Err(Error::argument("--faults profile", "there is no measured map", hint));
            }
        };
        check_rate(flags[0], rates[0], model)?;
        check_rate(flags[1], rates[1], model)?;
        Ok(Self::of(of))
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
        }
    }

    /// Probabilities that a cell is faulty where it stores 0, and where it stores 1.
    pub fn rates(&self) -> [f64; 2] {
        match self.model {
            Model::Asymmetric(rates) => rates,
            Model::Flip(ber)
            | Model::StuckAt(ber)
            | Model::Reference(ber)
            | Model::Profile(ber, _) => [ber; 2],
        }
    }

    /// Probability that a cell is faulty: the mean of both directions' rates.
    pub fn ber(&self) -> f64 {
        let [ber01, ber10] = self.rates();
        f64::midpoint(ber01, ber10)
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

    /// Whether every bit of every layer can fail.
    pub fn is_everywhere(&self) -> bool {
        self.positions == Positions::ALL && self.layers.is_all()
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
    /// [`Error::Argument`] for the reference model and measured maps: each such map is that of one chip.
    pub fn of_lot(self, lot: Lot) -> Result<Self> {
        if matches!(self.model, Model::Reference(_) | Model::Profile(..)) {
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

    /// Everything that the map of a seed depends on, to the last bit, in one line;
    /// [`Display`](std::fmt::Display) is for people.
    pub fn identity(&self) -> String {
        let (kind, [ber01, ber10]) = (self.kind(), self.rates());
        let Self { lot, positions, layers, .. } = self;
        let mut text = format!("{kind} {ber01:e} {ber10:e} bits {positions} layers {layers}");
        if let Some(lot) = lot {
            text += &format!(" lot {} {:e}", lot.seed, lot.shared);
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
mod tests {
    use super::*;
    use crate::fault::Mapping;
    use std::collections::BTreeSet;

    #[test]
    fn a_rate_is_a_probability_below_one() {
        for ber in [0.0, 2.33e-10, 0.01, 0.999_999] {
            assert!(Faults::new(FaultModel::Flip, ber).is_ok(), "{ber}");
        }
        for ber in [1.0, 5.0, -1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let e = Faults::new(FaultModel::Flip, ber).unwrap_err();
            assert!(e.hint().unwrap().contains("0.01 is one per cent"), "{ber}");
            assert_eq!(e.exit_code(), 2);
            assert!(Faults::asymmetric(0.1, ber).is_err() && Faults::asymmetric(ber, 0.1).is_err());
        }
        assert!(Faults::new(FaultModel::Profile, 0.1).is_err());
    }

    /// Uniforms have 32 bits: a smaller rate would silently give a memory without faults.
    #[test]
    fn a_rate_that_draws_nothing_is_refused() {
        for ber in [1e-12, 2.328e-10, f64::MIN_POSITIVE] {
            for refused in [
                Faults::new(FaultModel::StuckAt, ber),
                Faults::asymmetric(ber, 0.1),
                Faults::asymmetric(0.1, ber),
            ] {
                let e = refused.unwrap_err();
                assert!(e.to_string().contains("draws no cell"), "{e}");
                assert_eq!(e.exit_code(), 2);
            }
            assert!(Faults::new(FaultModel::Reference, ber).is_ok(), "it has 53 bits");
            let e = Lot::new(1, ber).unwrap_err();
            assert!(e.to_string().starts_with("--shared: ") && e.exit_code() == 2, "{e}");
        }
        let least: f64 = LEAST.parse().unwrap();
        assert_eq!((mask::threshold(least), mask::threshold(0.999 * least)), (1, 0));
        assert!(Faults::asymmetric(0.0, 0.1).is_ok() && Lot::new(1, 0.0).is_ok());
    }

    #[test]
    fn a_map_with_words_missing_is_refused() {
        let of = |ones: usize, zeros: usize, mapping| {
            let (stuck_at_1, stuck_at_0) = (vec![0; ones], vec![0; zeros]);
            let cells = CellMap { stuck_at_1, stuck_at_0, mapping };
            Faults::profile(Profile::from(cells))
        };
        for (ones, zeros, mapping) in [
            (0, 0, Mapping::Linear),
            (3, 2, Mapping::Linear),
            (2, 3, Mapping::Linear),
            (6, 6, Mapping::Reference),
        ] {
            let e = of(ones, zeros, mapping).unwrap_err();
            assert!(e.to_string().contains("not whole"), "{ones} {zeros}: {e}");
        }
        assert!(of(6, 6, Mapping::Linear).unwrap().map(0).is_ok());
        assert!(of(8, 8, Mapping::Reference).unwrap().map(0).is_ok());
    }

    #[test]
    fn whatever_changes_a_map_changes_its_identity() {
        let flip = || Faults::new(FaultModel::Flip, 0.1).unwrap();
        let map =
            |mapping, word| CellMap { stuck_at_1: vec![word; 4], stuck_at_0: vec![0; 4], mapping };
        let of_file = |sha256: &str, mapping| {
            Faults::profile(Profile { sha256: sha256.into(), ..map(mapping, 1).into() }).unwrap()
        };
        let all = [
            flip(),
            Faults::new(FaultModel::StuckAt, 0.1).unwrap(),
            Faults::new(FaultModel::Flip, 0.1 + 1e-17 + f64::EPSILON).unwrap(),
            Faults::asymmetric(0.1, 0.2).unwrap(),
            Faults::asymmetric(0.2, 0.1).unwrap(),
            flip().in_bits(Positions::only(1)),
            flip().in_layers(LayerChoice::only(&["a"])),
            flip().in_layers(LayerChoice::without(&["a"])),
            flip().of_lot(Lot::new(1, 0.5).unwrap()).unwrap(),
            flip().of_lot(Lot::new(1, 0.6).unwrap()).unwrap(),
            flip().of_lot(Lot::new(2, 0.5).unwrap()).unwrap(),
            of_file("a", Mapping::Linear),
            of_file("a", Mapping::Reference),
            of_file("b", Mapping::Linear),
        ];
        let different: BTreeSet<String> = all.iter().map(Faults::identity).collect();
        assert_eq!(different.len(), all.len(), "{different:?}");
        // The flip rate of a measured map where a quarter of the stored bits are 1.
        let rate = Faults::profile(map(Mapping::Linear, 3)).unwrap().flip_rate(0.25);
        assert!((rate - 2.0 / 32.0 * 0.75).abs() < 1e-12, "{rate}");
    }
}
