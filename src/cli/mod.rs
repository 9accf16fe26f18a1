//! The binary: parses flags, runs commands, prints results.

pub mod bench;
pub mod calls;
pub mod conform;
pub mod data;
pub mod demo;
pub mod devices;
pub mod energy;
pub mod eval;
pub mod export;
pub mod forward;
pub mod gpu;
mod host;
pub mod import;
pub mod inject;
mod interrupt;
mod job;
mod places;
pub mod pretrain;
pub mod report;
pub mod repro;
pub mod shell;
pub mod train;
pub mod transform;

use crate::{error::Result, report::terminal};
use std::{ffi::OsString, process::ExitCode};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

/// NeuralFuse on any GPU.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// A whole run with nothing but this program: a generator for one faulty chip, accuracy beside energy
    #[command(after_help = "Example: nf-gpu demo")]
    Demo(demo::DemoArgs),
    /// Adapters, what matters of them, and which one would be used
    #[command(after_help = "Example: nf-gpu devices")]
    Devices(devices::DevicesArgs),
    /// Times of kernels and whole steps beside what the adapter can do; comparisons of reports
    #[command(after_help = "Examples:\n  nf-gpu bench --out here.json --roofline here.svg\n  \
                      nf-gpu bench --kernel 'conv2d*' --quick\n  \
                      nf-gpu bench --steps 'eopm/*' --batch-size 64 --copies 4\n  \
                      nf-gpu bench --compare here.json there.json --plot both.svg")]
    Bench(Box<bench::BenchArgs>),
    /// Compare every kernel with its CPU twin on this machine's adapters
    #[command(after_help = "Example: nf-gpu conform --all-adapters")]
    Conform(conform::ConformArgs),
    /// Data sets: list, fetch, check, show
    Data(data::DataArgs),
    /// Train a base network with quantised weights
    #[command(
        after_help = "Example: nf-gpu pretrain --model vgg-small --dataset cifar10 --out base.safetensors"
    )]
    Pretrain(pretrain::PretrainArgs),
    /// Train a NeuralFuse generator in front of a faulty base network
    #[command(after_help = "Example: nf-gpu train --base models/vgg-small-cifar10.safetensors \
                      --generator ConvS --ber 0.01 --chip 1 --out runs/chip1")]
    Train(Box<train::TrainArgs>),
    /// Accuracy with clean and with faulty weights, alone and behind generators
    #[command(after_help = "Example: nf-gpu eval --base models/vgg-small-cifar10.safetensors \
                      --ber 0.01,0.005 --seeds 50000..50010")]
    Eval(Box<eval::EvalArgs>),
    /// Run the experiments of a table of the paper: our numbers beside the paper's
    #[command(after_help = "Examples:\n  nf-gpu repro --list\n  nf-gpu repro cifar10 --smoke\n  \
                      nf-gpu repro cifar10 --only 'resnet18/ConvL*' --epochs 5 --base-epochs 20")]
    Repro(Box<repro::ReproArgs>),
    /// What networks cost, what a lower voltage saves, and the least energy for an accuracy
    #[command(after_help = "Examples: nf-gpu energy --base resnet18 --generator ConvL; \
                      nf-gpu energy --table; nf-gpu energy --min-accuracy 85 runs/x/eval.json")]
    Energy(energy::EnergyArgs),
    /// Run a network on a tensor, with gradients on request: the door for comparing with PyTorch
    #[command(after_help = "Example: nf-gpu forward --model resnet20 --weights base.safetensors \
                      --input x.npy --output logits.npy --labels y.npy --grads g.safetensors")]
    Forward(Box<forward::ForwardArgs>),
    /// Take weights from elsewhere (a PyTorch `state_dict` as safetensors) as our file; say what is understood of an
    /// ONNX file
    #[command(
        after_help = "Examples:\n  nf-gpu import theirs.safetensors --model resnet20 --dataset cifar10 \
                      --out base.safetensors\n  nf-gpu import base.safetensors --model resnet20 --precision 8 \
                      --packed --out small.safetensors\n  nf-gpu import net.onnx"
    )]
    Import(import::ImportArgs),
    /// One HTML page of a run, or of several beside each other
    #[command(after_help = "Example: nf-gpu report runs/chip1 runs/chip2 --out comparison.html")]
    Report(report::ReportArgs),
    /// A trained generator as ONNX in float or int8, alone or in front of its classifier; as C source; as golden arrays
    #[command(after_help = "Examples:\n  nf-gpu export runs/x --out generator.onnx\n  \
                      nf-gpu export runs/x --base net.onnx --out protected.onnx\n  \
                      nf-gpu export runs/x --quantize --out int8.onnx --c firmware --golden golden")]
    Export(export::ExportArgs),
    /// A faulty copy of a network, and the record to make it again
    #[command(after_help = "Example: nf-gpu inject --base models/vgg-small-cifar10.safetensors \
                      --faults stuck-at --ber 0.01 --seed 7 --out faulty.safetensors")]
    Inject(Box<inject::InjectArgs>),
    /// What a generator does to images: original, transformed, difference
    #[command(
        after_help = "Example: nf-gpu transform --generator runs/x/generator.safetensors cat.png --out-dir out"
    )]
    Transform(transform::TransformArgs),
    /// A script with which a shell completes commands and flags
    #[command(
        after_help = "Example: nf-gpu completions bash > ~/.local/share/bash-completion/completions/nf-gpu"
    )]
    Completions(shell::CompletionsArgs),
    /// The manual page of the program, or of a command
    #[command(after_help = "Example: nf-gpu man train | man -l -")]
    Man(shell::ManArgs),
}

