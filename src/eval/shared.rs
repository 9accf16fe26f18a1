//! A measurement whose passes over the images several ranks share: rank 0 hands them out one at a time and keeps the
//! results in its journal, from which `measure` then takes them.

use super::{
    Journal, OfMap, Request, Study,
    measure::Lazy,
    meter::{Arrangement, Tick, together},
    sensitivity::singles,
};
use crate::{
    error::{Error, Result},
    fault::Faults,
    ranks::{FIRST, Link, RankMessage, Reply, Tasks, answer},
    run::Gpu,
};

/// What one rank measures at a time.
#[derive(Clone, Debug)]
enum Pass {
    Clean(Arrangement),
    Maps(Arrangement, Faults, Vec<u64>),
}

/// The passes of a request, and of a study of sensitivity if there is one. Every rank has the same list.
fn passes(request: &Request<'_>, study: Option<Study>) -> Vec<Pass> {
    let Request { subject, faults, seeds, .. } = *request;
    let behind = subject.generator.map(|_| Arrangement::Behind);
    let last = behind.unwrap_or(Arrangement::Alone);
    let kinds = [Some(Arrangement::Alone), behind];
    let kinds = || kinds.iter().flatten().copied();
    let mut passes: Vec<Pass> = kinds().map(Pass::Clean).collect();
    let mut add = |kind, faults: &Faults| {
        let groups = seeds.chunks(together(subject.base.0, seeds.len()));
        passes.extend(groups.map(|group| Pass::Maps(kind, faults.clone(), group.to_vec())));
    };
    for faults in faults {
        kinds().for_each(|kind| add(kind, faults));
    }
    let singles = study.map_or_else(Vec::new, |_| singles(request));
    singles.iter().for_each(|faults| add(last, faults));
    passes
}

/// The passes of a measurement, and a network on the device that makes them.
struct Passes<'a> {
    lazy: Lazy<'a>,
    images: u64,
    all: Vec<Pass>,
}

impl<'a> Passes<'a> {
    fn new(gpu: &'a Gpu, request: &Request<'a>, study: Option<Study>) -> Self {
        let lazy = Lazy::new(gpu, request.subject, request.seeds.len());
        let images = request.subject.set.len() as u64;
        Self { lazy, images, all: passes(request, study) }
    }

    /// The names of a pass's results in the journal.
    fn names(&self, pass: usize) -> Vec<String> {
        match &self.all[pass] {
            Pass::Clean(kind) => vec![self.lazy.name(*kind, "clean")],
            Pass::Maps(kind, faults, seeds) => self.lazy.names(*kind, faults, seeds),
        }
    }

    fn run(&mut self, pass: usize, tick: Tick<'_>) -> Result<Vec<OfMap>> {
        let pass = self.all.get(pass).cloned();
        let meter = self.lazy.meter()?;
        match pass {
            Some(Pass::Clean(kind)) => Ok(vec![meter.clean(kind, tick)?]),
            Some(Pass::Maps(kind, faults, seeds)) => meter.maps(kind, &faults, &seeds, None, tick),
            None => Err(Error::Shape("a pass of another evaluation".into())),
        }
    }

    fn images(&self, pass: usize) -> u64 {
        self.names(pass).len() as u64 * self.images
    }
}

/// Has the passes of a request, and of a study if there is one, made by all ranks, and keeps the results in `journal`.
/// `ask` makes the message that asks a rank for a pass. `tick` is told of images that are done, and stops with `false`.
///
/// # Errors
/// Those of `measure`; [`Error::Rank`].
pub fn hand_out(
    gpu: &Gpu,
    link: &dyn Link,
    (request, study): (&Request<'_>, Option<Study>),
    journal: &mut Journal,
    ask: &dyn Fn(usize) -> RankMessage,
    tick: Tick<'_>,
) -> Result<()> {
    let mut passes = Passes::new(gpu, request, study);
    let mut open = Vec::new();
    for pass in 0..passes.all.len() {
        if passes.names(pass).iter().any(|name| journal.get(name).is_none()) {
            open.push(pass);
        } else {
            tick(passes.images(pass));
        }
    }
    let mut tasks = Tasks::new(link, open, ask);
    loop {
        tasks.pump();
        for (rank, pass, message) in tasks.answers() {
            let results = answer(rank, &message)?.0;
            keep(journal, passes.names(pass), results)?;
            if !tick(passes.images(pass)) {
                return Err(Error::Interrupted);
            }
        }
        if let Some(pass) = tasks.own() {
            // Between batches the other ranks get their next pass.
            let results = passes.run(pass, &mut |images| {
                tasks.pump();
                tick(images)
            })?;
            keep(journal, passes.names(pass), results)?;
        } else {
            let stopped = std::cell::Cell::new(false);
            let again = std::cell::RefCell::new(&mut *tick);
            let stop = || {
                stopped.set(!(again.borrow_mut())(0));
                stopped.get()
            };
            if !tasks.wait(&stop)? {
                return Ok(());
            }
        }
    }
}

fn keep(journal: &mut Journal, names: Vec<String>, results: Vec<OfMap>) -> Result<()> {
    names.into_iter().zip(results).try_for_each(|(name, of_map)| journal.put(name, of_map))
}

/// A rank that makes passes of one request for rank 0.
pub struct PassMaker<'a> {
    passes: Passes<'a>,
}

impl<'a> PassMaker<'a> {
    /// For a request, and a study of sensitivity if there is one.
    pub fn new(gpu: &'a Gpu, request: &Request<'a>, study: Option<Study>) -> Self {
        Self { passes: Passes::new(gpu, request, study) }
    }

    /// Makes a pass, and sends rank 0 its results.
    ///
    /// # Errors
    /// There is no such pass; a logit is not finite; the device failed.
    pub fn answer(&mut self, link: &dyn Link, pass: usize) -> Result<()> {
        let results = self.passes.run(pass, &mut |_| true)?;
        link.send(&[FIRST], &RankMessage::new(&Reply::Done(results), &[]));
        Ok(())
    }
}
