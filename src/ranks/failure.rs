//! An error of a rank on its way to rank 0, which tells it to the user.

use super::{FIRST, Link, RankMessage, check};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    iter::successors,
    thread,
    time::{Duration, Instant},
};

/// What a rank answers to rank 0.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply<T> {
    /// As it was asked.
    Done(T),
    /// It cannot go on.
    Failed(RankFailure),
}

/// Why a rank cannot go on.
#[derive(Debug, Serialize, Deserialize)]
pub struct RankFailure {
    host: String,
    message: String,
    hint: Option<String>,
    code: u8,
}

/// Time between two looks whether rank 0 is still there.
const LOOK: Duration = Duration::from_millis(50);

/// Longest time that a rank which cannot go on waits for rank 0 to end the job.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells rank 0 an error, and returns it where rank 0 does not end the job, so that this rank does.
pub fn tell(link: &dyn Link, error: Error) -> Error {
    if is_of_first(&error) {
        return error;
    }
    let source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    let causes = successors(source, |cause| cause.source());
    let message = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    let (host, hint, code) = (link.host(), error.hint(), error.exit_code());
    let failed = Reply::<()>::Failed(RankFailure { host, message, hint, code });
    link.send(&[FIRST], &RankMessage::new(&failed, &[]));
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        // Rank 0 has told the error, and ended.
        if let Err(ended) = check(link, &|| false) {
            return ended;
        }
        thread::sleep(LOOK);
    }
    error
}

/// Whether the error of a rank is that rank 0 has ended, which its launcher tells the user.
pub fn is_of_first(error: &Error) -> bool {
    matches!(error, Error::Rank { rank: FIRST, .. })
}

/// The answer of a rank, with the body of its message.
///
/// # Errors
/// [`Error::Rank`]: it cannot go on. It is of another version.
pub fn answer<T: DeserializeOwned>(rank: usize, message: &RankMessage) -> Result<(T, &[u8])> {
    match message.read()? {
        (Reply::Done(answer), body) => Ok((answer, body)),
        (Reply::Failed(RankFailure { host, message, hint, code }), _) => {
            Err(Error::Rank { rank, host, message, hint, code })
        }
    }
}
