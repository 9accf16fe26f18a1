//! `inject` with its records, measured maps, and evaluations that are killed, restricted or taken apart.
use super::{Place, ended, evaluation, until};
use nf_gpu::{
    fault::{FaultModel, Mapping},
    files::{Weights, sha256},
    report::{
        eval_json::{Document, Perturbed},
        fault_record::FaultRecord,
    },
};
use std::{fs, process::Stdio};

fn record(place: &Place, name: &str) -> FaultRecord {
    FaultRecord::load(&place.path(name)).unwrap()
}

#[test]
fn a_record_makes_the_same_faulty_file_again() {
    let place = Place::new();
    for (faults, rates) in [
        ("--faults flip --ber 0.02 --bits 4-7 --layers !features.1.* --seed 9", "flip"),
        ("--faults asymmetric --ber01 0.03 --ber10 0.001 --precision 5", "asymmetric"),
        ("--lot 3 --shared 0.5 --chip 12", "stuck-at"),
        ("--faults reference --chip 7", "reference"),
        ("--ber 0.023513175376122398 --seed 3", "stuck-at"),
    ] {
        let inject =
            format!("inject --base base.safetensors {faults} --verify --out a.safetensors");
        let ended = place.run(&inject);
        assert!(ended.stderr.contains("the same bits on "), "{ended:?}");
        assert!(ended.done().contains("bits read differently"));
        let first = record(&place, "a.json");
        assert_eq!(first.faults.kind().to_string(), rates);
        assert_eq!(first.file_sha256, sha256(place.path("a.safetensors")).unwrap());
        assert_eq!(first.flipped_bits, first.per_bit.iter().sum::<u64>());
        assert_eq!(first.flipped_bits, first.per_layer.iter().map(|l| l.flips).sum::<u64>());
        assert!(0 < first.flipped_bits && first.flipped_bits <= first.faulty_cells);
        place.run("inject --replay a.json --out b.safetensors --quiet").done();
        assert_eq!(record(&place, "b.json"), first);
        let bytes = |name| fs::read(place.path(name)).unwrap();
        assert_eq!(bytes("a.safetensors"), bytes("b.safetensors"));
        fs::remove_file(place.path("b.json")).unwrap();
        // `--replay` writes beside the record, which stays unchanged.
        fs::remove_file(place.path("a.safetensors")).unwrap();
        let kept = bytes("a.json");
        place.run("inject --replay ./a.json --out a.safetensors --quiet").done();
        assert_eq!((bytes("a.safetensors"), bytes("a.json")), (bytes("b.safetensors"), kept));
        place.run("inject --replay a.json --out a.json").refused(2, &["already --replay"]);
    }
    // Another seed means another chip; everything else that the flags leave out stays as recorded.
    let line = "inject --base base.safetensors --faults flip --ber 0.05 --bits 7 --layers features.* --json";
    let a: FaultRecord =
        serde_json::from_str(&place.run(&format!("{line} --seed 1 --out a.safetensors")).done())
            .unwrap();
    let b = place.run(&format!("{line} --seed 2 --out b.safetensors")).done();
    assert_ne!(a.file_sha256, serde_json::from_str::<FaultRecord>(&b).unwrap().file_sha256);
    assert_eq!(a.per_bit[..7], [0; 7]);
    assert!(a.per_layer.iter().all(|l| l.name.starts_with("features") == (l.flips > 0)), "{a:?}");
}

