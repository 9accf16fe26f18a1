//! Ranks of an MPI job. The only file that knows MPI.
//!
//! A thread of its own carries the messages. MPI moves large ones piece by piece, in calls that this thread makes while
//! the others compute. And whoever computes never waits inside MPI, which does not come back from a rank that has died.

use super::{Link, RankMessage, presence::Presence};
use crate::error::{Error, Result};
use mpi::{
    Threading,
    collective::CommunicatorCollectives as _,
    datatype::Equivalence as _,
    environment,
    point_to_point::{Destination as _, Source as _},
    request::{self, LocalScope, Request},
    topology::{Communicator as _, SimpleCommunicator},
};
use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt, mem, process,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The ranks of the job that this process belongs to. MPI ends with it.
pub(super) struct World {
    joined: Joined,
    inbox: RefCell<Inbox>,
    orders: Sender<ThreadOrder>,
    carrier: Option<JoinHandle<()>>,
}

/// What a rank learns when it joins the job.
struct Joined {
    rank: usize,
    size: usize,
    host: String,
    /// The processes of all ranks.
    present: Vec<Presence>,
}

/// Messages that have come, with their senders.
struct Inbox {
    arrives: Receiver<(usize, RankMessage)>,
    /// Those that nobody has asked for yet.
    early: VecDeque<(usize, RankMessage)>,
}

/// What the thread is to do that carries messages. It ends, and MPI with it, when nobody can order any more.
enum ThreadOrder {
    Send(Vec<usize>, RankMessage),
    Abort(u8),
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MPI rank {} of {}", self.joined.rank, self.joined.size)
    }
}

/// Time that MPI has to end the job, after which this process ends by itself, and its launcher ends the others.
const PATIENCE: Duration = Duration::from_secs(5);

impl World {
    /// Initialises MPI.
    pub(super) fn join() -> Result<Self> {
        let refused = |what: String| Error::argument("mpirun", what, "start the job anew");
        let (tell, told) = mpsc::channel();
        let (orders, ordered) = mpsc::channel();
        let (arrived, arrives) = mpsc::channel();
        let carrier = thread::Builder::new().name("MPI".into()).spawn(move || {
            let Some((universe, _)) = environment::initialize_with_threading(Threading::Funneled)
            else {
                return;
            };
            let world = universe.world();
            // Whoever is told may be gone: then there are no orders either.
            let _ = tell.send(joined(&world));
            Carrier { world, ordered, arrived, open: VecDeque::new() }.carry();
        });
        let carrier = carrier.map_err(|error| refused(format!("MPI has no thread: {error}")))?;
        let joined = told.recv().map_err(|_| refused("MPI has been initialised before".into()))?;
        let inbox = RefCell::new(Inbox { arrives, early: VecDeque::new() });
        Ok(Self { joined, inbox, orders, carrier: Some(carrier) })
    }

    /// Orders something. Without a thread that carries messages there are no answers, and its end was told.
    fn order(&self, order: ThreadOrder) {
        let _ = self.orders.send(order);
    }
}

fn joined(world: &SimpleCommunicator) -> Joined {
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    let mut numbers = vec![0u64; 2 * size];
    world.all_gather_into(&Presence::own().numbers()[..], &mut numbers[..]);
    let present = numbers.as_chunks().0.iter().copied().map(Presence::of).collect();
    Joined { rank, size, host: environment::processor_name().unwrap_or_default(), present }
}

impl Link for World {
    fn rank(&self) -> usize {
        self.joined.rank
    }

    fn size(&self) -> usize {
        self.joined.size
    }

    fn host(&self) -> String {
        self.joined.host.clone()
    }

    fn send(&self, to: &[usize], message: &RankMessage) {
        self.order(ThreadOrder::Send(to.to_vec(), message.clone()));
    }

    fn poll(&self, from: Option<usize>, patience: Duration) -> Option<(usize, RankMessage)> {
        self.inbox.borrow_mut().next(from, patience)
    }

    fn lost(&self) -> Option<usize> {
        self.joined.present.iter().position(|process| process.is_gone())
    }

