//! The frame of a chart: two scales between four edges, with grid, numbers and titles.

use maud::{Markup, html};

use super::{Anchor, Scale, rule, text, turned};

/// An axis: its title and its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Axis<'a> {
    /// Quantity and unit.
    pub(crate) title: &'a str,
    /// Values, and their texts.
    pub(crate) ticks: Vec<(f64, String)>,
}

/// Edges in units of the drawing, and the scales between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Left edge.
    pub(crate) left: f64,
    /// Right edge.
    pub(crate) right: f64,
    /// Upper edge.
    pub(crate) top: f64,
    /// Lower edge.
    pub(crate) bottom: f64,
    /// Scale from the left edge to the right one.
    pub(crate) x: Scale,
    /// Scale from the lower edge to the upper one.
    pub(crate) y: Scale,
}

impl Frame {
    /// A frame in a drawing of the given size, with room for the numbers and titles of both axes.
    pub(crate) fn inside((width, height): (f64, f64), x: Scale, y: Scale) -> Self {
        Self { left: 58.0, right: width - 16.0, top: 14.0, bottom: height - 50.0, x, y }
    }

    /// The horizontal axis with about `ticks` round numbers.
    pub(crate) fn x_axis<'a>(&self, title: &'a str, ticks: usize) -> Axis<'a> {
        Axis { title, ticks: self.x.ticks(ticks) }
    }

    /// The vertical axis with about `ticks` round numbers.
    pub(crate) fn y_axis<'a>(&self, title: &'a str, ticks: usize) -> Axis<'a> {
        Axis { title, ticks: self.y.ticks(ticks) }
    }

    /// Horizontal coordinate of a value.
    pub(crate) fn x(&self, v: f64) -> f64 {
        self.left + (self.right - self.left) * self.x.at(v)
    }

    /// Vertical coordinate of a value.
    pub(crate) fn y(&self, v: f64) -> f64 {
        self.bottom + (self.top - self.bottom) * self.y.at(v)
    }

    /// Coordinates of those points that both scales can show.
    pub(crate) fn places(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let shown = points.iter().filter(|p| self.x.has(p.0) && self.y.has(p.1));
        shown.map(|&(x, y)| (self.x(x), self.y(y))).collect()
    }

    /// Draws grid lines, numbers and titles.
    pub(crate) fn draw(&self, x: Axis<'_>, y: Axis<'_>) -> Markup {
        html! {
            g class="axes" {
                @for (at, label) in y.ticks.into_iter().map(|(v, label)| (self.y(v), label)) {
                    (rule((self.left, at), (self.right, at), "grid"))
                    (text((self.left - 8.0, at + 4.5), Anchor::End, "tick", label))
                }
                (self.across(x, false))
                @if !y.title.is_empty() {
                    @let middle = (14.0, f64::midpoint(self.top, self.bottom));
                    (turned(middle, -90.0, Anchor::Middle, "axis", y.title))
                }
            }
        }
    }

    /// Draws only the numbers and title of the horizontal axis. `grid` adds lines through the whole chart,
    /// for charts that consist of rows.
    pub(crate) fn across(&self, x: Axis<'_>, grid: bool) -> Markup {
        let (from, class) = if grid { (self.top, "grid") } else { (self.bottom, "base") };
        let middle = f64::midpoint(self.left, self.right);
        html! {
            @for (at, label) in x.ticks.into_iter().map(|(v, label)| (self.x(v), label)) {
                (rule((at, from), (at, self.bottom + 5.0), class))
                (text((at, self.bottom + 20.0), Anchor::Middle, "tick", label))
            }
            @if !grid {
                (rule((self.left, self.bottom), (self.right, self.bottom), "base"))
            }
            (text((middle, self.bottom + 42.0), Anchor::Middle, "axis", x.title))
        }
    }
}
