//! A chart of points between two scales: the one description of every curve.

use maud::{Markup, html};

use super::{Chart, Key};
use crate::report::{
    documents::csv::{Csv, known, number},
    pictures::svg::{Axis, Frame, Kind, Labels, Scale, Style, band, line, marker, whisker},
};

/// A measured point.
#[derive(Clone, Debug, Default)]
pub(crate) struct XyPoint {
    /// Its values on both scales.
    pub(crate) at: (f64, f64),
    /// Standard deviation of the second value, if it is the mean of several.
    pub(crate) std: Option<f64>,
    /// Name of the point; empty if it has none.
    pub(crate) name: String,
    /// The point in words, without the series.
    pub(crate) says: String,
}

/// How standard deviations are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Around {
    /// Not at all.
    #[default]
    Nothing,
    /// As a band behind the line.
    Band,
    /// As whiskers; those of one place stand side by side, otherwise they would cover each other.
    Whiskers,
}

/// Points that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Name in the legend.
    pub(crate) label: String,
    /// Colour, and shape of the dots.
    pub(crate) style: Style,
    /// The points, in the order of the line.
    pub(crate) points: Vec<XyPoint>,
    /// Class of the line between the points; without one there is no line.
    pub(crate) line: Option<&'static str>,
    /// Radius of the dots; 0 for none.
    pub(crate) dots: f64,
    /// How standard deviations are drawn.
    pub(crate) around: Around,
    /// How many names of points are written beside them.
    pub(crate) names: usize,
    /// Whether the series is in the legend, the description and the table, or a shade behind another one.
    pub(crate) told: bool,
    /// The series in words, where its points are too many to tell each.
    pub(crate) says: Option<String>,
}

impl Series {
    /// A line with a dot at every point.
    pub(crate) fn new(label: impl Into<String>, style: Style, points: Vec<XyPoint>) -> Self {
        Self {
            label: label.into(),
            style,
            points,
            line: Some(""),
            dots: 5.0,
            around: Around::Nothing,
            names: 0,
            told: true,
            says: None,
        }
    }

    fn kind(&self) -> Kind {
        match (self.line, self.dots > 0.0) {
            (Some(_), true) if self.points.len() > 1 => Kind::Line,
            (_, true) => Kind::Dot,
            (_, false) => Kind::Stroke,
        }
    }

    fn in_words(&self) -> String {
        let each = || self.points.iter().map(|p| p.says.as_str()).collect::<Vec<_>>().join(", ");
        format!("{}: {}", self.label, self.says.clone().unwrap_or_else(each))
    }
}

