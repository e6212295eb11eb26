//! A site over plain HTTP/1.1, one request for each connection: it lets in who shows a live token, remembers what it was shown,
//! and serves what a function says.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::listener::Listener;

/// No request of a test's is larger.
const MOST: u64 = 16 * 1024 * 1024;
/// What whoever is not let in is told, as APIs of models say it.
const REFUSED: &str = r#"{"type":"error","error":{"type":"authentication_error","message":"invalid bearer token"}}"#;

pub struct Request {
    pub method: String,
    /// Without its query.
    pub path: String,
    pub query: String,
    /// Their names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How a token has to be shown in `Authorization`.
#[derive(Clone, Copy)]
pub enum Shown {
    /// As it is.
    Bare,
    Bearer,
    /// As the password of that user.
    Basic(&'static str),
}

/// Who is let in.
pub struct Judge {
    shown: Shown,
    is_live: Box<dyn Fn(&str) -> bool + Send + Sync>,
    challenge: &'static str,
}

/// Serves until this is dropped.
pub struct Site {
    listener: Listener,
    inside: Arc<Inside>,
}

struct Inside {
    /// `None`: everybody is let in, and the function judges for itself.
    judge: Option<Judge>,
    serve: Box<dyn Fn(&Request) -> Response + Send + Sync>,
    seen: Mutex<Vec<&'static str>>,
}

impl Site {
    pub fn start(judge: Judge, serve: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::begin(Some(judge), Box::new(serve))
    }

    /// Lets everybody in.
    pub fn open(serve: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::begin(None, Box::new(serve))
    }

    fn begin(judge: Option<Judge>, serve: Box<dyn Fn(&Request) -> Response + Send + Sync>) -> Self {
        let inside = Arc::new(Inside { judge, serve, seen: Mutex::default() });
        let serving = Arc::clone(&inside);
        Self { listener: Listener::start(move |stream| serving.answer(stream)), inside }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listener.address())
    }

    /// What was shown at each request since the last call: `nothing`, `live`, `refused`, `odd`.
    pub fn seen(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.inside.seen.lock().unwrap())
    }
}

impl Inside {
    fn answer(&self, stream: TcpStream) -> Result<()> {
        let Some(request) = Request::read(&stream)? else { return Ok(()) };
        let response = match &self.judge {
            None => (self.serve)(&request),
            Some(judge) => {
                let shown = judge.says(request.header("authorization"));
                self.seen.lock().unwrap().push(shown);
                if shown == "live" { (self.serve)(&request) } else { judge.refusal() }
            }
        };
        response.write(&stream, request.method == "HEAD")
    }
}

impl Judge {
    pub fn of(shown: Shown, is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let challenge = match shown {
            Shown::Bare | Shown::Bearer => "Bearer realm=\"test\", error=\"invalid_token\"",
            Shown::Basic(_) => "Basic realm=\"test\"",
        };
        Self { shown, is_live: Box::new(is_live), challenge }
    }

    /// With another `WWW-Authenticate` for whoever is not let in.
    pub fn challenging(self, challenge: &'static str) -> Self {
        Self { challenge, ..self }
    }

    fn says(&self, authorization: Option<&str>) -> &'static str {
        let Some(authorization) = authorization else { return "nothing" };
        let token = match self.shown {
            Shown::Bare => Some(authorization.to_owned()).filter(|value| !value.contains(' ')),
            Shown::Bearer => authorization.strip_prefix("Bearer ").map(str::to_owned),
            Shown::Basic(user) => basic(authorization).filter(|(name, _)| name == user).map(|(_, password)| password),
        };
        match token {
            // A user of whom no password is known yet.
            Some(token) if token.is_empty() => "nothing",
            Some(token) if (self.is_live)(&token) => "live",
            Some(_) => "refused",
            None => "odd",
        }
    }

    fn refusal(&self) -> Response {
        let mut response = Response::new(401, "application/json", REFUSED);
        response.headers.push(("WWW-Authenticate".to_owned(), self.challenge.to_owned()));
        response
    }
}

/// User and password (RFC 7617).
pub fn basic(authorization: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

impl Request {
    /// `None` where the client has gone without one.
    fn read(mut stream: &TcpStream) -> Result<Option<Self>> {
        let mut reader = BufReader::new(stream.try_clone()?).take(MOST);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut words = first.split_ascii_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let mut request = Self { method, path, query, headers: Vec::new(), body: Vec::new() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if request.header("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if request.header("transfer-encoding").is_some() {
            request.body = chunks(&mut reader)?;
        } else {
            let length = request.header("content-length").and_then(|length| length.parse().ok());
            request.body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut request.body)?;
        }
        Ok(Some(request))
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The site's own URL, as the client named it.
    pub fn here(&self) -> String {
        format!("http://{}", self.header("host").unwrap_or_default())
    }

    /// The fields of a form in the body.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// One of them.
    pub fn field(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// A body whose length nobody said (RFC 9112 section 7.1).
fn chunks(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap_or(0);
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk)?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

impl Response {
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type".to_owned(), kind.to_owned())], body: body.into() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    fn write(&self, mut stream: &TcpStream, is_head: bool) -> Result<()> {
        let (status, length) = (self.status, self.body.len());
        let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n");
        self.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        let body: &[u8] = if is_head { b"" } else { &self.body };
        stream.write_all(&[head.as_bytes(), b"\r\n", body].concat())
    }
}
