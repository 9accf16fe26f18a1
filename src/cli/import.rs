//! `nf-gpu import`: checks weights from elsewhere against a network, and writes them as our file; says what is
//! understood of an ONNX file.

mod onnx;

use super::{places::Places, terminal};
use crate::{
    data,
    error::{Error, Result},
    fault::{bit_grid, check_bits},
    files::{FORMAT, Weights, safetensors, sha256},
    models::{self, GENERATOR_BITS},
    nn::{Adopted, Graph, Packing, Rename, Selection, Stored},
    train::BaseHints,
    words,
};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `nf-gpu import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// A safetensors file with the names of a PyTorch `state_dict`, or an ONNX file
    file: PathBuf,
    /// Name of the network, base or generator (not for an ONNX file)
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The file to write; an ONNX file is only read, and taken as it is where a base is
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Channels, rows and columns of images, where an ONNX file leaves them open
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    input_shape: Option<Vec<u32>>,
    /// Data set that the network was trained on, by name or as a folder of images: its classes are those
    /// of a base's outputs, in this order
    #[arg(long, value_name = "NAME|DIR")]
    dataset: Option<String>,
    /// Bits per stored weight that it was trained for, 2 to 8 (default: the file's, else those of the
    /// grid that all weights lie on, else 8); given, weights on any grid are taken as they are
    #[arg(long, value_name = "BITS")]
    precision: Option<u32>,
    /// Mean of a base's input per channel, of values from 0 to 1 (default: the file's, else input
    /// in [-1, 1])
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    input_mean: Option<Vec<f32>>,
    /// Standard deviation of a base's input per channel
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    input_std: Option<Vec<f32>>,
    /// Where the network's names begin in the file, such as `student`; what does not begin so is left
    /// out
    #[arg(long, value_name = "P")]
    prefix: Option<String>,
    /// Names of the file to leave out: `*` is any run of characters, `?` any one (repeatable)
    #[arg(long, value_name = "GLOB")]
    drop: Vec<String>,
    /// Call the whole parts A of names, as they stand between dots, B: `fc=linear` (repeatable; all at
    /// once, behind --prefix)
    #[arg(long, value_name = "A=B")]
    rename: Vec<String>,
    /// Store the weights of convolutions and linear layers as the words of --precision, int8 each with a scale
    /// per layer: a file of a quarter of the bytes, for every command and for PyTorch
    #[arg(long)]
    packed: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Images for which a generator is built. Most generators have the same tensors for all rows and columns.
const IMAGES: [u32; 3] = [3, 32, 32];

/// What was imported.
struct ImportOutcome {
    /// The line about it.
    line: String,
    document: Value,
    notes: Vec<String>,
}

/// Imports weights, and prints what became of them.
pub fn run(args: &ImportArgs) -> Result<()> {
    if crate::onnx::is_onnx(&args.file) {
        return onnx::run(args);
    }
    let ImportOutcome { line, document, notes } = import(args)?;
    if !args.quiet {
        notes.iter().for_each(|note| terminal::say(note));
    }
    if args.json { terminal::print_json(&document) } else { terminal::print(&line) }
}

/// Imports weights for a caller: the document of `--json`.
pub(super) fn call(args: &ImportArgs) -> Result<Value> {
    if crate::onnx::is_onnx(&args.file) {
        let what = "an ONNX file is taken as it is";
        return Err(Error::argument("FILE", what, "give it as the base"));
    }
    Ok(import(args)?.document)
}

/// Imports weights.
fn import(args: &ImportArgs) -> Result<ImportOutcome> {
    let missing = |flag, what, hint: String| Error::argument(flag, what, hint);
    let known = || {
        let names = models::base_names().join(", ");
        format!("name it: {names}; any other comes as an ONNX file, as torch.onnx.export writes it")
    };
    let model = args.model.as_deref();
    let model =
        model.ok_or_else(|| missing("--model", "which network it is, is not said", known()))?;
    let model = models::known(model)?;
    let out = args.out.as_ref();
    let out = out.ok_or_else(|| missing("--out", "there is no file to write", "name it".into()))?;
    if args.input_shape.is_some() {
        let what = "only an ONNX file may leave the shape of images open";
        return Err(missing("--input-shape", what, "leave it out".into()));
    }
    let data = args.dataset.iter().filter(|dataset| data::is_yours(dataset));
    Places::default()
        .reads("FILE", [&args.file])
        .reads("--dataset", data.flat_map(|dataset| data::places(dataset, Path::new(""))))
        .writes("--out", [out])
        .check()?;
    args.precision.map(check_bits).transpose()?;
    let contents = safetensors::load(&args.file)?;
    let generator = models::is_generator(model);
    let normalised = args.input_mean.is_some() || args.input_std.is_some();
    if generator && normalised {
        let hint = "leave it out; it is for base networks";
        return Err(Error::argument("--input-mean", "a generator takes images in [-1, 1]", hint));
    }
    let selection = Selection {
        drop: args.drop.clone(),
        prefix: args.prefix.clone(),
        rename: args.rename.iter().map(|text| text.parse()).collect::<Result<Vec<Rename>>>()?,
    };
    // One class suffices here, because the names of tensors do not depend on the number of classes.
    let graph =
        if generator { models::generator(model, IMAGES)? } else { models::base(model, 1, None)? };
    let Adopted { weights, prefix, mut notes } = graph.find(contents, &args.file, &selection)?;
    let (input_mean, input_std) = (args.input_mean.clone(), args.input_std.clone());
    let hints = BaseHints { input_mean, input_std, ..BaseHints::default() };
    let input = hints.normalisation(&weights)?;
    let graph = if generator {
        models::generator(model, models::generator_input(model, &weights, [IMAGES[1], IMAGES[2]])?)?
    } else {
        models::base(model, classes(&graph, &weights), None)?
    };
    let mut weights = graph.adopt(weights)?;
    let precision = precision(args, &graph, &weights, generator, &mut notes)?;
    if let Some(dataset) = args.dataset.as_ref().filter(|_| !generator) {
        let outputs = classes(&graph, &weights);
        name_classes(dataset, &mut weights, outputs, &mut notes)?;
    }
    for (key, value) in [
        ("format", Some(FORMAT.to_owned())),
        ("model", Some(model.to_owned())),
        ("dataset", args.dataset.clone()),
        ("precision", Some(precision.to_string())),
        ("imported_from", args.file.file_name().map(|name| name.to_string_lossy().into_owned())),
        ("imported_by", Some(env!("NF_COMMIT").to_owned())),
    ] {
        if let Some(value) = value {
            weights.metadata.insert(key.into(), value);
        }
    }
    weights.set_normalisation(input);
    let packing = args.packed.then(|| pack(args, &graph, &weights, precision)).transpose()?;
    match &packing {
        Some(packing) => weights.save_packed(out, &packing.packed)?,
        None => weights.save(out)?,
    }
    notes.extend(packing.as_ref().map(|packing| packing.line(graph.layers.len())));
    let (tensors, numbers) = (graph.params.len(), graph.parameter_count());
    let line = format!("{}: {model}, {tensors} tensors, {numbers} parameters\n", out.display());
    let document = json!({
        "version": 1,
        "commit": env!("NF_COMMIT"),
        "file": words::path(out),
        "file_sha256": sha256(out)?,
        "model": model,
        "classes": if generator { None } else { Some(classes(&graph, &weights)) },
        "tensors": tensors,
        "parameters": numbers,
        "faultable_weights": graph.faultable_weights(),
        "metadata": weights.metadata,
        "packed": packing.map(|packing| json!({
            "bits": packing.packed.bits,
            "layers": packing.packed.layers.len(),
            "largest_change": packing.largest.map(|change| json!({
                "tensor": change.name, "from": change.from, "to": change.to, "steps": change.steps,
            })),
        })),
        "dropped_prefix": prefix,
        "notes": notes,
    });
    Ok(ImportOutcome { line, document, notes })
}

/// Records the names of the classes of a base's outputs, from the data set that it was trained on; they
/// replace those that its file gave.
fn name_classes(
    dataset: &str,
    weights: &mut Weights,
    outputs: u32,
    notes: &mut Vec<String>,
) -> Result<()> {
    let names = data::class_names(dataset)?;
    if names.len() != outputs as usize {
        let what =
            format!("{dataset} has {} classes; the network tells {outputs} apart", names.len());
        let hint = "name the data set that it was trained on, or leave out --dataset";
        return Err(Error::argument("--dataset", what, hint));
    }
    if data::is_folder(dataset) && data::are_by_number(&names) {
        notes.push(format!(
            "the classes of {dataset} are taken by number ({}, ...), not in the order of PyTorch's ImageFolder",
            names[..names.len().min(3)].join(", ")
        ));
    }
    weights.set_class_names(&names);
    Ok(())
}

/// Decides the bits per stored weight, and notes what the user should know about them.
fn precision(
    args: &ImportArgs,
    graph: &Graph,
    weights: &Weights,
    generator: bool,
    notes: &mut Vec<String>,
) -> Result<u32> {
    let stored = graph.stored(weights);
    let said =
        args.precision.map_or_else(|| weights.meta_as("precision"), |bits| Ok(Some(bits)))?;
    let said = said.map(check_bits).transpose()?;
    let again = |bits: u32| format!("{bits} bits quantise them again");
    match &stored {
        // An explicit --precision overrules the check.
        Stored::Unusable(what, _) if args.precision.is_some() => notes.push(what.clone()),
        Stored::Unusable(..) => stored.check(&args.file)?,
        Stored::Words { bits } if said.is_some_and(|said| said != *bits) => notes.push(format!(
            "its weights lie on {}; {}",
            bit_grid(*bits),
            again(said.unwrap_or(8))
        )),
        Stored::Words { bits } if !generator && said.is_none() => {
            notes
                .push(format!("its weights lie on {}: precision {bits} is taken", bit_grid(*bits)));
            return Ok(*bits);
        }
        Stored::Otherwise(_) | Stored::Floats if args.packed && !generator && said.is_none() => {
            let what =
                "the weights do not lie on the grid of any bits, and nobody says how many to take";
            let hint = "--precision 8 quantises them to 8 bits and says how much that changes them";
            return Err(Error::argument("--packed", what, hint));
        }
        Stored::Otherwise(what) => notes.push(format!("{what}; {}", again(said.unwrap_or(8)))),
        Stored::Floats if !generator && said.is_none() => notes.push(
            "it does not say its precision: 8 bits per weight are taken; --precision for another"
                .into(),
        ),
        _ => {}
    }
    Ok(said.unwrap_or(8))
}

/// The weights as stored words: of `precision` bits for a base, and always of the bits that a generator
/// computes with.
fn pack(args: &ImportArgs, graph: &Graph, weights: &Weights, precision: u32) -> Result<Packing> {
    if !models::is_generator(&graph.name) {
        return graph.pack(weights, precision);
    }
    if args.precision.is_some_and(|bits| bits != GENERATOR_BITS) {
        let what = format!("a generator computes with words of {GENERATOR_BITS} bits");
        return Err(Error::argument("--precision", what, "leave it out beside --packed"));
    }
    graph.pack(weights, GENERATOR_BITS)
}

/// Number of classes: the rows of the last layer's weights. Where these are missing it is ten, and a later
/// check reports the error.
fn classes(graph: &Graph, weights: &Weights) -> u32 {
    let last = graph.layers.last().map(|layer| &graph.params[layer.weight].name);
    let rows = last.and_then(|name| weights.tensors.get(name)?.shape.first());
    rows.and_then(|&rows| u32::try_from(rows).ok()).filter(|&rows| rows > 0).unwrap_or(10)
}
