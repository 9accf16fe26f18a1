//! What a mistyped name was meant to be.

use strsim::levenshtein;

/// The known name nearest to a mistyped one, if it is near at all (a third of its letters, or cut
/// short).
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
