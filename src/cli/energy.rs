//! `nf-gpu energy`: the cost of networks, the savings at a lower voltage, and the voltage to choose. It needs
//! no GPU.

mod choice;
mod table;

use super::{places::Places, terminal};
use crate::{
    energy::{Cost, OperatingPoint, OperatingPoints},
    error::{Error, Result},
    models, onnx,
    report::{Table, csv::Csv, saving, wrap::paragraph},
    words::{self, percent},
};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `nf-gpu energy`.
#[derive(Args, Debug)]
#[group(skip)]
pub struct EnergyArgs {
    /// Name of the base network
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present_any = ["table", "min_accuracy", "evaluations"]
    )]
    base: Option<String>,
    /// Name of a generator in front of it; several give several rows
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    generator: Vec<String>,
    /// Rate of faulty cells whose voltage is to be used (default: every known one)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    ber: Option<f64>,
    /// Voltage of one of the operating points, in their unit: the one to be used, or where the faults of
    /// the evaluations are of (default: that of their rate)
    #[arg(long, value_name = "V", conflicts_with_all = ["ber", "table"], allow_negative_numbers = true)]
    voltage: Option<f64>,
    /// Classes of the base network, where no evaluation tells
    #[arg(long, value_name = "N", default_value_t = 10)]
    classes: u32,
    /// Operating points of your memory (TOML): [[point]] with `voltage`, `ber` and
    /// `energy_per_access`. One has ber = 0; voltages and energies are relative to it (default: the
    /// paper's)
    #[arg(long, value_name = "FILE")]
    points: Option<PathBuf>,
    /// All networks and pairs, beside the numbers that the paper prints
    #[arg(
        long,
        conflicts_with_all = ["base", "generator", "ber", "points", "min_accuracy", "classes"]
    )]
    table: bool,
    /// The operating point of least energy with at least this mean accuracy, in per cent
    #[arg(
        long,
        value_name = "A",
        conflicts_with_all = ["base", "generator", "ber"],
        requires = "evaluations",
        allow_negative_numbers = true
    )]
    min_accuracy: Option<f64>,
    /// Documents of `nf-gpu eval --json` (or eval.json of runs) with measured accuracies
    #[arg(value_name = "EVAL.json", requires = "min_accuracy")]
    evaluations: Vec<PathBuf>,
    /// Write the table to this file, with the fields of --json's savings or candidates as columns
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// An upper limit beyond the number of classes of any data set.
const MOST_CLASSES: u32 = 1_000_000;

/// What the command finds, in the form that was asked for.
enum Answer {
    Text(String),
    Document(Value),
}

/// Prints energy, cost and choices.
pub fn run(args: &EnergyArgs) -> Result<()> {
    Places::default()
        .reads("--points", &args.points)
        .reads("an evaluation", &args.evaluations)
        .writes("--csv", &args.csv)
        .check()?;
    if let (Some(path), Answer::Document(document)) = (&args.csv, answer(args, args.csv.is_some())?)
    {
        let rows = if args.min_accuracy.is_some() { "candidates" } else { "savings" };
        Csv::of_records(&document[rows]).save(path)?;
    }
    match answer(args, args.json)? {
        Answer::Text(text) => terminal::print(&text),
        Answer::Document(document) => terminal::print_json(&document),
    }
}

/// Energy, cost and choices as a document.
pub(super) fn call(args: &EnergyArgs) -> Result<Value> {
    match answer(args, true)? {
        Answer::Text(text) => Ok(text.into()),
        Answer::Document(document) => Ok(document),
    }
}

fn answer(args: &EnergyArgs, json: bool) -> Result<Answer> {
    if args.classes == 0 {
        return Err(Error::argument("--classes", "0 classes cannot be told apart", "try 10"));
    }
    if args.classes > MOST_CLASSES {
        let what = format!("{} classes", args.classes);
        let hint = format!("{MOST_CLASSES} are the most");
        return Err(Error::argument("--classes", what, hint));
    }
    if args.table {
        return table::answer(json);
    }
    let points = match &args.points {
        Some(path) => OperatingPoints::load(path)?,
        None => OperatingPoints::built_in()?,
    };
    match (args.min_accuracy, &args.base) {
        (Some(minimum), _) => choice::answer(args, &points, minimum, json),
        (None, Some(base)) => pair(args, &points, base, json),
        (None, None) => Err(Error::argument("--base", "no network was named", "try resnet18")),
    }
}

