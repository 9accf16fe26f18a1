//! A timeline in the Trace Event Format, which Perfetto and Chrome (`chrome://tracing`) read.

use crate::{error::Result, files::atomic};
use serde_json::{Map, Value, json};
use std::path::Path;

/// An operation on the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// The row that it is drawn in: `GPU`, `host`, `rank 1`.
    pub track: String,
    /// Name of the operation.
    pub name: String,
    /// Start in seconds from the beginning of the timeline.
    pub begin: f64,
    /// Duration in seconds.
    pub seconds: f64,
    /// Details that the viewer shows when the slice is selected.
    pub details: Vec<(&'static str, Value)>,
}

/// Writes a timeline with a title and its slices.
pub fn save(path: &Path, title: &str, slices: &[Slice]) -> Result<()> {
    let mut tracks: Vec<&str> = Vec::new();
    for slice in slices {
        if !tracks.contains(&slice.track.as_str()) {
            tracks.push(&slice.track);
        }
    }
    let mut events = vec![
        json!({ "ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": { "name": title } }),
    ];
    events.extend(tracks.iter().zip(1..).map(|(name, tid)| {
        json!({ "ph": "M", "name": "thread_name", "pid": 1, "tid": tid, "args": { "name": name } })
    }));
    events.extend(slices.iter().map(|slice| {
        let tid = tracks.iter().position(|t| *t == slice.track).map_or(0, |at| at + 1);
        let details: Map<String, Value> =
            slice.details.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let (ts, dur) = (slice.begin * 1e6, slice.seconds * 1e6);
        json!({
            "ph": "X", "name": slice.name, "cat": slice.track, "pid": 1, "tid": tid,
            "ts": ts, "dur": dur, "args": details,
        })
    }));
    let document = json!({
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": { "title": title, "commit": env!("NF_COMMIT") },
    });
    atomic::write(path, format!("{document}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_complete_events_in_microseconds_on_tracks_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let slice = |track: &str, begin, seconds| Slice {
            track: track.into(),
            name: "conv2d \"plain\"".into(),
            begin,
            seconds,
            details: vec![("flops", 3.into())],
        };
        save(&path, "x", &[slice("GPU", 0.5, 0.25), slice("host", 0.0, 1.0)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let events = document["traceEvents"].as_array().unwrap();
        let complete: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X").collect();
        assert_eq!((events.len(), complete.len()), (5, 2));
        let of = |e: &Value| (e["ts"].as_f64().unwrap(), e["dur"].as_f64().unwrap());
        assert_eq!((of(complete[0]), of(complete[1])), ((5e5, 2.5e5), (0.0, 1e6)));
        assert_ne!(complete[0]["tid"], complete[1]["tid"]);
        assert_eq!((&complete[0]["args"]["flops"], &complete[0]["pid"]), (&3.into(), &1.into()));
    }
}
