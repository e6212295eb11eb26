//! A provider on this machine: it answers as the provider that a test plays documents it, remembers what it was asked, and
//! redeems a code only for the verifier, client and redirect that it was given for.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::site;

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
    site: site::Site,
}

impl Site {
    /// `play` is the provider.
    pub(crate) fn start(play: impl Fn(&Desk, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let desk = Arc::new(Desk::default());
        let kept = Arc::clone(&desk);
        let site = site::Site::open(move |request| {
            let asked = Asked::of(request);
            kept.log.lock().unwrap().push(asked.clone());
            kept.more.notify_all();
            let Reply(status, headers, body) = play(&kept, &asked);
            let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            site::Response { status, headers, body: body.into() }
        });
        *desk.origin.lock().unwrap() = site.url("");
        Self { desk, site }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.site.url(path)
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

impl Asked {
    fn of(request: &site::Request) -> Self {
        let headers: HashMap<String, String> = request.headers.iter().cloned().collect();
        let form = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<HashMap<_, _>>();
        let mut parameters = form(request.query.as_bytes());
        match headers.get("content-type").map(String::as_str) {
            Some("application/json") if !request.body.is_empty() => {
                let object: serde_json::Map<String, Value> = serde_json::from_slice(&request.body).unwrap();
                let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
                parameters.extend(object.into_iter().map(|(name, value)| (name, text(&value))));
            }
            Some(_) => parameters.extend(form(&request.body)),
            None => {}
        }
        Self { method: request.method.clone(), path: request.path.clone(), headers, parameters }
    }

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
