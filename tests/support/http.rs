//! The smallest HTTP/1.1 client that will do: one request, one connection, plain text.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use url::{Position, Url};

/// No answer of a test's server takes longer.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    /// A string member of the JSON.
    pub fn member(&self, name: &str) -> String {
        let json = self.json();
        json[name].as_str().unwrap_or_else(|| panic!("no `{name}` in an answer with status {}", self.status)).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// One exchange.
pub fn request(method: &str, url: &Url, headers: &[(&str, &str)], body: &str) -> Reply {
    try_request(method, url, headers, body).unwrap_or_else(|error| panic!("{}: {error}", url.authority()))
}

/// One exchange with a server that may be gone.
pub fn try_request(method: &str, url: &Url, headers: &[(&str, &str)], body: &str) -> io::Result<Reply> {
    let host = url.host_str().expect("a host");
    let authority = format!("{host}:{}", url.port_or_known_default().expect("a port"));
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(&authority)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    let mut bytes = Vec::new();
    let mut block = [0; 16 * 1024];
    // Not every server closes when it is asked to, and some reset a connection that they have answered.
    while !is_whole(&bytes) {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&block[..length]),
            Err(error) if bytes.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(parse(&bytes))
}

/// Whether a body of a stated length has arrived; one without ends with its connection.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = head_end(bytes) else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| bytes.len() - end - 4 >= length)
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n")
}

pub fn get(url: &str) -> Reply {
    request("GET", &Url::parse(url).expect("a URL"), &[], "")
}

pub fn post_form(url: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Reply {
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    request("POST", &Url::parse(url).expect("a URL"), &all, &form(fields))
}

pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn parse(bytes: &[u8]) -> Reply {
    let end = head_end(bytes).expect("a whole head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.get(9..12)).and_then(|text| text.parse().ok()).expect("a status");
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers = pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut reply = Reply { status, headers, body: bytes[end + 4..].to_vec() };
    if reply.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        reply.body = unchunked(&reply.body);
    }
    reply
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").expect("a chunk's length");
        let line = std::str::from_utf8(&rest[..end]).expect("text");
        let length = usize::from_str_radix(line.trim(), 16).expect("a length");
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}
