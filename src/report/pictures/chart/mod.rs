//! What a chart is: a drawing with the words around it and the numbers behind it. It becomes a figure of a page,
//! a picture of its own, or a table for other programs.

mod legend;
mod rows;
mod xy;

pub(crate) use rows::{BarRow, rows};
pub(crate) use xy::{Around, Series, Xy, XyPoint};

use maud::{Markup, PreEscaped, html};

use super::svg::{Anchor, Kind, Px, Style, moved, printable, style, swatch, text};
use crate::report::documents::csv::Csv;

/// Width and height of a chart that has another one beside it.
pub(crate) const HALF: (f64, f64) = (480.0, 310.0);
/// Width of a chart that has the page's whole width.
pub(crate) const FULL: f64 = 920.0;

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

#[derive(Clone, Debug, Default)]
pub(crate) struct Chart {
    /// Heading.
    pub(crate) title: String,
    /// What the chart is of, where several have one title.
    pub(crate) of: String,
    /// Explanation of how to read the chart.
    pub(crate) about: String,
    /// The content in words, for readers who cannot see the chart.
    pub(crate) says: String,
    /// Legend.
    pub(crate) keys: Vec<Key>,
    /// Width and height of the drawing.
    pub(crate) size: (f64, f64),
    /// Elements of the drawing.
    pub(crate) drawing: Markup,
    /// The numbers behind the drawing.
    pub(crate) data: Csv,
}

/// Space around the charts of a picture, and between them.
const MARGIN: f64 = 20.0;

impl Chart {
    /// The figure in a page, in which no other chart has this name.
    pub(crate) fn figure(&self, name: &str) -> Markup {
        let (w, h) = (Px(self.size.0), Px(self.size.1));
        let [title, desc] = ["title", "says"].map(|of| format!("{name}-{of}"));
        html! {
            figure class=(if self.size.1 > 700.0 { "tall" } else { "whole" }) {
                h3 { (self.title) }
                @if !self.keys.is_empty() {
                    ul.legend {
                        @for key in &self.keys {
                            li {
                                svg viewBox="0 0 30 14" width="30" height="14" aria-hidden="true" {
                                    (swatch(key.style, key.kind, &key.name))
                                }
                                span { (key.name) }
                            }
                        }
                    }
                }
                div.chart {
                    svg viewBox=(format!("0 0 {w} {h}")) width=(w) height=(h) role="img"
                        aria-labelledby=(format!("{title} {desc}")) {
                        title id=(title) { (self.title) }
                        desc id=(desc) { (self.says) }
                        (self.drawing)
                    }
                }
                @if !self.about.is_empty() { figcaption { (self.about) } }
            }
        }
    }

    /// Whether the chart has the page's whole width.
    pub(crate) fn is_wide(&self) -> bool {
        self.size.0 >= FULL
    }

    /// The chart as a picture of its own.
    pub(crate) fn picture(&self) -> String {
        picture(&self.title, std::slice::from_ref(self))
    }

    /// Lines of the caption.
    fn caption(&self) -> Vec<String> {
        legend::lines(&self.about, self.size.0)
    }

    /// Heights of the title with what the chart is of, and of the legend.
    fn heads(&self) -> (f64, f64) {
        let of = legend::lines(&self.of, self.size.0).len() as f64;
        (32.0 + legend::LINE * of, legend::height(&self.keys, (0.0, self.size.0)))
    }

    /// The chart with its title, legend and caption; the drawing begins at `top`.
    fn whole(&self, top: f64) -> Markup {
        let (under_title, _) = self.heads();
        let of = legend::lines(&self.of, self.size.0);
        let line = |i: usize| legend::LINE * i as f64;
        let below = top + self.size.1 + 22.0;
        html! {
            (text((0.0, 18.0), Anchor::Start, "title", &self.title))
            @for (i, of) in of.iter().enumerate() {
                (text((0.0, 38.0 + line(i)), Anchor::Start, "under", of))
            }
            (legend::draw(&self.keys, (0.0, self.size.0), under_title))
            (moved((0.0, top), &self.drawing))
            @for (i, about) in self.caption().iter().enumerate() {
                (text((0.0, below + line(i)), Anchor::Start, "under", about))
            }
        }
    }
}

/// Charts beside each other as an SVG file that needs nothing else: style, title and description are in it, and
/// it is light or dark as its reader's screen is.
pub(crate) fn picture(title: &str, charts: &[Chart]) -> String {
    let head = |c: &Chart| c.heads().0 + c.heads().1 + 10.0;
    let top = charts.iter().map(head).fold(0.0, f64::max);
    let caption = |c: &Chart| match c.caption().len() {
        0 => 0.0,
        n => 12.0 + legend::LINE * n as f64,
    };
    let height = charts.iter().map(|c| top + c.size.1 + caption(c)).fold(0.0, f64::max);
    let (mut lefts, mut left) = (Vec::new(), MARGIN);
    for chart in charts {
        lefts.push(left);
        left += chart.size.0 + MARGIN;
    }
    let (w, h) = (Px(left), Px(height + 2.0 * MARGIN));
    let named = |c: &Chart| {
        if c.of.is_empty() { c.title.clone() } else { format!("{}, {}", c.title, c.of) }
    };
    let says: Vec<_> = charts.iter().map(|c| format!("{}: {}", named(c), c.says)).collect();
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {w} {h}")) width=(w) height=(h)
            role="img" aria-labelledby="title says" {
            title id="title" { (title) }
            desc id="says" { (says.join(". ")) }
            style { (PreEscaped(style::picture())) }
            rect class="paper" width=(w) height=(h) {}
            @for (chart, left) in charts.iter().zip(lefts) {
                (moved((left, MARGIN), &chart.whole(top)))
            }
        }
    };
    printable(svg) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_everything_in_it() {
        let chart = Chart {
            title: "A < B".into(),
            of: "of one network".into(),
            about: "How to read it. ".repeat(20),
            says: "it rises".into(),
            keys: vec![Key::new("one", Style::of(0), Kind::Line)],
            size: HALF,
            drawing: text((1.0, 2.0), Anchor::Start, "tick", "12.5"),
            data: Csv::default(),
        };
        let svg = picture("Both", &[chart.clone(), chart.clone()]);
        for (says, times) in [
            ("<title id=\"title\">Both</title>", 1),
            (
                "<desc id=\"says\">A &lt; B, of one network: it rises. A &lt; B, of one network: it rises</desc>",
                1,
            ),
            ("prefers-color-scheme: dark", 1),
            (">of one network</text>", 2),
            (">one</text>", 2),
            (">12.5</text>", 2),
            ("class=\"paper\"", 1),
            // Two charts, three margins.
            ("width=\"1020\"", 2),
        ] {
            assert_eq!(svg.matches(says).count(), times, "{says} in {svg}");
        }
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        let figure = chart.figure("a-b").into_string();
        assert!(figure.contains("aria-labelledby=\"a-b-title a-b-says\""), "{figure}");
        assert!(figure.contains("<desc id=\"a-b-says\">it rises</desc>"), "{figure}");
    }
}
