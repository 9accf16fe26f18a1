//! The setup of an evaluation: networks, data set and faults. Flags decide; where they are silent, the
//! settings that the generators were trained for.

use super::EvalConfig;
use crate::{
    data::{self, ImageSet, PreprocessArgs, Split},
    energy::{OperatingPoint, OperatingPoints, same_rate},
    error::{Error, Result},
    fault::{Faults, PAPER_SEEDS, parse_seeds},
    files::sha256,
    report::eval_json::Shard,
    train::{Asked, BaseHints, BaseNet, FaultArgs, Generator, GeneratorFile, Mismatch, TrainedFor},
    words,
};

/// An evaluation, ready to run.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Its settings.
    pub config: &'a EvalConfig,
    /// The base network.
    pub base: BaseNet,
    pub generators: Vec<Generator>,
    /// The data set's name, or the path of its folder.
    pub dataset: String,
    /// The test images.
    pub set: ImageSet,
    /// The table of operating points.
    pub points: OperatingPoints,
    /// The operating point of the memory with these faults, if the user names its voltage.
    pub voltage: Option<OperatingPoint>,
    /// The faults at each rate.
    pub faults: Vec<Faults>,
    /// Seeds of the fault maps that are measured here.
    pub seeds: Vec<u64>,
    /// Seeds of the fault maps of all shares.
    pub all_seeds: Vec<u64>,
    /// Bits per stored weight.
    pub precision: u32,
    /// Notes for the user, a line each.
    pub notes: Vec<String>,
}

impl<'a> Setup<'a> {
    /// Reads the networks and images that the settings name. `places` is asked before images are read, with the data
    /// set and the flags of the faults: whether results may be written where they are to go.
    pub fn of(
        config: &'a EvalConfig,
        places: &dyn Fn(&str, &FaultArgs) -> Result<()>,
    ) -> Result<Self> {
        config.checked()?;
        let files = config.generator.iter().map(|path| GeneratorFile::load(path));
        let files = files.collect::<Result<Vec<_>>>()?;
        let own = sha256(&config.base)?;
        let for_it: Vec<&TrainedFor> = files
            .iter()
            .filter_map(|file| file.trained.as_ref().filter(|t| t.is_for(&own) == Some(true)))
            .collect();
        let mut base = BaseNet::load(&config.base, &hints(config, &for_it)?)?;
        let dataset = dataset(config, &base, &for_it, &files)?;
        let mut notes = files.iter().filter_map(|file| other_base(file, &own)).collect::<Vec<_>>();
        let asked = asked(config, &base, &own, &files, &mut notes)?;
        places(&dataset, &asked.faults)?;
        let points = match &config.points {
            Some(file) => OperatingPoints::load(file)?,
            None => OperatingPoints::built_in()?,
        };
        let faults = asked.faults.at_each(&asked.bers)?;
        if let Some(faults) = faults.first() {
            base.suffer(faults)?;
        }
        let all_seeds = seeds(&asked)?;
        let share = |shard: Shard| shard.share(&all_seeds);
        let seeds = config.shard.map_or_else(|| Ok(all_seeds.clone()), share)?;
        for faults in &faults {
            seeds.iter().try_for_each(|&seed| faults.check_seed(seed))?;
        }
        let beside = faults.iter().any(|faults| faults.memories().beside_weights());
        if config.sensitivity && beside {
            let what = "it takes the weights apart, and other memories fail beside them";
            return Err(Error::argument("--sensitivity", what, "leave out --faults-in"));
        }
        let precision = base.precision(asked.precision)?;
        faults.iter().try_for_each(|faults| base.can_have(faults, precision))?;
        // Words that a file or `--stored` has are counted as they are.
        let countable = if base.graph.stores_words(&base.weights) { 8 } else { precision };
        let voltage =
            config.voltage.map(|v| voltage(v, &points, &faults, countable)).transpose()?;
        // There may be many rates, but only one measured map: the remarks on the first entry
        // suffice.
        let remarks = faults.first().map(|faults| base.graph.remarks(faults)).transpose()?;
        notes.extend(remarks.into_iter().flatten());
        let other = voltage.as_ref().zip(faults.first());
        notes.extend(other.and_then(|(point, faults)| other_rate(&points, point, faults)));
        let form = images_form(config, &for_it)?.for_input(base.input())?;
        notes.extend(data::remarks(&dataset, Split::Test, form)?);
        let labelling = base.labelling(&dataset, Mismatch::allowed(config.allow_mismatch))?;
        let wanted = config.images.into();
        // Everything that can be refused is refused before the images are read, which may take an
        // hour.
        let networks = files.into_iter().map(|file| file.network(base.input()));
        let generators = networks.collect::<Result<Vec<_>>>()?;
        let mut set = data::open_some(&dataset, &config.data_dir, Split::Test, form, wanted)?;
        labelling.apply(&mut set);
        notes.extend(labelling.note().map(str::to_owned));
        notes.dedup();
        Ok(Self {
            config,
            base,
            generators,
            dataset,
            set,
            points,
            voltage,
            faults,
            seeds,
            all_seeds,
            precision,
            notes,
        })
    }