    fn abort(&self, code: u8) -> ! {
        self.order(ThreadOrder::Abort(code));
        thread::sleep(PATIENCE);
        process::exit(code.into())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The thread sends what has been ordered, and ends when it sees that no more can come.
        drop(mem::replace(&mut self.orders, mpsc::channel().0));
        if let Some(carrier) = self.carrier.take() {
            let _ = carrier.join();
        }
    }
}

impl Inbox {
    fn next(&mut self, from: Option<usize>, patience: Duration) -> Option<(usize, RankMessage)> {
        let fits = |sender: usize| from.is_none_or(|from| from == sender);
        if let Some(at) = self.early.iter().position(|(sender, _)| fits(*sender)) {
            return self.early.remove(at);
        }
        let began = Instant::now();
        loop {
            let left = patience.saturating_sub(began.elapsed());
            match self.arrives.recv_timeout(left) {
                Ok((sender, message)) if fits(sender) => return Some((sender, message)),
                Ok(other) => self.early.push_back(other),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    thread::sleep(left);
                    return None;
                }
            }
        }
    }
}

/// The thread that calls MPI.
struct Carrier {
    world: SimpleCommunicator,
    ordered: Receiver<ThreadOrder>,
    arrived: Sender<(usize, RankMessage)>,
    /// Messages to send that were ordered while another was on its way.
    open: VecDeque<(Vec<usize>, RankMessage)>,
}

/// Messages that are on their way.
type Travelling<'a, 's> = Vec<Request<'a, [u8], &'s LocalScope<'a>>>;

impl Carrier {
    fn carry(mut self) {
        let mut last = Instant::now();
        loop {
            if let Some((to, message)) = self.open.pop_front() {
                self.send(&to, &message);
                last = Instant::now();
                continue;
            }
            while self.take() {
                last = Instant::now();
            }
            match self.ordered.recv_timeout(pause(last)) {
                Ok(order) => self.heed(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Ends the job, or keeps a message to send.
    fn heed(&mut self, order: ThreadOrder) {
        match order {
            ThreadOrder::Send(to, message) => self.open.push_back((to, message)),
            ThreadOrder::Abort(code) => self.world.abort(code.into()),
        }
    }

    /// Sends a message, and takes in others meanwhile: two ranks may send each other large ones.
    fn send(&mut self, to: &[usize], message: &RankMessage) {
        request::scope(|scope| {
            let send = |&to: &usize| {
                self.world.process_at_rank(to as i32).immediate_send(scope, message.bytes())
            };
            let mut travelling: Travelling<'_, '_> = to.iter().map(send).collect();
            let began = Instant::now();
            loop {
                travelling = travelling.into_iter().filter_map(|one| one.test().err()).collect();
                if travelling.is_empty() {
                    return;
                }
                self.take();
                self.linger(began);
            }
        });
    }

    /// Takes a message in, if one has arrived.
    fn take(&mut self) -> bool {
        let found = self.world.any_process().immediate_matched_probe();
        let Some((message, status)) = found else { return false };
        let mut bytes = vec![0; status.count(u8::equivalent_datatype()).max(0) as usize];
        request::scope(|scope| {
            let mut travelling = message.immediate_matched_receive_into(scope, &mut bytes[..]);
            let began = Instant::now();
            while let Err(still) = travelling.test() {
                travelling = still;
                self.linger(began);
            }
        });
        // Whoever has left reads nothing more.
        let _ = self.arrived.send((status.source_rank() as usize, RankMessage::from_bytes(bytes)));
        true
    }

    /// Lets time pass while a message that began to travel then is on its way, and hears what is ordered.
    fn linger(&mut self, began: Instant) {
        while let Ok(order) = self.ordered.try_recv() {
            self.heed(order);
        }
        // Large messages go piece by piece, each in a call of MPI: at first it is called often.
        match began.elapsed() < EAGER {
            true => thread::yield_now(),
            false => thread::sleep(pause(began)),
        }
    }
}

/// Time after which a message that does not arrive has a receiver that is busy.
const EAGER: Duration = Duration::from_millis(50);

/// Time until the next look at MPI, after nothing has happened since then. MPI's own waiting would keep a core busy,
/// which a software adapter needs; a GPU's results are awaited for milliseconds.
fn pause(since: Instant) -> Duration {
    (since.elapsed() / 20).clamp(Duration::from_micros(20), Duration::from_millis(2))
}
