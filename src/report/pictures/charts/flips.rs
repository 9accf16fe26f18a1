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
    // Number of words that have a bit: of layers whose words are narrower, none may. Documents without layers tell only
    // the bits of all words, by the counts and their rate.
    let stored = f.each.iter().sum::<u64>() as f64 / maps / f.mean_rate;
    let per_position = |bit: usize| match f.per_layer.is_empty() {
        true => stored / f64::from(precision.max(1)),
        false => {
            let words = f.per_layer.iter().map(|l| (l.word_bits.unwrap_or(precision).max(1), l));
            let there = words.filter(|(width, _)| bit < *width as usize);
            there.map(|(width, l)| l.stored_bits as f64 / f64::from(width)).sum()
        }
    };
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
    let bits = f.per_bit.iter().enumerate().rev().map(|(bit, &count)| {
        let label = format!("bit {bit}{}", if bit == top { " (sign)" } else { "" });
        (per_position(bit), label, count)
    });
    let bits = bits.filter(|(words, ..)| words.is_finite() && *words > 0.0);
    let bits =
        bits.map(|(words, label, count)| row(label, count, 100.0 * count as f64 / maps / words));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::{FlippedBits, LayerFlips};

    #[test]
    fn a_position_has_the_words_that_are_wide_enough() {
        let layer = |name: &str, stored_bits, word_bits| LayerFlips {
            name: name.into(),
            stored_bits,
            word_bits,
            flips: 1,
        };
        // 100 words of 8 bits and 100 of 4: bit 0 is in 200 words, bit 7 in 100.
        let per_layer = vec![layer("a", 800, None), layer("b", 400, Some(4))];
        let per_bit = [2, 0, 0, 0, 0, 0, 0, 1];
        let flipped_bits = FlippedBits { per_layer, ..FlippedBits::new(1200, &[3], &per_bit) };
        let chart = flips(&Perturbed { flipped_bits, ..Perturbed::default() }, 8).remove(0);
        let rows = chart.data.text();
        let of = |bit: &str| {
            let row = rows.lines().find(|row| row.starts_with(bit));
            row.and_then(|row| row.split(',').nth(1)?.parse::<f64>().ok())
        };
        // One in a hundred of the words that have the bit, of each.
        assert_eq!([of("bit 7"), of("bit 0")], [Some(1.0); 2], "{rows}");
    }
}