#[test]
fn what_cannot_be_injected_is_refused_and_nothing_is_written() {
    let place = Place::new();
    place.run("inject --base base.safetensors --out faulty.safetensors").done();
    fs::write(place.path("no.json"), "{}").unwrap();
    fs::write(place.path("one.csv"), format!("1{}\n", ",0".repeat(31))).unwrap();
    place.refuses(&[
        ("inject --base base.safetensors --out base.safetensors", 2, &["already --base"]),
        ("eval --base base.safetensors --images 5 --out base.safetensors", 2, &["already --base"]),
        ("eval --base base.safetensors --out x.json --logits x.json", 2, &["already --logits"]),
        (
            "eval --base base.safetensors --fault-map one.csv --out one.csv",
            2,
            &["already --fault-map"],
        ),
        (
            "inject --base base.safetensors --fault-map one.csv --out one.csv",
            2,
            &["already --fault-map"],
        ),
        ("eval --base base.safetensors --seeds 1,1", 2, &["no second one"]),
        ("eval --base base.safetensors --ber 0.1,0.1", 2, &["twice"]),
        ("eval --base base.safetensors --precision 9", 2, &["9 bits"]),
        ("eval --base base.safetensors --faults reference --seeds 4294967295", 2, &["no map"]),
        ("inject --base faulty.safetensors --out x.safetensors", 1, &["faults already"]),
        ("eval --base faulty.safetensors", 1, &["faults already"]),
        ("inject --replay no.json --out x.safetensors", 1, &["no fault record"]),
        ("inject --replay faulty.json --ber 0.1 --out x.safetensors", 2, &["--ber"]),
        ("inject --replay faulty.json --bits 3 --out x.safetensors", 2, &["--faults"]),
        (
            "inject --replay faulty.json --base faulty.safetensors --out x.safetensors",
            1,
            &["already"],
        ),
        ("inject --base base.safetensors --chip 1 --seed 2 --out x.safetensors", 2, &["--seed"]),
        ("inject --base base.safetensors --ber 1 --out x.safetensors", 2, &["one per cent"]),
        ("inject --base base.safetensors --ber 1e-12 --out x.safetensors", 2, &["draws no cell"]),
        ("eval --base base.safetensors --ber 0.01,1e-12", 2, &["--ber: a rate of 1e-12 draws"]),
        ("eval --base base.safetensors --faults asymmetric --ber01 1e-10", 2, &["--ber01: a rate"]),
        ("train --base base.safetensors --ber 2e-10 --steps 1 --out run", 2, &["draws no cell"]),
        (
            "inject --base base.safetensors --lot 1 --shared 1e-11 --out x.safetensors",
            2,
            &["--shared"],
        ),
        ("inject --base base.safetensors --bits 8 --out x.safetensors", 2, &["--bits"]),
        (
            "inject --base base.safetensors --bits 7 --precision 4 --out x.safetensors",
            2,
            &["bit 7"],
        ),
        ("inject --base base.safetensors --layers fc* --out x.safetensors", 2, &["layers: "]),
        ("inject --base base.safetensors --lot 1 --shared 2 --out x.safetensors", 2, &["--shared"]),
        ("inject --base base.safetensors --out no/x.safetensors", 1, &["cannot write"]),
        ("eval --base base.safetensors --chip 1 --seeds 1..3", 2, &["--seeds"]),
        ("eval --base base.safetensors --protect", 2, &["--sensitivity"]),
        ("eval --base base.safetensors --faults profile", 2, &["--fault-map"]),
        ("eval --base base.safetensors --layers nothing", 2, &["layers: "]),
        ("eval --base base.safetensors --fault-map base.safetensors", 1, &["stuck_at_1"]),
        ("train --base base.safetensors --bits 9 --out run", 2, &["--bits"]),
        ("train --base base.safetensors --layers nothing --steps 1 --out run", 2, &["layers: "]),
    ]);
    place.run("inject --base base.safetensors --lot 1 --out x.safetensors").no_usage("--shared");
    // A record whose network has changed.
    super::random_base("vgg-small", 2).save(place.path("base.safetensors")).unwrap();
    place.run("inject --replay faulty.json --out x.safetensors").refused(1, &["SHA-256"]);
}

