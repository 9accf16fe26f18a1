//! `metrics.jsonl`: one JSON object per step, evaluation or recovery.
//!
//! ```json
//! {"epoch":1,"event":"step","loss_clean":0.9,"lr":0.005,"step":1,"time":1770000000.25,...}
//! {"accuracy_nf":61.5,"epoch":1,"event":"evaluation","split":"held-out","step":50,...}
//! ```

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};

use super::event::{Event, Sink};
use crate::{
    error::{Error, Result},
    files::atomic,
};

/// A line: the event, and the whole JSON object, which may be of an unknown kind or have unknown fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Unix time in seconds.
    pub time: f64,
    /// Step, evaluation or recovery; `None` for a kind of event that this version does not know.
    pub event: Option<Event>,
    /// The whole object.
    pub object: Map<String, Value>,
}

impl Line {
    /// The line for a step, an evaluation or a recovery; other events have none.
    pub fn new(time: f64, event: &Event) -> Option<Self> {
        let kept = matches!(event, Event::Step(_) | Event::Evaluated(_) | Event::Recovered(_));
        let mut object = kept.then(|| event.document())?;
        object.insert("time".into(), time.into());
        Some(Self { time, event: Some(event.clone()), object })
    }

    /// Parses a line.
    ///
    /// # Errors
    /// A description of the fault: the line is not a JSON object with `event` and `time`, or lacks a field
    /// that its kind of event must have.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let kind = object.get("event").and_then(Value::as_str).ok_or("it has no \"event\"")?;
        let time = object.get("time").and_then(Value::as_f64).ok_or("it has no \"time\"")?;
        let value = || Value::Object(object.clone());
        let event = match kind {
            "step" => serde_json::from_value(value()).map(|e| Some(Event::Step(e))),
            "evaluation" => serde_json::from_value(value()).map(|e| Some(Event::Evaluated(e))),
            "recovery" => serde_json::from_value(value()).map(|e| Some(Event::Recovered(e))),
            _ => Ok(None),
        };
        Ok(Self { time, event: event.map_err(|e| e.to_string())?, object })
    }

    fn text(&self) -> String {
        serde_json::to_string(&self.object).unwrap_or_default() + "\n"
    }

    fn is_test(&self) -> bool {
        matches!(&self.event, Some(Event::Evaluated(e)) if e.split == "test")
    }

    fn step(&self) -> Option<u64> {
        self.object.get("step").and_then(Value::as_u64)
    }
}

/// Appends steps, evaluations and recoveries to a file, each as a whole line.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    /// The open file; `None` before the first event.
    file: Option<File>,
    /// Number of bytes in whole lines.
    end: u64,
    /// Whether a recovery keeps evaluations of the `test` split: a pretraining has no other ones on the way.
    keeps_tests: bool,
}

impl JsonLines {
    /// Creates an empty file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let mut lines =
            Self { path: path.as_ref().to_owned(), file: None, end: 0, keeps_tests: false };
        lines.start()?;
        Ok(lines)
    }

    /// For a run that may have a checkpoint: the first event decides whether the file is started or
    /// continued. Before that nothing is touched.
    pub fn begin(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), file: None, end: 0, keeps_tests: true }
    }

    fn start(&mut self) -> Result<()> {
        self.file = Some(File::create(&self.path).map_err(|e| Error::write(&self.path, e))?);
        self.end = 0;
        Ok(())
    }

    /// Continues a file after `step`. Lines of later steps are removed, because the steps will be done again;
    /// so are all evaluations of the `test` split, with which a run ends, and the half line that a crash may
    /// leave at the end. A missing file is created.
    pub fn resume(path: impl AsRef<Path>, step: u64) -> Result<Self> {
        let mut lines =
            Self { path: path.as_ref().to_owned(), file: None, end: 0, keeps_tests: false };
        lines.go_on(step, 0)?;
        Ok(lines)
    }

    /// Continues after `step`; evaluations of the `test` split from step `last` on are removed.
    fn go_on(&mut self, step: u64, last: u64) -> Result<()> {
        // A missing file, a pipe or a device has no lines that could be kept.
        if !self.path.is_file() {
            return self.start();
        }
        let again = |line: &Line| {
            let at = line.step().unwrap_or(0);
            at > step || line.is_test() && at >= last
        };
        let kept = load(&self.path)?;
        let kept: String = kept.iter().filter(|line| !again(line)).map(Line::text).collect();
        atomic::write(&self.path, &kept)?;
        let open = || {
            let mut file = File::options().write(true).open(&self.path)?;
            Ok((file.seek(SeekFrom::End(0))?, file))
        };
        let (end, file) = open().map_err(|e| Error::write(&self.path, e))?;
        (self.file, self.end) = (Some(file), end);
        Ok(())
    }

    fn append(&mut self, line: &str) -> Result<()> {
        if self.file.is_none() {
            self.start()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file.write_all(line.as_bytes());
        if written.is_ok() {
            self.end += line.len() as u64;
        } else {
            // Removes the part of the line that was written.
            let _ = file.set_len(self.end);
            let _ = file.seek(SeekFrom::Start(self.end));
        }
        written.map_err(|e| Error::write(&self.path, e))
    }
}

impl Sink for JsonLines {
    fn event(&mut self, event: &Event) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Milliseconds are precise enough.
        let time = now.as_millis() as f64 / 1e3;
        match event {
            // The run failed before its first event, so nothing in the file belongs to it.
            Event::Recovered(recovered) if self.file.is_none() && recovered.step == 0 => {
                self.start()?;
            }
            // Lines of steps that are done again must appear once.
            Event::Recovered(recovered) => {
                let last = if self.keeps_tests { u64::MAX } else { 0 };
                self.go_on(recovered.step, last)?;
            }
            Event::Started(started) if self.file.is_none() && started.done > 0 => {
                self.go_on(started.done, started.steps)?;
            }
            Event::Started(_) if self.file.is_none() => self.start()?,
            _ => {}
        }
        match Line::new(time, event) {
            Some(line) => self.append(&line.text()),
            None => Ok(()),
        }
    }
}

