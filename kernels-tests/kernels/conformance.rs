//! Every case of every variant of every kernel, on every available adapter; with `--all`, or for a
//! single kernel, at every workgroup size. `NF_KERNEL=add` restricts it to a kernel, `NF_ADAPTER` to
//! adapters.
use crate::extent::{self, adapters_in_sight, open};
use nf_gpu::{
    conformance::{
        self, CaseOutcome, News, Quirk, Sizes, Status, Survey, What, run_case, run_variant,
    },
    error::{Error, Result},
    gpu::{AdapterChoice, AdapterReport},
    kernels::{
        desc::Variant,
        list::suites,
        twin::{Case, Random, Suite},
    },
    run::Gpu,
};
use std::{
    borrow::Cow,
    ops::Range,
    time::{Duration, Instant},
};

/// Whether this kernel is tested: all are, or only the one that `NF_KERNEL` names.
fn named(suite: &Suite) -> bool {
    std::env::var("NF_KERNEL").map_or(true, |only| only == suite.kernel.name)
}

/// What is proven on an adapter.
struct Proof {
    /// Opens it.
    open: fn(&AdapterReport) -> Gpu,
    variants: fn(&Variant) -> bool,
    sizes: Sizes,
}

/// Every variant of the tested kernels; with `--all`, or for a single kernel, at every workgroup size.
fn every_variant() -> Proof {
    let every_size = extent::all() || std::env::var_os("NF_KERNEL").is_some();
    let sizes = if every_size { Sizes::Every } else { Sizes::InTurn };
    Proof { open, variants: |_| true, sizes }
}

/// Trusted variants, with their shaders compiled with bounds checks, like all others.
fn distrusted(sizes: Sizes) -> Proof {
    let open = |adapter: &AdapterReport| {
        let mut gpu = open(adapter);
        gpu.check_shaders();
        gpu
    };
    Proof { open, variants: |variant| variant.trusted, sizes }
}

/// Whether a variant is one of the tiles of 8 x 8 results a lane.
fn is_unrolled(variant: &Variant) -> bool {
    ["tile128", "tile64", "tile32", "tile16"].contains(&variant.name)
}

/// The cases that a variant runs. A software adapter takes seconds to compile one of the tiles of 8 x 8 results a lane,
/// which are unrolled by hand for hardware: there the cases are dealt out to the widths of the tile and to the adapters,
/// so that with `--all` three adapters run each case once between them, in one of the widths, and three in eight of
/// them without. A kernel that `NF_KERNEL` names, and `nf-gpu conform`, run all.
fn of_tile<'c>(
    cases: &'c [Case],
    (variant, variants): (&Variant, &[&Variant]),
    adapter: &AdapterReport,
) -> Cow<'c, [Case]> {
    let named = std::env::var_os("NF_KERNEL").is_some();
    if !is_unrolled(variant) || !adapter.is_software() || named {
        return Cow::Borrowed(cases);
    }
    let widths: Vec<_> = variants.iter().filter(|v| is_unrolled(v)).map(|v| v.name).collect();
    let width = widths.iter().position(|&name| name == variant.name).unwrap();
    let parts = widths.len() * if extent::all() { 3 } else { 8 };
    let place = (width + widths.len() * adapter.index) % parts;
    cases.iter().skip(place).step_by(parts).cloned().collect::<Vec<_>>().into()
}

/// Runs the tested kernels; failures are added to `wrong`.
fn run(gpu: &Gpu, proof: &Proof, wrong: &mut Vec<String>) {
    let on = &gpu.report().name;
    for suite in suites().filter(|&s| named(s)) {
        let name = suite.kernel.name;
        let variants: Vec<_> =
            suite.kernel.variants.iter().filter(|v| (proof.variants)(v)).collect();
        if variants.is_empty() {
            continue;
        }
        let cases = (suite.cases)().unwrap();
        let (mut ok, mut unsupported) = (0, 0);
        for variant in &variants {
            let cases = of_tile(&cases, (variant, &variants), gpu.report());
            let each = |workgroup, case: &Case, outcome: &CaseOutcome| match outcome {
                CaseOutcome::Ok => ok += 1,
                CaseOutcome::Unsupported(_) => unsupported += 1,
                CaseOutcome::Wrong(what) => {
                    let at = format!("{name} {} @{workgroup} {} on {on}", variant.name, case.label);
                    wrong.push(format!("{at}: {what}"));
                }
            };
            run_variant(gpu, &cases, variant, proof.sizes, each).unwrap();
        }
        println!("  {name}: {ok} ok, {unsupported} unsupported");
        // A trusted variant may need a feature that no adapter here has; every kernel has a variant
        // that needs none.
        let needs_nothing = variants.len() == suite.kernel.variants.len();
        assert!(ok > 0 || !needs_nothing || !wrong.is_empty(), "{name} ran nowhere");
    }
}