    /// The generators' names; where several share a name, the file is added.
    pub fn labels(&self) -> Vec<String> {
        let names: Vec<&str> = self.generators.iter().map(|g| g.graph.name.as_str()).collect();
        let shared = |name: &str| names.iter().filter(|other| **other == name).count() > 1;
        let label = |generator: &Generator| match generator.graph.name.as_str() {
            name if shared(name) => format!("{name} ({})", generator.path.display()),
            name => name.to_owned(),
        };
        self.generators.iter().map(label).collect()
    }
}

/// Hints about the base network from the flags; where they are silent, from the records of the generators
/// that were trained in front of this network.
fn hints(config: &EvalConfig, for_it: &[&TrainedFor]) -> Result<BaseHints> {
    let said = &config.hints;
    let given = said.input_mean.is_some() || said.input_std.is_some();
    let own = || agreed(for_it, |trained| trained.input.clone(), "--input-mean and --input-std");
    let (input_mean, input_std) = match if given { None } else { own()?.flatten() } {
        Some([mean, std]) => (Some(mean), Some(std)),
        None => (said.input_mean.clone(), said.input_std.clone()),
    };
    let known = for_it.iter().find_map(|trained| trained.base.as_ref().map(|(model, _)| model));
    let shape = || for_it.iter().find_map(|trained| trained.input_shape.clone());
    let input_shape = said.input_shape.clone().or_else(shape);
    let model = said.model.as_ref().or(known).cloned();
    Ok(BaseHints { model, input_shape, input_mean, input_std })
}

/// What all these generators were trained with; `flags` decide where they differ.
fn agreed<T: PartialEq>(
    for_it: &[&TrainedFor],
    of: impl Fn(&TrainedFor) -> T,
    flags: &str,
) -> Result<Option<T>> {
    let mut all = for_it.iter().map(|trained| of(trained));
    let first = all.next();
    if all.any(|other| Some(&other) != first.as_ref()) {
        let what = format!("they were trained with different {flags}");
        let hint = format!("evaluate one at a time, or decide: {flags}");
        return Err(Error::argument("--generator", what, hint));
    }
    Ok(first)
}

/// How images become those of the base network: as flags say; without any as for the generators that were trained
/// in front of this network.
fn images_form(config: &EvalConfig, for_it: &[&TrainedFor]) -> Result<PreprocessArgs> {
    if config.images_form != PreprocessArgs::default() {
        return Ok(config.images_form);
    }
    let known = agreed(for_it, |trained| trained.images_form, "--side and --preprocess")?;
    Ok(known.unwrap_or_default())
}

/// The data set. The flag wins; then the data set of generators for this network; then the network's own; and
/// only if the network does not record one, that of any generator.
fn dataset(
    config: &EvalConfig,
    base: &BaseNet,
    for_it: &[&TrainedFor],
    files: &[GeneratorFile],
) -> Result<String> {
    let of = |trained: &TrainedFor| trained.dataset.clone();
    let mut own: Vec<String> = for_it.iter().filter_map(|trained| of(trained)).collect();
    own.dedup();
    if let (None, [one, other, ..]) = (&config.dataset, &own[..]) {
        let what = format!("one was trained on {one}, another on {other}");
        return Err(Error::argument("--generator", what, "name a data set with --dataset"));
    }
    let any = || files.iter().find_map(|file| file.trained.as_ref().and_then(of));
    let base_knows = base.weights.meta("dataset").is_some();
    let named = config.dataset.clone().or(own.pop()).or_else(|| any().filter(|_| !base_knows));
    base.dataset(named.as_deref())
}

