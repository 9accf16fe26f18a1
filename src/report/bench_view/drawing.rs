//! A stand-alone SVG file: white background, a style sheet, a title, a legend.

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

/// The sample that a legend shows beside a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    Dot,
    Bar,
}

/// An entry in a legend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) style: Style,
    pub(super) sample: Sample,
}

/// Refuses a file name that does not end in `.svg`, before anything is measured.
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

/// Room for the sample of a key.
const BESIDE: f64 = 34.0;
/// Size of a legend's letters.
const LETTERS: f64 = 13.0;
/// Distance from a line of a name to the next one.
const LINE: f64 = 16.0;

/// Breaks a text into lines of at most `most` units, between words, or within a word that is wider.
fn lines(text: &str, most: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let gap = if lines.last().is_some_and(String::is_empty) { "" } else { " " };
        let fits = |line: &str, more: &str| width(&format!("{line}{more}"), LETTERS) <= most;
        match lines.last_mut() {
            Some(line) if fits(line, &format!("{gap}{word}")) => {
                line.push_str(gap);
                line.push_str(word);
            }
            _ => {
                let mut part = String::new();
                for c in word.chars() {
                    if !part.is_empty() && !fits(&part, &c.to_string()) {
                        lines.push(std::mem::take(&mut part));
                    }
                    part.push(c);
                }
                lines.push(part);
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// A legend entry that has its place: x, y, and the lines of its name.
type Placed = (f64, f64, Vec<String>);

/// Places the entries of a legend between `left` and `right`; the result includes the height of the legend.
fn placed(keys: &[Key], (left, right): (f64, f64)) -> (Vec<Placed>, f64) {
    let (mut x, mut y, mut row) = (left, 0.0, 0.0);
    let mut places = Vec::new();
    for key in keys {
        let lines = lines(&key.name, right - left - BESIDE);
        let widest = lines.iter().map(|line| width(line, LETTERS)).fold(0.0, f64::max);
        let wide = BESIDE + widest;
        if x > left && x + wide > right {
            (x, y, row) = (left, y + row, 0.0);
        }
        row = f64::max(row, PITCH + LINE * lines.len().saturating_sub(1) as f64);
        places.push((x, y, lines));
        x += wide + 18.0;
    }
    (places, y + row)
}

/// Height of a legend.
pub(super) fn legend_height(keys: &[Key], ends: (f64, f64)) -> f64 {
    placed(keys, ends).1
}

/// Draws a legend whose upper edge is at `top`.
pub(super) fn legend(h: &mut Html, keys: &[Key], ends: (f64, f64), top: f64) {
    for (key, (x, y, lines)) in keys.iter().zip(placed(keys, ends).0) {
        let y = top + y + 0.5 * PITCH;
        match key.sample {
            Sample::Dot => marker(h, key.style, (x + 14.0, y), 5.0, &key.name),
            Sample::Bar => bar(h, &key.style.colour(), (x, x + 28.0), (y - 5.0, 10.0), &key.name),
        }
        for (i, line) in lines.iter().enumerate() {
            text(h, (x + BESIDE, y + 4.5 + LINE * i as f64), Anchor::Start, "under", line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_goes_on_in_the_next_row() {
        let key = |name: &str| Key { name: name.into(), style: Style::of(0), sample: Sample::Dot };
        let keys = ["a name", "another name", "a third name"].map(key);
        let (places, _) = placed(&keys, (10.0, 260.0));
        let at: Vec<_> = places.iter().map(|p| (p.0, p.1)).collect();
        assert_eq!(at[0], (10.0, 0.0));
        assert!(at[1].0 > 60.0 && at[1].1 == 0.0 && at[2] == (10.0, PITCH));
        assert_eq!(legend_height(&keys, (10.0, 260.0)), 2.0 * PITCH);
        assert_eq!(legend_height(&[], (10.0, 260.0)), 0.0);
    }

    #[test]
    fn a_name_that_is_wider_than_the_legend_takes_several_lines() {
        let name =
            format!("here: a GPU of a long name, driver 1.2.3, commit abc {}", "x".repeat(60));
        let keys = [Key { name: name.clone(), style: Style::of(0), sample: Sample::Bar }];
        let (places, height) = placed(&keys, (20.0, 250.0));
        let lines = &places[0].2;
        assert!(lines.len() > 3 && height > 3.0 * LINE, "{lines:?}");
        for line in lines {
            assert!(20.0 + BESIDE + width(line, LETTERS) <= 250.0, "{line}");
        }
        assert_eq!(lines.concat().replace(' ', ""), name.replace(' ', ""));
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
