//! Git over HTTP: git's own http-backend behind a door that lets in who shows a live token, one request at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::git_lfs;

/// No client of a test's is silent for longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No repository of a test's is larger.
const MOST: u64 = 16 * 1024 * 1024;

/// How a token has to be shown.
#[derive(Clone, Copy)]
pub enum Shown {
    Bearer,
    /// As the password of that user.
    Basic(&'static str),
}

type IsLive = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Serves the repositories below a directory until this is dropped.
pub struct GitServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<&'static str>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Site {
    root: PathBuf,
    shown: Shown,
    is_live: IsLive,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

impl GitServer {
    pub fn start(root: &Path, shown: Shown, is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let site = Site { root: root.to_owned(), shown, is_live: Box::new(is_live), seen: Arc::clone(&seen) };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that left early is its own affair.
                let _ = stream.and_then(|stream| site.answer(stream));
            }
        });
        Self { address, seen, stop, thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was shown at each request since the last call: `nothing`, `live`, `refused`, `odd`.
    pub fn seen(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Site {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?).take(MOST);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let mut body = vec![0; header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let shown = self.judge(header("authorization"));
        self.seen.lock().unwrap().push(shown);
        let answer = if shown == "live" { self.serve(&first, &header, &body) } else { self.challenge() };
        (&stream).write_all(&answer)
    }

    fn judge(&self, authorization: Option<&str>) -> &'static str {
        let Some(authorization) = authorization else { return "nothing" };
        let token = match (self.shown, authorization.split_once(' ')) {
            (Shown::Bearer, Some(("Bearer", token))) => Some(token.to_owned()),
            (Shown::Basic(user), Some(("Basic", encoded))) => {
                let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.and_then(|text| Some(text.strip_prefix(user)?.strip_prefix(':')?.to_owned()))
            }
            _ => None,
        };
        token.map_or("odd", |token| if (self.is_live)(&token) { "live" } else { "refused" })
    }

    fn challenge(&self) -> Vec<u8> {
        let challenge = match self.shown {
            Shown::Bearer => "Bearer realm=\"git\", error=\"invalid_token\"",
            Shown::Basic(_) => "Basic realm=\"git\"",
        };
        let head = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\nWWW-Authenticate: ";
        format!("{head}{challenge}\r\n\r\n").into_bytes()
    }

    /// RFC 3875, as far as http-backend needs it.
    fn serve<'a>(&self, first: &str, header: &dyn Fn(&str) -> Option<&'a str>, body: &[u8]) -> Vec<u8> {
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path.contains("/info/lfs/") {
            let here = format!("http://{}", header("host").unwrap());
            let (status, kind, bytes) = git_lfs::answer(&self.root, &here, method, path, body);
            return response(status, &format!("Content-Type: {kind}"), &bytes);
        }
        let mut backend = Command::new("git");
        backend.arg("http-backend").env("GIT_PROJECT_ROOT", &self.root).env("GIT_HTTP_EXPORT_ALL", "1");
        backend.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("REMOTE_USER", "ada");
        backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
        backend.env("CONTENT_LENGTH", body.len().to_string());
        for (name, variable) in [
            ("content-type", "CONTENT_TYPE"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ] {
            backend.envs(header(name).map(|value| (variable, value)));
        }
        let mut backend = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut input = backend.stdin.take().unwrap();
        let body = body.to_owned();
        let writer = std::thread::spawn(move || drop(input.write_all(&body)));
        let output = backend.wait_with_output().unwrap().stdout;
        writer.join().unwrap();
        let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let (status, others): (Vec<_>, Vec<_>) = head.lines().partition(|line| line.starts_with("Status:"));
        let status = status.first().map_or("200 OK", |line| line["Status:".len()..].trim());
        response(status, &others.join("\r\n"), &output[end + 4..])
    }
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
