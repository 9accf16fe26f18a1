//! Describes savings of energy in words: relative to what, at what price in accuracy, and what to do where
//! the saving is unknown.

use super::table::faults;
use crate::{
    fault::FloatFormat,
    report::documents::eval_json::{Evaluation, Perturbed},
    words,
};
use std::collections::BTreeSet;

/// Words for a saving in per cent: `19.0 % less` or `28.5 % more` energy. A generator can cost more than a
/// lower voltage saves, and "-28.5 % saved" would be misread. The result is `the same` if the rounded number
/// is 0, and `?` if the number is not finite.
pub fn in_words(percent: f64) -> String {
    let size = format!("{:.1}", percent.abs());
    match size.as_str() {
        _ if !percent.is_finite() => "?".into(),
        "0.0" => "the same".into(),
        size if percent > 0.0 => format!("{size} % less"),
        size => format!("{size} % more"),
    }
}

/// A sentence on the energy, relative to the nominal voltage, and the change in accuracy under these faults;
/// `name` is the generator's. It says so if nothing is gained. `None` if the voltage is unknown.
pub fn gained(e: &Evaluation, p: &Perturbed, name: &str) -> Option<String> {
    let savings = e.savings(p)?;
    let change = |mean: f64| Some(mean - e.clean.accuracy).filter(|c| c.is_finite());
    let alone = savings.alone.zip(change(p.accuracy.mean));
    let behind = savings.behind.zip(p.accuracy_nf.as_ref().and_then(|nf| change(nf.mean)));
    let (saving, points) = behind.or(alone)?;
    let takes = match in_words(saving).as_str() {
        "the same" => "the same energy as at nominal voltage".to_owned(),
        saved => format!("{saved} energy than at nominal voltage"),
    };
    let (price, measure) = (change_in_words(points), e.dataset.measure().word());
    let mut text = match behind {
        Some(_) => format!(
            "With {name} the weight memory takes {takes}, the generator included, for {price} {measure}"
        ),
        None => format!("The weight memory takes {takes} for {price} {measure}"),
    };
    if let Some((saving, points)) = alone.filter(|_| behind.is_some()) {
        text += &format!("; without it {} for {}", in_words(saving), change_in_words(points));
    }
    text.push('.');
    let rounded = |v: f64| (v * 10.0).round();
    if rounded(saving) <= 0.0 && rounded(points) <= 0.0 && rounded(saving) + rounded(points) < 0.0 {
        let with = if behind.is_some() { " with it" } else { "" };
        text += &format!(" Nothing is gained{with}: nominal voltage is the better choice.");
    }
    Some(text)
}

/// Words for a change in accuracy or agreement: `16.7 points less`.
fn change_in_words(change: f64) -> String {
    let size = format!("{:.1}", change.abs());
    match size.as_str() {
        "0.0" => "the same".into(),
        size if change < 0.0 => format!("{size} points less"),
        size => format!("{size} points more"),
    }
}

