//! For one change of every shader, the survey that `nf-gpu conform` prints must call that variant
//! wrong and no other. The changes are the rows of `shader_mutants.tsv`. Changed text is compiled at
//! run time, so that no change needs a build. `NF_KERNEL` and `NF_ADAPTER` work as in `conformance`;
//! without the latter, the first adapter is used.
mod list;

use crate::extent::adapters_in_sight;
use list::Mutants;
use nf_gpu::{
    conformance::{self, News, Quirk, Status, Survey, VariantRow, What},
    error::{Error, Result},
    gpu::{AdapterChoice, AdapterReport},
    kernels::{
        desc::{KernelDesc, Variant},
        list::suites,
        twin::{Case, Suite},
    },
};
use std::{cell::RefCell, collections::VecDeque, fs, time::Instant};

/// Read when the test runs, so that a new row needs no build.
const LIST: &str = "kernels-tests/kernels/shader_mutants.tsv";

thread_local! {
    /// Cases of the suites that follow, in order: a `Suite` holds a plain function, which has no
    /// state.
    static WAITING: RefCell<VecDeque<Vec<Case>>> = const { RefCell::new(VecDeque::new()) };
}

fn waiting() -> Result<Vec<Case>> {
    Ok(WAITING.with_borrow_mut(|waiting| waiting.pop_front().unwrap()))
}

/// A kernel, unchanged or with the text of one variant changed, at the variants' default workgroup
/// sizes. A device caches pipelines by the names of kernel and variant, and shaders by their stems,
/// so that a changed text needs a new device: every survey opens one.
fn kernel_with(kernel: &KernelDesc, changed: Option<(&str, String)>) -> &'static KernelDesc {
    let mut variants: Vec<_> =
        kernel.variants.iter().map(|v| Variant { workgroups: &v.workgroups[..1], ..*v }).collect();
    if let Some((name, text)) = changed {
        let variant = variants.iter_mut().find(|v| v.name == name).unwrap();
        variant.wgsl = text.leak();
        // Nothing guarantees where a mutant reads and writes.
        variant.trusted = false;
    }
    Box::leak(Box::new(KernelDesc { variants: variants.leak(), ..*kernel }))
}

/// The survey of some kernels with these cases, and the number of cases run. It ends early with the
/// case in which the variant `until` was wrong, or which the adapter cannot run with it.
fn survey(
    adapter: &AdapterReport,
    kernels: Vec<(&'static KernelDesc, Vec<Case>)>,
    until: Option<&str>,
) -> std::result::Result<(Survey, usize), String> {
    let random = suites().next().unwrap().random;
    let suites: Vec<_> =
        kernels.iter().map(|&(kernel, _)| Suite { kernel, cases: waiting, random }).collect();
    let theirs = kernels.into_iter().map(|(kernel, mut cases)| {
        cases.iter_mut().for_each(|case| case.plan.kernel = kernel);
        cases
    });
    WAITING.set(theirs.collect());
    let mut ran = 0;
    let mut listener = |survey: &Survey, news: News<'_>| {
        let over = |row: &VariantRow| {
            until == Some(row.variant)
                && matches!(row.status(), Status::Wrong | Status::Unsupported)
        };
        match news {
            News::Case(_) if survey.rows.iter().any(over) => return Err(Error::Interrupted),
            News::Case(_) => ran += 1,
            News::Wrong(..) => {}
        }
        Ok(())
    };
    let index = Some(adapter.index.to_string());
    let choice = AdapterChoice { adapter: index, ..AdapterChoice::default() };
    let mut survey = Survey::new(Quirk::known().unwrap());
    let suites: Vec<_> = suites.iter().collect();
    match conformance::run(&mut survey, &choice, &suites, What::Suites, &mut listener) {
        Ok(()) | Err(Error::Interrupted) => Ok((survey, ran)),
        Err(error) => Err(error.to_string()),
    }
}

/// Outcome for a changed variant.
enum Verdict {
    /// The survey called the variant wrong, first in this case.
    Caught(Box<Case>, String),
    /// The adapter cannot run it.
    NotRun(String),
}

/// Runs the cases of a variant with its mutant, until one is wrong.
fn verdict(
    adapter: &AdapterReport,
    mutants: &Mutants,
    (kernel, variant): (&KernelDesc, &Variant),
    cases: &[Case],
) -> std::result::Result<Verdict, String> {
    let text = mutants.text_of(variant)?;
    let served: Vec<_> = cases.iter().filter(|c| variant.serves(&c.plan)).cloned().collect();
    let changed = kernel_with(kernel, Some((variant.name, text)));
    let (survey, ran) = survey(adapter, vec![(changed, served.clone())], Some(variant.name))?;
    for row in survey.rows.iter().filter(|row| row.variant != variant.name) {
        if row.wrong > 0 {
            return Err(format!(
                "{}, unchanged, is wrong: {:?}",
                row.variant,
                row.note(&survey.quirks)
            ));
        }
    }
    let row = survey.rows.iter().find(|row| row.variant == variant.name).unwrap();
    let note = || row.note(&survey.quirks).unwrap_or_default();
    match (row.status(), &row.first_wrong) {
        // The shader was refused or the device was lost: nothing was compared.
        (Status::Wrong, Some(wrong)) if wrong.binding.is_none() => Err(note()),
        (Status::Wrong, Some(_)) => Ok(Verdict::Caught(Box::new(served[ran - 1].clone()), note())),
        (Status::Unsupported, _) => Ok(Verdict::NotRun(note())),
        (status, _) => Err(format!("not noticed in {ran} cases: {}", status.name())),
    }
}

