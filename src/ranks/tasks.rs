//! Tasks that ranks take one at a time, whoever is free.

use super::{Link, RankMessage, receive};
use crate::error::Result;
use std::{collections::VecDeque, time::Duration};

/// Tasks of rank 0, for itself and for the other ranks.
pub struct Tasks<'a> {
    link: &'a dyn Link,
    open: VecDeque<usize>,
    /// The task that each rank is about; none of rank 0's own.
    of_rank: Vec<Option<usize>>,
    /// Answers that have come: rank, task, message.
    answers: Vec<(usize, usize, RankMessage)>,
    /// The message that asks a rank for a task.
    ask: &'a dyn Fn(usize) -> RankMessage,
}

impl<'a> Tasks<'a> {
    /// These tasks, all of them open; `ask` makes the message for one.
    pub fn new(
        link: &'a dyn Link,
        open: Vec<usize>,
        ask: &'a dyn Fn(usize) -> RankMessage,
    ) -> Self {
        let of_rank = vec![None; link.size()];
        Self { link, open: open.into(), of_rank, answers: Vec::new(), ask }
    }

    /// Takes in answers, and gives every rank that is free a task. Somebody should call this often.
    pub fn pump(&mut self) {
        while let Some((rank, message)) = self.link.poll(None, Duration::ZERO) {
            self.take(rank, message);
        }
        for rank in 1..self.of_rank.len() {
            if self.of_rank[rank].is_none()
                && let Some(task) = self.open.pop_front()
            {
                self.of_rank[rank] = Some(task);
                self.link.send(&[rank], &(self.ask)(task));
            }
        }
    }

    fn take(&mut self, rank: usize, message: RankMessage) {
        if let Some(task) = self.of_rank[rank].take() {
            self.answers.push((rank, task, message));
        }
    }

    /// A task for rank 0 itself.
    pub fn own(&mut self) -> Option<usize> {
        self.open.pop_front()
    }

    /// The answers that have come since the last call: rank, task, message.
    pub fn answers(&mut self) -> Vec<(usize, usize, RankMessage)> {
        std::mem::take(&mut self.answers)
    }

    /// Waits for an answer, if a rank is about a task. Returns whether there was one.
    ///
    /// # Errors
    /// Those of [`receive`].
    pub fn wait(&mut self, stop: &dyn Fn() -> bool) -> Result<bool> {
        if self.of_rank.iter().all(Option::is_none) {
            return Ok(false);
        }
        let (rank, message) = receive(self.link, None, stop)?;
        self.take(rank, message);
        Ok(true)
    }
}
