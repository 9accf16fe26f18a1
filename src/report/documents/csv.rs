//! Tables of numbers for other programs: comma-separated values as RFC 4180 defines them. To write them takes a
//! few lines, which no crate would shorten.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::eval_json::{EvaluatedGenerator, Evaluation, Perturbed, Savings};
use crate::{error::Result, files::atomic};

/// A table with a name above each column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Csv(Vec<Vec<String>>);

impl Csv {
    /// A table without rows.
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self(vec![header.into_iter().map(Into::into).collect()])
    }

    /// Adds a row.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.0.push(cells.into_iter().map(Into::into).collect());
    }

    /// The rows of a JSON document: a column for each field of any of them, in the order in which fields first
    /// appear. A field of an object within a row is named by its path, `times.median_ms`; the values of a list are
    /// separated by spaces; lists of objects, which would be tables of their own, are left out.
    pub(crate) fn of_records(rows: &Value) -> Self {
        let (mut names, mut cells) = (Vec::new(), Vec::new());
        for row in rows.as_array().into_iter().flatten() {
            let mut fields = Vec::new();
            flatten("", row, &mut fields);
            for (name, _) in &fields {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            cells.push(fields.into_iter().collect::<BTreeMap<_, _>>());
        }
        let mut csv = Self::new(names.iter().cloned());
        for mut fields in cells {
            csv.row(names.iter().map(|name| fields.remove(name).unwrap_or_default()));
        }
        csv
    }

    /// Puts a column before all others whose cells are alike, unless `value` is empty.
    pub(crate) fn of(mut self, name: &str, value: &str) -> Self {
        let rows = if value.is_empty() { &mut [][..] } else { &mut self.0[..] };
        for (i, row) in rows.iter_mut().enumerate() {
            row.insert(0, if i == 0 { name } else { value }.to_owned());
        }
        self
    }

    /// The lines, each with the line end that the standard wants. Cells that hold a comma, a quotation mark
    /// or a line end stand in quotation marks; other control characters are replaced. Names from files stand as
    /// they are: a spreadsheet may take one that begins with `=` for a formula.
    pub(crate) fn text(&self) -> String {
        let cell = |cell: &String| {
            let plain = |c: char| match c {
                '\u{a0}' => ' ',
                c if c.is_control() && !matches!(c, '\r' | '\n' | '\t') => '\u{fffd}',
                c => c,
            };
            let cell: String = cell.chars().map(plain).collect();
            match cell.contains([',', '"', '\r', '\n']) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell,
            }
        };
        let line = |row: &Vec<String>| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n";
        self.0.iter().map(line).collect()
    }

    /// Writes the lines, whole or not at all.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        atomic::write(path, self.text())
    }
}

/// Adds the fields of a row, each with its path and the text of its cell.
fn flatten(path: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    let cell = match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, fields);
            }
            return;
        }
        Value::Array(list) if list.iter().any(Value::is_object) => return,
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        value => plain(value),
    };
    fields.push((path.to_owned(), cell));
}

/// The text of a value in a cell.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A number that is read back as the same one; a number that is not finite leaves its cell empty.
pub(crate) fn number(v: f64) -> String {
    if v.is_finite() { v.to_string() } else { String::new() }
}

/// [`number`], or an empty cell where there is none.
pub(crate) fn known(v: Option<f64>) -> String {
    v.map_or_else(String::new, number)
}

/// A row of the table of [`maps`].
struct MapRow<'a> {
    e: &'a Evaluation,
    /// The faults, and which of their maps; `None` for an evaluation without faults.
    map: Option<(&'a Perturbed, usize)>,
    /// The fault model in words.
    faults: String,
    savings: Savings,
}

impl MapRow<'_> {
    fn generator(&self, of: fn(&EvaluatedGenerator) -> &String) -> String {
        self.e.generator.as_ref().map(of).cloned().unwrap_or_default()
    }

    fn of_map(&self, of: fn(&Perturbed, usize) -> Option<String>) -> String {
        self.map.and_then(|(p, i)| of(p, i)).unwrap_or_default()
    }
}

/// The share of energy that a saving leaves.
fn left(saving: Option<f64>) -> String {
    known(saving.map(|s| 100.0 - s))
}

/// Name of a column, and its cell in a row.
type MapColumn = (&'static str, fn(&MapRow<'_>) -> String);

