//! Rates, measured maps and identities of faults.
use super::*;
use crate::fault::Mapping;
use std::collections::BTreeSet;

#[test]
fn a_rate_is_a_probability_below_one() {
    for ber in [0.0, 2.33e-10, 0.01, 0.999_999] {
        assert!(Faults::new(FaultModel::Flip, ber).is_ok(), "{ber}");
    }
    for ber in [1.0, 5.0, -1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let e = Faults::new(FaultModel::Flip, ber).unwrap_err();
        assert!(e.hint().unwrap().contains("0.01 is one per cent"), "{ber}");
        assert_eq!(e.exit_code(), 2);
        assert!(Faults::asymmetric(0.1, ber).is_err() && Faults::asymmetric(ber, 0.1).is_err());
    }
    assert!(Faults::new(FaultModel::Profile, 0.1).is_err());
}

/// Uniforms have 32 bits: a smaller rate would silently give a memory without faults.
#[test]
fn a_rate_that_draws_nothing_is_refused() {
    for ber in [1e-12, 2.328e-10, f64::MIN_POSITIVE] {
        for refused in [
            Faults::new(FaultModel::StuckAt, ber),
            Faults::asymmetric(ber, 0.1),
            Faults::asymmetric(0.1, ber),
        ] {
            let e = refused.unwrap_err();
            assert!(e.to_string().contains("draws no cell"), "{e}");
            assert_eq!(e.exit_code(), 2);
        }
        assert!(Faults::new(FaultModel::Reference, ber).is_ok(), "it has 53 bits");
        let e = Lot::new(1, ber).unwrap_err();
        assert!(e.to_string().starts_with("--shared: ") && e.exit_code() == 2, "{e}");
    }
    let least: f64 = LEAST.parse().unwrap();
    assert_eq!((mask::threshold(least), mask::threshold(0.999 * least)), (1, 0));
    assert!(Faults::asymmetric(0.0, 0.1).is_ok() && Lot::new(1, 0.0).is_ok());
}

#[test]
fn a_map_with_words_missing_is_refused() {
    let of = |ones: usize, zeros: usize, mapping| {
        let (stuck_at_1, stuck_at_0) = (vec![0; ones], vec![0; zeros]);
        let cells = CellMap { stuck_at_1, stuck_at_0, mapping };
        Faults::profile(Profile::from(cells))
    };
    for (ones, zeros, mapping) in [
        (0, 0, Mapping::Linear),
        (3, 2, Mapping::Linear),
        (2, 3, Mapping::Linear),
        (6, 6, Mapping::Reference),
    ] {
        let e = of(ones, zeros, mapping).unwrap_err();
        assert!(e.to_string().contains("not whole"), "{ones} {zeros}: {e}");
    }
    assert!(of(6, 6, Mapping::Linear).unwrap().map(0).is_ok());
    assert!(of(8, 8, Mapping::Reference).unwrap().map(0).is_ok());
}

#[test]
fn whatever_changes_a_map_changes_its_identity() {
    let flip = || Faults::new(FaultModel::Flip, 0.1).unwrap();
    let map =
        |mapping, word| CellMap { stuck_at_1: vec![word; 4], stuck_at_0: vec![0; 4], mapping };
    let of_file = |sha256: &str, mapping| {
        Faults::profile(Profile { sha256: sha256.into(), ..map(mapping, 1).into() }).unwrap()
    };
    let activations: Memories = "activations".parse().unwrap();
    let all = [
        flip(),
        Faults::new(FaultModel::StuckAt, 0.1).unwrap(),
        Faults::new(FaultModel::Flip, 0.1 + 1e-17 + f64::EPSILON).unwrap(),
        Faults::asymmetric(0.1, 0.2).unwrap(),
        Faults::asymmetric(0.2, 0.1).unwrap(),
        flip().in_bits(Positions::only(1)),
        flip().in_layers(LayerChoice::only(&["a"])),
        flip().in_layers(LayerChoice::without(&["a"])),
        flip().of_lot(Lot::new(1, 0.5).unwrap()).unwrap(),
        flip().of_lot(Lot::new(1, 0.6).unwrap()).unwrap(),
        flip().of_lot(Lot::new(2, 0.5).unwrap()).unwrap(),
        of_file("a", Mapping::Linear),
        of_file("a", Mapping::Reference),
        of_file("b", Mapping::Linear),
        flip().stored_as(FloatFormat::F16).unwrap(),
        flip().stored_as(FloatFormat::Bf16).unwrap(),
        flip().in_memories("weights,activations".parse().unwrap()).unwrap(),
        flip().in_memories("activations".parse().unwrap()).unwrap(),
        flip().in_memories(Memories { fixed: true, ..activations }).unwrap(),
    ];
    let different: BTreeSet<String> = all.iter().map(Faults::identity).collect();
    assert_eq!(different.len(), all.len(), "{different:?}");
    // The flip rate of a measured map where a quarter of the stored bits are 1.
    let rate = Faults::profile(map(Mapping::Linear, 3)).unwrap().flip_rate(0.25);
    assert!((rate - 2.0 / 32.0 * 0.75).abs() < 1e-12, "{rate}");
}
