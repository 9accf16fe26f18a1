//! A small valid file of every type that the program reads.
use flate2::{Compression, write::GzEncoder};
use image::{ExtendedColorType, ImageEncoder, codecs};
use lzma_rust2::{XzOptions, XzWriter};
use nf_gpu::{
    data::entries,
    files::{Packed, PackedLayer, Weights, npy, safetensors},
    report::{Evaluated, Event, Step, jsonl::Line},
};
use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A valid file, in the form that its family's function takes.
pub(crate) struct Sample {
    /// Name of the sample.
    pub(crate) name: &'static str,
    /// Family of `parsers` that reads it.
    pub(crate) family: &'static str,
    /// Contents, behind the byte that chooses the parser if the family has several.
    pub(crate) bytes: Vec<u8>,
}

pub(crate) const CSV: &str = "0,0,0,0,0,0,0,1\n0,0,1,0,0,0,0,0\n0,0,0,0,0,0,0,0\n1,0,0,0,0,0,0,0\n";
const LIST: &str = "# rows: 4, columns: 16\nrow,column,value\n1,9,1\n0x3,2,sa0\n";
pub(crate) const POINTS: &str = "source = \"mine\"\n[[point]]\nvoltage = 0.8\nber = 0\n\
    energy_per_access = 10\n[[point]]\nvoltage = 0.6\nber = 0.01\nenergy_per_access = 5\n";
const CONFIG: &str =
    "base = \"b.safetensors\"\ngenerator = \"ConvS\"\nber = 0.01\nseeds = [1, 2]\n";
const JOURNAL: &str = "a\n{\"name\":\"x\",\"answers\":[[1,2],[3,4]],\"flips\":[]}\n";
const SIGNS: &str = "Filename;Width;ClassId\r\n1.ppm;2;42\r\n0.ppm;2;0\r\n";

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(crate) fn tgz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    gz(&tar.into_inner().unwrap())
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let rgb: Vec<u8> = (0..3 * width * height).map(|i| i as u8).collect();
    let encoder = codecs::png::PngEncoder::new(&mut out);
    encoder.write_image(&rgb, width, height, ExtendedColorType::Rgb8).unwrap();
    out
}

pub(crate) fn jpeg() -> Vec<u8> {
    include_bytes!("../../data/small.jpg").to_vec()
}

pub(crate) fn ppm() -> Vec<u8> {
    [b"P6\n9 7\n255\n".to_vec(), (0..9 * 7 * 3).collect()].concat()
}

