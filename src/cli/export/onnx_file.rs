//! The ONNX file, and the classifier that stands behind the generator.

use super::{BaseRequest, ExportArgs, Front, Generator, GeneratorFile, Images, Quantised, forward};
use crate::{
    cli::terminal,
    error::{Error, Result},
    fault::Faults,
    files::{read_file, sha256},
    forward::BasePass,
    models::GENERATOR_BITS,
    nn::on_grid,
    onnx::{
        self,
        export::{self, Exported},
    },
    run::Gpu,
    train::{BaseHints, BaseNet},
    words,
};
use std::path::{Path, PathBuf};

/// An ONNX file, for the user.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// Names of input and output.
    pub(super) ends: [String; 2],
    /// Channels, rows and columns of the images.
    pub(super) images: [u32; 3],
}

/// The classifier behind a generator.
#[derive(Clone)]
pub(super) struct Behind {
    path: PathBuf,
    pub(super) net: BaseNet,
    /// Bits per stored weight.
    pub(super) bits: u32,
    hints: BaseHints,
}

impl Behind {
    /// Mean and standard deviation that an ONNX file expects of its input; a weights file takes images in [-1, 1].
    pub(super) fn normalisation(&self) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        let options = onnx::is_onnx(&self.path).then(|| self.hints.read_options()).transpose()?;
        Ok(options.and_then(|options| options.normalisation))
    }

    /// What the classifier makes of images `[N, C, H, W]` in [-1, 1], clean or with the faults of a seed.
    pub(super) fn logits(
        &self,
        gpu: &Gpu,
        images: &[f32],
        faults: Option<(&Faults, u64)>,
    ) -> Result<BasePass> {
        let chw = self.net.input().map(|extent| extent as usize);
        let [c, h, w] = chw;
        let shape = [images.len() / (c * h * w), c, h, w];
        let request = BaseRequest {
            graph: &self.net.graph,
            weights: &self.net.weights,
            precision: Some(self.bits),
            faults,
            images: Images::new(&shape, images)?,
            loss: None,
            gradient: false,
            micro_batch: None,
        };
        forward::base(gpu, &request)
    }
}

impl ExportArgs {
    /// The generator alone, which needs nothing that is said of a classifier.
    pub(super) fn alone(&self, generator: GeneratorFile) -> Result<Generator> {
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
            Some(&[c, h, w]) => {
                let images = generator.input(Some([h, w]))?;
                if images != [c, h, w] {
                    let what =
                        format!("it takes images of {}", words::list(&images.map(u64::from)));
                    let hint = "give that, or leave it out";
                    return Err(Error::argument("--input-shape", what, hint));
                }
                images
            }
            Some(_) => {
                let hint = "give channels, rows and columns, as in 3,224,224";
                return Err(Error::argument("--input-shape", "three numbers are needed", hint));
            }
        };
        generator.network(images)
    }

    /// The generator for the images of a classifier, and the classifier.
    pub(super) fn with_base(
        &self,
        generator: GeneratorFile,
        path: &Path,
    ) -> Result<(Generator, Behind)> {
        let trained = generator.trained.clone();
        let is_its_own = match &trained {
            Some(trained) => trained.is_for(&sha256(path)?) != Some(false),
            None => true,
        };
        if !is_its_own && !self.quiet {
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
        let mut net = BaseNet::load(path, &hints)?;
        let trained = trained.filter(|_| self.precision.is_none());
        if let Some(trained) = trained.as_ref().filter(|_| is_its_own) {
            net.store(trained.asked.faults.float_format()?)?;
        }
        let floats = net.weights.floats().is_some();
        let trained_bits = trained.filter(|t| floats == t.asked.faults.stored.is_some());
        // As `eval` does: a network of its own precision keeps it behind a generator of another one.
        let says_its_own = net.weights.meta("precision").is_some();
        let trained_bits = trained_bits.filter(|_| is_its_own || !says_its_own);
        let trained_bits = trained_bits.and_then(|trained| trained.asked.precision);
        let bits = net.precision(self.precision.or(trained_bits))?;
        let generator = generator.network(net.input())?;
        Ok((generator, Behind { path: path.to_owned(), net, bits, hints }))
    }

    /// The bytes of the ONNX file.
    pub(super) fn onnx_file(
        &self,
        generator: &Generator,
        behind: Option<&Behind>,
        quantised: Option<&Quantised<'_>>,
    ) -> Result<Written> {
        let Generator { graph, weights, .. } = generator;
        let front = match quantised {
            Some(by) => Front::from(by),
            None => Front::from(Exported { graph, weights, bits: GENERATOR_BITS }),
        };
        let images = graph.nodes[graph.input()].chw;
        let Some(Behind { path, net, bits, hints }) = behind else {
            let ends = ["images", "output"].map(str::to_owned);
            return Ok(Written { bytes: export::generator(front)?, ends, images });
        };
        if !onnx::is_onnx(path) {
            let of_base = Exported { graph: &net.graph, weights: &net.weights, bits: *bits };
            let bytes = export::with_network(front, of_base)?;
            let ends = ["images", "scores"].map(str::to_owned);
            return Ok(Written { bytes, ends, images });
        }
        let options = hints.read_options()?;
        let bytes = read_file(path)?;
        let imported = onnx::parse(bytes.clone(), path, &options)?;
        let values = imported.stored(path, &on_grid((&net.graph, &net.weights), *bits)?)?;
        let normalisation = options.normalisation.as_ref();
        let out = export::protected(&bytes, path, &imported, &values, front, normalisation)?;
        let ends = [export::unprotected(&imported), imported.output];
        Ok(Written { bytes: out, ends, images })
    }
}
