//! The documents are correct: links have targets, commands and flags exist, and `docs/commands.md` is
//! what the program prints.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The generated page; `NF_UPDATE=1` writes it.
const COMMANDS: &str = "docs/commands.md";

/// Documents for users and developers, except the changelog and rejected ideas, which describe the
/// past.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [
        "",
        "docs",
        "docs/results",
        "docs/benchmarks",
        "datasets",
        "models",
        "bindings/python",
        "kernels-tests",
        "kernels-tests/networks/golden",
        "kernels-tests/kernels/onnx",
    ] {
        // The published package lacks some folders.
        let Ok(entries) = fs::read_dir(Path::new(ROOT).join(folder)) else { continue };
        found.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(".md") && !["CHANGELOG.md", "rejected.md"].contains(&&*name)
        }));
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

/// Whether this is the published package, which lacks the file or folder at this path from the root.
fn left_out(path: &str) -> bool {
    let parts = ["docs/benchmarks", "docs/results", "models/vgg11-cifar10.safetensors"];
    parts.iter().any(|part| path.starts_with(part) && !Path::new(ROOT).join(part).exists())
}

/// Contents of a document, and its name in errors.
fn text(path: &Path) -> (String, String) {
    let name = path.strip_prefix(ROOT).unwrap().display().to_string();
    (name, fs::read_to_string(path).unwrap())
}

/// The lines outside of fenced blocks, and those inside, where `\` joins a line with the next.
fn split(text: &str) -> (String, String) {
    let (mut prose, mut code) = (String::new(), String::new());
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose += &format!("{line}\n");
        } else if let Some(begun) = line.strip_suffix('\\') {
            code += begun;
        } else {
            code += &format!("{line}\n");
        }
    }
    (prose, code)
}

