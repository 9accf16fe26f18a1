//! No command overwrites a file that it reads or another of its outputs, or writes into its data set.
#![cfg(unix)]
mod table;

use super::{Place, random_generator};
use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::PathBuf};
use table::{Row, SET, TABLE};

/// Flags that name files or folders and need no row, each with the reason.
const ELSEWHERE: &[(&str, &str)] = &[
    ("conform --web", "goes with no input"),
    ("data list --csv", "there is no input"),
    ("devices --csv", "there is no input"),
    ("demo --csv", "`train` checks it"),
    ("demo --out", "a folder; another network under its name in there is refused"),
    ("data list --data-dir", "there is no output"),
    ("data check --data-dir", "there is no output"),
    ("data fetch --data-dir", "it is the output"),
    ("data show --data-dir", "below, with the data set in it"),
    ("pretrain --data-dir", "below, with the data set in it"),
    ("train --data-dir", "below, with the data set in it"),
    ("eval --data-dir", "below, with the data set in it"),
    ("repro --data-dir", "below, with the data set in it"),
    ("repro --out", "below: a folder"),
    ("repro --artefacts", "below: a folder"),
    ("repro --csv", "checked with --out"),
    ("repro --bases", "used as they are, also where the program would put its own"),
    ("train --out", "below: a folder"),
    ("train --resume", "below: a folder"),
    ("train --fault-map", "as --chip"),
    ("eval --chip", "as --fault-map"),
    ("export --data-dir", "below, with the data set in it"),
    ("forward --fault-map", "as --chip"),
    ("inject --chip", "as --fault-map"),
    ("inject --replay", "below: it says what is read"),
    ("transform --generator", "below: outputs have names of their own"),
    ("transform --out-dir", "below: outputs have names of their own"),
];

/// A place with everything that the rows read.
fn place() -> Place {
    let place = Place::new();
    let at = |name: &str| place.path(name);
    random_generator(32).save(at("g.safetensors")).unwrap();
    nf_gpu::files::npy::save_f32(at("x.npy"), &[1, 3, 32, 32], &[0.5; 3072]).unwrap();
    nf_gpu::files::npy::save_i32(at("y.npy"), &[1], &[3]).unwrap();
    for split in ["train", "test"] {
        for class in 0..10 {
            let folder = at(&format!("set/{split}/{}", char::from(b'a' + class)));
            fs::create_dir_all(&folder).unwrap();
            image::RgbImage::new(32, 32).save(folder.join("x.png")).unwrap();
        }
    }
    fs::create_dir(at("begun")).unwrap();
    fs::create_dir(at("links")).unwrap();
    fs::write(at("map.csv"), format!("1{}\n", ",0".repeat(31))).unwrap();
    for name in ["points.toml", "quirks.toml", "bench.json", "begun/config.toml"] {
        fs::write(at(name), "").unwrap();
    }
    let layer = |(name, address)| format!("[[layer]]\nlayer = \"{name}\"\naddress = {address}\n");
    let layers = [
        ("features.0.conv", 0),
        ("features.1.conv", 864),
        ("features.2.conv", 19_296),
        ("features.3.conv", 93_024),
        ("classifier", 240_480),
    ];
    fs::write(at("pattern.toml"), "rows = 8\ncolumns = 64\n[[cell]]\nrate = 0.1\n").unwrap();
    fs::write(at("layout.toml"), layers.map(layer).concat()).unwrap();
    place.run("eval --base base.safetensors --images 2 --seeds 1 --out eval.json").done();
    place
}

/// Every file with what it holds.
fn contents(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let files = place.files().into_iter().map(|(path, _)| path).filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Asserts that the line is refused with these words, because an output is not a separate file.
fn refused(place: &Place, line: &str, says: &str) {
    println!("nf-gpu {line}");
    place.run(line).refused(2, &[says, "a file of its own"]);
}

#[test]
fn no_output_replaces_an_input_or_another_output() {
    let place = place();
    let before = contents(&place);
    let mut links = 0;
    for Row { line, reads, writes } in TABLE {
        // Adds the inputs that neither a flag nor a path in the line has named yet.
        let given: Vec<&str> =
            reads.iter().copied().filter(|r| *r != SET && !r.starts_with("begun")).collect();
        let given = given.join(" ");
        for (i, write) in writes.iter().enumerate() {
            let flag = write.split(' ').next().unwrap();
            for read in *reads {
                let name = read.split(' ').next_back().unwrap();
                links += 1;
                let link = format!("links/{links}.svg");
                // A second name of an image is not an image of the set.
                if links % 2 == 0 && *read != SET {
                    fs::hard_link(place.path(name), place.path(&link)).unwrap();
                } else {
                    symlink(place.path(name), place.path(&link)).unwrap();
                }
                let line = format!("{line} {given} {}", write.replace("{}", &link));
                refused(&place, &line, &format!("error: {flag}: {link} "));
                fs::remove_file(place.path(&link)).unwrap();
            }
            for other in &writes[..i] {
                let (one, two) =
                    (other.replace("{}", "new.svg"), write.replace("{}", "links/../new.svg"));
                refused(&place, &format!("{line} {given} {one} {two}"), "new.svg is already ");
            }
        }
    }
    assert!(links > 40, "{links} pairs");
    assert!(contents(&place) == before, "files have changed");
}

/// The commands below one, or below the program, that do something, as its help lists them.
fn commands(place: &Place, above: &str) -> Vec<String> {
    let help = place.run(&format!("{above} --help")).done();
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // The description of a command may continue on a second line with more indentation.
    let words = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let line = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?;
        line.split(' ').next()
    });
    let mut found: Vec<String> = Vec::new();
    for word in words.filter(|word| *word != "help") {
        let command = format!("{above} {word}").trim_start().to_owned();
        let below = commands(place, &command);
        if below.is_empty() {
            found.push(command);
        }
        found.extend(below);
    }
    found
}

