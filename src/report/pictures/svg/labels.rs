//! Places names beside points so that they cover neither each other nor other points.

use maud::{Markup, html};

use super::{Anchor, Frame, text, width};

/// Size of the letters.
const SIZE: f64 = 12.5;
/// Distance from a point to its name.
const GAP: f64 = 9.0;

/// Coordinates of the left, top, right and bottom edge.
type Area = [f64; 4];

/// Areas that are occupied already.
#[derive(Debug)]
pub(crate) struct Labels {
    within: Area,
    taken: Vec<Area>,
}

impl Labels {
    /// Keeps names within a frame and away from these points.
    pub(crate) fn new(frame: &Frame, points: &[(f64, f64)]) -> Self {
        let around = |&(x, y): &(f64, f64)| [x - 6.0, y - 6.0, x + 6.0, y + 6.0];
        let within = [frame.left, frame.top - 12.0, frame.right, frame.bottom];
        Self { within, taken: points.iter().map(around).collect() }
    }

    /// Writes a name beside its point, or nothing if all places are occupied.
    pub(crate) fn write(&mut self, (x, y): (f64, f64), name: &str) -> Markup {
        let w = width(name, SIZE);
        let places = [
            (x + 6.0, y + 18.0, Anchor::Start),
            (x + GAP, y + 4.5, Anchor::Start),
            (x - GAP, y + 4.5, Anchor::End),
            (x, y + GAP + 10.0, Anchor::Middle),
            (x, y - GAP, Anchor::Middle),
        ];
        for (x, base, anchor) in places {
            let left = match anchor {
                Anchor::Start => x,
                Anchor::Middle => x - 0.5 * w,
                Anchor::End => x - w,
            };
            let area = [left, base - 11.0, left + w, base + 3.0];
            if self.free(area) {
                self.taken.push(area);
                return text((x, base), anchor, "small halo", name);
            }
        }
        html! {}
    }

    fn free(&self, [left, top, right, bottom]: Area) -> bool {
        let w = self.within;
        let inside = left >= w[0] && top >= w[1] && right <= w[2] && bottom <= w[3];
        let apart = |t: &Area| left > t[2] || right < t[0] || top > t[3] || bottom < t[1];
        inside && self.taken.iter().all(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::pictures::svg::Scale;

    #[test]
    fn names_are_apart_and_within_or_left_out() {
        let scale = Scale::Linear { low: 0.0, high: 1.0 };
        let frame = Frame::inside((400.0, 300.0), scale, scale);
        let points = [(150.0, 100.0), (180.0, 100.0), (185.0, 100.0), (380.0, 100.0)];
        let mut labels = Labels::new(&frame, &points);
        for at in points {
            labels.write(at, "a longer name");
        }
        let names = &labels.taken[points.len()..];
        assert!((2..=4).contains(&names.len()), "{names:?}");
        for (i, a) in names.iter().enumerate() {
            assert!(a[0] >= frame.left && a[2] <= frame.right, "{a:?}");
            for b in &names[..i] {
                assert!(a[0] > b[2] || a[2] < b[0] || a[1] > b[3] || a[3] < b[1], "{a:?} {b:?}");
            }
        }
        let before = labels.taken.len();
        labels.write((150.0, 100.0), &"x".repeat(100));
        assert_eq!(labels.taken.len(), before, "no room");
    }
}
