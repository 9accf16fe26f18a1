//! The loss of accuracy when a single bit position or layer is faulty.

use crate::report::{
    documents::{
        eval_json::{Part, Sensitivity},
        measure::Measure,
    },
    pictures::{
        chart::{BarRow, Chart, rows},
        svg::Style,
    },
    words,
};

/// Bit positions and layers, to stand side by side.
pub(crate) fn sensitivity(s: &Sensitivity, style: Style, measure: Measure) -> Vec<Chart> {
    let loss = |parts: &[Part]| -> Vec<BarRow> {
        parts.iter().map(|p| BarRow::loss(p.name.clone(), s.clean, &p.accuracy)).collect()
    };
    let (what, lost) = (measure.title(), format!("{} lost (points)", measure.word()));
    let lost_in = format!("{what} lost, in percentage points: clean {}", measure.word());
    let chart = |title: &str, name: &str, about: String, parts: Vec<BarRow>| {
        let chart = Chart { title: title.into(), about, ..Chart::default() };
        rows(chart, (name, &lost), style, &parts, None)
    };
    let mut bits = loss(&s.bits);
    bits.reverse();
    let about = format!(
        "{lost_in} less that with faults in this bit of every weight. The top one is the sign."
    );
    let bits = chart("Only one bit position is faulty", "bit", about, bits);
    let stored: u64 = s.layers.iter().map(|p| p.stored_bits).sum();
    let about = format!(
        "{lost_in} less that with faults in this layer alone. All layers store {} bits.",
        words::count(stored)
    );
    let layers = chart("Only one layer is faulty", "layer", about, loss(&s.layers));
    bits.into_iter().chain(layers).collect()
}
