//! A device that hangs, and pretraining on a device that is lost.
use super::{Place, bits, files, never, run};
use nf_gpu::{
    Error,
    files::Weights,
    gpu::{AdapterChoice, Point},
    report::Event,
    run::{Gpu, Mishap, Sabotage},
    train::{PretrainConfig, pretrain},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

#[test]
#[ignore = "in ./test.sh --all: devices that hang for seconds"]
fn a_device_that_hangs_is_opened_again() {
    let place = Place::new();
    let more = "--generator UIP";
    let whole = run(&place, "whole", more, never());
    let (submits, maps) = (whole.sabotage.seen(Point::Submit), whole.sabotage.seen(Point::Map));
    let (wanted, usual) = (whole.result.unwrap(), files(&place.path("whole")));
    // A device that hangs is never released, so that only a few points are tested.
    let points = [(Point::Submit, 0), (Point::Submit, submits / 2), (Point::Map, maps / 3)];
    for (point, nth) in points.into_iter().chain([(Point::Map, maps - 1)]) {
        let out = format!("{point:?}{nth}");
        let ran = run(&place, &out, more, Sabotage::new(Mishap::Hang, point, nth, false));
        let got = ran.result.as_ref().unwrap_or_else(|e| panic!("{out}: {e}"));
        assert_eq!(bits(got), bits(&wanted), "{out}");
        let [recovered] = ran.recoveries()[..] else { panic!("{out}: {:?}", ran.events) };
        assert!(recovered.reason.contains("did not come back"), "{out}: {recovered:?}");
        let mut left = files(&place.path(&out));
        assert!(left.remove(Path::new("recoveries.json")), "{out}: {left:?}");
        assert_eq!(left, usual, "{out}");
    }
}

/// Three steps of pretraining, with a checkpoint if that is asked for; stopped after so many of them.
fn learn(
    place: &Place,
    (out, checkpoint): (&str, bool),
    stop_after: Option<u32>,
    sabotage: &Arc<Sabotage>,
) -> (Result<Weights, Error>, Vec<Event>) {
    let out = place.path(out);
    let mut line = format!(
        "--model vgg-small --dataset fashion-sample --steps 3 --batch-size 4 --seed 2 --out {}",
        out.display()
    );
    if checkpoint {
        line += &format!(" --checkpoint {}.checkpoint", out.display());
    }
    let config = PretrainConfig::from_flags(line.split_whitespace().map(Into::into)).unwrap();
    let mut gpu = Gpu::open(&AdapterChoice::default()).unwrap();
    gpu.sabotage(Arc::clone(sabotage));
    let asked = AtomicU32::new(0);
    let stop = || stop_after.is_some_and(|n| asked.fetch_add(1, Ordering::Relaxed) + 1 >= n);
    let mut events: Vec<Event> = Vec::new();
    let result = pretrain(&gpu, &config, &mut events, &stop).and_then(|_| Weights::load(&out));
    (result, events)
}

#[test]
#[ignore = "in ./test.sh --all: eight pretrainings"]
fn pretraining_goes_on_after_the_device_was_lost() {
    let place = Place::new();
    let sound = Arc::new(never());
    let wanted = learn(&place, ("whole", false), None, &sound).0.unwrap();
    let submits = sound.seen(Point::Submit);
    // Without a checkpoint it begins anew; with one it goes on from the step at which it was stopped, or
    // from its end when the device is lost while it is evaluated.
    for (checkpoint, nth, begun) in [(false, submits / 2, 0), (true, 4, 1), (true, submits / 2, 3)]
    {
        let out = format!("out{nth}-{checkpoint}");
        let of = (out.as_str(), checkpoint);
        if checkpoint {
            let (stopped, _) = learn(&place, of, Some(1), &Arc::new(never()));
            assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
        }
        let lost = Arc::new(Sabotage::new(Mishap::Lose, Point::Submit, nth, false));
        let (got, events) = learn(&place, of, None, &lost);
        assert_eq!(lost.struck(), 1, "{out}");
        assert_eq!(bits(&got.unwrap()), bits(&wanted), "{out}");
        let recovered = events.iter().find_map(|e| match e {
            Event::Recovered(recovered) => Some(recovered),
            _ => None,
        });
        let recovered = recovered.unwrap_or_else(|| panic!("{out}: {events:?}"));
        assert_eq!((recovered.step, recovered.recovery), (begun, 1), "{out}");
        assert!(recovered.reason.contains("device was lost"), "{out}: {recovered:?}");
    }
}
