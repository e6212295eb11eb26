//! Everything that a token endpoint can do wrong, and what becomes of it. A new fault is a line; the tests and the figures
//! loop over them.

use std::time::{Duration, SystemTime};

use cred_helper::demo::server::{Behaviour, Options, Raw, RotationMode, Server};
use serde_json::{Value, json};

/// One thing that goes wrong.
pub(crate) struct Fault {
    /// Also the account's label.
    pub(crate) name: &'static str,
    pub(crate) behaviour: Behaviour,
    /// What the server does with refresh tokens: where it does the work and the answer is lost, a strict one ends the login.
    pub(crate) rotation: RotationMode,
    /// What people are told.
    pub(crate) words: &'static str,
}

/// A server of its own for a fault, and a first access token that lasts a second; the next ones last an hour.
pub(crate) fn server_for(rotation: RotationMode) -> Server {
    let server = Server::start(Options { rotation, ..Options::default() }).unwrap();
    server.set_behaviour(Behaviour::ExpiresIn(1.into()), 1);
    server
}

fn fault(name: &'static str, behaviour: Behaviour, words: &'static str) -> Fault {
    Fault { name, behaviour, rotation: RotationMode::Strict, words }
}

fn done(name: &'static str, behaviour: Behaviour, words: &'static str) -> Fault {
    Fault { rotation: RotationMode::Grace(Duration::from_secs(600)), ..fault(name, behaviour, words) }
}

fn status(name: &'static str, status: u16, retry_after: Option<&str>, words: &'static str) -> Fault {
    fault(name, Behaviour::Status(status, retry_after.map(str::to_owned)), words)
}

fn raw(name: &'static str, head: &str, block: &[u8], times: usize, words: &'static str) -> Fault {
    let raw = Raw { head: head.as_bytes().to_vec(), block: block.to_vec(), times };
    fault(name, Behaviour::Raw(raw), words)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
/// 64 KiB of spaces, compressed; a thousand times as much is no longer.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xed\xc1\x81\x00\x00\x00\x00\x80\x20\x95\xfd\x29\x17\xa9\x0a\x00\x00";

/// What passes: the login stays, and works again as soon as the server does.
pub(crate) fn passing(elsewhere: &str) -> Vec<Fault> {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(8));
    let busy = Behaviour::Error(200, json!({"error": "temporarily_unavailable"}));
    vec![
        status("500", 500, None, "HTTP 500"),
        status("502", 502, None, "HTTP 502"),
        status("503", 503, None, "HTTP 503"),
        status("503-wait", 503, Some("2"), "HTTP 503"),
        status("429-wait", 429, Some("2"), "HTTP 429"),
        status("429-date", 429, Some(&date), "HTTP 429"),
        status("404", 404, None, "HTTP 404"),
        status("204", 204, None, "it is not JSON"),
        fault("reset", Behaviour::ResetConnection, "did not come whole"),
        fault("never", Behaviour::Hang, NOT_YET),
        fault("portal", Behaviour::Html, "captive portal"),
        fault("redirect", Behaviour::Redirect(elsewhere.to_owned()), "redirect (HTTP 307), which is never followed"),
        fault("error-200", busy, "temporarily_unavailable"),
        done("byte-a-second", Behaviour::SlowBytes(Duration::from_secs(1)), NOT_YET),
        done("half", Behaviour::TruncatedJson, "did not come whole"),
        done("lost", Behaviour::RotateThenDropAnswer, "its answer was lost"),
        done("too-long", Behaviour::HugeBody(2 * 1024 * 1024), "more than 256 KiB"),
        raw("endless", &format!("{OK}\r\n"), &[b'x'; 65536], 1600, "more than 256 KiB"),
        raw("headers", OK, b"X-Filler: 0123456789abcdef\r\n", 40_000, "did not come whole"),
        raw("one-header", &format!("{OK}X: "), &[b'x'; 65536], 160, "did not come whole"),
        raw("no-http", "SSH-2.0-OpenSSH_9.9\r\n", b"", 0, "did not come whole"),
        raw("nothing", "", b"", 0, "did not come whole"),
        raw("cut", &format!("{OK}Content-Length: 17\r\n\r\n{{\"access_token\":\""), b"", 0, "cut short"),
        raw("nested", &format!("{OK}\r\n"), b"{\"a\":[", 40_000, "it is not JSON"),
        raw("many", &format!("{OK}\r\n[0"), b",0", 120_000, "it is not JSON"),
        raw("gzip", &format!("{OK}Content-Encoding: gzip\r\n\r\n"), GZIP, 1, "it is not JSON"),
        raw(
            "no-text",
            &format!("{OK}\r\n{{\"access_token\":\"a\\u0000b\"}}"),
            b"",
            0,
            "characters that tokens don't have",
        ),
    ]
}

const NOT_YET: &str = "has not answered yet";

/// What is odd, and still an answer.
pub(crate) fn odd() -> Vec<Fault> {
    let lives = |name, value: Value| done(name, Behaviour::ExpiresIn(value), "");
    let unrotated = |name, behaviour| Fault { rotation: RotationMode::None, ..fault(name, behaviour, "") };
    vec![
        fault("no-lifetime", Behaviour::MissingExpiresIn, ""),
        lives("zero", json!(0)),
        lives("negative", json!(-3600)),
        lives("text", json!("3600")),
        lives("huge", json!(1e300)),
        lives("fraction", json!(3599.5)),
        lives("null", Value::Null),
        lives("list", json!([3600])),
        fault("no-refresh-token", Behaviour::NoRefreshToken, ""),
        unrotated("empty-refresh-token", Behaviour::Member("refresh_token".into(), Some(json!("")))),
        unrotated("null-refresh-token", Behaviour::Member("refresh_token".into(), Some(Value::Null))),
        fault("narrower", Behaviour::NarrowScope("openid".into()), ""),
        fault("content-type", Behaviour::Header("content-type", "text/html".into()), ""),
        fault("cookie", Behaviour::Header("set-cookie", "a=b; Path=/".into()), ""),
        fault("padded", Behaviour::HugeBody(250_000), ""),
        fault("token-type", Behaviour::Member("token_type".into(), None), ""),
        fault("late", Behaviour::DelayAnswer(Duration::from_secs(1)), ""),
    ]
}
