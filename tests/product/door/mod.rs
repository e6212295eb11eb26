//! The HTTP door from outside: what an app with a local sidecar does with it.

mod attacks;
mod description;
mod life;
mod logins;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use cred_helper::demo::server::{Options, RegisteredClient, Server};
use serde_json::Value;

use super::home::Home;

/// What the door's file says.
pub(crate) struct Door {
    pub(crate) port: u16,
    pub(crate) secret: String,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Header lines, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The kind of error.
    #[track_caller]
    pub(crate) fn kind(&self) -> String {
        self.json()["error"]["data"]["kind"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// A server where the door's callback is registered, as at one that takes any loopback redirect.
pub(crate) fn server() -> Server {
    let mut client = RegisteredClient::public("demo-native");
    client.redirect_uris.push("http://127.0.0.1/auth/free/callback".to_owned());
    let access_token_lifetime = Duration::from_secs(3600);
    Server::start(Options { clients: vec![client], access_token_lifetime, ..Options::default() }).unwrap()
}

/// A configuration with a door, and with a provider that takes any loopback redirect, and one that fixes it.
pub(crate) fn configuration(server: &Server, http: &str) -> String {
    let provider = format!(
        "issuer = '{}'\nclient.id = '{}'\nscopes = ['openid', 'offline_access']\n",
        server.issuer(),
        server.client_id()
    );
    format!(
        "[http]\nenabled = true\n{http}\n[providers.free]\n{provider}redirect.any_path = true\n[providers.fixed]\n{provider}\n\
         [providers.noticed]\n{provider}[providers.noticed.notice]\ntitle = 'Mind'\ntext = 'the rules'\n"
    )
}

impl Home {
    /// A home with a vault, an agent and its door.
    pub(crate) fn with_door(server: &Server) -> (Self, Door) {
        let home = Self::new();
        home.configure(&configuration(server, ""));
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        let door = home.door();
        (home, door)
    }

    pub(crate) fn door_file(&self) -> std::path::PathBuf {
        self.path().join("run/cred-helper/http.json")
    }

    /// The door as its file says.
    #[track_caller]
    pub(crate) fn door(&self) -> Door {
        let said: Value = serde_json::from_slice(&std::fs::read(self.door_file()).unwrap()).unwrap();
        let port = said["port"].as_u64().unwrap().try_into().unwrap();
        assert_eq!(said["url"], format!("http://127.0.0.1:{port}"));
        Door { port, secret: said["secret"].as_str().unwrap().to_owned() }
    }
}

impl Door {
    /// A request with the secret.
    #[track_caller]
    pub(crate) fn get(&self, address: &str) -> Reply {
        self.ask("GET", address, &self.with_secret(), "")
    }

    #[track_caller]
    pub(crate) fn post(&self, address: &str, body: &str) -> Reply {
        self.ask("POST", address, &self.with_secret(), body)
    }

    pub(crate) fn with_secret(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.secret)
    }

    /// A request with the door's own Host and these header lines.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, address: &str, headers: &str, body: &str) -> Reply {
        self.raw(&format!(
            "{method} {address} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        ))
    }

    /// Whatever is sent; what is answered.
    #[track_caller]
    pub(crate) fn raw(&self, bytes: &str) -> Reply {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Reply { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}