/// The reference's map that was saved in a file gives the same results as the reference's map.
#[test]
fn a_measured_map_is_the_chip_that_was_measured() {
    let place = Place::new();
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/kernels-tests/networks/golden/seed7_ber0.005.safetensors"
    );
    fs::copy(golden, place.path("map.safetensors")).unwrap();
    let inject = "inject --base base.safetensors --quiet";
    place
        .run(&format!("{inject} --faults reference --ber 0.005 --seed 7 --out a.safetensors"))
        .done();
    let line = format!("{inject} --fault-map map.safetensors --mapping reference --verify");
    place.run(&format!("{line} --out b.safetensors")).done();
    let (a, b) = (record(&place, "a.json"), record(&place, "b.json"));
    assert_eq!((a.flipped_bits, a.faulty_cells), (b.flipped_bits, b.faulty_cells));
    let weights = |name| Weights::load(place.path(name)).unwrap().tensors;
    assert_eq!(weights("a.safetensors"), weights("b.safetensors"));
    assert_eq!((b.mapping.as_str(), b.seed), ("reference", 0));
    assert_eq!(
        b.faults.measured().unwrap().file_sha256,
        sha256(place.path("map.safetensors")).unwrap()
    );
    place.run("inject --replay b.json --out c.safetensors").done();
    assert_eq!(record(&place, "c.json").file_sha256, record(&place, "b.json").file_sha256);
    // Laid out word by word, the map is another chip, the same for both commands.
    let linear =
        place.run("eval --base base.safetensors --chip map.safetensors --images 20 --json");
    let linear = linear.evaluation();
    let chip = &linear.perturbed[0];
    assert_eq!((chip.faults.kind(), &chip.seeds[..]), (FaultModel::Profile, &[0][..]));
    assert_eq!(chip.faults.measured().unwrap().mapping, Mapping::Linear);
    place.run(&format!("{inject} --chip map.safetensors --out d.safetensors")).done();
    let flips = record(&place, "d.json").flipped_bits;
    assert_eq!(chip.flipped_bits.each, [flips]);
    assert_ne!(flips, a.flipped_bits);
    let train = "train --base base.safetensors --chip map.safetensors --steps 2 --batch-size 2 \
                 --images 20 --generator ConvS --out run --json --quiet";
    let trained = place.run(train).evaluation();
    assert_eq!(trained.perturbed[0].flipped_bits.each, [flips]);
}

/// A place whose base network is trained, so that a few images suffice to tell faults apart.
fn trained() -> Place {
    let place = Place::new();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vgg-small-fashion.safetensors");
    fs::copy(model, place.path("base.safetensors")).unwrap();
    place
}

#[test]
fn a_killed_evaluation_goes_on_where_it_was() {
    let place = trained();
    let line = |seeds: &str, images: u32| {
        format!(
            "eval --base base.safetensors --seeds {seeds} --ber 0.01,0.03 --per-class --confusion \
             --images {images} --batch-size 10 --out"
        )
    };
    // More maps than can be done in the time of a test: the command is killed before its end in any
    // case.
    let long = line("1..1001", 20) + " x.json";
    let mut child = place.nf(&long).stderr(Stdio::null()).spawn().unwrap();
    let journal = place.path("x.json.journal");
    let lines = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    // Lines of the journal: the identity, the clean network, the first maps.
    until("no journal", &mut child, |_| lines() >= 6);
    child.kill().unwrap(); // SIGKILL
    ended(child, &long);
    assert!(!place.path("x.json").exists(), "it was not killed: there is nothing to go on with");
    let done = lines();
    // Other images make another evaluation; other seeds do not.
    let other = line("1..5", 10) + " x.json";
    place.run(&other).refused(1, &["another evaluation", "--out"]);
    let line = line("1..5", 20);
    let ended = place.run(&format!("{line} x.json"));
    let known = ended.stderr.lines().find_map(|l| l.strip_prefix("going on: ")).unwrap();
    let known: usize = known.split(' ').next().unwrap().parse().unwrap();
    assert!(known + 2 >= done && known >= 5, "{known} of {done}");
    ended.done();
    assert!(!journal.exists());
    place.run(&format!("{line} whole.json")).done();
    let text = |name| fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(text("x.json"), text("whole.json"));
    let whole = evaluation(&text("whole.json"));
    assert_eq!(whole.perturbed.iter().map(|p| p.seeds.len()).collect::<Vec<_>>(), [4, 4]);
    // Maps are nested: a cell that is faulty at the lower rate is faulty at the higher rate.
    let [low, high] = &whole.perturbed[..] else { panic!() };
    assert!(low.flipped_bits.each.iter().zip(&high.flipped_bits.each).all(|(l, h)| l < h));
    let images = whole.dataset.images;
    for (p, maps) in [(low, 4), (high, 4)] {
        let confusion = &p.classes.as_ref().unwrap().confusion;
        let right: u64 = (0..10).map(|i| confusion[i][i]).sum();
        assert_eq!(confusion.iter().flatten().sum::<u64>(), images * maps);
        assert!((right as f64 * 100.0 / (images * maps) as f64 - p.accuracy.mean).abs() < 1e-9);
        let of_layers: u64 = p.flipped_bits.per_layer.iter().map(|l| l.flips).sum();
        assert_eq!(of_layers, p.flipped_bits.each.iter().sum::<u64>());
        let [low, high] = p.accuracy.interval.unwrap();
        assert!(low < p.accuracy.mean && p.accuracy.mean < high);
    }
}

