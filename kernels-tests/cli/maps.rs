//! Measured maps as chip engineers have them: lists of cells, layouts, voltages.
use super::{Place, evaluation};
use nf_gpu::{
    fault::MapDetail,
    files::Weights,
    report::{eval_json::Evaluation, fault_record::FaultRecord},
};
use std::fs;

const EVAL: &str = "eval --base base.safetensors --images 20 --json";
const POINTS: &str = "[[point]]\nvoltage = 0.8\nber = 0\nenergy_per_access = 10\n\
                      [[point]]\nvoltage = 0.6\nber = 0.0313\nenergy_per_access = 5\n";
/// Layers of `vgg-small`, with the bytes of their weights.
const LAYERS: [(&str, u64); 5] = [
    ("features.0.conv", 864),
    ("features.1.conv", 18_432),
    ("features.2.conv", 73_728),
    ("features.3.conv", 147_456),
    ("classifier", 1280),
];

fn map(e: &Evaluation) -> &MapDetail {
    e.perturbed[0].faults.measured().unwrap()
}

/// A memory of 512 rows of 64 cells: as a matrix of faulty cells, and as a list. One cell of 32 is faulty.
fn memory(place: &Place) {
    let faulty = |row: u64, column: u64| (row * 64 + column) % 32 == row % 29;
    let (mut matrix, mut list) =
        (String::new(), "# rows: 512, columns: 64\nrow,column\n".to_owned());
    for row in 0..512 {
        let cells: Vec<_> =
            (0..64).map(|column| u8::from(faulty(row, column)).to_string()).collect();
        matrix += &(cells.join(",") + "\n");
        let cells = (0..64).filter(|&column| faulty(row, column));
        list += &cells.map(|column| format!("{row},{column}\n")).collect::<String>();
    }
    fs::write(place.path("matrix.csv"), matrix).unwrap();
    fs::write(place.path("list.csv"), list).unwrap();
}

fn layout(place: &Place, name: &str, order: &[usize], first: u64) {
    let mut address = first;
    let mut text = String::new();
    for &layer in order {
        let (name, bytes) = LAYERS[layer];
        text += &format!("[[layer]]\nlayer = \"{name}\"\naddress = {address}\n");
        address += bytes;
    }
    fs::write(place.path(name), text).unwrap();
}

