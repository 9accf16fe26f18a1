//! The numbers of `metrics.jsonl` as a file of events for TensorBoard: records with checksums (the format of
//! `TFRecord`), each of them an `Event` of `tensorflow/core/util/event.proto` in the wire format of protocol buffers.
//!
//! A record is its length as 8 bytes, the checksum of these, the bytes of the event, and their checksum, all from the
//! lowest byte on. Every number of a line becomes a scalar, called `step/loss_clean` or `evaluation/test/accuracy_nf`.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::{
    event::{Event, Sink},
    jsonl::{self, Line},
};
use crate::{
    error::{Error, Result},
    files::{atomic, protobuf::Message},
};

/// Numbers of a line that are no curves.
const NO_CURVES: [&str; 5] = ["time", "step", "steps", "epoch", "seconds_left"];

/// Appends steps, evaluations and recoveries to a file of events, which always has the lines of `metrics.jsonl`.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    metrics: PathBuf,
    file: File,
}

impl TensorBoard {
    /// Writes the lines that `metrics` has, and goes on behind them.
    ///
    /// # Errors
    /// The metrics cannot be read, or the file cannot be written.
    pub fn resume(path: impl Into<PathBuf>, metrics: impl Into<PathBuf>) -> Result<Self> {
        let (path, metrics) = (path.into(), metrics.into());
        let file = rewritten(&path, &metrics)?;
        Ok(Self { path, metrics, file })
    }
}

impl Sink for TensorBoard {
    /// Takes an event that the writer of `metrics.jsonl` has taken before.
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Event::Recovered(_) = event {
            // Steps that are done again have been taken out of the metrics.
            self.file = rewritten(&self.path, &self.metrics)?;
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let Some(line) = Line::new(now, event) else { return Ok(()) };
        // One call, so that a reader meets no half record.
        self.file.write_all(&of_line(&line)).map_err(|e| Error::write(&self.path, e))
    }
}

/// Writes the file anew from the metrics, and opens its end.
fn rewritten(path: &Path, metrics: &Path) -> Result<File> {
    let lines = if metrics.is_file() { jsonl::load(metrics)? } else { Vec::new() };
    let began = lines.first().map_or(0.0, |line| line.time);
    let mut bytes = record(&Message::default().double(1, began).text(3, "brain.Event:2").0);
    lines.iter().for_each(|line| bytes.extend(of_line(line)));
    atomic::write(path, bytes)?;
    File::options().append(true).open(path).map_err(|e| Error::write(path, e))
}

/// The record of a line, or nothing for a line without numbers.
fn of_line(line: &Line) -> Vec<u8> {
    let text = |name: &str| line.object.get(name).and_then(Value::as_str);
    let kind = text("event").unwrap_or_default();
    let group = text("split").map_or_else(|| kind.to_owned(), |split| format!("{kind}/{split}"));
    let mut summary = Message::default();
    for (name, value) in &line.object {
        if let Some(number) = value.as_f64().filter(|_| !NO_CURVES.contains(&&**name)) {
            let scalar = Message::default().text(1, &format!("{group}/{name}"));
            summary = summary.message(1, &scalar.float(2, number as f32));
        }
    }
    if summary.0.is_empty() {
        return Vec::new();
    }
    let step = line.object.get("step").and_then(Value::as_i64).unwrap_or_default();
    record(&Message::default().double(1, line.time).int(2, step).message(5, &summary).0)
}

/// A record that holds these bytes.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), bytes, &masked(bytes)].concat()
}

/// The checksum of a record's part, turned and shifted so that a checksum of checksums means something.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli), reflected.
fn crc32c(bytes: &[u8]) -> u32 {
    let shifted = |crc: u32, _| crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), shifted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::event::{Evaluated, Recovered, Step};
    use crate::report::documents::jsonl::JsonLines;

    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        // RFC 3720, B.4, masked.
        assert_eq!(
            masked(&[0xff; 32]),
            0x62a8_ab43_u32.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
        );
    }

    /// The events of a file, each as its bytes; its checksums must hold.
    fn events(path: &Path) -> Vec<Vec<u8>> {
        let mut bytes = &std::fs::read(path).unwrap()[..];
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(bytes[8..12], masked(&bytes[..8]));
            let event = &bytes[12..12 + length];
            assert_eq!(bytes[12 + length..16 + length], masked(event));
            found.push(event.to_vec());
            bytes = &bytes[16 + length..];
        }
        found
    }

    #[test]
    fn the_file_has_the_lines_of_the_metrics() {
        let folder = tempfile::tempdir().unwrap();
        let (path, metrics) = (folder.path().join("board"), folder.path().join("metrics.jsonl"));
        let mut lines = JsonLines::create(&metrics).unwrap();
        let mut board = TensorBoard::resume(&path, &metrics).unwrap();
        let step = |step| Event::Step(Step { step, loss_clean: 0.5, ..Step::default() });
        let mut tell = |board: &mut TensorBoard, event: Event| {
            lines.event(&event).unwrap();
            board.event(&event).unwrap();
        };
        (1..=3).for_each(|i| tell(&mut board, step(i)));
        let test = Evaluated {
            step: 3,
            accuracy: Some(90.0),
            split: "test".into(),
            ..Evaluated::default()
        };
        tell(&mut board, Event::Evaluated(test));
        tell(&mut board, Event::Note("nothing".into()));
        let written = events(&path);
        assert_eq!(written.len(), 1 + 4);
        assert!(written[0].ends_with(b"brain.Event:2"));
        let has = |event: &[u8], part: &[u8]| event.windows(part.len()).any(|w| w == part);
        let scalar = Message::default().text(1, "step/loss_clean").float(2, 0.5);
        assert!(has(&written[1], &scalar.0), "{:?}", written[1]);
        assert_eq!(written[2][9..11], [0x10, 2]); // field 2, step 2
        assert!(has(&written[4], b"evaluation/test/accuracy"));
        assert!(!has(&written[1], b"seconds_left") && !has(&written[1], b"step/steps"));
        // A recovery to step 1 takes the later steps out; then the same file goes on.
        tell(&mut board, Event::Recovered(Recovered { step: 1, ..Recovered::default() }));
        assert_eq!(events(&path).len(), 1 + 1 + 1);
        tell(&mut board, step(2));
        let again = events(&path);
        assert_eq!(again.len(), 1 + 3);
        assert!(again[3][9..11] == [0x10, 2]);
        // A run that goes on writes the same again.
        drop(TensorBoard::resume(&path, &metrics).unwrap());
        let whole = events(&path);
        assert!(whole.len() == 4 && whole[1] == again[1]);
    }
}
