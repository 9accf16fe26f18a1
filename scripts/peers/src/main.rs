//! Times burn's convolutions at the shapes of a report of `nf-gpu bench`, on its adapter, and writes a report that
//! `nf-gpu bench --compare` sets beside it. What ours fuses into a convolution is left out, which the variant says.
//! Before anything is timed, burn's results of two small shapes are compared with sums as they are defined, in f64, and
//! some elements of every timed result too. Autotune runs before the clock does; its choice and its time are reported.
//! `scripts/peers.sh` runs all of it, PyTorch (`torch_convolutions.py`) included.

mod burn;
mod check;
mod convolution;
mod report;

use burn::Burn;
use convolution::{Convolution, Pass};
use report::{Case, Ours, Times};
use serde_json::{Value, json};
use std::{collections::HashMap, env, error::Error, fs, process::ExitCode};

type Outcome<T> = Result<T, Box<dyn Error>>;

const HELP: &str = "nf-gpu-peers OURS.json --out FILE
  OURS.json  a report of `nf-gpu bench --kernel 'conv2d*' --out OURS.json`: its shapes, adapter and repeats are taken";

/// What was timed of one pass at one shape.
#[derive(Clone)]
struct Timed {
    times: Times,
    /// What autotune chose.
    choice: String,
    /// Seconds of the first run: autotune and the compilation of kernels.
    tuning: f64,
}

fn time(burn: &Burn, conv: Convolution, pass: Pass, ours: &Ours) -> Outcome<Timed> {
    let operands = burn.operands(conv);
    let (tuning, choice) = burn.tune(&operands, pass)?;
    check::some_elements(burn, &operands, pass)?;
    let seconds = burn.repeat(&operands, pass, ours.effort())?;
    Ok(Timed { times: Times::of(&seconds), choice, tuning })
}

fn run(ours: &str, out: &str) -> Outcome<()> {
    let ours = Ours::load(ours)?;
    let burn = Burn::open(&ours.adapter)?;
    check::whole_results(&burn)?;
    let mut known: HashMap<(Convolution, Pass), Timed> = HashMap::new();
    let mut cases = Vec::new();
    for case in ours.wanted() {
        let Some((conv, pass)) = case.parse() else {
            eprintln!("left out: {} {}", case.case, case.shape);
            continue;
        };
        // Fused or not, the plain convolution is one.
        let timed = match known.get(&(conv, pass)) {
            Some(timed) => timed.clone(),
            None => time(&burn, conv, pass, &ours)?,
        };
        eprintln!(
            "{} {}: {:.2} ms by {} (autotune {:.1} s)",
            case.case, case.shape, timed.times.median_ms, timed.choice, timed.tuning
        );
        cases.push(entry(case, &timed));
        known.insert((conv, pass), timed);
    }
    let tuning: f64 = known.values().map(|timed| timed.tuning).sum();
    eprintln!("{} convolutions; autotune took {tuning:.1} s", known.len());
    let document = json!({
        "version": 1,
        "adapter": burn.adapter(),
        "commit": burn.version(),
        "clock": "submit-to-idle",
        "cases": cases,
        "settings": ours.settings,
    });
    fs::write(out, format!("{document:#}\n")).map_err(|e| format!("{out}: {e}"))?;
    Ok(())
}

/// A case of burn's report, which stands in the row of ours.
fn entry(case: &Case, timed: &Timed) -> Value {
    let plain = if case.is_fused() { ", nothing fused" } else { "" };
    let mut entry = json!({
        "kernel": case.kernel,
        "case": case.case,
        "variant": format!("{}{plain}", timed.choice),
        "chosen": true,
        "shape": case.shape,
        "networks": case.networks,
        "flops": case.flops,
        "bytes": case.bytes,
        "clock": "submit-to-idle",
        "gflops": timed.times.rate(case.flops),
        "gb_s": timed.times.rate(case.bytes),
        "autotune_s": timed.tuning,
    });
    entry.as_object_mut().into_iter().for_each(|fields| fields.extend(timed.times.fields()));
    entry
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (ours, out) = match arguments[..] {
        [ours, "--out", out] | ["--out", out, ours] => (ours, out),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(ours, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
