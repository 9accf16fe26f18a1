//! Flags that define the faults, the same for every command that injects them.

use crate::{
    error::{Error, Result},
    fault::{FaultModel, Faults, LayerChoice, Lot, Mapping, Positions, Profile, check_seed},
    report::{eval_json::FaultDetail, fault_record::FaultRecord},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Rate of faulty cells without `--ber`.
pub const DEFAULT_BER: f64 = 0.01;

/// What fails, without its rate.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultArgs {
    /// What faulty cells do: flip, stuck-at, asymmetric, reference (the map of the paper's code),
    /// profile (a measured map); default: stuck-at
    #[arg(long, value_name = "MODEL")]
    pub faults: Option<String>,
    /// asymmetric: probability that a cell storing 0 reads 1 (default: --ber)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub ber01: Option<f64>,
    /// asymmetric: probability that a cell storing 1 reads 0 (default: --ber)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub ber10: Option<f64>,
    /// profile: the measured map: `stuck_at_1` and `stuck_at_0` in a safetensors file, a .npy or .csv
    /// matrix of faulty cells, or two: cells that read 1, cells that read 0; or a .csv list of faulty
    /// cells under the line row,column,value
    #[arg(long, value_name = "FILE[,FILE]", value_delimiter = ',')]
    pub fault_map: Vec<PathBuf>,
    /// How weights lie on a measured map: linear or reference (default: what its file says, else linear)
    #[arg(long, value_name = "MAPPING")]
    pub mapping: Option<String>,
    /// Where layers lie in a measured map, and its size (TOML): `[[layer]]` with `layer` and `address`, in
    /// bytes; `rows`, `columns` (default: one layer behind another)
    #[arg(long, value_name = "FILE")]
    pub layout: Option<PathBuf>,
    /// One chip: the fault map of this seed, or the measured one of this file
    #[arg(long, value_name = "SEED|FILE")]
    pub chip: Option<String>,
    /// Chips of one lot share a part of their weak cells: the lot's seed
    #[arg(long, value_name = "SEED", requires = "shared")]
    pub lot: Option<u64>,
    /// The part that they share, 0 to 1
    #[arg(long, value_name = "FRACTION", requires = "lot", allow_negative_numbers = true)]
    pub shared: Option<f64>,
    /// Bit positions that can fail, as in 0-7, 7 or 0,6-7 (default: all)
    #[arg(long, value_name = "BITS")]
    pub bits: Option<String>,
    /// Layers that can fail, by the names of their weights, as in 'layer1.*,!*.conv2' (default: all)
    #[arg(long, value_name = "GLOB")]
    pub layers: Option<String>,
}

impl FaultArgs {
    /// The flags that describe the faults of a record, and their rate.
    #[must_use]
    pub fn of_record(record: &FaultRecord) -> (Self, Option<f64>) {
        Self::of_document(&record.faults, record.ber, &record.detail)
    }

    /// The flags that describe the faults of a document, and their rate.
    #[must_use]
    pub fn of_document(model: &str, ber: f64, detail: &FaultDetail) -> (Self, Option<f64>) {
        let map = detail.map.as_ref();
        let files = map.map_or("", |map| &map.file).split(',').filter(|f| !f.is_empty());
        let args = Self {
            faults: Some(model.to_owned()),
            ber01: detail.ber01,
            ber10: detail.ber10,
            fault_map: files.map(PathBuf::from).collect(),
            mapping: map.map(|map| map.mapping.clone()),
            layout: map.and_then(|map| Some(PathBuf::from(&map.layout.as_ref()?.file))),
            chip: None,
            lot: detail.lot.as_ref().map(|lot| lot.seed),
            shared: detail.lot.as_ref().map(|lot| lot.shared),
            bits: detail.bits.clone(),
            layers: detail.layers.clone(),
        };
        // A measured map and a pair of rates per direction leave no rate to state.
        let own = map.is_some() || detail.ber01.is_some();
        (args, (!own).then_some(ber))
    }

    /// Whether any of the flags is given.
    #[must_use]
    pub fn any(&self) -> bool {
        self.faults.is_some()
            || self.ber01.or(self.ber10).or(self.shared).is_some()
            || !self.fault_map.is_empty()
            || self.mapping.is_some()
            || self.layout.is_some()
            || self.chip.is_some()
            || self.lot.is_some()
            || self.bits.is_some()
            || self.layers.is_some()
    }

