//! Compiles every variant of every kernel with Mesa's AMD driver on its null device, writes a table of what its
//! compiler made of them, and fails where a recorded bound is broken. Nothing is run or timed.
//!
//! `scripts/isa.sh` sets the driver up and starts it.

mod assembly;
mod device;
mod jobs;
mod table;
mod translate;

use device::{Device, Outcome};
use jobs::jobs;
use std::{env, fs, path::Path, process::Command};
use table::{COLUMNS, FAMILIES, Family, Row, broken, joined};

const HELP: &str = "nf-gpu-isa [--newer] [--only KERNEL] [--family NAME] [--record] [--code DIR]
  --newer   all families, matrices included, by the names of Mesa 25
  --only    kernels whose names contain this
  --family  one family of GPUs
  --record  write what was found as the new bounds
  --probe   fail unless there is a null device
  --code    write the machine code of every shader into a folder
  --text    STEM=FILE takes the joined text of one variant from a file, to try a change without a build";

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    newer: bool,
    record: bool,
    only: String,
    family: Option<String>,
    code: Option<String>,
    text: Option<String>,
    probe: bool,
    /// Set by a process for the one that it starts: compile for this family and print its rows.
    child: Option<String>,
}

fn arguments() -> Outcome<Arguments> {
    let mut found = Arguments::default();
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{HELP}"));
        match word.as_str() {
            "--newer" => found.newer = true,
            "--probe" => found.probe = true,
            "--record" => found.record = true,
            "--only" => found.only = value()?,
            "--family" => found.family = Some(value()?),
            "--code" => found.code = Some(value()?),
            "--text" => found.text = Some(value()?),
            "--child" => found.child = Some(value()?),
            _ => return Err(format!("unknown argument {word}\n{HELP}").into()),
        }
    }
    Ok(found)
}

/// Compiles all jobs for the family that the environment names, and prints the rows.
fn compile(family: &Family, arguments: &Arguments) -> Outcome<()> {
    let device = Device::open()?;
    eprintln!("{}: {}", family.name, device.name);
    let mut rows = Vec::new();
    for job in jobs(&arguments.only, device.matrices, family.wave)? {
        let text = match &arguments.text {
            Some(text) => match text.split_once('=') {
                Some((stem, file)) if stem == job.variant.stem => fs::read_to_string(file)?,
                _ => continue,
            },
            None => job.variant.wgsl.to_owned(),
        };
        let words = translate::spirv(&text, &job.constants, job.variant.trusted)
            .map_err(|error| format!("{} {}: {error}", job.kernel.name, job.variant.name))?;
        let bindings: Vec<_> = job.kernel.bindings.iter().map(|b| b.1).collect();
        let compiled = device
            .compile(&words, &bindings, family.wave)
            .map_err(|error| format!("{} {}: {error}", job.kernel.name, job.variant.name))?;
        let row = Row::new(family, &job, &compiled);
        if let Some(folder) = &arguments.code {
            fs::create_dir_all(folder)?;
            let words = [&row.family, &row.variant, &row.mode, &rows.len().to_string()];
            let name = words.map(|w| w.replace(' ', "-")).join(".");
            fs::write(Path::new(folder).join(format!("{name}.s")), &compiled.assembly)?;
        }
        rows.push(row);
    }
    for row in joined(rows) {
        println!("{}", row.line());
    }
    Ok(())
}

/// The rows of every family, each compiled by a process of its own: the driver reads the family from the
/// environment once.
fn survey(arguments: &Arguments) -> Outcome<Vec<Row>> {
    let mut running = Vec::new();
    for family in FAMILIES.iter().filter(|f| arguments.newer || !f.newer) {
        if arguments.family.as_ref().is_some_and(|name| name != family.name) {
            continue;
        }
        // A loader of its own starts this program where the driver needs another C library.
        let mut words: Vec<_> = env::var("ISA_LOADER")
            .map(|text| text.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        words.push(env::current_exe()?.to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env("RADV_FORCE_FAMILY", family.radv[usize::from(arguments.newer)]);
        command.args(["--child", family.name]);
        if !arguments.only.is_empty() {
            command.args(["--only", &arguments.only]);
        }
        for (flag, value) in [("--code", &arguments.code), ("--text", &arguments.text)] {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        running.push((family, command.stdout(std::process::Stdio::piped()).spawn()?));
    }
    let mut rows = Vec::new();
    for (family, child) in running {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("{}: {}", family.name, output.status).into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            rows.push(Row::parse(line)?);
        }
    }
    Ok(rows)
}

fn main() -> Outcome<()> {
    let arguments = arguments()?;
    if let Some(name) = &arguments.child {
        let family = FAMILIES.iter().find(|f| f.name == name).ok_or("no such family")?;
        return compile(family, &arguments);
    }
    if arguments.probe {
        let name = Device::open()?.name;
        let null = name.starts_with("Null hardware");
        return if null { Ok(()) } else { Err(format!("{name} is no null device").into()) };
    }
    let rows = survey(&arguments)?;
    let text: String =
        rows.iter().map(Row::line).fold(COLUMNS.join("\t"), |text, line| text + "\n" + &line);
    let part = !arguments.only.is_empty() || arguments.family.is_some() || arguments.text.is_some();
    let name = if arguments.newer { "newer.tsv" } else { "bounds.tsv" };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if arguments.record && !part {
        fs::write(&path, text + "\n")?;
        eprintln!("recorded {} rows in {}", rows.len(), path.display());
        return Ok(());
    }
    println!("{text}");
    let bounds = fs::read_to_string(&path)?;
    let mut bounds = bounds.lines().skip(1).map(Row::parse).collect::<Outcome<Vec<_>>>()?;
    if part {
        bounds.retain(|bound| rows.iter().any(|row| row.name() == bound.name()));
    }
    let wrong = broken(&rows, &bounds);
    if wrong.is_empty() {
        eprintln!("{} rows, none worse than recorded in {name}", rows.len());
        return Ok(());
    }
    Err(format!("worse than recorded in {name}:\n{}", wrong.join("\n")).into())
}
