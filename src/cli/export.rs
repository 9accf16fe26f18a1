//! `nf-gpu export`: a trained generator as an ONNX file, alone or in front of its classifier.

use super::{places::Places, terminal};
use crate::{
    error::{Error, Result},
    fault::check_bits,
    files::{atomic, read_file, sha256, sha256_of},
    models::GENERATOR_BITS,
    nn::on_grid,
    onnx::{
        self,
        export::{self, Exported},
    },
    train::{BaseHints, BaseNet, Generator, GeneratorFile, RunFolder},
};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `nf-gpu export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// A run's folder, or the weights file of a generator
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The ONNX file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The classifier to put behind the generator: an ONNX file, whose nodes stay as they are, or a weights file of
    /// ours; its layers get the weights that --precision can store
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    #[command(flatten)]
    hints: BaseHints,
    /// Bits per stored weight of --base, 2 to 8 (default: those that the generator was trained for)
    #[arg(long, value_name = "BITS")]
    precision: Option<u32>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What was written, for the user.
struct Written {
    bytes: Vec<u8>,
    /// Names of input and output.
    ends: [String; 2],
    /// Channels, rows and columns of the images.
    images: [u32; 3],
    precision: Option<u32>,
}

/// Writes the file.
pub fn run(args: &ExportArgs) -> Result<()> {
    let file =
        if args.run.is_dir() { RunFolder::at(&args.run).generator() } else { args.run.clone() };
    Places::default()
        .reads("RUN", [&file])
        .reads("--base", &args.base)
        .writes("--out", [&args.out])
        .check()?;
    if !onnx::is_onnx(&args.out) {
        let hint = "let its name end in .onnx, as in --out protected.onnx";
        return Err(Error::argument("--out", "only ONNX files are written", hint));
    }
    let generator = GeneratorFile::load(&file)?;
    let written = match &args.base {
        Some(base) => args.with_base(generator, base)?,
        None => args.alone(generator)?,
    };
    atomic::write(&args.out, &written.bytes)?;
    let Written { bytes, ends: [input, output], images: [c, h, w], precision } = written;
    if args.json {
        return terminal::print_json(&json!({
            "version": 1,
            "commit": env!("NF_COMMIT"),
            "file": args.out,
            "file_sha256": sha256_of(&bytes),
            "generator": file,
            "base": args.base,
            "precision": precision,
            "input": { "name": input, "shape": [c, h, w] },
            "output": output,
        }));
    }
    let path = args.out.display();
    terminal::print(&format!("{path}: input {input} (N x {c} x {h} x {w}), output {output}\n"))
}

impl ExportArgs {
    /// The generator alone, which needs nothing that is said of a classifier.
    fn alone(&self, generator: GeneratorFile) -> Result<Written> {
        let hints = &self.hints;
        let flags = [
            ("--precision", self.precision.is_some()),
            ("--model", hints.model.is_some()),
            ("--input-mean", hints.input_mean.is_some()),
            ("--input-std", hints.input_std.is_some()),
        ];
        if let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given) {
            let hint = "leave it out, or name the classifier with --base";
            return Err(Error::argument(flag, "it says something of a classifier", hint));
        }
        let images = match hints.input_shape.as_deref() {
            None => generator.input(None)?,
            Some(&[_, h, w]) => generator.input(Some([h, w]))?,
            Some(_) => {
                let hint = "give channels, rows and columns, as in 3,224,224";
                return Err(Error::argument("--input-shape", "three numbers are needed", hint));
            }
        };
        let Generator { graph, weights, .. } = generator.network(images)?;
        let exported = Exported { graph: &graph, weights: &weights, bits: GENERATOR_BITS };
        let ends = ["images", "output"].map(str::to_owned);
        Ok(Written { bytes: export::generator(exported)?, ends, images, precision: None })
    }

    fn with_base(&self, generator: GeneratorFile, path: &Path) -> Result<Written> {
        let trained = generator.trained.clone();
        let is_its_own = match &trained {
            Some(trained) => trained.is_for(&sha256(path)?) != Some(false),
            None => true,
        };
        if !is_its_own {
            let (run, path) = (self.run.display(), path.display());
            terminal::say(&format!(
                "note: {run} was trained in front of another network than {path}"
            ));
        }
        let mut hints = self.hints.clone();
        if let Some(trained) = trained.as_ref().filter(|_| is_its_own) {
            // As `eval` does: what the training was told of the network holds here too.
            hints.input_shape = hints
                .input_shape
                .or_else(|| trained.input_shape.clone().filter(|_| onnx::is_onnx(path)));
            if let (None, None, Some([mean, std])) =
                (&hints.input_mean, &hints.input_std, &trained.input)
            {
                (hints.input_mean, hints.input_std) = (Some(mean.clone()), Some(std.clone()));
            }
        }
        let base = BaseNet::load(path, &hints)?;
        let trained_bits = trained.as_ref().and_then(|trained| trained.asked.precision);
        let bits = check_bits(base.precision(self.precision.or(trained_bits))?)?;
        let images = base.input();
        let Generator { graph, weights, .. } = generator.network(images)?;
        let exported = Exported { graph: &graph, weights: &weights, bits: GENERATOR_BITS };
        let of_base = Exported { graph: &base.graph, weights: &base.weights, bits };
        let precision = Some(bits);
        if !onnx::is_onnx(path) {
            let bytes = export::with_network(exported, of_base)?;
            let ends = ["images", "scores"].map(str::to_owned);
            return Ok(Written { bytes, ends, images, precision });
        }
        let options = hints.read_options()?;
        let bytes = read_file(path)?;
        let imported = onnx::parse(bytes.clone(), path, &options)?;
        let values =
            imported.stored(path, &on_grid((&imported.graph, &imported.weights), bits)?)?;
        let normalisation = options.normalisation.as_ref();
        let out = export::protected(&bytes, path, &imported, &values, exported, normalisation)?;
        let ends = [export::unprotected(&imported), imported.output];
        Ok(Written { bytes: out, ends, images, precision })
    }
}
