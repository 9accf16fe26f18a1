//! Intervals in steps or in time, as between two checkpoints.

use crate::words;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

/// Steps or time between two checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub enum Every {
    /// Number of steps.
    Steps(u64),
    /// Number of seconds.
    Seconds(u64),
}

/// Form in files: a number of steps is a number, a time is text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Steps(u64),
    Text(String),
}

impl From<Every> for Written {
    fn from(every: Every) -> Self {
        match every {
            Every::Steps(steps) => Self::Steps(steps),
            Every::Seconds(_) => Self::Text(every.to_string()),
        }
    }
}

impl TryFrom<Written> for Every {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Steps(steps) => steps.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give steps from 1 up, or a time as in 90s, 15m, 2h".to_owned();
        let (digits, unit) = words::timed(text);
        let number: u64 = digits.parse().ok().filter(|&n| n > 0).ok_or_else(wrong)?;
        Ok(match unit {
            None => Self::Steps(number),
            Some(unit) => Self::Seconds(number.checked_mul(unit).ok_or_else(wrong)?),
        })
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Seconds(s) if s.is_multiple_of(3600) => write!(f, "{}h", s / 3600),
            Self::Seconds(s) if s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            Self::Seconds(s) => write!(f, "{s}s"),
        }
    }
}

/// Tells when the next interval is over.
#[derive(Debug)]
pub(super) struct Due {
    every: Every,
    last: Instant,
}

impl Due {
    pub(super) fn new(every: Every) -> Self {
        Self { every, last: Instant::now() }
    }

    /// Whether the interval is over after `step` steps; if so, the next one begins.
    pub(super) fn after(&mut self, step: u64) -> bool {
        let due = match self.every {
            Every::Steps(steps) => step.is_multiple_of(steps),
            Every::Seconds(seconds) => self.last.elapsed() >= Duration::from_secs(seconds),
        };
        if due {
            self.last = Instant::now();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_times_are_read_and_written() {
        for (text, every, written) in [
            ("7", Every::Steps(7), "7"),
            ("90s", Every::Seconds(90), "90s"),
            ("15m", Every::Seconds(900), "15m"),
            ("120m", Every::Seconds(7200), "2h"),
        ] {
            assert_eq!(text.parse(), Ok(every));
            assert_eq!(every.to_string(), written);
            let json = serde_json::to_string(&every).unwrap();
            assert_eq!(serde_json::from_str::<Every>(&json).unwrap(), every, "{json}");
        }
        assert_eq!(serde_json::to_string(&Every::Steps(7)).unwrap(), "7");
        for wrong in
            ["", "0", "0s", "m", "-3", "1.5h", "3d", "99999999999999999999", "9999999999999999h"]
        {
            assert!(wrong.parse::<Every>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Every>("0").is_err());
    }

    #[test]
    fn it_is_time_at_multiples_or_after_so_long() {
        let mut due = Due::new(Every::Steps(3));
        assert_eq!((1..=7).filter(|&step| due.after(step)).collect::<Vec<_>>(), [3, 6]);
        let mut due = Due { every: Every::Seconds(60), last: Instant::now() };
        assert!(!due.after(1));
        due.last = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
        assert!(due.after(2) && !due.after(3));
    }
}
