//! Ranks that share the steps of a training and the passes of an evaluation: the bits of one process. Here they are
//! threads; `cli::ranks` runs them as processes of an MPI job.
use super::generator_bits;
use crate::{
    cli::{Place, random_generator},
    extent::{adapters, open},
};
use nf_gpu::{
    Error, EvalConfig, Evaluation, TrainConfig,
    eval::Journal,
    evaluate,
    evaluation::{self, Setup},
    ranks::{
        Link, RankMessage,
        threads::{ThreadLink, links},
    },
    run::Gpu,
    train,
    train::train_with,
};
use std::{cell::Cell, fs, path::Path, thread, time::Duration};

fn config(place: &Place, flags: &str, out: &str) -> TrainConfig {
    let base = place.path("base.safetensors");
    let line = format!(
        "--base {} --steps 3 --batch-size 4 --copies 3 --ber 0.02 --seed 5 --images 4 --micro-batch 3 {flags}",
        base.display()
    );
    let mut config = TrainConfig::from_flags(line.split_whitespace().map(Into::into)).unwrap();
    config.out = place.path(out);
    config
}

fn gpu() -> Gpu {
    open(&adapters()[0])
}

/// Runs `first` on the first of `size` ranks, and `other` on the others.
fn with_ranks<T>(
    size: usize,
    first: impl FnOnce(&Gpu, &ThreadLink) -> T,
    other: impl Fn(&ThreadLink) + Sync,
) -> T {
    let mut links = links(size).into_iter();
    let own = links.next().unwrap();
    thread::scope(|scope| {
        for link in links {
            let other = &other;
            scope.spawn(move || other(&link));
        }
        first(&gpu(), &own)
    })
}

/// Lines of the metrics that do not depend on times.
fn losses(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let of = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", line["loss_clean"], line["loss_perturbed"], line["flip_rate"])
    };
    text.lines().map(of).collect()
}

#[test]
fn any_number_of_ranks_trains_the_same_generator() {
    let place = Place::of_few_images();
    let settings = ["--group 1", "--group 3", "--group 2 --loss distill --temperature 2"];
    for (i, flags) in settings.iter().enumerate() {
        let train = |size: usize| {
            let out = format!("run{i}-{size}");
            let config = config(&place, flags, &out);
            let first = |gpu: &Gpu, link: &ThreadLink| {
                train_with(gpu, &config, Some(link), &mut Vec::new(), &|| false).unwrap();
                train::dismiss(link);
            };
            with_ranks(size, first, |link| train::serve(link, &|| Ok(gpu())).unwrap());
            place.path(&out)
        };
        let one = place.path(&format!("one{i}"));
        let config = config(&place, flags, &format!("one{i}"));
        train::train(&gpu(), &config, &mut Vec::new(), &|| false).unwrap();
        for size in [1, 2, 3] {
            let run = train(size);
            assert!(generator_bits(&run) == generator_bits(&one), "{size} ranks, {flags}");
            assert_eq!(losses(&run), losses(&one), "{size} ranks, {flags}");
        }
    }
    // The size of a group decides about the bits, so that the comparison above can fail.
    assert!(generator_bits(&place.path("one0")) != generator_bits(&place.path("one1")));
}

/// What a rank cannot do ends the job, after a checkpoint of the last whole step.
#[test]
fn an_error_of_a_rank_is_told_by_the_first() {
    let place = Place::of_few_images();
    let config = config(&place, "--group 1", "run");
    let first = |gpu: &Gpu, link: &ThreadLink| {
        train_with(gpu, &config, Some(link), &mut Vec::new(), &|| false).unwrap_err()
    };
    // The other rank has lost its adapter.
    let lost = || Err(Error::DeviceLost { message: "it fell out".into() });
    let error = with_ranks(2, first, |link| {
        // The rank waits to be ended, which nobody does here.
        let link = link.clone();
        thread::spawn(move || train::serve(&link, &lost));
    });
    assert!(matches!(error, Error::Rank { rank: 1, code: 1, .. }), "{error:?}");
    assert_eq!(error.to_string(), "rank 1 on here: the GPU device was lost: it fell out");
    assert!(error.hint().unwrap().contains("--batch-size"));
}

/// A rank whose process ends when it has sent so many messages.
#[derive(Debug)]
struct Mortal {
    link: ThreadLink,
    left: Cell<usize>,
}