/// Positions in the list of adapters in sight. Each has its own test, so that adapters are tested in
/// parallel.
const FIRST: Range<usize> = 0..1;
const SECOND: Range<usize> = 1..2;
const OTHERS: Range<usize> = 2..usize::MAX;

/// Proves the kernels on the adapters at these positions, if there are any.
fn prove(places: &Range<usize>, proof: &Proof) {
    let mut wrong = Vec::new();
    for (place, adapter) in adapters_in_sight().iter().enumerate() {
        if places.contains(&place) {
            run(&(proof.open)(adapter), proof, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_kernel_matches_its_twin_on_the_first_adapter() {
    prove(&FIRST, &every_variant());
}

#[test]
fn every_kernel_matches_its_twin_on_the_second_adapter() {
    prove(&SECOND, &every_variant());
}

#[test]
fn every_kernel_matches_its_twin_on_the_other_adapters() {
    prove(&OTHERS, &every_variant());
}

#[test]
#[ignore = "in ./test.sh --all: compiles every trusted variant once more"]
fn trusted_variants_do_not_need_that_trust() {
    prove(&FIRST, &distrusted(Sizes::Every));
}

/// Which elements a shader accesses depends on the shape and the workgroup size, not on the adapter.
#[test]
#[ignore = "in ./test.sh --all: compiles every trusted variant once more"]
fn trusted_variants_do_not_need_that_trust_on_the_other_adapters() {
    prove(&(1..usize::MAX), &distrusted(Sizes::InTurn));
}

fn suite(name: &str) -> &'static Suite {
    suites().find(|s| s.kernel.name == name).unwrap()
}

/// Makes a case of `add` compute `more` groups of channels than it should.
fn resize_add(case: &mut Case, more: i32) {
    let at = case.plan.kernel.params.iter().find(|f| f.name == "vec4s").unwrap().offset;
    let vec4s: &mut [u8] = &mut case.plan.params[at..at + 4];
    let changed =
        u32::from_ne_bytes((&*vec4s).try_into().unwrap()).checked_add_signed(more).unwrap();
    vec4s.copy_from_slice(&changed.to_ne_bytes());
}

/// The harness's verdict on the first case of such an `add`.
fn outcome_of_add(gpu: &Gpu, more: i32) -> CaseOutcome {
    let suite = suite("add");
    let mut case = (suite.cases)().unwrap().swap_remove(0);
    resize_add(&mut case, more);
    let variant = &suite.kernel.variants[0];
    run_case(gpu, &case, variant, variant.workgroups[0]).unwrap()
}

#[test]
fn the_harness_sees_an_element_not_written_and_one_too_many() {
    for adapter in &adapters_in_sight() {
        let gpu = open(adapter);
        assert_eq!(outcome_of_add(&gpu, 0), CaseOutcome::Ok);
        let says = |more, what: &str| match outcome_of_add(&gpu, more) {
            CaseOutcome::Wrong(wrong) => assert!(wrong.what.contains(what), "{wrong}"),
            other => panic!("{more} elements more: {other:?}"),
        };
        says(-1, "got NaN");
        says(1, "wrote past its end");
    }
}

/// Cases of an `add` that leaves out the last channels.
fn short_cases() -> Result<Vec<Case>> {
    let mut cases = (suite("add").cases)()?;
    cases.iter_mut().for_each(|case| resize_add(case, -1));
    Ok(cases)
}

fn short_random(random: &mut Random) -> Result<Case> {
    let mut case = (suite("add").random)(random)?;
    resize_add(&mut case, -1);
    Ok(case)
}

fn short_add() -> Suite {
    Suite { kernel: suite("add").kernel, cases: short_cases, random: short_random }
}

/// Number of drawn cases before the listener ends the survey.
const DRAWS: usize = 8;

/// Drawn cases without a time limit in practice: [`DRAWS`] ends them, so that no test waits for a
/// clock.
fn drawn(seed: u32) -> What {
    What::Drawn { seed, until: Instant::now() + Duration::from_secs(3600) }
}

/// Runs suites on an adapter. Returns the survey, and the first wrong case of each variant that was
/// reported.
fn surveyed(
    adapter: &AdapterReport,
    quirks: Vec<Quirk>,
    suites: &[&Suite],
    what: What,
) -> (Survey, Vec<String>) {
    let index = Some(adapter.index.to_string());
    let choice = AdapterChoice { adapter: index, ..AdapterChoice::default() };
    let (mut survey, mut wrong, mut cases) = (Survey::new(quirks), Vec::new(), 0);
    let endless = matches!(what, What::Drawn { .. });
    let mut listener = |_: &Survey, news: News<'_>| {
        match news {
            News::Wrong(_, failure) => wrong.push(failure.case.clone()),
            News::Case(_) if endless && cases == DRAWS => return Err(Error::Interrupted),
            News::Case(_) => cases += 1,
        }
        Ok(())
    };
    match conformance::run(&mut survey, &choice, suites, what, &mut listener) {
        Err(Error::Interrupted) => assert_eq!(cases, DRAWS),
        ended => ended.unwrap(),
    }
    (survey, wrong)
}

#[test]
fn a_survey_says_where_the_first_wrong_element_lies() {
    for adapter in &adapters_in_sight() {
        let suites = [&short_add(), suite("absmax")];
        let (survey, wrong) = surveyed(adapter, Vec::new(), &suites, What::Suites);
        let [add, absmax] = &survey.rows[..] else { panic!("{survey:?}") };
        assert_eq!((add.status(), absmax.status()), (Status::Wrong, Status::Ok));
        let first = add.first_wrong.as_ref().unwrap();
        assert_eq!((wrong, first.binding.as_deref()), (vec![first.case.clone()], Some("y")));
        let element = first.element.as_ref().unwrap();
        assert!(element.got.contains("NaN") && element.want.contains("+-"), "{element:?}");
        assert!(element.place.as_ref().unwrap().starts_with("n="), "{element:?}");
        assert!(first.replay.is_none());

        let csv = survey.csv("abc");
        let line = csv.lines().find(|line| line.starts_with("add,")).unwrap();
        for part in [&adapter.name, "wrong", "NaN", &first.case, "abc"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
        let json = survey.json("abc");
        assert_eq!(json["results"][0]["first_wrong"]["element"]["got"], element.got.as_str());
        assert_eq!(
            (&json["results"][1]["status"], &json["all_cases"]),
            (&"ok".into(), &true.into())
        );
    }
}

#[test]
fn a_known_mistake_is_no_failure_until_it_is_gone() {
    let adapter = &adapters_in_sight()[0];
    let list = format!(
        "[[quirk]]\nadapter = \"{}\"\ndriver = \"*\"\nkernel = \"add\"\n\
         reason = \"forgets channels\"\nlink = \"https://example.org/1\"\n",
        adapter.name
    );
    let quirks = || Quirk::parse("quirks", &list).unwrap();
    let (survey, wrong) = surveyed(adapter, quirks(), &[&short_add()], What::Suites);
    assert_eq!((survey.rows[0].status(), survey.wrong()), (Status::Known, 0));
    assert!(wrong.is_empty() && survey.stale().is_empty());
    let note = survey.rows[0].note(&survey.quirks).unwrap();
    assert!(note.contains("forgets channels (https://example.org/1)"), "{note}");

    let (survey, _) = surveyed(adapter, quirks(), &[suite("add")], What::Suites);
    assert_eq!((survey.rows[0].status(), survey.stale().len()), (Status::Ok, 1));
    // A quirk is not called stale after only a few drawn cases.
    let (survey, _) = surveyed(adapter, quirks(), &[suite("add")], drawn(1));
    assert!(survey.rows[0].ok > 1 && survey.stale().is_empty(), "{survey:?}");
}

#[test]
fn a_drawn_failure_can_be_run_again() {
    for adapter in &adapters_in_sight() {
        let (survey, _) = surveyed(adapter, Vec::new(), &[&short_add()], drawn(3));
        let first = survey.rows[0].first_wrong.clone().unwrap();
        assert!(survey.rows[0].wrong > 1 && survey.rows[0].ok == 0, "{survey:?}");
        let draw = first.replay.as_ref().unwrap().parse().unwrap();
        let (again, _) = surveyed(adapter, Vec::new(), &[&short_add()], What::Replay(draw));
        let again = again.rows[0].first_wrong.clone().unwrap();
        assert_eq!((&again.element, &again.case), (&first.element, &first.case));
        let (right, _) = surveyed(adapter, Vec::new(), &[suite("add")], What::Replay(draw));
        let sizes = suite("add").kernel.variants[0].workgroups.len();
        assert_eq!((right.rows[0].status(), right.rows[0].ok), (Status::Ok, sizes));
    }
}

#[test]
fn a_listener_can_end_it() {
    let choice = AdapterChoice {
        adapter: Some(adapters_in_sight()[0].index.to_string()),
        ..Default::default()
    };
    let mut survey = Survey::default();
    let mut listener = |_: &Survey, _: News<'_>| Err(Error::Interrupted);
    let suites = [suite("add")];
    let ended = conformance::run(&mut survey, &choice, &suites, What::Suites, &mut listener);
    assert!(matches!(ended, Err(Error::Interrupted)));
    assert!(!survey.complete() && survey.rows[0].status() == Status::NotRun);
}
