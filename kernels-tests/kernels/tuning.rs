//! Measuring the fastest variant: only correct candidates may win, known results are not measured
//! again, and a run keeps the variants that it began with.
mod twice;

use crate::extent::adapters;
use nf_gpu::{
    error::{Error, Result},
    gpu::AdapterChoice,
    kernels::{
        conv::{
            self,
            conv2d::{Conv2d, Epilogue},
        },
        desc::KernelDesc,
        elementwise,
        matmul::{self, Matmul},
        plan::{Dtype, Plan},
    },
    run::{Agreement, Gpu, Job, Program, Question, Recorded, Tape, TrialSize, Tuning, Words},
    shape::{Nhwc, Window},
    tuning::{CacheFolder, Choices, Store},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use twice::{SLOW, TWICE, twice};

type Said = Arc<Mutex<Vec<String>>>;

fn gpu() -> Gpu {
    Gpu::open(&AdapterChoice::default()).unwrap()
}

/// A device that measures, and its messages.
fn tuned(store: Store) -> (Gpu, Said) {
    tuned_on(&AdapterChoice::default(), store)
}

fn tuned_on(choice: &AdapterChoice, store: Store) -> (Gpu, Said) {
    let (mut gpu, said) = (Gpu::open(choice).unwrap(), Said::default());
    let heard = Arc::clone(&said);
    let say = Box::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
    gpu.tune(Tuning { store, budget: Duration::from_secs(300), say, stop: || false });
    (gpu, said)
}

fn build(gpu: &Gpu, plan: &Plan) -> Result<Program> {
    let mut tape = Tape::new();
    let ids: Vec<_> = plan.bytes.iter().map(|&bytes| tape.kept("b", bytes)).collect();
    tape.push(plan.clone(), &ids)?;
    Program::build(gpu, &tape)
}

#[test]
fn only_a_candidate_that_is_right_wins_and_each_refusal_is_said_once() {
    for adapter in adapters() {
        println!("{}", adapter.line());
        let index = Some(adapter.index.to_string());
        let choice = AdapterChoice { adapter: index, ..AdapterChoice::default() };
        let (gpu, said) = tuned_on(&choice, Store::in_memory());
        only_right_ones_win(&gpu, &said);
    }
}

fn only_right_ones_win(gpu: &Gpu, said: &Said) {
    assert_eq!(gpu.choose(&twice(16)).unwrap().0.name, SLOW, "the default, before measuring");
    build(gpu, &twice(16)).unwrap();
    assert_eq!(gpu.choose(&twice(16)).unwrap().0.name, "right");
    assert_eq!(gpu.choices().0["twice n16"], "right@64");
    let lines = said.lock().unwrap().clone();
    for (name, why) in [
        ("one_wrong", "element 777"),
        ("half_written", "element 1 "),
        ("not_a_number", "NaN"),
        ("coarse", "real numbers"),
        ("broken", "no_such_function"),
    ] {
        let of: Vec<_> = lines.iter().filter(|l| l.contains(&format!("twice {name}@"))).collect();
        assert!(of.len() == 1 && of[0].contains(why) && of[0].starts_with("warning"), "{lines:?}");
    }
    assert!(lines.iter().any(|l| l.starts_with("tuned 1 shape in ")), "{lines:?}");
    // The same candidates are refused for another shape, without a second message.
    build(gpu, &twice(32)).unwrap();
    let warnings = said.lock().unwrap().iter().filter(|l| l.starts_with("warning")).count();
    assert_eq!(warnings, 5);
    assert_eq!((gpu.tuned().measured, gpu.tuned().known), (2, 0));
}

#[test]
fn what_is_in_the_file_is_not_measured_again_and_refusals_stay() {
    let folder = tempfile::tempdir().unwrap();
    let place = CacheFolder::at(folder.path());
    let line = gpu().report().line();
    let open = || {
        let (store, problem) = place.store(&line);
        assert_eq!(problem, None);
        tuned(store)
    };
    let (first, _) = open();
    build(&first, &twice(8)).unwrap();
    assert_eq!(first.tuned().measured, 1);
    let text = std::fs::read_to_string(place.tuning(&line)).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entry = &file["entries"]["twice n8"];
    assert_eq!(entry["choice"], "right@64");
    let tried = entry["tried"].as_array().unwrap();
    assert_eq!(tried.len(), TWICE.variants.len());
    for t in tried {
        let right = t["name"] == "right@64" || t["name"] == "slow@64";
        assert_eq!((t["ms"].is_number(), t["refused"].is_string()), (right, !right), "{t}");
    }
    let (second, said) = open();
    build(&second, &twice(8)).unwrap();
    assert_eq!((second.tuned().measured, second.tuned().known), (0, 1));
    assert_eq!(second.choose(&twice(8)).unwrap().0.name, "right");
    assert!(said.lock().unwrap().is_empty());
}

#[test]
fn a_file_that_cannot_be_written_costs_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let (store, _) = CacheFolder::at(folder.path().join("file")).store("adapter");
    let (gpu, said) = tuned(store);
    build(&gpu, &twice(8)).unwrap();
    build(&gpu, &twice(4)).unwrap();
    assert_eq!(gpu.choose(&twice(8)).unwrap().0.name, "right");
    let said = said.lock().unwrap();
    assert_eq!(said.iter().filter(|l| l.contains("are not kept")).count(), 1, "{said:?}");
}

