//! Draws the loss of accuracy when a single bit position or layer is faulty.

use super::rows::{Row, rows};
use crate::report::{
    eval_json::{Part, Sensitivity},
    measure::Measure,
    page::{figure::Figure, html::Html, svg::Style, words},
};

/// Draws bit positions and layers side by side.
pub(crate) fn sensitivity(h: &mut Html, s: &Sensitivity, style: Style, measure: Measure) {
    let loss = |parts: &[Part], label: &dyn Fn(&Part) -> String| -> Vec<Row> {
        parts.iter().map(|p| Row::loss(label(p), s.clean, &p.accuracy)).collect()
    };
    h.element("div", &[("class", &"pair")], |h| {
        let mut bits = loss(&s.bits, &|p| p.name.clone());
        bits.reverse();
        let title = "Only one bit position is faulty".into();
        let (what, lost) = (measure.title(), format!("{} lost (points)", measure.word()));
        let lost_in = format!("{what} lost, in percentage points: clean {}", measure.word());
        let about = format!(
            "{lost_in} less that with faults in this bit of every weight. The top one is the sign."
        );
        let figure = Figure { title, about, ..Figure::default() };
        rows(h, figure, &lost, style, &bits, None);
        let layers = loss(&s.layers, &|p| p.name.clone());
        let stored: u64 = s.layers.iter().map(|p| p.stored_bits).sum();
        let title = "Only one layer is faulty".into();
        let about = format!(
            "{lost_in} less that with faults in this layer alone. All layers store {} bits.",
            words::count(stored)
        );
        let figure = Figure { title, about, ..Figure::default() };
        rows(h, figure, &lost, style, &layers, None);
    });
}