/// A note on a generator that was trained in front of another network, since evaluating it here is an
/// experiment.
fn other_base(file: &GeneratorFile, own: &str) -> Option<String> {
    let (model, sha256) = file.trained.as_ref()?.base.as_ref()?;
    (sha256 != own).then(|| {
        let (path, sha256) = (file.path.display(), sha256.get(..12).unwrap_or(sha256));
        format!("{path} was trained in front of another base network, {model} ({sha256})")
    })
}

/// The faults of the evaluation: those of the flags, completed by what all generators were trained for.
fn asked(
    config: &EvalConfig,
    base: &BaseNet,
    own: &str,
    files: &[GeneratorFile],
    notes: &mut Vec<String>,
) -> Result<Asked> {
    let (faults, bers) = (config.faults.clone(), config.ber.clone());
    let flags = Asked { faults, bers, seeds: config.seeds.clone(), precision: config.precision };
    let mut agreed: Option<(Asked, &GeneratorFile)> = None;
    for file in files {
        let Some(mut trained) = file.trained.clone() else { continue };
        if trained.is_for(own) == Some(false) && base.weights.meta("precision").is_some() {
            trained.asked.precision = None;
        }
        let mut all = flags.or(&trained.asked)?;
        let (path, words) = (file.path.display(), trained.asked.words());
        if !all.faults.map_files()?.is_empty() {
            trained = trained.located(&file.path, &flags.faults)?;
            all = flags.or(&trained.asked)?;
        }
        let as_trained = all == trained.asked;
        notes.push(match as_trained {
            true => format!("{path} was trained for {words}, and is evaluated so"),
            false => format!("{path} was trained for {words}; with these flags: {}", all.words()),
        });
        match &agreed {
            Some((first, other)) if *first != all => {
                let (one, two) = (first.words(), all.words());
                let what =
                    format!("{} was trained for {one}; {path} for {two}", other.path.display());
                let hint = "evaluate one at a time, or decide: --faults, --chip, --ber, --seeds, --bits, \
                            --layers, --precision";
                return Err(Error::argument("--generator", what, hint));
            }
            Some(_) => {}
            None => agreed = Some((all, file)),
        }
    }
    Ok(agreed.map_or(flags, |(all, _)| all))
}

/// The operating point of `--voltage`.
fn voltage(
    voltage: f64,
    points: &OperatingPoints,
    faults: &[Faults],
    precision: u32,
) -> Result<OperatingPoint> {
    let point = points.require_voltage(voltage)?;
    let refuse = |what: String, hint| Err(Error::argument("--voltage", what, hint));
    if faults.len() != 1 {
        let what = format!("one voltage for {} rates", faults.len());
        return refuse(what, "evaluate one rate at a time, or leave it to --points");
    }
    if precision != 8 {
        let what = format!("the weights have {precision} bits");
        return refuse(what, "accesses are counted for weights of 8 bits: use --precision 8");
    }
    Ok(point.clone())
}

/// A note on a voltage for which the table of operating points has another fault rate.
fn other_rate(points: &OperatingPoints, point: &OperatingPoint, faults: &Faults) -> Option<String> {
    let ber = faults.ber();
    let [here, there] = [ber, point.ber].map(words::rate);
    let of = &points.source;
    (!same_rate(ber, point.ber))
        .then(|| format!("note: {of} says BER {there} at this voltage; here it is {here}"))
}

/// Seeds of the fault maps. One chip or a measured map has a single map.
fn seeds(asked: &Asked) -> Result<Vec<u64>> {
    match (asked.faults.only_seed_or("--seeds", asked.seeds.is_some())?, &asked.seeds) {
        (Some(seed), _) => Ok(vec![seed]),
        (None, Some(seeds)) => parse_seeds(seeds),
        (None, None) => Ok(PAPER_SEEDS.collect()),
    }
}
