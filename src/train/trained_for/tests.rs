use super::*;

fn asked(set: impl FnOnce(&mut Asked)) -> Asked {
    let mut asked = Asked::default();
    set(&mut asked);
    asked
}

/// A generator trained for chip 1 at rate 0.02.
fn chip() -> Asked {
    asked(|a| {
        a.faults.faults = Some("stuck-at".into());
        (a.faults.chip, a.bers, a.precision) = (Some("1".into()), vec![0.02], Some(6));
        (a.faults.bits, a.faults.layers) = (Some("0-4".into()), Some("conv*".into()));
        (a.faults.lot, a.faults.shared) = (Some(3), Some(0.5));
    })
}

/// A generator trained for a measured map.
fn map() -> Asked {
    asked(|a| {
        a.faults.faults = Some("profile".into());
        a.faults.fault_map = vec!["map.npy".into()];
        a.faults.mapping = Some("reference".into());
    })
}

/// A generator trained for chips that fail in both directions, each direction at its own rate.
fn directed() -> Asked {
    asked(|a| {
        a.faults.faults = Some("asymmetric".into());
        (a.faults.ber01, a.faults.ber10) = (Some(0.01), Some(0.03));
    })
}

#[test]
fn each_flag_decides_for_itself_and_the_file_for_the_rest() {
    let with = |set: fn(&mut Asked)| asked(set).or(&chip()).unwrap();
    let but = |set: fn(&mut Asked)| {
        let mut all = chip();
        set(&mut all);
        all
    };
    assert_eq!(with(|_| {}), chip());
    for (flags, all) in [
        (
            (|a| a.bers = vec![0.1, 0.2]) as fn(&mut Asked),
            (|a| a.bers = vec![0.1, 0.2]) as fn(&mut Asked),
        ),
        (|a| a.faults.chip = Some("7".into()), |a| a.faults.chip = Some("7".into())),
        (|a| a.precision = Some(8), |a| a.precision = Some(8)),
        (|a| a.faults.bits = Some("7".into()), |a| a.faults.bits = Some("7".into())),
        (|a| a.faults.faults = Some("flip".into()), |a| a.faults.faults = Some("flip".into())),
        // Seeds mean other chips of the same lot.
        (
            |a| a.seeds = Some("1..3".into()),
            |a| (a.seeds, a.faults.chip) = (Some("1..3".into()), None),
        ),
        // The paper's map has no lots.
        (
            |a| a.faults.faults = Some("reference".into()),
            |a| {
                a.faults.faults = Some("reference".into());
                (a.faults.lot, a.faults.shared) = (None, None);
            },
        ),
        // A measured map replaces model, rate and chip.
        (
            |a| a.faults.chip = Some("map.npy".into()),
            |a| {
                (a.faults.faults, a.faults.chip) = (None, Some("map.npy".into()));
                (a.faults.lot, a.faults.shared) = (None, None);
                a.bers.clear();
            },
        ),
    ] {
        assert_eq!(with(flags), but(all));
    }
    assert!(chip().words().contains("stuck-at, rate 0.02, chip 1, lot 3 (0.5 shared), bits 0-4"));
}

#[test]
fn a_measured_map_is_taken_unless_drawn_chips_are_asked_for() {
    let taken = |set: fn(&mut Asked)| asked(set).or(&map()).unwrap().faults.fault_map.len() == 1;
    assert!(taken(|_| {}) && taken(|a| a.faults.faults = Some("profile".into())));
    assert!(taken(|a| a.faults.bits = Some("7".into())) && taken(|a| a.precision = Some(8)));
    for drawn in [
        (|a| a.bers = vec![0.1]) as fn(&mut Asked),
        |a| a.seeds = Some("1".into()),
        |a| a.faults.chip = Some("1".into()),
        |a| a.faults.faults = Some("flip".into()),
        |a| (a.faults.faults, a.faults.ber01) = (Some("asymmetric".into()), Some(0.1)),
        |a| (a.faults.lot, a.faults.shared) = (Some(1), Some(0.5)),
    ] {
        assert!(!taken(drawn));
    }
}

#[test]
fn rates_per_direction_give_way_to_one_rate() {
    let rates = |set: fn(&mut Asked)| {
        let all = asked(set).or(&directed()).unwrap();
        let faults = all.faults.at_each(&all.bers).unwrap();
        faults[0].rates()
    };
    assert_eq!(rates(|_| {}), [0.01, 0.03]);
    assert_eq!(rates(|a| a.bers = vec![0.2]), [0.2, 0.2]);
    assert_eq!(rates(|a| a.faults.ber01 = Some(0.2)), [0.2, 0.03]);
    let one = asked(|a| a.faults.faults = Some("asymmetric".into())).or(&chip()).unwrap();
    assert_eq!((one.bers, one.faults.ber01), (vec![0.02], None));
}

#[test]
fn metadata_is_read_as_it_was_noted_or_refused() {
    let with = |pairs: &[(&str, &str)]| {
        let metadata = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        TrainedFor::read(&Weights { metadata, ..Weights::default() })
    };
    assert_eq!(with(&[("model", "ConvS")]).unwrap(), None);
    let old = [("faults", "stuck-at"), ("ber", "0.02"), ("chip", "none"), ("base", "vgg-small")];
    let read = with(&old).unwrap().unwrap();
    assert_eq!((read.asked.bers, read.asked.faults.chip, read.base), (vec![0.02], None, None));
    for odd in [
        &[("faults", "melt"), ("ber", "0.02")][..],
        &[("faults", "flip")],
        &[("faults", "flip"), ("ber", "two")],
        &[("faults", "flip"), ("ber", "0.02"), ("chip", "map.npy")],
        &[("faults", "flip"), ("ber", "0.02"), ("fault_detail", "x")],
    ] {
        assert!(matches!(with(odd), Err(Error::Format { .. })), "{odd:?}");
    }
}
