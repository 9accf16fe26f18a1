//! Shows the progress of a long command: a bar on a terminal, elsewhere a line every ten seconds.

use crate::{
    report::terminal,
    words::{bytes, duration},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    cell::RefCell,
    collections::VecDeque,
    env,
    time::{Duration, Instant},
};

/// Time between two lines where no bar is drawn.
pub(crate) const EVERY: Duration = Duration::from_secs(10);
/// Number of notes from which the speed is computed: one per line, beginning with the first count. The time
/// before the first count is spent on compiling pipelines, and results from a journal are counted at once:
/// neither says anything about the rest.
const MEMORY: usize = 6;

/// The unit in which progress is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things with this name in the plural.
    Many(&'static str),
    /// Bytes, which are shown in megabytes.
    Bytes,
    /// Seconds: the work ends when the time does.
    Seconds,
}

/// Shows the progress of a command on stderr, or nothing in quiet mode.
pub(crate) struct Progress {
    shown: Shown,
    pace: RefCell<Pace>,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines,
}

impl Progress {
    /// Begins with 0 of `total`, which may be unknown.
    pub(crate) fn new(quiet: bool, unit: Unit, total: Option<u64>) -> Self {
        let shown = match (quiet, terminal::is_watched()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(bar(terminal::draw_target(true), total)),
            (false, false) => Shown::Lines,
        };
        Self { shown, pace: RefCell::new(Pace::new(unit, total, Instant::now())) }
    }

    /// Sets a description of the current work, such as the current case.
    pub(crate) fn doing(&self, what: &str) {
        what.clone_into(&mut self.pace.borrow_mut().doing);
        self.show();
    }

    /// Adds to the count.
    pub(crate) fn add(&self, more: u64) {
        self.pace.borrow_mut().done += more;
        self.show();
    }

    /// Sets the count and the total, which may be unknown.
    pub(crate) fn set(&self, done: u64, total: Option<u64>) {
        let mut pace = self.pace.borrow_mut();
        (pace.done, pace.total) = (done, total);
        drop(pace);
        self.show();
    }

    /// Begins a new count for another piece of work.
    pub(crate) fn restart(&self) {
        let mut pace = self.pace.borrow_mut();
        *pace = Pace::new(pace.unit, None, Instant::now());
    }

