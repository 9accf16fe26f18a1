//! Changed bits per bit position and per layer.

use crate::report::{
    documents::eval_json::Perturbed,
    pictures::{
        chart::{BarRow, Chart, Key, rows},
        svg::{Kind, Style},
    },
    words,
};

/// Both charts, to stand side by side; either is left out if it was not counted.
pub(crate) fn flips(p: &Perturbed, precision: u32) -> Vec<Chart> {
    let f = &p.flipped_bits;
    let maps = f.each.len().max(1) as f64;
    // Number of bits that the network stores, derived from the counts and their rate.
    let stored = f.each.iter().sum::<u64>() as f64 / maps / f.mean_rate;
    let per_position = stored / f64::from(precision.max(1));
    let row = |label: String, count: u64, value: f64| {
        let each = (count as f64 / maps).round() as u64;
        let note = format!("{}, {}", words::part(value, 3), words::count(each));
        BarRow { label, value, std: None, note }
    };
    let chart = |title: &str, name: &str, about: &str, parts: Vec<BarRow>| {
        let keys = vec![Key::new("all stored bits", Style::NEUTRAL.light(), Kind::Stroke)];
        let chart = Chart { title: title.into(), about: about.into(), keys, ..Chart::default() };
        let mean = Some(100.0 * f.mean_rate);
        rows(chart, (name, "changed (%)"), Style::NEUTRAL, &parts, mean)
    };
    let top = f.per_bit.len().saturating_sub(1);
    let bits = f.per_bit.iter().enumerate().rev().filter(|_| per_position.is_finite());
    let bits = bits.map(|(bit, &count)| {
        let label = format!("bit {bit}{}", if bit == top { " (sign)" } else { "" });
        row(label, count, 100.0 * count as f64 / maps / per_position)
    });
    let layers = f.per_layer.iter().map(|l| {
        row(l.name.clone(), l.flips, 100.0 * l.flips as f64 / maps / (l.stored_bits.max(1)) as f64)
    });
    let about_bits =
        "Share of the bits at that position of a stored weight, and their number in a fault map.";
    let about_layers = "Share of the bits that the layer stores, and their number in a fault map.";
    let bits = chart("Changed bits by position", "position", about_bits, bits.collect());
    let layers = chart("Changed bits by layer", "layer", about_layers, layers.collect());
    bits.into_iter().chain(layers).collect()
}
