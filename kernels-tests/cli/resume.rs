//! Flags given with `--resume`: a run adopts or refuses each of them, and ignores none.
use super::Place;
use std::fs;

#[test]
fn what_contradicts_the_run_is_refused_with_both_values() {
    let place = Place::new();
    let train = "train --base base.safetensors --dataset fashion-sample --steps 2 --batch-size 2 --chip 2 \
                 --ber 0.02 --images 5 --out run --quiet --generator UIP";
    place.run(train).done();
    let config = || fs::read_to_string(place.path("run/config.toml")).unwrap();
    let before = config();
    for (flags, says) in [
        ("--chip 1", "--chip: the run began with 2, not 1"),
        ("--faults stuck-at --ber 0.03", "--ber: the run began with 0.02, not 0.03"),
        ("--faults flip", "--faults: the run began without it, not with flip"),
        ("--chip 2 --bits 0-6", "--bits: the run began without it, not with 0-6"),
        ("--chip none.npy", "none.npy"),
        ("--lr 0.1", "--lr: the run began with 0.001, not 0.1"),
        ("--seed 1", "--seed: the run began with 0, not 1"),
        ("--batch-size 4", "--batch-size: the run began with 2, not 4"),
        ("--generator UNetS", "--generator: the run began with UIP, not UNetS"),
        ("--dataset mnist", "--dataset: the run began with fashion-sample, not mnist"),
        ("--precision 4", "--precision: the run began with 8, not 4"),
        ("--preset quick", "--preset: the run began without it, not with quick"),
        ("--schedule cosine", "--schedule: the run began with reference, not cosine"),
        ("--out elsewhere", "--out: the run began with run, not elsewhere"),
        ("--steps 1", "1 steps in all; the run has done 2"),
    ] {
        let ended = place.run(&format!("train --resume run {flags}"));
        ended.refused(if flags.ends_with("npy") { 1 } else { 2 }, &[says]);
        assert_eq!(config(), before, "{flags}");
    }
    // The same settings spelt differently, and settings that do not affect the steps already done.
    let same =
        "--chip 2 --faults stuck-at --ber 0.020 --generator uip --bits 0-7 --copies 10 --out ./run";
    let table = place.run(&format!("train --resume run {same}")).done();
    assert!(table.contains("stuck-at  0.02     1"), "{table}");
    let ended = place.run("train --resume run --steps 3 --images 6 --eval-every 1");
    assert!(ended.stderr.contains("evaluating on the first 6 of 1000 test images"), "{ended:?}");
    ended.done();
    assert!(config().contains("steps = 3\n") && config().contains("images = 6\n"), "{}", config());
}

#[test]
fn a_cosine_is_not_prolonged_and_a_map_may_move() {
    let place = Place::new();
    let row = "1,0,0,0,0,0,0,0\n";
    fs::write(place.path("map.csv"), row.repeat(64)).unwrap();
    let train = "train --base base.safetensors --steps 1 --batch-size 2 --schedule cosine --chip map.csv \
                 --images 5 --out run --quiet --generator UIP";
    place.run(train).done();
    let says = ["--steps: the run began with 1, not 2", "a cosine ends with its run"];
    place.run("train --resume run --steps 2").refused(2, &says);
    place.run("train --resume run --epochs 150").refused(2, &["--epochs", "a cosine ends"]);
    place
        .run("train --resume run --chip 7")
        .refused(2, &["--chip: the run began with map.csv, not 7"]);
    fs::rename(place.path("map.csv"), place.path("moved.csv")).unwrap();
    place.run("train --resume run --fault-map moved.csv").done();
    fs::write(place.path("other.csv"), row.repeat(32)).unwrap();
    place.run("train --resume run --chip other.csv").refused(2, &["--chip: the run began"]);
}