/// One base network, alone and behind each generator that was named.
fn pair(args: &EnergyArgs, points: &OperatingPoints, base: &str, json: bool) -> Result<Answer> {
    if onnx::is_onnx(Path::new(base)) {
        let hint = "run nf-gpu eval --base with this file: its table has the energy, with --points that of your memory";
        return Err(Error::argument("--base", "it is a file, not the name of a network", hint));
    }
    let info = models::base_info(base)?;
    let base = Cost::of(&models::base(info.name, args.classes, None)?);
    let generator =
        |name: &String| Ok(Cost::of(&models::generator(name, [3, info.side, info.side])?));
    let generators = args.generator.iter().map(generator).collect::<Result<Vec<_>>>()?;
    let shown: Vec<&OperatingPoint> = match (args.ber, args.voltage) {
        (Some(ber), _) => vec![points.require(ber)?],
        (None, Some(voltage)) => vec![points.require_voltage(voltage)?],
        (None, None) => points.iter().filter(|p| p.ber > 0.0).collect(),
    };
    if json {
        return Ok(Answer::Document(document(&base, &generators, &shown, points)));
    }
    let width = terminal::columns();
    let mut text = format!("{:width$}", costs(std::iter::once(&base).chain(&generators)));
    let headers = [
        "generator",
        "V/Vmin",
        "BER",
        "energy per access",
        "energy",
        "by MACs",
        "by true MACs",
        "cycles added",
    ];
    let mut table = Table::new(headers).named_by(3);
    for point in &shown {
        for generator in fronts(&generators) {
            let e = point.energy_per_access;
            table.row([
                generator.map_or("none", |g| &g.name).to_owned(),
                short(point.voltage),
                point.ber.to_string(),
                short(e),
                saving::in_words(base.energy_saving(generator, e)),
                saving::in_words(base.mac_saving(generator, e, |c| c.paper_macs)),
                saving::in_words(base.mac_saving(generator, e, |c| c.macs)),
                generator.map_or(String::new(), |g| percent(base.latency_overhead(g))),
            ]);
        }
    }
    text += &format!("\n{table:width$}\n{}\n{NOTES}", source(points, width));
    Ok(Answer::Text(text))
}

/// Where operating points come from.
fn source(points: &OperatingPoints, width: usize) -> String {
    paragraph(&format!("Operating points: {}", points.source), width, 2)
}

const NOTES: &str = "\
Accesses are 64-bit reads of 8-bit weights, counted as SCALE-SIM does for an
output-stationary array of 32x32. Energy is compared with that of the base
network alone at the nominal voltage: by accesses (the paper's equation 6) and
by MACs (its equation 7). The paper counts transposed convolutions stride^2
times too high: true MACs do not. Cycles are SCALE-SIM's; the latencies of the
paper's Table 9 were taken on a GPU, where launching layers takes the time.
";

/// All fronts: no generator, then each generator.
fn fronts(generators: &[Cost]) -> impl Iterator<Item = Option<&Cost>> {
    std::iter::once(None).chain(generators.iter().map(Some))
}

fn document(
    base: &Cost,
    generators: &[Cost],
    shown: &[&OperatingPoint],
    points: &OperatingPoints,
) -> Value {
    let saving = |point: &OperatingPoint, generator: Option<&Cost>| {
        let e = point.energy_per_access;
        json!({
            "generator": generator.map(|g| &g.name),
            "voltage": point.voltage,
            "ber": point.ber,
            "energy_per_access": e,
            "energy_saving_percent": base.energy_saving(generator, e),
            "mac_saving_percent": base.mac_saving(generator, e, |c| c.paper_macs),
            "true_mac_saving_percent": base.mac_saving(generator, e, |c| c.macs),
            "latency_overhead_percent": generator.map(|g| base.latency_overhead(g)),
        })
    };
    let savings = shown.iter().flat_map(|p| fronts(generators).map(move |g| saving(p, g)));
    json!({
        "version": 1,
        "base": base,
        "generators": generators,
        "savings": savings.collect::<Vec<_>>(),
        "points": points,
    })
}

/// A table of the costs of networks, one row each.
fn costs<'a>(networks: impl Iterator<Item = &'a Cost>) -> Table {
    let headers =
        ["network", "image", "parameters", "true MACs", "MACs (paper's)", "accesses", "cycles"];
    let mut table = Table::new(headers);
    for c in networks {
        let mut row = vec![c.name.clone(), format!("{0}x{0}", c.side)];
        row.extend(
            [c.parameters, c.macs, c.paper_macs, c.weight_accesses, c.cycles].map(words::count),
        );
        table.row(row);
    }
    table
}

/// A number with at most five decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.5}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([1.0, 0.83, 0.69395, 0.5 / 0.6].map(short), ["1", "0.83", "0.69395", "0.83333"]);
        assert_eq!(short(0.0), "0");
    }
}
