//! `nf-gpu energy --table`: every network and pair beside what the paper prints.

use super::Answer;
use crate::{
    cli::terminal,
    energy::{
        Compared, Cost, OperatingPoints, PaperComparison, Published, Quantity, compare, published,
    },
    error::Result,
    models,
    report::{Table, wrap::paragraph},
    words,
};
use serde_json::{Value, json};

/// The sign between our number and a printed one that differs.
const MARK: &str = "≠";

/// A number of a base network with a generator in front.
type OfPair<'a> = &'a dyn Fn(&Cost, &Cost) -> f64;

pub(super) fn answer(as_json: bool) -> Result<Answer> {
    let paper = published()?;
    let all = compare(&paper)?;
    let energy = OperatingPoints::built_in()?.require(0.01)?.energy_per_access;
    let by_macs = 1.0 - paper.saving_per_access_table_8 / 100.0;
    if as_json {
        return Ok(Answer::Document(document(&all, [energy, by_macs], &paper)));
    }
    let width = terminal::columns();
    let mut text = format!("{:width$}", networks(&all));
    let printed = all.compared.iter().filter(|c| c.generator.is_none()).count();
    text += &format!(
        "\n10 classes. MACs are the paper's, with transposed convolutions stride^2 times\n\
         too high; true MACs are not. {printed} of these numbers are published; behind {MARK}\n\
         stands one that differs.\n"
    );
    for side in [32, 224] {
        let mut section = |title: &str, quantity, of_pair: OfPair<'_>| {
            let title = format!("{title}, images of {side}x{side}");
            text += &format!("\n{}\n\n", paragraph(&title, width, 2));
            text += &format!("{:width$}", pairs(&all, side, quantity, of_pair));
        };
        // The paper's tables are about images of 32x32.
        let table = |n: u32| if side == 32 { format!(": Table {n}") } else { String::new() };
        section(
            &format!(
                "Energy saved, in per cent, at BER 0.01 ({} per access){}",
                percent_of(energy),
                table(2)
            ),
            Some(Quantity::EnergySaving),
            &|base, g| base.energy_saving(Some(g), energy),
        );
        section(
            &format!("The same if energy followed MACs ({}){}", percent_of(by_macs), table(8)),
            Some(Quantity::MacSaving),
            &|base, g| base.mac_saving(Some(g), by_macs, |c| c.paper_macs),
        );
        section("The same by true MACs", None, &|base, g| {
            base.mac_saving(Some(g), by_macs, |c| c.macs)
        });
        section("Cycles that the generator adds, in per cent", None, &|base, g| {
            base.latency_overhead(g)
        });
    }
    text +=
        "\nA negative number is no saving: the generator costs more than the low voltage\nsaves.\n";
    text += "\nPoints recovered (the paper's RP, rounded to 0.1) per million parameters of the\n\
             generator, CIFAR-10: Table 3\n\n";
    text += &format!("{:width$}", efficiency(&all, &paper));
    let lines = differences(&all);
    let lines = lines.lines().map(|line| paragraph(line, width, 4) + "\n");
    text += &lines.collect::<String>();
    text += &format!("\n{}\n", paragraph(&format!("Printed numbers: {}", paper.source), width, 2));
    Ok(Answer::Text(text))
}

/// The energy saved per access, in words.
fn percent_of(energy_per_access: f64) -> String {
    format!("{} less", words::percent_to(100.0 * (1.0 - energy_per_access), 3))
}

/// Our number, followed by the printed one where they differ.
fn cell(ours: String, entry: Option<&Compared>) -> String {
    match entry {
        Some(e) if !e.agrees => format!("{ours} {MARK} {}", e.printed),
        _ => ours,
    }
}

fn networks(all: &PaperComparison) -> Table {
    let headers = ["network", "image", "parameters", "true MACs", "MACs", "accesses", "cycles"];
    let mut table = Table::new(headers).named_by(2);
    for c in &all.networks {
        let count = |quantity, count| {
            cell(words::count(count), all.entry(quantity, (&c.name, c.side), None, None))
        };
        table.row([
            c.name.clone(),
            format!("{0}x{0}", c.side),
            count(Quantity::Parameters, c.parameters),
            words::count(c.macs),
            count(Quantity::PaperMacs, c.paper_macs),
            count(Quantity::WeightAccesses, c.weight_accesses),
            count(Quantity::Cycles, c.cycles),
        ]);
    }
    table
}

