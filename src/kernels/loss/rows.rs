//! Common parts of losses on rows of logits, with a row for every image of every copy: the sizes of their
//! plans, and the expected results of their cases.

use crate::{
    error::{Error, Result},
    kernels::twin::{Data, Want},
    shape::Nhwc,
};

/// Most lanes per row: the smallest workgroup has 32.
const MAX_SPAN: u32 = 32;

/// The rows of `copies` networks that answer to the same `n` images; row r is image `r % n` of copy `r / n`.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Logits of all rows.
    pub logits: Nhwc,
    /// Number of rows.
    pub rows: u32,
    /// Lanes per row.
    pub span: u32,
    /// Lanes of all rows.
    pub lanes: u64,
}

impl Rows {
    /// Checked rows.
    pub fn new(copies: u32, n: u32, classes: u32) -> Result<Self> {
        let logits = Nhwc::new(copies, 1, n, classes).checked()?;
        let rows = logits.pixels();
        let span = logits.c4().next_power_of_two().min(MAX_SPAN);
        let lanes = u64::from(rows) * u64::from(span);
        if lanes > u64::from(u32::MAX) {
            let what = format!("{rows} rows of {classes} classes");
            return Err(Error::TooManyElements { what });
        }
        Ok(Self { logits, rows, span, lanes })
    }

    /// Bytes of the bindings: logits, their target (`compared` bytes), the copies' weights, the gradient of
    /// the logits, losses and hits of the rows.
    pub fn bytes(self, compared: u64) -> Vec<u64> {
        let logits = self.logits.bytes();
        let [rows, copies] = [self.rows, self.logits.n].map(|len| u64::from(len) * 4);
        vec![logits, compared, copies, logits, rows, rows]
    }
}

/// A loss's results for one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowLoss {
    /// The loss, unweighted.
    pub loss: f64,
    /// The gradient of the logits, weighted.
    pub dlogits: Vec<f64>,
    /// Whether the first largest logit is that of the wanted class.
    pub correct: bool,
}

/// The largest number, or NaN if there is one: `f64::max` would drop a NaN.
pub(super) fn largest(logits: &[f64]) -> f64 {
    let nan = logits.iter().copied().find(|l| l.is_nan());
    nan.unwrap_or_else(|| logits.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Weights of the copies in a case, all different.
pub(super) fn weights(copies: u32, n: u32) -> Vec<f32> {
    (0..copies).map(|k| (k as f32 + 0.7) / n as f32).collect()
}

/// Expected results of all rows of a case, each with its bounds.
#[derive(Default)]
pub(super) struct WantedLosses {
    dlogits: [Vec<f64>; 2],
    losses: [Vec<f64>; 2],
    correct: Vec<u32>,
}

impl WantedLosses {
    /// Adds the next row, with the bounds of its loss and of its gradient.
    pub(super) fn push(&mut self, row: RowLoss, (loss, dlogits): (f64, Vec<f64>)) {
        self.dlogits[0].extend(row.dlogits);
        self.dlogits[1].extend(dlogits);
        self.losses[0].push(row.loss);
        self.losses[1].push(loss);
        self.correct.push(u32::from(row.correct));
    }

    /// The gradient of the logits, the losses and the hits.
    pub(super) fn outputs(self, classes: u32) -> [Data; 3] {
        let [values, bounds] = &self.dlogits;
        let dlogits = Want::channels_bounded(values, bounds, classes);
        let [losses, bounds] = self.losses;
        [dlogits, Want::bounded(losses, bounds), Want::words(self.correct)].map(Data::Output)
    }
}
