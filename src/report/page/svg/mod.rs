//! Draws scales, axes, lines, bars and dots as elements of an SVG. Colours are classes of the style sheet
//! (`c0` to `c5`, and `cn` for reference values), so that a page can have a dark form.

mod frame;
mod labels;
mod mark;
mod scale;

pub(crate) use frame::{Axis, Frame};
pub(crate) use labels::Labels;
pub(crate) use mark::{Kind, Style, band, bar, line, marker, whisker};
pub(crate) use scale::{Scale, own_ticks};

use std::fmt::Display;

use super::html::{Html, Px};

/// The position of a text relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The text begins at the point.
    Start,
    /// The text is centred on the point.
    Middle,
    /// The text ends at the point.
    End,
}

/// Writes a text on a baseline.
pub(crate) fn text(
    h: &mut Html,
    (x, y): (f64, f64),
    anchor: Anchor,
    class: &str,
    text: impl Display,
) {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    h.leaf(
        "text",
        &[("x", &Px(x)), ("y", &Px(y)), ("text-anchor", &anchor), ("class", &class)],
        text,
    );
}

/// Draws a straight line of a class of the style sheet.
pub(crate) fn rule(h: &mut Html, from: (f64, f64), to: (f64, f64), class: &str) {
    let (x1, y1, x2, y2) = (Px(from.0), Px(from.1), Px(to.0), Px(to.1));
    h.empty("line", &[("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2), ("class", &class)]);
}

/// The width of a text in a wide sans-serif font (`DejaVu` Sans); in most other fonts it is narrower.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '\u{a0}' => 0.33,
        'f' | 't' | 'r' | '(' | ')' | '-' | 'I' => 0.41,
        'm' | 'w' | 'M' | 'W' | '%' | '…' => 0.96,
        'A'..='Z' | '+' | '±' | '−' => 0.75,
        _ => 0.64,
    };
    text.chars().map(em).sum::<f64>() * size
}
