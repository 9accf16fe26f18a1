//! `nf-gpu energy --min-accuracy A EVAL.json...`: the operating point of least energy.

use super::{Answer, EnergyArgs, short, source};
use crate::{
    cli::terminal,
    energy::{Candidate, Choice, OperatingPoints, choose, read_evaluations},
    error::{Error, Result},
    report::{Table, measure::Measure, saving},
    words,
};
use serde_json::json;

pub(super) fn answer(
    args: &EnergyArgs,
    points: &OperatingPoints,
    minimum: f64,
    json: bool,
) -> Result<Answer> {
    if !(0.0..=100.0).contains(&minimum) || (minimum > 0.0 && minimum < 1.0) {
        let hint = "accuracies are per cent: 90 is nine images of ten";
        return Err(Error::argument("--min-accuracy", format!("{minimum} is no accuracy"), hint));
    }
    let mut evaluations = Vec::new();
    for path in &args.evaluations {
        let file = path.display().to_string();
        evaluations.extend(read_evaluations(path)?.into_iter().map(|e| (file.clone(), e)));
    }
    let at = args.voltage.map(|voltage| points.require_voltage(voltage)).transpose()?;
    let choice = choose(&evaluations, (points, at), minimum, args.classes)?;
    if json {
        let at = |at: Option<usize>| at.map(|at| &choice.candidates[at]);
        return Ok(Answer::Document(json!({
            "version": 1,
            "min_accuracy": minimum,
            "base": evaluations.first().map(|(_, e)| &e.base),
            "dataset": evaluations.first().map(|(_, e)| &e.dataset),
            "chosen": at(choice.chosen),
            "chosen_without_generator": at(choice.chosen_without_generator),
            "chosen_with_generator": at(choice.chosen_with_generator),
            "most_accurate": at(choice.most_accurate),
            "candidates": choice.candidates,
            "unmeasured": choice.unmeasured,
            "unknown_rates": choice.unknown_rates,
            "partial_rates": choice.partial_rates,
            "points": points,
        })));
    }
    let table = table(&choice, args.evaluations.len() > 1);
    let mut text = format!("{table:0$}", terminal::columns());
    let measure = Measure::all(evaluations.iter().map(|(_, e)| e.dataset.measure()));
    if let Some(note) = measure.note() {
        text += &format!("\nThis is agreement, not accuracy: {note}.\n");
    }
    text += "\nEnergy of the weight-memory accesses of one image; 1 is the base alone at the \
             nominal voltage.\n\n";
    text += &verdict(&choice, minimum);
    text += &gaps(&choice, args.evaluations.len() > 1);
    text += &format!("{}\n", source(points, terminal::columns()));
    Ok(Answer::Text(text))
}

fn table(choice: &Choice, files: bool) -> Table {
    let mut headers =
        vec!["", "V/Vmin", "BER", "faults", "generator", "accuracy", "95 % interval", "energy"];
    headers.extend(files.then_some("file"));
    let mut table = Table::new(headers).with_words(&[0, 3, 4, 8]).named_by(5);
    for (at, c) in choice.candidates.iter().enumerate() {
        let mark = match () {
            () if choice.chosen == Some(at) => "->",
            () if c.accurate_enough => "ok",
            () => "",
        };
        let mut row = vec![
            mark.to_owned(),
            short(c.voltage),
            words::rate(c.ber),
            c.faults.clone().unwrap_or_default(),
            c.generator.clone().unwrap_or_else(|| "none".into()),
            accuracy(c),
            interval(c),
            format!("{:.4}", c.energy),
        ];
        row.extend(files.then(|| c.files.join(", ")));
        table.row(row);
    }
    table
}

fn interval(c: &Candidate) -> String {
    match (c.interval, c.maps) {
        (Some([low, high]), _) => format!("{low:.2} to {high:.2}"),
        (None, 0) => "exact".into(),
        (None, _) => "one map".into(),
    }
}

/// Describes the chosen operating point, or the one that comes nearest.
fn verdict(choice: &Choice, minimum: f64) -> String {
    let at = |at: Option<usize>| at.map(|at| &choice.candidates[at]);
    let Some(chosen) = at(choice.chosen) else {
        let best = at(choice.most_accurate).map_or("nothing was measured".into(), |c| {
            format!("the most accurate is {}, {}", name(c), accuracy(c))
        });
        return format!("No measured point reaches {minimum} %: {best}.\n");
    };
    let mut text = format!("Least energy for at least {minimum} %: {}.\n", line(chosen));
    match chosen.interval {
        Some([low, _]) if low < minimum => {
            text += &format!(
                "  Its interval begins below {minimum} %: more fault maps would tell more.\n"
            );
        }
        None if chosen.maps == 1 => {
            text += "  One fault map says little of other chips.\n";
        }
        _ => {}
    }
    let mut groups = vec![("Without a generator", choice.chosen_without_generator)];
    if choice.candidates.iter().any(|c| c.generator.is_some()) {
        groups.push(("With a generator", choice.chosen_with_generator));
    }
    for (title, group) in groups.into_iter().filter(|&(_, group)| group != choice.chosen) {
        let best = at(group).map_or_else(|| "no measured point reaches it".into(), line);
        text += &format!("{title}: {best}.\n");
    }
    text
}

fn name(c: &Candidate) -> String {
    let generator = c.generator.as_deref().map_or("no generator".into(), |g| format!("with {g}"));
    format!("{} Vmin (BER {}), {generator}", short(c.voltage), words::rate(c.ber))
}

/// Two decimals, because near points are compared.
fn accuracy(c: &Candidate) -> String {
    words::percent_to(c.accuracy, 2)
}

fn line(c: &Candidate) -> String {
    let energy = match saving::in_words(100.0 * (1.0 - c.energy)).as_str() {
        "the same" => "the energy of the nominal voltage".into(),
        saved => format!("{saved} energy"),
    };
    format!("{}: {}, {energy}", name(c), accuracy(c))
}

/// Explains which operating points and rates the table lacks.
fn gaps(choice: &Choice, files: bool) -> String {
    let mut text = String::new();
    for u in &choice.unmeasured {
        let generator = match (&u.generator, &u.file) {
            (Some(g), Some(file)) if files => format!("with {g} ({file})"),
            (Some(g), _) => format!("with {g}"),
            (None, _) => "no generator".into(),
        };
        let voltage = short(u.voltage);
        text += &format!("Not measured: {voltage} Vmin (BER {}), {generator}.\n", u.ber);
    }
    let list = |rates: &[f64]| rates.iter().map(|&p| words::rate(p)).collect::<Vec<_>>().join(", ");
    if !choice.unknown_rates.is_empty() {
        let rates = list(&choice.unknown_rates);
        text += &format!(
            "No voltage is known for the measured BER {rates}: see --points and --voltage.\n"
        );
    }
    if !choice.partial_rates.is_empty() {
        let rates = list(&choice.partial_rates);
        text += &format!(
            "Left out, since they are not of a whole memory (some bits or layers only, or one direction \
             more than the other): BER {rates}.\n"
        );
    }
    text
}
