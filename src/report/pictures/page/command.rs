//! Reconstructs the commands that repeat a run or an evaluation, as far as the files tell them.

use std::path::{Path, PathBuf};

use crate::{
    fault::Wording,
    files,
    report::{
        documents::eval_json::{Evaluation, Given, Perturbed},
        pictures::source::Source,
        words::{self, shell::quoted},
    },
};

/// Placeholders for files that are unknown or have disappeared.
const BASE: &str = "BASE.safetensors";
const GENERATOR: &str = "GENERATOR.safetensors";

/// The `nf-gpu train` command for the settings of a `config.toml`, each of which is named after its flag. The
/// folder of the run exists already, so the command names a new one beside it.
pub(super) fn train(config: &str) -> Option<String> {
    Some(settings("train", &config.parse().ok()?)?.join(" \\\n  "))
}

/// The `nf-gpu train` or `pretrain` command for settings, on one line as the file of a network keeps it, which people
/// hand on: without the places of results, checkpoints and data sets, and without the folders of files that were named
/// by their whole path.
pub(crate) fn anywhere(command: &str, config: &str) -> Option<String> {
    let mut table: toml::Table = config.parse().ok()?;
    table.retain(|key, _| !["out", "data_dir", "checkpoint"].contains(&key));
    for (_, value) in &mut table {
        match value {
            toml::Value::Array(values) => values.iter_mut().for_each(without_folder),
            value => without_folder(value),
        }
    }
    Some(settings(command, &table)?.join(" "))
}

/// Leaves the last part of a whole path, and any other value as it is.
fn without_folder(value: &mut toml::Value) {
    if let toml::Value::String(text) = value {
        let path = Path::new(text.as_str());
        let name = path.file_name().filter(|_| path.is_absolute());
        if let Some(name) = name.map(|name| name.to_string_lossy().into_owned()) {
            *text = name;
        }
    }
}

/// The program's name, the command and its flags, each with its value.
fn settings(command: &str, table: &toml::Table) -> Option<Vec<String>> {
    let mut words = vec![format!("nf-gpu {command}")];
    for (key, value) in table {
        // Steps replace epochs, but the file has both. The digest `init_sha256` is not a setting.
        if key == "epochs" && table.contains_key("steps") || key == "init_sha256" {
            continue;
        }
        let value = match value {
            toml::Value::String(text) if text.is_empty() => continue,
            toml::Value::String(text) if key == "out" => beside(Path::new(text)),
            toml::Value::Array(values) if values.is_empty() => continue,
            toml::Value::Array(values) => {
                values.iter().map(plain).collect::<Option<Vec<_>>>()?.join(",")
            }
            toml::Value::Boolean(true) => String::new(),
            // The table lists the kernel variants that were measured to be fastest; it is not a
            // setting, since they are measured again.
            toml::Value::Boolean(false) | toml::Value::Table(_) => continue,
            value => plain(value)?,
        };
        let flag = format!("--{}", key.replace('_', "-"));
        words.push(if value.is_empty() { flag } else { format!("{flag} {}", quoted(&value)) });
    }
    Some(words)
}

/// An unused name for a folder beside this one.
fn beside(folder: &Path) -> String {
    let folder = folder.to_string_lossy();
    let folder = folder.trim_end_matches('/');
    let free = |name: &String| !Path::new(name).exists();
    let mut names = (2..).map(|i| format!("{folder}-{i}"));
    names.find(free).unwrap_or_default()
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(i) => Some(i.to_string()),
        toml::Value::Float(f) => Some(f.to_string()),
        _ => None,
    }
}

/// The `nf-gpu eval` command for each fault model of an evaluation in `source`. A name in capitals takes the
/// place of a file that is unknown or has changed.
pub(super) fn eval(source: &Source, e: &Evaluation) -> Vec<String> {
    let found = Found::of(source, e);
    let mut groups: Vec<(Vec<String>, Vec<f64>)> = Vec::new();
    for p in &e.perturbed {
        let (flags, rate) = (faults(p), p.faults.takes_rate().then(|| p.ber()));
        match groups.iter_mut().find(|g| g.0 == flags) {
            Some(group) => group.1.extend(rate),
            None => groups.push((flags, Vec::from_iter(rate))),
        }
    }
    let line = |(flags, rates): (Vec<String>, Vec<f64>)| {
        let Given { dataset, data_dir, flags: given, .. } = &e.given;
        let base = found.base.as_deref().unwrap_or(BASE);
        let mut line = vec![format!("nf-gpu eval --base {base}")];
        let generator = found.generator.as_deref().unwrap_or(GENERATOR);
        line.extend(e.generator.as_ref().map(|_| format!("--generator {generator}")));
        line.push(format!("--dataset {}", quoted(dataset.as_ref().unwrap_or(&e.dataset.name))));
        line.extend(data_dir.iter().map(|dir| format!("--data-dir {}", path(dir))));
        let said = |flag: &str| flags.iter().any(|f| f.split(' ').next() == Some(flag));
        let given = given.iter().filter(|(flag, _)| !said(flag));
        line.extend(given.map(|(flag, value)| match &**value {
            "" => flag.clone(),
            value => format!("{flag} {}", quoted(value)),
        }));
        line.extend(flags);
        if !rates.is_empty() {
            let rates: Vec<String> = rates.iter().map(f64::to_string).collect();
            line.push(format!("--ber {}", rates.join(",")));
        }
        line.push(format!("--precision {} --images {}", e.precision, e.dataset.images));
        line.extend(e.dtype.iter().filter(|d| *d != "f32").map(|d| format!("--dtype {d}")));
        line.extend(details(e));
        line.join(" \\\n  ")
    };
    groups.into_iter().map(line).collect()
}

