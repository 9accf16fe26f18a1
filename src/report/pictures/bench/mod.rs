//! Measurements of speed as pictures: kernels under their roofline, several reports side by side.

mod bars;
mod roofline;

pub use bars::save as save_comparison;
pub use roofline::save as save_roofline;
