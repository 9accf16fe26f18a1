//! The official archive: a resumable download and its unpacking.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Write},
    path::Path,
    time::Duration,
};

use flate2::read::GzDecoder;
use ureq::http::{Response, StatusCode, header};

use super::{
    checksum::md5_of,
    cifar10::{FOLDER, RECORD_BYTES, RECORDS},
    fetch::{FetchEvent, Progress, tell},
    target::Target,
};
use crate::error::{Error, Result};

/// The source in words.
pub(super) const SOURCE: &str = "the official archive";
/// The unfinished download, under the data folder.
pub(super) const PART: &str = "cifar-10-binary.tar.gz.part";
/// A broken connection is taken up again so often.
const ATTEMPTS: u32 = 4;

/// A file on a server.
pub(super) struct Archive {
    pub(super) url: String,
    /// Of the whole file, as hexadecimal digits.
    pub(super) md5: String,
    /// A site that does not answer for so long is given up: seconds, not minutes.
    pub(super) patience: Duration,
}

impl Archive {
    /// What the data set's home page offers.
    pub(super) fn official() -> Self {
        Self {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".into(),
            md5: "c32a1d4ab5d03f1284b67883e8d87530".into(),
            patience: Duration::from_secs(5),
        }
    }

    fn agent(&self) -> ureq::Agent {
        ureq::Agent::config_builder()
            .timeout_resolve(Some(self.patience))
            .timeout_connect(Some(self.patience))
            .timeout_recv_response(Some(2 * self.patience))
            .timeout_per_read(Some(4 * self.patience))
            .user_agent(concat!("nf-gpu/", env!("CARGO_PKG_VERSION")))
            .build()
            .into()
    }

    /// Brings the archive to `part`, going on from the bytes that are there, and checks it.
    pub(super) fn download(&self, part: &Path, progress: Progress<'_>) -> Result<()> {
        let agent = self.agent();
        let mut fresh = !part.exists();
        for attempt in 1.. {
            let end = self.receive(&agent, part, progress)?;
            if let End::Broken(why) = end {
                if attempt == ATTEMPTS {
                    return Err(failed(format!("{why} ({} bytes are kept)", length(part)?)));
                }
                continue;
            }
            let found = File::open(part).and_then(md5_of).map_err(|e| Error::read(part, e))?;
            if found == self.md5 {
                return Ok(());
            }
            // Bytes of an earlier call may be of another file: once more from the start.
            fs::remove_file(part).map_err(|e| Error::write(part, e))?;
            if fresh || attempt == ATTEMPTS {
                return Err(failed(format!("it came with MD5 {found}, not {}", self.md5)));
            }
            fresh = true;
        }
        Ok(())
    }

    /// One request: appends to `part` what the server still has.
    fn receive(&self, agent: &ureq::Agent, part: &Path, progress: Progress<'_>) -> Result<End> {
        let have = length(part)?;
        let mut request = agent.get(&self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            // The answer to a range that begins at the end of the file.
            Err(ureq::Error::StatusCode(416)) if have > 0 => return Ok(End::Complete),
            Err(e) => return Err(failed(e.to_string())),
        };
        // A server that knows no ranges sends everything.
        let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
        let mut done = if resumed { have } else { 0 };
        let total = content_length(&response).map(|n| n + done);
        let writing = |e| Error::write(part, e);
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(resumed)
            .truncate(!resumed)
            .open(part)
            .map_err(writing)?;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            tell(progress, FetchEvent::Downloading { done, total })?;
            let n = match body.read(&mut buffer) {
                Ok(0) if total.is_some_and(|t| done < t) => {
                    return Ok(End::Broken("the connection ended early".into()));
                }
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Ok(End::Broken(e.to_string())),
            };
            file.write_all(&buffer[..n]).map_err(writing)?;
            done += n as u64;
        }
        file.sync_all().map_err(writing)?;
        Ok(End::Complete)
    }
}

/// How a request ended.
enum End {
    Complete,
    /// The bytes so far are kept.
    Broken(String),
}

fn content_length<T>(response: &Response<T>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn length(part: &Path) -> Result<u64> {
    match fs::metadata(part) {
        Ok(m) => Ok(m.len()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(Error::read(part, e)),
    }
}

/// Takes the record files, and nothing else, out of the archive.
pub(super) fn unpack(archive: &Path, target: &mut Target, progress: Progress<'_>) -> Result<()> {
    let damaged = |e: io::Error| failed(format!("the archive is damaged: {e}"));
    let file = File::open(archive).map_err(|e| Error::read(archive, e))?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let name = path.strip_prefix(FOLDER).ok().and_then(Path::to_str);
        let Some(stem) = name.and_then(|n| n.strip_suffix(".bin")) else {
            continue;
        };
        let expected = (RECORDS * RECORD_BYTES) as u64;
        if !target.wants(stem) || entry.size() != expected {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(damaged)?;
        target.install(stem, &bytes, progress)?;
    }
    Ok(())
}

fn failed(message: String) -> Error {
    Error::Fetch { what: SOURCE.into(), message, hint: "check the network connection".into() }
}

#[cfg(test)]
mod tests;
