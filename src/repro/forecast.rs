//! Forecasts which cells fit in a number of hours. This module reads no clock: callers tell it durations.

use crate::{
    report::{Table, wrap::paragraph},
    words::duration,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something that several cells need: an index into the plan's base networks or trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shared {
    /// A base network.
    Base(usize),
    /// A generator.
    Training(usize),
}

/// The work of one cell.
#[derive(Clone, Debug)]
struct CellWork {
    id: String,
    /// The base networks and the generator that must exist before the cell is evaluated.
    needs: BTreeSet<Shared>,
    /// Seconds of the cell's own evaluation.
    own: f64,
}

/// The remaining work of a plan, in seconds. Work that several cells share is counted once, for the first of
/// them.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Seconds until each shared thing exists.
    shared: BTreeMap<Shared, f64>,
    /// The work of each cell that is to be measured, by the cell's index.
    work: BTreeMap<usize, CellWork>,
}

impl Work {
    /// Whether the time of a shared thing is known already.
    pub(super) fn knows(&self, shared: Shared) -> bool {
        self.shared.contains_key(&shared)
    }

    /// Notes how long a shared thing takes.
    pub(super) fn takes(&mut self, shared: Shared, seconds: f64) {
        self.shared.insert(shared, seconds);
    }

    /// Adds a cell: its name, what it needs, and the seconds of its evaluation.
    pub(super) fn add(&mut self, cell: usize, id: String, needs: &[Shared], own: f64) {
        self.work.insert(cell, CellWork { id, needs: needs.iter().copied().collect(), own });
    }

    /// Seconds that a cell takes now: its evaluation, and whatever it needs that does not exist yet.
    pub(super) fn seconds(&self, cell: usize) -> f64 {
        let shared = |need: &Shared| self.shared.get(need).copied().unwrap_or(0.0);
        let of = |of_cell: &CellWork| of_cell.own + of_cell.needs.iter().map(shared).sum::<f64>();
        self.work.get(&cell).map_or(0.0, of)
    }

    /// Notes that a cell is finished, and so is everything that it needed.
    pub(super) fn done(&mut self, cell: usize) {
        for need in self.work.remove(&cell).map(|of_cell| of_cell.needs).unwrap_or_default() {
            self.shared.insert(need, 0.0);
        }
    }

    /// Forgets a cell that failed.
    pub(super) fn gave_up(&mut self, cell: usize) {
        self.work.remove(&cell);
    }

    /// Goes through the cells in order and takes each that fits in what the taken ones leave of `budget`
    /// seconds.
    pub(super) fn forecast(&self, budget: f64) -> Forecast {
        let (mut left, mut sum, mut cells) = (self.clone(), 0.0, Vec::new());
        for (&cell, of_cell) in &self.work {
            let seconds = left.seconds(cell);
            let fits = sum + seconds <= budget;
            if fits {
                sum += seconds;
                left.done(cell);
            }
            let sum_hours = fits.then_some(sum / HOUR);
            cells.push(Planned { id: of_cell.id.clone(), hours: seconds / HOUR, sum_hours, fits });
        }
        let alone = self.work.keys().map(|&cell| self.seconds(cell) / HOUR);
        let shortest = alone.min_by(f64::total_cmp);
        // A negative budget means that the time is over.
        Forecast { hours: budget.max(0.0) / HOUR, cells, shortest }
    }
}

/// Seconds of an hour.
const HOUR: f64 = 3600.0;

/// The cells that are not measured yet, in the order in which they run, and which of them fit in the given
/// hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// Hours that are available.
    pub hours: f64,
    pub cells: Vec<Planned>,
    /// Hours of the shortest cell, with whatever it needs: the least in which something can be done.
    #[serde(skip)]
    pub shortest: Option<f64>,
}

/// A cell in a forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// The cell's name.
    pub id: String,
    /// Hours that the cell takes, including whatever it needs that no fitting cell before it makes.
    pub hours: f64,
    /// Hours from the start until the cell is finished, after the fitting cells before it; absent where it
    /// does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum_hours: Option<f64>,
    /// Whether the cell fits in the hours that the fitting cells before it leave.
    pub fits: bool,
}

impl Forecast {
    /// Hours of all cells that fit.
    pub fn sum_hours(&self) -> f64 {
        self.cells.iter().rev().find_map(|cell| cell.sum_hours).unwrap_or(0.0)
    }

