//! `nf-gpu inject`: a faulty copy of a network, and the record to make it again.

use super::{
    gpu::GpuArgs,
    host::Host,
    places::{self, Places},
    terminal,
};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips, Mapping, Model, PAPER_SEEDS, check_bits, check_seed},
    files::{WideWords, atomic, read_file, sha256_of},
    nn::{FaultyBias, FaultyWeights, FrozenNet, faulty_weights},
    onnx,
    report::{
        Event,
        eval_json::Base,
        fault_record::{self, FaultCounts, FaultRecord, LayerRecord},
    },
    train::{BaseHints, BaseNet, FaultArgs, INJECTED},
    words,
};
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `nf-gpu inject`.
#[derive(Args, Debug)]
pub struct InjectArgs {
    /// Weights of the base network
    #[arg(long, value_name = "FILE", required_unless_present = "replay")]
    base: Option<PathBuf>,
    /// Channels, rows and columns of images, where an ONNX file leaves them open
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    input_shape: Option<Vec<u32>>,
    /// Name of the base network, where its file does not say
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    faults: FaultArgs,
    /// Probability that a cell is faulty (default: 0.01)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    ber: Option<f64>,
    /// Seed of the fault map (default: 50000)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Bits per stored weight, 2 to 8 (default: those that the base was trained for)
    #[arg(long, value_name = "BITS")]
    precision: Option<u32>,
    /// Make the faulty file of this record again
    #[arg(long, value_name = "RECORD.json")]
    replay: Option<PathBuf>,
    /// The faulty network: its weights as they read, f32, or with a name in .onnx the ONNX file of --base with them in
    /// place; the record goes beside it, as .json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also inject on the adapter, and compare bit for bit
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    gpu: GpuArgs,
    /// Print the record
    #[arg(long)]
    json: bool,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// A network and the faults to be injected into it.
struct Injection {
    base_file: PathBuf,
    base: BaseNet,
    precision: u32,
    faults: Faults,
    /// The flags that the faults were read from.
    read_from: FaultArgs,
    seed: u64,
}

/// Writes a faulty copy of a network, and prints where it is.
pub fn run(args: &InjectArgs) -> Result<()> {
    let say = &mut |line: &str| {
        if !args.quiet {
            terminal::say(line);
        }
    };
    let record = inject(args, args.quiet, say)?;
    if args.json {
        return terminal::print(&record.to_json());
    }
    terminal::print(&text(&record, &args.out, &FaultRecord::beside(&args.out)))
}

/// Writes a faulty copy of a network for a caller, and returns its record.
pub(super) fn call(args: &InjectArgs, host: &mut Host<'_>) -> Result<FaultRecord> {
    let mut heard = Ok(());
    let record = inject(args, true, &mut |line| {
        if heard.is_ok() {
            heard = host.sink.event(&Event::Note(line.to_owned()));
        }
    })?;
    heard.map(|()| record)
}

/// Writes a faulty copy of a network. `say` hears what a user should know; unless `quiet`, a line on stderr tells of
/// a software adapter.
fn inject(args: &InjectArgs, quiet: bool, say: &mut dyn FnMut(&str)) -> Result<FaultRecord> {
    let record_file = FaultRecord::beside(&args.out);
    let replayed = args.replay.as_ref().map(|path| FaultRecord::load(path)).transpose()?;
    let injection = match &replayed {
        None => args.injection()?,
        Some(record) => args.replayed(record)?,
    };
    // If only the faulty file was deleted, it is made again beside its record, which stays as it
    // is.
    let is_beside = args.replay.as_ref().is_some_and(|replay| places::same(replay, &record_file));
    let written = Some(&record_file).filter(|_| !is_beside);
    Places::default()
        .reads("--base", [&injection.base_file])
        .reads("--replay", &args.replay)
        .reads_faults(&injection.read_from)?
        .writes("--out", [&args.out])
        .writes("the record beside --out", written)
        .check()?;
    if record_file.is_file() && FaultRecord::load(&record_file).is_err() {
        let what = format!("{} is there, and no record of faults", record_file.display());
        let hint = "the record is written beside the faulty network: give that another name";
        return Err(Error::argument("--out", what, hint));
    }
    if onnx::is_onnx(&args.out) && !onnx::is_onnx(&injection.base_file) {
        let what = "only the faults of an ONNX file can be written into one";
        let hint = "write the weights as safetensors: --out faulty.safetensors";
        return Err(Error::argument("--out", what, hint));
    }
    let network = (&injection.base.graph, &injection.base.weights);
    injection.base.graph.remarks(&injection.faults)?.iter().for_each(|line| say(line));
    if injection.base.graph.layer_names().any(|name| name.starts_with(onnx::export::GENERATOR)) {
        say(
            "note: this file holds a generator too. Faults hit its weights, and the network's words have other \
             addresses than in the file that it was exported with: give that one",
        );
    }
    let mut read = faulty_weights(network, injection.precision, &injection.faults, injection.seed)?;
    if args.verify {
        say(&args.verify(&injection, &read, quiet)?);
    }
    // The metadata name neither adapter nor commit, so that the same faults give the same bytes.
    let what = format!("{}, seed {}", injection.faults, injection.seed);
    read.weights.metadata.insert(INJECTED.to_owned(), what);
    read.weights.metadata.insert("precision".to_owned(), injection.precision.to_string());
    let faulty_file = onnx::is_onnx(&args.out).then(|| injection.onnx(&read, args)).transpose()?;
    let sha256 = match &faulty_file {
        Some(bytes) => sha256_of(bytes),
        None => read.weights.sha256()?,
    };
    let record = injection.record(&read, sha256);
    if let Some(before) = replayed.filter(|before| before.file_sha256 != record.file_sha256) {
        let what = format!(
            "the file made again has SHA-256 {}, the record says {}",
            record.file_sha256, before.file_sha256
        );
        let hint = format!("commit {} made it; nothing is written", before.commit);
        let record = args.replay.clone().unwrap_or_default();
        return Err(Error::format(record, what, hint));
    }
    match faulty_file {
        Some(bytes) => atomic::write(&args.out, bytes)?,
        None => read.weights.save(&args.out)?,
    }
    written.map_or(Ok(()), |file| record.save(file))?;
    Ok(record)
}

impl InjectArgs {
    fn load(&self, file: &Path, model: Option<String>) -> Result<BaseNet> {
        // The normalisation of the input does not matter here. Giving one avoids an error where a weights file's
        // own is not understood; an ONNX file has none.
        let half = (!onnx::is_onnx(file)).then(|| vec![0.5; 3]);
        let input_shape = self.input_shape.clone();
        BaseNet::load(
            file,
            &BaseHints { model, input_shape, input_mean: half.clone(), input_std: half },
        )
    }

