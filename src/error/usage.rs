//! What the argument parser refuses, as an [`Error`].

use super::Error;
use clap::error::{ContextKind, ContextValue};

/// The error for flags that the parser does not take. Its own tip, if it has one, comes before `hint`.
pub(crate) fn usage(told: &clap::Error, hint: &str) -> Error {
    let text = told.to_string();
    let flag = match told.get(ContextKind::InvalidArg) {
        // The parser names a flag with its values, as in `--ber <P>`.
        Some(ContextValue::String(name)) => name.split([' ', '=']).next().unwrap_or_default(),
        _ => "settings",
    };
    // A list of flags that are missing stands on the lines behind the first, up to an empty one.
    let said = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let said = said.collect::<Vec<_>>().join(" ");
    let tips = text.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let hint = tips.chain([hint]).collect::<Vec<_>>().join("; ");
    Error::argument(flag, said.trim_start_matches("error: "), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, Command};

    #[test]
    fn the_flag_the_fault_and_the_parsers_own_tip_are_kept() {
        let refused = |line: &[&str]| {
            let number = Arg::new("ber").long("ber").required(true).value_name("P");
            let number = number.value_parser(clap::value_parser!(f64));
            let command = Command::new("x").no_binary_name(true).arg(number);
            let error = usage(&command.try_get_matches_from(line).unwrap_err(), "see the help");
            (error.to_string(), error.hint().unwrap_or_default())
        };
        let (what, hint) = refused(&["--ber", "one"]);
        assert!(what.starts_with("--ber: invalid value 'one' for '--ber <P>'"), "{what}");
        assert_eq!(hint, "see the help");
        let (what, hint) = refused(&["--bar", "1"]);
        assert_eq!(what, "--bar: unexpected argument '--bar' found");
        assert_eq!(hint, "a similar argument exists: '--ber'; see the help");
        let (what, _) = refused(&[]);
        assert!(what.ends_with("arguments were not provided: --ber <P>"), "{what}");
    }
}