    /// The cells as a table in lines of at most `width` characters, and a summary line.
    pub fn to_text(&self, width: usize) -> String {
        let time = |hours: f64| duration(hours * HOUR);
        let mut table = Table::new(["cell", "takes", "sum", ""]).with_words(&[0, 3]);
        for cell in &self.cells {
            let fits = if cell.fits { "fits" } else { "left out" };
            let sum = cell.sum_hours.map_or_else(String::new, time);
            table.row([cell.id.clone(), time(cell.hours), sum, fits.to_owned()]);
        }
        let (all, fit) = (self.cells.len(), self.cells.iter().filter(|cell| cell.fits).count());
        if all == 0 {
            return "no cell is left to be measured\n".into();
        }
        let mut about = format!("{fit} of {all} cells fit in {}", time(self.hours));
        if fit > 0 {
            about += &format!(": they take about {}", time(self.sum_hours()));
        }
        if let Some(shortest) = self.shortest.filter(|_| fit == 0) {
            about += &format!("; the shortest takes about {}", time(shortest));
        }
        about += ". Estimated from single steps with random weights.";
        format!("{table:width$}\n{}\n", paragraph(&about, width, 2))
    }

    /// The cells that a run left out and how long each takes, in lines of at most `width` characters; then
    /// `command`, which resumes the run with them.
    pub fn left_out(&self, width: usize, command: &str) -> String {
        let time = |hours: f64| duration(hours * HOUR);
        let mut table = Table::new(["left out", "takes"]);
        for cell in &self.cells {
            table.row([cell.id.clone(), time(cell.hours)]);
        }
        let all = time(self.cells.iter().map(|cell| cell.hours).sum());
        let cells = match self.cells.len() {
            1 => "One cell is".to_owned(),
            n => format!("{n} cells are"),
        };
        let about = format!("{cells} left, about {all} in all. To go on:");
        format!("{table:width$}\n{}\n  {command}", paragraph(&about, width, 2))
    }

