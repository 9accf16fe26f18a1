//! `nf-gpu export`: a trained generator for other programs and for devices: as an ONNX file in float or in int8, alone or in
//! front of its classifier; as C source; as golden inputs and outputs.

mod cost;
mod data;
mod onnx_file;

use super::{gpu::GpuArgs, places::Places, terminal};
use crate::{
    data::{DEFAULT_DIR, places as data_places},
    deploy::{
        self, CSource, DeviceNetwork, Golden, GoldenLogits, Quantised, calibrated, check_folder,
        golden_files, protect_all, write_folder,
    },
    error::{Error, Result},
    files::{atomic, sha256_of},
    forward::{self, BaseRequest, Images},
    onnx::{self, export::Front},
    run::Gpu,
    train::{BaseHints, Generator, GeneratorFile, RunFolder},
    words,
};
use clap::Args;
use data::Sources;
use onnx_file::{Behind, Written};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Images of `--golden` where the user says no number.
const GOLDEN_IMAGES: usize = 4;

/// Arguments of `nf-gpu export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// A run's folder, or the weights file of a generator
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The ONNX file to write
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write C99 source of the generator, with a test, to this new folder
    #[arg(long, value_name = "DIR")]
    c: Option<PathBuf>,
    /// Write inputs and outputs of the generator, and with --base the classifier's logits, as .npy to this new folder
    #[arg(long, value_name = "DIR")]
    golden: Option<PathBuf>,
    /// Write the generator in int8 (QDQ): activations on grids that training images span
    #[arg(long)]
    quantize: bool,
    /// The classifier to put behind the generator: an ONNX file, whose nodes stay as they are, or a weights file of
    /// ours; its layers get the weights that --precision can store
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    #[command(flatten)]
    hints: BaseHints,
    /// Bits per stored weight of --base, 2 to 8 (default: those that the generator was trained for)
    #[arg(long, value_name = "BITS")]
    precision: Option<u32>,
    /// Data set, folder of images, or arrays, for --golden, --c and --quantize (default: the one that the generator was
    /// trained on)
    #[arg(long, value_name = "NAME|DIR|FILE")]
    dataset: Option<String>,
    /// Where data sets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    data_dir: PathBuf,
    /// Number of images of --golden (default: 4)
    #[arg(long, value_name = "N")]
    golden_images: Option<usize>,
    /// Number of training images that span the grids of --quantize (default: 16 to 128, by what a generator costs)
    #[arg(long, value_name = "N")]
    calibration_images: Option<usize>,
    /// Number of test images on which the cost of --quantize is measured (default: 16 to 500)
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    #[command(flatten)]
    gpu: GpuArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Writes what is asked for.
pub fn run(args: &ExportArgs) -> Result<()> {
    let file =
        if args.run.is_dir() { RunFolder::at(&args.run).generator() } else { args.run.clone() };
    args.check(&file)?;
    let generator = GeneratorFile::load(&file)?;
    let (generator, behind) = match &args.base {
        Some(path) => {
            let (generator, behind) = args.with_base(generator, path)?;
            (generator, Some(behind))
        }
        None => (args.alone(generator)?, None),
    };
    let network = DeviceNetwork::of(&generator.graph, &generator.weights)?;
    if args.quantize {
        network.check_weights()?;
    }
    let sources = Sources::of(args, &generator, behind.as_ref(), network.macs())?;
    let calibration = args.quantize.then(|| sources.calibration()).transpose()?;
    let quantised = calibration.map(|images| calibrated(&network, &images)).transpose()?;
    let mut lent = Lent { args, gpu: None };
    let mut cost = None;
    if let Some(by) = &quantised {
        cost = Some(cost::measure(&sources, by, &generator, behind.as_ref(), &mut lent)?);
    }
    // Everything is computed before anything is written.
    let mut done = Done {
        document: json!({
            "version": 1,
            "commit": env!("NF_COMMIT"),
            "generator": words::path(&file),
            "base": args.base.as_ref().map(words::path),
            "precision": behind.as_ref().map(|behind| behind.bits),
        }),
        said: String::new(),
    };
    let mut folders = Vec::new();
    if let Some(folder) = &args.c {
        let (images, source) = sources.golden(1)?;
        let (commit, sha256) = (env!("NF_COMMIT"), &generator.sha256);
        let origin = format!("nf-gpu {commit}, generator {sha256}, golden image: {source}");
        let made = deploy::c_source(&network, &images, &origin)?;
        done.c(folder, &network, &made, &source);
        folders.push(("--c", folder, made.files));
    }
    if let Some(folder) = &args.golden {
        let (images, source) = sources.golden(args.golden_images.unwrap_or(GOLDEN_IMAGES))?;
        let behind = behind.as_ref();
        let logits = behind.map(|behind| lent.logits(behind, &network, &images)).transpose()?;
        let files = golden_files(&Golden {
            network: &network,
            images: &images,
            source: &source,
            quantised: quantised.as_ref(),
            logits: logits.as_ref(),
            generator: (&file.to_string_lossy(), &generator.sha256),
            commit: env!("NF_COMMIT"),
        })?;
        done.golden(folder, &source);
        folders.push(("--golden", folder, files));
    }
    let onnx_file = args.out.as_ref().map(|path| {
        let written = args.onnx_file(&generator, behind.as_ref(), quantised.as_ref())?;
        done.onnx(path, &written);
        Ok::<_, Error>((path, written.bytes))
    });
    let onnx_file = onnx_file.transpose()?;
    for (flag, folder, files) in &folders {
        write_folder(flag, folder, files)?;
    }
    if let Some((path, bytes)) = onnx_file {
        atomic::write(path, bytes)?;
    }
    if let Some(cost) = &cost {
        done.document["quantised"] = cost.document();
        done.said += &cost.words();
    }
    if args.json { terminal::print_json(&done.document) } else { terminal::print(&done.said) }
}

