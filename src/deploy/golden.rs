//! Inputs and outputs of a generator as NumPy's arrays, for tests of firmware.

use super::{
    Arithmetic, DeviceNetwork, Difference, Quantised, c::tolerance, check_numbers,
    folder::DeviceFiles, protect_all,
};
use crate::{
    error::{Error, Result},
    files::{npy, sha256_of},
};
use serde_json::{Value, json};

/// Version of the document.
const VERSION: u32 = 1;

/// What the arrays are of.
#[derive(Clone, Copy, Debug)]
pub struct Golden<'a> {
    /// The generator.
    pub network: &'a DeviceNetwork,
    /// `[N, C, H, W]` in [-1, 1].
    pub images: &'a [f32],
    /// Where the images come from, in words.
    pub source: &'a str,
    /// Its grids, for the outputs of the int8 form.
    pub quantised: Option<&'a Quantised<'a>>,
    /// What a classifier makes of the images.
    pub logits: Option<&'a GoldenLogits>,
    /// The generator's file and its SHA-256.
    pub generator: (&'a str, &'a str),
    /// Commit of the program.
    pub commit: &'a str,
}

/// What a classifier with clean weights makes of images.
#[derive(Clone, Debug)]
pub struct GoldenLogits {
    /// Name of the classifier.
    pub model: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Bits of its stored weights.
    pub precision: u32,
    /// Mean and standard deviation per channel, of values from 0 to 1, that its file expects of the input; `None` if it
    /// takes images in [-1, 1].
    pub normalisation: Option<(Vec<f32>, Vec<f32>)>,
    /// Number of classes K.
    pub classes: u32,
    /// `[N, K]`, of the images as they are.
    pub before: Vec<f32>,
    /// `[N, K]`, of the images that the generator has changed.
    pub after: Vec<f32>,
    /// Line about the adapter that computed them.
    pub adapter: String,
}

/// The files of a folder: `input.npy`, `output.npy`, with grids `output_int8.npy`, with a classifier `logits_before.npy` and
/// `logits_after.npy`, and `golden.json`, which says what they are.
///
/// # Errors
/// An array that does not fill its shape; an output that is not a number.
pub fn files(golden: &Golden<'_>) -> Result<DeviceFiles> {
    let Golden { network, images, quantised, logits, .. } = *golden;
    let [c, h, w] = network.chw.map(|extent| extent as usize);
    let n = images.len() / network.len_of(0);
    let output = protect_all(network, Arithmetic::Double, images);
    check_numbers(network, &output)?;
    let single = Difference::of(&output, &protect_all(network, Arithmetic::Single, images));
    let mut folder = Folder::default();
    let shape = [n, c, h, w];
    let image = "images in [-1, 1], [N, C, H, W]";
    folder.add("input.npy", &shape, images, json!({"what": image, "from": golden.source}))?;
    let about = json!({
        "what": "clamp(x + G(x), -1, 1)",
        "computed": "on the host in float64, from the stored int8 words on, rounded once",
        "tolerance": tolerance(single),
        "measured": {"largest": single.largest, "mean": single.mean,
                     "of": "a float32 computation in the order of the C source"},
    });
    folder.add("output.npy", &shape, &output, about)?;
    if let Some(by) = quantised {
        let rounded = protect_all(network, Arithmetic::Quantised(by), images);
        let cost = Difference::of(&output, &rounded);
        // One step of the last grid that is rounded to, which reaches G(x) through nothing steeper than a tanh.
        let step = by.grids.iter().rev().find_map(|grid| *grid).map_or(0.0, |grid| grid.scale);
        let about = json!({
            "what": "the same with int8 activations, as in the quantised ONNX file",
            "computed": "on the host in float64 between the grids",
            "tolerance": step,
            "step": step,
            "calibrated_on": by.images,
            "from_output": {"largest": cost.largest, "mean": cost.mean},
        });
        folder.add("output_int8.npy", &shape, &rounded, about)?;
    }
    if let Some(logits) = logits {
        let shape = [n, logits.classes as usize];
        for (name, of, values) in [
            ("logits_before.npy", "input.npy", &logits.before),
            ("logits_after.npy", "output.npy", &logits.after),
        ] {
            // A sum of products in another order differs in proportion to what is summed.
            let size = values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let about = json!({
                "what": format!("logits of {of}, clean weights, [N, K]"),
                "computed": format!("in float32 on {}", logits.adapter),
                "tolerance": 1e-4 * f64::from(size.max(1.0)),
            });
            folder.add(name, &shape, values, about)?;
        }
    }
    let (file, sha256) = golden.generator;
    let document = json!({
        "version": VERSION,
        "commit": golden.commit,
        "generator": {"name": network.name, "file": file, "file_sha256": sha256},
        "base": logits.map(|logits| json!({
            "model": logits.model, "file_sha256": logits.sha256, "precision": logits.precision,
            // What must be done to the images before they enter it, or a protected network of it.
            "input": logits.normalisation.as_ref().map_or_else(
                || json!({"takes": "x"}),
                |(mean, std)| json!({"takes": "((x + 1) / 2 - mean) / std", "mean": mean, "std": std}),
            ),
        })),
        "arrays": folder.about,
    });
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| Error::Shape(format!("golden.json: {error}")))?;
    let mut files = folder.files;
    files.push(("golden.json".into(), (text + "\n").into_bytes()));
    Ok(files)
}

/// The arrays of a folder, and what is said of each.
#[derive(Default)]
struct Folder {
    files: DeviceFiles,
    about: serde_json::Map<String, Value>,
}

impl Folder {
    fn add(&mut self, name: &str, shape: &[usize], values: &[f32], about: Value) -> Result<()> {
        let bytes = npy::bytes_f32(shape, values)?;
        let range = values
            .iter()
            .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &v| [low.min(v), high.max(v)]);
        let mut about = about;
        about["dtype"] = json!("float32");
        about["shape"] = json!(shape);
        about["range"] = json!(range);
        about["sha256"] = json!(sha256_of(&bytes));
        self.about.insert(name.into(), about);
        self.files.push((name.into(), bytes));
        Ok(())
    }
}
