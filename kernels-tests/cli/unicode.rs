//! Names of files that are no Unicode: documents, which can hold nothing else, are whole and name them as well as they can.
#![cfg(target_os = "linux")]
use super::{Ended, Place, random_generator};
use nf_gpu::files::npy;
use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt as _, path::PathBuf, process::Command};

/// A folder whose name is no text in any encoding of Unicode.
fn odd(place: &Place) -> PathBuf {
    let folder = place.path("").join(OsString::from_vec(b"d\xff".into()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The binary, where `@x` in a line is the file `x` of that folder.
fn nf(place: &Place, line: &str) -> Command {
    let mut command = place.nf("");
    let folder = odd(place);
    for word in line.split_whitespace() {
        match word.strip_prefix('@') {
            Some(file) => command.arg(folder.join(file)),
            None => command.arg(word),
        };
    }
    command
}

#[test]
fn documents_are_whole() {
    let place = Place::of_few_images();
    let folder = odd(&place);
    fs::copy(place.path("base.safetensors"), folder.join("b.safetensors")).unwrap();
    random_generator(32).save(folder.join("g.safetensors")).unwrap();
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &[0.5; 3072]).unwrap();
    for (line, names_it) in [
        ("devices", true),
        ("data show fashion-sample --columns 1 --out @x.png", true),
        ("import base.safetensors --model vgg-small --out @w.safetensors", true),
        ("inject --base @b.safetensors --ber 0.01 --seed 1 --out @f.safetensors", true),
        ("forward --weights @b.safetensors --input x.npy --output @y.npy", true),
        ("export @g.safetensors --out @g.onnx --c @c --golden @golden", true),
        (
            "eval --base @b.safetensors --generator @g.safetensors --images 2 --seeds 1 --ber 0.01 --out @e.json",
            true,
        ),
        ("report @e.json --out @e.html", false),
    ] {
        println!("nf-gpu {line}");
        let json = if line.starts_with("report") { "" } else { " --json" };
        let ended = Ended::of(nf(&place, &format!("{line}{json}")).env("XDG_CACHE_HOME", &folder));
        let told = ended.done();
        if !json.is_empty() {
            let document: serde_json::Value = serde_json::from_str(&told).unwrap();
            assert_eq!(document.to_string().contains("d\u{fffd}"), names_it, "{document:#}");
        }
    }
    let checked = Ended::of(&mut nf(&place, "data check cifar10 --json --data-dir @"));
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let document: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert!(document["files"].to_string().contains("d\u{fffd}"), "{document:#}");
    let page = fs::read(folder.join("e.html")).unwrap();
    assert!(page.len() > 10_000);
}

#[test]
fn settings_that_could_not_be_read_again_are_refused() {
    let place = Place::of_few_images();
    fs::copy(place.path("base.safetensors"), odd(&place).join("b.safetensors")).unwrap();
    let says = ["is not Unicode", "hint: rename it, or go into its folder"];
    for line in [
        "train --base @b.safetensors --chip 1 --steps 1 --out run",
        "train --base base.safetensors --chip 1 --steps 1 --out @run",
        "train --base base.safetensors --chip 1 --steps 1 --out run --data-dir @d",
        "train --base base.safetensors --chip 1 --steps 1 --out run --init @g.safetensors",
        "train --base base.safetensors --fault-map @map.npy --layout layout.toml --steps 1 --out run",
        "train --base base.safetensors --fault-map map.npy --layout @layout.toml --steps 1 --out run",
        "train --resume run --steps 2 --init @g.safetensors",
        "pretrain --model vgg-small --dataset fashion-sample --steps 1 --out @w.safetensors",
        "pretrain --model vgg-small --dataset fashion-sample --steps 1 --out w.safetensors --checkpoint @c",
        "pretrain --model vgg-small --dataset fashion-sample --steps 1 --out w.safetensors --init @w",
        "pretrain --model vgg-small --dataset fashion-sample --steps 1 --out w.safetensors --data-dir @d",
        "repro cifar10 --smoke --out @r",
        "repro cifar10 --smoke --artefacts @r",
        "repro cifar10 --bases @r",
        "repro cifar10 --data-dir @r",
    ] {
        println!("nf-gpu {line}");
        Ended::of(&mut nf(&place, line)).refused(2, &says);
    }
    let mut inside = place.nf(
        "train --base b.safetensors --chip 1 --steps 1 --batch-size 2 --images 2 --out run --quiet",
    );
    Ended::of(inside.current_dir(odd(&place))).done();
}
