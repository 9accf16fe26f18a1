//! An evaluation whose passes several ranks share: what the ranks say to each other. All ranks have the same flags.

use super::{EvalConfig, Ready, Setup, merge::named};
use crate::{
    error::{Error, Result},
    eval::{Journal, PassMaker, hand_out},
    ranks::{FIRST, Link, RankMessage, Reply, answer, receive, tell},
    report::eval_json::Adapter,
    run::Gpu,
    train::Generator,
};
use serde::{Deserialize, Serialize};

/// From rank 0.
#[derive(Debug, Serialize, Deserialize)]
enum ToMeasurer {
    /// What is evaluated, which must be the same on every rank.
    Hello { identity: String },
    /// A pass of the evaluation with this generator.
    Pass { subject: usize, pass: usize },
    /// Nothing is left to do.
    End,
}

/// To rank 0, before the first pass.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    identity: String,
    adapter: Adapter,
}

impl Ready<'_> {
    /// Waits until the other ranks are ready to evaluate the same. Returns the adapters of all ranks as one.
    ///
    /// # Errors
    /// A rank has other files, images or flags, another version, or another adapter without `--mixed`.
    pub fn gather(&self, gpu: &Gpu, link: &dyn Link, stop: &dyn Fn() -> bool) -> Result<Adapter> {
        let own = self.hello(gpu);
        let mut adapters = vec![own.adapter.clone()];
        let others: Vec<usize> = (1..link.size()).collect();
        let hello = ToMeasurer::Hello { identity: own.identity.clone() };
        link.send(&others, &RankMessage::new(&hello, &[]));
        for rank in others {
            let (_, message) = receive(link, Some(rank), stop)?;
            let (hello, _) = answer::<Hello>(rank, &message)?;
            if hello.identity != own.identity {
                let what = format!(
                    "rank {rank} would evaluate something else: {}; rank 0: {}",
                    hello.identity, own.identity
                );
                let hint = "give every machine the same nf-gpu, base network and images";
                return Err(Error::argument("mpirun", what, hint));
            }
            if hello.adapter != own.adapter && !self.setup.config.mixed {
                let [a, b] =
                    [&own.adapter, &hello.adapter].map(|a| format!("{} ({})", a.name, a.driver));
                let what = format!("rank 0 runs on {a}, rank {rank} on {b}");
                let hint =
                    "choose like adapters with --adapter, or add --mixed: last bits may differ";
                return Err(Error::argument("mpirun", what, hint));
            }
            adapters.push(hello.adapter);
        }
        Ok(named(&adapters.iter().collect::<Vec<_>>()))
    }

    fn hello(&self, gpu: &Gpu) -> Hello {
        let report = gpu.report();
        let adapter = Adapter {
            name: report.name.clone(),
            backend: report.backend.clone(),
            driver: report.driver.clone(),
        };
        let generators: Vec<&str> = self.setup.generators.iter().map(|g| &*g.sha256).collect();
        let faults: Vec<String> =
            self.setup.faults.iter().map(crate::fault::Faults::identity).collect();
        let identity = format!(
            "{}; generators {generators:?}; {}; seeds {:?}",
            self.identity(gpu).replace(&report.line(), "any adapter"),
            faults.join(", "),
            self.setup.seeds
        );
        Hello { identity, adapter }
    }

    /// Has the passes of the evaluation with the generator of this place measured by all ranks, and keeps the results
    /// in `journal`, from which [`Self::evaluate`] takes them. `tick` is told of images that are done.
    ///
    /// # Errors
    /// Those of [`Self::evaluate`]; [`Error::Rank`].
    pub fn share(
        &self,
        (gpu, link): (&Gpu, &dyn Link),
        (subject, generator): (usize, Option<&Generator>),
        journal: &mut Journal,
        tick: &mut dyn FnMut(u64) -> bool,
    ) -> Result<()> {
        let ask = |pass| RankMessage::new(&ToMeasurer::Pass { subject, pass }, &[]);
        let request = self.request(generator, false);
        hand_out(gpu, link, (&request, self.study()), journal, &ask, tick)
    }
}

/// Tells the other ranks that nothing is left to do.
pub fn dismiss(link: &dyn Link) {
    let others: Vec<usize> = (1..link.size()).collect();
    link.send(&others, &RankMessage::new(&ToMeasurer::End, &[]));
}

/// Measures passes for rank 0 until it ends the job. `open` opens this rank's adapter.
///
/// # Errors
/// What keeps this rank from going on, where rank 0, who is told, does not end the job.
pub fn serve(link: &dyn Link, config: &EvalConfig, open: &dyn Fn() -> Result<Gpu>) -> Result<()> {
    measure(link, config, open).map_err(|error| tell(link, error))
}

fn measure(link: &dyn Link, config: &EvalConfig, open: &dyn Fn() -> Result<Gpu>) -> Result<()> {
    let setup = Setup::of(config, &|_, _| Ok(()))?;
    let gpu = open()?;
    let ready = setup.on(&gpu, &|| false)?;
    let subjects: Vec<Option<&Generator>> = ready.subjects().collect();
    let requests: Vec<_> = subjects.iter().map(|g| ready.request(*g, false)).collect();
    let mut maker: Option<(usize, PassMaker<'_>)> = None;
    loop {
        let (_, message) = receive(link, Some(FIRST), &|| false)?;
        match message.read()?.0 {
            ToMeasurer::Hello { .. } => {
                link.send(&[FIRST], &RankMessage::new(&Reply::Done(ready.hello(&gpu)), &[]));
            }
            ToMeasurer::Pass { subject, pass } => {
                let request = requests.get(subject);
                let request = request.ok_or_else(|| Error::Shape("no such generator".into()))?;
                // Each generator has a network of its own on the device.
                if maker.as_ref().is_none_or(|(of, _)| *of != subject) {
                    drop(maker.take());
                    maker = Some((subject, PassMaker::new(&gpu, request, ready.study())));
                }
                if let Some((_, maker)) = &mut maker {
                    maker.answer(link, pass)?;
                }
            }
            ToMeasurer::End => return Ok(()),
        }
    }
}
