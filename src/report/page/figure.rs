//! A chart with its heading, legend and caption.

use super::{
    html::{Html, Px},
    svg::{Kind, Style, band, bar, line, marker, whisker},
};

/// An entry in a legend.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Name of the series.
    pub(crate) name: String,
    /// Colour of the series.
    pub(crate) style: Style,
    /// Form of the sample.
    pub(crate) kind: Kind,
}

impl Key {
    /// An entry in a legend.
    pub(crate) fn new(name: impl Into<String>, style: Style, kind: Kind) -> Self {
        Self { name: name.into(), style, kind }
    }
}

/// A chart and the words around it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure {
    /// Heading.
    pub(crate) title: String,
    /// Explanation of how to read the chart.
    pub(crate) about: String,
    /// The content in words, for readers who cannot see the chart.
    pub(crate) says: String,
    /// Legend.
    pub(crate) keys: Vec<Key>,
    /// Width and height of the drawing.
    pub(crate) size: (f64, f64),
}

impl Figure {
    /// Writes the figure; `inside` writes the content of the drawing.
    pub(crate) fn draw(&self, h: &mut Html, inside: impl FnOnce(&mut Html)) {
        let class = if self.size.1 > 700.0 { "tall" } else { "whole" };
        h.element("figure", &[("class", &class)], |h| {
            h.leaf("h3", &[], &self.title);
            legend(h, &self.keys);
            let (title, desc) = (h.id(), h.id());
            let (w, height) = (Px(self.size.0), Px(self.size.1));
            let view = format!("0 0 {w} {height}");
            let names = format!("{title} {desc}");
            h.element("div", &[("class", &"chart")], |h| {
                h.element(
                    "svg",
                    &[
                        ("viewBox", &view),
                        ("width", &w),
                        ("height", &height),
                        ("role", &"img"),
                        ("aria-labelledby", &names),
                    ],
                    |h| {
                        h.leaf("title", &[("id", &title)], &self.title);
                        h.leaf("desc", &[("id", &desc)], &self.says);
                        inside(h);
                    },
                );
            });
            if !self.about.is_empty() {
                h.leaf("figcaption", &[], &self.about);
            }
        });
    }
}

fn legend(h: &mut Html, keys: &[Key]) {
    if keys.is_empty() {
        return;
    }
    h.element("ul", &[("class", &"legend")], |h| {
        for key in keys {
            h.element("li", &[], |h| {
                let box_ = "0 0 30 14";
                h.element(
                    "svg",
                    &[
                        ("viewBox", &box_),
                        ("width", &30),
                        ("height", &14),
                        ("aria-hidden", &"true"),
                    ],
                    |h| swatch(h, key),
                );
                h.leaf("span", &[], &key.name);
            });
        }
    });
}

fn swatch(h: &mut Html, key: &Key) {
    let ends = [(1.0, 7.0), (29.0, 7.0)];
    let colour = key.style.colour();
    match key.kind {
        Kind::Line => {
            line(h, key.style, "", &ends);
            marker(h, key.style, (15.0, 7.0), 4.5, &key.name);
        }
        Kind::Stroke => line(h, key.style, "", &ends),
        Kind::Bar => bar(h, &colour, (1.0, 29.0), (3.0, 8.0), &key.name),
        Kind::Pale => band(h, key.style, &[(1.0, 0.0, 14.0), (29.0, 0.0, 14.0)]),
        Kind::Dot => marker(h, key.style, (15.0, 7.0), 5.0, &key.name),
        Kind::Speck => marker(h, key.style, (15.0, 7.0), 2.5, &key.name),
        Kind::Whisker => whisker(h, &colour, ends[0], ends[1]),
    }
}
