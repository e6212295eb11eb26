//! The smallest HTTP client that can talk to the server: one request, one connection, bytes as they came.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::super::{DEFAULT_CLIENT, Server};

/// RFC 7636 appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const REDIRECT: &str = "http://127.0.0.1:4711/callback";

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(super) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// The status and the OAuth error.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.text("error"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A parameter of the redirect.
    pub(super) fn redirected(&self, name: &str) -> Option<String> {
        let location = Url::parse(self.header("location")?).expect("a URL");
        location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// One exchange; `None` where the connection ended without a whole answer.
pub(super) fn exchange(url: &str, method: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
    let url = Url::parse(url).expect("a URL");
    let authority = format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    let mut stream = TcpStream::connect(authority).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let reply = Reply { status: head.get(9..12)?.parse().ok()?, head: head.to_owned(), body: body.to_owned() };
    let length: usize = reply.header("content-length")?.parse().ok()?;
    (reply.body.len() == length).then_some(reply)
}

pub(super) fn get(url: &str) -> Reply {
    exchange(url, "GET", &[], "").expect("an answer")
}

pub(super) fn bearer(url: &str, token: &str) -> Reply {
    exchange(url, "GET", &[("Authorization", &format!("Bearer {token}"))], "").expect("an answer")
}

pub(super) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub(super) fn try_post(url: &str, fields: &[(&str, &str)]) -> Option<Reply> {
    exchange(url, "POST", &[("Content-Type", "application/x-www-form-urlencoded")], &form(fields))
}

pub(super) fn post(url: &str, fields: &[(&str, &str)]) -> Reply {
    try_post(url, fields).expect("an answer")
}

/// The authorization request of the default client, with some parameters changed (an empty value leaves one out).
pub(super) fn authorize(server: &Server, changes: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", DEFAULT_CLIENT),
        ("redirect_uri", REDIRECT),
        ("state", "s-1"),
        ("scope", "openid mail"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    get(&format!("{}?{}", server.url("/authorize"), form(&fields)))
}

pub(super) fn redeem(server: &Server, code: &str, verifier: &str) -> Reply {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", verifier),
        ("client_id", DEFAULT_CLIENT),
    ];
    post(&server.url("/token"), &fields)
}

/// A whole login.
pub(super) fn login(server: &Server) -> Reply {
    let code = authorize(server, &[]).redirected("code").expect("a code");
    redeem(server, &code, VERIFIER)
}

pub(super) fn refresh(server: &Server, token: &str) -> Option<Reply> {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", DEFAULT_CLIENT)];
    try_post(&server.url("/token"), &fields)
}
