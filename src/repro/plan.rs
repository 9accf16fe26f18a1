//! The base networks, generators and evaluations that a table needs.

use super::{cell::Cell, settings::ReproSettings, table::PaperTable, training::Training};
use crate::{
    data::{self, DatasetInfo},
    error::{Error, Result},
    fault::matches,
    models, words,
};
use std::collections::BTreeSet;

/// The data set of a smoke run if the table's own data set is not on this machine.
const SAMPLE: &str = "fashion-sample";
/// Name of the data set that is a folder of images instead of a known download.
pub(super) const IMAGENET10: &str = "imagenet10";

/// A cell and what it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCell {
    pub cell: Cell,
    /// The base network that is evaluated: an index of [`QueuePlan::bases`].
    pub base: usize,
    /// The generator in front: an index of [`QueuePlan::trainings`]; or why it cannot be trained.
    pub training: std::result::Result<usize, &'static str>,
}

/// Everything that a table needs. Each base network and generator is listed once, however many cells use it.
#[derive(Clone, Debug)]
pub struct QueuePlan {
    pub table: &'static PaperTable,
    /// The data set in the form that training accepts: a name, or the path of a folder.
    pub dataset: String,
    /// The data set's name, for file names and messages.
    pub dataset_name: String,
    /// Base networks by model, in the order of their first use.
    pub bases: Vec<String>,
    /// Generators, in the order of their first use.
    pub trainings: Vec<Training>,
    /// Cells, in the paper's order.
    pub cells: Vec<PlannedCell>,
    /// The pattern that chose the cells.
    pub only: Option<String>,
}

impl QueuePlan {
    /// Plans a table: all cells, or those whose names match `only` (`*` stands for any text, `?` for any
    /// character; case does not matter). A smoke run takes only as many of them as are needed to have every
    /// base network, generator, lambda and precision once.
    pub fn new(
        table: &'static PaperTable,
        only: Option<&str>,
        settings: &ReproSettings,
    ) -> Result<Self> {
        let mut cells = table.cells()?;
        if let Some(pattern) = only {
            let lower = pattern.to_lowercase();
            cells.retain(|cell| matches(&lower, &cell.id().to_lowercase()));
            if cells.is_empty() {
                let what = format!("no cell of {} matches {pattern:?}", table.name);
                let hint = format!("`nf-gpu repro {} --list` names them", table.name);
                return Err(Error::argument("--only", what, hint));
            }
        }
        let (dataset, dataset_name) = dataset(table, settings)?;
        if settings.smoke {
            cells = few(cells);
            if cells.is_empty() {
                let what = "none of these cells can be run: their generators have two bases";
                return Err(Error::argument("--only", what, "choose others"));
            }
        }
        let large = dataset_name == IMAGENET10;
        let mut plan = Self {
            table,
            dataset,
            dataset_name,
            bases: Vec::new(),
            trainings: Vec::new(),
            cells: Vec::new(),
            only: only.map(str::to_owned),
        };
        for cell in cells {
            plan.add(cell, large, settings.smoke);
        }
        Ok(plan)
    }

    fn add(&mut self, cell: Cell, large: bool, smoke: bool) {
        let base = index(&mut self.bases, model(&cell.base, large));
        let training = match &cell.sources[..] {
            [source] => {
                let training = Training {
                    base: model(source, large),
                    generator: cell.generator.clone(),
                    ber: cell.train_ber,
                    lambda: cell.lambda,
                    copies: if smoke { 1 } else { cell.copies },
                };
                index(&mut self.bases, training.base.clone());
                Ok(index(&mut self.trainings, training))
            }
            _ => Err("its generator is trained on two base networks at once, which `train` cannot"),
        };
        self.cells.push(PlannedCell { cell, base, training });
    }

    /// Rows and columns of the images.
    pub fn side(&self) -> Result<u32> {
        self.bases.first().map_or(Ok(32), |model| Ok(models::base_info(model)?.side))
    }
}

/// Index of an item in a list; an item that is missing is appended first.
fn index<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// The model for a network of the paper; for ImageNet-10 the variants in the paper's code.
fn model(paper: &str, large: bool) -> String {
    match paper {
        "resnet18" if large => "resnet18-224-norelu".into(),
        _ if large => format!("{paper}-224"),
        _ => paper.to_owned(),
    }
}

/// The data set in the form that training accepts, and its name.
fn dataset(table: &PaperTable, settings: &ReproSettings) -> Result<(String, String)> {
    let name = table.dataset.to_owned();
    let real =
        if name == IMAGENET10 { words::path(settings.data_dir.join(&name)) } else { name.clone() };
    let here = data::is_folder(&real)
        || data::known().any(|info: &DatasetInfo| info.name == real)
            && data::is_here(&real, &settings.data_dir)?;
    if settings.smoke && !here {
        return Ok((SAMPLE.to_owned(), SAMPLE.to_owned()));
    }
    Ok((real, name))
}

