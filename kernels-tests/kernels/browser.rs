//! Chromium without a window.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Time for a page on a slow machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a browser shows for a page.
pub(crate) struct Seen {
    pub(crate) dom: String,
    /// Messages on the page's console.
    pub(crate) complaints: Vec<String>,
}

/// The browser's program, if one is on `PATH`.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let all = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    all.into_iter().find(|program| program.is_file())
}

/// The browser without a window, in its own profile. The sandbox is off: root in a container has none,
/// and the pages are our own.
fn headless(browser: &Path, profile: &Path) -> Command {
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-extensions", "--disable-background-networking", "--disable-sync"])
        .args(["--disable-component-update", "--disable-quic", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.join("profile").display()))
        .stdin(Stdio::null());
    command
}

/// Opens a page. The error is what the browser prints if it shows nothing.
pub(crate) fn open(browser: &Path, page: &Path) -> Result<Seen, String> {
    let profile = tempfile::tempdir().unwrap();
    let text = |name: &str| profile.path().join(name);
    let file = |name: &str| std::fs::File::create(text(name)).unwrap();
    let mut child = headless(browser, profile.path())
        .args(["--disable-gpu", "--log-level=0", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .stdout(file("dom"))
        .stderr(file("log"))
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
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

/// Serves a page to the browser, with WebGPU on SwiftShader, and returns what the page posts. The error
/// is what the browser prints if nothing is posted.
pub(crate) fn answer(browser: &Path, page: &str) -> Result<String, String> {
    let profile = tempfile::tempdir().unwrap();
    let log = profile.path().join("log");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let mut child = headless(browser, profile.path())
        .args(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"])
        .args(["--enable-features=Vulkan,WebGPU"])
        .arg(format!("http://{}/?report", server.local_addr().unwrap()))
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut answer = None;
    while answer.is_none() && begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none() {
        match server.accept() {
            Ok((stream, _)) => answer = serve(&stream, page),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    // The browser may have ended by itself.
    let _ = child.kill();
    child.wait().unwrap();
    answer.ok_or_else(|| read(&log))
}

/// Handles one request: returns posted text, or sends the page.
fn serve(mut stream: &TcpStream, page: &str) -> Option<String> {
    stream.set_nonblocking(false).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let posted = first.starts_with("POST");
    let page = if first.starts_with("GET /?") { page } else { "" };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).ok()?;
    posted.then(|| String::from_utf8(body).unwrap())
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}