    fn injection(&self) -> Result<Injection> {
        let faults = self.faults.at(self.ber)?;
        let seed = match self.faults.only_seed_or("--seed", self.seed.is_some())? {
            Some(seed) => seed,
            None => check_seed("--seed", self.seed.unwrap_or(PAPER_SEEDS.start))?,
        };
        let Some(file) = self.base.clone() else {
            return Err(Error::argument("--base", "there is no network", "name its weights file"));
        };
        if faults.memories().activations {
            let what = "activations are in no file";
            let hint = "evaluate a network with them, as in nf-gpu eval --faults-in activations";
            return Err(Error::argument("--faults-in", what, hint));
        }
        let mut base = self.load(&file, self.model.clone())?;
        base.suffer(&faults)?;
        let precision = base.precision(self.precision)?;
        base.can_have(&faults, precision)?;
        faults.check_seed(seed)?;
        let read_from = self.faults.clone();
        Ok(Injection { base_file: file, base, precision, faults, read_from, seed })
    }

    /// The injection that a record describes; `--base` and `--fault-map` may name new places of the network and the
    /// measured map.
    fn replayed(&self, record: &FaultRecord) -> Result<Injection> {
        let given = [
            ("--ber", self.ber.is_some()),
            ("--seed", self.seed.is_some()),
            ("--precision", self.precision.is_some()),
            ("--model", self.model.is_some()),
            (
                "--faults",
                FaultArgs { fault_map: vec![], layout: None, ..self.faults.clone() }.any(),
            ),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
            let what = "the record says which faults there are";
            return Err(Error::argument(*flag, what, "leave it out, or leave out --replay"));
        }
        let version = record.faults.format_version();
        if record.fault_format != version {
            let what = format!("its fault maps are of format {}", record.fault_format);
            let path = self.replay.clone().unwrap_or_default();
            let hint = format!("this program has {version} for such faults");
            return Err(Error::format(path, what, hint));
        }
        let file = self.base.clone().unwrap_or_else(|| record.base_file.clone().into());
        let mut base = self.load(&file, Some(record.base.model.clone()))?;
        if base.sha256 != record.base.file_sha256 {
            let what = format!("its SHA-256 is not {}", record.base.file_sha256);
            return Err(Error::format(&file, what, "name the record's network with --base"));
        }
        let (mut args, ber) = FaultArgs::of_document(&record.faults);
        if !self.faults.fault_map.is_empty() {
            args.fault_map = self.faults.fault_map.clone();
        }
        args.layout = self.faults.layout.clone().or(args.layout);
        let faults = args.at(ber)?.named_as(&record.faults)?;
        base.suffer(&faults)?;
        let precision = match faults.stored() {
            Some(_) => base.precision(Some(record.precision))?,
            None => check_bits(record.precision)?,
        };
        let seed = check_seed("seed", record.seed)?;
        Ok(Injection { base_file: file, base, precision, faults, read_from: args, seed })
    }

