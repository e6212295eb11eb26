//! Callers that have had their answer and stay: what an editor or a script with a connection of its own does.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;

use super::super::home::Home;

/// A connection in each framing, over which tokens went both ways.
pub(super) fn kept_open(home: &Home, refused: &str) -> Vec<UnixStream> {
    let ask = |method: &str, params| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let get = ask("token.get", json!({"account": "company/plain"}));
    let reject = ask("token.reject", json!({"token": refused}));
    let line = |text: &str| format!("{text}\n");
    let headers = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
    let post =
        |text: &str| format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let plain = "GET /v1/token/company/plain HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    let all = [
        vec![line(&reject), line(&get)],
        vec![headers(&reject), headers(&get)],
        // One request each: the agent closes them, whether or not their callers do.
        vec![post(&reject)],
        vec![post(&get)],
        vec![plain],
    ];
    all.into_iter().map(|requests| asked(home, &requests)).collect()
}

fn asked(home: &Home, requests: &[String]) -> UnixStream {
    let mut stream = UnixStream::connect(home.path().join("run/cred-helper/agent.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for request in requests {
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // The last answer's token is followed by more fields, and the end of an answer is that of an object.
        while !(answer.ends_with(b"}") || answer.ends_with(b"}\n")) {
            let mut some = [0; 4096];
            let length = stream.read(&mut some).unwrap();
            assert_ne!(length, 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&some[..length]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(!answer.contains("\"error\""), "{answer}");
    }
    stream
}
