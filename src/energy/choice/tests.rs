use super::*;
use crate::report::eval_json::{
    Description, Document, Energy, EvaluatedGenerator, FlippedBits, Perturbed, sample, stuck_at,
};
use serde_json::{Value, json};

const CONV_L: f64 = 320_256.0 / 2_755_968.0;

fn points() -> OperatingPoints {
    OperatingPoints::built_in().unwrap()
}

fn described(fields: Value) -> Description {
    serde_json::from_value(fields).unwrap()
}

fn run(evaluations: &[Evaluation], minimum: f64) -> Result<Choice> {
    let named = |(i, e): (usize, &Evaluation)| (format!("{i}.json"), e.clone());
    let named: Vec<_> = evaluations.iter().enumerate().map(named).collect();
    choose(&named, (&points(), None), minimum, 10)
}

/// (BER, generator, accuracy) of a candidate.
fn brief(c: &Candidate) -> (f64, Option<&str>, f64) {
    (c.ber, c.generator.as_deref(), c.accuracy)
}

/// [`sample`] is resnet18 with `ConvL`: clean 92.6 and 89.8, at BER 0.01 40 and 85 %.
#[test]
fn candidates_by_energy_and_the_least_that_reaches() {
    let choice = run(&[sample()], 80.0).unwrap();
    let found: Vec<_> = choice.candidates.iter().map(brief).collect();
    assert_eq!(
        found,
        [
            (0.01, None, 40.0),
            (0.01, Some("ConvL"), 85.0),
            (0.0, None, 92.6),
            (0.0, Some("ConvL"), 89.8)
        ]
    );
    let wanted = [0.69395, 0.69395 + CONV_L, 1.0, 1.0 + CONV_L];
    for (c, energy) in choice.candidates.iter().zip(wanted) {
        assert!((c.energy - energy).abs() < 1e-12, "{c:?}");
    }
    assert_eq!((choice.chosen, choice.chosen_with_generator), (Some(1), Some(1)));
    assert_eq!((choice.chosen_without_generator, choice.most_accurate), (Some(2), Some(2)));
    assert_eq!(choice.candidates[1].interval, Some([21.47, 100.0]));
    assert_eq!((choice.candidates[1].maps, choice.candidates[2].maps), (2, 0));
    assert!(choice.unmeasured.is_empty() && choice.unknown_rates.is_empty());

    // A memory without faults among the rates is the one that is measured without faults anyway.
    let mut zero = sample();
    zero.perturbed.push(Perturbed { faults: stuck_at(0.0), ..zero.perturbed[0].clone() });
    assert_eq!(run(&[zero], 80.0).unwrap().candidates.len(), 4);

    // The bound itself is enough.
    assert_eq!(run(&[sample()], 85.0).unwrap().chosen, Some(1));
    assert_eq!(run(&[sample()], 85.1).unwrap().chosen, Some(2));
    assert_eq!(run(&[sample()], 30.0).unwrap().chosen, Some(0));
    let none = run(&[sample()], 95.0).unwrap();
    assert_eq!((none.chosen, none.most_accurate), (None, Some(2)));
}

#[test]
fn what_was_not_measured_is_said_and_not_guessed() {
    let mut e = sample();
    e.perturbed[0].faults = stuck_at(0.02);
    let mut partial = e.perturbed[0].clone();
    partial.faults = stuck_at(0.01).in_bits("7".parse().unwrap());
    // Faults in one direction alone give no voltage, although their mean rate is that of a point.
    let mut directed = e.perturbed[0].clone();
    let fields = json!({"faults": "asymmetric", "ber": 0.01, "ber01": 0.02, "ber10": 0.0});
    directed.faults = described(fields);
    let one = Evaluation { perturbed: vec![directed], ..e.clone() };
    assert_eq!(run(&[one], 80.0).unwrap().partial_rates, [0.01]);
    e.perturbed.push(partial);
    let choice = run(&[e], 80.0).unwrap();
    assert_eq!((&choice.unknown_rates[..], &choice.partial_rates[..]), (&[0.02][..], &[0.01][..]));
    let missing: Vec<_> =
        choice.unmeasured.iter().map(|u| (u.ber, u.generator.as_deref())).collect();
    assert_eq!(missing, [(0.01, None), (0.01, Some("ConvL"))]);
    assert_eq!(choice.candidates.len(), 2);
}

