//! Test vectors of a third party: the backend tests of ONNX, through our kernels, on every adapter
//! and with every variant that it can run, at ONNX's own tolerance.
//!
//! `kernels-tests/kernels/onnx/small.zip` holds some of them, unchanged (Apache-2.0, its text is
//! inside; see `kernels-tests/kernels/onnx/README.md`). `scripts/onnx-cases.sh` fetches the wheel with
//! all tests: every case is run, or `kernels-tests/kernels/onnx/cases.txt` says why it is not. With
//! `NF_ONNX_WRITE=1` the script writes both files again.
mod archive;
mod call;
pub(crate) mod convolution;
mod elementwise;
pub(crate) mod engine;
mod graph;
pub(crate) mod images;
mod loss;
mod products;
mod proto;
mod steps;
pub(crate) mod tensor;
mod window;
mod words;

use crate::extent::{adapters, open, skipped};
use archive::{Archive, Case};
use engine::Engine;
use nf_gpu::{files::sha256, run::Gpu};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tensor::Tensor;

/// Names of cases by outcome: [`RUN`], or the reason why they are not run.
type List = BTreeMap<String, Vec<String>>;
const RUN: &str = "run";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/kernels/onnx").join(name)
}

/// Results of running cases on one adapter.
#[derive(Default)]
struct Report {
    list: List,
    wrong: Vec<String>,
    kernels: BTreeSet<&'static str>,
    /// Largest used share of the tolerance, and where.
    most: (f64, String),
    /// Number of runs: cases times variants.
    runs: usize,
}

impl Report {
    /// Runs a case with the variants that the adapter would take, then with each of the others.
    fn run(&mut self, gpu: &Gpu, case: &Case) -> Result<(), String> {
        let mut engine = Engine::new(gpu, None);
        let outputs = graph::run(&mut engine, &case.model, &case.inputs)?;
        self.take(case, "default", &outputs);
        self.kernels.extend(&engine.kernels);
        for variant in engine.others {
            let outputs =
                graph::run(&mut Engine::new(gpu, Some(variant)), &case.model, &case.inputs)?;
            self.take(case, variant, &outputs);
        }
        Ok(())
    }

    fn take(&mut self, case: &Case, variant: &str, outputs: &[Tensor]) {
        self.runs += 1;
        assert!(outputs.len() >= case.outputs.len(), "{}", case.name);
        for (index, (got, want)) in outputs.iter().zip(&case.outputs).enumerate() {
            let at = format!("{} {variant}: output {index}", case.name);
            match graph::compare(got, want) {
                Ok(share) if share > self.most.0 => self.most = (share, at),
                Ok(_) => {}
                Err(what) => self.wrong.push(format!("{at} {what}")),
            }
        }
    }

    /// Runs all cases of an archive that can be run.
    fn of(gpu: &Gpu, archive: &Archive) -> Self {
        let mut report = Self::default();
        for name in archive.names() {
            let done = archive.case(&name).and_then(|case| report.run(gpu, &case));
            let what = done.err().unwrap_or(RUN.to_owned());
            report.list.entry(what).or_default().push(name);
        }
        let Self { list, runs, most: (share, at), .. } = &report;
        println!(
            "  {} cases, {runs} with variants; at most {share:.2} of the tolerance: {at}",
            list[RUN].len()
        );
        report
    }

    fn assert_right(&self, on: &str) {
        assert!(
            self.wrong.is_empty(),
            "{} wrong on {on}:\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
    }
}

/// `cases.txt`: a line per outcome, and below it the names, in lines of 100 columns.
fn render(list: &List) -> String {
    let all: usize = list.values().map(Vec::len).sum();
    let mut text = format!(
        "# The backend tests of ONNX 1.22.0: which ones our kernels run, and why not the others.\n\
         # Checked case by case by scripts/onnx-cases.sh, which also writes this file.\n\
         # {} of {all} run.\n",
        list[RUN].len()
    );
    let ours = |what: &String| !what.starts_with("no kernel") && what != RUN;
    let order = [RUN.to_owned()].into_iter();
    let order = order.chain(list.keys().filter(|&what| ours(what)).cloned());
    let order = order.chain(list.keys().filter(|&what| !ours(what) && what != RUN).cloned());
    for what in order {
        text += &format!("\n{what}: {}\n", list[&what].len());
        let mut line = String::from(" ");
        for name in &list[&what] {
            if line.len() + 1 + name.len() > 100 {
                text += &(line + "\n");
                line = String::from(" ");
            }
            line += &format!(" {name}");
        }
        text += &(line + "\n");
    }
    text
}

/// The names that `cases.txt` says are run.
fn listed_as_run(text: &str) -> BTreeSet<String> {
    let run = text.split("\n\n").find(|block| block.starts_with("run: ")).unwrap();
    let names: BTreeSet<String> =
        run.lines().skip(1).flat_map(str::split_whitespace).map(str::to_owned).collect();
    assert_eq!(run.lines().next().unwrap(), format!("run: {}", names.len()));
    names
}

#[test]
fn the_cases_kept_here_pass_on_every_adapter() {
    let archive = Archive::open(&file("small.zip"));
    let run = listed_as_run(&fs::read_to_string(file("cases.txt")).unwrap());
    for adapter in adapters() {
        let report = Report::of(&open(&adapter), &archive);
        report.assert_right(&adapter.line());
        assert_eq!(report.list.keys().collect::<Vec<_>>(), [RUN], "kept, but not run");
        assert!(report.list[RUN].iter().all(|name| run.contains(name)), "cases.txt is out of date");
        println!("  kernels: {:?}", report.kernels);
    }
}

#[test]
fn every_case_of_the_wheel_is_run_or_listed() {
    let Ok(wheel) = std::env::var("NF_ONNX_WHEEL") else {
        skipped("all cases of ONNX (scripts/onnx-cases.sh fetches and runs them)");
        return;
    };
    let pinned = fs::read_to_string(file("requirements.txt")).unwrap();
    assert_eq!(pinned.trim().rsplit(':').next(), Some(sha256(&wheel).unwrap().as_str()));
    let archive = Archive::open(Path::new(&wheel));
    let write = std::env::var_os("NF_ONNX_WRITE").is_some();
    for adapter in adapters() {
        let report = Report::of(&open(&adapter), &archive);
        report.assert_right(&adapter.line());
        let text = render(&report.list);
        if write {
            fs::write(file("cases.txt"), &text).unwrap();
            archive.keep(&file("small.zip"), &report.list[RUN]);
        }
        let listed = fs::read_to_string(file("cases.txt")).unwrap();
        let differs = listed.lines().zip(text.lines()).find(|(a, b)| a != b);
        assert!(listed == text, "cases.txt is not what runs; first: {differs:?}");
    }
}