/// What `write` puts into a file.
fn written(write: impl FnOnce(&std::path::Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write(&path);
    fs::read(path).unwrap()
}

fn weights() -> Vec<u8> {
    let mut weights = Weights::default();
    weights.insert("conv1.weight", &[2, 1, 1, 1], vec![0.5, -0.25]);
    weights.insert("bn1.bias", &[2], vec![0.0, 1e-8]);
    for (key, value) in [("model", "resnet20"), ("seed", "7"), ("input", "[-1,1]")] {
        weights.metadata.insert(key.into(), value.into());
    }
    written(|path| weights.save(path).unwrap())
}

/// A file of stored words.
fn packed() -> Vec<u8> {
    let mut weights = Weights::default();
    let (name, words) = ("conv1.weight", vec![127, -1, 0, -64, 5, 6, -7, 8]);
    weights.insert(name, &[2, 1, 2, 2], vec![0.0; 8]);
    weights.insert("bn1.bias", &[2], vec![0.0, 1e-8]);
    let layers = [(name.to_owned(), PackedLayer { words, scale: 0.25 })].into();
    written(|path| weights.save_packed(path, &Packed { bits: 8, layers }).unwrap())
}

pub(crate) fn fault_map() -> Vec<u8> {
    let raw = |bytes: [u8; 4]| safetensors::Raw::u8(&[2, 2], &bytes);
    let tensors = [("stuck_at_1", raw([4, 0, 0, 1])), ("stuck_at_0", raw([0, 8, 0, 0]))];
    let tensors: BTreeMap<_, _> = tensors.map(|(name, t)| (name.to_owned(), t)).into();
    written(|path| safetensors::save(path, &tensors, &BTreeMap::new()).unwrap())
}

pub(crate) fn array() -> Vec<u8> {
    written(|path| npy::save_f32(path, &[4, 8], &[[0.0, 1.0]; 16].concat()).unwrap())
}

pub(crate) fn evaluations() -> Vec<u8> {
    serde_json::to_vec(&crate::runs::report::made::full("UNetS")).unwrap()
}

pub(crate) fn bench() -> Vec<u8> {
    include_bytes!("../../cli/bench-without-version.json").to_vec()
}

fn metrics() -> Vec<u8> {
    let step = Step { step: 1, steps: 2, loss_perturbed: Some(1.5), ..Step::default() };
    let evaluated = Evaluated { step: 2, split: "held-out".into(), ..Evaluated::default() };
    [Event::Step(step), Event::Evaluated(evaluated)]
        .iter()
        .flat_map(|event| {
            let line = Line::new(1.5, event).unwrap();
            [serde_json::to_vec(&line.object).unwrap(), b"\n".to_vec()].concat()
        })
        .collect()
}

pub(crate) fn idx(dims: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    bytes.resize(bytes.len() + dims.iter().product::<u32>() as usize, 3);
    bytes
}

/// A network that PyTorch or `onnx` wrote.
macro_rules! onnx {
    ($name:literal) => {
        include_bytes!(concat!("../../fixtures/onnx/", $name, ".onnx")).to_vec()
    };
}

/// A sample of each type.
pub(crate) fn all() -> Vec<Sample> {
    let records = [[7; 3073], [2; 3073]].concat();
    let sheet = png(1024, 1);
    let kinds: Vec<(&'static str, &'static str, Option<u8>, Vec<u8>)> = vec![
        ("safetensors", "weights", None, weights()),
        ("safetensors packed", "weights", None, packed()),
        ("npy", "npy", None, array()),
        ("fault map csv", "faultmap", Some(0), CSV.into()),
        ("fault map list", "faultmap", Some(0), LIST.into()),
        ("fault map npy", "faultmap", Some(1), array()),
        ("fault map safetensors", "faultmap", Some(2), fault_map()),
        ("idx labels", "records", Some(0), idx(&[5])),
        ("idx images", "records", Some(1), idx(&[2, 3, 4])),
        ("CIFAR records", "records", Some(2), records.clone()),
        ("CIFAR records gz", "records", Some(3), gz(&records)),
        ("xz", "records", Some(4), xz(&records)),
        ("gz", "records", Some(5), gz(&records)),
        ("GTSRB csv", "records", Some(6), SIGNS.into()),
        ("image cache", "records", Some(7), entries::cache_sample().unwrap()),
        ("png", "images", None, png(9, 7)),
        ("png sheet", "images", None, sheet),
        ("jpeg", "images", None, jpeg()),
        ("ppm", "images", None, ppm()),
        ("pbm", "images", None, b"P4\n9 3\n\x55\x80\xaa\0\x11\x80".to_vec()),
        ("pbm plain", "images", None, b"P1\n# a\n3 3\n101 0 1 0 111\n".to_vec()),
        ("pgm plain", "images", None, b"P2\n3 2\n31\n1 2 3 29 30 31\n".to_vec()),
        (
            "pam",
            "images",
            None,
            b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nENDHDR\n12345678".to_vec(),
        ),
        ("pgm wide", "images", None, b"P5 2 2 999 \0\x01\x01\xff\x02\0\x03\xe7".to_vec()),
        ("operating points", "toml", Some(0), POINTS.into()),
        ("config.toml", "toml", Some(2), CONFIG.into()),
        ("eval.json", "json", Some(0), evaluations()),
        ("bench report", "json", Some(1), bench()),
        ("metrics.jsonl", "json", Some(3), metrics()),
        ("journal", "json", Some(4), JOURNAL.into()),
        ("state.json", "json", Some(5), b"{\"step\":1,\"adapter\":\"llvmpipe\"}".to_vec()),
        ("zip", "archives", Some(0), zip(&[("a/b.csv", SIGNS.as_bytes()), ("a/c", b"abc")])),
        ("gates", "onnx", None, onnx!("gates")),
        ("layout", "onnx", None, onnx!("layout")),
        ("pool", "onnx", None, onnx!("pool-same")),
        ("tgz", "archives", Some(1), tgz(&[("package/a.json", b"[1, 2]"), ("package/b", b"c")])),
    ];
    kinds
        .into_iter()
        .map(|(name, family, kind, bytes)| {
            let bytes = kind.into_iter().chain(bytes).collect();
            Sample { name, family, bytes }
        })
        .collect()
}
