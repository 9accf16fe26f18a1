//! All errors of the library, with hints on what to try next.

mod printed;
mod suggestion;
mod usage;

pub use printed::report;
pub(crate) use suggestion::closest;
pub(crate) use usage::usage;

use std::{
    io,
    path::{Path, PathBuf},
};

/// Result with the crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the library: one variant for each situation that a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter answers to the name, index or backend asked for.
    #[error("{}", no_adapter(wanted, found))]
    NoAdapter {
        /// What was asked for, in words.
        wanted: String,
        /// The available adapters.
        found: Vec<String>,
    },
    /// `--require-gpu` was given and only software adapters are there.
    #[error("a hardware GPU is required; found only software adapters: {}", list(found))]
    OnlySoftware {
        /// The software adapters.
        found: Vec<String>,
    },
    /// The driver or the device refused something.
    #[error("the GPU refused to {doing}: {message}")]
    Gpu {
        /// The operation that failed, as an infinitive.
        doing: String,
        /// The driver's words.
        message: String,
    },
    /// The device went away (driver reset, unplugged, watchdog).
    #[error("the GPU device was lost: {message}")]
    DeviceLost {
        /// The driver's words.
        message: String,
    },
    /// An adapter that was used before is no longer available.
    #[error("the adapter {adapter} is gone; there is now {}", list(found))]
    AdapterGone {
        /// The adapter that was used before.
        adapter: String,
        /// The available adapters.
        found: Vec<String>,
    },
    /// A buffer is larger than the adapter can bind or hold.
    #[error("{what} needs {needs} bytes in one buffer; {adapter} allows {limit}")]
    BufferTooLarge {
        /// What the buffer holds.
        what: String,
        /// Bytes needed.
        needs: u64,
        /// Bytes allowed.
        limit: u64,
        /// Name of the adapter.
        adapter: String,
    },
    /// The adapter has no memory left.
    #[error("no memory is left on {adapter} for {what}, {bytes} bytes")]
    OutOfMemory {
        /// What the memory was for.
        what: String,
        /// Bytes asked for.
        bytes: u64,
        /// Name of the adapter.
        adapter: String,
    },
    /// A tensor has more elements than 32-bit indices can address.
    #[error("{what} would have more than 2^32 elements")]
    TooManyElements {
        /// The tensor.
        what: String,
    },
    /// Shapes that do not fit together.
    #[error("{0}")]
    Shape(String),
    /// A meaningless value of a flag or field.
    #[error("{flag}: {what}")]
    Argument {
        /// The flag, such as `--ber`.
        flag: String,
        /// What is wrong with its value.
        what: String,
        /// What to type instead.
        hint: String,
    },
    /// A name that is not in the list of known names.
    #[error("unknown {kind} {name:?}")]
    Unknown {
        /// What kind of thing was named (`model`, `dataset`, ...).
        kind: &'static str,
        /// The name given.
        name: String,
        /// The accepted names.
        known: Vec<String>,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Another process uses the file or folder.
    #[error("{} is in use by another nf-gpu{}", path.display(), of_process(*process))]
    Busy {
        /// The file or folder.
        path: PathBuf,
        /// The process id of the other process, if it is known.
        process: Option<u32>,
    },
    /// A file does not have the expected content.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to try.
        hint: String,
    },
    /// A download or a helper program did not bring what was asked for.
    #[error("cannot fetch {what}: {message}")]
    Fetch {
        /// What was to be fetched.
        what: String,
        /// Why not.
        message: String,
        /// What to try.
        hint: String,
    },
    /// Training produced a number that is not finite.
    #[error("the {what} is not finite at step {step}{}", first_seen(place.as_deref()))]
    NotFinite {
        /// Which number.
        what: String,
        /// At which step.
        step: u64,
        /// The first layer that produced one, in words, where that is known.
        place: Option<String>,
        /// Where weights are stored as floats, the bits whose faults leave them finite.
        finite_bits: Option<&'static str>,
    },
    /// The output that a network computed from a user's input is not finite.
    #[error("{what} is {value}{}", first_seen(place.as_deref()))]
    NotFiniteOutput {
        /// The output's position and the network, in words.
        what: String,
        /// The number.
        value: f32,
        /// The first layer that produced one, in words, where that is known.
        place: Option<String>,
    },
    /// The GPU's result differs from the CPU's by more than rounding explains.
    #[error(
        "the GPU computed {got} where the CPU computes {want}: {layer}, at [n, h, w, c] = {at:?}, \
         step {step}"
    )]
    WrongResult {
        /// Network, layer and pass.
        layer: String,
        /// The training step.
        step: u64,
        /// Image, row, column and channel.
        at: [u32; 4],
        /// The GPU's value.
        got: String,
        /// The CPU's value, with the largest distance from it that rounding explains.
        want: String,
    },
    /// Another rank of the job cannot go on.
    #[error("rank {rank} on {host}: {message}")]
    Rank {
        /// The rank, counted from 0.
        rank: usize,
        /// Its machine.
        host: String,
        /// Its error.
        message: String,
        /// What to try.
        hint: Option<String>,
        /// Exit status of that error.
        code: u8,
    },
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The error `cannot read PATH`, with the system's reason.
    pub fn read(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Read { path: path.as_ref().to_owned(), source }
    }

    /// The error `cannot write PATH`, with the system's reason.
    pub fn write(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Write { path: path.as_ref().to_owned(), source }
    }

    /// The error for a file without the expected content.
    pub fn format(
        path: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Format { path: path.as_ref().to_owned(), what: what.into(), hint: hint.into() }
    }

    /// The error for a meaningless value of a flag.
    pub fn argument(
        flag: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Argument { flag: flag.into(), what: what.into(), hint: hint.into() }
    }

    /// The error for a name that is not in the list of known names.
    pub fn unknown<S: ToString>(
        kind: &'static str,
        name: impl Into<String>,
        known: impl IntoIterator<Item = S>,
    ) -> Self {
        let known = known.into_iter().map(|k| k.to_string()).collect();
        Self::Unknown { kind, name: name.into(), known }
    }

    /// What to try next, when there is something to try.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoAdapter { found, .. } if found.is_empty() => {
                "install a Vulkan driver (Debian/Ubuntu: apt-get install mesa-vulkan-drivers), \
                 then run `nf-gpu devices`"
                    .into()
            }
            Self::NoAdapter { .. } => "run `nf-gpu devices`, then pass --adapter".into(),
            Self::OnlySoftware { .. } => {
                "leave out --require-gpu to use a software adapter (slow), or install the GPU's \
                 Vulkan driver"
                    .into()
            }
            Self::Gpu { .. } => "update the driver, or choose another with --adapter (see \
                 `nf-gpu devices`)"
                .into(),
            Self::DeviceLost { .. } => {
                "a smaller --batch-size makes shorter dispatches; otherwise update the driver"
                    .into()
            }
            Self::AdapterGone { .. } => {
                "plug it in again, or restart its driver; `nf-gpu devices` shows what is there. What \
                 was computed is in the last checkpoint: go on with --resume"
                    .into()
            }
            Self::BufferTooLarge { .. }
            | Self::OutOfMemory { .. }
            | Self::TooManyElements { .. } => {
                "lower --batch-size, --micro-batch or --copies; `nf-gpu train --dry-run` shows \
                 what needs how much"
                    .into()
            }
            Self::Argument { hint, .. } | Self::Format { hint, .. } | Self::Fetch { hint, .. } => {
                hint.clone()
            }
            Self::Unknown { name, known, .. } => match closest(name, known) {
                Some(near) => format!("did you mean {near}? known: {}", known.join(", ")),
                None => format!("known: {}", known.join(", ")),
            },
            Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    "check the path; nothing is there".into()
                }
                io::ErrorKind::PermissionDenied => "check the permissions of the file".into(),
                io::ErrorKind::IsADirectory => "it is a folder: give a file".into(),
                io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::UnexpectedEof => {
                    "it is damaged, or another type of file: get it again, or make it anew".into()
                }
                io::ErrorKind::InvalidFilename => "the name is too long, or none".into(),
                _ => "check the path, and the disk that it is on".into(),
            },
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "the disk is full: free some space, or write elsewhere".into()
                }
                io::ErrorKind::FileTooLarge => {
                    "files may not be that large here: raise the limit (`ulimit -f unlimited`), or write to \
                     another disk"
                        .into()
                }
                io::ErrorKind::NotFound => "the folder does not exist: create it first".into(),
                io::ErrorKind::IsADirectory => "give the name of a file in it".into(),
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                    "a file is where a folder should be: choose another name".into()
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "choose a folder that you may write to".into()
                }
                _ => "check the path, and the disk that it is on".into(),
            },
            Self::Busy { .. } => {
                "wait until it has ended, or stop it, or use another folder".into()
            }
            Self::NotFinite { finite_bits: Some(bits), .. } => format!(
                "faults in the exponent of a stored float make it infinite, or NaN: --bits {bits} leaves \
                 exponent and sign alone"
            ),
            Self::NotFinite { .. } => {
                "lower --lr; `train --on-nan rollback` does so by itself, from the last checkpoint"
                    .into()
            }
            Self::NotFiniteOutput { .. } => {
                "weights or input are too large for float32 there: check the file that the layer is of, \
                 and --input-mean and --input-std"
                    .into()
            }
            Self::WrongResult { .. } => {
                "do not trust this adapter: run `nf-gpu conform`, check its memory and clocks; the last \
                 checkpoint is from before"
                    .into()
            }
            Self::Rank { hint, .. } => return hint.clone(),
            Self::Shape(_) | Self::Interrupted => return None,
        })
    }

    /// Whether the work was too large for the adapter, so that a smaller piece of it may fit.
    pub fn is_size(&self) -> bool {
        matches!(
            self,
            Self::BufferTooLarge { .. } | Self::OutOfMemory { .. } | Self::TooManyElements { .. }
        )
    }

    /// Exit status of the command line: 2 for a mistake in what was typed, 130 for Ctrl-C, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Argument { .. } | Self::Unknown { .. } => 2,
            Self::Interrupted => 130,
            Self::Rank { code, .. } => *code,
            _ => 1,
        }
    }
}

fn first_seen(place: Option<&str>) -> String {
    place.map_or_else(String::new, |place| format!(": first seen in {place}"))
}

fn no_adapter(wanted: &str, found: &[String]) -> String {
    match found {
        [] => "no GPU adapter was found, not even a software one".into(),
        _ => format!("no GPU adapter matches {wanted}; found {}", list(found)),
    }
}

fn of_process(id: Option<u32>) -> String {
    id.map_or(String::new(), |id| format!(" (process {id})"))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
