//! Accuracy of a frozen network, alone or behind a generator, under faults: for all copies that fit at
//! once, map by map, with a journal to go on from.

mod agreement;
mod document;
mod evaluator;
mod journal;
mod measure;
mod meter;
mod sensitivity;
mod shared;

pub use agreement::answer_for;
pub use document::{Details, Named, document};
pub use evaluator::{Evaluator, argmax, fuse_images};
pub use journal::Journal;
pub use measure::{
    Measurement, PerturbedMeasurement, Request, measure, measure_with, passes, rehearse,
};
pub use meter::{Answers, Arrangement, Meter, OfMap, RESIDENT, Subject, Tick};
pub use sensitivity::{Study, sensitivity, study_maps};
pub use shared::{PassMaker, hand_out};
