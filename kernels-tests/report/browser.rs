//! Chromium without a window.
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What a browser made of a page.
pub(super) struct Seen {
    pub(super) dom: String,
    /// Lines that the page's console got.
    pub(super) complaints: Vec<String>,
}

/// The browser's program, if one is on `PATH`.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let all = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    all.into_iter().find(|program| program.is_file())
}

/// Opens a page, in a profile of its own; or what the browser says when it shows nothing.
pub(super) fn open(browser: &Path, page: &Path) -> Result<Seen, String> {
    let profile = tempfile::tempdir().unwrap();
    let text = |name: &str| profile.path().join(name);
    let file = |name: &str| std::fs::File::create(text(name)).unwrap();
    let mut child = Command::new(browser)
        // No sandbox: root in a container has none. The page is our own.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
        .args(["--enable-logging=stderr", "--log-level=0", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(file("dom"))
        .stderr(file("log"))
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} did not end: {}", browser.display(), read(&text("log")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (dom, log) = (read(&text("dom")), read(&text("log")));
    if !dom.contains("</html>") {
        return Err(log);
    }
    let complaints = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    Ok(Seen { dom, complaints: complaints.collect() })
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}
