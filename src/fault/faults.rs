//! A fault model with its rates, and with the bits, layers and lot that its faults are restricted to.

use super::{CellMap, FaultMap, FaultModel, LayerChoice, Lot, Positions, Profile, mask};
use crate::{
    error::{Error, Result},
    words,
};
use std::{fmt, sync::Arc};

/// Which cells of a memory fail, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// What a faulty cell does.
    pub model: FaultModel,
    /// Probability that a cell is faulty, in [0, 1). For [`FaultModel::Asymmetric`] it is the probability that
    /// a cell storing 0 reads 1, for [`FaultModel::Profile`] the share of faulty cells in the map.
    pub ber: f64,
    /// For [`FaultModel::Asymmetric`] the probability that a cell storing 1 reads 0; equal to `ber` for other
    /// models.
    pub ber10: f64,
    /// Bit positions that can fail.
    pub positions: Positions,
    /// Layers that can fail.
    pub layers: LayerChoice,
    /// The lot that all chips belong to, if they share weak cells.
    pub lot: Option<Lot>,
    /// The measured map of [`FaultModel::Profile`].
    pub profile: Option<Arc<Profile>>,
}

impl Faults {
    /// Faults of a model at a rate, in all bits and layers; asymmetric ones at the same rate in both
    /// directions.
    ///
    /// # Errors
    /// [`Error::Argument`] unless 0 <= ber < 1, or for a rate so small that it would draw no cell; a
    /// measured map has no rate (see [`Self::profile`]).
    pub fn new(model: FaultModel, ber: f64) -> Result<Self> {
        if model == FaultModel::Profile {
            let hint = "give it with --fault-map";
            return Err(Error::argument("--faults profile", "there is no measured map", hint));
        }
        check_rate("--ber", ber, model)?;
        Ok(Self {
            model,
            ber,
            ber10: ber,
            positions: Positions::ALL,
            layers: LayerChoice::default(),
            lot: None,
            profile: None,
        })
    }

    /// Asymmetric faults: a stored 0 reads 1 with probability `ber01`, a stored 1 reads 0 with `ber10`.
    ///
    /// # Errors
    /// [`Error::Argument`] for what [`Self::new`] refuses.
    pub fn asymmetric(ber01: f64, ber10: f64) -> Result<Self> {
        check_rate("--ber01", ber01, FaultModel::Asymmetric)?;
        check_rate("--ber10", ber10, FaultModel::Asymmetric)?;
        Ok(Self { ber10, ..Self::new(FaultModel::Asymmetric, ber01)? })
    }

    /// The faults of a measured map.
    #[must_use]
    pub fn profile(map: impl Into<Profile>) -> Self {
        let map = map.into();
        let ber = map.cells.share();
        Self {
            model: FaultModel::Profile,
            ber,
            ber10: ber,
            positions: Positions::ALL,
            layers: LayerChoice::default(),
            lot: None,
            profile: Some(Arc::new(map)),
        }
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
        if matches!(self.model, FaultModel::Reference | FaultModel::Profile) {
            let what = format!("the map of {} faults is one chip's", self.model);
            return Err(Error::argument("--lot", what, "use flip, stuck-at or asymmetric"));
        }
        Ok(Self { lot: Some(lot), ..self })
    }

    /// These faults, if their rates are probabilities, and there is a measured map if and only if the model
    /// needs one.
    pub fn checked(&self) -> Result<&Self> {
        // The rate of a measured map may be 1, which is no error: all of its cells may be faulty.
        if self.model != FaultModel::Profile {
            check_rate("--ber", self.ber, self.model)?;
            check_rate("--ber10", self.ber10, self.model)?;
        }
        if (self.model == FaultModel::Profile) != self.profile.is_some() {
            let hint = "give it with --fault-map, and --faults profile";
            return Err(Error::argument("--fault-map", "faults and measured map do not fit", hint));
        }
        if self.profile.as_ref().is_some_and(|profile| !profile.cells.is_whole()) {
            let hint = "give as many words stuck at 1 as at 0, and whole rows of 4 words to the \
                        reference mapping";
            return Err(Error::argument("--fault-map", "a map that is not whole", hint));
        }
        Ok(self)
    }

