//! `docs/fault-format.md` against the code, and against a second implementation with integers only.
use crate::extent::skipped;
use nf_gpu::fault::{
    FORMAT_VERSION, FaultModel, Faults, FloatFormat, Lot, Memory, Pattern, Place, faulty_cells,
    polarity, step_seed, threshold,
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
    assert!(PAGE.starts_with(&format!("# Fault map format, versions {FORMAT_VERSION} and 2\n")));
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
fn the_page_and_the_code_agree_on_other_memories() {
    let rows = table(7);
    assert_eq!(rows.len(), 12);
    for row in rows {
        let memory = match row[0] {
            "floats" => Memory::Halves,
            "activations" => Memory::Activations,
            "biases" => Memory::Biases,
            other => panic!("no such memory: {other}"),
        };
        let (seed, layer): (u64, u32) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let (word, ber) = (row[3].parse().unwrap(), row[4].parse().unwrap());
        let cells = |model| {
            let faults = Faults::new(model, ber).unwrap().stored_as(FloatFormat::F16).unwrap();
            let faults = faults.in_memories("weights,biases,activations".parse().unwrap()).unwrap();
            assert_eq!(faults.format_version(), 2);
            faults.map(seed).unwrap().faulty_in(memory, Place { layer, address: 0 }, word)
        };
        let [faulty, polarity] = [5, 6].map(|i| u32::from_str_radix(row[i], 16).unwrap());
        assert_eq!(cells(FaultModel::Flip).to_1, faulty, "{row:?}");
        assert_eq!(cells(FaultModel::StuckAt).to_1, faulty & polarity, "{row:?}");
        assert_eq!(cells(FaultModel::StuckAt).to_0, faulty & !polarity, "{row:?}");
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
fn the_page_and_the_code_agree_on_patterns() {
    let effect = |effect| format!("effect = \"{effect}\"\n");
    let file = format!(
        "rows = 8\ncolumns = 64\n[[line]]\nalong = \"row\"\nrate = 0.2\nshare = 0.75\n{}\
         [[line]]\nalong = \"column\"\nrate = 0.1\nlength = 3\n{}\
         [[cluster]]\nrate = 0.02\nrows = 2\ncolumns = 3\n[[cell]]\nrate = 0.05\n{}",
        effect("stuck-together"),
        effect("flip"),
        effect("stuck-at-0")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    std::fs::write(&path, file).unwrap();
    let pattern = Pattern::load(&path).unwrap();
    let rows: Vec<_> = table(3).into_iter().filter(|row| row[1].len() > 100).collect();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let map = pattern.map(row[0].parse().unwrap());
        let words = |list: &[u32]| {
            list.iter().map(|word| format!("{word:08x}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!([words(&map.stuck_at_1), words(&map.stuck_at_0)], [row[1], row[2]], "{row:?}");
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
