//! The queue of the paper's experiments, with small networks and few images.
use crate::cli::random_base;
use nf_gpu::{
    Error,
    data::{self, Split},
    files::Weights,
    gpu::AdapterChoice,
    report::Event,
    repro::{CellResult, QueueOutcome, QueuePlan, ReproSettings, State, forecast, run, table},
    run::Gpu,
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tempfile::TempDir;

/// Cells with the generator of `ResNet18`: in front of itself, and of another network.
const OWN: &str = "resnet18/ConvL-ber0.005-from-resnet18-ber0.01";
const OTHER: &str = "resnet50/ConvL-ber0.01-from-resnet18-ber0.01";
const LAST: &str = "vgg19/ConvL-ber0.005-from-vgg19-ber0.01";

/// Cells of a table with small networks in place of the paper's, on the embedded images.
fn plan(name: &str, ids: &[&str]) -> QueuePlan {
    let mut plan = QueuePlan::new(table(name).unwrap(), None, &ReproSettings::default()).unwrap();
    let small = |model: &mut String| {
        *model = match model.as_str() {
            "resnet18" => "vgg-small".into(),
            "resnet50" => "resnet20".into(),
            "vgg19" => "resnet32".into(),
            _ => return,
        }
    };
    plan.bases.iter_mut().for_each(small);
    for training in &mut plan.trainings {
        small(&mut training.base);
        training.generator = "ConvS".into();
        training.copies = 2;
    }
    (plan.dataset, plan.dataset_name) = ("fashion-sample".into(), "fashion-sample".into());
    plan.cells.retain(|planned| ids.contains(&planned.cell.id().as_str()));
    assert_eq!(plan.cells.len(), ids.len());
    plan
}

/// A folder with a base network in `given`, and settings that take seconds.
struct Place {
    dir: TempDir,
    gpu: Gpu,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("given")).unwrap();
        let place = Self { dir, gpu: Gpu::open(&AdapterChoice::default()).unwrap() };
        place.give("resnet20", &random_base("resnet20", 1));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn give(&self, model: &str, weights: &Weights) {
        weights
            .save(self.path("given").join(format!("{model}-fashion-sample.safetensors")))
            .unwrap();
    }

    fn settings(&self, out: &str) -> ReproSettings {
        ReproSettings {
            out: self.path(out),
            artefacts: self.path(out),
            bases: Some(self.path("given")),
            steps: Some(3),
            base_steps: Some(3),
            batch_size: Some(4),
            images: Some(8),
            ..ReproSettings::default()
        }
    }

    /// Runs a plan to its end; also returns the titles of the trainings.
    fn run(
        &self,
        plan: &QueuePlan,
        settings: &ReproSettings,
    ) -> (nf_gpu::Result<QueueOutcome>, Vec<String>) {
        let mut events: Vec<Event> = Vec::new();
        let outcome = run(&self.gpu, plan, settings, &mut events, &mut |_| Ok(()), &|| false);
        (outcome, trained(&events))
    }
}

fn trained(events: &[Event]) -> Vec<String> {
    let titles = events.iter().filter_map(|event| match event {
        Event::Started(started) => Some(started.title.clone()),
        _ => None,
    });
    titles.collect()
}

fn row<'a>(outcome: &'a QueueOutcome, id: &str) -> &'a CellResult {
    outcome.results.cells.iter().find(|row| row.id == id).unwrap()
}

/// When each file under a folder was written.
fn times(folder: &Path, found: &mut BTreeMap<PathBuf, SystemTime>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            times(&entry.path(), found);
        } else {
            found.insert(entry.path(), entry.metadata().unwrap().modified().unwrap());
        }
    }
}

