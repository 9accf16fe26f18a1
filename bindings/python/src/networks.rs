//! Networks and their files.

use crate::{arrays, errors::Raised};
use nf_gpu::{BaseHints, BaseNet, Graph, Weights, cli::calls, models};
use pyo3::{prelude::*, types::PyDict};
use serde_json::json;
use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

/// What is known of a base network, as JSON, and its weights by name. `flags` are those of what its file does not say.
#[pyfunction]
pub(crate) fn base<'py>(
    py: Python<'py>,
    path: PathBuf,
    flags: Vec<OsString>,
) -> PyResult<(String, Bound<'py, PyDict>)> {
    let load = || {
        let hints: BaseHints = calls::hints(&flags)?;
        let net = BaseNet::load(&path, &hints)?;
        // A file that leaves it open is no error here: a command asks again.
        let precision = net.precision(None).ok();
        Ok((net, precision))
    };
    let (net, precision) = py.detach(load).raised()?;
    let about = json!({
        "model": net.model,
        "file_sha256": net.sha256,
        "classes": net.outputs(),
        "class_names": net.class_names().raised()?,
        "input": net.input(),
        "precision": precision,
        "dataset": net.weights.meta("dataset"),
        "layers": net.graph.layer_names().collect::<Vec<_>>(),
        "parameters": net.graph.parameter_count(),
        "graph": net.graph.to_json(),
    });
    Ok((about.to_string(), tensors(py, &net.graph, &net.weights)?))
}

/// The tensors of a network in the order of its `state_dict`.
pub(crate) fn tensors<'py>(
    py: Python<'py>,
    graph: &Graph,
    weights: &Weights,
) -> PyResult<Bound<'py, PyDict>> {
    let names = graph.params.iter().map(|param| param.name.as_str()).collect::<Vec<_>>();
    let tensors = arrays::tensors(py, weights, &names)?;
    // A file may hold more than the network.
    for name in weights.tensors.keys().filter(|name| !names.contains(&name.as_str())) {
        tensors.del_item(name)?;
    }
    Ok(tensors)
}

/// The graph of a generator for images `[C, H, W]`, as JSON.
#[pyfunction]
pub(crate) fn generator_graph(name: &str, chw: [u32; 3]) -> PyResult<String> {
    models::generator(name, chw).raised().map(|graph| graph.to_json().to_string())
}

/// The tensors of a weights file as float32, and its metadata.
#[pyfunction]
pub(crate) fn read_weights<'py>(
    py: Python<'py>,
    path: PathBuf,
) -> PyResult<(Bound<'py, PyDict>, BTreeMap<String, String>)> {
    let weights = py.detach(|| Weights::load(&path)).raised()?;
    let metadata = weights.metadata.clone().into_iter().collect();
    Ok((arrays::tensors(py, &weights, &[])?, metadata))
}

/// Writes arrays of float32 with these names as a weights file, whole or not at all.
#[pyfunction]
pub(crate) fn write_weights(
    py: Python<'_>,
    path: PathBuf,
    tensors: &Bound<'_, PyDict>,
    metadata: BTreeMap<String, String>,
) -> PyResult<()> {
    let mut weights = arrays::weights(tensors)?;
    weights.metadata.extend(metadata);
    py.detach(|| weights.save(&path)).raised()
}
