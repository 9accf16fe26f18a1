//! Runs of the library without the interpreter's lock: what they tell, and how they are asked to end.

use crate::errors::{Raised, exception};
use nf_gpu::{
    Error, Event, Sink,
    cli::calls::Host,
    report::console::{Console, Verbosity},
};
use pyo3::{exceptions::PyRuntimeError, prelude::*};
use serde_json::json;
use std::{
    cell::RefCell,
    io::{self, Write},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Time between two questions to the interpreter whether a signal has come.
const EVERY: Duration = Duration::from_millis(100);
/// Time between two lines of progress.
const LINES: Duration = Duration::from_secs(10);

/// Why the run of this thread is to end, and when the interpreter was last asked.
#[derive(Default)]
struct Stop {
    raised: Option<PyErr>,
    asked: Option<Instant>,
}

thread_local! {
    static STOP: RefCell<Stop> = RefCell::default();
}

/// The process that has opened a device, or 0.
static OPENED_BY: AtomicU32 = AtomicU32::new(0);

/// Whether the run of this thread is to end: a signal handler, or a listener to events, has raised an exception.
fn stopped() -> bool {
    let due = STOP.with_borrow_mut(|stop| {
        let due = stop.asked.is_none_or(|asked| asked.elapsed() >= EVERY);
        if due {
            stop.asked = Some(Instant::now());
        }
        due && stop.raised.is_none()
    });
    // A signal handler may itself use this package: nothing is borrowed while it runs.
    if due && let Err(raised) = Python::attach(|py| py.check_signals()) {
        raise(raised);
    }
    STOP.with_borrow(|stop| stop.raised.is_some())
}

/// Lets the run of this thread end with an exception.
fn raise(raised: PyErr) {
    STOP.with_borrow_mut(|stop| stop.raised = stop.raised.take().or(Some(raised)));
}

/// Refuses a device in a process that was forked from one with a device: drivers do not survive that.
fn check_process() -> PyResult<()> {
    let own = process::id();
    match OPENED_BY.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Err(other) if other != own => Err(PyRuntimeError::new_err(
            "this process was forked from one that has opened a device, which drivers do not survive\n  \
             hint: start it with multiprocessing's method `spawn`, or open the first device behind the fork",
        )),
        _ => Ok(()),
    }
}

/// Runs `work` without the interpreter's lock. An exception of a signal handler or of a listener ends it.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    listeners: Listeners,
    work: impl FnOnce(&mut Host<'_>) -> nf_gpu::Result<T> + Send,
) -> PyResult<T> {
    check_process()?;
    let outer = STOP.take();
    let done = py.detach(move || {
        let mut sink = listeners;
        work(&mut Host { sink: &mut sink, stop: stopped })
    });
    let raised = STOP.replace(outer).raised;
    match (done, raised) {
        (Err(Error::Interrupted), Some(raised)) => Err(raised),
        (Err(error), _) => Err(exception(&error)),
        // A run that was over before it could be stopped: its listener's exception is not lost.
        (Ok(_), Some(raised)) => Err(raised),
        (Ok(value), None) => Ok(value),
    }
}

/// Who hears the events of a run.
#[derive(Default)]
pub(crate) struct Listeners {
    /// Gets each event as JSON.
    on_event: Option<Py<PyAny>>,
    /// Writes lines of progress, as the command does where stderr is no terminal.
    console: Option<Console>,
}

impl Listeners {
    /// `on_event` is called with the JSON of each event; `lines` is a file for lines of progress.
    pub(crate) fn new(on_event: Option<Py<PyAny>>, lines: Option<Py<PyAny>>) -> Self {
        let console =
            lines.map(|file| Console::lines(Box::new(PythonFile(file)), Verbosity::Normal, LINES));
        Self { on_event, console }
    }
}

impl Sink for Listeners {
    fn event(&mut self, event: &Event) -> nf_gpu::Result<()> {
        if let Some(console) = &mut self.console {
            console.event(event)?;
        }
        let Some(listener) = &self.on_event else { return Ok(()) };
        let text = json!(event.document()).to_string();
        if let Err(raised) = Python::attach(|py| listener.call1(py, (text,)).map(drop)) {
            // The run ends in order, with its checkpoint, when it next asks.
            raise(raised);
        }
        Ok(())
    }
}

/// A text file of Python.
struct PythonFile(Py<PyAny>);

impl Write for PythonFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let write = |py: Python<'_>| self.0.call_method1(py, "write", (&*text,)).map(drop);
        Python::attach(write).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flush = |py: Python<'_>| self.0.call_method0(py, "flush").map(drop);
        Python::attach(flush).map_err(|e| io::Error::other(e.to_string()))
    }
}

/// Opens the adapter that these flags name.
pub(crate) fn open(py: Python<'_>, flags: Vec<std::ffi::OsString>) -> PyResult<nf_gpu::Gpu> {
    run(py, Listeners::default(), move |host| nf_gpu::cli::calls::open(&flags, host))
}

/// As [`run`], for a device that is open already and belongs to this process.
pub(crate) fn with_device<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> nf_gpu::Result<T> + Send,
) -> PyResult<T> {
    check_process()?;
    py.detach(work).raised()
}