/// Reads all whole lines of a file. A last line without its newline is skipped, because a crash cut it off.
///
/// # Errors
/// [`Error::Read`]; [`Error::Format`] with the number of a line that is not a metrics line.
pub fn load(path: impl AsRef<Path>) -> Result<Vec<Line>> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|e| Error::read(path, e))?;
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let text = String::from_utf8_lossy(&bytes[..whole]);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            Line::parse(line).map_err(|what| {
                let hint = "delete the line; the others stay usable";
                Error::format(path, format!("line {} is damaged: {what}", i + 1), hint)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::event::{Evaluated, Recovered, Started, Step};

    fn step(step: u64) -> Event {
        Event::Step(Step { step, steps: 9, epoch: 1, loss_clean: 0.1, lr: 5e-3, ..Step::default() })
    }

    #[test]
    fn steps_and_evaluations_come_back_and_other_events_have_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let events = [
            step(1),
            Event::Note("no line".into()),
            Event::Evaluated(Evaluated {
                step: 1,
                accuracy_nf: Some(61.5),
                split: "held-out".into(),
                ..Evaluated::default()
            }),
        ];
        let mut lines = JsonLines::create(&path).unwrap();
        events.iter().for_each(|e| lines.event(e).unwrap());
        let back = load(&path).unwrap();
        let back: Vec<_> = back.into_iter().map(|l| l.event.unwrap()).collect();
        assert_eq!(back, [events[0].clone(), events[2].clone()]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains("perturbed"), "what was not measured is absent: {text}");
    }

    #[test]
    fn unknown_fields_and_events_survive() {
        let known = r#"{"epoch":1,"event":"evaluation","new":[1,{"a":null}],"split":"test","step":3,"time":1.5}"#;
        let unknown = r#"{"event":"weather","sun":true,"time":2.0}"#;
        for text in [known, unknown] {
            assert_eq!(Line::parse(text).unwrap().text().trim_end(), text);
        }
        assert!(matches!(Line::parse(known).unwrap().event, Some(Event::Evaluated(_))));
        assert_eq!(Line::parse(unknown).unwrap().event, None);
    }

    #[test]
    fn a_loss_that_is_nan_stays_nan() {
        let event = Event::Step(Step { loss_clean: f32::NAN, ..Step::default() });
        let text = Line::new(1.0, &event).unwrap().text();
        let Some(Event::Step(back)) = Line::parse(&text).unwrap().event else { panic!("{text}") };
        assert!(back.loss_clean.is_nan());
    }

    #[test]
    fn resume_drops_later_steps_the_last_evaluation_and_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut lines = JsonLines::create(&path).unwrap();
        let last =
            Event::Evaluated(Evaluated { step: 3, split: "test".into(), ..Evaluated::default() });
        (1..=5).for_each(|s| lines.event(&step(s)).unwrap());
        lines.event(&last).unwrap();
        drop(lines);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text += r#"{"event":"step","st"#;
        std::fs::write(&path, text).unwrap();
        let mut lines = JsonLines::resume(&path, 3).unwrap();
        lines.event(&step(4)).unwrap();
        let steps: Vec<_> = load(&path).unwrap().iter().map(|l| l.step().unwrap()).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
    }

    #[test]
    fn a_run_with_a_checkpoint_keeps_what_it_has_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let started = |done| Event::Started(Started { steps: 6, done, ..Started::default() });
        let test = |step| {
            Event::Evaluated(Evaluated { step, split: "test".into(), ..Evaluated::default() })
        };
        let put = |events: &[Event]| {
            let mut lines = JsonLines::begin(&path);
            events.iter().for_each(|event| lines.event(event).unwrap());
        };
        let steps = || -> Vec<_> {
            load(&path).unwrap().iter().map(|l| (l.step().unwrap(), l.is_test())).collect()
        };
        std::fs::write(&path, "of something else").unwrap();
        put(&[]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "of something else");
        put(&[started(0), step(1), step(2), test(2), step(3), step(4)]);
        // The run was killed after step 4, and its checkpoint is of step 2.
        put(&[started(2), step(3), step(4), test(4), step(5), step(6), test(6)]);
        let whole =
            [(2, true), (3, false), (4, false), (4, true), (5, false), (6, false), (6, true)];
        let whole = [&[(1, false), (2, false)], &whole[..]].concat();
        assert_eq!(steps(), whole);
        // A complete run that is started again is only evaluated again.
        put(&[started(6), test(6)]);
        assert_eq!(steps(), whole);
        let recovered = Event::Recovered(Recovered { step: 4, ..Recovered::default() });
        put(&[started(4), step(5), recovered, started(4)]);
        assert_eq!(steps(), [&whole[..6], &[(4, false)]].concat());
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        for bad in ["no json", "[]", r#"{"time":1}"#, r#"{"event":"step","time":1,"step":"x"}"#] {
            std::fs::write(&path, format!("{{\"event\":\"x\",\"time\":1}}\n{bad}\n")).unwrap();
            let error = load(&path).unwrap_err();
            assert!(error.to_string().contains("line 2 is damaged"), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let error = JsonLines::create("/dev/full").unwrap().event(&step(1)).unwrap_err();
        assert!(error.hint().unwrap().contains("disk is full"), "{error}");
    }
}
