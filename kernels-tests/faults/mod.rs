//! Fault maps: the documented format, rates of flipped bits, the same files everywhere.

pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod rates;
