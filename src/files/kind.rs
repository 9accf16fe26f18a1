//! Says what an unexpected file is, by its first bytes and not by its name.

use std::io::Cursor;

const CONVERT: &str = "`python -m nf_gpu.torch` makes it safetensors (bindings/python), or by hand: safetensors.torch.save_file(\
    {k: v.contiguous() for k, v in model.state_dict().items()}, 'weights.safetensors')";
const ARRAY: &str = "pass it where a .npy file is expected";
const PICTURE: &str =
    "pictures are read from folders and by `nf-gpu transform`; a .npy file holds tensors";
const UNPACK: &str = "unpack it first";
const SAVE: &str = "read it in Python and save what is needed: np.save('x.npy', array), or safetensors for weights";

/// Beginnings of files, what they are, and what to do about it. A `?` stands for any byte.
const BEGINNINGS: [(&[u8], &str, &str); 33] = [
    (b"\x80\x02", "a Python pickle (such as an old PyTorch checkpoint)", CONVERT),
    (b"\x80\x03", "a Python pickle (such as an old PyTorch checkpoint)", CONVERT),
    (b"\x80\x04", "a Python pickle (such as an old PyTorch checkpoint)", CONVERT),
    (b"\x80\x05", "a Python pickle (such as an old PyTorch checkpoint)", CONVERT),
    (b"\x93NUMPY", "a NumPy array", ARRAY),
    (b"\x89HDF", "an HDF5 file (Keras, or MATLAB 7.3)", SAVE),
    (b"MATLAB 5.0", "a MATLAB file", SAVE),
    (b"MATLAB 7.3", "a MATLAB file", SAVE),
    (b"PAR1", "a Parquet file", SAVE),
    (b"ARROW1", "an Arrow file", SAVE),
    (b"????TFL3", "a TensorFlow Lite network", "get its weights as a PyTorch or safetensors file"),
    (b"GGUF", "a GGUF file", "get its weights as a PyTorch or safetensors file"),
    (b"\x1f\x8b", "gzip data", "unpack it first: gunzip"),
    (b"\xfd7zXZ\0", "xz data", "unpack it first: unxz"),
    (b"BZh", "bzip2 data", "unpack it first: bunzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "unpack it first: unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\xff\xd8\xff", "a JPEG picture", PICTURE),
    (b"\x89PNG\r\n", "a PNG picture", PICTURE),
    (b"GIF8", "a GIF picture", PICTURE),
    (b"RIFF????WEBP", "a WebP picture", PICTURE),
    (b"BM????\0\0\0\0", "a BMP picture", PICTURE),
    (b"II*\0", "a TIFF picture", PICTURE),
    (b"MM\0*", "a TIFF picture", PICTURE),
    (b"????ftypavif", "an AVIF picture", PICTURE),
    (b"????ftyphei", "a HEIC picture", PICTURE),
    (b"????ftypmif1", "a HEIC picture", PICTURE),
    (b"????ftyp", "a film", "check that it is the file you meant"),
    (b"8BPS", "a Photoshop file", PICTURE),
    (b"%PDF", "a PDF file", "check that it is the file you meant"),
    (b"\xd0\xcf\x11\xe0", "an old Office file or a Windows thumbnail store", SAVE),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself: git lfs pull"),
];

/// What a file of a kind that is not read here probably is, and what to do about it.
pub(crate) fn recognise(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(archive(bytes));
    }
    let begins = |with: &[u8]| {
        bytes.len() >= with.len() && bytes.iter().zip(with).all(|(b, w)| b == w || *w == b'?')
    };
    if let Some(&(_, kind, hint)) = BEGINNINGS.iter().find(|(with, ..)| begins(with)) {
        return Some((kind, hint));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", "unpack it first: tar xf"));
    }
    if bytes.get(8) == Some(&b'{') && bytes.get(6..8) == Some(&[0, 0]) {
        return Some(("safetensors", "pass it where a safetensors file is expected"));
    }
    if bytes.first() == Some(&8) && [&b"onnx"[..], b"pytorch"].iter().any(|by| holds(bytes, by)) {
        let hint = "a base network may be one, with a name in .onnx; generators are files that nf-gpu train wrote, \
                    and other weights come as a PyTorch or safetensors file";
        return Some(("an ONNX network", hint));
    }
    if !bytes.is_empty() && bytes.iter().all(|&b| b == 0) {
        let hint = "it was never written to its end: copy or download it again";
        return Some(("nothing but zeros", hint));
    }
    text(bytes)
}

/// Whether the first 64 bytes hold a word.
fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes[..bytes.len().min(64)].windows(word.len()).any(|at| at == word)
}

