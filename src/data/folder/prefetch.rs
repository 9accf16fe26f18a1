//! Batches of crops, which threads make ahead of their use.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use super::set::FolderSet;
use crate::{
    data::resize::CropArea,
    error::{Error, Result},
};

/// The crops of a batch: which image, and which area of it.
pub type CropBatch = Vec<(u32, CropArea)>;

/// Worker threads that read, crop and resize batches while earlier ones are being used.
///
/// Batches come in order, whatever thread made them. At most `depth` of them are in memory, ready
/// or in the making. Dropping the prefetcher stops its threads.
pub struct Prefetcher {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Prefetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prefetcher of {} threads", self.workers.len())
    }
}

struct Shared {
    state: Mutex<QueueState>,
    /// Notified when a batch is ready, there are no more, or a worker has panicked.
    ready: Condvar,
    /// Notified when there is room for another batch, or no more batches are wanted.
    room: Condvar,
    set: Arc<FolderSet>,
    depth: u64,
}

struct QueueState {
    batches: Box<dyn Iterator<Item = CropBatch> + Send>,
    /// Number of the batch that a worker takes next.
    next: u64,
    /// Number of the batch that the user gets next.
    wanted: u64,
    done: BTreeMap<u64, Result<Vec<u8>>>,
    /// The iterator has ended, or the prefetcher is being dropped.
    closed: bool,
    /// A worker has panicked: its batch will never come.
    broken: bool,
}

impl Prefetcher {
    /// Starts `threads` workers that make `batches` of crops of `set`. `depth` bounds the memory:
    /// `depth` batches of `n * C * H * W` bytes (at least one batch for each thread keeps
    /// all of them busy). Zeros count as one.
    pub fn start(
        set: Arc<FolderSet>,
        threads: usize,
        depth: usize,
        batches: impl Iterator<Item = CropBatch> + Send + 'static,
    ) -> Self {
        let state = QueueState {
            batches: Box::new(batches),
            next: 0,
            wanted: 0,
            done: BTreeMap::new(),
            closed: false,
            broken: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            ready: Condvar::new(),
            room: Condvar::new(),
            set,
            depth: depth.max(1) as u64,
        });
        let spawn = |_| {
            let shared = shared.clone();
            thread::spawn(move || {
                let _tells = TellsPanic(&shared);
                shared.work();
            })
        };
        let workers = (0..threads.max(1)).map(spawn).collect();
        Self { shared, workers }
    }
}

impl Iterator for Prefetcher {
    type Item = Result<Vec<u8>>;

    /// The next batch, `[n][C][H][W]`, or `None` after the last one. Waits for it. After an
    /// error the batches behind it still come.
    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        let mut state = self.shared.lock();
        loop {
            let wanted = state.wanted;
            if let Some(batch) = state.done.remove(&wanted) {
                state.wanted += 1;
                self.shared.room.notify_all();
                return Some(batch);
            }
            if state.closed && wanted == state.next {
                return None;
            }
            if state.broken {
                state.closed = true;
                state.wanted = state.next;
                self.shared.room.notify_all();
                let what = "a thread that prepares images ended unexpectedly";
                return Some(Err(Error::Shape(what.into())));
            }
            state = wait(&self.shared.ready, state);
        }
    }
}

impl Drop for Prefetcher {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // A worker's panic has been told by `next`.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // A panic under the lock can only come from the user's iterator; the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut buffer = Vec::new();
        while let Some((number, batch)) = self.take() {
            let made = self.make(&batch, &mut buffer);
            self.lock().done.insert(number, made);
            self.ready.notify_all();
        }
    }

    /// The next batch to make, when there is room for it.
    fn take(&self) -> Option<(u64, CropBatch)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if state.next < state.wanted + self.depth {
                break;
            }
            state = wait(&self.room, state);
        }
        let number = state.next;
        match state.batches.next() {
            Some(batch) => {
                state.next += 1;
                Some((number, batch))
            }
            None => {
                state.closed = true;
                self.room.notify_all();
                self.ready.notify_all();
                None
            }
        }
    }

    fn make(&self, batch: &CropBatch, buffer: &mut Vec<u8>) -> Result<Vec<u8>> {
        let bytes = self.set.chw().iter().map(|&extent| extent as usize).product();
        let mut images = vec![0; batch.len() * bytes];
        for (&(index, area), out) in batch.iter().zip(images.chunks_exact_mut(bytes)) {
            self.set.crop_with(index, area, out, buffer)?;
        }
        Ok(images)
    }
}

fn wait<'a>(told: &Condvar, state: MutexGuard<'a, QueueState>) -> MutexGuard<'a, QueueState> {
    told.wait(state).unwrap_or_else(PoisonError::into_inner)
}

/// Lets the user's thread know when a worker panics (a bug), instead of waiting for ever.
struct TellsPanic<'a>(&'a Shared);

impl Drop for TellsPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().broken = true;
            self.0.ready.notify_all();
        }
    }
}
