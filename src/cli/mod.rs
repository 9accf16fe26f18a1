//! What the binary does: parse, run, report.

pub mod data;
pub mod gpu;
mod interrupt;
mod output;
pub mod pretrain;

use std::process::ExitCode;

use clap::Parser;

/// NeuralFuse on any GPU.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Data sets: list, fetch, check, show
    Data(data::DataArgs),
    /// Train a base network with quantised weights
    Pretrain(pretrain::PretrainArgs),
}

/// Parses the command line, runs it, and gives the exit code.
#[must_use]
#[expect(clippy::print_stderr, reason = "errors go to the terminal")]
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Data(args) => data::run(&args),
        Command::Pretrain(args) => pretrain::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", crate::error::report(&error));
            ExitCode::from(error.exit_code())
        }
    }
}
