//! Logins in Debian's Chromium: through the consent page to the page that this program shows, in light and dark.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cred_helper::demo::server::{Options, RedirectBehaviour, Server};
use url::Url;

use crate::home::{Home, ended, first_line};
use crate::support::chromium::{Chromium, Scheme};
use crate::support::programs::missing;

const LIMIT: Duration = Duration::from_secs(30);
/// Would change title and page if any of it were run or parsed.
const HOSTILE: &str = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><h2 id=injected>Verify \
                       your account</h2> Your organization's policy declined this sign-in because the device you are using has not \
                       been enrolled; please contact your administrator and quote trace identifier 4f1a before you try this again";

fn consenting() -> Server {
    Server::start(Options { auto_approve: false, ..Options::default() }).unwrap()
}

/// Kept for people to look at.
fn keep(chromium: &Chromium, name: &str) {
    for (scheme, suffix) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
        let png = chromium.screenshot(scheme);
        assert!(png.starts_with(b"\x89PNG"), "{name}");
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}-{suffix}.png")), png).unwrap();
    }
}

/// Waits for our page, shown at the loopback redirect.
pub(crate) fn at_the_redirect(chromium: &Chromium, server: &Server) -> Url {
    let issuer = Url::parse(&server.issuer()).unwrap();
    chromium.wait_until_at(LIMIT, |url| url.port() != issuer.port() && url.path() == "/callback")
}

#[test]
fn the_callers_browser_is_opened_and_the_page_says_who_signed_in() {
    if missing(&["chromium", "chromedriver"]) {
        return;
    }
    let server = consenting();
    let mut home = Home::with_vault();
    // Whoever reads the pipe waits until the browser is "opened".
    let pipe = home.path().join("opened");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = home.path().join("browser");
    std::fs::write(&script, format!("#!/bin/sh\nprintf %s \"$1\" > '{}'\n", pipe.display())).unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(&mut std::fs::metadata(&script).unwrap().permissions(), 0o700);
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    home.set("BROWSER", script.to_str().unwrap());
    home.set("PATH", "/usr/bin:/bin");
    let login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id()]);
    let url = std::fs::read_to_string(&pipe).unwrap();
    assert!(url.starts_with(&server.url("/authorize?")), "{url}");

    let chromium = Chromium::start();
    chromium.visit(&url);
    chromium.click("button.main");
    at_the_redirect(&chromium, &server);
    let source = chromium.source();
    for text in ["You’re signed in", "ada@example.com", "You can close this tab"] {
        assert!(source.contains(text), "{text}:\n{source}");
    }
    keep(&chromium, "signed-in");
    let ended = ended(login.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.is_empty() && ended.stderr.contains("Your browser opens"), "{}", ended.stderr);
    assert!(server.is_live(&home.token()));
}

#[test]
fn a_providers_hostile_words_are_text() {
    if missing(&["chromium", "chromedriver"]) {
        return;
    }
    let server = lasting();
    let home = Home::with_vault();
    let chromium = Chromium::start();
    for (error, words, name) in
        [("access_denied", "The person said no", "declined"), ("server_error", HOSTILE, "hostile")]
    {
        server.set_redirect(RedirectBehaviour::Error(error.to_owned(), words.to_owned()));
        let mut login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
        chromium.visit(&first_line(&mut login));
        at_the_redirect(&chromium, &server);
        keep(&chromium, name);
        let source = chromium.source();
        assert!(!source.contains("<title>owned") && source.contains("cred-helper</title>"), "{source}");
        for element in ["<script", "<img", "<h2"] {
            assert!(!source.contains(element), "{element}:\n{source}");
        }
        assert_eq!(source.contains("&lt;script&gt;"), name == "hostile", "{source}");
        let ended = ended(login.wait_with_output().unwrap());
        assert_eq!(ended.code, if name == "hostile" { 13 } else { 20 }, "{}", ended.stderr);
        assert!(!ended.stderr.contains('\x1b'));
    }
}

#[test]
fn strangers_get_pages_of_their_own_and_the_login_goes_on() {
    if missing(&["chromium", "chromedriver"]) {
        return;
    }
    let server = lasting();
    let home = Home::with_vault();
    let mut login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    let url = first_line(&mut login);
    let asked = Url::parse(&url).unwrap();
    let redirect = asked.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    let chromium = Chromium::start();
    for (path, text, name) in [
        (format!("{redirect}?code=stolen&state=guessed"), "belongs to another login", "other-login"),
        (format!("{redirect}?nothing=here"), "no sign-in redirect", "no-redirect"),
        (redirect.replace("/callback", "/elsewhere"), "nothing here", "not-found"),
    ] {
        chromium.visit(&path);
        let source = chromium.source();
        assert!(source.contains(text), "{text}:\n{source}");
        keep(&chromium, name);
    }
    chromium.visit(&url);
    at_the_redirect(&chromium, &server);
    assert!(chromium.source().contains("You’re signed in"));
    assert!(login.wait().unwrap().success());
}

fn lasting() -> Server {
    crate::home::lasting_server()
}
