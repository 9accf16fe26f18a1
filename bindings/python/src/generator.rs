//! A generator on the user's images.

use crate::{
    arrays::{self, Array, Floats},
    errors::Raised,
    host::{open, with_device},
    networks,
};
use nf_gpu::{
    GeneratorFile, Gpu, Graph, Weights,
    forward::{self, GeneratorPass, GeneratorRequest, Images},
    models,
};
use pyo3::{prelude::*, types::PyDict};
use serde_json::json;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// A trained generator. The device is opened when the first images come.
#[pyclass(module = "nf_gpu", frozen)]
pub(crate) struct Generator {
    path: PathBuf,
    flags: Vec<OsString>,
    graph: Graph,
    weights: Weights,
    about: String,
    metadata: BTreeMap<String, String>,
    gpu: Mutex<Option<Gpu>>,
}

/// What a pass over images gives: the images, and the gradient with respect to what went in.
type Passed = (Vec<f32>, Option<Vec<f32>>);

#[pymethods]
impl Generator {
    /// Reads the file that `nf-gpu train` wrote. `flags` name the adapter.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, flags: Vec<OsString>) -> PyResult<Self> {
        let load = || {
            let file = GeneratorFile::load_network(&path)?;
            let chw = file.input(None)?;
            file.network(chw)
        };
        let found = py.detach(load).raised()?;
        let trained = found.trained.as_ref();
        let about = json!({
            "model": found.graph.name,
            "file_sha256": found.sha256,
            "input": found.graph.nodes[found.graph.input()].chw,
            "parameters": found.graph.parameter_count(),
            "trained_for": trained.map(|trained| trained.asked.words()),
            "graph": found.graph.to_json(),
        });
        let (graph, weights, about) = (found.graph, found.weights, about.to_string());
        let metadata = weights.metadata.clone();
        Ok(Self { path, flags, graph, weights, about, metadata, gpu: Mutex::new(None) })
    }

    /// The file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// What is known of the generator, as JSON.
    #[getter]
    fn about(&self) -> &str {
        &self.about
    }

    /// What its file says beside the tensors.
    #[getter]
    fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.clone()
    }

    /// The tensors by name.
    fn tensors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        networks::tensors(py, &self.graph, &self.weights)
    }

    /// `clamp(x + G(x), -1, 1)` of images `[N, C, H, W]`.
    fn forward<'py>(&self, py: Python<'py>, images: Floats<'py>) -> PyResult<Array<'py>> {
        let (shape, data) = arrays::numbers(&images)?;
        let (images, _) = self.pass(py, &shape, &data, None)?;
        arrays::array(py, &shape, images)
    }

    /// The gradient of `sum(output * upstream)` with respect to the images.
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        images: Floats<'py>,
        upstream: Floats<'py>,
    ) -> PyResult<Array<'py>> {
        let (shape, data) = arrays::numbers(&images)?;
        let (_, upstream) = arrays::numbers(&upstream)?;
        let (_, gradient) = self.pass(py, &shape, &data, Some(&upstream))?;
        arrays::array(py, &shape, gradient.unwrap_or_default())
    }
}

impl Generator {
    fn pass(
        &self,
        py: Python<'_>,
        shape: &[usize],
        data: &[f32],
        upstream: Option<&[f32]>,
    ) -> PyResult<Passed> {
        let opened = py.detach(|| self.lock().is_some());
        // The lock is not held while the interpreter's is waited for.
        if !opened {
            let gpu = open(py, self.flags.clone())?;
            py.detach(|| self.lock().get_or_insert(gpu).report().index);
        }
        with_device(py, || {
            let lock = self.lock();
            let Some(gpu) = lock.as_ref() else {
                return Ok((Vec::new(), None));
            };
            let images = Images::new(shape, data)?;
            let graph = models::generator(&self.graph.name, images.chw())?;
            graph.check(&self.weights)?;
            let request = GeneratorRequest {
                graph: &graph,
                weights: &self.weights,
                training: false,
                images,
                upstream,
                gradient: upstream.is_some(),
                micro_batch: None,
            };
            let GeneratorPass { images, input_gradient, .. } = forward::generator(gpu, &request)?;
            Ok((images, input_gradient))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Gpu>> {
        self.gpu.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
