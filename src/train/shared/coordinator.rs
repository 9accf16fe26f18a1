//! Rank 0: who computes which groups of a step, and what comes back.

use super::messages::{FromWorker, Groups, SharedRun, ToWorker};
use crate::{
    error::{Error, Result},
    kernels::plan::Dtype,
    ranks::{FIRST, Link, RankMessage, answer, check, receive},
    report::{Event, Sink},
    run::Gpu,
    step::{self, Incoming, Outgoing, RemoteGroups},
    train::TrainConfig,
};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// What a run has to say to the other ranks, beside its settings.
pub(in crate::train) struct RunTerms<'a> {
    pub(in crate::train) config: &'a TrainConfig,
    pub(in crate::train) base_sha256: &'a str,
    pub(in crate::train) precision: u32,
    pub(in crate::train) dtype: Dtype,
    pub(in crate::train) step: step::Terms,
}

/// Hands groups of copies out to the other ranks.
pub(in crate::train) struct Coordinator<'a> {
    gpu: &'a Gpu,
    link: &'a dyn Link,
    stop: &'a dyn Fn() -> bool,
    /// When the images of the step that runs left.
    sent: Instant,
    /// Copies of a group.
    together: usize,
    groups: usize,
    /// The groups of each rank in the step that runs, in the order of ranks.
    shares: Vec<Range<usize>>,
    /// Seconds of a group on each rank, a moving mean; `None` before the first.
    pace: Vec<Option<f64>>,
    /// Whether every rank keeps its groups, because adapters round differently.
    pinned: bool,
    /// The adapter of each rank, rank 0 first.
    adapters: Vec<String>,
}

/// Share of the latest measurement in the mean time of a group.
const LATEST: f64 = 0.5;

impl<'a> Coordinator<'a> {
    /// Begins a run on all ranks, and waits until they are ready.
    ///
    /// # Errors
    /// A rank has another version, base file or adapter, or cannot begin; [`Error::Interrupted`].
    pub(in crate::train) fn begin(
        gpu: &'a Gpu,
        link: &'a dyn Link,
        terms: &RunTerms<'_>,
        sink: &mut dyn Sink,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Self> {
        let RunTerms { config, base_sha256, precision, dtype, step } = terms;
        let (cut, groups) = (step.cut.clone(), step.cut.groups as usize);
        let others: Vec<usize> = (1..link.size()).collect();
        let run = SharedRun {
            commit: env!("NF_COMMIT").to_owned(),
            config: (*config).clone(),
            base_sha256: (*base_sha256).to_owned(),
            faults: config.fault_model()?.identity(),
            precision: *precision,
            half: *dtype == Dtype::F16,
            cut: cut.clone(),
            factors: step.factors.iter().map(|factor| factor.to_bits()).collect(),
            loss: step.loss,
            wanted: step.wanted.clone(),
            choices: gpu.choices(),
        };
        link.send(&others, &RankMessage::new(&ToWorker::Begin(Box::new(run)), &[]));
        let mut adapters = vec![gpu.report().line()];
        for &rank in &others {
            let (_, message) = receive(link, Some(rank), stop)?;
            let FromWorker::Ready { host, adapter } = answer(rank, &message)?.0 else {
                return Err(unexpected(rank));
            };
            if adapter != adapters[FIRST] && !config.mixed {
                let own = &adapters[FIRST];
                let what = format!("rank 0 runs on {own}, rank {rank} on {host} on {adapter}");
                let hint = "choose like adapters with --adapter, or add --mixed: then each keeps its groups";
                return Err(Error::argument("mpirun", what, hint));
            }
            adapters.push(adapter);
        }
        let idle = link.size().saturating_sub(groups);
        if idle > 0 {
            let what = format!(
                "{idle} of {} ranks have nothing to do: a step has {groups} groups of at most {} networks (--group)",
                link.size(),
                cut.copies
            );
            sink.event(&Event::Note(what))?;
        }
        Ok(Self {
            gpu,
            link,
            stop,
            sent: Instant::now(),
            together: cut.copies as usize,
            groups,
            shares: Vec::new(),
            pace: vec![None; link.size()],
            pinned: adapters.iter().any(|adapter| *adapter != adapters[FIRST]),
            adapters,
        })
    }

    /// The ranks in words, for messages: their number, and their adapters where they differ.
    pub(in crate::train) fn describe(&self) -> String {
        let ranks = self.link.size();
        if !self.pinned {
            return format!("{ranks} ranks");
        }
        format!("{ranks} ranks: {}", self.adapters.join("; "))
    }

    /// What the bits of the result depend on beside the cut of a step: the ranks, if their adapters differ.
    pub(in crate::train) fn pinned(&self) -> Option<String> {
        self.pinned.then(|| self.describe())
    }
}

impl RemoteGroups for Coordinator<'_> {
    fn begin(&mut self, step: &Outgoing) -> Result<usize> {
        self.goes_on()?;
        let pace = if self.pinned { vec![None; self.pace.len()] } else { self.pace.clone() };
        self.shares = shares(self.groups, &pace);
        let busy: Vec<usize> =
            (1..self.shares.len()).filter(|&rank| !self.shares[rank].is_empty()).collect();
        let fused: &[u8] = bytemuck::cast_slice(&step.fused);
        let head = ToWorker::Images { fused: fused.len() };
        // Whoever has the images waits for its groups: these go out first, so that the images do not delay them.
        for &rank in &busy {
            let share = self.shares[rank].clone();
            let of_share = |size: usize| share.start * size..share.end * size;
            let seeds = step.seeds[of_share(self.together)].chunks(self.together);
            let totals = step.totals[of_share(2 * self.together)].chunks(2 * self.together);
            let groups = Groups {
                first: share.start,
                seeds: seeds.map(<[u64]>::to_vec).collect(),
                totals: totals.map(<[u32]>::to_vec).collect(),
            };
            self.link.send(&[rank], &RankMessage::new(&ToWorker::Groups(groups), &[]));
        }
        let span = self.gpu.span("send images");
        self.link.send(&busy, &RankMessage::new(&head, &[fused, &step.wanted]));
        drop(span);
        self.sent = Instant::now();
        Ok(self.shares[FIRST].len())
    }

