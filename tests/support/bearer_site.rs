//! A site over plain HTTP that lets in who shows a live token, as an API, an MCP server or a WebDAV share does, and remembers
//! what it was shown.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// No client of a test's is silent for longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// No request of a test's is larger.
const MOST: u64 = 16 * 1024 * 1024;

/// What a client sent that was let in.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What it is answered: status, media type, body.
pub type Answer = (u16, &'static str, String);
type IsLive = Box<dyn Fn(&str) -> bool + Send + Sync>;
type Serve = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

struct Site {
    is_live: IsLive,
    serve: Serve,
    seen: Mutex<Vec<&'static str>>,
    stop: AtomicBool,
}

/// The site, until this is dropped.
pub struct BearerSite {
    address: SocketAddr,
    site: Arc<Site>,
    thread: Option<JoinHandle<()>>,
}

impl BearerSite {
    pub fn start(
        is_live: impl Fn(&str) -> bool + Send + Sync + 'static,
        serve: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (is_live, serve) = (Box::new(is_live), Box::new(serve));
        let site = Arc::new(Site { is_live, serve, seen: Mutex::default(), stop: AtomicBool::new(false) });
        let serving = Arc::clone(&site);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stop.load(Ordering::SeqCst) {
                    return;
                }
                let site = Arc::clone(&serving);
                // A client that left early is its own affair; one may open a connection and use another.
                std::thread::spawn(move || stream.and_then(|stream| site.answer(stream)));
            }
        });
        Self { address, site, thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was shown at each request since the last call: `nothing`, `live`, `refused`.
    pub fn seen(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.site.seen.lock().unwrap())
    }
}

impl Drop for BearerSite {
    fn drop(&mut self) {
        self.site.stop.store(true, Ordering::SeqCst);
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
        let mut words = first.split_ascii_whitespace().map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
        let mut asked = Asked { method, path, headers: Vec::new(), body: Vec::new() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if asked.header("expect").is_some() {
            (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        asked.body = vec![0; asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut asked.body)?;
        let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let shown = match token {
            None => "nothing",
            Some(token) if (self.is_live)(token) => "live",
            Some(_) => "refused",
        };
        self.seen.lock().unwrap().push(shown);
        let (status, media_type, body) = match shown {
            "live" => (self.serve)(&asked),
            _ => (401, "application/json", REFUSED.to_owned()),
        };
        let challenge = if status == 401 { "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{challenge}Connection: close\r\n\r\n",
            body.len()
        );
        let body = if asked.method == "HEAD" { "" } else { &body };
        (&stream).write_all(&[head.as_bytes(), body.as_bytes()].concat())
    }
}

/// As APIs of models say it.
const REFUSED: &str = r#"{"type":"error","error":{"type":"authentication_error","message":"invalid bearer token"}}"#;
