//! Files that come in and go out: whole or not at all, and never trusted.

pub mod atomic;
mod digest;
mod float_format;
mod kind;
mod lock;
mod metadata;
pub mod npy;
mod packed;
pub(crate) mod protobuf;
mod quantised;
mod read;
pub mod safetensors;
mod weights;
mod wide_words;
mod words;

pub use digest::{sha256, sha256_of};
pub use float_format::FloatFormat;
pub(crate) use kind::recognise;
pub use lock::{Lock, lock};
pub use metadata::Normalisation;
pub(crate) use packed::unpacked;
pub use packed::{FORMAT, Packed, PackedLayer};
pub(crate) use quantised::{is_quantised, words_refused};
pub(crate) use read::{
    has_mark, is_printable, open as open_file, read as read_file, read_text, text_of, toml_problem,
};
pub use weights::{Tensor, Weights};
pub use wide_words::WideWords;
pub use words::{QuantisationParameters, StoredWords};
