//! The library's errors as exceptions.

use nf_gpu::Error;
use pyo3::{
    create_exception,
    exceptions::{PyException, PyKeyboardInterrupt, PyValueError},
    prelude::*,
};
use std::io;

create_exception!(nf_gpu, NfGpuError, PyException);

/// Adds the exceptions to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("Error", py.get_type::<NfGpuError>())
}

/// An error as the exception that the Python part of the package makes of it: message, hint, exit code, and whether it
/// is of a file that is not there. `nf_gpu._errors` turns it into a class of its own.
pub(crate) fn exception(error: &Error) -> PyErr {
    if matches!(error, Error::Interrupted) {
        return PyKeyboardInterrupt::new_err(error.to_string());
    }
    let text = nf_gpu::error::report(error);
    // The first line is `error: WHAT`, the second the hint.
    let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let missing =
        matches!(error, Error::Read { source, .. } if source.kind() == io::ErrorKind::NotFound);
    NfGpuError::new_err((what, error.hint(), error.exit_code(), missing))
}

/// The exception for a value of the wrong kind.
pub(crate) fn value(what: impl Into<String>) -> PyErr {
    PyValueError::new_err(what.into())
}

/// A result whose error is an exception.
pub(crate) trait Raised<T> {
    /// The value, or the exception.
    fn raised(self) -> PyResult<T>;
}

impl<T> Raised<T> for nf_gpu::Result<T> {
    fn raised(self) -> PyResult<T> {
        self.map_err(|error| exception(&error))
    }
}
