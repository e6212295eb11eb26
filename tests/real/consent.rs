//! A real browser at the demonstration server: through the consent page to the loopback redirect.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::support::chromium::{Chromium, Scheme};
use crate::support::http::form;
use crate::support::programs::missing;
use cred_helper::demo::server::{Options, Server};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_person_allows_access_and_is_redirected_to_this_machine() {
    if missing(&["chromium", "chromedriver"]) {
        return;
    }
    let server = Server::start(Options { auto_approve: false, ..Options::default() }).expect("starts");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // The thread ends with its one connection, or with the test's process.
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone");
    });
    let redirect_uri = format!("http://127.0.0.1:{port}/callback");
    let fields = [
        ("response_type", "code"),
        ("client_id", &server.client_id()),
        ("redirect_uri", &redirect_uri),
        ("state", "s-1"),
        ("scope", "openid email"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let chromium = Chromium::start();
    chromium.visit(&format!("{}?{}", server.url("/authorize"), form(&fields)));
    assert!(chromium.source().contains("asks for access"));

    // Kept for people to look at.
    let [light, dark] = [Scheme::Light, Scheme::Dark].map(|scheme| chromium.screenshot(scheme));
    for (name, png) in [("consent-light.png", &light), ("consent-dark.png", &dark)] {
        assert!(png.starts_with(b"\x89PNG"), "{name}");
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), png).expect("writes");
    }
    assert_ne!(light, dark);

    chromium.click("button.main");
    let at = chromium.wait_until_at(LIMIT, |url| url.port() == Some(port));
    assert!(at.query_pairs().any(|(name, value)| name == "code" && value.starts_with("code_")), "{}", at.path());
}
