//! One measurement of the paper: the experiment, and the printed result.

use serde::{Deserialize, Serialize};

/// A mean over fault maps, and their population standard deviation where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanStd {
    /// Mean, per cent.
    pub mean: f64,
    /// Population standard deviation, percentage points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
}

/// Accuracies of a cell in per cent; each is absent where it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracies {
    /// CA: clean weights, no generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<f64>,
    /// PA: faulty weights, no generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pa: Option<MeanStd>,
    /// CA(NF): clean weights behind the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_nf: Option<f64>,
    /// PA(NF): faulty weights behind the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pa_nf: Option<MeanStd>,
    /// RP = PA(NF) - PA, percentage points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rp: Option<f64>,
}

impl Accuracies {
    /// The difference `self - other` in percentage points; a value that either of them lacks is absent. Means
    /// are subtracted; standard deviations are dropped.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        let plain = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        let mean = |a: Option<MeanStd>, b: Option<MeanStd>| {
            Some(MeanStd { mean: a?.mean - b?.mean, std: None })
        };
        Self {
            ca: plain(self.ca, other.ca),
            pa: mean(self.pa, other.pa),
            ca_nf: plain(self.ca_nf, other.ca_nf),
            pa_nf: mean(self.pa_nf, other.pa_nf),
            rp: plain(self.rp, other.rp),
        }
    }
}

/// One measurement of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// The table or figure that prints it, such as `Table 12`.
    pub printed_in: String,
    /// The base network that is evaluated, as the paper names it, in lower case.
    pub base: String,
    /// The base networks in front of which the generator was trained: the evaluated one, or surrogates.
    pub sources: Vec<String>,
    pub generator: String,
    /// Probability of a faulty cell while the generator was trained.
    pub train_ber: f64,
    /// Probability of a faulty cell in the evaluation.
    pub ber: f64,
    /// Weight of the perturbed copies' loss.
    pub lambda: f64,
    /// Perturbed copies per training step, the paper's N.
    pub copies: u32,
    /// Bits per stored weight in the evaluation; generators are always trained with 8.
    pub bits: u32,
    /// What the paper prints. Documents have it beside our numbers.
    #[serde(skip)]
    pub paper: Accuracies,
    /// An explanation, where the paper contradicts itself.
    #[serde(skip)]
    pub note: Option<String>,
}

/// The usual values: the names of cells leave them out.
const LAMBDA: f64 = 5.0;
const COPIES: u32 = 10;
const BITS: u32 = 8;

impl Cell {
    /// The cell's name within its table, such as `resnet18/ConvL-ber0.01`. `--only` is matched against it,
    /// and it names the cell's folder.
    pub fn id(&self) -> String {
        let mut id = format!("{}/{}-ber{}", self.base, self.generator, self.ber);
        if self.sources != [self.base.as_str()] || self.train_ber != self.ber {
            id += &format!("-from-{}-ber{}", self.sources.join("+"), self.train_ber);
        }
        if self.lambda != LAMBDA {
            id += &format!("-lambda{}", self.lambda);
        }
        if self.copies != COPIES {
            id += &format!("-n{}", self.copies);
        }
        if self.bits != BITS {
            id += &format!("-{}bit", self.bits);
        }
        id
    }
}
