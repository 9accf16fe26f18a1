//! Bit errors in stored weights: quantised words, the map from a seed to faulty cells, the models
//! that say what a faulty cell does. No GPU is involved. `docs/fault-format.md` is the definition
//! that the kernels and this module share.

mod cells;
mod description;
mod fault_map;
mod faults;
mod grid;
mod inject;
mod mask;
mod memories;
mod memory;
mod model;
mod pattern;
mod philox;
mod profile;
mod quantize;
mod reference;
mod seed;
mod select;

pub use crate::files::{FloatFormat, QuantisationParameters, StoredWords};
pub use cells::{CellMap, FaultyCells, Mapping, Place};
pub(crate) use description::Fields;
pub use description::{Description, LayoutDetail, MapDetail, Wording};
pub use fault_map::FaultMap;
pub use faults::{DEFAULT_BER, Faults, Model};
pub use grid::{Grid, bit_grid, whole_numbers};
pub use inject::{Flips, inject, inject_from};
pub use mask::{FORMAT_VERSION, faulty_cells, polarity, threshold};
pub use memories::Memories;
pub use memory::Memory;
pub use model::FaultModel;
pub use pattern::{Along, CellFaults, ClusterFaults, FaultEffect, LineFaults, Pattern};
pub use philox::philox4x32_10;
pub use profile::{Layout, Placed, Profile, load_map};
pub(crate) use quantize::check_bits;
pub use quantize::{Quantized, dequantize, quantize};
pub use reference::CELL_MAP_WORDS;
pub use seed::{MAX_SEED, Maps, PAPER_SEEDS, check_seed, parse_seeds, step_seed};
pub(crate) use select::matches;
pub use select::{LayerChoice, Lot, Positions};
