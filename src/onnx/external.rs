//! Data beside the file: only in its own folder, whatever the file says.

use super::{
    model::TensorProto,
    reasons::{Reason, Taken},
};
use crate::files::open_file;
use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

/// The `bytes` bytes of a tensor whose data lie in another file of `folder`.
pub(super) fn read(tensor: &TensorProto, folder: &Path, bytes: usize) -> Taken<Vec<u8>> {
    let (path, offset, length) = place(tensor, folder)?;
    if length.is_some_and(|length| length != bytes as u64) {
        let what = format!(
            "tensor {} takes {bytes} bytes and has {} in {}",
            tensor.name,
            length.unwrap_or(0),
            path.display()
        );
        return Err(Reason::damaged(what));
    }
    let (mut file, there) = open_file(&path)?;
    if offset.checked_add(bytes as u64).is_none_or(|end| end > there.len()) {
        let what = format!(
            "tensor {} ends at byte {} of {}, which has {}",
            tensor.name,
            offset.saturating_add(bytes as u64),
            path.display(),
            there.len()
        );
        return Err(Reason::new(what, "copy the file with the data again, as a whole"));
    }
    let failed = |error| Reason::from(crate::Error::read(&path, error));
    let mut data = Vec::with_capacity(bytes);
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    file.take(bytes as u64).read_to_end(&mut data).map_err(failed)?;
    if data.len() == bytes {
        return Ok(data);
    }
    Err(Reason::new(format!("{} became shorter", path.display()), "copy it again, as a whole"))
}

/// File, offset and length of a tensor's data.
fn place(tensor: &TensorProto, folder: &Path) -> Taken<(PathBuf, u64, Option<u64>)> {
    let entry = |key: &str| tensor.location.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let number = |key: &str| match entry(key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(Reason::damaged(format!("the {key} of tensor {}", tensor.name))),
    };
    let Some(location) = entry("location") else {
        return Err(Reason::damaged(format!(
            "tensor {} does not say where its data are",
            tensor.name
        )));
    };
    let outside = || {
        let what = format!(
            "the data of tensor {} lie in {location}, outside of the file's folder",
            tensor.name
        );
        Reason::new(
            what,
            "put the file with the data beside the .onnx file, and save it with that location",
        )
    };
    let relative = Path::new(location);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    // A backslash is a separator to whoever opens the file on Windows.
    if location.contains(['\\', ':', '\0']) || !relative.components().all(plain) {
        return Err(outside());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = folder.join(relative);
    let real = |path: &Path| fs::canonicalize(path).map_err(|e| crate::Error::read(path, e));
    // Links are followed before the comparison, so that none leads out of the folder.
    if !real(&path)?.starts_with(real(folder)?) {
        return Err(outside());
    }
    Ok((path, number("offset")?.unwrap_or(0), number("length")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(entries: &[(&str, &str)]) -> TensorProto {
        let location = entries.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        TensorProto { name: "w".into(), external: true, location, ..TensorProto::default() }
    }

    #[test]
    fn data_are_read_inside_the_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("net");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("w.bin"), [0, 1, 2, 3, 4, 5]).unwrap();
        fs::write(folder.path().join("secret"), [9; 8]).unwrap();
        let at = |entries: &[(&str, &str)]| read(&tensor(entries), &inner, 4);
        let good = [("location", "w.bin"), ("offset", "2"), ("length", "4")];
        assert_eq!(at(&good).unwrap(), [2, 3, 4, 5]);
        let absolute = folder.path().join("secret").display().to_string();
        for out in ["../secret", &absolute, "a/../../secret", "..\\secret"] {
            let reason = at(&[("location", out)]).unwrap_err();
            assert!(reason.what.contains("outside of the file's folder"), "{reason:?}");
            assert!(reason.advice.contains("beside the .onnx file"));
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path().join("secret"), inner.join("link")).unwrap();
            assert!(at(&[("location", "link")]).unwrap_err().what.contains("outside"));
        }
        let short = at(&[("location", "w.bin"), ("offset", "3")]).unwrap_err();
        assert!(short.what.contains("ends at byte 7") && short.what.contains("which has 6"));
        assert!(at(&[("location", "w.bin"), ("offset", "x")]).is_err());
        assert!(at(&[("location", "w.bin"), ("length", "5")]).is_err());
        assert!(at(&[("location", "w.bin"), ("offset", "18446744073709551615")]).is_err());
        assert!(at(&[("location", "gone")]).unwrap_err().what.contains("cannot read"));
        assert!(at(&[]).unwrap_err().what.contains("does not say where"));
    }
}