/// The rate of a measured map is a count of cells: within 1 % of a point's rate it still belongs to the
/// point.
#[test]
fn a_voltage_comes_from_the_nearest_rate_or_from_the_user() {
    let of_map = |ber: f64| {
        let mut e = sample();
        let map = json!({"file": "chip.npy", "file_sha256": "", "mapping": "linear"});
        e.perturbed[0].faults = described(json!({"faults": "profile", "ber": ber, "map": map}));
        e
    };
    let near = run(&[of_map(0.010_064)], 80.0).unwrap();
    let chosen = &near.candidates[near.chosen.unwrap()];
    assert_eq!((chosen.voltage, chosen.ber), (0.83, 0.010_064));
    assert_eq!(chosen.faults.as_deref(), Some("profile chip.npy"));
    assert!(near.unknown_rates.is_empty() && near.unmeasured.is_empty());
    // Two rates near one point are not two measurements of one memory.
    let mut both = sample();
    let mut further = both.perturbed[0].clone();
    further.faults = stuck_at(0.010_05);
    both.perturbed.insert(0, further);
    let nearer = run(&[both], 80.0).unwrap();
    assert_eq!((&nearer.unknown_rates[..], nearer.candidates[0].ber), (&[0.010_05][..], 0.01));
    assert_eq!(nearer.candidates[0].maps, 2);
    // A rate far from all points gets a voltage only if the document or the user states one.
    let far = of_map(0.03);
    assert_eq!(run(std::slice::from_ref(&far), 80.0).unwrap().unknown_rates, [0.03]);
    let mut said = far.clone();
    said.perturbed[0].voltage = Some(0.83);
    let said = run(&[said], 80.0).unwrap();
    assert_eq!((said.candidates[1].voltage, said.candidates[1].ber), (0.83, 0.03));
    let points = points();
    let at = points.require_voltage(0.83).unwrap();
    let now = choose(&[("x".into(), far)], (&points, Some(at)), 80.0, 10).unwrap();
    assert_eq!(now.candidates[1].voltage, 0.83);
}

#[test]
fn maps_of_several_files_are_put_together_each_seed_once() {
    let mut more = sample();
    let flips = FlippedBits::default();
    // Seed 50001 is repeated, and a new seed is added.
    more.perturbed[0] = Perturbed::new(
        stuck_at(0.01),
        &[50_001, 50_002],
        &[50.0, 70.0],
        Some(&[90.0, 91.0]),
        flips,
    );
    let choice = run(&[sample(), more], 80.0).unwrap();
    assert_eq!(choice.candidates.len(), 4);
    let low = &choice.candidates[0];
    assert_eq!((low.accuracy, low.maps), (50.0, 3));
    assert_eq!(low.files, ["0.json", "1.json"]);
    assert_eq!(choice.candidates[1].accuracy, 87.0);
    assert_eq!(choice.candidates[2].files, ["0.json"]);
}

#[test]
fn generators_are_told_apart_by_their_files() {
    let mut other = sample();
    other.generator = Some(EvaluatedGenerator { name: "ConvS".into(), file_sha256: "22".into() });
    let mut same_name = sample();
    same_name.generator =
        Some(EvaluatedGenerator { name: "ConvL".into(), file_sha256: "33".into() });
    same_name.perturbed.clear();
    let choice = run(&[sample(), other, same_name], 80.0).unwrap();
    // Four candidates of ConvL or no generator, two of ConvS, one of the other ConvL.
    assert_eq!(choice.candidates.len(), 7);
    // ConvS costs less energy than ConvL.
    assert_eq!(brief(&choice.candidates[choice.chosen.unwrap()]), (0.01, Some("ConvS"), 85.0));
    let [missing] = &choice.unmeasured[..] else { panic!("{:?}", choice.unmeasured) };
    assert_eq!((missing.ber, missing.file.as_deref()), (0.01, Some("2.json")));
}

type Change<'a> = &'a dyn Fn(&mut Evaluation);