/// What a zip archive holds, by the names in it.
fn archive(bytes: &[u8]) -> (&'static str, &'static str) {
    // An archive that is cut off still has its first file's name, in the first header.
    let first = || {
        let length = usize::from(u16::from_le_bytes([*bytes.get(26)?, *bytes.get(27)?]));
        Some(String::from_utf8_lossy(bytes.get(30..30 + length)?).into_owned())
    };
    let names: Vec<String> = match zip::ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) => archive.file_names().map(Into::into).collect(),
        Err(_) => first().into_iter().collect(),
    };
    let any = |end: &str| names.iter().any(|name| name.ends_with(end));
    if any("/data.pkl") {
        ("a PyTorch checkpoint", CONVERT)
    } else if any(".npy") {
        let hint = "take one array out of it: np.save('x.npy', np.load('FILE.npz')['NAME']); \
                    np.load('FILE.npz').files lists the names";
        ("a .npz archive of NumPy arrays", hint)
    } else if any(".weights.h5") {
        ("a Keras network", SAVE)
    } else if any("[Content_Types].xml") {
        ("an Office file", "save the sheet as CSV")
    } else if names.is_empty() {
        (
            "a zip archive without a name in it (such as a PyTorch checkpoint that is cut off)",
            CONVERT,
        )
    } else {
        ("a zip archive", "unpack it first: unzip")
    }
}

/// What a text file is, and what to do about it.
fn text(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let head = &bytes[..bytes.len().min(512)];
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if head.is_empty() || !head.iter().all(is_text) {
        return None;
    }
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    let numbers = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-.,;eE".contains(c);
    Some(if text.starts_with("<!doctype") || text.starts_with("<html") {
        ("a web page", "the download went wrong: fetch the file itself")
    } else if text.starts_with("<?xml") || text.starts_with("<svg") {
        ("XML", "check that it is the file you meant")
    } else if text.starts_with(['{', '[']) {
        ("JSON", "check that it is the file you meant")
    } else if text.chars().all(numbers) {
        let hint = "np.save('x.npy', np.loadtxt('FILE', delimiter=',').astype(np.float32)) makes an array of it";
        ("a text of numbers (CSV)", hint)
    } else {
        ("a text", "check that it is the file you meant")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn zip(names: &[&str]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"content").unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn files_are_called_what_they_are() {
        let safetensors = [&16u64.to_le_bytes()[..], b"{}              "].concat();
        let mut tar = vec![b'a'; 257];
        tar.extend(b"ustar\x0000");
        for (bytes, kind) in [
            (zip(&["x_train.npy", "y_train.npy"]), "a .npz archive of NumPy arrays"),
            (zip(&["net/data.pkl", "net/byteorder", "net/data/0"]), "a PyTorch checkpoint"),
            (zip(&["config.json", "model.weights.h5"]), "a Keras network"),
            (zip(&["xl/a.xml", "[Content_Types].xml"]), "an Office file"),
            (zip(&["a/b.png"]), "a zip archive"),
            (zip(&["x.npy", "y.npy"])[..60].to_vec(), "a .npz archive of NumPy arrays"),
            (zip(&["archive/data.pkl"])[..60].to_vec(), "a PyTorch checkpoint"),
            (
                b"PK\x03\x04".to_vec(),
                "a zip archive without a name in it (such as a PyTorch checkpoint that is cut off)",
            ),
            (b"\x80\x04\x95\x10".to_vec(), "a Python pickle (such as an old PyTorch checkpoint)"),
            (b"\x93NUMPY\x01\0".to_vec(), "a NumPy array"),
            (b"\x89HDF\r\n\x1a\n".to_vec(), "an HDF5 file (Keras, or MATLAB 7.3)"),
            (b"MATLAB 5.0 MAT-file, Platform".to_vec(), "a MATLAB file"),
            (b"\x1c\0\0\0TFL3".to_vec(), "a TensorFlow Lite network"),
            (b"\x08\x07\x12\x07pytorch\x1a".to_vec(), "an ONNX network"),
            (b"\x1f\x8b\x08".to_vec(), "gzip data"),
            (b"RIFF\x10\x20\0\0WEBPVP8 ".to_vec(), "a WebP picture"),
            (b"\0\0\0\x20ftypheic".to_vec(), "a HEIC picture"),
            (b"\0\0\0\x20ftypisom".to_vec(), "a film"),
            (b"version https://git-lfs.github.com/spec/v1".to_vec(), "a Git LFS pointer"),
            (b"\n <!DOCTYPE html><html>".to_vec(), "a web page"),
            (b"0.5, 1e-3\n2, -7\n".to_vec(), "a text of numbers (CSV)"),
            (b"\xef\xbb\xbfname,value\n".to_vec(), "a text"),
            (b"{\"version\": 1}".to_vec(), "JSON"),
            (vec![0; 4096], "nothing but zeros"),
            (tar, "a tar archive"),
            (safetensors, "safetensors"),
        ] {
            let found = recognise(&bytes).map(|(kind, _)| kind);
            assert_eq!(found, Some(kind), "{:?}", &bytes[..bytes.len().min(20)]);
        }
        assert!(BEGINNINGS.iter().all(|(with, ..)| recognise(with).is_some()));
        for unknown in [&b""[..], b"\x01\x02\x03\x04", b"\xffnoise"] {
            assert_eq!(recognise(unknown), None);
        }
    }
}
