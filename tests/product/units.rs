//! Tokens as credentials of systemd's units: who asks from systemd's own address has the token that the configuration names
//! for it, and nobody else has anything. Systemd itself is in `tests/real`.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cred_helper::demo::server::Server;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket};

use super::audit::entries;
use super::home::{Home, lasting_server};

const SETTINGS: &str = "[systemd]\nenabled = true\n";
const CREDENTIALS: &str =
    "[systemd.credentials]\ntoken = 'forge/work'\n'own.service/token' = 'forge/me'\ngone = 'forge/gone'\n";
/// Systemd takes no credential that is larger.
const MOST: usize = 1024 * 1024;

fn home(server: &Server, systemd: &str) -> Home {
    let home = Home::with_vault();
    home.configure(&format!(
        "{systemd}[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n",
        server.issuer(),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
    for label in ["work", "me"] {
        let ended = home.log_in_with(&["login", "forge", "--account", label, "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    home
}

/// What a process reads to the end that asks from this abstract address, or from none.
pub(crate) fn loaded(home: &Home, from: Option<&str>) -> Vec<u8> {
    let socket: OwnedFd = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    if let Some(from) = from {
        bind(&socket, &SocketAddrUnix::new_abstract_name(from.as_bytes()).unwrap()).unwrap();
    }
    connect(&socket, &SocketAddrUnix::new(home.path().join("run/cred-helper/systemd.sock")).unwrap()).unwrap();
    let mut stream = UnixStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut loaded = Vec::new();
    stream.read_to_end(&mut loaded).unwrap();
    loaded
}

/// Systemd's own address; the number keeps tests apart that run at once.
pub(crate) fn address(unit: &str, credential: &str) -> String {
    format!("{:016x}/unit/{unit}/{credential}", std::process::id())
}

#[test]
fn a_unit_has_the_token_that_is_named_for_it_without_a_newline() {
    let server = lasting_server();
    let home = home(&server, &format!("{SETTINGS}{CREDENTIALS}"));
    let of = |account: &str| home.ok(&["get-token", account]).into_bytes();
    assert_eq!(loaded(&home, Some(&address("any.service", "token"))), of("forge/work"));
    assert_eq!(loaded(&home, Some(&address("own.service", "token"))), of("forge/me"));
    let mode = home.path().join("run/cred-helper/systemd.sock").metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    // As everybody who asks, it has a fresh one.
    server.expire_access_tokens();
    home.ok(&["refresh", "forge/work"]);
    let third = String::from_utf8(loaded(&home, Some(&address("any.service", "token")))).unwrap();
    assert!(server.is_live(&third));
    let logged = entries(&home, &["--account", "forge/me"]);
    assert!(logged.iter().any(|entry| entry["detail"] == "unit own.service"), "{logged:?}");
}

#[test]
fn whoever_asks_from_elsewhere_has_nothing_and_a_unit_without_a_token_does_not_start() {
    let server = lasting_server();
    let home = home(&server, &format!("{SETTINGS}{CREDENTIALS}"));
    for from in [None, Some("x"), Some("2a/unit/own.service"), Some("2a/unit/own.service/token/x")] {
        assert_eq!(loaded(&home, from), b"", "{from:?}");
    }
    for credential in ["gone", "unnamed"] {
        let answer = loaded(&home, Some(&address("any.service", credential)));
        assert!(answer.len() > MOST && answer.iter().all(|byte| *byte == b'\n'), "{credential}: {}", answer.len());
    }
    let logged = entries(&home, &[]);
    let errors: Vec<_> = logged.iter().filter_map(|entry| entry["error"].as_str()).collect();
    assert_eq!(errors, ["login_required", "unknown_target"], "{logged:?}");
    let log = std::fs::read_to_string(home.state().join("agent.log")).unwrap();
    assert!(log.contains("any.service does not start, there is nothing for its credential unnamed"), "{log}");
    let said = home.run(&["doctor"]).stdout;
    assert!(said.contains("[systemd.credentials] names forge/gone for gone, and nobody is signed in"), "{said}");
    assert!(said.contains("systemd.sock"), "{said}");
}

#[test]
fn without_the_users_wish_there_is_no_socket_and_it_goes_with_the_agent() {
    let server = lasting_server();
    let home = home(&server, CREDENTIALS);
    let socket = home.path().join("run/cred-helper/systemd.sock");
    home.ok(&["agent", "start"]);
    assert!(!socket.exists());
    home.ok(&["agent", "stop"]);
    home.configure(SETTINGS);
    home.ok(&["agent", "start"]);
    assert!(socket.exists());
    home.kill_agent();
    home.ok(&["agent", "start"]);
    assert!(
        loaded(&home, Some(&address("any.service", "token"))).len() > MOST,
        "what one left that was killed is replaced"
    );
    home.ok(&["agent", "restart"]);
    assert!(loaded(&home, Some(&address("any.service", "token"))).len() > MOST, "a successor has its own");
    home.ok(&["agent", "stop"]);
    assert!(!socket.exists());
}