impl Link for Mortal {
    fn rank(&self) -> usize {
        self.link.rank()
    }

    fn size(&self) -> usize {
        self.link.size()
    }

    fn host(&self) -> String {
        self.link.host()
    }

    fn send(&self, to: &[usize], message: &RankMessage) {
        match self.left.get() {
            0 => self.link.leave(),
            left => {
                self.left.set(left - 1);
                self.link.send(to, message);
            }
        }
    }

    fn poll(&self, from: Option<usize>, patience: Duration) -> Option<(usize, RankMessage)> {
        self.link.poll(from, patience)
    }

    fn lost(&self) -> Option<usize> {
        self.link.lost()
    }

    fn abort(&self, code: u8) -> ! {
        self.link.abort(code)
    }
}

/// Rank 0 waits for nobody who is gone, and neither do the others for rank 0.
#[test]
fn a_rank_that_ends_leaves_a_checkpoint_from_which_the_run_goes_on() {
    let place = Place::of_few_images();
    let whole = config(&place, "--group 1", "whole");
    train(&gpu(), &whole, &mut Vec::new(), &|| false).unwrap();
    let mut config = config(&place, "--group 1", "run");
    let first = |gpu: &Gpu, link: &ThreadLink| {
        let error = train_with(gpu, &config, Some(link), &mut Vec::new(), &|| false).unwrap_err();
        link.leave();
        error
    };
    // It says that it is ready, and ends before its first group is there: this step is given up.
    let error = with_ranks(3, first, |link| {
        let left = Cell::new(if link.rank() == 2 { 1 } else { usize::MAX });
        let alone = train::serve(&Mortal { link: link.clone(), left }, &|| Ok(gpu())).unwrap_err();
        assert!(matches!(alone, Error::Rank { rank: 0, .. }), "{alone:?}");
    });
    assert_eq!(error.to_string(), "rank 2 on here: its process has ended");
    assert!(error.hint().unwrap().contains("dmesg"));
    config.resume = Some(place.path("run"));
    train(&gpu(), &config, &mut Vec::new(), &|| false).unwrap();
    assert!(generator_bits(&place.path("run")) == generator_bits(&place.path("whole")));
}

#[test]
fn ranks_that_share_an_evaluation_write_the_document_of_one() {
    let place = Place::new();
    random_generator(32).save(place.path("g.safetensors")).unwrap();
    let [base, g] = ["base.safetensors", "g.safetensors"].map(|name| place.path(name));
    let line = format!(
        "--base {} --generator {} --images 10 --seeds 1..7 --ber 0.01,0.02 --per-class --sensitivity --protect 1",
        base.display(),
        g.display()
    );
    let config = EvalConfig::from_flags(line.split_whitespace().map(Into::into)).unwrap();
    let whole = evaluate(&gpu(), &config, &mut Vec::new(), &|| false).unwrap();
    let shared = |gpu: &Gpu, link: &ThreadLink| -> Vec<Evaluation> {
        let setup = Setup::of(&config, &|_, _| Ok(())).unwrap();
        let ready = setup.on(gpu, &|| false).unwrap();
        let adapter = ready.gather(gpu, link, &|| false).unwrap();
        let each = |(i, generator)| {
            let (mut journal, mut images) = (Journal::default(), 0);
            let mut tick = |more| {
                images += more;
                true
            };
            ready.share((gpu, link), (i, generator), &mut journal, &mut tick).unwrap();
            // Every map of single bits and layers is known; only those of protection are left.
            let before = journal.len();
            let run = ready.evaluate(gpu, generator, None, &mut journal, &mut |_| true).unwrap();
            assert_eq!(journal.len() - before, 2 * 6);
            // The study counts the maps with all faults again, which are known by then.
            assert_eq!(images + (2 + 1) * 6 * 10, ready.passes(generator));
            assert_eq!(run.adapter, adapter);
            run
        };
        let runs = ready.subjects().enumerate().map(each).collect();
        evaluation::dismiss(link);
        runs
    };
    for size in [2, 3] {
        let serve = |link: &ThreadLink| evaluation::serve(link, &config, &|| Ok(gpu())).unwrap();
        assert_eq!(with_ranks(size, shared, serve), whole, "{size} ranks");
    }
}
