//! `eval --shard` and `eval --merge`: shares of the fault maps, and one document again.
use super::Place;
use std::fs;

const EVAL: &str =
    "eval --base base.safetensors --images 10 --seeds 7..12 --ber 0.01,0.02 --batch-size 5";

/// Evaluates the shares `1/n` to `n/n` into `1.json` to `n.json`.
fn shares(place: &Place, flags: &str, n: usize) {
    for i in 1..=n {
        place.run(&format!("{EVAL} {flags} --shard {i}/{n} --out {i}.json --quiet")).done();
    }
}

#[test]
fn shares_merge_into_the_document_of_one_process() {
    let place = Place::new();
    super::random_generator(32).save(place.path("g.safetensors")).unwrap();
    for flags in ["--per-class", "--generator g.safetensors --confusion"] {
        place.run(&format!("{EVAL} {flags} --out whole.json --csv whole.csv --quiet")).done();
        shares(&place, flags, 3);
        let whole = fs::read_to_string(place.path("whole.json")).unwrap();
        assert_ne!(fs::read_to_string(place.path("1.json")).unwrap(), whole);
        // In any order.
        let merge = "eval --merge 3.json 1.json 2.json --out all.json --csv all.csv";
        let table = place.run(merge).done();
        assert!(table.contains("0.02"), "{table}");
        for (merged, of_one) in [("all.json", "whole.json"), ("all.csv", "whole.csv")] {
            let [a, b] = [merged, of_one].map(|name| fs::read_to_string(place.path(name)).unwrap());
            assert_eq!(a, b, "{merged} {flags}");
        }
    }
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let place = Place::new();
    shares(&place, "", 2);
    place.run(&format!("{EVAL} --out whole.json")).done();
    let table = place.run(&format!("{EVAL} --shard 1/3 --out third.json")).done();
    assert!(table.contains("share 1/3 of 5 fault maps"), "{table}");
    place.run(&format!("{EVAL} --shard 2/2 --bits 0-3 --out bits.json")).done();
    super::random_base("vgg-small", 2).save(place.path("base.safetensors")).unwrap();
    place.run(&format!("{EVAL} --shard 2/2 --out other.json")).done();
    let text = fs::read_to_string(place.path("2.json")).unwrap();
    let elsewhere = text.replacen("\"driver\": \"", "\"driver\": \"another ", 1);
    fs::write(place.path("elsewhere.json"), elsewhere).unwrap();
    fs::write(place.path("damaged.json"), text.replacen("\"seeds\": [", "\"seeds\": [ 9999, ", 1))
        .unwrap();
    place.refuses(&[
        ("eval --merge 1.json", 2, &["1 of 2 shares are missing: 2/2", "--shard 2/2"]),
        ("eval --merge 1.json 2.json 1.json", 2, &["1.json and 1.json are both share 1/2"]),
        ("eval --merge 1.json whole.json", 1, &["whole.json: it is no share", "--shard I/N"]),
        ("eval --merge 1.json base.safetensors", 1, &["base.safetensors"]),
        ("eval --merge 1.json none.json", 1, &["cannot read none.json"]),
        ("eval --merge 1.json damaged.json", 1, &["damaged.json: its values are not"]),
        (
            "eval --merge 1.json third.json",
            2,
            &["number of shares: 1.json has 2, third.json has 3"],
        ),
        ("eval --merge 1.json bits.json", 2, &["faults: 1.json has", "bits.json has"]),
        (
            "eval --merge 1.json other.json",
            2,
            &["base network: 1.json has vgg-small", "other.json"],
        ),
        ("eval --merge 1.json elsewhere.json", 2, &["elsewhere.json", "another", "--mixed"]),
        (&format!("{EVAL} --shard 1/6 --json"), 2, &["6 shares of 5 fault maps", "5 is the most"]),
        (
            &format!("{EVAL} --shard 1/2 --logits l.npy --json"),
            2,
            &["--logits", "only some of the maps"],
        ),
        (
            "eval --base base.safetensors --chip 1 --shard 1/2 --json",
            2,
            &["2 shares of 1 fault maps"],
        ),
        (&format!("{EVAL} --shard 1/2 --csv 1.csv"), 2, &["its document", "--out FILE"]),
    ]);
    place.run("eval --base base.safetensors --shard 0/2").no_usage("from 1/N to N/N");
    place.run("eval --merge 1.json 2.json --ber 0.1").no_usage("--ber");
    let mixed = place.run("eval --merge 1.json elsewhere.json --mixed --json").evaluation();
    assert!(mixed.adapter.driver.contains("; another "), "{:?}", mixed.adapter);
}
