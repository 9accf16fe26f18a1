//! Messages and results that cannot be written: work goes on, files are written, exit codes stay.
#![cfg(target_os = "linux")]
use super::{Ended, Place, ended, random_generator};
use std::{
    fs::{self, File},
    io::pipe,
    process::Stdio,
};

const EVAL: &str = "eval --base base.safetensors --images 4 --seeds 1";

/// A file on a disk that is always full.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Makes pipes whose reader has gone.
fn gone() -> impl Fn() -> Stdio {
    let (_, writer) = pipe().unwrap();
    move || writer.try_clone().unwrap().into()
}

impl Place {
    /// Runs a line with these two outputs.
    fn told(&self, line: &str, stdout: Stdio, stderr: Stdio) -> Ended {
        ended(self.nf(line).stdout(stdout).stderr(stderr).spawn().unwrap(), line)
    }
}

#[test]
fn messages_that_cannot_be_written_change_nothing() {
    let place = Place::of_few_images();
    let table = place.run(EVAL).done();
    let gone = gone();
    let train = "train --base base.safetensors --steps 2 --batch-size 2 --chip 1 --images 2 --out";
    for (i, stderr) in [&full as &dyn Fn() -> Stdio, &gone].iter().enumerate() {
        assert_eq!(place.told(EVAL, Stdio::piped(), stderr()).done(), table);
        place.told(&format!("{train} run{i}"), Stdio::piped(), stderr()).done();
        assert!(place.path(&format!("run{i}/report.html")).exists());
        // Errors keep their codes.
        for (line, code) in [
            ("eval --base none.safetensors", 1),
            ("eval --base base.safetensors --images 0", 2),
            ("eval --no-such-flag", 2),
            ("", 2),
        ] {
            assert_eq!(place.told(line, Stdio::piped(), stderr()).code, Some(code), "{line}");
        }
    }
    // A shell's `>&-`: the outputs are closed.
    for closed in ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let line = format!("{EVAL} --out closed.json {closed}");
        let child = place.shell("", &line).spawn().unwrap();
        assert_eq!(ended(child, &line).code, Some(0), "{closed}");
        fs::remove_file(place.path("closed.json")).unwrap();
    }
}

#[test]
fn results_that_cannot_be_printed_are_in_their_files() {
    let place = Place::of_few_images();
    let gone = gone();
    place.run(&format!("{EVAL} --out whole.json --logits whole.npy")).done();
    let whole = |name: &str| fs::read(place.path(name)).unwrap();
    for (name, out, code) in [("full", full as fn() -> Stdio, 1), ("null", Stdio::null, 0)] {
        let line = format!("{EVAL} --out {name}.json --logits {name}.npy");
        let ended = place.told(&line, out(), Stdio::piped());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        for ending in ["json", "npy"] {
            let [this, other] = [name, "whole"].map(|name| whole(&format!("{name}.{ending}")));
            assert!(this == other, "{name}.{ending}");
        }
        assert!(!place.path(&format!("{name}.json.journal")).exists());
    }
    // As with `2>&1 | tee` that was killed, and `| head`: a reader that leaves is no error.
    place.told(&format!("{EVAL} --out tee.json"), gone(), gone()).done();
    assert!(whole("tee.json") == whole("whole.json"));

    random_generator(32).save(place.path("g.safetensors")).unwrap();
    for name in ["a.png", "b.png"] {
        image::RgbImage::new(40, 40).save(place.path(name)).unwrap();
    }
    for (line, file) in [
        (
            "pretrain --model vgg-small --dataset few --steps 1 --batch-size 2 --out p.safetensors",
            "p.safetensors",
        ),
        ("inject --base base.safetensors --out faulty.safetensors", "faulty.json"),
        ("inject --base base.safetensors --out faulty2.safetensors --json", "faulty2.json"),
        ("import base.safetensors --model vgg-small --out i.safetensors", "i.safetensors"),
        ("data show fashion-sample --out s.png", "s.png"),
        ("report whole.json --out page.html", "page.html"),
        ("transform --generator g.safetensors a.png b.png --out-dir .", "b.difference.png"),
        ("bench --kernel add --quick --no-tune --out bench.json", "bench.json"),
        ("repro cifar10 --list", ""),
        ("devices", ""),
        ("devices --json", ""),
        ("data list", ""),
        ("energy --table", ""),
        ("energy --base resnet18 --json", ""),
        ("--help", ""),
        ("--version", ""),
        ("help eval", ""),
        ("data show --help", ""),
    ] {
        let ended = place.told(line, full(), Stdio::piped());
        ended.refused(1, &["cannot write standard output", "the disk is full"]);
        assert!(file.is_empty() || place.path(file).exists(), "{line}: no {file}");
        // Commands that compute for long print through the same code as the others.
        if !["pretrain", "transform", "bench"].iter().any(|command| line.starts_with(command)) {
            assert_eq!(place.told(line, gone(), Stdio::piped()).code, Some(0), "{line}");
        }
    }
}
