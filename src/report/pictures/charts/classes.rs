//! Draws the accuracy of each class, without and with the generator.

use maud::html;

use crate::report::{
    documents::{
        csv::{Csv, known},
        eval_json::ClassCounts,
        measure::Measure,
    },
    pictures::{
        chart::{Chart, FULL, Key},
        svg::{Anchor, Frame, Kind, Scale, Style, line, marker, rule, text, width},
    },
    words,
};

/// Maximum number of classes in the chart; of more, those that change most are shown.
const CLASSES: usize = 50;

/// Accuracies of the classes; a list is absent where it was not measured.
pub(crate) struct PerClass<'a> {
    /// Names of the classes; a class without one is shown by its number.
    pub(crate) names: &'a [String],
    /// Counts under faults, without a generator.
    pub(crate) bare: Option<&'a ClassCounts>,
    /// Counts under faults, behind the generator.
    pub(crate) fused: Option<&'a ClassCounts>,
    /// Counts without faults and without a generator.
    pub(crate) clean: Option<&'a ClassCounts>,
    /// The generator's colour.
    pub(crate) style: Style,
    /// Whether the numbers are accuracies or agreement.
    pub(crate) measure: Measure,
}

impl PerClass<'_> {
    pub(crate) fn name(&self, class: usize) -> String {
        self.names.get(class).cloned().unwrap_or_else(|| format!("class {class}"))
    }

    fn value(list: Option<&ClassCounts>, class: usize) -> Option<f64> {
        list.and_then(|l| l.accuracy.get(class).copied().flatten()).filter(|v| v.is_finite())
    }

    /// How much a class changes, by which classes are selected; a list that is missing counts as 0.
    fn change(&self, class: usize) -> f64 {
        let [bare, fused] = [self.bare, self.fused].map(|l| Self::value(l, class).unwrap_or(0.0));
        (fused - bare).abs()
    }
}

/// Draws a row for each class: from its accuracy under faults to that behind the generator.
pub(crate) fn classes(c: &PerClass<'_>) -> Option<Chart> {
    let lists = [c.bare, c.fused, c.clean];
    let n = lists.iter().flatten().map(|l| l.accuracy.len()).max().unwrap_or(0);
    let mut shown: Vec<usize> = (0..n).collect();
    if shown.is_empty() {
        return None;
    }
    shown.sort_by(|&a, &b| c.change(b).total_cmp(&c.change(a)));
    shown.truncate(CLASSES);
    shown.sort_unstable();
    let names: Vec<String> = shown.iter().map(|&k| words::shortened(&c.name(k), 28)).collect();
    let left = names.iter().map(|t| width(t, 14.0)).fold(40.0, f64::max) + 20.0;
    let inner = 8.0 + 24.0 * shown.len() as f64;
    let x = Scale::Linear { low: 0.0, high: 100.0 };
    let y = Scale::Linear { low: 0.0, high: 1.0 };
    let frame = Frame { left, right: FULL - 170.0, top: 0.0, bottom: inner, x, y };
    let grey = Style::NEUTRAL;
    let series = [
        (c.bare, "under faults (PA)", grey.light()),
        (c.fused, "under faults, with NeuralFuse (PA(NF))", c.style),
    ];
    let there = series.iter().filter(|s| s.0.is_some());
    let mut keys: Vec<Key> = there.map(|s| Key::new(s.1, s.2, Kind::Dot)).collect();
    if c.clean.is_some() {
        keys.push(Key::new("without faults (CA)", grey, Kind::Stroke));
    }
    let value =
        |list, k| PerClass::value(list, k).map_or(words::NONE.into(), |v| words::fixed(v, 1));
    let note = |k| match (c.bare, c.fused) {
        (Some(_), Some(_)) => format!("{} → {} %", value(c.bare, k), value(c.fused, k)),
        (bare, fused) => format!("{} %", value(bare.or(fused).or(c.clean), k)),
    };
    let says = shown.iter().map(|&k| format!("{}: {}", c.name(k), note(k)));
    let says = says.collect::<Vec<_>>().join("; ");
    let about = match n > shown.len() {
        true => format!("The {} of {n} classes that change most.", shown.len()),
        false => "Over all fault maps.".into(),
    };
    let size = (FULL, inner + 52.0);
    let drawing = html! {
        (frame.across(frame.x_axis(c.measure.axis(), 5), true))
        @for (i, (&k, name)) in shown.iter().zip(&names).enumerate() {
            @let y = 16.0 + 24.0 * i as f64;
            (text((left - 10.0, y + 5.0), Anchor::End, "row", name))
            @let places = series.map(|s| PerClass::value(s.0, k).map(|v| frame.x(v)));
            @if let [Some(from), Some(to)] = places {
                (line(c.style, "thin", &[(from, y), (to, y)]))
            }
            @if let Some(x) = PerClass::value(c.clean, k).map(|clean| frame.x(clean)) {
                (rule((x, y - 9.0), (x, y + 9.0), "clean"))
            }
            @for (place, s) in places.iter().zip(&series) {
                @if let Some(x) = place {
                    @let says = format!("{}, {}: {} %", c.name(k), s.1, value(s.0, k));
                    (marker(s.2, (*x, y), 5.5, &says))
                }
            }
            (text((frame.right + 12.0, y + 5.0), Anchor::Start, "value", note(k)))
        }
    };
    // The table has all classes, however many are drawn.
    let mut data = Csv::new(["class", "PA (%)", "PA(NF) (%)", "CA (%)"]);
    for k in 0..n {
        let cells = lists.map(|list| known(PerClass::value(list, k)));
        data.row([c.name(k)].into_iter().chain(cells));
    }
    let title = format!("{} by class", c.measure.title());
    Some(Chart { title, of: String::new(), about, says, keys, size, drawing, data })
}
