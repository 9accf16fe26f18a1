//! Does the same work for many items, on all cores. The `rayon` crate would need more code here: each thread keeps a
//! state (decoded images go into it), and of several errors the first by number counts.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::error::Result;

/// Number of threads that are worth starting: the processors available.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Results of `work` for 0 to `n - 1`, in order. If several fail, the error of the lowest number is
/// returned.
/// Each thread works with a `state` of its own.
pub(super) fn map<S, T: Send>(
    n: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    each(n, 0..n, state, |state, i, _| work(state, i))
}

/// Lets `work` fill each piece of `size` bytes of `out`, by its number.
///
/// # Errors
/// The errors of `work`; if several fail, that of the lowest number.
pub(super) fn fill<S>(
    out: &mut [u8],
    size: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &mut [u8]) -> Result<()> + Sync,
) -> Result<()> {
    let n = out.len() / size;
    each(n, out.chunks_exact_mut(size), state, work).map(drop)
}

fn each<S, X, T: Send>(
    n: usize,
    items: impl Iterator<Item = X> + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, X) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let items = Mutex::new(items.enumerate());
    let failed = AtomicBool::new(false);
    let worker = || {
        let mut state = state();
        let mut done = Vec::new();
        // Items are taken in order: when one fails, all before it are done or being done.
        while !failed.load(Ordering::Relaxed) {
            let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((i, item)) = item else { break };
            let result = work(&mut state, i, item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((i, result));
        }
        done
    };
    let mut all = thread::scope(|scope| {
        let spawned: Vec<_> = (1..threads().min(n)).map(|_| scope.spawn(worker)).collect();
        let mut all = worker();
        for thread in spawned {
            match thread.join() {
                Ok(done) => all.extend(done),
                // A panic is a bug in `work`: it continues in the caller, as it would without
                // threads.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn results_come_in_order_and_the_first_error_wins() {
        let squares = map(1000, || (), |(), i| Ok(i * i)).unwrap();
        assert_eq!(squares, (0..1000).map(|i| i * i).collect::<Vec<_>>());
        assert!(map(0, || (), |(), i| Ok(i)).unwrap().is_empty());
        let fails = |_: &mut (), i: usize| {
            if i % 100 == 37 { Err(Error::Shape(i.to_string())) } else { Ok(i) }
        };
        for _ in 0..20 {
            assert_eq!(map(1000, || (), fails).unwrap_err().to_string(), "37");
        }
    }

    #[test]
    fn every_piece_is_filled_with_its_number() {
        let mut out = vec![9; 300];
        fill(
            &mut out,
            3,
            || (),
            |(), i, piece| {
                piece.fill(i as u8);
                Ok(())
            },
        )
        .unwrap();
        assert!((0..300).all(|i| usize::from(out[i]) == i / 3));
        let e = fill(&mut out, 3, || (), |(), i, _| Err(Error::Shape(i.to_string())));
        assert_eq!(e.unwrap_err().to_string(), "0");
    }
}
