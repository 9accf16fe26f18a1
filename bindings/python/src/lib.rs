//! `nf_gpu._nf_gpu`: the library for Python. Functions take flags and give documents as JSON; `py_src/nf_gpu` makes of
//! them what a user sees. Nothing of the program is described here a second time.

mod arrays;
mod calls;
mod errors;
mod generator;
mod host;
mod networks;

use pyo3::prelude::*;

/// The compiled part of the package `nf_gpu`.
#[pymodule]
mod _nf_gpu {
    use super::*;
    #[pymodule_export]
    use crate::calls::{call, cli, devices, fault_mask, flags, maps, table};
    #[pymodule_export]
    use crate::generator::Generator;
    #[pymodule_export]
    use crate::networks::{base, generator_graph, read_weights, write_weights};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        errors::add(module)
    }
}
