//! Reading a whole file that a user named.

use std::{fs::File, io::Read, path::Path};

use crate::error::{Error, Result};

/// Largest file that is read whole: several times the largest network known here (574 MB).
const LIMIT: u64 = 4 << 30;

/// The bytes of a regular file of at most 4 GiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    let there = file.metadata().map_err(|e| Error::read(path, e))?;
    if there.is_dir() {
        return Err(Error::format(path, "it is a folder, not a file", "name the file inside it"));
    }
    if !there.is_file() {
        return Err(Error::format(path, "it is not a regular file", "copy it to a file first"));
    }
    if there.len() > LIMIT {
        let what = format!("its {} bytes are more than the {LIMIT} that are read", there.len());
        return Err(Error::format(path, what, "check that it is the file you meant"));
    }
    if there.len() == 0 {
        return Err(Error::format(path, "it is empty", "write, copy or download it again"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(there.len()).unwrap_or(0));
    // A file that grows meanwhile ends somewhere too.
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|e| Error::read(path, e))?;
    Ok(bytes)
}

/// Largest text that is read: the metrics of some million steps.
const TEXT_LIMIT: u64 = 1 << 30;

/// The text of a regular file of at most 1 GiB; it may be empty.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let there = std::fs::metadata(path).map_err(|e| Error::read(path, e))?;
    if there.is_file() && there.len() == 0 {
        return Ok(String::new());
    }
    if there.len() > TEXT_LIMIT {
        let what = format!("its {} bytes are more than the {TEXT_LIMIT} of a text", there.len());
        return Err(Error::format(path, what, "check that it is the file you meant"));
    }
    String::from_utf8(read(path)?).map_err(|e| {
        let what = format!("it is not text: byte {} is no UTF-8", e.utf8_error().valid_up_to());
        Error::format(path, what, "check that it is the file you meant")
    })
}

/// What is wrong with a TOML text, in one line, with the number of its line.
pub(crate) fn toml_problem(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    format!("line {line}: {}", error.message().replace('\n', " "))
}

/// What a file that is not what we read probably is, and what to do about it.
pub(super) fn recognise(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const CONVERT: &str = "python/nf_gpu_torch.py convert makes it safetensors, or by hand: safetensors.torch.save_file(\
        {k: v.contiguous() for k, v in model.state_dict().items()}, 'weights.safetensors')";
    let begins = |with: &[u8]| bytes.starts_with(with);
    let text: String = bytes.iter().take(64).map(|&b| char::from(b).to_ascii_lowercase()).collect();
    Some(if begins(b"PK\x03\x04") || begins(b"\x80\x02") {
        ("a PyTorch checkpoint (or another zip or pickle)", CONVERT)
    } else if begins(b"\x93NUMPY") {
        ("a NumPy array", "pass it where a .npy file is expected")
    } else if begins(b"\x89HDF") {
        ("an HDF5 file", "convert it to safetensors")
    } else if begins(b"\x1f\x8b") {
        ("gzip data", "unpack it first: gunzip")
    } else if text.starts_with("version https://git-lfs") {
        ("a Git LFS pointer", "fetch the file itself: git lfs pull")
    } else if text.trim_start().starts_with("<!doctype") || text.trim_start().starts_with("<html") {
        ("a web page", "the download went wrong: fetch the file itself")
    } else if bytes.get(8) == Some(&b'{') {
        ("safetensors", "pass it where a safetensors file is expected")
    } else {
        return None;
    })
}
