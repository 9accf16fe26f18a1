//! Changed bits per bit position and per layer.

use super::rows::{Row, rows};
use crate::report::{
    eval_json::Perturbed,
    page::{
        figure::{Figure, Key},
        html::Html,
        svg::{Kind, Style},
        words,
    },
};

/// Draws both charts side by side; either is left out if it was not counted.
pub(crate) fn flips(h: &mut Html, p: &Perturbed, precision: u32) {
    let f = &p.flipped_bits;
    let maps = f.each.len().max(1) as f64;
    // Number of bits that the network stores, derived from the counts and their rate.
    let stored = f.each.iter().sum::<u64>() as f64 / maps / f.mean_rate;
    let per_position = stored / f64::from(precision.max(1));
    let mean = 100.0 * f.mean_rate;
    let keys = || vec![Key::new("all stored bits", Style::NEUTRAL.light(), Kind::Stroke)];
    let note = |count: u64, rate: f64| {
        let each = (count as f64 / maps).round() as u64;
        format!("{}, {}", words::part(rate, 3), words::count(each))
    };
    h.element("div", &[("class", &"pair")], |h| {
        if per_position.is_finite() && !f.per_bit.is_empty() {
            let top = f.per_bit.len() - 1;
            let bits = f.per_bit.iter().enumerate().rev().map(|(bit, &count)| {
                let value = 100.0 * count as f64 / maps / per_position;
                let label = format!("bit {bit}{}", if bit == top { " (sign)" } else { "" });
                Row { label, value, std: None, note: note(count, value) }
            });
            let title = "Changed bits by position".into();
            let about = "Share of the bits at that position of a stored weight, and their number in \
                         a fault map.";
            let figure = Figure { title, about: about.into(), keys: keys(), ..Figure::default() };
            let bits: Vec<_> = bits.collect();
            rows(h, figure, "changed (%)", Style::NEUTRAL, &bits, Some(mean));
        }
        let layers = f.per_layer.iter().map(|l| {
            let value = 100.0 * l.flips as f64 / maps / (l.stored_bits.max(1)) as f64;
            Row { label: l.name.clone(), value, std: None, note: note(l.flips, value) }
        });
        let layers: Vec<_> = layers.collect();
        let title = "Changed bits by layer".into();
        let about = "Share of the bits that the layer stores, and their number in a fault map.";
        let figure = Figure { title, about: about.into(), keys: keys(), ..Figure::default() };
        rows(h, figure, "changed (%)", Style::NEUTRAL, &layers, Some(mean));
    });
}
