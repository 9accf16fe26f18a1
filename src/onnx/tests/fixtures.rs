//! Small networks (`scripts/onnx_fixtures.py`), each with an image and what onnxruntime computes of it.

use super::{super::*, evaluate::evaluate};
use crate::onnx::{model::OnnxModel, value::decode};
use std::{fs, path::PathBuf};

/// The files, by name.
pub(super) fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/fixtures/onnx");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| is_onnx(path));
    files.sort();
    files
}

fn options(name: &str) -> ReadOptions {
    let input_shape = (name == "mobile").then_some([4, 6, 5]);
    ReadOptions { input_shape, normalisation: None }
}

fn named(name: &str) -> Imported {
    let path = files().into_iter().find(|path| path.ends_with(format!("{name}.onnx"))).unwrap();
    load(&path, &options(name)).unwrap()
}

#[test]
fn networks_compute_what_onnxruntime_does() {
    // A file without an image and its result is another test's.
    let model = |path: PathBuf| (OnnxModel::read(&path).unwrap(), path);
    let answered =
        |(model, _): &(OnnxModel, PathBuf)| model.graph.initialisers.iter().any(|t| t.name == "#y");
    let files: Vec<_> = files().into_iter().map(model).filter(answered).collect();
    assert!(files.len() >= 21, "{} files", files.len());
    for (model, path) in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let stored = |name: &str| {
            let tensor = model.graph.initialisers.iter().find(|t| t.name == name).unwrap();
            decode(&model, tensor, Path::new("")).unwrap().floats().into_owned()
        };
        let (x, y) = (stored("#x"), stored("#y"));
        let imported = load(&path, &options(&name)).unwrap_or_else(|error| {
            panic!("{error}\n{:?}", error.hint());
        });
        let [c, h, w] = imported.graph.nodes[0].chw.map(|n| n as usize);
        let image = match imported.layout {
            AxisOrder::Hwc => (0..x.len()).map(|i| x[i % (h * w) * c + i / (h * w)]).collect(),
            _ => x,
        };
        let got = evaluate(&imported.graph, &imported.weights, &image);
        assert_eq!(got.len(), y.len(), "{name}");
        for (got, want) in got.iter().zip(&y) {
            let distance = (got - f64::from(*want)).abs();
            assert!(distance <= 1e-5 * (1.0 + got.abs()), "{name}: {got}, not {want}");
        }
    }
}

#[test]
fn the_last_windows_of_ceil_mode_are_those_of_pytorch() {
    use super::write::{Attr, Draft};
    use crate::kernels::pool::window::Divisor;
    // Kernel, stride and padding over 4x4 pixels; windows along an axis, and zeros that they meet behind the image.
    for (kernel, stride, pad, windows, after) in [(2, 3, 0, 2, 1), (3, 2, 1, 3, 2), (3, 5, 1, 1, 0)]
    {
        let attributes = [
            ("kernel_shape", Attr::Ints(vec![kernel; 2])),
            ("strides", Attr::Ints(vec![stride; 2])),
            ("pads", Attr::Ints(vec![pad; 4])),
            ("ceil_mode", Attr::Int(1)),
            ("count_include_pad", Attr::Int(1)),
        ];
        let draft = Draft::new(13, &[1, 2, 4, 4])
            .floats("w", &[2, 2, 1, 1])
            .node("Conv", &["x", "w"], "c")
            .node_with("AveragePool", &["c"], "o", &attributes)
            .head("o", i64::from(2 * windows * windows));
        let read = draft.read().unwrap();
        let pool = read.graph.nodes.iter().find(|node| matches!(node.op, Op::AvgPool(..))).unwrap();
        let Op::AvgPool(window, divisor) = pool.op else { unreachable!() };
        assert_eq!((pool.chw, window.after), ([2, windows, windows], [after; 2]), "{kernel}");
        assert_eq!(divisor, Divisor::Padded([pad as u32; 2]), "{kernel}");
    }
}

