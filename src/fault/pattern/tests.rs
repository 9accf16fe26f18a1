//! Statistics of rows, columns, clusters and cells, within four standard errors; and what a file may say.

use super::*;
use crate::fault::CellMap;

/// The memory of all tests: 512 rows of 256 cells.
const ROWS: u32 = 512;
const COLUMNS: u32 = 256;

fn pattern(text: &str) -> Pattern {
    toml::from_str(&format!("rows = {ROWS}\ncolumns = {COLUMNS}\n{text}")).unwrap()
}

/// Whether a cell fails.
fn fails(map: &CellMap, row: u32, column: u32) -> bool {
    let cell = row * COLUMNS + column;
    let at = (cell / 32) as usize;
    (map.stuck_at_1[at] | map.stuck_at_0[at]) >> (cell % 32) & 1 == 1
}

/// Asserts that a count of successes among trials is that of a probability, within four standard errors.
fn is_binomial(count: u64, trials: u64, p: f64, what: &str) {
    let (mean, n) = (p * trials as f64, trials as f64);
    let error = 4.0 * (n * p * (1.0 - p)).sqrt();
    assert!((count as f64 - mean).abs() < error, "{what}: {count} of {trials}, expected {mean:.1}");
}

#[test]
fn lines_are_as_many_and_as_long_as_the_file_says() {
    let of = pattern(
        "[[line]]\nalong = \"row\"\nrate = 0.02\n[[line]]\nalong = \"column\"\nrate = 0.03\nlength = 100\n",
    );
    let (mut rows, mut columns, mut starts, mut begun) = (0, 0, 0u64, 0u64);
    for seed in 0..60 {
        let map = of.map(seed);
        let whole = |row: u32| (0..COLUMNS).all(|column| fails(&map, row, column));
        let in_rows: Vec<bool> = (0..ROWS).map(whole).collect();
        rows += in_rows.iter().filter(|whole| **whole).count() as u64;
        for column in 0..COLUMNS {
            let cells: Vec<u32> = (0..ROWS)
                .filter(|&row| !in_rows[row as usize] && fails(&map, row, column))
                .collect();
            if let (Some(first), Some(last)) = (cells.first(), cells.last()) {
                columns += 1;
                // A line is contiguous, apart from rows that fail anyway, which may hide its ends.
                assert!(last - first < 100 && cells.len() + 30 > 100, "{cells:?}");
                (starts, begun) = (starts + u64::from(*first), begun + 1);
            }
        }
    }
    is_binomial(rows, 60 * u64::from(ROWS), 0.02, "rows");
    is_binomial(columns, 60 * u64::from(COLUMNS), 0.03, "columns");
    // Places are uniform from 0 to 412: the mean of n of them has a deviation of 413 / sqrt(12 n).
    let (mean, error) = (starts as f64 / begun as f64, 4.0 * 413.0 / (12.0 * begun as f64).sqrt());
    assert!((mean - 206.0).abs() < error + 1.0, "lines begin at {mean} on average");
}

#[test]
fn clusters_are_rectangles_of_which_a_share_fails() {
    let of = pattern("[[cluster]]\nrate = 0.0002\nrows = 3\ncolumns = 5\nshare = 0.6\n");
    let whole = pattern("[[cluster]]\nrate = 0.0002\nrows = 3\ncolumns = 5\n");
    let (mut all, mut some, mut apart, mut alone) = (0, 0, 0u64, 0u64);
    for seed in 0..40 {
        let (map, full) = (of.map(seed), whole.map(seed));
        let count = |map: &CellMap| {
            let words = map.stuck_at_1.iter().zip(&map.stuck_at_0);
            words.map(|(a, b)| u64::from((a | b).count_ones())).sum::<u64>()
        };
        (all, some) = (all + count(&full), some + count(&map));
        for word in 0..map.words() as usize {
            let of = |map: &CellMap| map.stuck_at_1[word] | map.stuck_at_0[word];
            assert_eq!(of(&map) & !of(&full), 0, "cells outside of the clusters");
        }
        // A cluster that meets no other is a rectangle of 15 cells.
        for (row, column) in (2..ROWS - 6).flat_map(|r| (4..COLUMNS - 10).map(move |c| (r, c))) {
            let first = fails(&full, row, column)
                && !fails(&full, row - 1, column)
                && !fails(&full, row, column - 1);
            if first {
                let near =
                    (row - 2..row + 5).flat_map(|r| (column - 4..column + 9).map(move |c| (r, c)));
                let cells = near.filter(|&(r, c)| fails(&full, r, c)).count();
                let inside = (row..row + 3).flat_map(|r| (column..column + 5).map(move |c| (r, c)));
                let own = inside.filter(|&(r, c)| fails(&full, r, c)).count();
                apart += u64::from(cells == 15 && own == 15);
                alone += u64::from(cells == 15);
            }
        }
    }
    assert!(apart > 500 && apart == alone, "{apart} of {alone} rectangles");
    is_binomial(some, all, 0.6, "share");
    // The variance of covered cells is that of 15 together.
    let (cells, p) = (40.0 * f64::from(ROWS * COLUMNS), whole.share());
    let error = 4.0 * (15.0 * cells * p).sqrt();
    assert!((all as f64 - p * cells).abs() < error, "{all} cells, expected {}", p * cells);
}

