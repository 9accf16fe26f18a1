//! Arrays of NumPy and tensors of the library.

use crate::errors::value;
use nf_gpu::files::Weights;
use numpy::{
    IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods,
    ndarray::{ArrayD, IxDyn},
};
use pyo3::{prelude::*, types::PyDict};

/// An array of float32 in the order of its rows.
pub(crate) type Floats<'py> = PyReadonlyArrayDyn<'py, f32>;
pub(crate) type Array<'py> = Bound<'py, PyArrayDyn<f32>>;

/// Shape and numbers of an array.
pub(crate) fn numbers(array: &Floats<'_>) -> PyResult<(Vec<usize>, Vec<f32>)> {
    let data = array.as_slice().map_err(|_| value("the array is not contiguous"))?;
    Ok((array.shape().to_vec(), data.to_vec()))
}

/// A new array.
pub(crate) fn array<'py>(py: Python<'py>, shape: &[usize], data: Vec<f32>) -> PyResult<Array<'py>> {
    let array = ArrayD::from_shape_vec(IxDyn(shape), data).map_err(|e| value(e.to_string()))?;
    Ok(array.into_pyarray(py))
}

/// The tensors of a network by name, in the order of a `state_dict` where `order` says it.
pub(crate) fn tensors<'py>(
    py: Python<'py>,
    weights: &Weights,
    order: &[&str],
) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    let others = weights.tensors.keys().map(String::as_str).filter(|name| !order.contains(name));
    for name in order.iter().copied().chain(others) {
        if let Some(tensor) = weights.tensors.get(name) {
            found.set_item(name, array(py, &tensor.shape, tensor.data.clone())?)?;
        }
    }
    Ok(found)
}

/// Weights of arrays by name.
pub(crate) fn weights(tensors: &Bound<'_, PyDict>) -> PyResult<Weights> {
    let mut weights = Weights::default();
    for (name, tensor) in tensors {
        let tensor = tensor.cast::<PyArrayDyn<f32>>()?.try_readonly()?;
        let (shape, data) = numbers(&tensor)?;
        weights.insert(name.extract::<String>()?, &shape, data);
    }
    Ok(weights)
}
