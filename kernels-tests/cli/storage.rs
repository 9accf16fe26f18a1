//! Folders that are full, read-only, missing or in use: one error, and no half-written file.
use super::{Ended, PATIENCE, Place, ended, mount::Mount, wait_for};
use std::{fs, path::Path, process::Stdio, time::Instant};

const TRAIN: &str = "train --base base.safetensors --steps 2 --batch-size 2 --chip 1 --images 10";
const ENDLESS: &str = "train --base base.safetensors --steps 100000 --batch-size 2 --chip 1 \
                       --checkpoint-every 1 --out run";
const PRETRAIN: &str = "pretrain --model vgg-small --steps 1 --batch-size 2 --dataset";

fn names(folder: &Path) -> Vec<String> {
    let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn training_on_a_full_disk_ends_clean_and_goes_on_when_there_is_room() {
    let place = Place::of_few_images();
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    let Some(mount) = Mount::tmpfs(&disk, "size=64k") else { return };
    let full = ["cannot write", "the disk is full"];
    place.run(&format!("{TRAIN} --out disk/run")).refused(1, &full);
    // Settings and steps are complete; nothing remains of the checkpoint that did not fit.
    let run = disk.join("run");
    assert_eq!(names(&run), [".lock", "config.toml", "metrics.jsonl"]);
    for line in fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }

    fs::write(disk.join("kept.safetensors"), "old").unwrap();
    place.run(&format!("{PRETRAIN} few --out disk/kept.safetensors")).refused(1, &full);
    place.run(&format!("{PRETRAIN} few --out disk/new.safetensors")).refused(1, &full);
    assert_eq!(names(&disk), ["kept.safetensors", "run"]);
    assert_eq!(fs::read(disk.join("kept.safetensors")).unwrap(), b"old");

    mount.remount("size=16m");
    place.run("train --resume disk/run").done();
    assert!(run.join("eval.json").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_device_that_is_always_full() {
    let place = Place::of_few_images();
    place
        .run(&format!("{PRETRAIN} few --out /dev/full"))
        .refused(1, &["/dev/full", "the disk is full"]);
    let logits = "eval --base base.safetensors --images 2 --seeds 1 --logits /dev/full";
    let ended = place.run(logits);
    assert!(ended.stderr.contains("error: cannot write /dev/full"), "{ended:?}");
    // The results are printed although the file could not be written.
    assert!(ended.code == Some(1) && ended.stdout.contains("stuck-at"), "{ended:?}");
}

#[test]
#[cfg(unix)]
fn a_file_that_is_larger_than_allowed() {
    let place = Place::new();
    // Limit in blocks of 512 or 1024 bytes, depending on the shell: less than the network's
    // megabyte.
    for before in ["ulimit -f 100;", "trap '' XFSZ; ulimit -f 100;"] {
        let line = "inject --base base.safetensors --out x.safetensors";
        let ended = Ended::of(&mut place.shell(before, line));
        ended.refused(1, &["cannot write x.safetensors", "File too large", "ulimit -f unlimited"]);
        assert!(!place.path("x.safetensors").exists());
    }
}

#[test]
fn a_folder_that_takes_no_files() {
    let place = Place::new();
    let fixed = place.path("fixed");
    fs::create_dir(&fixed).unwrap();
    // Root may write to any folder, but not to a read-only disk.
    let mut permissions = fs::metadata(&fixed).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&fixed, permissions).unwrap();
    let _mount = if fs::write(fixed.join("probe"), "").is_ok() {
        let Some(mount) = Mount::tmpfs(&fixed, "ro") else { return };
        Some(mount)
    } else {
        None
    };
    let says = ["cannot write fixed/", "a folder that you may write to"];
    for line in [
        &format!("{TRAIN} --out fixed/run"),
        &format!("{PRETRAIN} fashion-sample --out fixed/base.safetensors"),
        "eval --base base.safetensors --logits fixed/l.npy",
        "data show fashion-sample --out fixed/sheet.png",
    ] {
        let ended = place.run(line);
        ended.refused(1, &says);
        assert!(!ended.stderr.contains("step 1"), "found out after the work: {ended:?}");
    }
    assert!(names(&fixed).is_empty());
}

#[test]
fn an_output_that_cannot_be_is_refused_before_the_work() {
    let place = Place::new();
    let create = "create it first";
    fs::create_dir(place.path("folder")).unwrap();
    let before = place.files();
    for (line, says) in [
        (&*format!("{PRETRAIN} fashion-sample --out none/base.safetensors"), ["none", create]),
        (&format!("{PRETRAIN} fashion-sample --out folder"), ["it is a folder", "a file in it"]),
        ("eval --base base.safetensors --logits none/l.npy", ["none", create]),
        ("bench --kernel add --quick --out none/b.json", ["none", create]),
        ("bench --kernel add --quick --roofline none/b.svg", ["none", create]),
        (&format!("{TRAIN} --out base.safetensors"), ["base.safetensors", "another name"]),
        (&format!("{TRAIN} --out base.safetensors/run"), ["base.safetensors", "another name"]),
    ] {
        let ended = place.run(line);
        ended.refused(1, &says);
        assert!(!ended.stderr.contains("step 1"), "found out after the work: {ended:?}");
        assert_eq!(place.files(), before);
    }
}

#[test]
fn a_run_is_not_overwritten_but_one_that_never_began_is() {
    let place = Place::new();
    // The reference code has no map for this seed: the run ends before its first step.
    let chip = TRAIN.replace("--chip 1", "--chip 4294967295 --faults reference");
    place.run(&format!("{chip} --out run")).refused(2, &["no map"]);
    for batch in ["100000", "100000000"] {
        let huge = TRAIN.replace("--batch-size 2", &format!("--batch-size {batch}"));
        place.run(&format!("{huge} --out run")).refused(2, &["to train on", "a smaller batch"]);
    }
    let input = "--input-mean 0.3,0.3,0.3 --input-std 0.5,0.5,0.5 --generator unets";
    place.run(&format!("{TRAIN} {input} --out run")).done();
    let before = place.files();
    let says = ["run holds a run already", "--resume run"];
    place.run(&format!("{TRAIN} --out run --seed 5")).refused(2, &says);
    assert_eq!(place.files(), before);
}

#[test]
fn a_folder_that_goes_away_during_the_run_is_an_error_that_says_so() {
    let place = Place::new();
    let mut child = place.nf(ENDLESS).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait_for(&place.path("run/state.json"), &mut child);
    // The run may put a file into the folder while it is being removed.
    let run = place.path("run");
    let began = Instant::now();
    while fs::remove_dir_all(&run).is_err() {
        assert!(began.elapsed() < PATIENCE, "run cannot be removed");
    }
    let ended = ended(child, ENDLESS);
    ended.refused(1, &["cannot write", "the folder does not exist"]);
    assert!(!place.path("run").exists());
}

#[test]
fn a_run_that_is_going_on_is_left_alone() {
    let place = Place::new();
    let mut child = place.nf(ENDLESS).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_for(&place.path("run/state.json"), &mut child);
    let who = format!("process {}", child.id());
    place.run("train --resume run").refused(1, &["run is in use", &who, "wait until it has ended"]);
    child.kill().unwrap();
    ended(child, ENDLESS);
    assert!(place.path("run/checkpoint.safetensors").exists());
}