    /// The mean of both directions' rates: the probability that a cell is faulty.
    #[must_use]
    pub fn mean_ber(&self) -> f64 {
        f64::midpoint(self.ber, self.ber10)
    }

    /// The fault map of a seed; a measured map is the same for all seeds.
    ///
    /// # Errors
    /// A seed that the model has no map for; the errors of [`Self::checked`].
    pub fn map(&self, seed: u64) -> Result<FaultMap> {
        let reference = match self.checked()?.model {
            FaultModel::Reference => Some(Arc::new(CellMap::reference(seed, self.ber)?)),
            _ => None,
        };
        Ok(FaultMap { faults: self.clone(), seed, reference })
    }

    /// Everything that the map of a seed depends on, to the last bit, in one line; [`fmt::Display`] is
    /// for people.
    #[must_use]
    pub fn identity(&self) -> String {
        let Self { model, ber, ber10, positions, layers, lot, profile } = self;
        let mut text = format!("{model} {ber:e} {ber10:e} bits {positions} layers {layers}");
        if let Some(lot) = lot {
            text += &format!(" lot {} {:e}", lot.seed, lot.shared);
        }
        if let Some(profile) = profile {
            let cells = &profile.cells;
            text += &format!(" map {} {} {}", cells.mapping, cells.words(), profile.sha256);
            text.extend(profile.layout.iter().map(|layout| format!(" layout {}", layout.sha256)));
        }
        text
    }

    /// Refuses a seed that the model has no map for, without drawing it.
    pub fn check_seed(&self, seed: u64) -> Result<()> {
        if self.model == FaultModel::Reference {
            CellMap::check_seed(seed).map(drop)
        } else {
            Ok(())
        }
    }

    /// Probability that a stored bit reads differently, in the positions and layers that can fail; `ones` is
    /// the share of stored bits that are 1.
    #[must_use]
    pub fn flip_rate(&self, ones: f64) -> f64 {
        match (self.model, &self.profile) {
            (_, Some(profile)) => {
                let [to_1, to_0] = profile.cells.shares();
                to_1 * (1.0 - ones) + to_0 * ones
            }
            (FaultModel::Flip, _) => self.ber,
            (FaultModel::Asymmetric, _) => self.ber * (1.0 - ones) + self.ber10 * ones,
            _ => self.ber / 2.0,
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.model)?;
        match self.model {
            FaultModel::Asymmetric => {
                write!(f, " at rates of {} (0 to 1) and {} (1 to 0)", self.ber, self.ber10)?;
            }
            FaultModel::Profile => write!(f, " of {} of the cells", words::share(self.ber, 3))?,
            _ => write!(f, " at a rate of {}", self.ber)?,
        }
        if self.positions != Positions::ALL {
            write!(f, " in bits {}", self.positions)?;
        }
        if !self.layers.is_all() {
            write!(f, " in layers {}", self.layers)?;
        }
        if let Some(lot) = self.lot {
            write!(f, " of lot {}, {} shared", lot.seed, lot.shared)?;
        }
        Ok(())
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

/// The smallest rate that draws cells, 2^-32, in words.
pub(super) const LEAST: &str = "2.33e-10";

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
            let mut faults = Faults::new(FaultModel::Flip, 0.1).unwrap();
            faults.ber10 = ber;
            assert!(faults.checked().is_err());
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
            let faults = of(ones, zeros, mapping);
            assert!(faults.checked().is_err() && faults.map(0).is_err(), "{ones} {zeros}");
        }
        assert!(of(6, 6, Mapping::Linear).map(0).is_ok());
        assert!(of(8, 8, Mapping::Reference).map(0).is_ok());
    }

    #[test]
    fn whatever_changes_a_map_changes_its_identity() {
        let flip = || Faults::new(FaultModel::Flip, 0.1).unwrap();
        let map =
            |mapping, word| CellMap { stuck_at_1: vec![word; 4], stuck_at_0: vec![0; 4], mapping };
        let of_file = |sha256: &str, mapping| {
            Faults::profile(Profile { sha256: sha256.into(), ..map(mapping, 1).into() })
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
        let rate = Faults::profile(map(Mapping::Linear, 3)).flip_rate(0.25);
        assert!((rate - 2.0 / 32.0 * 0.75).abs() < 1e-12, "{rate}");
    }
}