#[test]
fn what_was_left_out_and_where_weights_are_is_said() {
    let last = named("channels-last");
    assert_eq!((last.layout, last.opset, last.batch), (AxisOrder::Hwc, 9, 1));
    assert_eq!((last.output.as_str(), last.scores.as_str()), ("y", "z"));
    assert_eq!(last.stripped, ["Softmax y"]);
    // Sub and Div in front of the Transpose, and Add behind it, are one number per channel; the two transposes undo
    // each other, and only the fully connected layer wants the pixels in their order.
    let ops = |imported: &Imported| {
        let name =
            |op: &Op| format!("{op:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
        imported.graph.nodes.iter().map(|node| name(&node.op)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ops(&last), "Input Affine Affine Conv Affine Pointwise Rearrange Linear");
    assert_eq!(last.graph.layer_names().collect::<Vec<_>>(), ["w", "m"]);
    let bias = last.graph.layers[1].bias.unwrap();
    assert_eq!(last.graph.params[bias].name, "mb");

    let mobile = named("mobile");
    assert!(ops(&mobile).contains("BatchNorm Pointwise AvgPool"), "{}", ops(&mobile));
    let types = named("types");
    let stored: Vec<&str> = types.layers.iter().map(|layer| layer.stored.as_str()).collect();
    assert_eq!(stored, ["w16", "q", "f"]);
    // A transposed matrix is taken as it is stored, and dequantised words are those of the file.
    assert_eq!(types.notes, [""; 0]);
    assert_eq!(types.weights.words.keys().collect::<Vec<_>>(), ["q"]);
    assert_eq!(types.weights.tensors["f"].shape, [4, 3]);
}

#[test]
fn places_are_those_of_the_bytes() {
    let path = files().into_iter().find(|path| path.ends_with("depthwise.onnx")).unwrap();
    let bytes = fs::read(&path).unwrap();
    let imported = load(&path, &ReadOptions::default()).unwrap();
    let w = &imported.anatomy.tensors["w"];
    let raw = &bytes[w.raw.clone().unwrap()];
    let floats: Vec<f32> = raw.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    assert_eq!(floats, imported.weights.tensors["w"].data);
    assert_eq!((w.element_type, &w.shape[..]), (1, &[8, 1, 3, 3][..]));
    assert!(bytes[imported.anatomy.nodes[0].clone()].windows(4).any(|word| word == b"Conv"));
    assert_eq!(imported.anatomy.inputs[0].0, "x");
    assert_eq!(bytes[imported.anatomy.outputs[0].1.start], 12 << 3 | 2);
}

#[test]
fn images_are_normalised_per_channel() {
    let path = files().into_iter().find(|path| path.ends_with("uneven.onnx")).unwrap();
    let with = |mean: &[f32], std: &[f32]| {
        let normalisation = Some((mean.to_vec(), std.to_vec()));
        load(&path, &ReadOptions { normalisation, ..ReadOptions::default() })
    };
    let imported = with(&[0.5, 0.4, 0.3, 0.2], &[0.5, 0.25, 0.125, 1.0]).unwrap();
    let Op::Affine { scale, shift } = &imported.graph.nodes[1].op else { panic!() };
    assert_eq!(scale, &[1.0, 2.0, 4.0, 0.5]);
    let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
    assert!(near(shift[0], 0.0) && near(shift[1], 0.4) && near(shift[3], 0.3), "{shift:?}");
    let error = with(&[0.5; 3], &[0.5; 3]).unwrap_err();
    assert!(error.to_string().contains("takes 4 channels"), "{error}");
    assert!(with(&[127.0; 4], &[64.0; 4]).unwrap_err().hint().unwrap().contains("divided by 255"));
}

#[test]
fn a_report_says_where_faults_can_hit() {
    let report = ImportReport::of(&named("mobile"));
    assert_eq!(
        report.lines(),
        [
            "input x: images of 4x6x5",
            "output y: 3 classes",
            "operator set 11, written by nf-gpu",
            "  w  4x2x3x3          72 words  Conv, 2 groups",
            "  e  4x4x1x1          16 words  Conv",
            "  f  4x3              12 words  MatMul",
            "3 layers with 100 stored words that faults can hit; 116 parameters; 2188 multiply-adds per image",
            "left out: Softmax y",
        ]
    );
    let document = serde_json::to_value(&report).unwrap();
    assert_eq!(document["layers"][0]["shape"], serde_json::json!([4, 2, 3, 3]));
    assert_eq!(document["image"], serde_json::json!([4, 6, 5]));
    let lines = ImportReport::of(&named("channels-last")).lines();
    assert_eq!(lines[0], "input x: images of 3x6x8, stored [N, 6, 8, 3]");
}

#[test]
fn weights_beside_the_file_are_read() {
    use super::write::{Draft, bytes, int};
    let folder = tempfile::tempdir().unwrap();
    let weights: Vec<u8> = (0..96u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    fs::write(folder.path().join("net.bin"), &weights).unwrap();
    let with = |location: &str| {
        let entry = |key: &str, value: &str| {
            bytes(13, &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat())
        };
        let place = [entry("location", location), entry("length", "384"), int(14, 1)].concat();
        let tensor = [int(1, 3), int(1, 32), int(2, 1), bytes(8, b"w"), place].concat();
        let draft = Draft::new(13, &[1, 2, 4, 4]).field(5, &tensor).node("Flatten", &["x"], "f");
        let draft =
            draft.node_with("Gemm", &["f", "w"], "y", &[("transB", super::write::Attr::Int(1))]);
        parse(draft.file(), &folder.path().join("net.onnx"), &ReadOptions::default())
    };
    let imported = with("net.bin").unwrap();
    assert_eq!(imported.weights.tensors["w"].data[95], 95.0);
    assert!(imported.notes[0].contains("SHA-256 does not cover"), "{:?}", imported.notes);
    assert_eq!(imported.anatomy.tensors["w"].raw, None);
    let error = with("../net.bin").unwrap_err();
    assert!(error.to_string().contains("outside of the file's folder"), "{error}");
}
