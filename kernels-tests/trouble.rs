//! What becomes of a run when the device is lost, no memory is left, numbers go wrong or the GPU
//! computes something else: each made to happen on purpose, at every point where it can.
use super::cli::Place;
use nf_gpu::{
    Error,
    files::Weights,
    gpu::{AdapterChoice, Gpu, Mishap, Point, Sabotage},
    report::{Event, Recovered},
    train::{TrainConfig, train},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// What came of a run.
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
    let out = place.path(out);
    let line = format!(
        "--base {} --generator ConvS --steps 2 --batch-size 2 --chip 3 --ber 0.02 --seed 5 \
         --checkpoint-every 1 --eval-every 1000 --images 2 --out {} {more}",
        place.path("base.safetensors").display(),
        out.display()
    );
    let config = TrainConfig::from_flags(line.split_whitespace().map(Into::into)).unwrap();
    let mut gpu = Gpu::open(&AdapterChoice::default()).unwrap();
    let sabotage = Arc::new(sabotage);
    gpu.sabotage(Arc::clone(&sabotage));
    let mut events: Vec<Event> = Vec::new();
    let result = train(&gpu, &config, &mut events, &|| false)
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

fn bits(weights: &Weights) -> Vec<(&String, Vec<u32>)> {
    let words = |data: &[f32]| data.iter().map(|v| v.to_bits()).collect();
    weights.tensors.iter().map(|(name, tensor)| (name, words(&tensor.data))).collect()
}

#[test]
fn a_device_lost_at_any_point_changes_nothing() {
    let place = Place::new();
    let whole = run(&place, "whole", "", never());
    let (wanted, usual) = (whole.result.unwrap(), files(&place.path("whole")));
    let points = [Point::Buffer, Point::Submit, Point::Map];
    let uses = points.map(|point| whole.sabotage.seen(point));
    println!("{} buffers, {} submissions, {} mappings", uses[0], uses[1], uses[2]);
    let began = Instant::now();
    let limit = std::env::var("NF_TROUBLE_LIMIT").map_or(u64::MAX, |v| v.parse().unwrap());
    let jobs: Vec<(Point, u64)> = points
        .into_iter()
        .zip(uses)
        .flat_map(|(point, uses)| (0..uses.min(limit)).map(move |nth| (point, nth)))
        .collect();
    let next = AtomicUsize::new(0);
    let one = |&(point, nth): &(Point, u64)| {
        let out = format!("{point:?}{nth}");
        let ran = run(&place, &out, "", Sabotage::new(Mishap::Lose, point, nth, false));
        assert_eq!(ran.sabotage.struck(), 1, "{out}");
        let got = ran.result.as_ref().unwrap_or_else(|e| panic!("{out}: {e}"));
        assert_eq!(bits(got), bits(&wanted), "{out}");
        let [recovered] = ran.recoveries()[..] else { panic!("{out}: {:?}", ran.events) };
        assert!(recovered.reason.contains("device was lost"), "{out}: {recovered:?}");
        let mut left = files(&place.path(&out));
        assert!(left.remove(Path::new("recoveries.json")), "{out}: {left:?}");
        assert_eq!(left, usual, "{out}");
        fs::remove_dir_all(place.path(&out)).unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(job);
                }
            });
        }
    });
    println!("{} losses in {:.0} s", jobs.len(), began.elapsed().as_secs_f64());
}
