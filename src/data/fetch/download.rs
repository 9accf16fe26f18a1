//! A resumable download, and its unpacking.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Write},
    path::Path,
    time::Duration,
};

use flate2::read::{GzDecoder, MultiGzDecoder};
use ureq::http::{Response, StatusCode, header};

use super::{FetchEvent, FetchProgress, Remote, target::FetchTarget, tell};
use crate::{
    data::checksum::Sum,
    error::{Error, Result},
};

/// Requests that are made for a file before the download is given up.
const ATTEMPTS: u32 = 4;

impl Remote {
    /// Downloads the file to `part`, after the bytes that are already there, and checks its MD5. A
    /// site that does not answer for `patience` is given up.
    pub(super) fn download(
        &self,
        part: &Path,
        patience: Duration,
        progress: FetchProgress<'_>,
    ) -> Result<()> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(2 * patience))
            .timeout_per_read(Some(4 * patience))
            .user_agent(concat!("nf-gpu/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut fresh = !part.exists();
        for attempt in 1.. {
            let end = self.receive(&agent, part, progress)?;
            if let End::Broken(why) = end {
                if attempt == ATTEMPTS {
                    return Err(self.failed(format!("{why} ({} bytes are kept)", length(part)?)));
                }
                continue;
            }
            let (_, found) = File::open(part)
                .and_then(|file| Sum::Md5("").of(file))
                .map_err(|e| Error::read(part, e))?;
            if found == self.md5 {
                return Ok(());
            }
            // The bytes of an earlier call may be those of another file: download once more from
            // the start.
            fs::remove_file(part).map_err(|e| Error::write(part, e))?;
            if fresh || attempt == ATTEMPTS {
                return Err(self.failed(format!("it came with MD5 {found}, not {}", self.md5)));
            }
            fresh = true;
        }
        Ok(())
    }

    /// Makes one request and appends the missing bytes to `part`.
    fn receive(
        &self,
        agent: &ureq::Agent,
        part: &Path,
        progress: FetchProgress<'_>,
    ) -> Result<End> {
        let have = length(part)?;
        let mut request = agent.get(&*self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            // 416 is the answer to a range that begins at the end of the file.
            Err(ureq::Error::StatusCode(416)) if have > 0 => return Ok(End::Complete),
            Err(e) => return Err(self.failed(e.to_string())),
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

    fn failed(&self, message: String) -> Error {
        let hint = "check the network connection".into();
        Error::Fetch { what: self.url.to_string(), message, hint }
    }
}

/// How a request ended.
enum End {
    Complete,
    /// The connection broke, for this reason; the bytes so far are kept.
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

/// Takes the wanted files, and nothing else, out of a gzipped tar: those in a folder named like the
/// target's.
pub(super) fn unpack(
    archive: &Path,
    target: &mut FetchTarget,
    progress: FetchProgress<'_>,
) -> Result<()> {
    let folder = target.folder.file_name().map(Path::new).unwrap_or(Path::new("")).to_owned();
    let file = File::open(archive).map_err(|e| Error::read(archive, e))?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    // Raw: headers that give long names would be read into memory, however long they say they are.
    for entry in tar.entries().map_err(|e| damaged(&e))?.raw(true) {
        let mut entry = entry.map_err(|e| damaged(&e))?;
        let path = entry.path().map_err(|e| damaged(&e))?.into_owned();
        let Some(name) = path.strip_prefix(&folder).ok().and_then(Path::to_str) else {
            continue;
        };
        let is_file = entry.header().entry_type().is_file();
        if !is_file || target.wanted(name).is_none_or(|file| file.bytes != entry.size()) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
        target.install(name, &bytes, progress)?;
    }
    Ok(())
}

/// Unpacks a gzipped download of `right` bytes, and one byte more of a longer one, to show that it
/// is too long.
pub(super) fn gunzip(part: &Path, right: u64) -> Result<Vec<u8>> {
    let file = File::open(part).map_err(|e| Error::read(part, e))?;
    let mut bytes = Vec::new();
    let unpacked = MultiGzDecoder::new(BufReader::new(file));
    unpacked.take(right.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
    Ok(bytes)
}

fn damaged(error: &io::Error) -> Error {
    Error::Fetch {
        what: "the archive".into(),
        message: format!("the archive is damaged: {error}"),
        hint: "try again".into(),
    }
}

#[cfg(test)]
mod tests;
