//! `nf-gpu completions` and `nf-gpu man`: what shells and manuals need to know of the command line.

use super::{Cli, terminal};
use crate::error::{Error, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io;

/// Arguments of `nf-gpu completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script with which a shell completes commands and flags.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nf-gpu", &mut script);
    print(&script)
}

/// Arguments of `nf-gpu man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// The page of this command (default: the page of the program)
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// Prints a manual page.
pub fn man(args: &ManArgs) -> Result<()> {
    let mut cli = Cli::command();
    // Commands get their full names, as in `nf-gpu train`.
    cli.build();
    let command = match &args.command {
        None => cli,
        Some(name) => {
            let found = cli.find_subcommand(name).cloned();
            let known = cli.get_subcommands().map(clap::Command::get_name);
            let found = found.ok_or_else(|| Error::unknown("command", name, known))?;
            let full = format!("nf-gpu-{}", found.get_name());
            found.display_name(full)
        }
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|e: io::Error| Error::write("standard output", e))?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<()> {
    terminal::print(&String::from_utf8_lossy(bytes))
}
