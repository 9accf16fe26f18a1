//! What happens to a run if the device is lost, memory runs out, numbers are not finite or the GPU
//! computes wrong results. Each is provoked at every point where it can happen.
mod again;

use super::bits;
use crate::cli::Place;
use crate::kernels::shaders::{module, variants};
use naga::{AddressSpace, ScalarKind, StorageAccess, TypeInner};
use nf_gpu::{
    Error,
    files::Weights,
    gpu::{AdapterChoice, Point},
    kernels::desc::WORDS,
    report::{Event, Recovered},
    run::{Gpu, Mishap, Sabotage},
    train::{TrainConfig, train},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Outcome of a run.
struct Ran {
    result: Result<Weights, Error>,
    events: Vec<Event>,
    sabotage: Arc<Sabotage>,
}

impl Ran {
    fn recoveries(&self) -> Vec<&Recovered> {
        let each = self.events.iter();
        each.filter_map(|e| if let Event::Recovered(r) = e { Some(r) } else { None }).collect()
    }
}

/// Two steps of a tiny generator in front of a tiny network, with a checkpoint after each.
fn run(place: &Place, out: &str, more: &str, sabotage: Sabotage) -> Ran {
    run_on(&mut open(), place, out, more, sabotage)
}

fn open() -> Gpu {
    Gpu::open(&AdapterChoice::default()).unwrap()
}

/// Like [`run`], on a device that may have run it before.
fn run_on(gpu: &mut Gpu, place: &Place, out: &str, more: &str, sabotage: Sabotage) -> Ran {
    let out = place.path(out);
    let line = format!(
        "--base {} --steps 2 --batch-size 2 --chip 3 --ber 0.02 --seed 5 \
         --checkpoint-every 1 --eval-every 1000 --images 2 --out {} {more}",
        place.path("base.safetensors").display(),
        out.display()
    );
    let config = TrainConfig::from_flags(line.split_whitespace().map(Into::into)).unwrap();
    let sabotage = Arc::new(sabotage);
    gpu.sabotage(Arc::clone(&sabotage));
    let mut events: Vec<Event> = Vec::new();
    let result = train(gpu, &config, &mut events, &|| false)
        .and_then(|_| Weights::load(out.join("generator.safetensors")));
    Ran { result, events, sabotage }
}

fn never() -> Sabotage {
    Sabotage::new(Mishap::Lose, Point::Submit, u64::MAX, false)
}

/// Files of a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| PathBuf::from(entry.unwrap().file_name())).collect()
}

#[test]
#[ignore = "in ./test.sh --all: a run for every buffer, submission and mapping of one"]
fn a_device_lost_at_any_point_changes_nothing() {
    lose_everywhere("UIP", 1, Next::Successor);
}

#[test]
#[ignore = "in ./test.sh --all: dozens of runs"]
fn a_device_lost_at_some_points_changes_nothing_of_a_larger_network() {
    lose_everywhere("ConvS", 9, Next::Fresh);
}

/// Device for the next run of a sweep.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// A device that has compiled nothing, so that it can be lost while it compiles.
    Fresh,
    /// The device that was opened after the last loss: it must be as good as new, every time.
    Successor,
}

/// Loses the device before every `each`-th buffer, submission and mapping, one per run, until a run
/// ends before the next of them. The number of submissions varies, because a run cuts them by time.
fn lose_everywhere(generator: &str, each: u64, then: Next) {
    let place = Place::new();
    let more = format!("--generator {generator}");
    let whole = run(&place, "whole", &more, never());
    let (wanted, usual) = (whole.result.unwrap(), files(&place.path("whole")));
    let counted = whole.sabotage;
    let began = Instant::now();
    let one = |gpu: &mut Gpu, point, nth| -> bool {
        let out = format!("{point:?}{nth}");
        let ran = run_on(gpu, &place, &out, &more, Sabotage::new(Mishap::Lose, point, nth, false));
        let got = ran.result.as_ref().unwrap_or_else(|e| panic!("{out}: {e}"));
        assert_eq!(bits(got), bits(&wanted), "{out}");
        let mut left = files(&place.path(&out));
        let struck = ran.sabotage.struck() == 1;
        if struck {
            let [recovered] = ran.recoveries()[..] else { panic!("{out}: {:?}", ran.events) };
            assert!(recovered.reason.contains("device was lost"), "{out}: {recovered:?}");
            assert!(left.remove(Path::new("recoveries.json")), "{out}: {left:?}");
        } else {
            assert!(ran.recoveries().is_empty(), "{out}: {:?}", ran.events);
            assert!(ran.sabotage.seen(point) <= nth, "{out} was passed over");
        }
        assert_eq!(left, usual, "{out}");
        fs::remove_dir_all(place.path(&out)).unwrap();
        struck
    };
    for point in [Point::Buffer, Point::Submit, Point::Map] {
        let (next, losses) = (AtomicU64::new(0), AtomicU64::new(0));
        let sweep = || {
            let mut gpu = open();
            while one(&mut gpu, point, next.fetch_add(each, Ordering::Relaxed)) {
                losses.fetch_add(1, Ordering::Relaxed);
                gpu = if then == Next::Fresh { open() } else { gpu.into_latest() };
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(sweep);
            scope.spawn(sweep);
        });
        let (losses, seconds) = (losses.into_inner(), began.elapsed().as_secs_f64());
        println!("{point:?}: {losses} losses, {seconds:.0} s since the first");
        let all = counted.seen(point).div_ceil(each);
        let timed = point == Point::Submit;
        assert!(
            if timed { 2 * losses > all } else { losses == all },
            "{point:?}: {losses} of {all}"
        );
    }
}