/// What was made, for the user and for programs.
struct Done {
    document: Value,
    said: String,
}

impl Done {
    fn c(&mut self, folder: &Path, network: &DeviceNetwork, made: &CSource, source: &str) {
        let (bytes, scratch) = (network.weight_bytes(), made.scratch_floats * size_of::<f32>());
        self.document["c"] = json!({
            "folder": words::path(folder),
            "scratch_bytes": scratch,
            "weight_bytes": bytes,
            "largest_difference": made.measured.largest,
            "tolerance": made.tolerance,
            "golden_image": source,
        });
        let folder = folder.display();
        self.said += &format!(
            "{folder}: C99, {bytes} bytes of words, {scratch} bytes of scratch; golden image: {source}\n"
        );
    }

    fn golden(&mut self, folder: &Path, source: &str) {
        self.document["golden"] = json!({ "folder": words::path(folder), "images": source });
        self.said += &format!("{}: golden arrays of {source}\n", folder.display());
    }

    fn onnx(&mut self, path: &Path, written: &Written) {
        let Written { bytes, ends: [input, output], images: [c, h, w] } = written;
        self.document["file"] = json!(words::path(path));
        self.document["file_sha256"] = json!(sha256_of(bytes));
        self.document["input"] = json!({ "name": input, "shape": [c, h, w] });
        self.document["output"] = json!(output);
        let path = path.display();
        self.said += &format!("{path}: input {input} (N x {c} x {h} x {w}), output {output}\n");
    }
}

/// An adapter, opened when it is needed first.
struct Lent<'a> {
    args: &'a ExportArgs,
    gpu: Option<Gpu>,
}

impl Lent<'_> {
    fn gpu(&mut self) -> Result<&Gpu> {
        let gpu = match self.gpu.take() {
            Some(gpu) => gpu,
            None => self.args.gpu.open(self.args.quiet)?,
        };
        Ok(self.gpu.insert(gpu))
    }

    /// What a classifier makes of images before and behind the generator.
    fn logits(
        &mut self,
        behind: &Behind,
        network: &DeviceNetwork,
        images: &[f32],
    ) -> Result<GoldenLogits> {
        let gpu = self.gpu()?;
        let protected = protect_all(network, deploy::Arithmetic::Double, images);
        let before = behind.logits(gpu, images, None)?;
        Ok(GoldenLogits {
            model: behind.net.model.clone(),
            sha256: behind.net.sha256.clone(),
            precision: behind.bits,
            normalisation: behind.normalisation()?,
            classes: before.classes,
            before: before.logits,
            after: behind.logits(gpu, &protected, None)?.logits,
            adapter: gpu.report().line(),
        })
    }
}

impl ExportArgs {
    /// Refuses what contradicts itself, and places that cannot be written.
    fn check(&self, file: &PathBuf) -> Result<()> {
        if self.out.is_none() && self.c.is_none() && self.golden.is_none() {
            let hint = "name an ONNX file with --out, or a new folder with --c or --golden";
            return Err(Error::argument("--out", "it is not said what to write", hint));
        }
        if self.quantize && self.out.is_none() && self.golden.is_none() {
            let hint = "add --out g.onnx; the C source has int8 words and float activations, with it or without";
            return Err(Error::argument("--quantize", "it makes an ONNX file", hint));
        }
        let unused = |flag: &str, what: &str| {
            Err(Error::argument(flag, what, "leave it out, or add what it is for"))
        };
        if self.golden_images.is_some() && self.golden.is_none() {
            return unused("--golden-images", "there is no --golden to write them into");
        }
        if self.calibration_images.is_some() && !self.quantize {
            return unused("--calibration-images", "only --quantize needs a range of activations");
        }
        if self.images.is_some() && !self.quantize {
            return unused("--images", "only the cost of --quantize is measured");
        }
        for (flag, count) in [
            ("--golden-images", self.golden_images),
            ("--calibration-images", self.calibration_images),
            ("--images", self.images),
        ] {
            if count == Some(0) {
                return Err(Error::argument(flag, "no image at all", "at least 1"));
            }
        }
        let named = self.dataset.iter().flat_map(|name| data_places(name, &self.data_dir));
        Places::default()
            .reads("RUN", [file])
            .reads("--base", &self.base)
            .reads("--dataset", named)
            .writes("--out", &self.out)
            .makes("--c", &self.c)
            .makes("--golden", &self.golden)
            .check()?;
        for (flag, folder) in [("--c", &self.c), ("--golden", &self.golden)] {
            folder.iter().try_for_each(|folder| check_folder(flag, folder))?;
        }
        if self.dataset.is_some() && self.c.is_none() && self.golden.is_none() && !self.quantize {
            return unused("--dataset", "only --c, --golden and --quantize need images");
        }
        if let Some(out) = self.out.as_ref().filter(|out| !onnx::is_onnx(out)) {
            let hint = "let its name end in .onnx, as in --out protected.onnx";
            let what = format!("only ONNX files are written, not {}", out.display());
            return Err(Error::argument("--out", what, hint));
        }
        Ok(())
    }
}
