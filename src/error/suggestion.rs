//! Suggests the known name that a mistyped one was meant to be.

use strsim::levenshtein;

/// The known name nearest to a mistyped one, if it is near enough: at most about a third of the letters
/// differ, or the typed name is the beginning of the known one.
pub(crate) fn closest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .iter()
        .map(|k| (levenshtein(&name, &k.to_lowercase()), k.as_str()))
        .filter(|&(d, k)| {
            let begun = name.len() > 2 && k.to_lowercase().starts_with(&name);
            begun || d * 3 <= k.len().max(name.len()) + 2
        })
        .min()
        .map(|(_, k)| k)
}