#[test]
fn what_cannot_be_compared_is_refused() {
    let flip = || described(json!({"faults": "flip", "ber": 0.01}));
    let of_lot = || {
        let lot = json!({"seed": 3, "shared": 0.5});
        described(json!({"faults": "stuck-at", "ber": 0.01, "lot": lot}))
    };
    let cases: &[(Change<'_>, &str)] = &[
        (&|e| e.base.file_sha256 = "ff".into(), "different base networks"),
        (&|e| e.dataset.name = "gtsrb".into(), "different data sets"),
        (&|e| e.dataset.images = 9, "different images"),
        (&|e| e.precision = 4, "different precisions"),
        (&|e| e.perturbed[0].faults = flip(), "some accuracies are under stuck-at faults"),
        (&|e| e.generator.as_mut().unwrap().name = "ConvX".into(), "unknown generator"),
        (&|e| e.perturbed[0].faults = of_lot(), "different memories at a rate of 0.01"),
    ];
    for (change, says) in cases {
        let mut other = sample();
        other.generator =
            Some(EvaluatedGenerator { name: "ConvL".into(), file_sha256: "22".into() });
        change(&mut other);
        let error = run(&[sample(), other], 80.0).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let four_bits = Evaluation { precision: 4, ..sample() };
    assert!(run(&[four_bits], 80.0).unwrap_err().to_string().contains("weights of 4 bits"));
    let mut odd = sample();
    odd.perturbed[0].seeds.pop();
    assert!(run(&[odd], 80.0).unwrap_err().to_string().contains("not one accuracy per seed"));
    assert!(run(&[], 80.0).is_err());
    let mut unknown = sample();
    unknown.base.model = "resnet19".into();
    assert!(run(&[unknown], 80.0).unwrap_err().hint().unwrap().contains("--points"));
}

/// The linear layer reads 512 * classes / 8 words.
#[test]
fn classes_are_those_of_the_data_set() {
    let mut e = sample();
    let energy = |e: &Evaluation| run(std::slice::from_ref(e), 0.0).unwrap().candidates[1].energy;
    let shares = |classes: u64| 0.69395 + 320_256.0 / (2_755_968 + 64 * (classes - 10)) as f64;
    assert!((energy(&e) - shares(10)).abs() < 1e-12);
    e.dataset.name = "cifar100".into();
    assert!((energy(&e) - shares(100)).abs() < 1e-12);
    e.dataset.classes = vec![String::new(); 43];
    assert!((energy(&e) - shares(43)).abs() < 1e-12);
    (e.dataset.name, e.dataset.classes) = ("my/photos".into(), Vec::new());
    assert!((energy(&e) - shares(10)).abs() < 1e-12);
}

#[test]
fn documents_are_read_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eval.json");
    for runs in [vec![sample()], vec![sample(), sample()]] {
        Document::new(runs.clone()).save(&path).unwrap();
        assert_eq!(read_evaluations(&path).unwrap(), runs);
    }
    let mut old = sample();
    old.version = 0;
    let old = Document::new(vec![old]).to_json();
    let mut wild = sample();
    wild.perturbed[0].accuracy.each[0] = 900.0;
    for (text, says) in [
        ("no", "not an evaluation: expected ident"),
        ("{}", "missing field `version`"),
        ("[]", "not an evaluation"),
        ("{\"runs\": []}", "no run"),
        ("{\"runs\": 3}", "not an evaluation"),
        (&old, "version 0 of the document"),
        (&Document::new(vec![wild]).to_json(), "not from 0 to 100"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = read_evaluations(&path).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().unwrap().contains("eval --json"), "{error}");
    }
    assert!(read_evaluations(&dir.path().join("none.json")).is_err());
}

/// Of a network that nobody has named, what the evaluation has counted is taken.
#[test]
fn a_network_of_the_user_s_has_the_accesses_of_its_evaluations() {
    let mut own = sample();
    own.base.model = "own".into();
    let error = run(&[own.clone()], 80.0).unwrap_err();
    assert!(error.to_string().contains("0.json is of own, a network of yours"), "{error}");
    assert!(error.hint().unwrap().contains("--points"));
    let mut counted = own.clone();
    let accesses = |base| Energy {
        base_accesses: Some(base),
        generator_accesses: Some(100),
        ..Energy::default()
    };
    counted.perturbed[0].energy = Some(accesses(0));
    assert!(run(&[counted.clone()], 80.0).is_err(), "a network without accesses");
    counted.perturbed[0].energy = Some(accesses(1000));
    // The generator is first met where nothing was counted.
    let choice = run(&[own, counted], 80.0).unwrap();
    let energies: Vec<f64> = choice.candidates.iter().map(|c| c.energy).collect();
    for (got, wanted) in energies.iter().zip([0.69395, 0.79395, 1.0, 1.1]) {
        assert!((got - wanted).abs() < 1e-12, "{energies:?}");
    }
}
