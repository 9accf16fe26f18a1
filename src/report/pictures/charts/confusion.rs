//! Draws confusion matrices.

use std::fmt::Write;

use maud::{Markup, html};

use super::classes::PerClass;
use crate::report::{
    documents::csv::Csv,
    pictures::{
        chart::{Chart, HALF},
        svg::{Anchor, Px, text, turned, width},
    },
    words,
};

/// Maximum number of classes with numbers in the cells, and with names at the edges.
const NUMBERED: usize = 12;
const NAMED: usize = 45;
/// Number of shades.
const SHADES: usize = 20;

/// The matrices without and with the generator, to stand beside each other.
pub(crate) fn confusion(c: &PerClass<'_>) -> Vec<Chart> {
    let both = [(c.bare, "Answers under faults"), (c.fused, "With NeuralFuse")];
    let there = both.into_iter().filter_map(|(list, title)| {
        let counts = &list?.confusion;
        (!counts.is_empty()).then(|| matrix(title, c, counts))
    });
    there.collect()
}

/// Share of an answer in a row; 0 for a row without counts.
fn share(row: &[u64], answer: usize) -> f64 {
    let all: u64 = row.iter().sum();
    row.get(answer).map_or(0.0, |&n| n as f64 / all.max(1) as f64)
}

fn matrix(title: &str, c: &PerClass<'_>, counts: &[Vec<u64>]) -> Chart {
    let n = counts.len();
    let named = n <= NAMED;
    let size = if n <= 20 { 13.0 } else { 9.0 };
    let names: Vec<String> = (0..n).map(|k| words::shortened(&c.name(k), 14)).collect();
    let margin = match named {
        true => names.iter().map(|t| width(t, size)).fold(20.0, f64::max) + 10.0,
        false => 10.0,
    };
    let (left, top) = (margin + 18.0, margin * 0.72 + 30.0);
    // The slanted names at the top extend beyond the right edge.
    let cell = ((HALF.0 - left - (0.72 * margin).max(12.0)) / n.max(1) as f64).min(44.0);
    let side = cell * n as f64;
    let right = counts.iter().enumerate().map(|(k, row)| share(row, k)).sum::<f64>();
    let says = format!("On the mean over {n} classes, {} of the answers are right.", {
        words::percent(100.0 * right / n.max(1) as f64)
    });
    let about = "A row for each class, a column for each answer, in per cent of the row. Right answers \
                 are on the diagonal.";
    let corner = (left, top);
    let class = if n <= 20 { "row" } else { "tiny" };
    let drawing = html! {
        (shades(counts, corner, cell))
        @if n <= NUMBERED { (numbers(counts, corner, cell)) }
        (text((left, 14.0), Anchor::Start, "axis", "answer →"))
        @for (k, name) in names.iter().enumerate().filter(|_| named) {
            @let middle = (k as f64 + 0.5) * cell;
            (text((left - 6.0, top + middle + 0.35 * size), Anchor::End, class, name))
            @let above = (left + middle + 0.2 * size, top - 6.0);
            (turned(above, -45.0, Anchor::Start, class, name))
        }
    };
    let mut data = Csv::new(["class", "answer", "answers over all fault maps"]);
    for (k, row) in counts.iter().enumerate() {
        for (answer, images) in row.iter().enumerate() {
            // Behind the classes are images that got no answer.
            let given = if answer == n { "no answer".to_owned() } else { c.name(answer) };
            data.row([c.name(k), given, images.to_string()]);
        }
    }
    let (title, about, size) = (title.to_owned(), about.to_owned(), (HALF.0, top + side + 12.0));
    Chart { title, of: String::new(), about, says, keys: Vec::new(), size, drawing, data }
}

/// Draws one path for each shade, because a hundred classes have ten thousand cells.
fn shades(counts: &[Vec<u64>], (left, top): (f64, f64), cell: f64) -> Markup {
    let mut paths = vec![[String::new(), String::new()]; SHADES];
    for (k, row) in counts.iter().enumerate() {
        for answer in 0..counts.len() {
            let shade = (share(row, answer) * SHADES as f64).round() as usize;
            let Some(shade) = shade.min(SHADES).checked_sub(1) else {
                continue;
            };
            let (x, y) = (Px(left + answer as f64 * cell), Px(top + k as f64 * cell));
            let side = Px(cell - 1.0);
            let path = &mut paths[shade][usize::from(answer != k)];
            let _ = write!(path, "M{x} {y}h{side}v{side}h-{side}z");
        }
    }
    let (x, y, side) = (Px(left), Px(top), Px(cell * counts.len() as f64 - 1.0));
    let strength = |shade: usize| (shade + 1) as f64 / SHADES as f64;
    html! {
        rect class="sheet" x=(x) y=(y) width=(side) height=(side) {}
        @for (shade, kinds) in paths.iter().enumerate() {
            @for (d, colour) in kinds.iter().zip(["c0", "c1"]).filter(|p| !p.0.is_empty()) {
                path class=(format!("cell {colour}")) fill-opacity=(strength(shade)) d=(d) {}
            }
        }
    }
}

fn numbers(counts: &[Vec<u64>], (left, top): (f64, f64), cell: f64) -> Markup {
    let middle = |i: usize| (i as f64 + 0.5) * cell;
    let cells = counts
        .iter()
        .enumerate()
        .flat_map(|(k, row)| (0..counts.len()).map(move |answer| (k, answer, share(row, answer))));
    html! {
        @for (k, answer, share) in cells.filter(|c| c.2 >= 0.005) {
            @let class = if share > 0.5 { "number over" } else { "number" };
            @let at = (left + middle(answer) - 0.5, top + middle(k) + 4.0);
            (text(at, Anchor::Middle, class, words::fixed(100.0 * share, 0)))
        }
    }
}
