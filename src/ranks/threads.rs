//! Ranks that are threads of one process, for tests.

use super::{Link, RankMessage};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What the others see of a rank.
#[derive(Debug, Default)]
struct Mailbox {
    /// Messages on their way to it, with their senders.
    messages: Mutex<VecDeque<(usize, RankMessage)>>,
    arrived: Condvar,
    left: AtomicBool,
}

/// One of several ranks in a process.
#[derive(Clone, Debug)]
pub struct ThreadLink {
    rank: usize,
    all: Arc<Vec<Mailbox>>,
}

/// Links of `size` ranks to each other.
pub fn links(size: usize) -> Vec<ThreadLink> {
    let all = Arc::new((0..size).map(|_| Mailbox::default()).collect::<Vec<_>>());
    (0..size).map(|rank| ThreadLink { rank, all: Arc::clone(&all) }).collect()
}

impl ThreadLink {
    /// Is from here on, for the others, a rank whose process has ended.
    pub fn leave(&self) {
        self.all[self.rank].left.store(true, Ordering::Relaxed);
    }
}

impl Link for ThreadLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.all.len()
    }

    fn host(&self) -> String {
        "here".into()
    }

    fn send(&self, to: &[usize], message: &RankMessage) {
        for &to in to {
            let Mailbox { messages, arrived, .. } = &self.all[to];
            let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
            messages.push_back((self.rank, message.clone()));
            arrived.notify_all();
        }
    }

    fn poll(&self, from: Option<usize>, patience: Duration) -> Option<(usize, RankMessage)> {
        let fits = |(sender, _): &(usize, RankMessage)| from.is_none_or(|from| from == *sender);
        let Mailbox { messages, arrived, .. } = &self.all[self.rank];
        let messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
        let none = |messages: &mut VecDeque<_>| !messages.iter().any(fits);
        let waited = arrived.wait_timeout_while(messages, patience, none);
        let (mut messages, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let at = messages.iter().position(fits)?;
        messages.remove(at)
    }

    fn lost(&self) -> Option<usize> {
        self.all.iter().position(|rank| rank.left.load(Ordering::Relaxed))
    }

    fn abort(&self, code: u8) -> ! {
        std::process::exit(code.into())
    }
}
