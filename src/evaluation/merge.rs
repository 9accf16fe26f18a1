//! The documents of all shares of an evaluation as the one document that a single process would have written.

use super::EvalConfig;
use crate::{
    error::{Error, Result},
    files::read_text,
    report::eval_json::{
        Adapter, ClassCounts, Document, Evaluation, FlippedBits, Perturbed, Shard, ShardRecord,
    },
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A share as it was read: its file, and an evaluation per generator.
struct Share {
    path: PathBuf,
    record: ShardRecord,
    runs: Vec<Evaluation>,
}

/// Puts the documents `config.merge` together: one evaluation per generator, or one without.
///
/// # Errors
/// A file is no share; a share is missing or there twice; shares are of different networks, images or settings, or of
/// unlike adapters without `config.mixed`.
pub fn merge(config: &EvalConfig) -> Result<Vec<Evaluation>> {
    let mut shares = config.merge.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    shares.sort_by_key(|share| share.record.shard);
    let Some(first) = shares.first() else {
        let hint = "name the documents of all shares";
        return Err(Error::argument("--merge", "there is nothing to merge", hint));
    };
    shares.iter().try_for_each(|share| same(first, share, config.mixed))?;
    complete(&shares)?;
    let of_run = |run| whole(&shares.iter().map(|share| &share.runs[run]).collect::<Vec<_>>());
    (0..first.runs.len()).map(|run| of_run(run).ok_or_else(|| damaged(&first.path))).collect()
}

fn damaged(path: &Path) -> Error {
    Error::format(path, "its values are not those of its fault maps", "measure this share again")
}

fn read(path: &Path) -> Result<Share> {
    let hint = "name documents that `nf-gpu eval --shard I/N --out FILE` wrote";
    let document = serde_json::from_str(&read_text(path)?)
        .map_err(|e| Error::format(path, format!("it is no evaluation: {e}"), hint))?;
    let runs = match document {
        Document::Several { runs } => runs,
        Document::One(only) => vec![*only],
    };
    let record = runs.first().and_then(|run| run.shard.clone());
    let record = record.ok_or_else(|| Error::format(path, "it is no share", hint))?;
    let seeds = record.shard.share(&record.seeds).map_err(|_| damaged(path))?;
    let counts = |p: &Perturbed| {
        let nf = p.accuracy_nf.as_ref().map_or(seeds.len(), |nf| nf.each.len());
        [p.accuracy.each.len(), nf, p.flipped_bits.each.len()] == [seeds.len(); 3]
            && p.seeds == seeds
    };
    if !runs.iter().all(|run| run.perturbed.iter().all(counts)) {
        return Err(damaged(path));
    }
    Ok(Share { path: path.to_owned(), record, runs })
}

/// Refuses a share of another evaluation than the first one.
fn same(first: &Share, other: &Share, mixed: bool) -> Result<()> {
    let (a, b) = (settings(first), settings(other));
    let differing = a.iter().zip(&b).find(|((_, a), (_, b))| a != b);
    if let Some(((name, a), (_, b))) = differing {
        let what = format!("{name}: {} has {a}, {} has {b}", shown(first), shown(other));
        return Err(Error::argument("--merge", what, "shares must differ only in their --shard"));
    }
    let adapter = |share: &Share| share.runs[0].adapter.clone();
    let (a, b) = (adapter(first), adapter(other));
    if a != b && !mixed {
        let words = |a: &Adapter| format!("{} ({}, {})", a.name, a.driver, a.backend);
        let what = format!(
            "{} was measured on {}, {} on {}",
            shown(first),
            words(&a),
            shown(other),
            words(&b)
        );
        let hint =
            "measure all shares on one kind of adapter, or add --mixed: last bits may differ";
        return Err(Error::argument("--merge", what, hint));
    }
    // Adapters round differently, so what they agree on otherwise need not agree here.
    let clean = |share: &Share| share.runs.iter().map(|run| run.clean.clone()).collect::<Vec<_>>();
    if clean(first) != clean(other) && !mixed {
        let what =
            format!("{} and {} differ in accuracies without faults", shown(first), shown(other));
        let hint = "one of the machines computes wrongly: `nf-gpu conform` tells which";
        return Err(Error::argument("--merge", what, hint));
    }
    Ok(())
}

/// What must be the same in all shares, by name and in words.
fn settings(share: &Share) -> Vec<(&'static str, String)> {
    let Share { record, runs, .. } = share;
    let mut list = vec![
        ("number of shares", record.shard.of.to_string()),
        ("generators", runs.len().to_string()),
    ];
    for run in runs {
        let faults = run.perturbed.iter().map(|p| json!([p.faults, p.voltage]).to_string());
        list.extend([
            ("base network", format!("{} ({})", run.base.model, run.base.file_sha256)),
            ("generator", json!(run.generator).to_string()),
            ("version of nf-gpu", run.commit.clone()),
            ("data set", json!(run.dataset).to_string()),
            ("seeds", format!("{:?}", record.seeds)),
            ("faults", faults.collect::<Vec<_>>().join(" ")),
            ("precision", run.precision.to_string()),
            ("dtype", json!(run.dtype).to_string()),
            ("confusion matrices", record.confusion.to_string()),
            ("accuracies per class", run.clean.classes.is_some().to_string()),
            ("flags", json!(run.given.flags).to_string()),
        ]);
    }
    list
}

/// Refuses shares that are missing, or there twice.
fn complete(shares: &[Share]) -> Result<()> {
    let Some(of) = shares.first().map(|share| share.record.shard.of) else { return Ok(()) };
    let twice = shares.windows(2).find(|pair| pair[0].record.shard == pair[1].record.shard);
    if let Some([a, b]) = twice {
        let what = format!("{} and {} are both share {}", shown(a), shown(b), a.record.shard);
        return Err(Error::argument("--merge", what, "leave one of them out"));
    }
    let is_there = |index: &usize| shares.iter().any(|share| share.record.shard.index == *index);
    let missing: Vec<String> = (1..=of)
        .filter(|index| !is_there(index))
        .map(|index| Shard { index, of }.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("{} of {of} shares are missing: {}", missing.len(), missing.join(", "));
    let hint = format!("measure what is missing, as with --shard {}", missing[0]);
    Err(Error::argument("--merge", what, hint))
}

fn shown(share: &Share) -> String {
    share.path.display().to_string()
}

/// The evaluation of all maps. `None` where counts are missing.
fn whole(shares: &[&Evaluation]) -> Option<Evaluation> {
    let mut whole = (*shares.first()?).clone();
    let record = whole.shard.take()?;
    for (i, perturbed) in whole.perturbed.iter_mut().enumerate() {
        let parts = shares.iter().map(|e| e.perturbed.get(i)).collect::<Option<Vec<_>>>()?;
        *perturbed = of_all(&record, &parts)?;
    }
    if !record.confusion {
        let classes = [&mut whole.clean.classes, &mut whole.clean.classes_nf];
        classes.into_iter().flatten().for_each(|counts| counts.confusion.clear());
    }
    whole.adapter = named(&shares.iter().map(|e| &e.adapter).collect::<Vec<_>>());
    Some(whole)
}

/// All adapters as one: where they differ, their names are listed.
pub(super) fn named(adapters: &[&Adapter]) -> Adapter {
    let list = |of: fn(&Adapter) -> &String| {
        let mut names: Vec<&str> = Vec::new();
        for name in adapters.iter().map(|adapter| of(adapter)) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names.join("; ")
    };
    Adapter { name: list(|a| &a.name), backend: list(|a| &a.backend), driver: list(|a| &a.driver) }
}

/// The results of one rate under all maps, in the order of the seeds.
fn of_all(record: &ShardRecord, parts: &[&Perturbed]) -> Option<Perturbed> {
    let mut by_seed = BTreeMap::new();
    for part in parts {
        for (i, seed) in part.seeds.iter().enumerate() {
            let nf = part.accuracy_nf.as_ref().and_then(|nf| nf.each.get(i).copied());
            let alone = *part.accuracy.each.get(i)?;
            by_seed.insert(*seed, (alone, nf, *part.flipped_bits.each.get(i)?));
        }
    }
    let all = record.seeds.iter().map(|seed| by_seed.get(seed).copied());
    let all = all.collect::<Option<Vec<_>>>()?;
    let alone: Vec<f64> = all.iter().map(|(alone, ..)| *alone).collect();
    let behind: Option<Vec<f64>> = all.iter().map(|(_, nf, _)| *nf).collect();
    let each: Vec<u64> = all.iter().map(|(.., flips)| *flips).collect();
    let flips = || parts.iter().map(|part| &part.flipped_bits);
    let flipped = summed(record.cells, &each, &flips().collect::<Vec<_>>())?;
    let first = *parts.first()?;
    let beside = |of: fn(&Perturbed) -> &Option<FlippedBits>| {
        let shares = parts.iter().map(|part| of(part).as_ref()).collect::<Option<Vec<_>>>()?;
        let of_seed = parts.iter().zip(&shares);
        let of_seed = of_seed.flat_map(|(part, share)| part.seeds.iter().zip(&share.each));
        let of_seed: BTreeMap<u64, u64> = of_seed.map(|(&seed, &flips)| (seed, flips)).collect();
        let each = record.seeds.iter().map(|seed| of_seed.get(seed).copied());
        let cells = shares.first()?.per_layer.iter().map(|layer| layer.stored_bits).sum();
        summed(cells, &each.collect::<Option<Vec<_>>>()?, &shares)
    };
    let classes = |of: fn(&Perturbed) -> &Option<ClassCounts>| {
        let all = parts.iter().map(|part| of(part).as_ref()).collect::<Option<Vec<_>>>()?;
        Some(counts(&all, record.confusion))
    };
    let Perturbed { faults, seeds, accuracy, accuracy_nf, recovery, flipped_bits, .. } =
        Perturbed::new(first.faults.clone(), &record.seeds, &alone, behind.as_deref(), flipped);
    // All fields are written out, so that a new one is not forgotten here.
    Some(Perturbed {
        faults,
        seeds,
        accuracy,
        accuracy_nf,
        recovery,
        flipped_bits,
        classes: classes(|part| &part.classes),
        classes_nf: classes(|part| &part.classes_nf),
        flipped_activation_bits: beside(|part| &part.flipped_activation_bits),
        flipped_bias_bits: beside(|part| &part.flipped_bias_bits),
        voltage: first.voltage,
        energy: first.energy.clone(),
    })
}

/// The flips of all shares, of `cells` stored bits; `each` are those of every seed.
fn summed(cells: u64, each: &[u64], shares: &[&FlippedBits]) -> Option<FlippedBits> {
    let (first, rest) = shares.split_first()?;
    let mut flipped = FlippedBits::new(cells, each, &first.per_bit);
    flipped.per_layer.clone_from(&first.per_layer);
    for more in rest {
        flipped.per_bit.iter_mut().zip(&more.per_bit).for_each(|(sum, n)| *sum += n);
        let layers = flipped.per_layer.iter_mut().zip(&more.per_layer);
        layers.for_each(|(sum, layer)| sum.flips += layer.flips);
    }
    Some(flipped)
}

/// The sums of counts; the matrices stay where they were asked for.
fn counts(parts: &[&ClassCounts], confusion: bool) -> ClassCounts {
    let mut sum: Vec<Vec<u64>> = Vec::new();
    for part in parts {
        sum.resize(part.confusion.len(), Vec::new());
        for (sum, row) in sum.iter_mut().zip(&part.confusion) {
            sum.resize(sum.len().max(row.len()), 0);
            sum.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
        }
    }
    let mut counts = ClassCounts::new(sum);
    if !confusion {
        counts.confusion.clear();
    }
    counts
}
