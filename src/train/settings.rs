//! What the settings of both trainings have in common, and values of them that make no sense.

use crate::error::{Error, Result};

/// Default of `--max-recoveries`: how often a run may go on after a lost device or a rollback.
pub(super) const RECOVERIES: u32 = 3;

/// Most images of a part of a batch; `None` means as many as fit the adapter.
pub(super) type MicroBatch = Option<u32>;

/// `auto`, or a number from 1 up.
pub(super) fn micro_batch(text: &str) -> std::result::Result<MicroBatch, String> {
    match text.parse() {
        _ if text == "auto" => Ok(None),
        Ok(n @ 1..) => Ok(Some(n)),
        _ => Err("give auto, or a number of images from 1 up".into()),
    }
}

/// Refuses a batch that is larger than the training set.
pub(super) fn batch_of(batch_size: u32, images: usize) -> Result<()> {
    if batch_size as usize <= images {
        return Ok(());
    }
    let what = format!("{batch_size} images a batch; there are {images} to train on");
    Err(Error::argument("--batch-size", what, "give a smaller batch"))
}

pub(super) fn real(flag: &str, value: f64) -> Result<()> {
    // The value is used in f32, where 1e300 would be infinite.
    if (value as f32).is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::argument(flag, format!("{value} makes no sense"), "give a number from 0 up"))
}