const MAP_COLUMNS: [MapColumn; 22] = [
    ("base", |r| r.e.base.model.clone()),
    ("base_sha256", |r| r.e.base.file_sha256.clone()),
    ("generator", |r| r.generator(|g| &g.name)),
    ("generator_sha256", |r| r.generator(|g| &g.file_sha256)),
    ("precision (bits)", |r| r.e.precision.to_string()),
    ("dtype", |r| r.e.dtype.clone().unwrap_or_else(|| "f32".to_owned())),
    ("dataset", |r| r.e.dataset.name.clone()),
    ("images", |r| r.e.dataset.images.to_string()),
    ("measure", |r| r.e.dataset.measure().word().to_owned()),
    ("faults", |r| r.faults.clone()),
    ("ber (fraction)", |r| r.of_map(|p, _| Some(number(p.ber())))),
    ("seed", |r| r.of_map(|p, i| p.seeds.get(i).map(u64::to_string))),
    ("clean (%)", |r| number(r.e.clean.accuracy)),
    ("clean_nf (%)", |r| known(r.e.clean.accuracy_nf)),
    ("accuracy (%)", |r| r.of_map(|p, i| p.accuracy.each.get(i).copied().map(number))),
    ("accuracy_nf (%)", |r| {
        r.of_map(|p, i| p.accuracy_nf.as_ref()?.each.get(i).copied().map(number))
    }),
    ("flipped_bits", |r| r.of_map(|p, i| p.flipped_bits.each.get(i).map(u64::to_string))),
    ("flipped_bias_bits", |r| {
        r.of_map(|p, i| p.flipped_bias_bits.as_ref()?.each.get(i).map(u64::to_string))
    }),
    ("flipped_activation_bits", |r| {
        r.of_map(|p, i| p.flipped_activation_bits.as_ref()?.each.get(i).map(u64::to_string))
    }),
    ("voltage (of Vmin)", |r| known(r.map.and_then(|(p, _)| r.savings.voltage.or(p.voltage)))),
    ("energy (% of nominal)", |r| left(r.savings.alone)),
    ("energy_nf (% of nominal)", |r| left(r.savings.behind)),
];

/// A row for each fault map of the evaluations; an evaluation without faults has one row. `faults` puts a
/// fault model into words.
pub(crate) fn maps<'a>(
    evaluations: impl IntoIterator<Item = &'a Evaluation>,
    faults: impl Fn(&Perturbed) -> String,
) -> Csv {
    let mut csv = Csv::new(MAP_COLUMNS.map(|(name, _)| name));
    for e in evaluations {
        let mut row = |map: Option<(&Perturbed, usize)>| {
            let savings = map.and_then(|(p, _)| e.savings(p)).unwrap_or_default();
            let faults = map.map_or_else(String::new, |(p, _)| faults(p));
            let row = MapRow { e, map, faults, savings };
            csv.row(MAP_COLUMNS.map(|(_, cell)| cell(&row)));
        };
        if e.perturbed.is_empty() {
            row(None);
        }
        for p in &e.perturbed {
            (0..p.accuracy.each.len()).for_each(|i| row(Some((p, i))));
        }
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::sample;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_numbers_come_back() {
        let mut csv = Csv::new(["a", "b (%)"]);
        csv.row(["x, \"y\"\nz".to_owned(), number(0.1 + 0.2)]);
        csv.row(["1\u{a0}%".to_owned(), known(Some(f64::NAN))]);
        let text = csv.text();
        let wanted = "a,b (%)\r\n\"x, \"\"y\"\"\nz\",0.30000000000000004\r\n1 %,\r\n";
        assert_eq!(text, wanted);
        assert_eq!(number(0.1 + 0.2).parse::<f64>().unwrap(), 0.1 + 0.2);
        assert_eq!(csv.clone().of("of", ""), csv);
        assert!(csv.of("of", "one net").text().starts_with("of,a,b (%)\r\none net,"));
    }

    #[test]
    fn rows_of_a_document_become_columns_by_path() {
        let rows = serde_json::json!([
            {"name": "a", "times": {"median_ms": 0.1, "each": [1, 2]}, "parts": [{"x": 1}]},
            {"name": "b, c", "why": null, "ok": true},
        ]);
        let wanted =
            "name,times.each,times.median_ms,ok,why\r\na,1 2,0.1,,\r\n\"b, c\",,,true,\r\n";
        assert_eq!(Csv::of_records(&rows).text(), wanted);
        assert_eq!(Csv::of_records(&serde_json::json!([])).text(), "\r\n");
    }

    #[test]
    fn every_fault_map_has_a_row() {
        let mut bare = sample();
        bare.generator = None;
        bare.perturbed[0].accuracy_nf = None;
        let mut clean = sample();
        clean.perturbed.clear();
        let sha256 = sample().generator.unwrap().file_sha256;
        let csv = maps([&sample(), &bare, &clean], |p| format!("{}, all", p.faults.kind()));
        let text = csv.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 2 + 2 + 1, "{text}");
        assert_eq!(
            lines[2],
            format!(
                "resnet18,00,ConvL,{sha256},8,f32,cifar10,10000,accuracy,\"stuck-at, all\",0.01,50001,92.6,89.8,50,90,6,,,,,81"
            )
        );
        assert!(
            lines[3].starts_with("resnet18,00,,,8,f32,cifar10,")
                && lines[3].ends_with(",30,,4,,,,81,")
        );
        assert!(lines[5].ends_with(",accuracy,,,,92.6,89.8,,,,,,,,"), "{text}");
    }
}