/// Base networks for images of `side` x `side` pixels, and the generators that access the weight memory at
/// this size.
fn of_side(all: &PaperComparison, side: u32) -> (Vec<&Cost>, Vec<&Cost>) {
    let here = all.networks.iter().filter(|c| c.side == side && c.weight_accesses > 0);
    here.partition(|c| !models::is_generator(&c.name))
}

/// A row per base network, a column per generator.
fn pairs(
    all: &PaperComparison,
    side: u32,
    quantity: Option<Quantity>,
    of_pair: OfPair<'_>,
) -> Table {
    let (bases, generators) = of_side(all, side);
    let mut table = Table::new(std::iter::once("base").chain(generators.iter().map(|g| &*g.name)));
    for base in bases {
        let cells = generators.iter().map(|g| {
            let entry = quantity
                .and_then(|quantity| all.entry(quantity, (&base.name, side), Some(&g.name), None));
            // The number in `entry` comes first: it is computed from the same printed inputs that
            // the paper used.
            let ours = entry.map_or_else(|| of_pair(base, g), |e| e.ours);
            cell(format!("{ours:.1}"), entry)
        });
        table.row(std::iter::once(base.name.clone()).chain(cells));
    }
    table
}

fn efficiency(all: &PaperComparison, paper: &Published) -> Table {
    let generators = paper.generators.iter().map(String::as_str);
    let mut table = Table::new(["base", "BER"].into_iter().chain(generators)).named_by(2);
    for base in of_side(all, 32).0 {
        for ber in [0.01, 0.005] {
            let entries = paper
                .generators
                .iter()
                .map(|g| all.entry(Quantity::Efficiency, (&base.name, 32), Some(g), Some(ber)));
            let Some(entries) = entries.collect::<Option<Vec<_>>>() else { continue };
            let cells = entries.iter().map(|e| cell(format!("{:.1}", e.ours), Some(e)));
            table.row([base.name.clone(), ber.to_string()].into_iter().chain(cells));
        }
    }
    table
}

/// Lists where the paper contradicts itself or our numbers.
fn differences(all: &PaperComparison) -> String {
    let printed = all.compared.len();
    let agree = printed - all.differences().count();
    let mut text = format!(
        "\n{agree} of {printed} printed numbers are ours within the rounding of what is printed. \
         The others:\n"
    );
    for d in all.differences() {
        let generator = d.generator.as_ref().map_or(String::new(), |g| format!(" + {g}"));
        let ber = d.ber.map_or(String::new(), |ber| format!(" at BER {ber}"));
        let what = d.explanation.as_deref().unwrap_or("not explained");
        text += &format!(
            "  Table {}, {}{generator}{ber}: {} printed, {:.1} computed; {what}\n",
            d.table, d.network, d.printed, d.ours
        );
    }
    text
}

fn document(all: &PaperComparison, [energy, by_macs]: [f64; 2], paper: &Published) -> Value {
    let mut savings = Vec::new();
    for side in [32, 224] {
        let (bases, generators) = of_side(all, side);
        for base in bases {
            for g in &generators {
                savings.push(json!({
                    "base": base.name,
                    "generator": g.name,
                    "side": side,
                    "energy_saving_percent": base.energy_saving(Some(g), energy),
                    "mac_saving_percent": base.mac_saving(Some(g), by_macs, |c| c.paper_macs),
                    "true_mac_saving_percent": base.mac_saving(Some(g), by_macs, |c| c.macs),
                    "latency_overhead_percent": base.latency_overhead(g),
                }));
            }
        }
    }
    json!({
        "version": 1,
        "source": paper.source,
        "energy_per_access": energy,
        "energy_per_access_by_macs": by_macs,
        "networks": all.networks,
        "savings": savings,
        "compared": all.compared,
        "differences": all.differences().collect::<Vec<_>>(),
    })
}
