//! Requests that are wrong and hold a token: neither the answer nor the log repeats it.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::super::home::Home;
use super::super::units::{address, loaded};
use super::Said;

pub(super) fn misuse(home: &Home, token: &str, said: &mut Said) {
    let line = |text: String| format!("{text}\n");
    let request = |method: &str, params: &str| {
        line(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#))
    };
    let lsp = request(token, "{}");
    for bytes in [
        line(token.to_owned()),
        line(format!("{{{token}")),
        line(format!(r#"{{"jsonrpc":"2.0","id":1,"{token}":1}}"#)),
        line(format!(r#"{{"jsonrpc":"{token}","id":1,"method":"agent.status"}}"#)),
        request(token, "{}"),
        request("token.get", &format!(r#""{token}""#)),
        request("token.get", &format!(r#"{{"account":"{token}"}}"#)),
        request("token.get", &format!(r#"{{"account":["{token}"]}}"#)),
        request("token.get", &format!(r#"{{"min_validity":"{token}"}}"#)),
        request("token.get", &format!(r#"{{"token_type":"{token}"}}"#)),
        request("aws.assume_role", &format!(r#"{{"role_arn":"{token}","region":"{token}"}}"#)),
        request(
            "aws.assume_role",
            &format!(r#"{{"role_arn":"arn:a","endpoint":"{token}","session_name":"{token} "}}"#),
        ),
        request("agent.status", &format!(r#"{{"{token}":1}}"#)),
        request("token.reject", &format!(r#"{{"token":"{token}","account":"{token}"}}"#)),
        request("token.reject", &format!(r#"{{"token":"{token}","password_for":"https://{token}@h.example"}}"#)),
        request("token.get", &format!(r#"{{"target":"https://h.example","or_password_for":"{token}"}}"#)),
        request("password.store", &format!(r#"{{"url":"{token}","username":"a","password":"{token}"}}"#)),
        request("password.store", &format!(r#"{{"url":"https://h.example","username":"{token}:","password":"x"}}"#)),
        request("password.store", &format!(r#"{{"url":"https://h.example","username":"a","password":["{token}"]}}"#)),
        request("password.remove", &format!(r#"{{"url":"{token}"}}"#)),
        request("login.start", &format!(r#"{{"provider":"{token}"}}"#)),
        request("login.paste", &format!(r#"{{"login":"{token}","text":"{token}"}}"#)),
        request("vault.unlock", &format!(r#"{{"passphrase":["{token}"]}}"#)),
        request("vault.slot.add", &format!(r#"{{"kind":"{token}"}}"#)),
        request("account.rename", &format!(r#"{{"account":"{token}","to":"{token}"}}"#)),
        format!("Content-Length: {token}\r\n\r\n{{}}"),
        format!("Content-Length: {}\r\nX-{token}: 1\r\n\r\n{lsp}", lsp.len()),
        format!("GET /{token} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {token}\r\nContent-Length: {}\r\n\r\n{lsp}", lsp.len()),
        format!("{token} / HTTP/1.1\r\n\r\n"),
    ] {
        let mut stream = UnixStream::connect(home.path().join("run/cred-helper/agent.sock")).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        // Whoever was refused at the first byte may be gone already.
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        said.keep(&format!("the answer to {}", bytes.replace(token, "<TOKEN>").escape_debug()), answer);
    }
    // A unit of that name, and a credential.
    for (unit, credential) in [(&*format!("{token}.service"), "unnamed"), ("any.service", token)] {
        said.keep("what a unit is given", loaded(home, Some(&address(unit, credential))));
    }
}