/// The files of an evaluation that still exist unchanged, quoted for a shell.
struct Found {
    base: Option<String>,
    generator: Option<String>,
}

impl Found {
    /// Looks for the files that the evaluation names, and then for those of its run.
    fn of(source: &Source, e: &Evaluation) -> Self {
        let config = source.config.as_deref().and_then(|text| text.parse::<toml::Table>().ok());
        let base = config.as_ref().and_then(|c| c.get("base")?.as_str());
        let base = [e.given.base.clone(), base.map(PathBuf::from)];
        let own = source.folder.then(|| source.path.join("generator.safetensors"));
        let generator = [e.given.generator.clone(), own];
        let sha256 = e.generator.as_ref().map_or("", |g| &g.file_sha256);
        Self { base: there(base, &e.base.file_sha256), generator: there(generator, sha256) }
    }
}

/// The first of the files that has this SHA-256.
fn there(files: [Option<PathBuf>; 2], sha256: &str) -> Option<String> {
    let same = |file: &PathBuf| files::sha256(file).is_ok_and(|sum| sum == sha256);
    files.into_iter().flatten().find(same).map(|file| path(&file))
}

/// Explains the names in capitals in the command of an evaluation.
pub(super) fn missing(source: &Source, e: &Evaluation) -> Vec<String> {
    let found = Found::of(source, e);
    let mut lines = Vec::new();
    let mut say = |name: &str, found: Option<&String>, of: &str, sha256: &str| {
        if found.is_none() {
            lines.push(format!("{name} stands for the {of} with SHA-256 {sha256}."));
        }
    };
    say(BASE, found.base.as_ref(), &e.base.model, &e.base.file_sha256);
    if let Some(g) = &e.generator {
        say(GENERATOR, found.generator.as_ref(), &g.name, &g.file_sha256);
    }
    lines
}

