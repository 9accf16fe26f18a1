//! Flags that define the faults, the same for every command that injects them.

use crate::{
    error::{Error, Result},
    fault::{
        DEFAULT_BER, Description, FaultModel, Faults, Fields, FloatFormat, Lot, Mapping, Pattern,
        Profile, check_seed,
    },
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc};

/// What fails, without its rate.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultArgs {
    /// What faulty cells do: flip, stuck-at, asymmetric, reference (the map of the paper's code),
    /// profile (a measured map), or the file of a pattern of lines and clusters (TOML); default: stuck-at
    #[arg(long, value_name = "MODEL|FILE")]
    pub faults: Option<String>,
    /// The pattern itself, where a document has it and not its file.
    #[arg(skip)]
    #[serde(skip)]
    pub pattern: Option<Pattern>,
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
    /// Weights of a float network are stored as f16 or bf16, in words of 16 bits, and not as integers
    #[arg(long, value_name = "FORMAT")]
    pub stored: Option<String>,
    /// Memories that can fail, one or several: weights, and of a quantised ONNX network biases and activations
    /// (default: weights)
    #[arg(long, value_name = "LIST")]
    pub faults_in: Option<String>,
    /// Cells of activations: fresh ones for every image, or fixed, those of image 0 (default: fresh)
    #[arg(long, value_name = "fresh|fixed")]
    pub activation_map: Option<String>,
}

/// Whether `--faults` names a file.
fn is_pattern(name: &str) -> bool {
    name.len() > 5 && name.to_ascii_lowercase().ends_with(".toml")
}

impl FaultArgs {
    /// The flags that describe the faults of a document, and their rate.
    pub fn of_document(faults: &Description) -> (Self, Option<f64>) {
        let Fields {
            ber,
            ber01,
            ber10,
            bits,
            layers,
            lot,
            map,
            pattern,
            stored,
            faults_in,
            activation_map,
            ..
        } = faults.fields();
        // A measured map and a pair of rates per direction leave no rate to state.
        let ber = ber.filter(|_| map.is_none() && ber01.is_none() && pattern.is_none());
        let mapping = map.as_ref().map(|map| map.mapping.to_string());
        let (file, layout) = map.map_or_else(Default::default, |map| (map.file, map.layout));
        let files = file.split(',').filter(|file| !file.is_empty());
        let args = Self {
            faults: Some(faults.kind().to_string()),
            pattern,
            ber01,
            ber10,
            fault_map: files.map(PathBuf::from).collect(),
            mapping,
            layout: layout.map(|layout| layout.file.into()),
            chip: None,
            lot: lot.map(|lot| lot.seed),
            shared: lot.map(|lot| lot.shared),
            bits,
            layers,
            stored: stored.map(|format| format.to_string()),
            faults_in,
            activation_map,
        };
        (args, ber)
    }

    /// Whether any of the flags is given.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// The seed of the one chip, if `--chip` is a seed.
    pub fn chip_seed(&self) -> Result<Option<u64>> {
        let seed = self.chip.as_deref().and_then(|chip| chip.parse().ok());
        seed.map(|seed| check_seed("--chip", seed)).transpose()
    }

    /// Files of the measured map: those of `--fault-map`, or of `--chip` if that is no seed.
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

    /// The format of weights that are stored as floats.
    pub fn float_format(&self) -> Result<Option<FloatFormat>> {
        let format = self.stored.as_deref().map(str::parse).transpose();
        format.map_err(|_: Error| {
            let what =
                format!("{:?} is no format of stored floats", self.stored.as_deref().unwrap_or(""));
            Error::argument("--stored", what, "give f16 or bf16")
        })
    }

    /// The file of a pattern.
    pub fn pattern_file(&self) -> Option<&str> {
        self.faults.as_deref().filter(|name| is_pattern(name))
    }

    pub fn model(&self) -> Result<FaultModel> {
        let measured = !self.map_files()?.is_empty();
        match &self.faults {
            Some(name) if is_pattern(name) => Ok(FaultModel::Pattern),
            Some(name) => name.parse(),
            None if measured => Ok(FaultModel::Profile),
            None => Ok(FaultModel::StuckAt),
        }
    }