#[test]
fn a_list_is_the_chip_of_its_matrix_and_says_how_often_it_is_repeated() {
    let place = Place::new();
    memory(&place);
    let [a, b] = ["matrix.csv", "list.csv"].map(|file| {
        let ended = place.run(&format!("{EVAL} --chip {file}"));
        // 241,760 weights of 8 cells each, on 32,768 cells.
        let says =
            "the map holds 32,768 cells; the weights need 1,934,080: it is repeated 59.02 times";
        assert!(ended.stderr.contains(says), "{ended:?}");
        ended.evaluation()
    });
    assert_eq!(a.perturbed[0].flipped_bits, b.perturbed[0].flipped_bits);
    assert_eq!((map(&a).cells, map(&a).layout.is_none()), (Some(32_768), true));
    assert!((map(&a).repeated.unwrap() - 59.02).abs() < 0.01);
    fs::write(place.path("none.csv"), "row,column,value\n").unwrap();
    let ended = place.run("inject --base base.safetensors --chip none.csv --out x.safetensors");
    for says in ["does not say how large the memory is", "no faulty cell: nothing fails"] {
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
    assert!(ended.done().contains("differently (0 %)"));
}

#[test]
fn a_layout_moves_layers_for_every_command_and_is_recorded() {
    let place = Place::new();
    memory(&place);
    layout(&place, "same.toml", &[0, 1, 2, 3, 4], 0);
    layout(&place, "other.toml", &[4, 2, 0, 3, 1], 64);
    let plain = place.run(&format!("{EVAL} --chip list.csv")).evaluation();
    let by =
        |name: &str| place.run(&format!("{EVAL} --chip list.csv --layout {name}")).evaluation();
    let (same, other) = (by("same.toml"), by("other.toml"));
    assert_eq!(same.perturbed[0].flipped_bits, plain.perturbed[0].flipped_bits);
    assert_eq!(map(&other).layout.as_ref().unwrap().file, "other.toml");
    let inject = "inject --base base.safetensors --chip list.csv --layout other.toml --verify";
    let ended = place.run(&format!("{inject} --out x.safetensors"));
    assert!(
        ended.stderr.contains("the same bits on") && ended.stderr.contains("the layout reaches")
    );
    ended.done();
    let record = |name: &str| FaultRecord::load(&place.path(name)).unwrap();
    assert_eq!([record("x.json").flipped_bits], other.perturbed[0].flipped_bits.each[..]);
    // With another layout as many cells fail, but in words of other layers.
    place.run("inject --base base.safetensors --chip list.csv --out plain.safetensors").done();
    let faulty = |name: &str| Weights::load(place.path(name)).unwrap().tensors;
    assert_ne!(faulty("x.safetensors"), faulty("plain.safetensors"));
    place.run("inject --replay x.json --out y.safetensors").done();
    assert_eq!(record("y.json"), record("x.json"));
    let train = "train --base base.safetensors --chip list.csv --layout other.toml --preset quick --steps 2 \
                 --batch-size 2 --images 20 --generator UIP --out run --json";
    let ended = place.run(train);
    assert!(ended.stderr.contains("the map holds 32,768 cells; the layout reaches"), "{ended:?}");
    let trained = ended.evaluation();
    assert_eq!(trained.perturbed[0].flipped_bits, other.perturbed[0].flipped_bits);
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(config.contains("layout = \"other.toml\"") && !config.contains("ber ="), "{config}");
    // The generator is evaluated with this layout without any flag, and the page's command trains it
    // again.
    let again = format!("{EVAL} --generator run/generator.safetensors");
    let evaluated = place.run(&again).evaluation();
    let counts =
        |e: &Evaluation| (e.perturbed[0].flipped_bits.clone(), e.perturbed[0].accuracy_nf.clone());
    assert_eq!(counts(&evaluated), counts(&trained));
    assert_eq!(map(&evaluated).layout, map(&trained).layout);
    // The same happens if a flag names the same map at another path; another map does not have this
    // layout.
    fs::copy(place.path("list.csv"), place.path("moved.csv")).unwrap();
    let moved = place.run(&format!("{again} --chip moved.csv")).evaluation();
    assert_eq!(counts(&moved), counts(&trained));
    let matrix = place.run(&format!("{again} --chip matrix.csv")).evaluation();
    assert_eq!(map(&matrix).layout, None);
    assert_eq!(matrix.perturbed[0].flipped_bits, plain.perturbed[0].flipped_bits);
    // A layout that was moved is found beside the generator, or is named by a flag.
    fs::rename(place.path("other.toml"), place.path("run/other.toml")).unwrap();
    assert_eq!(counts(&place.run(&again).evaluation()), counts(&trained));
    fs::rename(place.path("run/other.toml"), place.path("moved.toml")).unwrap();
    let gone =
        ["the layout of the measured map that it was trained for is gone: other.toml", "--layout"];
    place.run(&again).refused(1, &gone);
    assert_eq!(
        counts(&place.run(&format!("{again} --layout moved.toml")).evaluation()),
        counts(&trained)
    );
    place.run("train --resume run --layout moved.toml").done();
    // From then on the run records the new paths.
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(config.contains("layout = \"moved.toml\""), "{config}");
    // A file that a record names is not overwritten either.
    fs::rename(place.path("moved.toml"), place.path("other.toml")).unwrap();
    place.run("train --resume run --layout other.toml").done();
    place.run("inject --replay x.json --out other.toml").refused(2, &["already --layout"]);
    // With another layout it is another run, and another record.
    layout(&place, "other.toml", &[0, 1, 2, 3, 4], 4);
    layout(&place, "another.toml", &[1, 0, 2, 3, 4], 0);
    let began = "--layout: the run began with other.toml, not another.toml";
    place.run("train --resume run --layout another.toml").refused(2, &[began]);
    place.run("train --resume run").refused(1, &["faults was"]);
    place.run("inject --replay x.json --out z.safetensors").refused(1, &["the layout has changed"]);
    // Only layers that can fail need an address.
    layout(&place, "some.toml", &[4], 0);
    place
        .run(&format!("{EVAL} --chip list.csv --layout some.toml"))
        .refused(1, &["features.0.conv"]);
    place.run(&format!("{EVAL} --chip list.csv --layout some.toml --layers classifier")).done();
    place.run(&format!("{EVAL} --layout some.toml")).refused(2, &["--layout", "measured map"]);
}

#[test]
fn a_measured_map_has_the_voltage_of_its_rate_or_the_one_that_is_said() {
    let place = Place::new();
    memory(&place);
    fs::write(place.path("points.toml"), POINTS).unwrap();
    let eval = format!("{EVAL} --points points.toml");
    // One faulty cell of 32 is a rate of 0.03125.
    let by_rate = place.run(&format!("{eval} --chip list.csv")).evaluation();
    let energy = by_rate.perturbed[0].energy.clone().unwrap();
    assert_eq!((energy.saving_percent, energy.voltage), (50.0, Some(0.6 / 0.8)));
    assert_eq!(by_rate.perturbed[0].voltage, None);
    let ended = place.run(&format!("{eval} --ber 0.005 --seeds 1 --voltage 0.6"));
    let says = "note: points.toml says BER 0.0313 at this voltage; here it is 0.005";
    assert!(ended.stderr.contains(says), "{ended:?}");
    let said = ended.done();
    fs::write(place.path("said.json"), &said).unwrap();
    let p = evaluation(&said).perturbed.remove(0);
    assert_eq!((p.voltage, p.energy), (Some(0.6 / 0.8), Some(energy)));
    let choice = "energy --min-accuracy 0 said.json --points points.toml --json";
    let choice: serde_json::Value = serde_json::from_str(&place.run(choice).done()).unwrap();
    assert_eq!(
        (&choice["chosen"]["ber"], &choice["chosen"]["energy"]),
        (&0.005.into(), &0.5.into())
    );
    for (flags, says) in [
        ("--voltage 0.7", "known: 0.8, 0.6"),
        ("--voltage 0.6 --ber 0.1,0.2", "one voltage for 2 rates"),
        ("--voltage 0.6 --precision 4", "weights of 8 bits"),
    ] {
        place.run(&format!("{eval} {flags}")).refused(2, &["--voltage: ", says]);
        // Refused before any image is read, because decoding a folder may take an hour.
        let unread = format!("{eval} {flags} --dataset cifar10 --data-dir none");
        place.run(&unread).refused(2, &["--voltage: ", says]);
    }
}
