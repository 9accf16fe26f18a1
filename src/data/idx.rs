//! The idx format of MNIST and its relatives: a magic number, dimensions, bytes.

use std::{
    io::{self, Read},
    path::Path,
};

use crate::error::{Error, Result};

/// Larger files than this are not read: 256 MiB, five times the images of any idx data set here. A
/// packed file of a few kilobytes can hold as much.
const MAX_BYTES: u64 = 1 << 28;

/// Unsigned bytes with up to four dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Sizes, slowest first: `[N]` for labels, `[N][H][W]` for images.
    pub dims: Vec<u32>,
    /// The values, as many as the product of `dims`.
    pub data: Vec<u8>,
}

/// Reads unsigned bytes with `dims` dimensions from an unpacked idx stream; `path` names it in
/// errors.
///
/// # Errors
/// [`Error::Format`] when the magic number is another one, the file is too short or too long, its
/// sizes are implausible, or its packing is damaged; [`Error::Read`] when the system cannot read
/// it.
/// Memory grows with the bytes that are there, not with what the header claims.
pub fn read(path: &Path, mut from: impl Read, dims: u8) -> Result<Idx> {
    let bad = |what: String| Error::format(path, what, "get the file again: it is damaged");
    // These kinds mean a damaged packing; other failures are the system's.
    let unreadable = |e: io::Error| match e.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            bad(format!("damaged: {e}"))
        }
        _ => Error::read(path, e),
    };
    let want = 0x800 | u32::from(dims);
    let mut head = vec![0; 4 * (usize::from(dims) + 1)];
    from.read_exact(&mut head).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => bad("the file ends within its header".into()),
        _ => unreadable(e),
    })?;
    let words: Vec<u32> =
        head.chunks_exact(4).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]])).collect();
    if words[0] != want {
        return Err(bad(format!(
            "not an idx file of {dims}-dimensional bytes: magic number {:#010x}, not {want:#010x}",
            words[0]
        )));
    }
    let dims = words[1..].to_vec();
    let len = dims
        .iter()
        .try_fold(1u64, |product, &d| product.checked_mul(d.into()))
        .filter(|&len| len <= MAX_BYTES)
        .ok_or_else(|| bad(format!("the header claims {dims:?} values: too many")))?;
    let mut data = Vec::new();
    // One byte more than expected shows that the file is too long.
    from.take(len + 1).read_to_end(&mut data).map_err(unreadable)?;
    match (data.len() as u64).cmp(&len) {
        std::cmp::Ordering::Less => {
            Err(bad(format!("the file is truncated: {} of {len} values ({dims:?})", data.len())))
        }
        std::cmp::Ordering::Greater => Err(bad(format!("bytes after the last of {len} values"))),
        std::cmp::Ordering::Equal => Ok(Idx { dims, data }),
    }
}