    /// Whether `--ber` has a meaning. It has none for a measured map, or if both rates per direction
    /// are given.
    pub fn takes_rate(&self) -> Result<bool> {
        Ok(match self.model()? {
            FaultModel::Profile | FaultModel::Pattern => false,
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

    /// The same where the flag `beside` names seeds, if they are `given`: refused where there is only one.
    pub(crate) fn only_seed_or(&self, beside: &str, given: bool) -> Result<Option<u64>> {
        let only = self.only_seed()?;
        if only.is_some() && given {
            let what = "one chip, or a measured map, has one map";
            return Err(Error::argument(beside, what, "leave out one of the two"));
        }
        Ok(only)
    }

    /// The faults at the rate `ber`, by default [`DEFAULT_BER`]. Reads a measured map from its files.
    pub fn at(&self, ber: Option<f64>) -> Result<Faults> {
        let (model, files) = (self.model()?, self.map_files()?);
        let (directed, measured) = (model == FaultModel::Asymmetric, model == FaultModel::Profile);
        let patterned = model == FaultModel::Pattern;
        let no_direction = "only asymmetric faults have a rate per direction";
        let no_map = "only profile faults are those of a measured map";
        for (flag, refused, what) in [
            ("--ber01", self.ber01.is_some() && !directed, no_direction),
            ("--ber10", self.ber10.is_some() && !directed, no_direction),
            ("--fault-map", !files.is_empty() && !measured, no_map),
            ("--mapping", self.mapping.is_some() && !measured, no_map),
            ("--layout", self.layout.is_some() && !measured, "only a measured map has addresses"),
            ("--ber", ber.is_some() && measured, "a measured map has the rate that it has"),
            ("--ber", ber.is_some() && patterned, "a pattern has rates of its own"),
            ("--ber", ber.is_some() && !self.takes_rate()?, "--ber01 and --ber10 are both rates"),
        ] {
            if refused {
                return Err(Error::argument(
                    flag,
                    what,
                    "leave it out, or choose another --faults",
                ));
            }
        }
        let stored = self.float_format()?;
        let mut map = None;
        if !files.is_empty() {
            let mapping = self.mapping.as_deref().map(str::parse::<Mapping>).transpose()?;
            map = Some(Arc::new(Profile::load(&files, mapping, self.layout.as_deref())?));
        }
        let pattern = match self.pattern_file() {
            Some(file) => Some(Pattern::load(file.as_ref())?),
            None if patterned => self.pattern.clone(),
            None => None,
        };
        if patterned && pattern.is_none() {
            let hint = "give its file, as in --faults pattern.toml";
            return Err(Error::argument("--faults pattern", "there is no pattern", hint));
        }
        let share = map.as_ref().map(|map| map.cells.share());
        let fields = Fields {
            faults: Some(model),
            ber: share.or(ber).or(Some(DEFAULT_BER)),
            ber01: self.ber01,
            ber10: self.ber10,
            bits: self.bits.clone(),
            layers: self.layers.clone(),
            lot: self.lot.zip(self.shared).map(|(seed, shared)| Lot { seed, shared }),
            map,
            pattern,
            stored,
            faults_in: self.faults_in.clone(),
            activation_map: self.activation_map.clone(),
        };
        fields.faults()
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
mod texts;

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
        assert_eq!(faults, Faults::default());
        assert_eq!((faults.kind(), faults.ber()), (FaultModel::StuckAt, DEFAULT_BER));
        assert_eq!(plain.at_each(&[0.1, 0.2]).unwrap()[1].ber(), 0.2);
        let directed = |ber01, ber10| {
            args(|a| (a.faults, a.ber01, a.ber10) = (Some("asymmetric".into()), ber01, ber10))
        };
        let rates = |a: &FaultArgs, ber| a.at(ber).map(|f| f.rates());
        assert_eq!(rates(&directed(Some(0.1), Some(0.2)), None).unwrap(), [0.1, 0.2]);
        assert_eq!(rates(&directed(Some(0.1), None), Some(0.3)).unwrap(), [0.1, 0.3]);
        assert_eq!(rates(&directed(None, None), Some(0.3)).unwrap(), [0.3, 0.3]);
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