    /// The `--hours` with which the same command gets further: `before` again, or, if no cell would fit in
    /// it, enough hours for the shortest cell.
    pub fn hours_to_go_on(&self, before: f64) -> f64 {
        // The next run times its steps first, which takes a little of its hours: hence the tenth
        // more.
        let enough = self.shortest.map_or(0.0, |shortest| 1.1 * shortest);
        if enough <= before {
            return before;
        }
        // Rounds up to two significant digits.
        let unit = 10f64.powf(enough.log10().floor() - 1.0);
        let rounded = (enough / unit).ceil() * unit;
        format!("{rounded:.3e}").parse().unwrap_or(rounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Shared::{Base, Training};

    /// Two bases of 100 and 500 s, generators of 1000, 2000 and 100 s, evaluations of 10 s.
    fn work() -> Work {
        let mut work = Work::default();
        for (shared, seconds) in [
            (Base(0), 100.0),
            (Base(1), 500.0),
            (Training(0), 1000.0),
            (Training(1), 2000.0),
            (Training(2), 100.0),
        ] {
            work.takes(shared, seconds);
        }
        // The missing index 3 stands for a cell that is finished or cannot be run.
        work.add(0, "a".into(), &[Base(0), Base(0), Training(0)], 0.0);
        work.add(1, "b".into(), &[Base(1), Base(0), Training(0)], 10.0);
        work.add(2, "c".into(), &[Base(0), Training(1)], 10.0);
        work.add(4, "d".into(), &[Base(0), Training(2)], 10.0);
        work
    }

    fn brief(forecast: &Forecast) -> Vec<(&str, i64, Option<i64>)> {
        let seconds = |hours: f64| (hours * HOUR).round() as i64;
        let of = |c: &Planned| (seconds(c.hours), c.sum_hours.map(seconds), c.fits);
        let cells = forecast.cells.iter().map(|c| (c.id.as_str(), of(c)));
        cells
            .map(|(id, (hours, sum, fits))| {
                assert_eq!(sum.is_some(), fits);
                (id, hours, sum)
            })
            .collect()
    }

    #[test]
    fn cells_are_taken_in_their_order_while_they_fit_and_what_is_shared_counts_once() {
        let work = work();
        let all = work.forecast(f64::INFINITY);
        let wanted = [
            ("a", 1100, Some(1100)),
            ("b", 510, Some(1610)),
            ("c", 2010, Some(3620)),
            ("d", 110, Some(3730)),
        ];
        assert_eq!(brief(&all), wanted);
        // c takes too long; d, which comes after it, fits.
        let some = work.forecast(2000.0);
        let wanted = [
            ("a", 1100, Some(1100)),
            ("b", 510, Some(1610)),
            ("c", 2010, None),
            ("d", 110, Some(1720)),
        ];
        assert_eq!(brief(&some), wanted);
        // Since a does not fit, the others must make what they need themselves.
        let wanted =
            [("a", 1100, None), ("b", 1610, None), ("c", 2110, None), ("d", 210, Some(210))];
        assert_eq!(brief(&work.forecast(1000.0)), wanted);
        // A cell fits in a budget of exactly its own time.
        assert!(work.forecast(1100.0).cells[0].fits && !work.forecast(1099.9).cells[0].fits);
        let over = work.forecast(-1.0);
        assert_eq!((over.hours, over.cells.iter().filter(|c| c.fits).count()), (0.0, 0));
    }

    #[test]
    fn what_is_done_takes_nothing_any_more() {
        let mut work = work();
        work.done(0);
        assert_eq!((work.seconds(0), work.seconds(1), work.seconds(2)), (0.0, 510.0, 2010.0));
        work.done(3);
        let rest = work.forecast(600.0);
        assert_eq!(brief(&rest), [("b", 510, Some(510)), ("c", 2010, None), ("d", 110, None)]);
        // A shared thing that exists, or cannot be timed, takes no time.
        assert!(work.knows(Base(1)) && !work.knows(Base(2)));
        work.add(9, "e".into(), &[Base(2)], 1.0);
        assert_eq!(work.seconds(9), 1.0);
    }

    #[test]
    fn a_forecast_says_what_fits_and_what_it_leaves_out() {
        let text = work().forecast(2000.0).to_text(80);
        for line in [
            "cell        takes          sum\n",
            "a     18 min 20 s  18 min 20 s  fits",
            "c     33 min 30 s               left out",
            "3 of 4 cells fit in 33 min 20 s: they take about 28 min 40 s. Estimated from",
        ] {
            assert!(text.contains(line), "no {line:?} in {text}");
        }
        let none = work().forecast(60.0).to_text(80);
        assert!(
            none.contains("0 of 4 cells fit in 1 min 00 s; the shortest takes about"),
            "{none}"
        );
        assert_eq!(Forecast::default().to_text(80), "no cell is left to be measured\n");
        for width in [40, 60, 80] {
            let text = work().forecast(2000.0).to_text(width);
            assert!(text.lines().all(|l| l.chars().count() <= width), "{width}: {text}");
        }
        let json = serde_json::to_value(work().forecast(3600.0)).unwrap();
        assert_eq!(json["hours"], 1.0);
        assert_eq!(
            (&json["cells"][0]["id"], &json["cells"][0]["fits"]),
            (&"a".into(), &true.into())
        );
    }

    #[test]
    fn the_command_that_goes_on_fits_at_least_one_cell() {
        let mut work = work();
        work.done(0);
        let left = work.forecast(0.0);
        // The shortest cell is d: 110 s and a tenth more are 0.0336 h.
        assert_eq!(left.hours_to_go_on(1.0), 1.0);
        assert_eq!(left.hours_to_go_on(0.01), 0.034);
        // What a run leaves out is listed without a limit, where cells share what they need: yet the first one that the
        // next run begins has to make it.
        let mut sharing = Work::default();
        sharing.takes(Training(0), 3600.0);
        sharing.add(0, "a".into(), &[Training(0)], 10.0);
        sharing.add(1, "b".into(), &[Training(0)], 10.0);
        assert_eq!(sharing.forecast(f64::INFINITY).hours_to_go_on(0.5), 1.2);
        let text = left.left_out(80, "nf-gpu repro uip --hours 1");
        for says in [
            "b          8 min 30 s",
            "3 cells are left, about 43 min 50 s in all",
            "\n  nf-gpu repro uip",
        ] {
            assert!(text.contains(says), "no {says:?} in {text}");
        }
        work.done(1);
        work.done(2);
        assert!(
            work.forecast(0.0).left_out(80, "x").contains("One cell is left, about 1 min 50 s")
        );
    }
}
