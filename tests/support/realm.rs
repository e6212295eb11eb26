//! The token server of a container registry (distribution's token specification): it takes a user's password, or an identity
//! token as a refresh token, and signs what the registry takes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);
/// What issuer, service and audience are called.
pub const NAME: &str = "registry-of-a-test";

type IsLive = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// It serves as long as the test's process lives.
pub struct Realm {
    address: SocketAddr,
    /// The certificate that the registry trusts.
    pub certificate: String,
    seen: Arc<Mutex<Vec<String>>>,
}

struct Signer {
    key: EcdsaKeyPair,
    certificate: String,
}

impl Realm {
    /// Whoever shows a live token gets what it asks for.
    pub fn start(is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der(), &random).unwrap();
        let signer = Signer { key: pair, certificate: STANDARD.encode(certificate.der()) };
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (noted, is_live): (_, IsLive) = (Arc::clone(&seen), Box::new(is_live));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that left early is its own affair.
                let _ = answer(&stream, &signer, &is_live, &noted);
            }
        });
        Self { address, certificate: certificate.pem(), seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// What was shown since the last call: `live oauth2` is a live token as oauth2's password, `live <token>` an identity token.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn answer(mut stream: &TcpStream, signer: &Signer, is_live: &IsLive, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?).take(64 * 1024);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        lines.iter().find_map(|line| line.to_lowercase().starts_with(name).then(|| line[name.len()..].trim()))
    };
    let mut body = vec![0; header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    if header("transfer-encoding:").is_some() {
        body = chunks(&mut reader)?;
    }
    let target = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let pairs = url::form_urlencoded::parse(query.as_bytes()).chain(url::form_urlencoded::parse(&body));
    let (mut asked, mut scopes) = (BTreeMap::new(), Vec::new());
    for (name, value) in pairs {
        let (name, value) = (name.into_owned(), value.into_owned());
        if name == "scope" {
            scopes.extend(value.split(' ').map(str::to_owned))
        } else {
            drop(asked.insert(name, value))
        }
    }
    let shown = match (asked.get("refresh_token"), header("authorization:")) {
        (Some(token), _) => Some(("<token>".to_owned(), token.clone())),
        (None, Some(basic)) => password(basic),
        (None, None) => None,
    };
    let user = shown.as_ref().map(|(user, token)| (user, is_live(token)));
    seen.lock().unwrap().push(match user {
        Some((user, true)) => format!("live {user}"),
        Some((user, false)) => format!("refused {user}"),
        None => "nothing".to_owned(),
    });
    let (status, text) = match user {
        Some((_, true)) => {
            let token = signer.token(&scopes);
            ("200 OK", json!({ "token": token, "access_token": token, "expires_in": 60 }))
        }
        _ => ("401 Unauthorized", json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "who is that?" }] })),
    };
    let text = text.to_string();
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + &text).as_bytes())
}

/// A body whose length nobody said (RFC 9112 section 7.1).
fn chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
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

fn password(authorization: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

impl Signer {
    fn token(&self, scopes: &[String]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let access: Vec<Value> = scopes
            .iter()
            .filter_map(|scope| {
                let (kind, rest) = scope.split_once(':')?;
                let (name, actions) = rest.rsplit_once(':')?;
                Some(json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }))
            })
            .collect();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": NAME, "sub": "ada", "aud": NAME, "iat": now - 60, "nbf": now - 60, "exp": now + 60, "jti": "1", "access": access
        });
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