/// Texts between backticks.
fn quoted(prose: &str) -> Vec<String> {
    let spans = prose.split('`').skip(1).step_by(2);
    spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What the program prints with these arguments.
fn help(arguments: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_nf-gpu"));
    let output = program.args(arguments).arg("--help").env_remove("COLUMNS").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names below `Commands:` in a help text.
fn below(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Every command with its help, the program itself without a name first.
fn commands() -> Vec<(String, String)> {
    let mut all = vec![(String::new(), help(&[]))];
    for name in below(&all[0].1) {
        let own = help(&[&name]);
        let inner = below(&own);
        all.push((name.clone(), own));
        all.extend(inner.iter().map(|n| (format!("{name} {n}"), help(&[&name, n]))));
    }
    assert!(all.len() > 15, "{}", all.len());
    all
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut page = "# Commands and flags\n\nThis page is what `nf-gpu --help` and `nf-gpu COMMAND --help` \
                    print. It is generated: after a change,\n`NF_UPDATE=1 ./test.sh --test kernels documents` \
                    writes it again.\n"
        .to_owned();
    for (name, help) in commands() {
        let title = format!("nf-gpu {name}");
        page += &format!("\n## `{}`\n\n```text\n{}\n```\n", title.trim_end(), help.trim_end());
    }
    let path = Path::new(ROOT).join(COMMANDS);
    if std::env::var_os("NF_UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    let differs = page.lines().zip(found.lines()).find(|(is, was)| is != was);
    assert!(page == found, "{COMMANDS} is old (`NF_UPDATE=1` writes it): {differs:?}");
}

/// The anchor that a heading has on the web.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(markdown: &str) -> BTreeSet<String> {
    let (prose, _) = split(markdown);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for path in documents() {
        let (name, markdown) = text(&path);
        let (prose, _) = split(&markdown);
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let link = link.0;
            if link.contains("://") {
                continue;
            }
            let (file, at) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let whole =
                ["benchmarks", "results"].iter().find_map(|d| link.find(d).map(|at| &link[at..]));
            let left_out = whole.is_some_and(|rest| left_out(&format!("docs/{rest}")));
            assert!(left_out || target.exists(), "{name}: there is no {link}");
            if !at.is_empty() {
                let there = anchors(&fs::read_to_string(&target).unwrap());
                assert!(there.contains(at), "{name}: no heading #{at} in {file}, but {there:?}");
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count} links");
}

/// Folders that documents name by paths from the root.
const FOLDERS: [&str; 8] =
    ["src/", "shaders/", "kernels-tests/", "scripts/", "docs/", "python/", "models/", "bindings/"];

#[test]
fn files_and_functions_that_are_named_exist() {
    let (mut files, mut functions) = (0, 0);
    for path in documents() {
        let (name, markdown) = text(&path);
        let quoted = quoted(&split(&markdown).0);
        for (i, span) in quoted.iter().enumerate() {
            // A pattern such as `shaders/<family>/x.wgsl` is not a file.
            let is_path = FOLDERS.iter().any(|folder| span.starts_with(folder));
            if !is_path || span.contains(['<', '*', '{', ' ']) {
                continue;
            }
            let file = Path::new(ROOT).join(span);
            let stem = file.file_stem().unwrap_or_default();
            let example = stem == "x" || stem == "x_grad";
            assert!(example || left_out(span) || file.exists(), "{name}: there is no {span}");
            files += 1;
            // `FILE` `FUNCTION` means that the file contains the function.
            let next =
                quoted.get(i + 1).filter(|next| markdown.contains(&format!("`{span}` `{next}`")));
            if let (true, Some(function)) = (span.ends_with(".rs"), next) {
                let function = function.rsplit("::").next().unwrap();
                let has = fs::read_to_string(&file).unwrap().contains(&format!("fn {function}("));
                assert!(has, "{name}: {span} has no function {function}");
                functions += 1;
            }
        }
    }
    assert!(files > 40 && functions > 5, "{files} files, {functions} functions");
}

/// The flags among these words.
fn flags(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '=', '(', ')', ',', '[', ']', '|', ';', '.', '…']).filter(|word| {
        word.strip_prefix("--").is_some_and(|name| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    })
}

#[test]
fn commands_and_flags_exist() {
    let commands = commands();
    let has = |help: &str, flag: &str| {
        help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == flag)
    };
    // A flag that stands alone may belong to any command, or to a script or tool.
    let mut all = commands.iter().map(|c| c.1.clone()).collect::<String>();
    for script in [
        "quickstart.sh",
        "test.sh",
        "justfile",
        "scripts/common.sh",
        "scripts/driver.sh",
        "scripts/lint.sh",
        "scripts/mutants.sh",
        "scripts/pictures.py",
        "scripts/tint.sh",
        "bindings/python/py_src/nf_gpu/torch.py",
        "python/time_torch.py",
    ] {
        all += &fs::read_to_string(Path::new(ROOT).join(script)).unwrap();
    }
    let (mut lines, mut alone) = (0, 0);
    for path in documents() {
        let (name, markdown) = text(&path);
        if name == COMMANDS {
            continue;
        }
        let (prose, code) = split(&markdown);
        let quoted = quoted(&prose);
        for line in code.lines().chain(quoted.iter().map(String::as_str)) {
            let Some((_, call)) = line.split_once("nf-gpu ") else {
                continue;
            };
            let call = call.split(" #").next().unwrap_or_default();
            let words = call.split_whitespace().filter(|word| !word.starts_with('-'));
            let mut words =
                words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
            let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let two = format!("{first} {second}");
            let known = commands.iter().find(|c| c.0 == two);
            let known = known.or_else(|| commands.iter().find(|c| c.0 == first));
            // The command is a placeholder in `nf-gpu COMMAND`, and left out in `nf-gpu ...`.
            let named = first.starts_with(|c: char| c.is_ascii_lowercase());
            let Some((_, help)) = known else {
                assert!(!named, "{name}: no command in `{line}`");
                continue;
            };
            for flag in flags(call) {
                assert!(has(help, flag), "{name}: `{line}`: {first} has no {flag}");
            }
            lines += 1;
        }
        for flag in quoted.iter().flat_map(|span| flags(span)) {
            assert!(has(&all, flag), "{name}: nothing has {flag}");
            alone += 1;
        }
    }
    assert!(lines > 40 && alone > 80, "{lines} commands, {alone} flags");
}

#[test]
fn what_is_not_there_is_found() {
    let (prose, code) = split("a `--x` b\n```sh\nnf-gpu a \\\n --b\n```\n# A `b`-c d!\n");
    assert_eq!((quoted(&prose)[0].as_str(), code.as_str()), ("--x", "nf-gpu a  --b\n"));
    assert_eq!(flags("train --a=3 --b-c, x --D --").collect::<Vec<_>>(), ["--a", "--b-c"]);
    assert_eq!(anchors(&prose).into_iter().collect::<Vec<_>>(), ["a-b-c-d"]);
}
