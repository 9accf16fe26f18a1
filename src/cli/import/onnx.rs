//! `nf-gpu import net.onnx`: what is understood of the file, and where faults can hit.

use super::ImportArgs;
use crate::{
    cli::terminal,
    error::{Error, Result},
    files::sha256,
    onnx::{self, ImportReport},
    train::BaseHints,
    words,
};
use serde_json::json;

/// Says what is understood of an ONNX file.
pub(super) fn run(args: &ImportArgs) -> Result<()> {
    let flags = [
        ("--model", args.model.is_some()),
        ("--out", args.out.is_some()),
        ("--dataset", args.dataset.is_some()),
        ("--precision", args.precision.is_some()),
        ("--prefix", args.prefix.is_some()),
        ("--drop", !args.drop.is_empty()),
        ("--rename", !args.rename.is_empty()),
        ("--packed", args.packed),
    ];
    if let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given) {
        let what = "an ONNX file is only read here, and nothing is written";
        let hint = "leave it out; give the ONNX file itself where a base network is asked for: --base net.onnx";
        return Err(Error::argument(flag, what, hint));
    }
    let hints = BaseHints {
        model: None,
        input_shape: args.input_shape.clone(),
        input_mean: args.input_mean.clone(),
        input_std: args.input_std.clone(),
    };
    let report = ImportReport::of(&onnx::load(&args.file, &hints.read_options()?)?);
    if !args.json {
        let mut lines = report.lines();
        if hints.input_mean.is_none() && hints.input_std.is_none() {
            // Nothing in the file says so, and a network that is given other values is silently worse.
            lines.insert(1, "  of values in [-1, 1]; if it was trained with others, say --input-mean and --input-std".into());
        }
        return terminal::print(&format!("{}\n", lines.join("\n")));
    }
    let mut document = json!({
        "version": 1,
        "commit": env!("NF_COMMIT"),
        "file": words::path(&args.file),
        "file_sha256": sha256(&args.file)?,
    });
    if let (Some(document), Ok(serde_json::Value::Object(found))) =
        (document.as_object_mut(), serde_json::to_value(report))
    {
        document.extend(found);
    }
    terminal::print_json(&document)
}
