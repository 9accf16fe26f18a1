//! The frame of a chart: two scales between four edges, with grid, numbers and titles.

use super::{Anchor, Scale, rule, text};
use crate::report::page::html::{Html, Px};

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
    pub(crate) fn draw(&self, h: &mut Html, x: Axis<'_>, y: Axis<'_>) {
        h.element("g", &[("class", &"axes")], |h| {
            for (value, label) in y.ticks {
                let at = self.y(value);
                rule(h, (self.left, at), (self.right, at), "grid");
                text(h, (self.left - 8.0, at + 4.5), Anchor::End, "tick", label);
            }
            self.across(h, x, false);
            if !y.title.is_empty() {
                let (x, y_middle) = (14.0, f64::midpoint(self.top, self.bottom));
                let turn = format!("rotate(-90 {} {})", Px(x), Px(y_middle));
                let at: [(&str, &dyn std::fmt::Display); 5] = [
                    ("x", &Px(x)),
                    ("y", &Px(y_middle)),
                    ("text-anchor", &"middle"),
                    ("class", &"axis"),
                    ("transform", &turn),
                ];
                h.leaf("text", &at, y.title);
            }
        });
    }

    /// Draws only the numbers and title of the horizontal axis. `grid` adds lines through the whole chart,
    /// for charts that consist of rows.
    pub(crate) fn across(&self, h: &mut Html, x: Axis<'_>, grid: bool) {
        for (value, label) in x.ticks {
            let at = self.x(value);
            let from = if grid { self.top } else { self.bottom };
            let class = if grid { "grid" } else { "base" };
            rule(h, (at, from), (at, self.bottom + 5.0), class);
            text(h, (at, self.bottom + 20.0), Anchor::Middle, "tick", label);
        }
        if !grid {
            rule(h, (self.left, self.bottom), (self.right, self.bottom), "base");
        }
        let middle = f64::midpoint(self.left, self.right);
        text(h, (middle, self.bottom + 42.0), Anchor::Middle, "axis", x.title);
    }
}
