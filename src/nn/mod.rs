//! Networks as data, and the one compiler that turns them into dispatches.

mod activations;
mod adopt;
mod biases;
mod build;
mod compiler;
mod convolution;
mod cut;
mod dtype;
mod faulty;
mod finite;
mod floats;
mod folded;
mod frozen;
mod graph;
mod graph_json;
mod grids;
mod images;
mod injector;
mod packed;
mod parameters;
mod places;
mod trainable;

pub use adopt::{Adopted, Rename, Selection};
pub use build::ParamNames;
pub use compiler::{
    BiasShifts, ChannelSlice, Compiler, FaultyActivations, Layers, Mode, NodeValue, TrainingState,
    Vectors,
};
pub use convolution::{Algorithm, ConvOperands, Convolution, largest_form};
pub use cut::{Cut, Together, fit, most_images};
pub use dtype::{DtypeChoice, dtype_line};
pub use faulty::{FaultyBias, FaultyWeights, count_flips, faulty_weights, on_grid, stored_layers};
pub use finite::{append_look, check_finite, first_not_finite};
pub use frozen::FrozenNet;
pub use graph::{ActivationBuffer, Graph, Layer, Node, NodeId, Norm, Op, Param, Role};
pub use grids::Stored;
pub use images::{Batch, DeviceImages, Pick};
pub use injector::Injector;
pub use packed::{Change, Packing};
pub use parameters::{Offsets, initialise};
pub use places::FailingParts;
pub use trainable::{DropoutSeed, TrainableNet};