#[test]
fn every_flag_that_names_a_file_is_in_the_table() {
    let place = Place::new();
    let mut named = BTreeSet::new();
    let commands = commands(&place, "");
    for known in ["data show", "transform"] {
        assert!(commands.iter().any(|command| command == known), "no {known} in {commands:?}");
    }
    for command in commands {
        let help = place.run(&format!("{command} --help")).done();
        for line in help.lines().map(str::trim).filter(|line| line.starts_with("--")) {
            let (flag, value) = line.split_once([' ', '[']).unwrap_or((line, ""));
            let value = value.split(['>', ' ']).next().unwrap();
            if ["FILE", "DIR", "IMAGE", "RECORD", "RUN"].iter().any(|word| value.contains(word)) {
                named.insert(format!("{command} {flag}"));
            }
        }
    }
    let apart: BTreeSet<String> = ELSEWHERE.iter().map(|(flag, _)| (*flag).to_owned()).collect();
    let stale: Vec<_> = apart.difference(&named).collect();
    assert!(stale.is_empty(), "no command has {stale:?}");
    let in_row = |row: &Row, command: &str, flag: &str| {
        let all = [&[row.line], row.reads, row.writes].concat().join(" ");
        row.line.starts_with(command) && all.split(' ').any(|word| word == flag)
    };
    for flag in named.difference(&apart) {
        let (command, name) = flag.rsplit_once(' ').unwrap();
        let found = TABLE.iter().any(|row| in_row(row, command, name));
        assert!(found, "{flag} names a file: what may it replace, and what may replace it?");
    }
}

