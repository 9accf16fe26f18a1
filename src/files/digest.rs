//! SHA-256 digests, by which reports and records identify files.

use std::{io, path::Path};

use sha2::{Digest, Sha256};

use super::read::open;
use crate::error::{Error, Result};

/// SHA-256 of a file, 64 lower-case hexadecimal digits.
///
/// # Errors
/// [`Error::Read`]; [`Error::Format`] for a folder and anything else that is no regular file.
pub fn sha256(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let (mut file, _) = open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::read(path, e)),
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// SHA-256 of bytes in memory, 64 lower-case hexadecimal digits.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-4: the published digests of "abc" and of a million "a".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

    #[test]
    fn the_published_digests_come_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
        assert_eq!(sha256(&path).unwrap(), MILLION);
        assert_eq!(sha256_of(b"abc"), ABC);
        assert!(matches!(sha256(folder.path().join("no")), Err(Error::Read { .. })));
    }
}
