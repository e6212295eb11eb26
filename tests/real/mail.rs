//! Mail with our tokens: msmtp as it is installed, and the SASL strings as `get-token --format` prints them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use cred_helper::demo::server::Server;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::smtp_server::SmtpServer;
use crate::support::programs::missing;
use crate::tls::{Authority, Manners};

const USER: &str = "ada@example.com";

/// A mail server that takes the tokens of that server, over TLS, and msmtp's configuration for it.
fn post_office(home: &Home, server: &Arc<Server>, method: &str) -> SmtpServer {
    let authority = Authority::new("of the test");
    let Manners::Tls(config) = authority.issues("localhost", 2090) else { unreachable!() };
    let live = Arc::clone(server);
    let office = SmtpServer::start(Some(config), move |token| live.is_live(token));
    let (trusted, settings) = (home.path().join("authority.pem"), home.path().join(".msmtprc"));
    std::fs::write(&trusted, &authority.pem).unwrap();
    let text = format!(
        "account default\nhost localhost\nport {}\nfrom {USER}\nuser {USER}\nauth {method}\n\
         passwordeval \"{} get-token\"\ntls on\ntls_starttls off\ntls_trust_file {}\n",
        office.address().port(),
        env!("CARGO_BIN_EXE_cred-helper"),
        trusted.display()
    );
    std::fs::write(&settings, text).unwrap();
    std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o600)).unwrap();
    office
}

fn send(home: &Home) -> Ended {
    let mut command = Command::new("msmtp");
    command.env_clear().current_dir(home.path()).arg("bob@example.com");
    command.envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.env("PATH", std::env::var_os("PATH").unwrap()).spawn().unwrap();
    // One that could not sign in may not read it.
    let _ = running.stdin.take().unwrap().write_all(b"Subject: hello\n\nwith a fresh token\n");
    ended(running.wait_with_output().unwrap())
}

#[test]
fn msmtp_sends_with_our_token_by_either_mechanism() {
    if missing(&["msmtp"]) {
        return;
    }
    let server = Arc::new(lasting_server());
    let home = Home::signed_in(&server);
    for (method, mechanism) in [("oauthbearer", "OAUTHBEARER"), ("xoauth2", "XOAUTH2")] {
        let office = post_office(&home, &server, method);
        let sent = send(&home);
        assert_eq!((sent.code, sent.stderr.as_str()), (0, ""), "{method}");
        assert_eq!(office.seen(), [(mechanism.to_owned(), USER.to_owned(), true)]);
        assert!(office.letters()[0].contains("with a fresh token"));
    }
}

/// It has nothing to tell us by: it says so to its user, and what `reject` or time mends is there for the next letter.
#[test]
fn msmtp_tells_of_a_refused_token_and_sends_with_the_next() {
    if missing(&["msmtp"]) {
        return;
    }
    let server = Arc::new(lasting_server());
    let home = Home::signed_in(&server);
    let office = post_office(&home, &server, "oauthbearer");
    let first = home.token();
    server.expire_access_tokens();
    let sent = send(&home);
    assert_ne!(sent.code, 0);
    assert!(sent.stderr.contains("5.7.8 refused"), "{}", sent.stderr);
    assert_eq!((office.seen().len(), server.count_grant("refresh_token")), (1, 0), "it does not try again");
    assert_eq!(home.run_with(&["reject"], &first).code, 0);
    let sent = send(&home);
    assert_eq!((sent.code, office.letters().len()), (0, 1), "{}", sent.stderr);
}

#[test]
fn msmtp_tells_in_our_words_that_nobody_is_signed_in() {
    if missing(&["msmtp"]) {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let office = post_office(&home, &server, "xoauth2");
    let sent = send(&home);
    assert_ne!(sent.code, 0);
    assert!(sent.stderr.contains("nobody is signed in: run `cred-helper login PROVIDER`"), "{}", sent.stderr);
    assert_eq!(office.seen(), []);
}

/// For programs that want the whole string: it is what goes after AUTH.
#[test]
fn the_sasl_strings_sign_in_as_they_are_printed() {
    let server = Arc::new(lasting_server());
    let home = Home::signed_in(&server);
    let live = Arc::clone(&server);
    let office = SmtpServer::start(None, move |token| live.is_live(token));
    for (format, mechanism) in [("xoauth2", "XOAUTH2"), ("oauthbearer", "OAUTHBEARER")] {
        let string = home.ok(&["get-token", "--format", format, "--user", USER]);
        let mut stream = TcpStream::connect(office.address()).unwrap();
        write!(stream, "EHLO me\r\nAUTH {mechanism} {string}\r\nQUIT\r\n").unwrap();
        let answers: Vec<_> = BufReader::new(stream).lines().map_while(Result::ok).collect();
        assert!(answers.iter().any(|line| line.starts_with("235")), "{answers:?}");
        assert_eq!(office.seen(), [(mechanism.to_owned(), USER.to_owned(), true)]);
    }
}
