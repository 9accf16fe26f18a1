//! The paper's tables by name, with their numbers.

use super::cell::{Accuracies, Cell, MeanStd};
use crate::error::{Error, Result};
use std::str::FromStr;

/// A table of the paper, or several tables that belong together. All cells have the same data set.
#[derive(Clone, Copy, Debug)]
pub struct PaperTable {
    /// The name that `nf-gpu repro` takes.
    pub name: &'static str,
    /// One line that describes the table.
    pub title: &'static str,
    /// Its data set.
    pub dataset: &'static str,
    /// The embedded text of `src/repro/paper/NAME.csv`, with one row per cell.
    csv: &'static str,
}

macro_rules! tables {
    ($($name:literal, $dataset:literal, $title:literal;)*) => {
        /// All tables.
        pub static TABLES: &[PaperTable] = &[$(PaperTable {
            name: $name,
            title: $title,
            dataset: $dataset,
            csv: include_str!(concat!("paper/", $name, ".csv")),
        }),*];
    };
}

tables! {
    "cifar10", "cifar10", "all base networks and generators (Table 12)";
    "gtsrb", "gtsrb", "all base networks and generators (Table 13)";
    "imagenet10", "imagenet10", "all base networks and generators, 224x224 (Table 14)";
    "cifar100", "cifar100", "all base networks and generators (Table 15)";
    "transfer", "cifar10", "generators of surrogate networks (Tables 1, 16, 21)";
    "transfer-gtsrb", "gtsrb", "generators of surrogate networks (Tables 17, 18)";
    "transfer-cifar100", "cifar100", "generators of surrogate networks (Tables 19, 20)";
    "precision", "cifar10", "8 to 2 bits per weight (Table 22, Figure 4)";
    "precision-gtsrb", "gtsrb", "8 to 2 bits per weight (Table 23, Figure 13)";
    "precision-imagenet10", "imagenet10", "8 to 2 bits per weight (Table 24)";
    "lambda", "cifar10", "weight of the perturbed copies' loss (Table 10)";
    "copies", "cifar10", "perturbed copies per step (Figure 7, which prints no numbers)";
    "uip", "cifar10", "one learned image for all (Table 11)";
}

/// Looks up a table by its name.
pub fn table(name: &str) -> Result<&'static PaperTable> {
    let found = TABLES.iter().find(|t| t.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| Error::unknown("table", name, TABLES.iter().map(|t| t.name)))
}

/// Columns of the CSV files: the experiment, the printed numbers, a note.
const HEADER: &str = "table,base,source,generator,train_ber,ber,lambda,copies,bits,ca,pa,pa_std,ca_nf,pa_nf,\
                      pa_nf_std,rp,note";
const COLUMNS: usize = 17;

