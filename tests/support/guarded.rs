//! An HTTP server that lets in who shows a live token, one request at a time, and writes down what was shown.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// No client of a test's is silent for longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No request of a test's is larger.
const MOST: u64 = 16 * 1024 * 1024;

/// A request that was let in.
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a [u8],
}

/// Status, `Content-Type` and body.
pub type Answer = (u16, &'static str, Vec<u8>);

/// What is asked of who comes: the value of `Authorization`, and whether its token is live; `None` if it has another form.
pub type Judge = Box<dyn Fn(&str) -> Option<bool> + Send + Sync>;

/// Serves until this is dropped.
pub struct Guarded {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<&'static str>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Guarded {
    /// `challenge` is what `WWW-Authenticate` says to whoever is not let in.
    pub fn start(
        challenge: &'static str,
        judge: Judge,
        serve: impl Fn(&str, &Asked<'_>) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::<Mutex<Vec<&'static str>>>::default(), Arc::new(AtomicBool::new(false)));
        let (noted, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let here = format!("http://{address}");
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let let_in = |authorization: Option<&str>| {
                    let live = authorization.map(&judge);
                    let shown = match live {
                        None => "nothing",
                        Some(None) => "odd",
                        Some(Some(false)) => "refused",
                        Some(Some(true)) => "live",
                    };
                    noted.lock().unwrap().push(shown);
                    shown == "live"
                };
                // A client that left early is its own affair.
                let _ = stream.and_then(|stream| answer(stream, challenge, let_in, |asked| serve(&here, asked)));
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

/// Whoever shows a token as Bearer.
pub fn bearer(is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Judge {
    Box::new(move |authorization| authorization.strip_prefix("Bearer ").map(&is_live))
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(
    stream: TcpStream,
    challenge: &str,
    let_in: impl Fn(Option<&str>) -> bool,
    serve: impl Fn(&Asked<'_>) -> Answer,
) -> std::io::Result<()> {
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
    if header("expect").is_some() {
        (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (more, (status, kind, body)) = match let_in(header("authorization")) {
        true => (String::new(), serve(&Asked { method, path, body: &body })),
        false => (format!("WWW-Authenticate: {challenge}\r\n"), (401, "text/plain", b"no\n".to_vec())),
    };
    let head = format!(
        "HTTP/1.1 {status} So\r\nContent-Type: {kind}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    (&stream).write_all(&[head.as_bytes(), &body].concat())
}