    /// Hides the bar while `write` writes something else.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(write),
            Shown::Nothing | Shown::Lines => write(),
        }
    }

    /// Prints a line that stays.
    pub(crate) fn say(&self, line: &str) {
        if !matches!(self.shown, Shown::Nothing) {
            self.aside(|| terminal::say(line));
        }
    }

    fn show(&self) {
        let mut pace = self.pace.borrow_mut();
        let now = Instant::now();
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => pace.line(now).iter().for_each(|line| terminal::say(line)),
            Shown::Bar(bar) => {
                pace.remember(now);
                bar.set_length(pace.total.unwrap_or(0));
                bar.set_position(pace.done);
                bar.set_message(pace.message(now));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// A bar, followed by as much of the message as the terminal has room for. It is coloured unless `NO_COLOR`
/// is set.
pub(crate) fn bar(target: ProgressDrawTarget, total: Option<u64>) -> ProgressBar {
    let colour = env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let template = match colour {
        true => "{bar:16.cyan/blue} {wide_msg}",
        false => "{bar:16} {wide_msg}",
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─");
    ProgressBar::with_draw_target(Some(total.unwrap_or(0)), target).with_style(style)
}

/// Decides when the next line is due, and what it says.
#[derive(Debug)]
pub(crate) struct Pace {
    unit: Unit,
    total: Option<u64>,
    done: u64,
    doing: String,
    said: Instant,
    /// Times and counts, from the first count or the last few lines on.
    known: VecDeque<(Instant, u64)>,
}

impl Pace {
    pub(crate) fn new(unit: Unit, total: Option<u64>, now: Instant) -> Self {
        Self { unit, total, done: 0, doing: String::new(), said: now, known: VecDeque::new() }
    }

    /// Sets the count, and returns the line about it if one is due.
    pub(crate) fn at(&mut self, now: Instant, done: u64) -> Option<String> {
        self.done = done;
        self.line(now)
    }

    fn line(&mut self, now: Instant) -> Option<String> {
        self.note_first(now);
        if now.saturating_duration_since(self.said) < EVERY {
            return None;
        }
        let message = self.message(now);
        self.said = now;
        self.remember(now);
        Some(message)
    }

    /// Records the time of the first count.
    fn note_first(&mut self, now: Instant) {
        if self.known.is_empty() && self.done > 0 {
            self.known.push_back((now, self.done));
        }
    }

    /// Records the current count if the last record is old enough.
    fn remember(&mut self, now: Instant) {
        self.note_first(now);
        let last = self.known.back().map_or(now, |&(at, _)| at);
        if now.saturating_duration_since(last) >= EVERY {
            self.known.push_back((now, self.done));
            if self.known.len() > MEMORY {
                self.known.pop_front();
            }
        }
    }

    /// Estimated seconds until the end, at the recent speed; `None` before the count has grown a second time.
    fn left(&self, now: Instant) -> Option<f64> {
        let rest = self.total?.saturating_sub(self.done);
        if self.unit == Unit::Seconds {
            return Some(rest as f64);
        }
        let &(begin, before) = self.known.front()?;
        let (seconds, done) = ((now - begin).as_secs_f64(), self.done.saturating_sub(before));
        (done > 0 && seconds > 0.0).then(|| rest as f64 * seconds / done as f64)
    }

    /// The time left comes first, because a line that is too long loses its end.
    fn message(&self, now: Instant) -> String {
        let left = self.left(now).map(|left| format!("{} left", duration(left)));
        let count = match (self.unit, self.total) {
            (Unit::Seconds, _) => None,
            (Unit::Bytes, Some(all)) => Some(format!("{} of {}", bytes(self.done), bytes(all))),
            (Unit::Bytes, None) => Some(bytes(self.done)),
            (Unit::Many(name), Some(all)) => Some(format!("{} of {all} {name}", self.done)),
            (Unit::Many(name), None) => Some(format!("{} {name}", self.done)),
        };
        let doing = Some(self.doing.clone()).filter(|text| !text.is_empty());
        [left, count, doing].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[test]
    fn a_line_is_due_every_ten_seconds_and_says_what_is_left() {
        let begin = Instant::now();
        let after = |seconds: f64| begin + Duration::from_secs_f64(seconds);
        let mut pace = Pace::new(Unit::Many("images"), Some(1000), begin);
        assert_eq!(pace.at(after(0.0), 0), None);
        assert_eq!(pace.at(after(9.9), 99), None);
        assert_eq!(pace.at(after(10.0), 100).unwrap(), "1 min 30 s left, 100 of 1000 images");
        assert_eq!(pace.at(after(19.9), 200), None);
        pace.doing = "map 3".into();
        assert_eq!(
            pace.at(after(20.0), 200).unwrap(),
            "1 min 20 s left, 200 of 1000 images, map 3"
        );
        assert_eq!(pace.at(after(30.0), 1000).unwrap(), "0.0 s left, 1000 of 1000 images, map 3");
    }

    #[test]
    fn the_first_count_says_nothing_of_the_speed() {
        let begin = Instant::now();
        let mut pace = Pace::new(Unit::Many("images"), Some(1000), begin);
        // The pipelines and the first hundred take a minute, the next hundred takes a second.
        assert_eq!(pace.at(begin + 6 * EVERY, 100).unwrap(), "100 of 1000 images");
        assert_eq!(pace.at(begin + 6 * EVERY + EVERY / 10, 200), None);
        assert_eq!(pace.message(begin + 6 * EVERY + EVERY / 10), "8.0 s left, 200 of 1000 images");
        // The same holds at a terminal.
        let mut pace = Pace::new(Unit::Many("images"), Some(1000), begin);
        for (seconds, done, says) in [
            (5, 0, "0 of 1000 images"),
            (60, 100, "100 of 1000 images"),
            (60, 100, "100 of 1000 images"),
            (61, 200, "8.0 s left, 200 of 1000 images"),
        ] {
            let now = begin + Duration::from_secs(seconds);
            pace.done = done;
            pace.remember(now);
            assert_eq!(pace.message(now), says);
        }
    }

    #[test]
    fn what_a_journal_knew_is_not_counted() {
        let begin = Instant::now();
        let mut pace = Pace::new(Unit::Many("images"), Some(2000), begin);
        // A journal gives a thousand at once, after that there is one per second.
        let lines = (1..=8u64).map(|i| pace.at(begin + EVERY * i as u32, 1000 + 10 * i).unwrap());
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines[0], "1010 of 2000 images");
        assert!(lines[1].starts_with("16 min 20 s left, 1020 of 2000"), "{lines:?}");
        assert!(lines[7].starts_with("15 min 20 s left, 1080 of 2000"), "{lines:?}");
    }

    #[test]
    fn without_a_total_only_what_is_done_is_said() {
        let begin = Instant::now();
        let mut pace = Pace::new(Unit::Bytes, None, begin);
        assert_eq!(pace.at(begin + EVERY, 12_300_000).unwrap(), "12.3 MB");
        pace.total = Some(24_300_000);
        assert_eq!(
            pace.at(begin + 2 * EVERY, 18_300_000).unwrap(),
            "10 s left, 18.3 MB of 24.3 MB"
        );
        let mut pace = Pace::new(Unit::Seconds, Some(90), begin);
        assert_eq!(pace.at(begin + EVERY, 10).unwrap(), "1 min 20 s left");
        let mut nothing = Pace::new(Unit::Many("cases"), Some(9), begin);
        assert_eq!(nothing.at(begin + EVERY, 0).unwrap(), "0 of 9 cases");
    }

    /// A terminal with a number of columns, and everything that was written to it.
    #[derive(Clone, Debug)]
    struct Screen(u16, Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            self.0
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.1.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of a bar with a long message on a terminal of this width.
    fn drawn(width: u16) -> Vec<String> {
        let screen = Screen(width, Arc::default());
        let bar = bar(ProgressDrawTarget::term_like(Box::new(screen.clone())), Some(10));
        bar.set_position(5);
        bar.set_message("3 min 20 s left, 5 of 10 images, a case of a very long name ".repeat(3));
        bar.tick();
        let text = screen.1.lock().unwrap().clone();
        text.lines().filter(|line| line.contains("left")).map(str::to_owned).collect()
    }

    #[test]
    fn a_bar_takes_one_line_of_any_terminal() {
        for width in [40, 60, 80] {
            let lines = drawn(width);
            assert!(!lines.is_empty());
            for line in lines {
                let long = line.trim_end().chars().count();
                assert!(long <= width.into(), "{width}: {long} of {line:?}");
                assert!(line.contains("3 min 20 s left"), "{width}: {line:?}");
            }
        }
    }
}
