//! A table of accuracy and energy for readers who do not know the abbreviations.

use super::{Table, spread};
use crate::{
    report::{
        documents::eval_json::{Evaluation, Perturbed},
        words::{saving, wrap::paragraph},
    },
    words,
};

/// Rows for the network at nominal voltage, on the faulty chip, and there behind the generator: accuracies in
/// per cent, and the energy of the weight memory (with that of the generator) relative to the first row.
/// `None` if the voltage of no fault is known.
pub fn energy(e: &Evaluation) -> Option<Table> {
    let mut known = known(e).peekable();
    known.peek()?;
    let header =
        ["network", "V/Vmin", "BER", e.dataset.measure().word(), "energy of weight memory"];
    let mut table = Table::new(header).named_by(3);
    let model = &e.base.model;
    let mut row = |name: &str, at: [String; 2], accuracy: String, energy: String| {
        let [voltage, ber] = at;
        table.row([name.to_owned(), voltage, ber, accuracy, energy]);
    };
    let nominal = ["1".to_owned(), "0".to_owned()];
    row(model, nominal, format!("{:.1}", e.clean.accuracy), "nominal".into());
    for p in known {
        let Some(savings) = e.savings(p) else { continue };
        let voltage = savings.voltage.map_or_else(|| "?".into(), words::rate);
        let at = || [voltage.clone(), words::rate(p.ber())];
        let saved = |saving: Option<f64>| saving.map_or_else(|| "?".into(), saving::in_words);
        row(model, at(), spread(&p.accuracy), saved(savings.alone));
        if let (Some(generator), Some(nf)) = (&e.generator, &p.accuracy_nf) {
            let name = format!("{} + {model}", generator.name);
            row(&name, at(), spread(nf), saved(savings.behind));
        }
    }
    Some(table)
}

/// The measurements whose energy is known.
fn known(e: &Evaluation) -> impl Iterator<Item = &Perturbed> {
    e.perturbed.iter().filter(|p| e.energy_of(p).is_some())
}

/// The table of [`super::evaluation`] in lines of at most `width` characters and, if a voltage is known, the
/// table of [`energy`] and a sentence about the gain and its price.
pub fn with_energy(e: &Evaluation, width: usize) -> String {
    let mut text = super::captioned(e, width);
    let Some(table) = energy(e) else { return text };
    text += &format!("\n{table:width$}\n");
    let name = e.generator.as_ref().map_or("", |g| &g.name);
    let several = known(e).count() > 1;
    for p in known(e) {
        let rate = format!("BER {}: ", words::rate(p.ber()));
        let gained = saving::gained(e, p, name).into_iter();
        let gained = gained.map(|text| if several { rate.clone() + &text } else { text });
        text.extend(gained.map(|text| paragraph(&text, width, 2) + "\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::{Energy, sample, stuck_at};

    fn known(ber: f64, voltage: f64) -> (Evaluation, Perturbed) {
        let mut e = sample();
        let energy = Energy {
            saving_percent: 19.0,
            base_saving_percent: Some(30.605),
            voltage: Some(voltage),
            ..Energy::default()
        };
        let p = Perturbed { faults: stuck_at(ber), energy: Some(energy), ..e.perturbed[0].clone() };
        e.perturbed = vec![p.clone()];
        (e, p)
    }

    #[test]
    fn one_table_has_nominal_voltage_the_faulty_chip_and_the_generator() {
        let (mut e, _) = known(0.01, 0.83);
        let wanted = "\
network           V/Vmin   BER     accuracy  energy of weight memory
────────────────  ──────  ────  ───────────  ───────────────────────
resnet18               1     0         92.6                  nominal
resnet18            0.83  0.01  40.0 ± 10.0              30.6 % less
ConvL + resnet18    0.83  0.01   85.0 ± 5.0              19.0 % less
";
        assert_eq!(energy(&e).unwrap().to_string(), wanted);
        let text = with_energy(&e, 80);
        assert!(text.contains(wanted), "{text}");
        assert!(text.starts_with("faults ") && text.contains("\n\nnetwork "), "{text}");
        let sentence = text.replace("\n  ", " ");
        assert!(sentence.contains("\n\nWith ConvL the weight memory takes 19.0 % less"), "{text}");

        e.generator = None;
        assert_eq!(energy(&e).unwrap().to_string().lines().count(), 4);
        e.perturbed[0].energy = None;
        e.energy = None;
        assert_eq!(energy(&e), None);
        assert_eq!(with_energy(&e, 80), format!("{:80}", super::super::evaluation(&e)));
    }

    #[test]
    fn lines_are_no_longer_than_the_terminal_and_each_rate_is_told() {
        let (mut e, p) = known(0.01, 0.83);
        let (_, lower) = known(0.02, 0.8);
        let unknown = Perturbed { faults: stuck_at(0.005), energy: None, ..p };
        e.perturbed.extend([lower, unknown]);
        for width in [60, 80, 120] {
            let text = with_energy(&e, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            let sentences = [text.matches("BER 0.01: With"), text.matches("BER 0.02: With")];
            assert_eq!(sentences.map(Iterator::count), [1, 1], "{text}");
            assert_eq!(text.matches("ConvL + resnet18").count(), 2, "{text}");
        }
    }
}
