//! Feeds arbitrary bytes to every parser of the library, for the fuzz targets and the property tests.
//! The first byte chooses among the parsers of a family. Any result or error is right, as long as the
//! parser returns.
use nf_gpu::{
    data::entries,
    energy::{self, OperatingPoints},
    eval::Journal,
    fault,
    files::{Weights, npy, safetensors},
    onnx::{self, ImportReport, ReadOptions, export},
    report::{
        bench_json,
        fault_record::FaultRecord,
        jsonl,
        page::{Files, Page, Source},
        pictures,
        words::bench as words,
    },
    train::{PretrainConfig, TrainConfig},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A family of parsers: its name, which is that of the fuzz target, and a function that returns
/// whether one of them accepted the bytes.
pub(crate) type Family = (&'static str, fn(&[u8]) -> bool);

/// All families.
pub(crate) const FAMILIES: [Family; 9] = [
    ("weights", weights),
    ("npy", arrays),
    ("faultmap", fault_maps),
    ("records", records),
    ("images", images),
    ("toml", settings),
    ("json", documents),
    ("archives", archives),
    ("onnx", networks),
];

/// Adapter in the sample of `state.json`.
const ADAPTER: &str = "llvmpipe";

pub(crate) fn weights(bytes: &[u8]) -> bool {
    if let Ok((tensors, _)) = safetensors::parse(bytes, "w") {
        tensors.values().for_each(|t| drop((t.to_f32(), t.to_i32())));
    }
    let Ok(mut weights) = Weights::load_bytes(bytes, "w") else { return false };
    let _ = weights.normalisation();
    let _ = weights.meta_as::<u64>("seed");
    let _ = weights.get("conv1.weight", &[2, 1, 1, 1]);
    let _ = weights.unseal();
    true
}

pub(crate) fn arrays(bytes: &[u8]) -> bool {
    npy::parse_f32(bytes, "x.npy").is_ok() | npy::parse_flags(bytes, "x.npy").is_ok()
}

pub(crate) fn fault_maps(bytes: &[u8]) -> bool {
    let Some((kind, bytes)) = bytes.split_first() else { return false };
    let name = ["x.csv", "x.npy", "x.safetensors"][usize::from(kind % 3)];
    let (_folder, path) = file(name, bytes);
    fault::load_map(&[path], None).is_ok()
}

pub(crate) fn records(bytes: &[u8]) -> bool {
    let Some((kind, bytes)) = bytes.split_first() else { return false };
    let read = match kind % 8 {
        0 => entries::idx_file(bytes, 1),
        1 => entries::idx_file(bytes, 3),
        2 => entries::records(bytes, "bin"),
        3 => entries::records(bytes, "bin.gz"),
        4 => entries::packed(bytes, "xz"),
        5 => entries::packed(bytes, "gz"),
        6 => entries::annotations(bytes),
        _ => return entries::cache(bytes).is_ok_and(|is_one| is_one),
    };
    read.is_ok()
}

pub(crate) fn images(bytes: &[u8]) -> bool {
    entries::image(bytes).is_ok() | entries::sheet(bytes).is_ok()
}

pub(crate) fn settings(bytes: &[u8]) -> bool {
    let Some((kind, bytes)) = bytes.split_first() else { return false };
    let text = String::from_utf8_lossy(bytes);
    match kind % 3 {
        0 => {
            let (_folder, path) = file("points.toml", bytes);
            OperatingPoints::load(&path).is_ok()
        }
        1 => {
            let training = toml::from_str::<TrainConfig>(&text).is_ok();
            training | toml::from_str::<PretrainConfig>(&text).is_ok()
        }
        _ => shown(&file("config.toml", bytes).0),
    }
}

pub(crate) fn documents(bytes: &[u8]) -> bool {
    let Some((kind, bytes)) = bytes.split_first() else { return false };
    match kind % 6 {
        0 => {
            let (folder, path) = file("eval.json", bytes);
            energy::read_evaluations(&path).is_ok() | shown(&folder)
        }
        1 => {
            let (_folder, path) = file("bench.json", bytes);
            let Ok(report) = bench_json::load(&path) else { return false };
            let reports = [(path.clone(), report.clone()), (path, report)];
            let compared = words::Comparison::of(&reports);
            drop((words::compared(&compared, 80), words::cases(&reports[0].1.cases, 80)));
            let out = reports[0].0.with_extension("svg");
            let _ = pictures::bench::save_comparison(&out, &compared);
            let _ = pictures::bench::save_roofline(&out, &reports[0].1);
            true
        }
        2 => {
            let (_folder, path) = file("record.json", bytes);
            FaultRecord::load(&path).is_ok()
        }
        3 => {
            let (folder, path) = file("metrics.jsonl", bytes);
            jsonl::load(path).is_ok() & shown(&folder)
        }
        4 => {
            let (_folder, path) = file("journal", bytes);
            Journal::open(path, "a").is_ok()
        }
        _ => {
            let (folder, _) = file("state.json", bytes);
            fs::write(folder.path().join("config.toml"), "").unwrap();
            let source = Source::load(folder.path()).unwrap();
            Page::new(&[source], None).html().contains(ADAPTER)
        }
    }
}

pub(crate) fn archives(bytes: &[u8]) -> bool {
    let Some((kind, bytes)) = bytes.split_first() else { return false };
    let read = match kind % 2 {
        0 => entries::zip(bytes),
        _ => entries::package(bytes),
    };
    read.is_ok()
}

pub(crate) fn networks(bytes: &[u8]) -> bool {
    // Data beside the file are looked for in a folder that is not there.
    let path = Path::new("no-folder/net.onnx");
    [None, Some([3, 8, 8])].iter().any(|&input_shape| {
        let options = ReadOptions { input_shape, normalisation: None };
        onnx::parse(bytes.to_vec(), path, &options).is_ok_and(|imported| {
            drop((ImportReport::of(&imported).lines(), export::unprotected(&imported)));
            true
        })
    })
}

/// Whether a folder is a run whose page can be made.
fn shown(folder: &TempDir) -> bool {
    let source = Source::load(folder.path());
    let sources = source.map(|source| [source]);
    let shown = sources.map(|sources| {
        let page = Page::new(&sources, None);
        for files in [Files::Svg, Files::Csv] {
            let all = page.files(folder.path(), files);
            assert!(!all.is_empty() || matches!(files, Files::Svg));
        }
        page.html()
    });
    shown.is_ok()
}

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}
