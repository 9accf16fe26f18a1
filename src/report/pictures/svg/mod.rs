//! Draws scales, axes, lines, bars and dots as elements of an SVG. Colours are classes of the style sheet
//! (`c0` to `c5`, and `cn` for reference values), so that a picture can have a dark form.

mod frame;
mod labels;
mod mark;
mod scale;
pub(crate) mod style;

pub(crate) use frame::{Axis, Frame};
pub(crate) use labels::Labels;
pub(crate) use mark::{Kind, Style, band, bar, line, marker, swatch, whisker};
pub(crate) use scale::{Scale, own_ticks};

use std::fmt::{self, Display};

use maud::{Markup, html};

/// A length or coordinate in a drawing, rounded to a tenth; values that are not finite become 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Px(pub(crate) f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = if self.0.is_finite() { (10.0 * self.0).round() / 10.0 } else { 0.0 };
        // Adding 0.0 turns -0 into 0, so that "-0" is never written.
        write!(f, "{}", tenths + 0.0)
    }
}

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

impl Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        })
    }
}

/// Writes a text on a baseline.
pub(crate) fn text((x, y): (f64, f64), anchor: Anchor, class: &str, text: impl Display) -> Markup {
    html! { text x=(Px(x)) y=(Px(y)) text-anchor=(anchor) class=(class) { (text) } }
}

/// Writes a text that is turned around its point by some degrees.
pub(crate) fn turned(
    (x, y): (f64, f64),
    degrees: f64,
    anchor: Anchor,
    class: &str,
    text: impl Display,
) -> Markup {
    let turn = format!("rotate({} {} {})", (100.0 * degrees).round() / 100.0, Px(x), Px(y));
    html! {
        text x=(Px(x)) y=(Px(y)) text-anchor=(anchor) class=(class) transform=(turn) { (text) }
    }
}

/// Draws a straight line of a class of the style sheet.
pub(crate) fn rule(from: (f64, f64), to: (f64, f64), class: &str) -> Markup {
    html! { line x1=(Px(from.0)) y1=(Px(from.1)) x2=(Px(to.0)) y2=(Px(to.1)) class=(class) {} }
}

/// Moves a drawing to the right and down.
pub(crate) fn moved((x, y): (f64, f64), drawing: &Markup) -> Markup {
    html! { g transform=(format!("translate({} {})", Px(x), Px(y))) { (drawing) } }
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

/// Markup in which control characters are replaced: a document must not hold them, even escaped.
pub(crate) fn printable(markup: Markup) -> String {
    let text = markup.into_string();
    let forbidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.replace(forbidden, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_are_escaped_and_elements_closed() {
        let evil = "\"'<&>\u{1b}\0";
        let drawn = printable(text((0.0, 1.26), Anchor::End, evil, evil));
        let says = "&quot;'&lt;&amp;&gt;\u{fffd}\u{fffd}";
        let wanted =
            format!("<text x=\"0\" y=\"1.3\" text-anchor=\"end\" class=\"{says}\">{says}</text>");
        assert_eq!(drawn, wanted);
    }

    #[test]
    fn places_are_short() {
        let text = |v| Px(v).to_string();
        assert_eq!([text(1.26), text(2.0), text(-0.01)], ["1.3", "2", "0"]);
        assert_eq!([text(f64::NAN), text(f64::INFINITY)], ["0", "0"]);
    }
}