/// All cases of a kernel, those with the least work first.
fn cases_of(suite: &Suite) -> Vec<Case> {
    let mut cases = (suite.cases)().unwrap();
    cases.sort_by_key(|case| case.plan.flops);
    cases
}

/// Runs every mutant on an adapter; failures are added to `wrong`.
fn every_mutant(adapter: &AdapterReport, mutants: &Mutants, wrong: &mut Vec<String>) {
    let only = std::env::var("NF_KERNEL").ok();
    let started = Instant::now();
    let (mut caught, mut not_run, mut unchanged) = (Vec::new(), 0, Vec::new());
    for suite in suites().filter(|s| only.as_ref().is_none_or(|k| k == s.kernel.name)) {
        let cases = cases_of(suite);
        let mut telling = Vec::new();
        for variant in suite.kernel.variants {
            let name = format!("{} {}", suite.kernel.name, variant.name);
            match verdict(adapter, mutants, (suite.kernel, variant), &cases) {
                Ok(Verdict::Caught(case, note)) => {
                    println!("caught: {name}: {note}");
                    telling.push(*case);
                    caught.push((suite.kernel.name, variant.name));
                }
                Ok(Verdict::NotRun(why)) => {
                    println!("not run: {name} ({why})");
                    not_run += 1;
                }
                Err(why) => wrong.push(format!("{name} on {}: {why}", adapter.name)),
            }
        }
        unchanged.push((kernel_with(suite.kernel, None), telling));
    }
    // The change was the cause: the same cases pass with the unchanged text.
    let (survey, _) = survey(adapter, unchanged, None).unwrap();
    for row in &survey.rows {
        let held = matches!(row.status(), Status::Ok | Status::Known);
        if row.wrong > 0 || !held && caught.contains(&(row.kernel, row.variant)) {
            let (status, note) =
                (row.status().name(), row.note(&survey.quirks).unwrap_or_default());
            wrong.push(format!("{} {}, unchanged, is {status}: {note}", row.kernel, row.variant));
        }
    }
    println!("{} caught, {not_run} not run, in {:.1?}", caught.len(), started.elapsed());
    assert!(!survey.rows.is_empty(), "no kernel is called {only:?}");
}

#[test]
#[ignore = "in ./test.sh --all: a device and a compilation for every mutant"]
fn the_survey_names_the_variant_of_which_one_constant_is_changed() {
    let mutants = Mutants::parse(&fs::read_to_string(LIST).unwrap()).unwrap();
    let mut wrong = mutants.strangers();
    let adapters = adapters_in_sight();
    let named = std::env::var_os("NF_ADAPTER").is_some();
    for adapter in &adapters[..if named { adapters.len() } else { 1 }] {
        println!("{}", adapter.line());
        every_mutant(adapter, &mutants, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The verdict on `add` with its own list of mutants.
fn add_with(list: &str) -> std::result::Result<Verdict, String> {
    let suite = suites().find(|s| s.kernel.name == "add").unwrap();
    let of = (suite.kernel, &suite.kernel.variants[0]);
    verdict(&adapters_in_sight()[0], &Mutants::parse(list)?, of, &cases_of(suite))
}

#[test]
fn a_mutant_that_changes_nothing_is_no_proof() {
    let refused = |list: &str| add_with(list).err().unwrap_or_else(|| panic!("accepted: {list}"));
    for (list, says) in [
        ("add\t(a[i] + b[i],\t(b[i] + a[i],", "not noticed in 8 cases: ok"),
        ("add\tResidual addition\tResidual subtraction", "not noticed in 8 cases: ok"),
        ("add\t(a[i] + b[i],\t(a[i] +,", "does not compile"),
        ("add\t(a[i] + b[i],\t(4u,", "does not compile"),
        ("add\ta[i] * b[i]\ta[i] - b[i]", "add: `a[i] * b[i]` is there 0 times"),
        ("add\ta[i] + b[i]\ta[i] - b[i]", "add: `a[i] + b[i]` is there 2 times"),
        ("sgd\ta[i] + b[i]\ta[i] - b[i]", "no row for add"),
        ("add\ta[i]\tb[i]\nadd\ta[i]\tb[i]", "add: two rows"),
        ("add\ta[i]", "line 1"),
    ] {
        let why = refused(list);
        assert!(why.contains(says), "{list}: {why}");
    }
    let caught = add_with("add\t(a[i] + b[i],\t(a[i] - b[i],").unwrap();
    assert!(matches!(caught, Verdict::Caught(case, _) if case.label == "[n=1 h=1 w=1 c=1]"));
    let list = Mutants::parse("add\ta\tb\nad\ta\tb").unwrap();
    assert_eq!(list.strangers(), ["ad: no variant's shader is called so"]);
}
