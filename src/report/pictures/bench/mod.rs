//! Measurements of speed as pictures: kernels under their roofline, several reports side by side, growing steps.

mod bars;
mod growth;
mod roofline;

pub use bars::save as save_comparison;
pub use growth::save as save_growth;
pub use roofline::save as save_roofline;
