//! Faults on demand do what they are called, and no more.

use std::time::Duration;

use super::client::*;
use super::*;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_lost_answer_has_rotated_and_a_refused_connection_has_not() {
    for (behaviour, rotated) in
        [(Behaviour::RotateThenDropAnswer, true), (Behaviour::TruncatedJson, true), (Behaviour::ResetConnection, false)]
    {
        let server = server(|_| {});
        let token = login(&server).text("refresh_token");
        server.set_behaviour(behaviour.clone(), 1);
        assert!(refresh(&server, &token).is_none(), "{behaviour:?}");
        assert_eq!(!server.is_active(&token), rotated, "{behaviour:?}");
        let last = server.log().pop().expect("logged");
        assert_eq!(last.outcome, Outcome::Dropped, "{behaviour:?}");
    }
}

#[test]
fn a_reset_is_a_reset_and_no_polite_end() {
    use std::io::{Read as _, Write as _};
    let server = server(|_| {});
    server.set_behaviour(Behaviour::ResetConnection, 1);
    let authority = server.issuer().replace("http://", "");
    let mut stream = std::net::TcpStream::connect(&authority).expect("connects");
    write!(stream, "POST /token HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\n\r\n").expect("sends");
    let error = stream.read(&mut [0; 1]).expect_err("no answer");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn answers_are_changed_as_ordered_and_only_as_often() {
    let server = server(|options| options.rotation = RotationMode::None);
    let token = login(&server).text("refresh_token");
    let next = |behaviour| {
        server.set_behaviour(behaviour, 1);
        refresh(&server, &token).expect("an answer")
    };
    let reply = next(Behaviour::Status(503, Some("7".to_owned())));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("7")));
    assert_eq!(next(Behaviour::InvalidGrant).text("error"), "invalid_grant");
    assert_eq!(next(Behaviour::MissingExpiresIn).json().get("expires_in"), None);
    assert_eq!(next(Behaviour::ExpiresIn(json!("3600"))).json()["expires_in"], "3600");
    assert_eq!(next(Behaviour::NarrowScope("mail".to_owned())).text("scope"), "mail");
    assert!(next(Behaviour::Html).body.starts_with("<html"));
    assert_eq!(next(Behaviour::Redirect("http://127.0.0.1:9/".to_owned())).status, 307);
    assert!(next(Behaviour::HugeBody(100_000)).body.len() > 100_000);
    assert_eq!(next(Behaviour::SlowBytes(Duration::from_micros(10))).status, 200);
    assert_eq!(refresh(&server, &token).expect("an answer").status, 200);
}

#[test]
fn a_missing_refresh_token_leaves_the_one_that_was_sent() {
    let server = server(|_| {});
    let token = login(&server).text("refresh_token");
    server.set_behaviour(Behaviour::NoRefreshToken, 1);
    assert_eq!(refresh(&server, &token).expect("an answer").json().get("refresh_token"), None);
    assert!(server.is_active(&token));
}

#[test]
fn a_hanging_request_is_seen_and_ends_with_the_server() {
    let server = server(|_| {});
    let token = login(&server).text("refresh_token");
    server.set_behaviour(Behaviour::Hang, 1);
    let url = server.url("/token");
    let asking = std::thread::spawn(move || {
        let fields =
            [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", DEFAULT_CLIENT)];
        try_post(&url, &fields)
    });
    assert!(server.wait_for(SOON, |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    assert_eq!(server.log().pop().expect("logged").outcome, Outcome::Pending);
    assert!(!server.wait_for(Duration::ZERO, |log| log.iter().all(|entry| entry.outcome != Outcome::Pending)));
    drop(server);
    assert!(asking.join().expect("no panic").is_none());
}

#[test]
fn the_redirect_brings_what_is_ordered() {
    let server = server(|_| {});
    server.set_redirect(RedirectBehaviour::Error("access_denied".to_owned(), "no & never".to_owned()));
    assert_eq!(authorize(&server, &[]).redirected("error_description").as_deref(), Some("no & never"));
    server.set_redirect(RedirectBehaviour::WrongIssuer);
    assert_ne!(authorize(&server, &[]).redirected("iss"), Some(server.issuer()));
    server.set_redirect(RedirectBehaviour::NoIssuer);
    assert_eq!(authorize(&server, &[]).redirected("iss"), None);
    server.set_redirect(RedirectBehaviour::WrongState);
    assert_ne!(authorize(&server, &[]).redirected("state").as_deref(), Some("s-1"));
    server.set_redirect(RedirectBehaviour::NoCode);
    assert_eq!(authorize(&server, &[]).redirected("code"), None);
    server.behave();
    assert!(authorize(&server, &[]).redirected("code").is_some());
}
