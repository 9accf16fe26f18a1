//! Real exporters' files, beside what onnxruntime computed of them (`scripts/onnx_zoo.py`).

use super::{super::*, evaluate::evaluate};
use crate::files::npy;
use std::{fs, path::PathBuf};

/// `NF_ONNX_ZOO` is the folder of the script: for each network, `NAME.onnx`, `NAME.x.npy` (one image as the
/// file takes it) and `NAME.y.npy`.
#[test]
#[ignore = "needs a folder that scripts/onnx_zoo.py makes with PyTorch"]
fn networks_of_exporters_compute_what_onnxruntime_does() {
    let folder = PathBuf::from(std::env::var_os("NF_ONNX_ZOO").unwrap());
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| is_onnx(path) && path.with_extension("y.npy").exists());
    files.sort();
    let (mut wrong, mut lines) = (Vec::new(), Vec::new());
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let x = npy::load_f32(path.with_extension("x.npy")).unwrap();
        let y = npy::load_f32(path.with_extension("y.npy")).unwrap();
        let imported = match load(&path, &ReadOptions { input_shape: None, normalisation: None }) {
            Ok(imported) => imported,
            Err(error) => {
                wrong.push(format!("{name}: {error} / {:?}", error.hint()));
                continue;
            }
        };
        let [c, h, w] = imported.graph.nodes[0].chw.map(|n| n as usize);
        let (x, y) = (x.data, y.data);
        let image: Vec<f32> = match imported.layout {
            Layout::Hwc => (0..x.len()).map(|i| x[i % (h * w) * c + i / (h * w)]).collect(),
            _ => x,
        };
        let got = evaluate(&imported.graph, &imported.weights, &image);
        let norm = y.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let distance =
            got.iter().zip(&y).map(|(a, &b)| (a - f64::from(b)).powi(2)).sum::<f64>().sqrt();
        let line = format!(
            "{name}: {:.1e} of {norm:.2e}, {} nodes, {} moved, {:?}",
            distance / norm,
            imported.graph.nodes.len(),
            imported.graph.nodes.iter().filter(|n| matches!(n.op, Op::Rearrange { .. })).count(),
            imported.notes
        );
        if got.len() != y.len() || !(distance <= 1e-4 * norm) {
            wrong.push(line.clone());
        }
        lines.push(line);
    }
    lines.extend(wrong.iter().map(|line| format!("WRONG {line}")));
    fs::write(folder.join("report.txt"), lines.join("\n")).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