impl PaperTable {
    /// The table's cells, in the paper's order.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let mut lines = self.csv.lines();
        if lines.next() != Some(HEADER) {
            return Err(self.broken("its columns are others"));
        }
        lines.map(|line| self.cell(line)).collect()
    }

    fn cell(&self, line: &str) -> Result<Cell> {
        let fields: Vec<&str> = line.split(',').collect();
        let Ok(fields) = <[&str; COLUMNS]>::try_from(fields) else {
            return Err(self.broken(line));
        };
        let [printed_in, base, source, generator, train_ber, ber, lambda, copies, bits, rest @ ..] =
            fields;
        let [ca, pa, pa_std, ca_nf, pa_nf, pa_nf_std, rp, note] = rest;
        let spread = |mean: &str, std: &str| -> Result<Option<MeanStd>> {
            let (mean, std) = (self.optional(mean)?, self.optional(std)?);
            Ok(mean.map(|mean| MeanStd { mean, std }))
        };
        Ok(Cell {
            printed_in: printed_in.into(),
            base: base.into(),
            sources: source.split('+').map(str::to_owned).collect(),
            generator: generator.into(),
            train_ber: self.number(train_ber)?,
            ber: self.number(ber)?,
            lambda: self.number(lambda)?,
            copies: self.number(copies)?,
            bits: self.number(bits)?,
            paper: Accuracies {
                ca: self.optional(ca)?,
                pa: spread(pa, pa_std)?,
                ca_nf: self.optional(ca_nf)?,
                pa_nf: spread(pa_nf, pa_nf_std)?,
                rp: self.optional(rp)?,
            },
            note: Some(note.to_owned()).filter(|note| !note.is_empty()),
        })
    }

    fn number<T: FromStr>(&self, text: &str) -> Result<T> {
        text.parse().map_err(|_| self.broken(text))
    }

    fn optional(&self, text: &str) -> Result<Option<f64>> {
        if text.is_empty() { Ok(None) } else { self.number(text).map(Some) }
    }

    fn broken(&self, what: &str) -> Error {
        let path = format!("src/repro/paper/{}.csv", self.name);
        Error::format(path, format!("no row of a table: {what}"), "put back the file as it was")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;
    use std::collections::BTreeSet;

    #[test]
    fn every_table_has_its_rows_and_every_row_a_name_of_its_own() {
        let rows: Vec<usize> = TABLES.iter().map(|t| t.cells().unwrap().len()).collect();
        assert_eq!(rows, [60, 60, 30, 90, 96, 76, 92, 56, 56, 28, 10, 10, 10]);
        for table in TABLES {
            let cells = table.cells().unwrap();
            let ids: BTreeSet<String> = cells.iter().map(Cell::id).collect();
            assert_eq!(ids.len(), cells.len(), "{}", table.name);
            for cell in &cells {
                assert!(models::is_generator(&cell.generator), "{cell:?}");
                for base in cell.sources.iter().chain([&cell.base]) {
                    assert_eq!(models::base_info(base).unwrap().side, 32, "{cell:?}");
                }
                assert!(cell.train_ber < 0.02 && cell.ber <= cell.train_ber, "{cell:?}");
                assert!((2..=8).contains(&cell.bits), "{cell:?}");
            }
        }
    }

    /// RP must be PA(NF) - PA within the rounding of the three numbers, unless a note explains the paper's
    /// slip.
    #[test]
    fn the_papers_numbers_agree_with_each_other() {
        let (mut checked, mut slips) = (0, Vec::new());
        for table in TABLES {
            for cell in table.cells().unwrap() {
                let Accuracies { pa: Some(pa), pa_nf: Some(nf), rp: Some(rp), .. } = cell.paper
                else {
                    // Figures print no RP, or no numbers at all.
                    assert!(cell.printed_in.starts_with("Figure"), "{cell:?}");
                    continue;
                };
                checked += 1;
                if (nf.mean - pa.mean - rp).abs() > 0.15 + 1e-9 {
                    assert!(cell.note.is_some(), "{} {}: {cell:?}", table.name, cell.id());
                    slips.push(cell.printed_in.clone());
                }
                for value in [pa.mean, nf.mean, cell.paper.ca.unwrap(), cell.paper.ca_nf.unwrap()] {
                    assert!((0.0..100.0).contains(&value), "{cell:?}");
                }
            }
        }
        // The slips are VGG16 with DeConvL in Table 12, and six rows of VGG16 in Table 15.
        assert_eq!(
            slips,
            ["Table 12", "Table 15", "Table 15", "Table 15", "Table 15", "Table 15", "Table 15"]
        );
        assert_eq!(checked, 674 - 10 - 28 - 28);
        let notes = |name| {
            table(name).unwrap().cells().unwrap().iter().filter(|c| c.note.is_some()).count()
        };
        assert_eq!(
            ["transfer", "transfer-cifar100", "precision", "precision-gtsrb"].map(notes),
            [1, 1, 2, 5]
        );
    }

    /// A sample of numbers that were read off the paper a second time.
    #[test]
    fn numbers_stand_where_they_belong() {
        let find = |name: &str, id: &str| {
            let cells = table(name).unwrap().cells().unwrap();
            cells.into_iter().find(|c| c.id() == id).unwrap_or_else(|| panic!("no {id}")).paper
        };
        let row = |ca, (pa, pa_std), ca_nf, (nf, nf_std), rp| Accuracies {
            ca: Some(ca),
            pa: Some(MeanStd { mean: pa, std: Some(pa_std) }),
            ca_nf: Some(ca_nf),
            pa_nf: Some(MeanStd { mean: nf, std: Some(nf_std) }),
            rp: Some(rp),
        };
        assert_eq!(
            find("cifar10", "resnet18/ConvL-ber0.01"),
            row(92.6, (38.9, 12.4), 89.8, (87.8, 1.7), 48.8)
        );
        assert_eq!(
            find("gtsrb", "vgg16/UNetL-ber0.01"),
            row(95.2, (15.1, 6.8), 95.8, (78.6, 11.0), 63.5)
        );
        assert_eq!(
            find("imagenet10", "vgg19/UNetS-ber0.005"),
            row(92.4, (37.2, 11.0), 87.6, (65.9, 10.0), 28.7)
        );
        assert_eq!(
            find("cifar100", "vgg19/UNetS-ber0.0035"),
            row(67.8, (42.1, 9.4), 67.5, (46.6, 8.4), 4.5)
        );
        assert_eq!(
            find("transfer", "resnet50/UNetL-ber0.005-from-vgg19-ber0.015"),
            row(92.6, (61.0, 10.3), 85.2, (78.3, 3.7), 17.3)
        );
        assert_eq!(
            find("transfer", "vgg16/ConvL-ber0.01-from-resnet18+vgg19-ber0.015"),
            row(90.3, (35.7, 7.9), 89.1, (80.5, 8.6), 44.8)
        );
        assert_eq!(
            find("lambda", "vgg19/ConvL-ber0.01-lambda0.1"),
            row(90.5, (36.0, 12.0), 89.1, (51.2, 16.0), 15.2)
        );
        assert_eq!(
            find("uip", "resnet50/UIP-ber0.01"),
            row(92.6, (26.1, 9.4), 80.7, (21.0, 5.9), -5.1)
        );
        assert_eq!(
            find("precision", "resnet18/UNetL-ber0.005-from-resnet18-ber0.01-4bit"),
            row(91.8, (26.3, 12.7), 86.6, (64.9, 22.5), 38.6)
        );
        assert_eq!(find("copies", "resnet18/ConvS-ber0.01-n20"), Accuracies::default());
    }

    #[test]
    fn a_slip_in_a_name_gets_a_suggestion() {
        assert_eq!(table("CIFAR10").unwrap().name, "cifar10");
        assert!(table("cifer10").unwrap_err().hint().unwrap().starts_with("did you mean cifar10?"));
    }
}