#[test]
fn a_study_takes_the_faults_apart() {
    let place = trained();
    let eval = "eval --base base.safetensors --seeds 1,2 --ber 0.05 --images 5 --json";
    let study = place.run(&format!("{eval} --sensitivity --protect 2")).evaluation();
    let of = |flags: &str| -> Perturbed {
        place.run(&format!("{eval} {flags}")).evaluation().perturbed.remove(0)
    };
    let s = study.sensitivity.unwrap();
    assert_eq!(s.everything, study.perturbed[0].accuracy);
    assert_eq!((s.bits.len(), s.protected_bits.len(), s.protected_layers.len()), (8, 2, 2));
    assert_eq!(s.bits[7].accuracy, of("--bits 7").accuracy);
    // Results differ from bit to bit and from layer to layer, so that the comparisons mean something.
    assert_ne!(s.bits[7].accuracy, s.bits[0].accuracy);
    let layer = &s.layers[0];
    assert!(s.layers.iter().any(|other| other.accuracy != layer.accuracy), "{s:?}");
    let name = layer.name.trim_end_matches(".weight").to_owned();
    assert_eq!(layer.accuracy, of(&format!("--layers {name}")).accuracy);
    assert!((layer.loss - (s.clean - layer.accuracy.mean)).abs() < 1e-9);
    // The worst bit protected means that all other bits are faulty.
    let worst = s.bits.iter().map(|b| b.loss).fold(f64::MIN, f64::max);
    let first = &s.protected_bits[0];
    assert!(s.bits.iter().any(|b| b.name == first.name && b.loss == worst));
    let bit: u32 = first.name.trim_start_matches("bit ").parse().unwrap();
    let others = (0..8).filter(|b| *b != bit).map(|b| b.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(first.accuracy, of(&format!("--bits {others}")).accuracy);
    assert_eq!(first.share, 0.125);
    assert!(s.protected_layers[0].share < s.protected_layers[1].share);
    // Studied are only bits and layers that can fail; protecting some of them leaves the others faulty.
    let some = "--bits 0,6-7 --layers !classifier";
    let study = place.run(&format!("{eval} {some} --sensitivity --protect 1")).evaluation();
    let s = study.sensitivity.unwrap();
    assert_eq!(s.everything, of(some).accuracy);
    let names: Vec<&str> = s.bits.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(names, ["bit 0", "bit 6", "bit 7"]);
    assert!(s.layers.len() == 4 && s.layers.iter().all(|l| !l.name.contains("classifier")));
    assert_eq!(s.bits[2].accuracy, of("--bits 7 --layers !classifier").accuracy);
    let first = &s.protected_bits[0];
    let left = ["0", "6", "7"].into_iter().filter(|b| !first.name.ends_with(b));
    let left = left.collect::<Vec<_>>().join(",");
    assert_eq!(first.accuracy, of(&format!("--bits {left} --layers !classifier")).accuracy);
    assert!((first.share - 1.0 / 3.0).abs() < 1e-9);
    let table =
        place.run("eval --base base.safetensors --seeds 1 --images 2 --sensitivity --protect");
    let table = table.done();
    for says in ["everything", "only bit 7", "not "] {
        assert!(table.contains(says), "{table}");
    }
}

#[test]
fn generators_share_what_the_base_alone_does() {
    let place = Place::new();
    let train =
        "train --base base.safetensors --steps 1 --batch-size 2 --images 10 --chip 1 --quiet";
    for (generator, run) in [("ConvS", "a"), ("UNetS", "b")] {
        place.run(&format!("{train} --generator {generator} --out {run}")).done();
    }
    let eval = "eval --base base.safetensors --seeds 1,2 --images 30 --json --generator a/generator.safetensors";
    let document = place.run(&format!("{eval} --generator b/generator.safetensors")).done();
    let Document::Several { runs } = serde_json::from_str(&document).unwrap() else { panic!() };
    let alone = place.run(eval).evaluation();
    assert_eq!(runs[0], alone);
    assert_eq!(runs[1].perturbed[0].accuracy, alone.perturbed[0].accuracy);
    assert_ne!(runs[1].generator, alone.generator);
}