#[test]
fn each_effect_reads_what_it_says() {
    for (effect, ones, zeros, both) in [
        ("flip", 1.0, 1.0, 1.0),
        ("stuck-at", 0.5, 0.5, 0.0),
        ("stuck-at-0", 0.0, 1.0, 0.0),
        ("stuck-at-1", 1.0, 0.0, 0.0),
    ] {
        let of = pattern(&format!("[[cell]]\nrate = 0.05\neffect = \"{effect}\"\n"));
        let [mut all, mut one, mut zero, mut two] = [0u64; 4];
        for seed in 0..4 {
            let map = of.map(seed);
            for (a, b) in map.stuck_at_1.iter().zip(&map.stuck_at_0) {
                for (sum, bits) in
                    [(&mut all, a | b), (&mut one, *a), (&mut zero, *b), (&mut two, a & b)]
                {
                    *sum += u64::from(bits.count_ones());
                }
            }
        }
        is_binomial(all, 4 * u64::from(ROWS * COLUMNS), 0.05, effect);
        for (count, p) in [(one, ones), (zero, zeros), (two, both)] {
            is_binomial(count + 1, all + 2, (p * all as f64 + 1.0) / (all + 2) as f64, effect);
        }
        let [to_1, to_0] = of.directed();
        assert_eq!((to_1, to_0), (0.05 * ones, 0.05 * zeros));
    }
    let problem = |text: &str| toml::from_str::<Pattern>(text).unwrap().problem();
    let alone = "rows = 8\ncolumns = 256\n[[cell]]\nrate = 0.5\neffect = \"stuck-together\"\n";
    assert!(problem(alone).unwrap().contains("single cells that are stuck together"));
    // All cells of a line alike, lines of both kinds.
    let of = pattern("[[line]]\nalong = \"row\"\nrate = 0.5\neffect = \"stuck-together\"\n");
    let map = of.map(9);
    let (mut ones, mut lines) = (0u64, 0u64);
    for row in map.stuck_at_1.chunks(8).zip(map.stuck_at_0.chunks(8)) {
        match row {
            (a, b) if a == [u32::MAX; 8] && b == [0; 8] => (ones, lines) = (ones + 1, lines + 1),
            (a, b) if a == [0; 8] && b == [u32::MAX; 8] => lines += 1,
            (a, b) => assert!(a == [0; 8] && b == [0; 8], "{a:?} {b:?}"),
        }
    }
    is_binomial(lines, ROWS.into(), 0.5, "lines");
    is_binomial(ones, lines, 0.5, "lines of ones");
}

#[test]
fn the_first_entry_decides_and_the_same_seed_gives_the_same_map() {
    let text = "[[line]]\nalong = \"row\"\nrate = 0.1\neffect = \"stuck-at-1\"\n\
                [[cell]]\nrate = 0.3\neffect = \"stuck-at-0\"\n";
    let (of, rows) = (pattern(text), pattern(&text[..text.find("[[cell]]").unwrap()]));
    let (map, only) = (of.map(3), rows.map(3));
    assert_eq!((&map, &of.map(3)), (&of.map(3), &map));
    assert_ne!(map, of.map(4));
    assert_eq!(map.stuck_at_1, only.stuck_at_1);
    assert!(map.stuck_at_1.iter().zip(&map.stuck_at_0).all(|(a, b)| a & b == 0));
    let share = map.share();
    assert!((share - of.share()).abs() < 0.1, "{share}, expected {}", of.share());
    assert!((of.share() - (1.0 - 0.9 * 0.7)).abs() < 1e-12);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    let refused = |text: &str, what: &str| {
        std::fs::write(&path, text).unwrap();
        let error = Pattern::load(&path).unwrap_err();
        assert!(error.to_string().contains(what), "{text}: {error}");
        assert!(error.hint().unwrap().contains("[[cluster]]"), "{error}");
    };
    let size = "rows = 8\ncolumns = 64\n";
    refused("", "rows");
    refused(size, "no faults");
    refused("rows = 8\ncolumns = 40\n[[cell]]\nrate = 0.1\n", "whole words");
    refused("rows = 100000000\ncolumns = 64\n[[cell]]\nrate = 0.1\n", "2^32");
    refused(&format!("{size}[[cell]]\nrate = 1.5\n"), "no probability");
    refused(&format!("{size}[[cell]]\nrate = 0.1\nsize = 3\n"), "size");
    refused(&format!("{size}[[line]]\nalong = \"row\"\nrate = 0.1\nlength = 65\n"), "65 cells");
    refused(&format!("{size}[[line]]\nalong = \"up\"\nrate = 0.1\n"), "up");
    refused(&format!("{size}[[cluster]]\nrate = 0.1\nrows = 9\ncolumns = 2\n"), "9 x 2");
    refused(&format!("{size}[[cluster]]\nrate = 0.1\nrows = 2\ncolumns = 2\nshare = 2\n"), "share");
    std::fs::write(&path, format!("{size}[[cell]]\nrate = 0.1\n")).unwrap();
    let read = Pattern::load(&path).unwrap();
    assert_eq!((read.words(), read.in_words().as_str()), (16, "single cells in 8x64 cells"));
}

#[test]
fn rates_that_draw_nothing_are_refused() {
    let with = |rate: f64, share: f64| {
        let text = format!(
            "[[line]]\nalong = \"row\"\nrate = {rate:?}\nshare = {share:?}\neffect = \"flip\"\n"
        );
        pattern(&text).problem()
    };
    assert_eq!(with(1e-3, 0.5), None);
    assert_eq!(with(0.0, 1.0), None);
    assert!(with(2e-10, 1.0).unwrap().contains("draws no cell"));
    assert!(with(1e-3, 1e-10).unwrap().contains("draws no cell"));
}