/// A chart of points.
#[derive(Clone, Debug)]
pub(crate) struct Xy<'a> {
    /// Heading.
    pub(crate) title: String,
    /// Explanation of how to read the chart.
    pub(crate) about: String,
    /// Quantity and unit from left to right, and the scale.
    pub(crate) x: (&'a str, Scale),
    /// Numbers on that scale, if they are not the scale's own.
    pub(crate) ticks: Option<Vec<(f64, String)>>,
    /// Quantity and unit from bottom to top, and the scale.
    pub(crate) y: (&'a str, Scale),
    /// Values that are lines through the chart, and their name in the legend.
    pub(crate) levels: (&'a str, Vec<f64>),
    /// The points.
    pub(crate) series: Vec<Series>,
    /// Width and height.
    pub(crate) size: (f64, f64),
}

impl Xy<'_> {
    /// The drawn chart.
    pub(crate) fn chart(self) -> Chart {
        let told = || self.series.iter().filter(|s| s.told);
        let mut keys: Vec<Key> = told().map(|s| Key::new(&s.label, s.style, s.kind())).collect();
        if !self.levels.1.is_empty() {
            keys.push(Key::new(self.levels.0, Style::NEUTRAL, Kind::Stroke));
        }
        let says = told().map(Series::in_words).collect::<Vec<_>>().join(". ");
        let (drawing, data) = (self.draw(), self.data());
        let (title, about, size) = (self.title, self.about, self.size);
        Chart { title, of: String::new(), about, says, keys, size, drawing, data }
    }

    fn draw(&self) -> Markup {
        let frame = Frame::inside(self.size, self.x.1, self.y.1);
        let x = match &self.ticks {
            Some(ticks) => Axis { title: self.x.0, ticks: ticks.clone() },
            None => frame.x_axis(self.x.0, if self.size.0 > 600.0 { 8 } else { 6 }),
        };
        let levels = self.levels.1.iter().filter(|v| v.is_finite()).map(|&v| frame.y(v));
        let shown = |p: &&XyPoint| frame.x.has(p.at.0) && frame.y.has(p.at.1);
        let place = |p: &XyPoint| (frame.x(p.at.0), frame.y(p.at.1));
        let all = self.series.iter().flat_map(|s| &s.points).filter(shown).map(place);
        let mut labels = Labels::new(&frame, &all.collect::<Vec<_>>());
        let pitch = self.pitch(&frame);
        let middle = (self.series.len() as f64 - 1.0) / 2.0;
        html! {
            (frame.draw(x, frame.y_axis(self.y.0, 6)))
            @for y in levels { (line(Style::NEUTRAL, "thin", &[(frame.left, y), (frame.right, y)])) }
            @for s in self.series.iter().filter(|s| s.around == Around::Band) {
                (band(s.style, &s.points.iter().filter(shown).map(|p| {
                    let [low, high] = ends(p).map(|v| frame.y(v));
                    (frame.x(p.at.0), low, high)
                }).collect::<Vec<_>>()))
            }
            @for (i, s) in self.series.iter().enumerate() {
                @let shift = match s.around {
                    Around::Whiskers => (i as f64 - middle) * pitch,
                    _ => 0.0,
                };
                @let place = |p: &XyPoint| (place(p).0 + shift, place(p).1);
                @if let Some(class) = s.line {
                    (line(s.style, class, &s.points.iter().filter(shown).map(place).collect::<Vec<_>>()))
                }
                @for (i, p) in s.points.iter().enumerate().filter(|(_, p)| shown(p)) {
                    @if s.around == Around::Whiskers && p.std.is_some() {
                        @let [low, high] = ends(p).map(|v| (place(p).0, frame.y(v)));
                        (whisker(&s.style.colour(), low, high))
                    }
                    @if s.dots > 0.0 {
                        (marker(s.style, place(p), s.dots, &format!("{}: {}", s.label, p.says)))
                    }
                    @if i < s.names && !p.name.is_empty() { (labels.write(place(p), &p.name)) }
                }
            }
        }
    }

    /// Distance of whiskers that stand side by side, so that they stay nearer to their place than to the next.
    fn pitch(&self, frame: &Frame) -> f64 {
        let mut places: Vec<f64> =
            self.series.iter().flat_map(|s| &s.points).map(|p| p.at.0).collect();
        places.retain(|&v| frame.x.has(v));
        places.sort_by(f64::total_cmp);
        places.dedup();
        let between = places.windows(2).map(|w| frame.x(w[1]) - frame.x(w[0]));
        (0.4 * between.fold(f64::MAX, f64::min) / self.series.len().max(1) as f64).min(6.0)
    }

    fn data(&self) -> Csv {
        let points = || self.series.iter().filter(|s| s.told).flat_map(|s| s.points.iter());
        let (std, names) =
            (points().any(|p| p.std.is_some()), points().any(|p| !p.name.is_empty()));
        let columns = |x: String, y: String, deviation: String, name: String| {
            let more = [(std, deviation), (names, name)].into_iter().filter(|c| c.0).map(|c| c.1);
            [x, y].into_iter().chain(more)
        };
        let mut csv = Csv::new(std::iter::once("series".to_owned()).chain(columns(
            self.x.0.into(),
            self.y.0.into(),
            "standard deviation".into(),
            "name".into(),
        )));
        for s in self.series.iter().filter(|s| s.told) {
            for p in &s.points {
                let cells = columns(number(p.at.0), number(p.at.1), known(p.std), p.name.clone());
                csv.row(std::iter::once(s.label.clone()).chain(cells));
            }
        }
        for &level in &self.levels.1 {
            let cells = columns(String::new(), number(level), String::new(), String::new());
            csv.row(std::iter::once(self.levels.0.to_owned()).chain(cells));
        }
        csv
    }
}

/// One standard deviation below a point and above it.
fn ends(p: &XyPoint) -> [f64; 2] {
    let std = p.std.unwrap_or(0.0);
    [p.at.1 - std, p.at.1 + std]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_the_description_and_the_table_are_of_the_same_points() {
        let point = |x, y, std| XyPoint {
            at: (x, y),
            std,
            name: "first, of all".into(),
            says: format!("{y} % at {x}"),
        };
        let points = vec![point(1.0, 50.0, Some(2.5)), point(2.0, f64::NAN, None)];
        let shade =
            Series { told: false, dots: 0.0, ..Series::new("", Style::of(0), points.clone()) };
        let xy = Xy {
            title: "T".into(),
            about: String::new(),
            x: ("rate (%)", Scale::Linear { low: 0.0, high: 2.0 }),
            ticks: None,
            y: ("accuracy (%)", Scale::Linear { low: 0.0, high: 100.0 }),
            levels: ("clean", vec![90.5]),
            series: vec![
                shade,
                Series {
                    names: 1,
                    around: Around::Whiskers,
                    ..Series::new("a", Style::of(1), points)
                },
            ],
            size: (400.0, 300.0),
        };
        let chart = xy.chart();
        assert_eq!(chart.says, "a: 50 % at 1, NaN % at 2");
        assert_eq!(chart.keys.iter().map(|k| k.name.as_str()).collect::<Vec<_>>(), ["a", "clean"]);
        let wanted = "series,rate (%),accuracy (%),standard deviation,name\r\n\
                      a,1,50,2.5,\"first, of all\"\r\na,2,,,\"first, of all\"\r\nclean,,90.5,,\r\n";
        assert_eq!(chart.data.text(), wanted);
        let drawn = chart.drawing.into_string();
        assert_eq!(drawn.matches("<title>a: 50 % at 1</title>").count(), 1, "{drawn}");
        assert_eq!(drawn.matches(">first, of all</text>").count(), 1, "{drawn}");
        assert!(drawn.contains("whisker c1") && !drawn.contains("NaN"), "{drawn}");
    }
}
