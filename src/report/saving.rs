//! What a saving of energy is in words.

/// `19.0 % less` or `28.5 % more` energy of a saving in per cent: a generator can cost more than a lower
/// voltage saves, and "-28.5 % saved" is read as its opposite. `the same`, where nothing is left of it
/// after rounding; `?` where it is no number.
#[must_use]
pub fn in_words(percent: f64) -> String {
    let size = format!("{:.1}", percent.abs());
    match size.as_str() {
        _ if !percent.is_finite() => "?".into(),
        "0.0" => "the same".into(),
        size if percent > 0.0 => format!("{size} % less"),
        size => format!("{size} % more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_becomes_a_word() {
        let words = [19.04, -28.5, 0.04, -0.04, 0.0, -0.06, f64::NAN, f64::INFINITY].map(in_words);
        let wanted =
            ["19.0 % less", "28.5 % more", "the same", "the same", "the same", "0.1 % more"];
        assert_eq!(words[..6], wanted);
        assert_eq!(words[6..], ["?", "?"]);
    }
}