    /// Compares the host's faulty weights with those that the adapter computes, and says on which.
    fn verify(&self, injection: &Injection, read: &FaultyWeights, quiet: bool) -> Result<String> {
        let gpu = self.gpu.open(quiet)?;
        let (graph, weights) = (&injection.base.graph, &injection.base.weights);
        let net = FrozenNet::for_inference(&gpu, graph, weights, injection.precision, 1)?;
        let injector = net.injector(&gpu, 0, Some(&injection.faults))?;
        injector.run(&gpu, &[injection.seed])?;
        let flips = injector.flips(&gpu)?.pop().unwrap_or_default();
        let layers = graph.layers.iter().zip(net.read(&gpu, 0)?).zip(flips).zip(&read.flips);
        for (((layer, on_gpu), counted), expected) in layers {
            let param = &graph.params[layer.weight];
            let host = &read.weights.get(&param.name, &param.shape)?.data;
            // An adapter may write any NaN for a NaN.
            let alike =
                |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            let same = host.iter().zip(&on_gpu).all(alike);
            if !same || counted != *expected {
                return Err(Error::Gpu {
                    doing: "inject the same faults as the host".into(),
                    message: format!("{} differs on {}", param.name, gpu.report().line()),
                });
            }
        }
        let of = match injection.faults.memories().biases {
            true => " of the weights (those of biases the host draws, for every adapter)",
            false => "",
        };
        Ok(format!("the same bits{of} on {}", gpu.report().line()))
    }
}

impl Injection {
    /// The file of an ONNX base with the faulty values in place of its stored weights.
    fn onnx(&self, read: &FaultyWeights, args: &InjectArgs) -> Result<Vec<u8>> {
        let path = &self.base_file;
        let hints = BaseHints { input_shape: args.input_shape.clone(), ..BaseHints::default() };
        let bytes = read_file(path)?;
        let imported = onnx::parse(bytes.clone(), path, &hints.read_options()?)?;
        let tensors = &read.weights.tensors;
        let values = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.data.clone()));
        let values = imported.stored(path, &values.collect())?;
        let mut bytes = bytes;
        for bias in &read.biases {
            onnx::export::patch_bias(&mut bytes, path, &imported, (&bias.name, &bias.words))?;
        }
        let note = read.weights.meta(INJECTED).unwrap_or_default();
        onnx::export::patched(&bytes, path, &imported, &values, (INJECTED, note))
    }

    fn record(&self, read: &FaultyWeights, file_sha256: String) -> FaultRecord {
        let graph = &self.base.graph;
        let stored = graph.stored_bits(&self.base.weights, self.precision);
        let layers = graph.layer_names().enumerate();
        let layers =
            layers.map(|(i, name)| (name, stored[i], read.faulty_cells[i], &read.flips[i]));
        let FaultCounts { stored_bits, faulty_cells, flipped_bits, per_bit, per_layer } =
            counts(self.precision, layers);
        FaultRecord {
            version: fault_record::VERSION,
            fault_format: self.faults.format_version(),
            base_file: self.base_file.display().to_string(),
            base: Base { model: self.base.model.clone(), file_sha256: self.base.sha256.clone() },
            precision: self.precision,
            faults: graph.described(&self.faults),
            seed: self.seed,
            mapping: match self.faults.model() {
                Model::Reference(_) => "reference".into(),
                Model::Pattern(_) => Mapping::Linear.to_string(),
                Model::Profile(_, map) => map.cells.mapping.to_string(),
                Model::Flip(_) | Model::StuckAt(_) | Model::Asymmetric(_) => "drawn".into(),
            },
            stored_bits,
            faulty_cells,
            flipped_bits,
            per_bit,
            per_layer,
            biases: (!read.biases.is_empty()).then(|| biases(read)),
            file_sha256,
            commit: env!("NF_COMMIT").to_owned(),
        }
    }
}