/// Chooses a few cells that have every base network, generator, lambda and precision at least once. In each
/// turn the cell with most new traits is taken.
fn few(cells: Vec<Cell>) -> Vec<Cell> {
    let traits = |cell: &Cell| -> BTreeSet<String> {
        let bases = cell.sources.iter().chain([&cell.base]).map(|base| format!("base {base}"));
        let others = [
            format!("generator {}", cell.generator),
            format!("lambda {}", cell.lambda),
            format!("{} bits", cell.bits),
        ];
        bases.chain(others).collect()
    };
    let mut rest: Vec<Cell> = cells.into_iter().filter(|c| c.sources.len() == 1).collect();
    let (mut seen, mut chosen) = (BTreeSet::new(), Vec::new());
    loop {
        let new = |cell: &Cell| traits(cell).difference(&seen).count();
        // `max_by_key` returns the last of equal maxima: in reverse order that is the first cell.
        let best = (0..rest.len()).rev().max_by_key(|&i| new(&rest[i]));
        let Some(best) = best.filter(|&i| new(&rest[i]) > 0) else { return chosen };
        let cell = rest.remove(best);
        seen.extend(traits(&cell));
        chosen.push(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repro::{TABLES, table};

    fn plan(name: &str, only: Option<&str>, settings: &ReproSettings) -> QueuePlan {
        QueuePlan::new(table(name).unwrap(), only, settings).unwrap()
    }

    #[test]
    fn a_table_needs_so_much() {
        let paper = ReproSettings::default();
        let counts = TABLES.iter().map(|t| {
            let plan = plan(t.name, None, &paper);
            let run = plan.cells.iter().filter(|c| c.training.is_ok()).count();
            (t.name, (plan.bases.len(), plan.trainings.len(), run))
        });
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [
                ("cifar10", (5, 60, 60)),
                ("gtsrb", (5, 60, 60)),
                ("imagenet10", (5, 30, 30)),
                ("cifar100", (5, 90, 90)),
                // Two surrogates, two generators, trained at 1.5 % and at 1 %.
                ("transfer", (5, 8, 76)),
                ("transfer-gtsrb", (5, 8, 76)),
                ("transfer-cifar100", (5, 8, 92)),
                // Seven precisions share the generators trained for 8 bits.
                ("precision", (2, 8, 56)),
                ("precision-gtsrb", (2, 8, 56)),
                ("precision-imagenet10", (2, 4, 28)),
                ("lambda", (2, 10, 10)),
                ("copies", (1, 10, 10)),
                ("uip", (5, 10, 10)),
            ]
        );
    }

    #[test]
    fn cells_of_several_tables_share_their_generators() {
        let paper = ReproSettings::default();
        let all = plan("cifar10", None, &paper).trainings;
        for (name, shared) in
            [("precision", 8), ("transfer", 4), ("lambda", 2), ("copies", 2), ("uip", 0)]
        {
            let own = plan(name, None, &paper).trainings;
            assert_eq!(own.iter().filter(|t| all.contains(t)).count(), shared, "{name}");
        }
        let large = plan("imagenet10", None, &paper);
        assert_eq!(large.bases[0], "resnet18-224-norelu");
        assert_eq!((large.bases[4].as_str(), large.side().unwrap()), ("vgg19-224", 224));
    }

    #[test]
    fn a_smoke_run_has_everything_once() {
        let smoke =
            ReproSettings { data_dir: "nowhere".into(), ..ReproSettings::default() }.smoke();
        let names = |name: &str| -> Vec<String> {
            plan(name, None, &smoke).cells.iter().map(|c| c.cell.id()).collect()
        };
        assert_eq!(
            names("cifar10"),
            [
                "resnet18/ConvL-ber0.01",
                "resnet50/ConvS-ber0.01",
                "vgg11/DeConvL-ber0.01",
                "vgg16/DeConvS-ber0.01",
                "vgg19/UNetL-ber0.01",
                "resnet18/UNetS-ber0.01",
            ]
        );
        for t in TABLES {
            let (few, all) = (plan(t.name, None, &smoke), table(t.name).unwrap().cells().unwrap());
            assert_eq!((few.dataset.as_str(), few.side().unwrap()), ("fashion-sample", 32));
            for cell in &all {
                let has = |same: &dyn Fn(&Cell) -> bool| few.cells.iter().any(|c| same(&c.cell));
                assert!(
                    has(&|c| c.base == cell.base || c.sources.contains(&cell.base)),
                    "{cell:?}"
                );
                assert!(has(&|c| c.generator == cell.generator), "{cell:?}");
                assert!(has(&|c| c.lambda == cell.lambda) && has(&|c| c.bits == cell.bits));
            }
            assert!(few.cells.len() <= 10, "{}: {}", t.name, few.cells.len());
        }
    }

    #[test]
    fn only_some_cells() {
        let paper = ReproSettings::default();
        let of = |only| plan("cifar10", Some(only), &paper);
        let some = of("resnet18/ConvL*");
        assert_eq!((some.bases.len(), some.trainings.len(), some.cells.len()), (1, 2, 2));
        assert_eq!(of("VGG??/*0.005").cells.len(), 18);
        let none =
            QueuePlan::new(table("cifar10").unwrap(), Some("resnet20*"), &paper).unwrap_err();
        assert_eq!(none.exit_code(), 2);
    }
}
