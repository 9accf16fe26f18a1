//! Patterns of faults, rows, columns and clusters, through the commands.
use super::Place;
use nf_gpu::fault::FaultModel;
use serde_json::Value;
use std::fs;

const PATTERN: &str = "rows = 512\ncolumns = 256\n\
                       [[line]]\nalong = \"row\"\nrate = 0.01\neffect = \"stuck-together\"\n\
                       [[line]]\nalong = \"column\"\nrate = 0.01\nlength = 100\n\
                       [[cluster]]\nrate = 1e-4\nrows = 2\ncolumns = 3\neffect = \"flip\"\n";
const EVAL: &str = "eval --base base.safetensors --dataset few --images 6 --json --quiet";

#[test]
fn a_pattern_is_drawn_from_seeds_for_every_command_and_recorded_whole() {
    let place = Place::of_few_images();
    fs::write(place.path("p.toml"), PATTERN).unwrap();
    let evaluation = place.run(&format!("{EVAL} --faults p.toml --seeds 1,2,3")).evaluation();
    let perturbed = &evaluation.perturbed[0];
    assert_eq!(perturbed.faults.kind(), FaultModel::Pattern);
    assert_eq!(perturbed.faults.pattern().unwrap().lines.len(), 2);
    let each = &perturbed.flipped_bits.each;
    assert!(each[0] != each[1] && each.iter().all(|&flips| flips > 100), "{each:?}");
    assert_eq!(perturbed.voltage, None);

    // Host and adapter read the same bits, and the record makes the file again without the pattern's file.
    let inject =
        "inject --base base.safetensors --faults p.toml --seed 2 --out f.safetensors --verify";
    let said = place.run(inject);
    assert!(said.stderr.contains("the same bits on "), "{said:?}");
    let record: Value =
        serde_json::from_str(&fs::read_to_string(place.path("f.json")).unwrap()).unwrap();
    assert_eq!(record["flipped_bits"].as_u64(), Some(each[1]));
    assert_eq!(record["pattern"]["cluster"][0]["columns"], 3);
    let made = fs::read(place.path("f.safetensors")).unwrap();
    fs::rename(place.path("p.toml"), place.path("q.toml")).unwrap();
    fs::remove_file(place.path("f.safetensors")).unwrap();
    place.run("inject --replay f.json --out f.safetensors").done();
    assert_eq!(fs::read(place.path("f.safetensors")).unwrap(), made);

    // Fresh maps each step, and one chip.
    for chip in ["", "--chip 2"] {
        let line = "train --base base.safetensors --dataset few --faults q.toml --steps 2 --copies 1 \
                    --batch-size 2 --images 6 --checkpoint-every 1 --out";
        let out = format!("run{}", chip.len());
        let ended = place.run(&format!("{line} {out} {chip} --quiet --json"));
        let trained = ended.evaluation();
        assert_eq!(trained.perturbed[0].faults.kind(), FaultModel::Pattern);
        place.run(&format!("train --resume {out} --steps 3 --quiet")).done();
    }
    // A generator remembers the pattern that it was trained for, whole: its file is not needed any more.
    fs::remove_file(place.path("q.toml")).unwrap();
    let own = format!("{EVAL} --generator run0/generator.safetensors --seeds 1,2");
    let own = place.run(&own).evaluation();
    assert_eq!(own.perturbed[0].flipped_bits.each, each[..2]);
    let page = place.run("report run0 --out page.html");
    page.done();
    assert!(fs::read_to_string(place.path("page.html")).unwrap().contains("lines, clusters in"));
}

#[test]
fn what_a_pattern_does_not_go_with_is_refused() {
    let place = Place::of_few_images();
    fs::write(place.path("p.toml"), PATTERN).unwrap();
    fs::write(place.path("bad.toml"), "rows = 5\ncolumns = 30\n").unwrap();
    for (flags, code, parts) in [
        ("--faults p.toml --ber 0.01", 2, ["--ber", "a pattern has rates of its own"]),
        ("--faults p.toml --lot 3 --shared 0.5", 2, ["--lot", "one chip's"]),
        ("--faults p.toml --fault-map x.npy", 2, ["--fault-map", "measured map"]),
        ("--faults pattern", 2, ["there is no pattern", "--faults pattern.toml"]),
        ("--faults bad.toml", 1, ["bad.toml", "whole words of 32 cells"]),
        ("--faults none.toml", 1, ["none.toml", ""]),
    ] {
        place.run(&format!("{EVAL} {flags}")).refused(code, &parts);
    }
    // A memory that is smaller than the network is gone through again, and the user is told.
    fs::write(place.path("small.toml"), "rows = 4\ncolumns = 64\n[[cell]]\nrate = 0.1\n").unwrap();
    let told = place
        .run("eval --base base.safetensors --dataset few --images 2 --faults small.toml --seeds 1");
    assert!(told.stderr.contains("the pattern's memory holds 256 cells"), "{}", told.stderr);
}
