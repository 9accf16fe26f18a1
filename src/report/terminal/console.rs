//! Shows events: on a terminal as a progress bar, elsewhere as plain lines at intervals.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use super::progress::{self, Pace, Unit};
use crate::{
    error::Result,
    report::{
        documents::event::{
            Evaluated, Evaluating, Event, Finished, Outcome, Recovered, Sink, Started, Step,
        },
        terminal,
    },
    words::{self, duration},
};

/// How much the console says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// The console shows all events.
    #[default]
    Normal,
    /// The console shows nothing (`--quiet`); the command itself prints errors.
    Quiet,
}

impl Verbosity {
    /// What the flag `--quiet` means.
    pub fn of_flag(quiet: bool) -> Self {
        if quiet { Self::Quiet } else { Self::Normal }
    }
}

/// Shows on stderr what a run does; stdout is for results.
///
/// A closed stderr must not stop a run, so errors of writing are ignored.
pub struct Console {
    out: Box<dyn Write + Send>,
    bar: Option<ProgressBar>,
    verbosity: Verbosity,
    every: Duration,
    last: Option<Instant>,
    /// Pace of the running evaluation.
    pace: Option<Pace>,
}

impl Console {
    /// A console on stderr: a progress bar if it is a terminal, in colour unless `NO_COLOR` is
    /// set.
    pub fn stderr(verbosity: Verbosity) -> Self {
        let shown = terminal::is_watched() && verbosity == Verbosity::Normal;
        let bar = shown.then(|| progress::bar(terminal::draw_target(true), None));
        let mut console = Self::lines(terminal::stderr(), verbosity, progress::EVERY);
        console.bar = bar;
        console
    }

    /// A console that writes plain lines; lines about steps are at least `every` apart.
    pub fn lines(out: Box<dyn Write + Send>, verbosity: Verbosity, every: Duration) -> Self {
        Self { out, bar: None, verbosity, every, last: None, pace: None }
    }