#[test]
#[ignore = "in ./test.sh --all: a queue that is stopped at five moments"]
fn a_queue_that_was_stopped_goes_on_to_the_same_numbers() {
    let (place, plan) = (Place::new(), plan("transfer", &[OWN, OTHER]));
    let (whole, made) = place.run(&plan, &place.settings("whole"));
    let whole = whole.unwrap();
    // One base network was given, and one generator serves both cells.
    assert_eq!(made.len(), 2, "{made:?}");
    assert!(made[0].starts_with("pretraining vgg-small") && made[1].starts_with("training ConvS"));
    for (id, model) in [(OWN, "vgg-small"), (OTHER, "resnet20")] {
        let row = row(&whole, id);
        assert_eq!(row.state, State::Done);
        let (ours, paper, less) = (row.ours.unwrap(), row.paper, row.difference.unwrap());
        assert_eq!(less.ca.unwrap(), ours.ca.unwrap() - paper.ca.unwrap());
        assert_eq!(less.rp.unwrap(), ours.rp.unwrap() - paper.rp.unwrap());
        let eval = fs::read_to_string(place.path("whole").join(row.evaluation.as_ref().unwrap()));
        assert!(eval.unwrap().contains(&format!("\"model\": \"{model}\"")));
    }
    let origins: Vec<&str> = whole.results.bases.iter().map(|base| base.origin).collect();
    assert_eq!(origins, ["pretrained", "given"]);

    // The run is stopped at these calls of `stop`: during the pretraining, the training, its
    // evaluation, and the evaluation of a cell.
    let settings = place.settings("stopped");
    let mut begun = Vec::new();
    let stopped_after = |asked: usize| {
        let left = Cell::new(asked);
        let stop = || left.replace(left.get().saturating_sub(1)) == 0;
        let mut events: Vec<Event> = Vec::new();
        let outcome = run(&place.gpu, &plan, &settings, &mut events, &mut |_| Ok(()), &stop);
        (outcome, trained(&events))
    };
    // The last evaluation of the pretraining calls `stop` for every image.
    let images = data::open("fashion-sample", Path::new("none"), Split::Test).unwrap().len();
    for asked in [2, 4 + images, 4, 20, 100] {
        let (outcome, titles) = stopped_after(asked);
        assert!(matches!(outcome, Err(Error::Interrupted)), "after {asked}: {outcome:?}");
        begun.extend(titles);
    }
    let (stopped, titles) = stopped_after(usize::MAX);
    let stopped = stopped.unwrap();
    begun.extend(titles);
    let count = |title: &str| begun.iter().filter(|t| t.starts_with(title)).count();
    assert_eq!((count("pretraining"), count("training")), (2, 4), "{begun:?}");
    for file in [
        "bases/vgg-small-fashion-sample.safetensors",
        "generators/vgg-small-fashion-sample-ConvS-ber0.01-lambda5-n2/generator.safetensors",
    ] {
        let [a, b] =
            ["whole", "stopped"].map(|run| Weights::load(place.path(run).join(file)).unwrap());
        assert_eq!(a.tensors, b.tensors, "{file}");
    }
    for (a, b) in whole.results.cells.iter().zip(&stopped.results.cells) {
        assert_eq!((a.ours, a.state), (b.ours, b.state), "{}", a.id);
    }
    assert!(!place.path("stopped/bases/vgg-small-fashion-sample.checkpoint.safetensors").exists());

    // Finished work is not repeated.
    let seen = || {
        let mut found = BTreeMap::new();
        times(&place.path("stopped"), &mut found);
        found.retain(|path, _| {
            let name = path.file_name().unwrap().to_string_lossy();
            !name.starts_with("results.") && !name.ends_with(".lock")
        });
        found
    };
    let before = seen();
    let (again, made) = place.run(&plan, &settings);
    assert_eq!((again.unwrap().results.done, made.len()), (2, 0));
    assert_eq!(seen(), before);
}

#[test]
fn what_was_made_under_other_settings_is_refused() {
    let (place, plan) = (Place::new(), plan("transfer", &[OWN]));
    place.give("vgg-small", &random_base("vgg-small", 1));
    let settings = place.settings("out");
    place.run(&plan, &settings).0.unwrap();
    let refused = |settings: &ReproSettings, says: &str| {
        let (outcome, made) = place.run(&plan, settings);
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().unwrap().contains("--out"), "{error:?}");
        assert!(made.is_empty(), "{made:?}");
    };
    refused(&ReproSettings { steps: Some(4), ..settings.clone() }, "steps 3 there, 4 wanted");
    refused(
        &ReproSettings { faults: "flip".into(), ..settings.clone() },
        "faults \"reference\" there",
    );
    refused(&ReproSettings { images: Some(4), ..settings.clone() }, "images 8 there, 4 wanted");
    refused(&ReproSettings { seeds: vec![1], ..settings.clone() }, "50009] there, [1] wanted");
    let elsewhere = ReproSettings { bases: None, ..settings.clone() };
    // The cell's own base network would have to be trained, but the cell is evaluated on one that is
    // missing.
    let (outcome, made) = place.run(&plan, &elsewhere);
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("is not there") && made.is_empty(), "{error}");
    assert!(error.hint().unwrap().contains("--artefacts"));
    let smoke = settings.clone().smoke();
    let error = place.run(&plan, &smoke).0.unwrap_err();
    assert!(error.to_string().contains("real networks on fashion-sample"), "{error}");
    let typo = ReproSettings { bases: Some("no such folder".into()), ..settings.clone() };
    let error = place.run(&plan, &typo).0.unwrap_err();
    assert!(error.to_string().contains("no base network of these cells"), "{error}");
    place.give("vgg-small", &random_base("vgg-small", 2));
    refused(&settings, "it was trained in front of another");
    let lambda = self::plan("lambda", &["resnet18/ConvL-ber0.01"]);
    let error = place.run(&lambda, &settings).0.unwrap_err();
    assert!(error.to_string().contains("holds the results of transfer"), "{error}");
}