#[test]
fn without_measuring_the_default_holds_and_a_preference_wins_over_everything() {
    let mut plain = gpu();
    build(&plain, &twice(8)).unwrap();
    assert_eq!(plain.choices().0["twice n8"], "slow@64");
    plain.prefer("twice", "right");
    assert_eq!(plain.choose(&twice(8)).unwrap().0.name, "right");
    let (mut gpu, _) = tuned(Store::in_memory());
    gpu.prefer("twice", "slow");
    build(&gpu, &twice(8)).unwrap();
    assert_eq!((gpu.choices().0["twice n8"].as_str(), gpu.tuned().measured), ("slow@64", 0));
}

#[test]
fn a_run_that_goes_on_keeps_its_choices_or_is_refused() {
    let record = |choice: &str| {
        let choices = Choices([("twice n8".into(), choice.into())].into());
        Some(Recorded { choices: Some(choices), flag: "--resume" })
    };
    let (mut gpu, _) = tuned(Store::in_memory());
    {
        let _session = gpu.session(record("coarse@64"));
        build(&gpu, &twice(8)).unwrap();
        assert_eq!(gpu.choices().0["twice n8"], "coarse@64");
        assert_eq!(gpu.tuned().measured, 0);
        // Questions that the record does not contain are measured as usual.
        build(&gpu, &twice(4)).unwrap();
        assert_eq!(gpu.choices().0["twice n4"], "right@64");
    }
    // The next run is not bound by the record.
    let session = gpu.session(None);
    build(&gpu, &twice(8)).unwrap();
    assert_eq!(gpu.choices().0["twice n8"], "right@64");
    drop(session);
    // A run that recorded nothing used the defaults.
    let session = gpu.session(Some(Recorded { choices: None, flag: "--resume" }));
    build(&gpu, &twice(2)).unwrap();
    assert_eq!(gpu.choices().0["twice n2"], "slow@64");
    drop(session);
    for (choice, says) in [("gone@64", "twice gone@64"), ("right@32", "right@32")] {
        let _session = gpu.session(record(choice));
        let error = build(&gpu, &twice(8)).unwrap_err();
        let Error::Argument { flag, what, .. } = &error else { panic!("{error}") };
        assert!(flag == "--resume" && what.contains(says), "{error}");
    }
    gpu.prefer("twice", "right");
    let _session = gpu.session(record("slow@64"));
    let error = build(&gpu, &twice(8)).unwrap_err();
    assert!(error.to_string().contains("--kernel-variant"), "{error}");
}

#[test]
fn variants_of_the_convolutions_agree_and_one_of_them_wins() {
    let (gpu, said) = tuned(Store::in_memory());
    let conv = Conv2d::forward(Nhwc::new(5, 9, 7, 10), 43, Window::square(3, 2, 1)).unwrap();
    let epilogue = Epilogue {
        affine_len: 86,
        scale: Some(0),
        shift: Some(43),
        residual: true,
        relu: true,
        mask_out: true,
        ..Epilogue::default()
    };
    let masked = Epilogue { mask_in: true, ..Epilogue::default() };
    let plans = [
        conv::conv2d::plan(conv, epilogue).unwrap(),
        conv::conv2d::plan(conv.grad_input(), masked).unwrap(),
        conv::conv2d_grad_weight::plan(conv).unwrap(),
        matmul::plan(Matmul { rows: 77, c: 10, k: 43, batches: 5 }).unwrap(),
    ];
    for plan in &plans {
        build(&gpu, plan).unwrap();
    }
    let said = said.lock().unwrap();
    assert!(said.iter().all(|line| !line.starts_with("warning")), "{said:?}");
    assert_eq!(gpu.choices().0.len(), 4);
    if gpu.subgroup() == Some(8) || !gpu.report().is_software() {
        assert_eq!(gpu.tuned().measured, 4);
    }
}

