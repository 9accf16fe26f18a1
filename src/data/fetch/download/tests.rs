//! Downloads from a server on this machine that misbehaves in every way we know.

use std::{
    io::BufRead,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use super::*;
use crate::data::{
    checksum::md5,
    cifar10::{FILES, FOLDER, RECORD_BYTES, RECORDS},
    data_files::DataFile,
    fetch::{self, FileSource, Means, Way},
};

/// The unfinished download of the server's file.
const PART: &str = "a.tar.gz.part";
const PATIENCE: Duration = Duration::from_millis(200);

/// How the server answers.
#[derive(Clone, Copy)]
enum Manner {
    /// Honours ranges.
    Ranges,
    /// Sends everything whatever is asked.
    NoRanges,
    /// Honours ranges and hangs up after so many bytes of each answer.
    HangsUp(usize),
    /// Accepts and says nothing.
    Silent,
}

struct Server {
    url: String,
    /// The `Range` header of every request, or "".
    ranges: Arc<Mutex<Vec<String>>>,
}

fn serve(content: Vec<u8>, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.tar.gz", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let log = ranges.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &content, manner, &log);
        }
    });
    Server { url, ranges }
}

fn answer(mut stream: TcpStream, content: &[u8], manner: Manner, log: &Mutex<Vec<String>>) {
    let mut range = String::new();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(value) = line.strip_prefix("range: ").or(line.strip_prefix("Range: ")) {
            range = value.to_owned();
        }
        if line.is_empty() {
            break;
        }
    }
    log.lock().unwrap().push(range.clone());
    if let Manner::Silent = manner {
        thread::sleep(Duration::from_secs(60));
    }
    let start = range.strip_prefix("bytes=").and_then(|r| r.strip_suffix('-'));
    let start: usize = match (manner, start) {
        (Manner::NoRanges, _) | (_, None) => 0,
        (_, Some(s)) => s.parse().unwrap(),
    };
    let body = content.get(start..).filter(|b| !b.is_empty());
    let status = match (body, start) {
        (None, _) => "416 Range Not Satisfiable",
        (_, 0) => "200 OK",
        _ => "206 Partial Content",
    };
    let body = body.unwrap_or_default();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let sent = match manner {
        Manner::HangsUp(n) => n.min(body.len()),
        _ => body.len(),
    };
    // The client may have gone: that is one of the tests.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..sent]));
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect()
}

/// Downloads with `before` already in the `.part` file.
fn download(server: &Server, sum: &str, before: &[u8]) -> (Result<()>, Option<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join(PART);
    if !before.is_empty() {
        fs::write(&part, before).unwrap();
    }
    let mut told = (0, None);
    let result = remote(server, sum).download(&part, PATIENCE, &mut |event| {
        if let FetchEvent::Downloading { done, total } = event {
            told = (done, total);
        }
        true
    });
    if result.is_ok() && before.len() < 300_000 {
        assert_eq!(told, (300_000, Some(300_000)), "what the user saw last");
    }
    (result, fs::read(&part).ok())
}

fn remote(server: &Server, sum: &str) -> Remote {
    Remote::new(server.url.clone(), sum.to_owned())
}

#[test]
fn a_download_goes_on_where_it_stopped() {
    let right = md5(&content());
    for (manner, before, ranges) in [
        (Manner::Ranges, 0, &[""][..]),
        (Manner::Ranges, 1000, &["bytes=1000-"]),
        (Manner::Ranges, 300_000, &["bytes=300000-"]),
        (Manner::NoRanges, 1000, &["bytes=1000-"]),
        (Manner::HangsUp(100_000), 0, &["", "bytes=100000-", "bytes=200000-"]),
    ] {
        let server = serve(content(), manner);
        let (result, part) = download(&server, &right, &content()[..before]);
        result.unwrap();
        assert!(part.unwrap() == content());
        assert_eq!(*server.ranges.lock().unwrap(), ranges);
    }
}

#[test]
fn a_wrong_sum_is_refused_and_an_old_part_is_not_trusted() {
    let server = serve(content(), Manner::Ranges);
    let (result, part) = download(&server, "0123", &[]);
    let e = result.unwrap_err();
    assert!(e.to_string().contains("came with MD5"), "{e}");
    assert_eq!((part, server.ranges.lock().unwrap().len()), (None, 1));

    // The bytes of another file: thrown away once, then right.
    let (result, part) = download(&server, &md5(&content()), b"not the start of it");
    result.unwrap();
    assert!(part.unwrap() == content());
}