/// Lines about files that the settings of a training name but that no longer exist.
pub(super) fn gone(config: &str) -> Vec<String> {
    let table: toml::Table = config.parse().unwrap_or_default();
    let values = ["base", "init", "chip", "fault_map", "layout"]
        .into_iter()
        .filter_map(|key| table.get(key));
    let files = values.flat_map(|value| match value {
        toml::Value::Array(files) => files.clone(),
        file => vec![file.clone()],
    });
    let files = files.filter_map(|file| file.as_str().map(str::to_owned));
    // `chip` is either a seed or the name of a file.
    let gone = files.filter(|file| file.parse::<u64>().is_err() && !Path::new(file).exists());
    gone.map(|file| format!("{file} is not there any more.")).collect()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// The flags for details that the document has only on request.
fn details(e: &Evaluation) -> Option<String> {
    let classes = || {
        let perturbed = e.perturbed.iter().flat_map(|p| [&p.classes, &p.classes_nf]);
        perturbed.chain([&e.clean.classes, &e.clean.classes_nf]).flatten()
    };
    let mut flags = Vec::new();
    flags.extend(classes().next().map(|_| "--per-class".to_owned()));
    flags.extend(classes().find(|c| !c.confusion.is_empty()).map(|_| "--confusion".to_owned()));
    if let Some(s) = &e.sensitivity {
        flags.push("--sensitivity".into());
        let steps = s.protected_bits.len().max(s.protected_layers.len());
        flags.extend((steps > 0).then(|| format!("--protect {steps}")));
    }
    (!flags.is_empty()).then(|| flags.join(" "))
}

/// The flags that produce these fault maps, without the rate.
fn faults(p: &Perturbed) -> Vec<String> {
    let drawn = p.faults.measured().is_none();
    let seeds = drawn.then(|| format!("--seeds {}", words::seeds(&p.seeds)));
    p.faults.words(Wording::Flags(quoted)).into_iter().chain(seeds).collect()
}

/// The command that writes this page.
pub(super) fn report<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    let paths: Vec<String> = paths.map(path).collect();
    format!("nf-gpu report {}", paths.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::{Faults, Lot},
        report::documents::eval_json::{
            ClassCounts, FlippedBits, Protected, Sensitivity, sample, stuck_at,
        },
    };
    use serde_json::json;

    #[test]
    fn settings_become_flags_and_steps_replace_epochs() {
        let config = "base = \"my nets/a.safetensors\"\nber = 0.02\nchip = 1\nepochs = 150\nsteps = 60\n\
                      input_mean = [0.5, 0.25]\nfault_map = []\nlambda = 5.0\nout = \"runs/it's\"\n\
                      faults = \"\"\n[kernels]\n\"conv2d 3x3\" = \"plain@64\"\n";
        let flags = train(config).unwrap();
        let wanted = "nf-gpu train --base 'my nets/a.safetensors' --ber 0.02 --chip 1 \
                      --input-mean 0.5,0.25 --lambda 5 --out 'runs/it'\\''s-2' --steps 60";
        assert_eq!(flags.replace(" \\\n ", ""), wanted);
        assert!(train("epochs = 3").unwrap().contains("--epochs 3"));
        assert_eq!(train("no toml"), None);
        let root = if cfg!(windows) { "C:/" } else { "/" };
        let config = format!(
            "base = \"{root}home/me/a.safetensors\"\nfault_map = [\"{root}lab/m.npy\", \"n.npy\"]\n\
             data_dir = \"{root}data\"\nout = \"runs/x\"\nlr = 0.5\n"
        );
        let wanted = "nf-gpu train --base a.safetensors --fault-map m.npy,n.npy --lr 0.5";
        assert_eq!(anywhere("train", &config).unwrap(), wanted);
    }

    #[test]
    fn rates_of_the_same_faults_share_a_command() {
        let mut e = sample();
        let mut other = e.perturbed[0].clone();
        other.faults = stuck_at(0.005);
        e.perturbed.push(other.clone());
        other.faults = stuck_at(0.005).of_lot(Lot::new(3, 0.5).unwrap()).unwrap();
        e.perturbed.push(other);
        let flips = FlippedBits::default();
        let asymmetric = Faults::asymmetric(0.01, 0.03).unwrap().described(None);
        e.perturbed.push(Perturbed::new(asymmetric, &[1, 3], &[1.0, 2.0], None, flips));
        let none = Source::default();
        let lines: Vec<String> = eval(&none, &e).iter().map(|l| l.replace(" \\\n ", "")).collect();
        assert_eq!(
            lines[0],
            "nf-gpu eval --base BASE.safetensors --generator GENERATOR.safetensors --dataset cifar10 \
             --faults stuck-at --seeds 50000..50002 --ber 0.01,0.005 --precision 8 --images 10000"
        );
        assert!(lines[1].contains("--lot 3 --shared 0.5") && lines[1].contains("--ber 0.005 "));
        assert!(lines[2].contains("--ber01 0.01 --ber10 0.03 --seeds 1,3 --precision"));
        assert_eq!(lines.len(), 3);
        e.perturbed.truncate(1);
        // A flag that the document's other fields tell already is not repeated.
        e.perturbed[0].faults = stuck_at(0.01).in_bits("7".parse().unwrap());
        let given = [("--bits", "7"), ("--points", "my chip.toml"), ("--allow-mismatch", "")];
        e.given.flags = given.map(|(flag, value)| (flag.to_owned(), value.to_owned())).into();
        let line = eval(&none, &e).remove(0).replace(" \\\n ", "");
        let said = "--dataset cifar10 --allow-mismatch --points 'my chip.toml' --faults stuck-at --bits 7 --seeds";
        assert!(line.contains(said), "{line}");
        e.perturbed[0].faults = stuck_at(0.01);
        assert!(eval(&none, &e)[0].contains("--bits 7"));
        e.given.flags.clear();
        e.perturbed[0].classes = Some(ClassCounts::new(vec![vec![1]]));
        let map = json!({"file": "a b.npy", "file_sha256": "00", "mapping": "linear"});
        let map = json!({"faults": "profile", "ber": 0.01, "map": map});
        e.perturbed[0].faults = serde_json::from_value(map).unwrap();
        let protected_bits = vec![Protected::default(); 4];
        e.sensitivity = Some(Sensitivity { protected_bits, ..Sensitivity::default() });
        let line = eval(&none, &e)[0].replace(" \\\n ", "");
        assert!(line.contains("--fault-map 'a b.npy' --mapping linear --precision"), "{line}");
        assert!(line.ends_with("--per-class --confusion --sensitivity --protect 4"), "{line}");
        // A pattern has rates of its own.
        let pattern = json!({"rows": 64, "columns": 64, "cell": [{"rate": 0.5, "effect": "flip"}]});
        let pattern = json!({"faults": "pattern", "ber": 0.5, "pattern": pattern});
        e.perturbed[0].faults = serde_json::from_value(pattern).unwrap();
        assert!(!eval(&none, &e)[0].contains("--ber"));
    }
}
