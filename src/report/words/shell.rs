//! Quotes words for a shell, in commands that a user may copy.

/// The word, quoted if a shell would not take it literally.
pub(crate) fn quoted(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        for (word, wanted) in [
            ("--ber", "--ber"),
            ("a/b-1.json", "a/b-1.json"),
            ("", "''"),
            ("resnet18/*", "'resnet18/*'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