#[test]
#[ignore = "in ./test.sh --all: dozens of runs"]
fn without_memory_steps_get_smaller_or_the_error_says_for_what() {
    let place = Place::new();
    let whole = run(&place, "whole", "", never());
    let usual = files(&place.path("whole"));
    let buffers = whole.sabotage.seen(Point::Buffer);
    let (mut done, mut refused) = (0, 0);
    for nth in (0..buffers).step_by(9) {
        let out = format!("memory{nth}");
        let ran =
            run(&place, &out, "", Sabotage::new(Mishap::OutOfMemory, Point::Buffer, nth, false));
        match ran.result {
            Ok(_) => done += 1,
            Err(Error::OutOfMemory { bytes, ref what, .. }) => {
                assert!(bytes > 0 && !what.is_empty(), "{out}");
                refused += 1;
            }
            Err(other) => panic!("{out}: {other}"),
        }
        let left = files(&place.path(&out));
        assert!(left.is_subset(&usual), "{out}: {left:?}");
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
}

#[test]
fn what_cannot_be_recovered_ends_with_what_to_try() {
    let place = Place::new();
    let ran = run(&place, "gone", "", Sabotage::new(Mishap::Vanish, Point::Submit, 9, false));
    let error = ran.result.unwrap_err();
    assert!(matches!(error, Error::AdapterGone { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--resume"), "{error}");
    for (most, more) in [(3, ""), (1, "--max-recoveries 1"), (0, "--max-recoveries 0")] {
        let sabotage = Sabotage::new(Mishap::Lose, Point::Submit, 9, true);
        let ran = run(&place, &format!("again{most}"), more, sabotage);
        let error = ran.result.as_ref().unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        let notes = ran.events.iter();
        let notes = notes.filter(|e| matches!(e, Event::Note(n) if n.contains("was lost")));
        assert_eq!((ran.sabotage.struck() > most, notes.count() as u64), (true, most), "{error}");
    }
}

#[test]
fn a_number_that_is_not_finite_is_named_with_the_layer_that_made_it() {
    let place = Place::new();
    let ran = run(&place, "lr", "--lr 1e30 --schedule constant", never());
    let Err(Error::NotFinite { step, place: Some(at), .. }) = ran.result else {
        panic!("{:?}", ran.events)
    };
    println!("step {step}: {at}");
    assert!(step <= 2 && (at.contains("of ConvS") || at.contains("update")), "{at}");
    // If half the learning rate is still too high, the rollbacks end too.
    let ran = run(&place, "back", "--lr 1e30 --schedule constant --on-nan rollback", never());
    assert!(matches!(ran.result, Err(Error::NotFinite { .. })), "{:?}", ran.events);
    let factors: Vec<f64> = ran.recoveries().iter().map(|r| r.lr_factor).collect();
    assert_eq!(factors, [0.5; 3]);
    let checkpoint = Weights::load(place.path("back/checkpoint.safetensors"));
    for tensor in checkpoint.iter().flat_map(|weights| weights.tensors.values()) {
        assert!(tensor.data.iter().all(|v| v.is_finite()), "a checkpoint that is not finite");
    }
}

#[test]
fn a_parameter_that_is_poisoned_is_found_and_the_run_goes_back() {
    let place = Place::new();
    let submits = run(&place, "whole", "", never()).sabotage.seen(Point::Submit);
    let (mut stopped, mut back) = (0, 0);
    for nth in (0..submits).step_by(5) {
        let poison =
            || Sabotage::new(Mishap::Poison("parameters".into()), Point::Submit, nth, false);
        let Err(error) = run(&place, &format!("stop{nth}"), "", poison()).result else { continue };
        // The number arose after the last check, and was found when the weights were quantised for
        // evaluation.
        if error.to_string().contains("is NaN and cannot be quantised") {
            continue;
        }
        assert!(matches!(error, Error::NotFinite { .. }), "{nth}: {error}");
        let ran = run(&place, &format!("back{nth}"), "--on-nan rollback", poison());
        let weights = match ran.result {
            Ok(weights) => weights,
            // The number arose between the check and the reading of the saved state: the checkpoint is
            // refused.
            Err(Error::Format { what, .. }) if what.contains("is NaN") => continue,
            Err(other) => panic!("{nth}: {other}"),
        };
        assert!(weights.tensors.values().all(|t| t.data.iter().all(|v| v.is_finite())), "{nth}");
        stopped += 1;
        back += ran
            .events
            .iter()
            .filter(|e| matches!(e, Event::Recovered(r) if r.lr_factor == 0.5))
            .count();
    }
    println!("{stopped} stopped, {back} went back");
    assert!(stopped > 0 && back == stopped, "{stopped} {back}");
}

#[test]
fn a_layer_computed_again_agrees_and_damage_is_found() {
    let place = Place::new();
    let plain = run(&place, "plain", "", never()).result.unwrap();
    let checked = run(&place, "checked", "--verify-every 1", never());
    assert_eq!(bits(&checked.result.unwrap()), bits(&plain), "to look changes nothing");
    let mut found = Vec::new();
    for nth in 0..checked.sabotage.seen(Point::Map).min(16) {
        let flip = Sabotage::new(Mishap::Flip, Point::Map, nth, false);
        let ended = run(&place, &format!("flip{nth}"), "--verify-every 1", flip).result;
        if let Err(error @ Error::WrongResult { .. }) = ended {
            found.push(error.to_string());
        }
    }
    println!("{found:#?}");
    assert!(found.len() >= 2, "{found:?}");
    assert!(
        found.iter().all(|e| e.contains("the GPU computed") && e.contains("step ")),
        "{found:?}"
    );
}

#[test]
#[ignore = "in ./test.sh --all: many steps, each with a layer computed twice"]
fn many_layers_computed_again_agree_on_every_adapter() {
    let place = Place::new();
    let line = format!(
        "--base {} --generator UNetS --steps 12 --batch-size 3 --copies 2 --ber 0.02 --seed 7 \
         --verify-every 1 --images 2 --eval-every 1000 --micro-batch 2 --out",
        place.path("base.safetensors").display()
    );
    crate::extent::every_gpu(|gpu, on| {
        let out = place.path(&gpu.report().index.to_string());
        let flags = line.split_whitespace().map(Into::into).chain([out.into_os_string()]);
        let config = TrainConfig::from_flags(flags).unwrap();
        train(gpu, &config, &mut Vec::new(), &|| false).unwrap_or_else(|e| panic!("{on}: {e}"));
    });
}

#[test]
fn bindings_that_hold_bits_are_those_that_the_shaders_say() {
    for (kernel, variant) in variants().filter(|(k, _)| !k.name.starts_with("bench")) {
        let (parsed, _) = module(variant);
        for (_, global) in parsed.global_variables.iter() {
            let AddressSpace::Storage { access } = global.space else { continue };
            if !access.contains(StorageAccess::STORE) {
                continue;
            }
            let mut inner = &parsed.types[global.ty].inner;
            let bits = loop {
                match *inner {
                    TypeInner::Array { base, .. } => inner = &parsed.types[base].inner,
                    TypeInner::Scalar(s) | TypeInner::Atomic(s) => {
                        break s.kind == ScalarKind::Uint;
                    }
                    TypeInner::Vector { scalar, .. } => break scalar.kind == ScalarKind::Uint,
                    ref other => panic!("{other:?}"),
                }
            };
            let name = global.name.as_deref().unwrap();
            assert_eq!(WORDS.contains(&name), bits, "{}: {name}", kernel.name);
        }
    }
}