    fn goes_on(&self) -> Result<()> {
        check(self.link, self.stop)
    }

    fn took(&mut self, groups: usize, time: Duration) {
        note(&mut self.pace[FIRST], time.as_secs_f64() / groups.max(1) as f64);
    }

    fn receive(&mut self, group: usize) -> Result<Incoming> {
        let rank = self.shares.iter().position(|share| share.contains(&group)).unwrap_or(FIRST);
        let span = self.gpu.span("wait for other ranks");
        let (_, message) = receive(self.link, Some(rank), self.stop)?;
        drop(span);
        match answer(rank, &message)? {
            (FromWorker::Group { group: own, began, seconds, totals, flips }, body)
                if own == group =>
            {
                let began = self.sent + Duration::from_secs_f64(began);
                let (track, name) = (format!("rank {rank}"), format!("group {group}"));
                self.gpu.note_elsewhere(&track, &name, began, seconds);
                note(&mut self.pace[rank], seconds);
                let gradient = body.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
                Ok(Incoming { gradient, totals, flips })
            }
            _ => Err(unexpected(rank)),
        }
    }
}

fn unexpected(rank: usize) -> Error {
    Error::Shape(format!("rank {rank} sent another message than it should have"))
}

fn note(pace: &mut Option<f64>, seconds: f64) {
    *pace = Some(pace.map_or(seconds, |before| before + LATEST * (seconds - before)));
}

/// The groups of each rank: consecutive ones, so that sums in the order of groups need no room for results that come
/// too early, and as many as let all end at about the same time. Rank 0 has one at least.
fn shares(groups: usize, pace: &[Option<f64>]) -> Vec<Range<usize>> {
    let known: Vec<f64> = pace.iter().flatten().copied().collect();
    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
    let seconds = |rank: usize| pace[rank].unwrap_or(if known.is_empty() { 1.0 } else { mean });
    let mut counts = vec![0; pace.len()];
    for group in 0..groups {
        let end = |&rank: &usize| (counts[rank] + 1) as f64 * seconds(rank);
        let next = (0..pace.len()).min_by(|a, b| end(a).total_cmp(&end(b)));
        counts[if group == 0 { FIRST } else { next.unwrap_or(FIRST) }] += 1;
    }
    let mut first = 0;
    let share = |&count: &usize| {
        first += count;
        first - count..first
    };
    counts.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_go_where_they_end_first() {
        let lens = |groups, pace: &[Option<f64>]| -> Vec<usize> {
            let shares = shares(groups, pace);
            assert_eq!(shares.iter().flat_map(Clone::clone).collect::<Vec<_>>(), {
                (0..groups).collect::<Vec<_>>()
            });
            shares.iter().map(ExactSizeIterator::len).collect()
        };
        assert_eq!(lens(11, &[None; 2]), [6, 5]);
        assert_eq!(lens(4, &[None; 3]), [2, 1, 1]);
        // The eleventh group would end at the same time everywhere: rank 0 need not send it.
        assert_eq!(lens(11, &[Some(1.0), Some(2.0), None]), [6, 2, 3]);
        assert_eq!(lens(10, &[Some(1.0), Some(9.0)]), [9, 1]);
        // A slow rank 0 has a group all the same: it holds the clean copy and tells of flips.
        assert_eq!(lens(4, &[Some(9.0), Some(1.0)]), [1, 3]);
        assert_eq!(lens(2, &[None; 4]), [1, 1, 0, 0]);
    }
}