/// Runs the command line of this process, and gives the exit code.
pub fn run() -> ExitCode {
    ExitCode::from(run_with(std::env::args_os()))
}

/// Parses a command line, of which the first word is the program's name, runs it, and gives the exit code. Signals are
/// caught from here on, for the rest of the process.
pub fn run_with(line: impl IntoIterator<Item = OsString>) -> u8 {
    // These two calls must come before any thread is started.
    crate::gpu::without_screen();
    interrupt::catch();
    match parsed(line) {
        Ok((cli, matches)) => exit(dispatch(cli.command, &matches), 0),
        Err(told) if job::is_told_elsewhere() => u8::try_from(told.exit_code()).unwrap_or(1),
        Err(told) => {
            exit(terminal::print_usage(&told), u8::try_from(told.exit_code()).unwrap_or(1))
        }
    }
}

/// A command line as the commands take it, and as it was typed.
fn parsed(
    line: impl IntoIterator<Item = OsString>,
) -> std::result::Result<(Cli, ArgMatches), clap::Error> {
    let matches = Cli::command().try_get_matches_from(line)?;
    Ok((Cli::from_arg_matches(&matches)?, matches))
}

/// The exit code: `done` after a success; after an error, which is printed, that of the error.
fn exit(result: Result<()>, done: u8) -> u8 {
    match result {
        Ok(()) => done,
        // Every rank has found out the same.
        Err(error) if job::is_told_elsewhere() => error.exit_code(),
        Err(error) => {
            terminal::say(&crate::error::report(&error));
            error.exit_code()
        }
    }
}

fn dispatch(command: Command, matches: &ArgMatches) -> Result<()> {
    match command {
        Command::Bench(args) => bench::run(&args),
        Command::Conform(args) => conform::run(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Train(args) => {
            // `train` needs to know which flags were typed, because a preset fills in only the
            // others.
            let typed = matches.subcommand_matches("train");
            typed.map_or(Ok(()), |typed| train::run(&args, typed))
        }
        Command::Energy(args) => energy::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Repro(args) => repro::run(&args),
        Command::Forward(args) => forward::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Inject(args) => inject::run(&args),
        Command::Man(args) => shell::man(&args),
        Command::Transform(args) => transform::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Pretrain(args) => pretrain::run(&args),
    }
}
