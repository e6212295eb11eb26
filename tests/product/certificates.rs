//! TLS as networks have it: an authority of their own, and certificates that are wrong. A token goes to nobody who cannot show
//! whose server it is; the login waits until that is mended.

use cred_helper::demo::server::{Behaviour, Server};

use super::home::{Home, lasting_server};
use super::tls::{Authority, Front, Manners};
use super::tokens::wait_for_expiry;

/// A home that knows a provider whose token endpoint is behind `front`.
pub(crate) fn home_with(server: &Server, front: &Front, top: &str) -> Home {
    let home = Home::new();
    let (issuer, client, token) = (server.issuer(), server.client_id(), front.url("/token"));
    home.configure(&format!(
        "{top}\n[providers.tls]\nissuer = '{issuer}'\ntoken_endpoint = '{token}'\nclient.id = '{client}'\nscopes = ['openid']\n"
    ));
    home
}

pub(crate) fn log_in(home: &Home) {
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    let login = home.log_in_with(&["login", "tls", "--no-browser"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
}

#[test]
fn a_certificate_that_is_wrong_gets_no_token_and_the_login_waits_for_a_right_one() {
    let (server, authority) = (lasting_server(), Authority::new("ours"));
    server.set_behaviour(Behaviour::ExpiresIn(1.into()), usize::MAX);
    let good = authority.issues("localhost", 2999);
    let front = Front::of(&server.issuer(), good.clone());
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let home = home_with(&server, &front, &format!("ca_file = '{}'", ca.display()));
    log_in(&home);
    let wrong = [
        (authority.issues("localhost", 2001), "has expired (is this machine's clock right?)"),
        (authority.issues("elsewhere.example", 2999), "is another host's"),
        (Authority::new("ours").issues("localhost", 2999), "an authority that this machine does not trust"),
        (Authority::new("theirs").issues("localhost", 2999), "an authority that this machine does not trust"),
        (Manners::Says(b"SSH-2.0-OpenSSH_9.9\r\n"), "could not be reached"),
        (Manners::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "could not be reached"),
        (Manners::Says(b""), "could not be reached"),
    ];
    for (manners, words) in wrong {
        wait_for_expiry(&home);
        let asked = server.count_grant("refresh_token");
        front.now(manners);
        let refused = home.run(&["get-token", "--timeout", "2s"]);
        assert_eq!((refused.code, refused.stdout.as_str()), (13, ""), "{words}: {}", refused.stderr);
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{}", refused.stderr);
        assert_eq!(server.count_grant("refresh_token"), asked, "{words}: the token was sent");
        front.now(good.clone());
        let served = home.run(&["get-token", "--timeout", "20s"]);
        assert_eq!(served.code, 0, "after {words}: {}", served.stderr);
    }
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

#[test]
fn an_authority_is_trusted_by_the_variable_that_other_programs_read_too() {
    let (server, authority) = (lasting_server(), Authority::new("ours"));
    let front = Front::of(&server.issuer(), authority.issues("localhost", 2999));
    let mut home = home_with(&server, &front, "");
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    home.set("SSL_CERT_FILE", &ca.display().to_string());
    log_in(&home);
    assert!(server.is_live(&home.token()));
}
