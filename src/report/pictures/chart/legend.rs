//! The legend of a picture of its own, and texts that are broken into lines.

use maud::{Markup, html};

use super::Key;
use crate::report::pictures::svg::{Anchor, moved, swatch, text, width};

/// Distance from one row of a legend to the next.
const PITCH: f64 = 22.0;
/// Room for the sample of a key.
const BESIDE: f64 = 34.0;
/// Size of a legend's letters.
const LETTERS: f64 = 13.0;
/// Distance from a line of a text to the next one.
pub(super) const LINE: f64 = 16.0;

/// Breaks a text into lines of at most `most` units, between words, or within a word that is wider.
pub(super) fn lines(text: &str, most: f64) -> Vec<String> {
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
type PlacedKey = (f64, f64, Vec<String>);

/// Places the entries of a legend between `left` and `right`; the result includes the height of the legend.
fn placed(keys: &[Key], (left, right): (f64, f64)) -> (Vec<PlacedKey>, f64) {
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
pub(super) fn height(keys: &[Key], ends: (f64, f64)) -> f64 {
    placed(keys, ends).1
}

/// Draws a legend whose upper edge is at `top`.
pub(super) fn draw(keys: &[Key], ends: (f64, f64), top: f64) -> Markup {
    html! {
        @for (key, (x, y, lines)) in keys.iter().zip(placed(keys, ends).0) {
            @let y = top + y + 0.5 * PITCH;
            (moved((x, y - 7.0), &swatch(key.style, key.kind, &key.name)))
            @for (i, line) in lines.iter().enumerate() {
                (text((x + BESIDE, y + 4.5 + LINE * i as f64), Anchor::Start, "under", line))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::pictures::svg::{Kind, Style};

    #[test]
    fn a_legend_goes_on_in_the_next_row() {
        let key = |name: &str| Key::new(name, Style::of(0), Kind::Dot);
        let keys = ["a name", "another name", "a third name"].map(key);
        let (places, _) = placed(&keys, (10.0, 260.0));
        let at: Vec<_> = places.iter().map(|p| (p.0, p.1)).collect();
        assert_eq!(at[0], (10.0, 0.0));
        assert!(at[1].0 > 60.0 && at[1].1 == 0.0 && at[2] == (10.0, PITCH));
        assert_eq!(height(&keys, (10.0, 260.0)), 2.0 * PITCH);
        assert_eq!(height(&[], (10.0, 260.0)), 0.0);
    }

    #[test]
    fn a_name_that_is_wider_than_the_legend_takes_several_lines() {
        let name =
            format!("here: a GPU of a long name, driver 1.2.3, commit abc {}", "x".repeat(60));
        let keys = [Key::new(&name, Style::of(0), Kind::Bar)];
        let (places, tall) = placed(&keys, (20.0, 250.0));
        let lines = &places[0].2;
        assert!(lines.len() > 3 && tall > 3.0 * LINE, "{lines:?}");
        for line in lines {
            assert!(20.0 + BESIDE + width(line, LETTERS) <= 250.0, "{line}");
        }
        assert_eq!(lines.concat().replace(' ', ""), name.replace(' ', ""));
    }
}
