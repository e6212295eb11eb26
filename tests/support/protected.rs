//! An HTTP server behind a door that lets in who shows a live token, one request at a time; what it serves is a function.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::git_server::Shown;

/// No client of a test's is silent for longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No request of a test's is larger.
const MOST: u64 = 16 * 1024 * 1024;

/// What came through the door.
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The server's own, as the client named it: `127.0.0.1:PORT`.
    pub host: String,
}

/// A status line's end, headers, a body.
pub type Response = (&'static str, Vec<(&'static str, String)>, Vec<u8>);

type IsLive = Box<dyn Fn(&str) -> bool + Send + Sync>;
type Serve = Box<dyn Fn(&Request) -> Response + Send + Sync>;

struct Site {
    /// `None`: everybody is let in, and the function judges for itself.
    shown: Option<Shown>,
    is_live: IsLive,
    serve: Serve,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

/// Serves until this is dropped.
pub struct Protected {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<&'static str>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Protected {
    pub fn start(
        shown: Shown,
        is_live: impl Fn(&str) -> bool + Send + Sync + 'static,
        serve: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::begin(Some(shown), Box::new(is_live), Box::new(serve))
    }

    /// Without a door.
    pub fn open(serve: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::begin(None, Box::new(|_| true), Box::new(serve))
    }

    fn begin(shown: Option<Shown>, is_live: IsLive, serve: Serve) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let site = Arc::new(Site { shown, is_live, serve, seen: Arc::clone(&seen) });
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

impl Drop for Protected {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Site {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?).take(MOST);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut words = first.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let (method, path) = (method.to_owned(), path.to_owned());
        let mut request = Request { method, path, headers, body: Vec::new(), host: String::new() };
        request.host = request.header("host").unwrap_or_default().to_owned();
        request.body = vec![0; request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut request.body)?;
        let (status, headers, body) = self.response(&request);
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        (&stream).write_all(&[head.as_bytes(), b"\r\n", &body].concat())
    }

    fn response(&self, request: &Request) -> Response {
        let Some(shown) = self.shown else { return (self.serve)(request) };
        let judged = self.judge(shown, request.header("authorization"));
        self.seen.lock().unwrap().push(judged);
        if judged == "live" {
            return (self.serve)(request);
        }
        let challenge = match shown {
            Shown::Bearer => "Bearer realm=\"test\", error=\"invalid_token\"",
            Shown::Basic(_) => "Basic realm=\"test\"",
        };
        ("401 Unauthorized", vec![("WWW-Authenticate", challenge.to_owned())], Vec::new())
    }

    fn judge(&self, shown: Shown, authorization: Option<&str>) -> &'static str {
        let Some(authorization) = authorization else { return "nothing" };
        let token = match (shown, authorization.split_once(' ')) {
            (Shown::Bearer, Some(("Bearer", token))) => Some(token.to_owned()),
            (Shown::Basic(user), Some(("Basic", encoded))) => {
                let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.and_then(|text| Some(text.strip_prefix(user)?.strip_prefix(':')?.to_owned()))
            }
            _ => None,
        };
        match token {
            // A user of whom no password is known yet.
            Some(token) if token.is_empty() => "nothing",
            Some(token) if (self.is_live)(&token) => "live",
            Some(_) => "refused",
            None => "odd",
        }
    }
}