#[test]
fn files_with_names_of_their_own_replace_nothing() {
    let place = place();
    let copy = |from: &str, to: &str| {
        let to = place.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(place.path(from), to).unwrap();
    };
    for name in
        ["generator.safetensors", "checkpoint-previous.safetensors", "eval.json", "images.png"]
    {
        copy("base.safetensors", &format!("r/{name}"));
    }
    copy("base.safetensors", "x.json.journal");
    copy("base.safetensors", "b.json");
    copy("eval.json", "page.html");
    fs::create_dir_all(place.path("data/cifar-10-batches-bin")).unwrap();
    for part in ["Train", "Test"] {
        fs::create_dir_all(place.path("kaggle").join(part)).unwrap();
    }
    fs::write(place.path("kaggle/Test.csv"), "").unwrap();
    // Splits may have other names, and class folders may be links to elsewhere.
    for (split, like) in [("training", "train"), ("Validation", "test")] {
        fs::create_dir_all(place.path("other").join(split)).unwrap();
        for class in ('a'..='j').map(|class| class.to_string()) {
            let there = place.path("set").join(like).join(&class);
            symlink(there, place.path("other").join(split).join(class)).unwrap();
        }
    }
    // Images and folders deeper down may be links too, and files of named sets.
    for split in ["train", "test"] {
        for class in 'a'..='j' {
            let folder = place.path("linked").join(split).join(class.to_string());
            fs::create_dir_all(&folder).unwrap();
            symlink(place.path(SET), folder.join("x.png")).unwrap();
        }
    }
    copy(SET, "store/x.png");
    copy(SET, "store/deep/x.png");
    symlink("../../../store/x.png", place.path("linked/test/b/y.png")).unwrap();
    symlink(place.path("store/deep"), place.path("linked/train/c/deep")).unwrap();
    copy("base.safetensors", "store/test_batch.bin");
    let batch = place.path("data/cifar-10-batches-bin/test_batch.bin");
    symlink(place.path("store/test_batch.bin"), batch).unwrap();
    fs::create_dir_all(place.path("data/gtsrb32")).unwrap();
    symlink("nowhere.json", place.path("nothing.json")).unwrap();
    for name in ["a.png", "a.original.png"] {
        copy(SET, name);
    }
    copy("g.safetensors", "a.difference.png");
    for split in ["train", "test"] {
        copy("x.npy", &format!("arrays/x_{split}.npy"));
        copy("y.npy", &format!("arrays/y_{split}.npy"));
    }
    copy("x.npy", "one.npz");
    let before = contents(&place);
    let base = "--base base.safetensors";
    for (line, says) in [
        ("train --steps 1 --out r --base r/generator.safetensors", "already --base"),
        ("train --steps 1 --out r --base r/checkpoint-previous.safetensors", "already --base"),
        ("train --steps 1 --out r --base links/../r/eval.json", "already --base"),
        ("train --steps 1 --out r --base r/images.png --dry-run", "already --base"),
        (
            &format!("train --steps 1 {base} --out r2 --profile r2/metrics.jsonl"),
            "already a file of the run",
        ),
        (
            &format!("train --steps 1 {base} --allow-mismatch --dataset set --out set/train/a"),
            "whose files --dataset reads",
        ),
        (
            &format!(
                "train --steps 1 {base} --allow-mismatch --dataset ./links/../set --out set/test/new/run"
            ),
            "whose files",
        ),
        (
            &format!("eval {base} --allow-mismatch --dataset set --logits set/test/b/x.npy"),
            "whose files --dataset reads",
        ),
        (
            &format!(
                "eval {base} --allow-mismatch --dataset other --logits other/Validation/x.npy"
            ),
            "whose files --dataset reads",
        ),
        (
            &format!("eval {base} --allow-mismatch --dataset other --logits set/train/c/x.npy"),
            "whose files --dataset reads",
        ),
        ("data show gtsrb --data-dir kaggle --out kaggle/Train/x.png", "whose files"),
        ("data show gtsrb --data-dir kaggle --out kaggle/Test.csv", "already"),
        ("data show gtsrb --data-dir kaggle --out kaggle/archive.zip", "already"),
        ("data show gtsrb --data-dir data --out data/gtsrb32/test.bin", "whose files NAME reads"),
        ("data show cifar10 --data-dir data --out store/test_batch.bin", "already NAME"),
        ("data show linked --out store/x.png", "already NAME"),
        ("data show arrays --out arrays/x_test.npy", "already NAME"),
        ("data show one.npz --out links/../one.npz", "already NAME"),
        (
            &format!("eval {base} --dataset arrays/x_test.npy --logits arrays/y_test.npy"),
            "already --dataset",
        ),
        (
            "pretrain --model vgg-small --steps 1 --dataset arrays --out new --metrics arrays/y_train.npy",
            "already --dataset",
        ),
        (
            &format!("train --steps 1 {base} --dataset one.npz --out run --profile one.npz"),
            "already --dataset",
        ),
        ("data show linked --out store/deep/new.png", "whose files NAME reads"),
        ("data show linked --split train --out set/train/a/x.png", "already NAME"),
        (
            &format!("eval {base} --allow-mismatch --dataset linked --logits store/x.png"),
            "already --dataset",
        ),
        (
            &format!(
                "eval {base} --allow-mismatch --dataset set --out nothing.json --logits nowhere.json"
            ),
            "already --logits",
        ),
        (
            "export g.safetensors --dataset cifar10 --data-dir data --golden data/cifar-10-batches-bin/x",
            "whose files --dataset reads",
        ),
        ("eval --base x.json.journal --out x.json", "already --base"),
        (
            &format!(
                "eval {base} --allow-mismatch --dataset cifar10 --data-dir data --out data/cifar-10-batches-bin/x"
            ),
            "whose files",
        ),
        ("inject --base b.json --out b.safetensors", "already --base"),
        (
            "pretrain --model vgg-small --dataset set --out new --checkpoint links/../new",
            "new is already ",
        ),
        (
            "pretrain --model vgg-small --dataset set --out new --metrics links/../new",
            "new is already ",
        ),
        (&format!("inject {base} --out new.json"), "already --out"),
        (
            "pretrain --model vgg-small --dataset fashion-sample --checkpoint c.safetensors --out c-previous.safetensors",
            "already --out",
        ),
        (
            "pretrain --model vgg-small --dataset fashion-sample --out new --checkpoint c --metrics .c.lock",
            "already --checkpoint",
        ),
        ("data show set --out set/train/a/new.png", "whose files NAME reads"),
        ("report page.html", "already RUN"),
        ("transform --generator g.safetensors a.png a.original.png --out-dir .", "already IMAGE"),
        ("transform --generator a.difference.png a.png --out-dir links/..", "already --generator"),
    ] {
        refused(&place, line, says);
    }
    assert!(contents(&place) == before, "files have changed");
    // Files beside the data set belong to nobody: writing there is allowed.
    place.run("data show set --out set/sheet.png").done();
    place.run("report eval.json --out page.html").done();
    place.run("report begun --out begun/report.html").done();
    place.run("data show linked --out store/new.png").done();
    place.run("data show set --out train.png").done();
}
