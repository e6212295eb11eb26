//! A mail server that takes letters from whoever shows a live token by OAUTHBEARER (RFC 7628) or XOAUTH2, over TLS or without.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::support::listener::Listener;

/// No letter of a test's is larger.
const MOST: usize = 64 * 1024;

/// An attempt to sign in: mechanism, user, and whether the token was live.
pub type SignIn = (String, String, bool);
type IsLive = Box<dyn Fn(&str) -> bool + Send + Sync>;

struct Mail {
    is_live: IsLive,
    seen: Mutex<Vec<SignIn>>,
    letters: Mutex<Vec<String>>,
}

/// The server, until this is dropped.
pub struct SmtpServer {
    listener: Listener,
    mail: Arc<Mail>,
}

impl SmtpServer {
    pub fn start(tls: Option<Arc<ServerConfig>>, is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let mail = Arc::new(Mail { is_live: Box::new(is_live), seen: Mutex::default(), letters: Mutex::default() });
        let serving = Arc::clone(&mail);
        Self { listener: Listener::start(move |stream| serving.receive(stream, tls.clone())), mail }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Who signed in since the last call.
    pub fn seen(&self) -> Vec<SignIn> {
        std::mem::take(&mut self.mail.seen.lock().unwrap())
    }

    pub fn letters(&self) -> Vec<String> {
        self.mail.letters.lock().unwrap().clone()
    }
}

impl Mail {
    fn receive(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
        let Some(config) = tls else { return self.converse(&mut &stream) };
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut tls = StreamOwned::new(connection, stream);
        self.converse(&mut tls)?;
        tls.conn.send_close_notify();
        tls.flush()
    }

    fn converse(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let mut is_signed_in = false;
        say(stream, "220 here")?;
        loop {
            let line = line(stream)?;
            match line.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
                ["EHLO", ..] => say(stream, "250-here\r\n250 AUTH OAUTHBEARER XOAUTH2")?,
                ["AUTH", mechanism, rest @ ..] => {
                    is_signed_in = self.sign_in(stream, mechanism, rest.first().copied())?
                }
                ["QUIT"] => return say(stream, "221 bye"),
                ["DATA"] if is_signed_in => {
                    say(stream, "354 go on")?;
                    let mut letter = String::new();
                    loop {
                        match self::line(stream)?.as_str() {
                            "." => break,
                            text => letter.push_str(&format!("{text}\n")),
                        }
                        assert!(letter.len() < MOST);
                    }
                    self.letters.lock().unwrap().push(letter);
                    say(stream, "250 taken")?;
                }
                _ if is_signed_in => say(stream, "250 yes")?,
                _ => say(stream, "530 5.7.0 sign in first")?,
            }
        }
    }

    fn sign_in(&self, stream: &mut (impl Read + Write), mechanism: &str, first: Option<&str>) -> io::Result<bool> {
        let encoded = match first {
            Some(first) => first.to_owned(),
            None => {
                say(stream, "334 ")?;
                line(stream)?
            }
        };
        let text = String::from_utf8(STANDARD.decode(encoded).unwrap_or_default()).unwrap_or_default();
        let (mut user, mut token) = (String::new(), String::new());
        for part in text.split('\x01') {
            if let Some(name) = part.strip_prefix("user=").or(part.strip_prefix("n,a=")) {
                user = name.trim_end_matches(',').to_owned();
            } else if let Some(shown) = part.strip_prefix("auth=Bearer ") {
                token = shown.to_owned();
            }
        }
        let is_live = text.ends_with("\x01\x01") && (self.is_live)(&token);
        self.seen.lock().unwrap().push((mechanism.to_owned(), user, is_live));
        if is_live {
            say(stream, "235 2.7.0 welcome")?;
        } else {
            // RFC 7628 section 3.2.2: the reason, an answer that says nothing, and the end of it.
            say(stream, &format!("334 {}", STANDARD.encode(r#"{"status":"invalid_token"}"#)))?;
            line(stream)?;
            say(stream, "535 5.7.8 refused")?;
        }
        Ok(is_live)
    }
}

fn say(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes())?;
    stream.flush()
}

fn line(stream: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" && bytes.len() < MOST {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
