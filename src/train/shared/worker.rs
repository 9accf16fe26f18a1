//! A rank that computes groups of copies for rank 0.

use super::messages::{FromWorker, Groups, SharedRun, ToWorker};
use crate::{
    error::{Error, Result},
    files::sha256,
    ranks::{FIRST, Link, RankMessage, Reply, receive, tell},
    run::{Gpu, Recorded},
    step::GroupProgram,
    train::BaseNet,
};
use std::time::Instant;

/// Computes groups for rank 0 until it ends the job. `open` opens this rank's adapter.
///
/// # Errors
/// What keeps this rank from going on, where rank 0, who is told, does not end the job.
pub fn serve(link: &dyn Link, open: &dyn Fn() -> Result<Gpu>) -> Result<()> {
    open().and_then(|gpu| groups(&gpu, link)).map_err(|error| tell(link, error))
}

/// Tells the other ranks that nothing is left to do.
pub fn dismiss(link: &dyn Link) {
    let others: Vec<usize> = (1..link.size()).collect();
    link.send(&others, &RankMessage::new(&ToWorker::End, &[]));
}

fn groups(gpu: &Gpu, link: &dyn Link) -> Result<()> {
    // A worker has no results to keep: it goes on until rank 0 says so, or somebody ends its process.
    let next = || receive(link, Some(FIRST), &|| false).map(|(_, message)| message);
    let early = || Error::Shape("a step came before the run that it is of".into());
    let mut program = None;
    loop {
        match next()?.read()?.0 {
            ToWorker::Begin(run) => {
                let built = begin(gpu, &run)?;
                program = Some(built);
                let (host, adapter) = (link.host(), gpu.report().line());
                let ready = Reply::Done(FromWorker::Ready { host, adapter });
                link.send(&[FIRST], &RankMessage::new(&ready, &[]));
            }
            ToWorker::Groups(groups) => {
                let program = program.as_ref().ok_or_else(early)?;
                let message = next()?;
                let (ToWorker::Images { fused }, body) = message.read()? else {
                    return Err(early());
                };
                let (fused, wanted) = body.split_at_checked(fused).ok_or_else(early)?;
                let fused: Vec<f32> =
                    fused.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
                program.images(gpu, &fused, wanted)?;
                compute(gpu, link, program, &groups)?;
            }
            ToWorker::Images { .. } => return Err(early()),
            ToWorker::End => return Ok(()),
        }
    }
}

/// Builds the program of a run.
fn begin(gpu: &Gpu, run: &SharedRun) -> Result<GroupProgram> {
    let commit = env!("NF_COMMIT");
    if run.commit != commit {
        let what = format!("it is version {commit} of nf-gpu, rank 0 is {}", run.commit);
        let hint = "start the same version on every machine";
        return Err(Error::argument("mpirun", what, hint));
    }
    let config = &run.config;
    if sha256(&config.base)? != run.base_sha256 {
        let hint = "give every machine the same file, or a file system that all share";
        return Err(Error::format(&config.base, "it is another file than that of rank 0", hint));
    }
    let recorded = Recorded { choices: Some(run.choices.clone()), flag: "mpirun" };
    let _session = gpu.session(Some(recorded));
    let mut base = BaseNet::load(&config.base, &config.hints)?;
    let (of, faults) = ((run.precision, run.dtype()), config.fault_model()?);
    if faults.identity() != run.faults {
        let what =
            format!("it has other faults than rank 0: {}, not {}", faults.identity(), run.faults);
        let hint = "give every machine the same files of maps and patterns";
        return Err(Error::argument("--faults", what, hint));
    }
    base.suffer(&faults)?;
    GroupProgram::new(gpu, (&base.graph, &base.weights), of, &faults, run.terms())
}

/// Computes groups, and sends each when it is done: it travels while the next one is computed.
fn compute(gpu: &Gpu, link: &dyn Link, program: &GroupProgram, groups: &Groups) -> Result<()> {
    let there = Instant::now();
    for ((seeds, totals), group) in groups.seeds.iter().zip(&groups.totals).zip(groups.first..) {
        let began = Instant::now();
        let done = program.run(gpu, group, seeds, totals)?;
        let (seconds, began) = (began.elapsed(), began.duration_since(there));
        let [seconds, began] = [seconds, began].map(|time| time.as_secs_f64());
        let gradient: &[u8] = bytemuck::cast_slice(&done.gradient);
        let head =
            FromWorker::Group { group, began, seconds, totals: done.totals, flips: done.flips };
        link.send(&[FIRST], &RankMessage::new(&Reply::Done(head), &[gradient]));
    }
    Ok(())
}
