//! Steps that several ranks share: rank 0 hands groups of copies out and adds up what comes back, the others compute
//! groups and keep nothing between steps.

mod coordinator;
mod messages;
mod worker;

pub(super) use coordinator::Coordinator;
pub use worker::{dismiss, serve};

use super::attempt::Run;
use crate::{
    error::Result,
    gpu::Buffer,
    nn::{Cut, DeviceImages, Pick, TrainableNet},
    report::Sink,
    run::{Gpu, Program},
    step::{Eopm, Losses, RemoteGroups, RunEntries, TrainingStep},
};
use coordinator::RunTerms;

impl Run<'_> {
    /// The other ranks, ready to compute groups of this step; `None` where there are none.
    pub(super) fn others<'a>(
        &'a self,
        eopm: &Eopm,
        sink: &mut dyn Sink,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Option<Coordinator<'a>>> {
        let Some(link) = self.link.filter(|link| link.size() > 1) else { return Ok(None) };
        let terms = RunTerms {
            config: self.config,
            base_sha256: &self.base.sha256,
            precision: self.precision,
            dtype: self.net.dtype(),
            step: eopm.terms(),
        };
        Coordinator::begin(self.gpu, link, &terms, sink, stop).map(Some)
    }
}

/// The running statistics of a generator as they were before a step. A step that others cannot finish has moved them,
/// and nothing else.
pub(super) struct Statistics<'a> {
    net: &'a TrainableNet,
    /// None where no step can be given up half-way.
    kept: Vec<Buffer>,
}

impl<'a> Statistics<'a> {
    /// Room for the statistics of a network whose steps are `shared`.
    pub(super) fn of(gpu: &Gpu, net: &'a TrainableNet, shared: bool) -> Result<Self> {
        let of = net.running().iter().filter(|_| shared);
        let kept = of.map(|own| Buffer::new(gpu, "running statistics", own.bytes()));
        Ok(Self { net, kept: kept.collect::<Result<_>>()? })
    }

    /// Keeps them as they are.
    pub(super) fn keep(&self, gpu: &Gpu) {
        for (own, kept) in self.net.running().iter().zip(&self.kept) {
            Program::copy(gpu, (own, 0), (kept, 0), own.bytes());
        }
    }

    /// Puts them back as they were kept.
    pub(super) fn put_back(&self, gpu: &Gpu) {
        for (own, kept) in self.net.running().iter().zip(&self.kept) {
            Program::copy(gpu, (kept, 0), (own, 0), own.bytes());
        }
    }
}

/// A step of this rank, with the other ranks if there are any.
pub(super) struct SharedStep<'a> {
    pub(super) eopm: Eopm,
    pub(super) others: Option<Coordinator<'a>>,
}

impl TrainingStep for SharedStep<'_> {
    fn run_by(
        &mut self,
        gpu: &Gpu,
        images: &DeviceImages,
        batch: (&[Pick], &[u8]),
        at: (u64, f64),
        run: RunEntries<'_>,
    ) -> Result<()> {
        let others = self.others.as_mut().map(|others| others as &mut dyn RemoteGroups);
        self.eopm.run_with(gpu, images, batch, at, run, others)
    }

    fn losses(&mut self, gpu: &Gpu) -> Result<Losses> {
        self.eopm.losses(gpu)
    }

    fn flip_rate(&self, gpu: &Gpu) -> Result<Option<f64>> {
        self.eopm.flip_rate(gpu)
    }

    fn program(&self) -> &Program {
        self.eopm.program()
    }

    fn cut(&self) -> &Cut {
        self.eopm.cut()
    }

    fn loss_scale(&self) -> f32 {
        self.eopm.loss_scale()
    }
}