    fn say(&mut self, line: &str) {
        let out = &mut self.out;
        let mut write = || {
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn step(&mut self, s: &Step) {
        if let Some(bar) = &self.bar {
            bar.set_length(s.steps);
            bar.set_position(s.step);
            // A narrow terminal cuts off the end of the line, so the most important parts come
            // first.
            let left = duration(s.seconds_left);
            bar.set_message(format!("{left} left  {}/{}  {}", s.step, s.steps, step_message(s)));
            return;
        }
        let due = self.last.is_none_or(|last| last.elapsed() >= self.every);
        if due || s.step == s.steps {
            self.last = Some(Instant::now());
            let (position, left) = (format!("{}/{}", s.step, s.steps), duration(s.seconds_left));
            self.say(&format!(
                "step {position} (epoch {})  {}  {left} left",
                s.epoch,
                step_message(s)
            ));
        }
    }

    fn started(&mut self, s: &Started) {
        if let Some(bar) = &self.bar {
            bar.set_length(s.steps);
            bar.set_position(s.done);
        }
        self.say(&s.title);
        self.say(&format!("adapter: {}", s.adapter));
        for line in &s.plan {
            self.say(&format!("  {line}"));
        }
    }

    /// Writes a line about a running evaluation at intervals. It has no bar, since the bar counts steps.
    fn evaluating(&mut self, e: &Evaluating) {
        let now = Instant::now();
        if e.done == 0 {
            self.pace = None;
        }
        let pace =
            self.pace.get_or_insert_with(|| Pace::new(Unit::Many("images"), Some(e.all), now));
        if let Some(line) = pace.at(now, e.done) {
            self.say(&format!("evaluating: {line}"));
        }
        if e.done >= e.all {
            self.pace = None;
        }
    }

    fn finished(&mut self, f: &Finished) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let how = match f.outcome {
            Outcome::Complete => "done",
            Outcome::Interrupted => "interrupted",
        };
        self.say(&format!("{how} after {} steps in {}", f.step, duration(f.seconds)));
        for file in &f.files {
            self.say(&format!("  {}", file.display()));
        }
    }
}

impl Sink for Console {
    fn event(&mut self, event: &Event) -> Result<()> {
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        match event {
            Event::Started(s) => self.started(s),
            Event::Step(s) => self.step(s),
            Event::Evaluated(e) => self.say(&evaluation(e)),
            Event::Evaluating(e) => self.evaluating(e),
            Event::Note(text) => self.say(text),
            Event::Checkpoint(path) => self.say(&checkpoint(path)),
            Event::Recovered(r) => self.say(&recovery(r)),
            Event::Finished(f) => self.finished(f),
        }
        Ok(())
    }
}

impl Drop for Console {
    /// Removes the bar of a run that failed.
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn step_message(s: &Step) -> String {
    let mut text = format!("loss {:.3}", s.loss_clean);
    if let Some(loss) = s.loss_perturbed {
        text += &format!(" clean, {loss:.3} perturbed");
    }
    if let Some(rate) = s.flip_rate {
        text += &format!("  flips {}", words::share(rate, 1));
    }
    text + &format!("  {:.0} images/s, {:.0} ms/step", s.images_per_s, s.step_ms)
}

fn evaluation(e: &Evaluated) -> String {
    let what = if e.agreement { ", agreement with the clean network" } else { "" };
    let mut text = format!("step {}, {}{what}:", e.step, e.split);
    let values = [
        ("CA", e.accuracy),
        ("PA", e.perturbed),
        ("CA(NF)", e.accuracy_nf),
        ("PA(NF)", e.perturbed_nf),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            text += &format!("  {name} {}", words::percent(value));
        }
    }
    text
}

fn checkpoint(path: &Path) -> String {
    format!("checkpoint: {}", path.display())
}

fn recovery(r: &Recovered) -> String {
    let slower = match r.lr_factor {
        1.0 => String::new(),
        factor => format!(", at {factor} times the learning rate"),
    };
    format!("recovery {}: {}; going on after step {}{slower}", r.recovery, r.reason, r.step)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use std::io;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn run() -> Vec<Event> {
        let step = |step| {
            Event::Step(Step {
                step,
                steps: 3,
                epoch: 1,
                loss_clean: 0.912,
                distance: false,
                loss_perturbed: Some(2.25),
                lr: 5e-3,
                images_per_s: 63.6,
                step_ms: 1006.0,
                flip_rate: Some(0.00502),
                seconds_left: 185.0,
            })
        };
        let evaluated = Evaluated {
            step: 3,
            perturbed: Some(34.2),
            perturbed_nf: Some(56.04),
            split: "held-out".into(),
            ..Evaluated::default()
        };
        vec![
            Event::Started(Started {
                title: "ConvS".into(),
                adapter: "llvmpipe".into(),
                plan: vec!["2 copies".into()],
                ..Started::default()
            }),
            step(1),
            step(2),
            step(3),
            Event::Evaluated(evaluated),
            Event::Checkpoint("runs/x/checkpoint.safetensors".into()),
            Event::Finished(Finished { step: 3, seconds: 9.3, ..Finished::default() }),
        ]
    }

    fn printed(verbosity: Verbosity, every: Duration) -> String {
        let out = Shared::default();
        let mut console = Console::lines(Box::new(out.clone()), verbosity, every);
        run().iter().for_each(|e| console.event(e).unwrap());
        let bytes = out.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn plain_lines_are_few_and_the_first_and_last_step_are_among_them() {
        let text = printed(Verbosity::Normal, Duration::from_secs(3600));
        let wanted = "\
ConvS
adapter: llvmpipe
  2 copies
step 1/3 (epoch 1)  loss 0.912 clean, 2.250 perturbed  flips 0.502 %  64 images/s, 1006 ms/step  3 min 05 s left
step 3/3 (epoch 1)  loss 0.912 clean, 2.250 perturbed  flips 0.502 %  64 images/s, 1006 ms/step  3 min 05 s left
step 3, held-out:  PA 34.2 %  PA(NF) 56.0 %
checkpoint: runs/x/checkpoint.safetensors
done after 3 steps in 9.3 s
";
        assert_eq!(text, wanted);
        assert!(printed(Verbosity::Normal, Duration::ZERO).contains("step 2/3"));
    }

    #[test]
    fn quiet_is_quiet_and_a_closed_stderr_stops_nothing() {
        assert_eq!(printed(Verbosity::Quiet, Duration::ZERO), "");
        let mut console = Console::lines(Box::new(Closed), Verbosity::Normal, Duration::ZERO);
        run().iter().for_each(|e| console.event(e).unwrap());
    }
}
