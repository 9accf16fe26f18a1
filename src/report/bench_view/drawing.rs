//! An SVG file of its own: white paper, a style sheet, a title, a legend.

use std::path::Path;

use crate::{
    error::{Error, Result},
    files::atomic,
    report::page::{
        html::{Html, Px},
        svg::{Anchor, Style, bar, marker, text, width},
    },
};

const STYLE: &str = include_str!("style.css");
/// Distance from one row of a legend to the next.
const PITCH: f64 = 22.0;

/// What a legend shows beside a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    Dot,
    Bar,
}

/// A name in a legend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) style: Style,
    pub(super) sample: Sample,
}

/// Refuses what is no SVG file, before anything is measured.
///
/// # Errors
/// [`Error::Argument`].
pub(crate) fn check_ending(flag: &str, path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg")) {
        return Ok(());
    }
    let what = format!("{} does not end in .svg", path.display());
    Err(Error::argument(flag, what, "plots are SVG: every browser shows them; name it NAME.svg"))
}

/// Writes an SVG file of this size, whole or not at all.
pub(super) fn save(
    path: &Path,
    (width, height): (f64, f64),
    title: &str,
    inside: impl FnOnce(&mut Html),
) -> Result<()> {
    let mut h = Html::default();
    let view = format!("0 0 {} {}", Px(width), Px(height));
    let (w, tall) = (Px(width), Px(height));
    h.element(
        "svg",
        &[
            ("xmlns", &"http://www.w3.org/2000/svg"),
            ("viewBox", &view),
            ("width", &w),
            ("height", &tall),
            ("role", &"img"),
        ],
        |h| {
            h.leaf("title", &[], title);
            h.element("style", &[], |h| h.trusted(STYLE));
            h.empty("rect", &[("class", &"paper"), ("width", &w), ("height", &tall)]);
            inside(h);
        },
    );
    atomic::write(path, h.into_text())
}

/// Rows that a legend needs between `left` and `right`, and where each key goes.
fn places(keys: &[Key], (left, right): (f64, f64)) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (left, 0.0);
    let mut places = Vec::new();
    for key in keys {
        let wide = 34.0 + width(&key.name, 13.0) + 18.0;
        if x > left && x + wide > right {
            (x, y) = (left, y + PITCH);
        }
        places.push((x, y));
        x += wide;
    }
    places
}

/// Height of a legend.
pub(super) fn legend_height(keys: &[Key], ends: (f64, f64)) -> f64 {
    places(keys, ends).last().map_or(0.0, |p| p.1 + PITCH)
}

/// Draws a legend whose upper edge is at `top`.
pub(super) fn legend(h: &mut Html, keys: &[Key], ends: (f64, f64), top: f64) {
    for (key, (x, y)) in keys.iter().zip(places(keys, ends)) {
        let y = top + y + 0.5 * PITCH;
        match key.sample {
            Sample::Dot => marker(h, key.style, (x + 14.0, y), 5.0, &key.name),
            Sample::Bar => bar(h, &key.style.colour(), (x, x + 28.0), (y - 5.0, 10.0), &key.name),
        }
        text(h, (x + 34.0, y + 4.5), Anchor::Start, "under", &key.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_goes_on_in_the_next_row() {
        let key = |name: &str| Key { name: name.into(), style: Style::of(0), sample: Sample::Dot };
        let keys = ["a name", "another name", "a third name"].map(key);
        let places = places(&keys, (10.0, 260.0));
        assert_eq!(places[0], (10.0, 0.0));
        assert!(places[1].0 > 60.0 && places[1].1 == 0.0 && places[2] == (10.0, PITCH));
        assert_eq!(legend_height(&keys, (10.0, 260.0)), 2.0 * PITCH);
        assert_eq!(legend_height(&[], (10.0, 260.0)), 0.0);
    }

    #[test]
    fn only_svg_files_are_plots() {
        assert!(check_ending("--plot", Path::new("a/b.SVG")).is_ok());
        for bad in ["a.png", "svg", "a.svg.json"] {
            let error = check_ending("--plot", Path::new(bad)).unwrap_err();
            assert!(error.exit_code() == 2 && error.hint().unwrap().contains(".svg"));
        }
    }
}
