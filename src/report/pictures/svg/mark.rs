//! The marks for data: lines, bands, bars, whiskers, dots.

use std::fmt::Write;

use maud::{Markup, html};

use super::{Px, rule};

/// Number of colours in the style sheet.
const COLOURS: usize = 6;

/// The look of a series, which is the same everywhere on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Index of the series; `None` stands for the grey series with which the others are compared.
    pub(crate) series: Option<usize>,
    /// Whether lines are dashed and dots hollow.
    pub(crate) light: bool,
}

/// The form of a series in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line with a dot.
    Line,
    /// A line alone.
    Stroke,
    Bar,
    /// A wide, pale bar.
    Pale,
    /// A single dot.
    Dot,
    /// A small dot: one fault map.
    Speck,
    Whisker,
}

impl Style {
    /// The style of a series.
    pub(crate) fn of(series: usize) -> Self {
        Self { series: Some(series), light: false }
    }

    /// The style of the series with which the others are compared.
    pub(crate) const NEUTRAL: Self = Self { series: None, light: false };

    /// The same style, dashed and hollow.
    pub(crate) fn light(self) -> Self {
        Self { light: true, ..self }
    }

    /// The class of the style sheet with the colour.
    pub(crate) fn colour(self) -> String {
        self.series.map_or_else(|| "cn".into(), |i| format!("c{}", i % COLOURS))
    }

    fn stroke(self) -> String {
        let dash = match self.series {
            _ if self.light => " dashed",
            // Colours repeat after the last one, so further series have another dash pattern.
            Some(i) if i >= COLOURS => " dotted",
            _ => "",
        };
        format!("line {}{dash}", self.colour())
    }
}

/// Draws a line through points, interrupted at those that are not finite.
pub(crate) fn line(style: Style, class: &str, points: &[(f64, f64)]) -> Markup {
    let d = path(points);
    let class = format!("{} {class}", style.stroke());
    html! { @if !d.is_empty() { path class=(class.trim_end()) d=(d) {} } }
}

fn path(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    let mut pen = 'M';
    for &(x, y) in points {
        if x.is_finite() && y.is_finite() {
            let _ = write!(d, "{pen}{} {}", Px(x), Px(y));
            pen = 'L';
        } else {
            pen = 'M';
        }
    }
    d
}

/// Draws the area between two lines, given as `(x, low, high)`.
pub(crate) fn band(style: Style, points: &[(f64, f64, f64)]) -> Markup {
    let finite = |p: &&(f64, f64, f64)| p.0.is_finite() && p.1.is_finite() && p.2.is_finite();
    let there = points.iter().filter(finite);
    let upper = there.clone().map(|p| (p.0, p.2));
    let around: Vec<_> = upper.chain(there.rev().map(|p| (p.0, p.1))).collect();
    html! {
        @if around.len() > 3 {
            path class=(format!("band {}", style.colour())) d=(path(&around) + "Z") {}
        }
    }
}

/// Draws a bar from `x0` to `x1`, with a tooltip.
pub(crate) fn bar(
    class: &str,
    (x0, x1): (f64, f64),
    (y, height): (f64, f64),
    says: &str,
) -> Markup {
    let (x, width) = (Px(x0.min(x1)), Px((x1 - x0).abs()));
    html! {
        rect class=(format!("bar {class}")) x=(x) y=(Px(y)) width=(width) height=(Px(height)) {
            title { (says) }
        }
    }
}

/// Draws a range from one end to the other, with caps; `class` is its colour, or `plain` over a bar.
pub(crate) fn whisker(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    let along = (to.0 - from.0).abs() > (to.1 - from.1).abs();
    let cap = |(x, y): (f64, f64)| match along {
        true => ((x, y - 4.0), (x, y + 4.0)),
        false => ((x - 4.0, y), (x + 4.0, y)),
    };
    html! {
        g class=(format!("whisker {class}")) {
            @for (from, to) in [(from, to), cap(from), cap(to)] { (rule(from, to, "w")) }
        }
    }
}

/// Draws a dot in the shape of its series, with a tooltip.
pub(crate) fn marker(style: Style, at: (f64, f64), radius: f64, says: &str) -> Markup {
    let class = format!("{} {}", if style.light { "hollow" } else { "dot" }, style.colour());
    let (x, y, r) = (at.0, at.1, radius);
    let corners: &[(f64, f64)] = match style.series.map(|i| i % COLOURS) {
        None | Some(0) => {
            return html! {
                circle class=(class) cx=(Px(x)) cy=(Px(y)) r=(Px(r)) { title { (says) } }
            };
        }
        Some(1) => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Some(2) => &[(0.0, -1.25), (1.15, 0.85), (-1.15, 0.85)],
        Some(3) => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        Some(4) => &[(0.0, 1.25), (1.15, -0.85), (-1.15, -0.85)],
        Some(_) => &[
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ],
    };
    let corners: Vec<_> = corners.iter().map(|c| (x + r * c.0, y + r * c.1)).collect();
    html! { path class=(class) d=(path(&corners) + "Z") { title { (says) } } }
}

/// Draws the sample of a series in a legend, in an area of 30 by 14.
pub(crate) fn swatch(style: Style, kind: Kind, name: &str) -> Markup {
    let ends = [(1.0, 7.0), (29.0, 7.0)];
    let (colour, middle) = (style.colour(), (15.0, 7.0));
    match kind {
        Kind::Line => html! { (line(style, "", &ends)) (marker(style, middle, 4.5, name)) },
        Kind::Stroke => line(style, "", &ends),
        Kind::Bar => bar(&colour, (1.0, 29.0), (3.0, 8.0), name),
        Kind::Pale => band(style, &[(1.0, 0.0, 14.0), (29.0, 0.0, 14.0)]),
        Kind::Dot => marker(style, middle, 5.0, name),
        Kind::Speck => marker(style, middle, 2.5, name),
        Kind::Whisker => whisker(&colour, ends[0], ends[1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_a_value_is_missing() {
        let nan = f64::NAN;
        let points = [(0.0, 1.0), (1.0, 2.0), (2.0, nan), (nan, 0.0), (3.0, 1.5)];
        assert_eq!(path(&points), "M0 1L1 2M3 1.5");
        assert_eq!(path(&[]), "");
        assert_eq!(line(Style::of(0), "", &[(nan, nan)]).into_string(), "");
        let short = [(0.0, 1.0, 2.0), (1.0, nan, 2.0)];
        assert_eq!(band(Style::of(0), &short).into_string(), "");
    }

    #[test]
    fn series_differ_in_more_than_colour() {
        let drawn = |i| {
            let drawn = marker(Style::of(i), (0.0, 0.0), 4.0, "").into_string();
            drawn.replace(&format!("c{i}"), "")
        };
        let mut forms: Vec<_> = (0..COLOURS).map(drawn).collect();
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), COLOURS);
        assert_ne!(Style::of(0).stroke(), Style::of(COLOURS).stroke());
        assert_ne!(Style::of(0).stroke(), Style::of(0).light().stroke());
    }
}
