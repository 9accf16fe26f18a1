//! `docs/fault-format.md` against the code, and against a second implementation with integers only.
use crate::extent::skipped;
use nf_gpu::fault::{
    FORMAT_VERSION, FaultModel, Faults, Lot, Place, faulty_cells, polarity, step_seed, threshold,
};
use std::process::Command;

const PAGE: &str = include_str!("../../docs/fault-format.md");
const STORED: u32 = 0x8001_ff7f;

/// The cells of the page's table with this number of columns, without its two header lines.
fn table(columns: usize) -> Vec<Vec<&'static str>> {
    let rows = PAGE.lines().filter(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|row| row.len() == columns)
        .skip(2)
        .collect()
}

#[test]
fn the_page_and_the_code_agree_on_every_map() {
    assert!(PAGE.starts_with(&format!("# Fault map format, version {FORMAT_VERSION}\n")));
    let rows = table(9);
    assert_eq!(rows.len(), 14);
    for row in rows {
        let seed: u64 = row[0].parse().unwrap();
        let (layer, word): (u32, u32) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let ber: f64 = row[3].parse().unwrap();
        let reads = [FaultModel::Flip, FaultModel::StuckAt].map(|model| {
            STORED
                ^ Faults::new(model, ber).unwrap().map(seed).unwrap().xor_mask(
                    Place { layer, address: 0 },
                    word,
                    STORED,
                )
        });
        let ours = [
            threshold(ber),
            faulty_cells(seed, layer, word, threshold(ber)),
            polarity(seed, layer, word),
            reads[0],
            reads[1],
        ];
        let page: Vec<u64> =
            row[4..].iter().map(|cell| u64::from_str_radix(cell, 16).unwrap()).collect();
        assert_eq!(ours.map(u64::from).as_slice(), page, "{row:?}");
    }
}

#[test]
fn the_page_and_the_code_agree_on_directed_faults_and_lots() {
    let rows = table(8);
    assert_eq!(rows.len(), 7);
    for row in rows {
        let seed: u64 = row[0].parse().unwrap();
        let (layer, word): (u32, u32) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let mut faults =
            Faults::asymmetric(row[3].parse().unwrap(), row[4].parse().unwrap()).unwrap();
        if let Some((lot, shared)) = row[5].split_once(", ") {
            let lot = Lot::new(lot.parse().unwrap(), shared.parse().unwrap()).unwrap();
            faults = faults.of_lot(lot).unwrap();
        }
        let map = faults.map(seed).unwrap();
        let read = STORED ^ map.xor_mask(Place { layer, address: 0 }, word, STORED);
        assert_eq!(format!("{read:08x}"), row[7], "{row:?}");
    }
}

#[test]
fn the_page_and_the_code_agree_on_every_step_seed() {
    let rows = table(4);
    assert_eq!(rows.len(), 6);
    for row in rows {
        let run_seed = row[0].parse().unwrap();
        let ours = step_seed(run_seed, row[1].parse().unwrap(), row[2].parse().unwrap());
        assert_eq!(format!("{ours:016x}"), row[3], "{row:?}");
    }
}

#[test]
fn a_second_implementation_prints_the_pages_tables() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fault-format.py");
    let output = match Command::new("python3").arg(script).output() {
        Ok(output) => output,
        Err(e) => {
            skipped(&format!("docs/fault-format.py needs python3 ({e})"));
            return;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(PAGE.ends_with(&printed), "docs/fault-format.md does not end with\n{printed}");
}