#[test]
fn questions_are_stable_and_tell_shapes_apart() {
    let conv = |n, copies| {
        let conv = Conv2d::forward(Nhwc::new(n, 32, 32, 64), 64, Window::square(3, 1, 1)).unwrap();
        Conv2d { copies, ..conv }
    };
    let question = |conv, epilogue| conv::conv2d::plan(conv, epilogue).unwrap().question().unwrap();
    let none = Epilogue::default();
    // These texts are keys in files of earlier versions, so that they must not change.
    assert_eq!(question(conv(16, 1), none), "conv2d 3x3s1p1 32x32x64>32x32x64 n16");
    assert_eq!(question(conv(16, 1), none), question(conv(9, 1), none));
    let relu = Epilogue { relu: true, mask_out: true, ..none };
    assert_eq!(
        question(conv(17, 3), relu),
        "conv2d 3x3s1p1 32x32x64>32x32x64 n32 copies4 relu mask_out"
    );
    let other = Conv2d::forward(Nhwc::new(16, 32, 32, 64), 64, Window::square(1, 1, 0)).unwrap();
    let all = [
        question(conv(16, 1), none),
        question(conv(17, 1), none),
        question(conv(16, 2), none),
        question(conv(16, 1), relu),
        question(conv(16, 1).grad_input(), none),
        question(other, none),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a != b), "{a} twice");
    }
    assert_eq!(
        conv::conv2d_grad_weight::plan(conv(16, 1)).unwrap().question().unwrap(),
        "conv2d_grad_weight 3x3s1p1 32x32x64>32x32x64 n16"
    );
    // Products of matrices have one row.
    let rows = |n| {
        let [x, y] = [10, 20].map(|c| Nhwc::new(1, 1, n, c));
        let window = Window::square(1, 1, 0);
        question(Conv2d { x, y, window, ..conv(1, 16) }, none)
    };
    assert_eq!(rows(100), "conv2d 1x1s1p0 1x128x10>1x128x20 n1 copies16");
    assert_eq!(rows(100), rows(128));
    let half = Conv2d { dtype: Dtype::F16, ..conv(16, 1) };
    assert_eq!(question(half, none), "conv2d 3x3s1p1 32x32x64>32x32x64 n16 f16");
    let product = |rows| Matmul { rows, c: 16, k: 64, batches: 48 };
    let question = |rows| matmul::plan(product(rows)).unwrap().question().unwrap();
    assert_eq!(question(1000), "matmul 1024x16>64 batches64");
    assert_ne!(question(1000), question(1025));
    assert!(elementwise::add::plan(Nhwc::new(1, 1, 1, 4)).unwrap().question().is_none());
}

#[test]
fn plans_of_a_class_get_smaller_until_one_image_and_copy_are_left() {
    let conv = Conv2d::forward(Nhwc::new(9, 8, 8, 4), 4, Window::square(3, 1, 1)).unwrap();
    let conv = Conv2d { copies: 3, ..conv };
    let mut plan = conv::conv2d::plan(conv, Epilogue::default()).unwrap();
    let (mut steps, constants) = (0, plan.constants.clone());
    while let Some(half) = plan.class.as_ref().unwrap().less.half() {
        let half = half.unwrap();
        assert!(half.flops < plan.flops && half.constants == constants);
        (plan, steps) = (half, steps + 1);
    }
    let one = Conv2d::forward(Nhwc::new(1, 8, 8, 4), 4, Window::square(3, 1, 1)).unwrap();
    assert_eq!((steps, plan.flops), (6, one.flops()));
}

/// An algorithm as a job: `twice` in one or two dispatches, or something else.
fn algorithm(name: &str, size: TrialSize) -> Result<Job> {
    assert!(size.flops > 0);
    let plan = twice(4);
    let mut tape = Tape::new();
    let x = tape.kept("x", plan.bytes[0]);
    let y = tape.kept("y", plan.bytes[1]);
    let variant = match name {
        "direct" => SLOW,
        "wrong" => "one_wrong",
        _ => "right",
    };
    tape.push_as(plan, &[x, y], variant, 64)?;
    Ok(Job { tape, inputs: vec![(x, Words::Floats)], outputs: vec![(y, Words::Floats)] })
}

#[test]
fn algorithms_are_decided_alike() {
    static KERNELS: [&KernelDesc; 1] = [&TWICE];
    let question = |candidates| Question {
        subject: "doubling",
        class: "n4",
        candidates,
        kernels: &KERNELS,
        agreement: Agreement { exact: true, eps: f32::EPSILON.into(), growth: 4.0 },
        measured: true,
    };
    let all: &[&str] = &["direct", "wrong", "clever"];
    assert_eq!(gpu().decide(&question(all), algorithm).unwrap(), "direct");
    let (mut gpu, said) = tuned(Store::in_memory());
    assert_eq!(gpu.decide(&question(all), algorithm).unwrap(), "clever");
    assert_eq!(gpu.choices().0["doubling n4"], "clever");
    assert_eq!(said.lock().unwrap().iter().filter(|l| l.contains("doubling wrong")).count(), 1);
    // The answer is known: the job is not even made.
    let never = |_: &str, _: TrialSize| -> Result<Job> { panic!("measured again") };
    assert_eq!(gpu.decide(&question(all), never).unwrap(), "clever");
    let record = |choice: &str| {
        let choices = Choices([("doubling n4".into(), choice.into())].into());
        Some(Recorded { choices: Some(choices), flag: "--checkpoint" })
    };
    let session = gpu.session(record("direct"));
    assert_eq!(gpu.decide(&question(all), never).unwrap(), "direct");
    drop(session);
    let session = gpu.session(record("gone"));
    let error = gpu.decide(&question(all), never).unwrap_err();
    assert!(error.to_string().contains("--checkpoint"), "{error}");
    drop(session);
    gpu.prefer("doubling", "wrong");
    let _session = gpu.session(None);
    assert_eq!(gpu.decide(&question(all), never).unwrap(), "wrong");
}