    /// The seed of the one chip, if `--chip` is a seed.
    ///
    /// # Errors
    /// It is a number above the largest seed.
    pub fn chip_seed(&self) -> Result<Option<u64>> {
        let seed = self.chip.as_deref().and_then(|chip| chip.parse().ok());
        seed.map(|seed| check_seed("--chip", seed)).transpose()
    }

    /// Files of the measured map: those of `--fault-map`, or of `--chip` if that is no seed.
    ///
    /// # Errors
    /// Both are given, or `--chip` is a number outside the range of seeds.
    pub fn map_files(&self) -> Result<Vec<PathBuf>> {
        let Some(chip) = &self.chip else { return Ok(self.fault_map.clone()) };
        if !self.fault_map.is_empty() {
            let what = "it and --fault-map are two chips";
            return Err(Error::argument("--chip", what, "give one of them"));
        }
        if chip.parse::<u64>().is_ok() {
            return Ok(Vec::new());
        }
        if chip.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'+') {
            let what = format!("{chip} is no seed");
            return Err(Error::argument("--chip", what, "seeds go from 0 to 9223372036854775807"));
        }
        Ok(chip.split(',').map(PathBuf::from).collect())
    }

    /// The fault model.
    pub fn model(&self) -> Result<FaultModel> {
        let measured = !self.map_files()?.is_empty();
        match &self.faults {
            Some(name) => name.parse(),
            None if measured => Ok(FaultModel::Profile),
            None => Ok(FaultModel::StuckAt),
        }
    }

    /// Whether `--ber` has a meaning. It has none for a measured map, or if both rates per direction
    /// are given.
    pub fn takes_rate(&self) -> Result<bool> {
        Ok(match self.model()? {
            FaultModel::Profile => false,
            FaultModel::Asymmetric => self.ber01.is_none() || self.ber10.is_none(),
            _ => true,
        })
    }

    /// Seed of the only fault map, if there is only one: that of `--chip`, or 0 for a measured map.
    pub fn only_seed(&self) -> Result<Option<u64>> {
        Ok(match self.model()? {
            FaultModel::Profile => Some(0),
            _ => self.chip_seed()?,
        })
    }

    /// The faults at the rate `ber`, by default [`DEFAULT_BER`]. Reads a measured map from its files.
    ///
    /// # Errors
    /// Flags that contradict each other, values that make no sense, a map that cannot be read.
    pub fn at(&self, ber: Option<f64>) -> Result<Faults> {
        let model = self.model()?;
        let files = self.map_files()?;
        let refuse = |flag: &str, given: bool, what: &str| {
            let hint = "leave it out, or choose another --faults";
            if given { Err(Error::argument(flag, what, hint)) } else { Ok(()) }
        };
        if model != FaultModel::Asymmetric {
            let directed = "only asymmetric faults have a rate per direction";
            refuse("--ber01", self.ber01.is_some(), directed)?;
            refuse("--ber10", self.ber10.is_some(), directed)?;
        }
        if model != FaultModel::Profile {
            let what = "only profile faults are those of a measured map";
            refuse("--fault-map", !files.is_empty(), what)?;
            refuse("--mapping", self.mapping.is_some(), what)?;
            refuse("--layout", self.layout.is_some(), "only a measured map has addresses")?;
        }
        let faults = match model {
            FaultModel::Profile => {
                refuse("--ber", ber.is_some(), "a measured map has the rate that it has")?;
                if files.is_empty() {
                    let hint = "give it with --fault-map";
                    let what = "there is no measured map";
                    return Err(Error::argument("--faults profile", what, hint));
                }
                let mapping = self.mapping.as_deref().map(str::parse::<Mapping>).transpose()?;
                Faults::profile(Profile::load(&files, mapping, self.layout.as_deref())?)
            }
            FaultModel::Asymmetric => {
                let both = !self.takes_rate()?;
                refuse("--ber", ber.is_some() && both, "--ber01 and --ber10 are both rates")?;
                let rate = |of: Option<f64>| of.or(ber).unwrap_or(DEFAULT_BER);
                Faults::asymmetric(rate(self.ber01), rate(self.ber10))?
            }
            _ => Faults::new(model, ber.unwrap_or(DEFAULT_BER))?,
        };
        self.restricted(faults)
    }

    fn restricted(&self, mut faults: Faults) -> Result<Faults> {
        if let Some(bits) = &self.bits {
            faults = faults.in_bits(bits.parse::<Positions>()?);
        }
        if let Some(layers) = &self.layers {
            faults = faults.in_layers(layers.parse::<LayerChoice>()?);
        }
        match (self.lot, self.shared) {
            (Some(seed), Some(shared)) => faults.of_lot(Lot::new(seed, shared)?),
            _ => Ok(faults),
        }
    }

    /// The faults at each of several rates; if `bers` is empty, the faults that `at(None)` gives.
    pub fn at_each(&self, bers: &[f64]) -> Result<Vec<Faults>> {
        if bers.is_empty() {
            return Ok(vec![self.at(None)?]);
        }
        bers.iter().map(|&ber| self.at(Some(ber))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(set: impl FnOnce(&mut FaultArgs)) -> FaultArgs {
        let mut args = FaultArgs::default();
        set(&mut args);
        args
    }

    #[test]
    fn rates_come_from_where_the_model_has_them() {
        let plain = FaultArgs::default();
        let faults = plain.at(None).unwrap();
        assert_eq!((faults.model, faults.ber), (FaultModel::StuckAt, DEFAULT_BER));
        assert_eq!(plain.at_each(&[0.1, 0.2]).unwrap()[1].ber, 0.2);
        let directed = |ber01, ber10| {
            args(|a| (a.faults, a.ber01, a.ber10) = (Some("asymmetric".into()), ber01, ber10))
        };
        let rates = |a: &FaultArgs, ber| a.at(ber).map(|f| (f.ber, f.ber10));
        assert_eq!(rates(&directed(Some(0.1), Some(0.2)), None).unwrap(), (0.1, 0.2));
        assert_eq!(rates(&directed(Some(0.1), None), Some(0.3)).unwrap(), (0.1, 0.3));
        assert_eq!(rates(&directed(None, None), Some(0.3)).unwrap(), (0.3, 0.3));
        assert!(rates(&directed(Some(0.1), Some(0.2)), Some(0.3)).is_err());
        assert!(args(|a| a.ber01 = Some(0.1)).at(None).is_err());
    }

    #[test]
    fn a_chip_is_a_seed_or_a_file() {
        let chip = |text: &str| args(|a| a.chip = Some(text.into()));
        assert_eq!(chip("7").chip_seed().unwrap(), Some(7));
        assert_eq!(chip("7").only_seed().unwrap(), Some(7));
        assert_eq!(chip("7").model().unwrap(), FaultModel::StuckAt);
        assert_eq!(chip("map.npy").model().unwrap(), FaultModel::Profile);
        assert_eq!(chip("map.npy").only_seed().unwrap(), Some(0));
        for wrong in ["9223372036854775808", "99999999999999999999", "-1"] {
            let e = chip(wrong).only_seed().unwrap_err();
            assert!(e.to_string().starts_with("--chip: "), "{e}");
        }
        let e = chip("no such file").at(None).unwrap_err();
        assert!(e.to_string().contains("no such file"));
    }

    #[test]
    fn flags_that_do_not_go_together_are_refused() {
        let refused = |a: &FaultArgs, ber, flag: &str| {
            let e = a.at(ber).unwrap_err();
            assert!(e.to_string().starts_with(flag) && e.exit_code() == 2, "{e}");
        };
        refused(&args(|a| a.mapping = Some("linear".into())), None, "--mapping");
        refused(&args(|a| a.faults = Some("profile".into())), None, "--faults profile");
        let map = |a: &mut FaultArgs| a.fault_map = vec!["x.npy".into()];
        refused(&args(map), Some(0.1), "--ber");
        let two = |a: &mut FaultArgs| (a.chip, a.fault_map) = (Some("y".into()), vec!["x".into()]);
        refused(&args(two), None, "--chip");
        let both = |a: &mut FaultArgs| (a.chip, a.fault_map) = (Some("7".into()), vec!["x".into()]);
        refused(&args(both), None, "--chip");
        let drawn = |a: &mut FaultArgs| {
            map(a);
            a.faults = Some("flip".into());
        };
        refused(&args(drawn), None, "--fault-map");
        refused(&args(|a| a.bits = Some("9".into())), None, "--bits");
        let lot = |a: &mut FaultArgs| {
            (a.lot, a.shared, a.faults) = (Some(1), Some(0.5), Some("reference".into()));
        };
        refused(&args(lot), None, "--lot");
    }
}