#[test]
fn an_endlessly_broken_connection_is_given_up_and_its_bytes_kept() {
    let server = serve(content(), Manner::HangsUp(1000));
    let (result, part) = download(&server, &md5(&content()), &[]);
    let e = result.unwrap_err();
    assert!(e.to_string().contains("4000 bytes are kept"), "{e}");
    assert!(part.unwrap() == content()[..4000]);
}

#[test]
fn an_interrupted_download_leaves_the_part() {
    let server = serve(content(), Manner::Ranges);
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join(PART);
    let remote = remote(&server, &md5(&content()));
    let stopped = remote.download(
        &part,
        PATIENCE,
        &mut |event| !matches!(event, FetchEvent::Downloading { done, .. } if done > 100_000),
    );
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let have = fs::metadata(&part).unwrap().len();
    assert!(have > 100_000 && have < 300_000, "{have}");
    remote.download(&part, PATIENCE, &mut |_| true).unwrap();
    assert!(fs::read(&part).unwrap() == content());
    assert_eq!(server.ranges.lock().unwrap()[1], format!("bytes={have}-"));
}

#[test]
fn a_silent_or_absent_site_costs_little() {
    let silent = serve(content(), Manner::Silent);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = Server { url: format!("http://{free}/a"), ranges: Arc::default() };
    for server in [silent, absent] {
        let started = Instant::now();
        let (result, _) = download(&server, "", &[]);
        assert!(matches!(result, Err(Error::Fetch { .. })));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_the_users_to_solve() {
    let server = serve(content(), Manner::Ranges);
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join(PART);
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let e = remote(&server, "").download(&part, PATIENCE, &mut |_| true).unwrap_err();
    assert!(matches!(e, Error::Write { .. }), "{e}");
    assert!(e.hint().unwrap().contains("disk is full"));
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_full_disk_no_other_source_is_tried() {
    let server = serve(content(), Manner::Ranges);
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(FOLDER)).unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join(FOLDER).join(PART)).unwrap();
    let way = || Way::TarGz(remote(&server, ""));
    let sources = ["one", "another"].map(|words| FileSource { words, way: way() });
    let means = Means { npm: "nf-gpu-test-no-program".into(), patience: PATIENCE };
    let e = fetch::fetch("x", FILES, &sources, &means, dir.path(), &mut |_| true).unwrap_err();
    assert_eq!(server.ranges.lock().unwrap().len(), 1);
    assert!(matches!(e, Error::Write { .. }), "{e}");
}

/// A gzipped tar of files of zeros.
fn tar_of(files: &[(&str, usize)]) -> Vec<u8> {
    let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    for &(path, len) in files {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the crate's own check refuses `..`.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(len as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, &vec![0; len][..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn only_the_known_files_come_out_of_the_archive() {
    const SIZE: usize = RECORDS * RECORD_BYTES;
    // md5sum of 30,730,000 zero bytes.
    const ZEROS: DataFile =
        DataFile::md5("test_batch.bin", SIZE as u64, "229a4f9bbbc879e7371f2391ac1f4775");
    const OTHER: DataFile = DataFile::md5("data_batch_2.bin", SIZE as u64, "0123");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar.gz");
    let folder = dir.path().join(FOLDER);
    let files = [
        ("cifar-10-batches-bin/readme.html", 88),
        ("../evil.bin", SIZE),
        ("cifar-10-batches-bin/test_batch.bin", 3073),
        ("elsewhere/test_batch.bin", SIZE),
        ("cifar-10-batches-bin/test_batch.bin", SIZE),
    ];
    for (take, written) in [(4, 0), (5, 1)] {
        let mut target = FetchTarget::at(&folder, &[ZEROS]);
        fs::write(&path, tar_of(&files[..take])).unwrap();
        unpack(&path, &mut target, &mut |_| true).unwrap();
        let there = fs::read_dir(&folder).unwrap().count();
        assert_eq!((there, target.wants("test_batch.bin")), (written, written == 0));
    }
    assert!(!dir.path().join("evil.bin").exists());

    fs::write(&path, tar_of(&[("cifar-10-batches-bin/data_batch_2.bin", SIZE)])).unwrap();
    let e = unpack(&path, &mut FetchTarget::at(&folder, &[OTHER]), &mut |_| true).unwrap_err();
    assert!(e.to_string().contains("came with MD5"), "{e}");
    assert!(!dir.path().join(FOLDER).join("data_batch_2.bin").exists());

    let whole = tar_of(&files);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let e = unpack(&path, &mut FetchTarget::at(&folder, &[ZEROS]), &mut |_| true).unwrap_err();
    assert!(e.to_string().contains("damaged"), "{e}");
}
