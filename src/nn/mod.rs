//! Networks as data, and the one compiler that turns them into dispatches.

mod adopt;
mod compiler;
mod frozen;
mod graph;
mod images;
mod parameters;
mod trainable;

pub use compiler::{Compiler, Layers, Mode, Slice, TrainingState, Value, Vectors};
pub use frozen::{FrozenNet, Injector};
pub use graph::{Graph, Layer, Node, NodeId, Norm, Op, Param, Role};
pub use images::{Batch, DeviceImages, Pick};
pub use parameters::{Offsets, initialise};
pub use trainable::TrainableNet;
