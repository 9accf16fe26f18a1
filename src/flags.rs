//! Settings that are read from flags, for the command line and for programs that use the library.

use crate::error::{Error, Result, usage};
use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use std::{ffi::OsString, path::Path};

/// The settings that flags give, all others having their defaults, and the flags as they were typed.
pub(crate) fn parsed<T: Args + FromArgMatches>(
    flags: impl IntoIterator<Item = OsString>,
) -> Result<(T, ArgMatches)> {
    let command = T::augment_args(Command::new("settings").no_binary_name(true));
    let matches = command.try_get_matches_from(flags);
    let read = matches.and_then(|matches| Ok((T::from_arg_matches(&matches)?, matches)));
    read.map_err(|told| usage(&told, "see the help of the command, such as `nf-gpu train --help`"))
}

/// Names of the arguments of a command that the user gave, with underscores.
pub(crate) fn given(matches: &ArgMatches) -> Vec<String> {
    let typed = |id: &&clap::Id| {
        // A group of arguments has no value source of its own.
        matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
    };
    matches.ids().filter(typed).map(|id| id.as_str().to_owned()).collect()
}

/// Refuses paths that a file of settings cannot name.
pub(crate) fn unicode<P: AsRef<Path>>(
    flag: &str,
    paths: impl IntoIterator<Item = P>,
) -> Result<()> {
    match paths.into_iter().find(|path| path.as_ref().to_str().is_none()) {
        None => Ok(()),
        Some(path) => {
            let what = format!(
                "{} is not Unicode, and the run's settings could not name it",
                path.as_ref().display()
            );
            let hint = "rename it, or go into its folder and name it from there";
            Err(Error::argument(flag, what, hint))
        }
    }
}

/// Refuses a number that must not be 0.
pub(crate) fn positive(flag: &str, value: u64) -> Result<()> {
    if value > 0 {
        return Ok(());
    }
    Err(Error::argument(flag, "0 means nothing to do", "give a number from 1 up"))
}
