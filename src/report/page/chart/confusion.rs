//! Draws confusion matrices.

use std::fmt::Write;

use super::{HALF, classes::PerClass};
use crate::report::page::{
    figure::Figure,
    html::{Html, Px},
    svg::{Anchor, text, width},
    words,
};

/// Maximum number of classes with numbers in the cells, and with names at the edges.
const NUMBERED: usize = 12;
const NAMED: usize = 45;
/// Number of shades.
const SHADES: usize = 20;

/// Draws the matrices without and with the generator beside each other.
pub(crate) fn confusion(h: &mut Html, c: &PerClass<'_>) {
    h.element("div", &[("class", &"pair")], |h| {
        for (list, title) in [(c.bare, "Answers under faults"), (c.fused, "With NeuralFuse")] {
            if let Some(list) = list.filter(|l| !l.confusion.is_empty()) {
                matrix(h, title, c, &list.confusion);
            }
        }
    });
}

/// Share of an answer in a row; 0 for a row without counts.
fn share(row: &[u64], answer: usize) -> f64 {
    let all: u64 = row.iter().sum();
    row.get(answer).map_or(0.0, |&n| n as f64 / all.max(1) as f64)
}

fn matrix(h: &mut Html, title: &str, c: &PerClass<'_>, counts: &[Vec<u64>]) {
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
    let size_of_all = (HALF.0, top + side + 12.0);
    let (title, about) = (title.to_owned(), about.to_owned());
    let figure = Figure { title, about, says, keys: Vec::new(), size: size_of_all };
    figure.draw(h, |h| {
        shades(h, counts, (left, top), cell);
        if n <= NUMBERED {
            numbers(h, counts, (left, top), cell);
        }
        text(h, (left, 14.0), Anchor::Start, "axis", "answer →");
        for (k, name) in names.iter().enumerate().filter(|_| named) {
            let middle = (k as f64 + 0.5) * cell;
            let class = if n <= 20 { "row" } else { "tiny" };
            let down = top + middle + 0.35 * size;
            text(h, (left - 6.0, down), Anchor::End, class, name);
            let (x, y) = (Px(left + middle + 0.2 * size), Px(top - 6.0));
            let turn = format!("rotate(-45 {x} {y})");
            let at: [(&str, &dyn std::fmt::Display); 4] =
                [("x", &x), ("y", &y), ("class", &class), ("transform", &turn)];
            h.leaf("text", &at, name);
        }
    });
}

/// Draws one path for each shade, because a hundred classes have ten thousand cells.
fn shades(h: &mut Html, counts: &[Vec<u64>], (left, top): (f64, f64), cell: f64) {
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
    let at: [(&str, &dyn std::fmt::Display); 5] =
        [("class", &"sheet"), ("x", &x), ("y", &y), ("width", &side), ("height", &side)];
    h.empty("rect", &at);
    for (shade, kinds) in paths.iter().enumerate() {
        for (d, colour) in kinds.iter().zip(["c0", "c1"]).filter(|p| !p.0.is_empty()) {
            let class = format!("cell {colour}");
            let strength = (shade + 1) as f64 / SHADES as f64;
            h.empty("path", &[("class", &class), ("fill-opacity", &strength), ("d", d)]);
        }
    }
}

fn numbers(h: &mut Html, counts: &[Vec<u64>], (left, top): (f64, f64), cell: f64) {
    for (k, row) in counts.iter().enumerate() {
        for answer in 0..counts.len() {
            let share = share(row, answer);
            if share < 0.005 {
                continue;
            }
            let middle = |i: usize| (i as f64 + 0.5) * cell;
            let at = (left + middle(answer) - 0.5, top + middle(k) + 4.0);
            let class = if share > 0.5 { "number over" } else { "number" };
            text(h, at, Anchor::Middle, class, words::fixed(100.0 * share, 0));
        }
    }
}
