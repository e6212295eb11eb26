//! A provider on this machine: it answers as the provider that a test plays documents it, remembers what it was asked, and
//! redeems a code only for the verifier, client and redirect that it was given for.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    /// Of the query, and of the body, form or JSON.
    pub(crate) parameters: HashMap<String, String>,
}

/// What is answered: status, headers, body.
#[derive(Clone, Debug)]
pub(crate) struct Reply(pub(crate) u16, pub(crate) Vec<(&'static str, String)>, pub(crate) String);

pub(crate) fn reply(status: u16, body: &Value) -> Reply {
    Reply(status, vec![("content-type", "application/json; charset=utf-8".into())], body.to_string())
}

/// A code that was given out.
struct Code {
    challenge: String,
    client: String,
    redirect: String,
    nonce: Option<String>,
}

/// What the provider keeps, for the function that plays it.
#[derive(Default)]
pub(crate) struct Desk {
    codes: Mutex<HashMap<String, Code>>,
    count: AtomicUsize,
    /// What the next refreshes are answered with instead.
    instead: Mutex<VecDeque<Reply>>,
    /// Whether the person has approved a device.
    pub(crate) approved: AtomicBool,
    pub(crate) log: Mutex<Vec<Asked>>,
    more: Condvar,
    pub(crate) origin: Mutex<String>,
}

pub(crate) struct Site {
    pub(crate) desk: Arc<Desk>,
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    /// `play` is the provider.
    pub(crate) fn start(play: impl Fn(&Desk, &Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (desk, stop) = (Arc::new(Desk::default()), Arc::new(AtomicBool::new(false)));
        *desk.origin.lock().unwrap() = format!("http://{address}");
        let (kept, stopped) = (Arc::clone(&desk), Arc::clone(&stop));
        let serve = move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A client may leave in the middle of it.
                let Some((mut stream, asked)) = stream.ok().and_then(read) else { continue };
                kept.log.lock().unwrap().push(asked.clone());
                kept.more.notify_all();
                let Reply(status, headers, body) = play(&kept, &asked);
                let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        };
        Self { desk, address, stop, thread: Some(std::thread::spawn(serve)) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked of a path, in order.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.desk.log.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// The same, once there are so many.
    pub(crate) fn wait_for(&self, path: &str, count: usize) -> Vec<Asked> {
        let too_few = |log: &mut Vec<Asked>| log.iter().filter(|asked| asked.path == path).count() < count;
        let limit = std::time::Duration::from_secs(20);
        let waited = self.desk.more.wait_timeout_while(self.desk.log.lock().unwrap(), limit, too_few);
        drop(waited.unwrap());
        self.asked(path)
    }

    /// One more of the next refreshes is answered so.
    pub(crate) fn instead(&self, status: u16, body: &Value) {
        self.desk.instead.lock().unwrap().push_back(reply(status, body));
    }

    /// A login this young is asked about once more before its end is believed.
    pub(crate) fn instead_twice(&self, status: u16, body: &Value) {
        self.instead(status, body);
        self.instead(status, body);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn read(stream: TcpStream) -> Option<(TcpStream, Asked)> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut parameters: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match headers.get("content-type").map(String::as_str) {
        Some("application/json") if !body.is_empty() => {
            let object: serde_json::Map<String, Value> = serde_json::from_slice(&body).ok()?;
            parameters.extend(object.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or("").to_owned())));
        }
        Some(_) => parameters.extend(url::form_urlencoded::parse(&body).into_owned()),
        None => {}
    }
    let asked = Asked { method, path: path.to_owned(), headers, parameters };
    Some((reader.into_inner(), asked))
}

impl Asked {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.header("content-type") == "application/json"
    }

    pub(crate) fn basic(&self) -> Option<String> {
        let encoded = self.header("authorization").strip_prefix("Basic ")?;
        String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
    }
}

impl Desk {
    pub(crate) fn next(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// The person agrees at once: a redirect with a code.
    pub(crate) fn agree(&self, asked: &Asked) -> Reply {
        if asked.get("response_type") != "code" || asked.get("code_challenge_method") != "S256" {
            return reply(400, &json!({"error": "invalid_request"}));
        }
        let code = self.next("code-");
        let kept = Code {
            challenge: asked.get("code_challenge").to_owned(),
            client: asked.get("client_id").to_owned(),
            redirect: asked.get("redirect_uri").to_owned(),
            nonce: asked.parameters.get("nonce").cloned(),
        };
        let mut url = url::Url::parse(&kept.redirect).unwrap();
        url.query_pairs_mut().append_pair("code", &code).append_pair("state", asked.get("state"));
        self.codes.lock().unwrap().insert(code, kept);
        Reply(302, vec![("location", url.into())], String::new())
    }

    /// Redeems a code once; the nonce that goes into the ID token.
    pub(crate) fn redeem(&self, asked: &Asked) -> Result<Option<String>, &'static str> {
        let code = self.codes.lock().unwrap().remove(asked.get("code")).ok_or("no such code")?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked.get("code_verifier")));
        match () {
            () if challenge != code.challenge => Err("another verifier"),
            () if asked.get("redirect_uri") != code.redirect => Err("another redirect"),
            () if asked.get("client_id") != code.client => Err("another client"),
            () => Ok(code.nonce),
        }
    }

    /// An ID token of this site's, or of `issuer`.
    pub(crate) fn id_token(&self, issuer: &str, client: &str, nonce: Option<&str>, more: &Value) -> String {
        let mut claims = json!({"iss": issuer, "aud": client, "sub": "person-1", "iat": 1, "exp": 4_102_444_800u64});
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&claims))
    }

    pub(crate) fn take_instead(&self) -> Option<Reply> {
        self.instead.lock().unwrap().pop_front()
    }
}