/// A hint about the faults whose energy is unknown, and how to give their voltage; `None` if all energies are
/// known.
pub fn unknown<'a>(evaluations: impl IntoIterator<Item = &'a Evaluation>) -> Option<String> {
    let mut rates: Vec<(String, Vec<String>)> = Vec::new();
    let mut bits = BTreeSet::new();
    for e in evaluations {
        for p in e.perturbed.iter().filter(|p| e.energy_of(p).is_none()) {
            // Accesses are counted for weights of one byte, so a voltage does not help with other
            // precisions.
            if e.precision != 8 && e.precision != FloatFormat::BITS {
                bits.insert(e.precision);
                continue;
            }
            let (name, rate) = (faults(&p.faults), words::rate(p.ber()));
            let at = rates.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                rates.push((name, Vec::new()));
                rates.len() - 1
            });
            if !rates[at].1.contains(&rate) {
                rates[at].1.push(rate);
            }
        }
    }
    let listed = rates.iter().map(|(name, rates)| format!("{name} at BER {}", rates.join(", ")));
    let listed: Vec<String> = listed.collect();
    let mut lines = Vec::new();
    if !listed.is_empty() {
        lines.push(format!(
            "No voltage is known for {}, so no energy is either. To give one: `nf-gpu eval` takes --voltage V \
             (one of the points that `nf-gpu energy` knows) and --points FILE.toml (voltages, rates and \
             energies of your memory).",
            listed.join("; ")
        ));
    }
    if !bits.is_empty() {
        let bits: Vec<String> = bits.iter().map(u32::to_string).collect();
        let bits = bits.join(" or ");
        lines.push(format!(
            "Energy is not known for weights of {bits} bits: accesses are of whole bytes, unless the network's \
             file stores such words; then --voltage or --points gives it."
        ));
    }
    (!lines.is_empty()).then(|| lines.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::{Energy, sample, stuck_at};

    #[test]
    fn the_sign_becomes_a_word() {
        let words = [19.04, -28.5, 0.04, -0.04, 0.0, -0.06, f64::NAN, f64::INFINITY].map(in_words);
        let wanted =
            ["19.0 % less", "28.5 % more", "the same", "the same", "the same", "0.1 % more"];
        assert_eq!(words[..6], wanted);
        assert_eq!(words[6..], ["?", "?"]);
    }

    /// The sample (CA 92.6, PA 40, PA(NF) 85) with these savings and this accuracy behind the generator.
    fn told(saving: f64, alone: f64, behind: f64) -> String {
        let mut e = sample();
        let (saving_percent, base_saving_percent) = (saving, Some(alone));
        e.energy = Some(Energy { saving_percent, base_saving_percent, ..Energy::default() });
        e.perturbed[0].accuracy_nf.as_mut().unwrap().mean = behind;
        gained(&e, &e.perturbed[0], "ConvL").unwrap()
    }

    #[test]
    fn what_was_gained_stands_beside_what_it_cost() {
        assert_eq!(
            told(19.0, 30.6, 85.0),
            "With ConvL the weight memory takes 19.0 % less energy than at nominal voltage, the generator \
             included, for 7.6 points less accuracy; without it 30.6 % less for 52.6 points less."
        );
        let nothing = " Nothing is gained with it: nominal voltage is the better choice.";
        let more = told(-28.5, 30.6, 85.0);
        assert!(more.contains("takes 28.5 % more energy than"), "{more}");
        assert!(more.ends_with(&format!("30.6 % less for 52.6 points less.{nothing}")), "{more}");
        // A gain in energy or in accuracy counts; a loss without any gain does not. No change at
        // all is no loss.
        for (saving, behind, lost) in [
            (0.1, 10.0, false),
            (-9.0, 92.8, false),
            (0.0, 92.0, true),
            (-1.0, 92.6, true),
            (0.0, 92.6, false),
        ] {
            let text = told(saving, 30.6, behind);
            assert_eq!(text.ends_with(nothing), lost, "{saving} {behind}: {text}");
        }
        let same = told(0.0, 30.6, 92.6);
        assert!(same.contains("takes the same energy as at nominal voltage, "), "{same}");
        assert!(same.contains("for the same accuracy; "), "{same}");
        assert!(told(1.0, 30.6, 93.0).contains("for 0.4 points more accuracy"));
    }

    #[test]
    fn the_base_alone_is_told_of_by_itself() {
        let mut e = sample();
        (e.generator, e.perturbed[0].accuracy_nf) = (None, None);
        let alone = "The weight memory takes 19.0 % less energy than at nominal voltage for 52.6 points less \
                     accuracy.";
        assert_eq!(gained(&e, &e.perturbed[0], "").unwrap(), alone);
        e.energy = None;
        assert_eq!(gained(&e, &e.perturbed[0], ""), None);
    }

    #[test]
    fn rates_without_a_voltage_are_said_once() {
        let mut e = sample();
        assert_eq!(unknown([&e, &e]), None);
        e.energy = None;
        let mut other = e.perturbed[0].clone();
        other.faults = stuck_at(0.005);
        e.perturbed.push(other.clone());
        other.faults = other.faults.in_bits("7".parse().unwrap());
        e.perturbed.push(other);
        let text = unknown([&e, &e]).unwrap();
        let says = "No voltage is known for stuck-at at BER 0.01, 0.005; stuck-at bits 7 at BER 0.005, so no";
        assert!(text.starts_with(says), "{text}");
        for flag in ["--voltage V", "--points FILE.toml", "`nf-gpu energy`"] {
            assert_eq!(text.matches(flag).count(), 1, "{text}");
        }
        // Faults whose energy is known are not listed.
        e.perturbed[0].energy = Some(Energy::default());
        assert!(unknown([&e]).unwrap().contains("for stuck-at at BER 0.005; "));
        e.precision = 4;
        let text = unknown([&e]).unwrap();
        assert!(text.starts_with("Energy is not known for weights of 4 bits"), "{text}");
        e.perturbed.clear();
        assert_eq!(unknown([&e]), None);
    }
}