/// What faults did to the biases.
fn biases(read: &FaultyWeights) -> FaultCounts {
    let bits = |bias: &FaultyBias| bias.words.len() as u64 * u64::from(WideWords::BITS);
    let layers = read.biases.iter();
    let layers = layers.map(|bias| (&*bias.name, bits(bias), bias.faulty_cells, &bias.flips));
    counts(WideWords::BITS, layers)
}

/// What faults did to layers, each with its name, bits and faulty cells; their words have so many `bits`.
fn counts<'a>(
    bits: u32,
    layers: impl Iterator<Item = (&'a str, u64, u64, &'a Flips)>,
) -> FaultCounts {
    let mut all = FaultCounts { per_bit: vec![0; bits as usize], ..FaultCounts::default() };
    for (name, stored_bits, faulty_cells, flips) in layers {
        let (name, flips, each) = (name.to_owned(), flips.total, flips.per_bit);
        all.per_bit.iter_mut().zip(each).for_each(|(sum, count)| *sum += count);
        all.stored_bits += stored_bits;
        all.faulty_cells += faulty_cells;
        all.per_layer.push(LayerRecord { name, stored_bits, faulty_cells, flips });
    }
    all.flipped_bits = all.per_bit.iter().sum();
    all
}

fn text(record: &FaultRecord, out: &Path, beside: &Path) -> String {
    let FaultRecord { faulty_cells, flipped_bits, stored_bits, .. } = record;
    let rate = words::share(*flipped_bits as f64 / (*stored_bits).max(1) as f64, 3);
    let of_biases = record.biases.as_ref().map_or(String::new(), |biases| {
        format!(
            "{}: {} of {} bits of biases read differently\n",
            out.display(),
            biases.flipped_bits,
            biases.stored_bits
        )
    });
    format!(
        "{}: {} of {stored_bits} bits read differently ({rate}), {faulty_cells} cells are faulty\n\
         {of_biases}{}: the record\n",
        out.display(),
        flipped_bits,
        beside.display()
    )
}
