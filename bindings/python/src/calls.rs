//! Commands as functions, and tables of what they found.

use crate::{
    errors::{Raised, value},
    host::{Listeners, run},
};
use nf_gpu::{
    FaultModel, Faults,
    cli::calls,
    fault::Place,
    report::eval_json::{Document, Evaluation},
    words,
};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use serde_json::{Value, json};
use std::{ffi::OsString, str::FromStr};

/// Runs the command `name` with `flags`; gives its document as JSON. `on_event` hears of events, `lines` is a file for
/// lines of progress.
#[pyfunction]
#[pyo3(signature = (name, flags, on_event=None, lines=None))]
pub(crate) fn call(
    py: Python<'_>,
    name: &str,
    flags: Vec<OsString>,
    on_event: Option<Py<PyAny>>,
    lines: Option<Py<PyAny>>,
) -> PyResult<String> {
    let listeners = Listeners::new(on_event, lines);
    let name = name.to_owned();
    let document: Value = match &*name {
        // These three compute on the host and are over in seconds.
        "energy" => py.detach(|| calls::energy(&flags)).raised()?,
        "report" => {
            let files = py.detach(|| calls::report(&flags)).raised()?;
            files.iter().map(words::path).collect()
        }
        "import" => py.detach(|| calls::import(&flags)).raised()?,
        _ => run(py, listeners, move |host| {
            Ok(match &*name {
                "train" => {
                    let (folder, evaluation) = calls::train(&flags, host)?;
                    json!({"folder": words::path(folder), "evaluation": evaluation})
                }
                "inject" => json!(calls::inject(&flags, host)?),
                _ => json!(Document::new(calls::evaluate(&flags, host)?)),
            })
        })?,
    };
    Ok(document.to_string())
}

/// Runs a command line, of which the first word is the program's name; gives the exit code.
#[pyfunction]
pub(crate) fn cli(py: Python<'_>, line: Vec<OsString>) -> u8 {
    py.detach(|| nf_gpu::cli::run_with(line))
}

/// The flags of a command as JSON.
#[pyfunction]
pub(crate) fn flags(name: &str) -> PyResult<String> {
    calls::flags(name).raised().map(|flags| flags.to_string())
}

/// The adapters as JSON, and the index of the one that would be used.
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> String {
    py.detach(|| {
        let used = nf_gpu::gpu::would_use(&nf_gpu::AdapterChoice::default()).ok();
        json!({"adapters": nf_gpu::list_adapters(), "used": used.map(|report| report.index)})
    })
    .to_string()
}

/// The table of `eval --csv` of a document of evaluations.
#[pyfunction]
pub(crate) fn maps(document: &str) -> PyResult<String> {
    Ok(calls::maps(&read(document)?))
}

/// The tables that `nf-gpu eval` prints, one for each evaluation.
#[pyfunction]
pub(crate) fn table(document: &str, width: usize) -> PyResult<Vec<String>> {
    // Formatting widths are limited to 16 bits.
    let width = width.min(u16::MAX.into());
    Ok(read(document)?.iter().map(|run| calls::table(run, width)).collect())
}

fn read(document: &str) -> PyResult<Vec<Evaluation>> {
    match serde_json::from_str(document).map_err(|error| value(error.to_string()))? {
        Document::Several { runs } => Ok(runs),
        Document::One(run) => Ok(vec![*run]),
    }
}

type Words<'py> = Bound<'py, PyArray1<u32>>;

/// Cells of `words` stored words of a layer that are stuck at 1, and those stuck at 0, as words of 32 cells.
#[pyfunction]
pub(crate) fn fault_mask<'py>(
    py: Python<'py>,
    seed: u64,
    layer: u32,
    words: u32,
    ber: f64,
    faults: &str,
) -> PyResult<(Words<'py>, Words<'py>)> {
    let faults = FaultModel::from_str(faults).and_then(|model| Faults::new(model, ber)).raised()?;
    let (to_1, to_0) = py
        .detach(|| {
            faults.check_seed(seed)?;
            let map = faults.map(seed)?;
            // The models that are drawn know only the layer; a reference map begins anew with every layer.
            let place = Place { layer, address: 0 };
            let cells = (0..words).map(|word| map.faulty(place, word));
            Ok(cells.map(|cells| (cells.to_1, cells.to_0)).unzip::<_, _, Vec<u32>, Vec<u32>>())
        })
        .raised()?;
    Ok((to_1.into_pyarray(py), to_0.into_pyarray(py)))
}
