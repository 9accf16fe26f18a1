//! The `nf-gpu` command.

fn main() -> std::process::ExitCode {
    nf_gpu::cli::run()
}