#[test]
fn tables_share_what_they_have_in_common() {
    let place = Place::new();
    place.give("vgg-small", &random_base("vgg-small", 1));
    let shared =
        |out: &str| ReproSettings { artefacts: place.path("shared"), ..place.settings(out) };
    let lambda = plan("lambda", &["resnet18/ConvL-ber0.01"]);
    let (first, made) = place.run(&lambda, &shared("lambda"));
    assert_eq!((first.unwrap().results.done, made.len()), (1, 1));
    let eight = "resnet18/ConvL-ber0.005-from-resnet18-ber0.01";
    let precision = plan("precision", &[eight, &format!("{eight}-4bit")]);
    let (second, made) = place.run(&precision, &shared("precision"));
    assert_eq!((second.unwrap().results.done, made.len()), (2, 0), "{made:?}");
}

#[test]
#[ignore = "in ./test.sh --all: two networks that are pretrained"]
fn a_cell_that_fails_does_not_stop_the_others() {
    let (place, plan) = (Place::new(), plan("transfer", &[OWN, OTHER, LAST]));
    let mut broken = random_base("vgg-small", 1);
    for tensor in broken.tensors.values_mut() {
        tensor.data.iter_mut().for_each(|v| *v *= 1e30);
    }
    place.give("vgg-small", &broken);
    place.give("resnet32", &random_base("resnet32", 1));
    let (outcome, made) = place.run(&plan, &place.settings("out"));
    let outcome = outcome.unwrap();
    assert!(matches!(outcome.failure, Some(Error::NotFinite { .. })), "{:?}", outcome.failure);
    let states = [OWN, OTHER, LAST].map(|id| row(&outcome, id).state);
    assert_eq!(states, [State::Failed, State::Failed, State::Done]);
    assert!(row(&outcome, OTHER).why.as_ref().unwrap().contains("not finite"));
    assert_eq!(made.len(), 2, "tried once: {made:?}");
}

#[test]
fn hours_run_the_cells_that_fit_and_leave_out_the_others() {
    let (place, plan) = (Place::new(), plan("transfer", &[OWN, OTHER]));
    place.give("vgg-small", &random_base("vgg-small", 1));
    // Nothing fits in 1e-9 hours: nothing is begun, and the cells are named.
    let none = ReproSettings { hours: Some(1e-9), ..place.settings("out") };
    let (outcome, made) = place.run(&plan, &none);
    let outcome = outcome.unwrap();
    assert!(outcome.failure.is_none() && made.is_empty(), "{made:?}");
    let left: Vec<&str> = outcome.left_out.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(left, [OWN, OTHER]);
    assert!(outcome.left_out.cells.iter().all(|cell| cell.hours > 0.0), "{:?}", outcome.left_out);
    assert_eq!(row(&outcome, OWN).state, State::NotRun);
    let page = fs::read_to_string(place.path("out/results.md")).unwrap();
    assert!(page.contains("0 of 2 cells are measured, 2 not run yet"), "{page}");
    // The first cell makes what both need; the second is only evaluated.
    let forecast = |settings: &ReproSettings| {
        let mut events: Vec<Event> = Vec::new();
        let forecast = forecast(&place.gpu, &plan, settings, &mut events, &|| false).unwrap();
        (forecast, events)
    };
    let day = ReproSettings { hours: Some(24.0), ..place.settings("out") };
    let (planned, events) = forecast(&day);
    assert!(planned.cells.iter().all(|cell| cell.fits) && planned.hours <= 24.0, "{planned:?}");
    // Each kind of work is timed once: a training step, and passes of two bases, alone and behind the
    // generator.
    assert_eq!(events.len(), 5, "{events:?}");
    let (outcome, made) = place.run(&plan, &day);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.results.done, made.len(), outcome.left_out.cells.len()), (2, 1, 0));
    assert_eq!(outcome.results.forecast.unwrap().cells.len(), 2);
    // Then nothing is left to plan or to time.
    let (planned, events) = forecast(&day);
    assert!(planned.cells.is_empty() && events.is_empty(), "{planned:?}");
}
