//! Requests at the HTTP door that are wrong and hold a token, or the door's own secret: no answer repeats it.

use super::super::home::Home;
use super::Said;

/// The secret that was used.
pub(super) fn misuse(home: &Home, token: &str, said: &mut Said) -> String {
    let door = home.door();
    let secret = door.secret.clone();
    for hidden in [token, &secret] {
        let label = format!("label={hidden}");
        let text = format!(r#"{{"text":"{hidden}"}}"#);
        for (method, address, body) in [
            ("GET", format!("/{hidden}"), ""),
            ("GET", format!("/auth/{hidden}/start"), ""),
            ("GET", format!("/auth/{hidden}/status"), ""),
            ("GET", format!("/auth/{hidden}/callback?code={hidden}&state={hidden}"), ""),
            ("GET", format!("/auth/anthropic/start?{label}"), ""),
            ("GET", format!("/auth/anthropic/start?accept_notice={hidden}&flow={hidden}"), ""),
            ("GET", format!("/auth/anthropic/status?{label}"), ""),
            ("GET", format!("/v1/token/{hidden}"), ""),
            ("GET", format!("/v1/token/anthropic/{hidden}?secret={hidden}"), ""),
            ("GET", format!("/v1/token/anthropic?token_type={hidden}"), ""),
            ("POST", format!("/auth/anthropic/logout?{label}"), hidden),
            ("POST", format!("/auth/{hidden}/paste"), &text),
            ("POST", "/v1/token/anthropic/reject".to_owned(), &text),
            ("POST", format!("/v1/token/{hidden}/reject"), hidden),
            (hidden, "/v1/status".to_owned(), ""),
        ] {
            for headers in
                [door.with_secret(), format!("Authorization: Bearer {token}\r\n"), format!("Origin: {hidden}\r\n")]
            {
                let reply = door.ask(method, &address, &headers, body);
                said.keep(&format!("the door's answer to {method} {address}").replace(hidden, "<HIDDEN>"), reply.body);
                said.keep("its head", reply.head);
            }
        }
        let rebound = door.raw(&format!("GET / HTTP/1.1\r\nHost: {hidden}\r\n{}\r\n", door.with_secret()));
        said.keep("the door's answer to another host", rebound.body);
    }
    secret
}
