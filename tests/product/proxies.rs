//! A network whose only way out is a proxy: every request goes through it, by whatever authority the network trusts, and what
//! fails on it is named, costs nothing and shows no password.

use std::io::{BufRead as _, BufReader, Read as _};

use cred_helper::demo::server::{Behaviour, Endpoint, Options, Server};
use serde_json::json;

use super::home::{Ended, Home, browse, ended, first_line};
use super::providers::site::{Site, reply};
use super::proxy::{Mood, Nobody, Proxy};
use super::tls::{Authority, Front};
use super::tokens::wait_for_expiry;

/// Known to the proxy alone: what asks for it another way finds nobody.
const FAR: &str = "https://id.invalid";
const PASSWORD: &str = "canary password of the proxy";

/// A server behind TLS that only the proxy leads to.
struct Far {
    server: Server,
    front: Front,
    authority: Authority,
}

impl Far {
    fn new() -> Self {
        let server = Server::start(Options { public_origin: Some(FAR.to_owned()), ..Options::default() }).unwrap();
        let authority = Authority::new("the network's");
        let front = Front::of(&format!("http://{}", server.address()), authority.issues("id.invalid", 2999));
        Self { server, front, authority }
    }

    fn proxy(&self) -> Proxy {
        Proxy::start().leads("id.invalid:443", self.front.address())
    }

    /// A home that trusts the network's authority.
    fn home(&self, network: &str) -> Home {
        let mut home = Home::new();
        home.set("CRED_HELPER_LOG", "trace");
        self.configure(&home, network, "");
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        home
    }

    fn configure(&self, home: &Home, network: &str, more: &str) {
        let ca = home.path().join("ca.pem");
        std::fs::write(&ca, &self.authority.pem).unwrap();
        home.configure(&format!(
            "ca_file = '{}'\n[network]\nconnect_timeout = '2s'\n{network}\n[providers.far]\nissuer = '{FAR}'\nclient.id = '{}'\n\
             scopes = ['openid']\n{more}",
            ca.display(),
            self.server.client_id()
        ));
    }

    /// In a browser on another network, which reaches the server itself.
    fn log_in(&self, home: &Home, provider: &str) -> Ended {
        let mut login = home.start(&["login", provider, "--no-browser"]);
        let url = first_line(&mut login);
        if !url.is_empty() {
            browse(&url.replace(FAR, &format!("http://{}", self.server.address())));
        }
        ended(login.wait_with_output().unwrap())
    }

    /// Signed in with a token that lasts a second.
    fn signed_in(&self, home: &Home) {
        self.server.set_behaviour(Behaviour::ExpiresIn(1.into()), usize::MAX);
        let login = self.log_in(home, "far");
        assert_eq!(login.code, 0, "{}", login.stderr);
    }
}

fn log_of(home: &Home) -> String {
    std::fs::read_to_string(home.state().join("agent.log")).unwrap()
}

/// A refresh that fails on the way, and says these words.
#[track_caller]
fn fails_with(home: &Home, words: &[&str]) {
    fails_within(home, "2s", words);
}

#[track_caller]
fn fails_within(home: &Home, patience: &str, words: &[&str]) {
    wait_for_expiry(home);
    let failed = home.run(&["get-token", "--timeout", patience]);
    assert_eq!((failed.code, failed.stdout.as_str()), (13, ""), "{words:?}: {}", failed.stderr);
    assert!(words.iter().all(|words| failed.stderr.contains(words)), "{words:?}: {}", failed.stderr);
    assert_eq!(failed.stderr.trim_end().lines().count(), 1, "{}", failed.stderr);
    assert!(!failed.stderr.contains("canary"), "{}", failed.stderr);
}

fn served(home: &Home) {
    let served = home.run(&["get-token", "--timeout", "20s"]);
    assert_eq!(served.code, 0, "{}", served.stderr);
}

#[test]
fn every_kind_of_request_goes_through_the_proxy() {
    let far = Far::new();
    let site = Site::start(|desk, _| reply(200, &json!({"raw_key": desk.next("a-key-that-was-made-")})));
    let keys = Front::of(&site.url(""), far.authority.issues("keys.example", 2999));
    let proxy = far.proxy().leads("keys.example:443", keys.address());
    let network = format!("proxy = 'http://{}'", proxy.address());
    let home = far.home(&network);
    let client = far.server.client_id();
    let more = format!(
        "[providers.plain]\nissuer = '{FAR}'\nclient.id = '{client}'\nscopes = ['read']\n\
         [providers.keyed]\nissuer = '{FAR}'\nclient.id = '{client}'\nscopes = ['read']\n\
         key = {{ url = 'https://keys.example/key', pointer = '/raw_key' }}\n\
         [providers.stepped]\nissuer = '{FAR}'\nclient.id = '{client}'\nscopes = ['read']\n\
         second_step = {{ url = '{FAR}/second', scheme = 'token', headers = {{ editor-version = 'cred-helper/1' }}, token = '/token', expires_at = '/expires_at' }}\n"
    );
    far.configure(&home, &network, &more);
    home.ok(&["agent", "stop"]);

    for provider in ["plain", "keyed", "stepped"] {
        let login = far.log_in(&home, provider);
        assert_eq!(login.code, 0, "{provider}: {}", login.stderr);
    }
    device_login(&far, &home);
    for arguments in [&["refresh", "far"][..], &["get-token", "stepped"], &["get-token", "keyed"], &["logout", "far"]] {
        home.ok(arguments);
    }
    let asked = [
        Endpoint::Metadata,
        Endpoint::Token,
        Endpoint::DeviceAuthorization,
        Endpoint::Userinfo,
        Endpoint::SecondStep,
        Endpoint::Revocation,
    ];
    let counts = asked.map(|endpoint| far.server.count(endpoint));
    assert!(counts.iter().all(|count| *count > 0), "{asked:?}: {counts:?}");
    let through = proxy.asked();
    let far_away = through.iter().filter(|authority| *authority == "id.invalid:443").count();
    assert_eq!((far_away, through.len() - far_away), (counts.iter().sum(), site.asked("/key").len()), "{through:?}");
    assert_eq!(site.asked("/key").len(), 1);
}

fn device_login(far: &Far, home: &Home) {
    let mut login = home.start(&["login", "far", "--device"]);
    let mut words = BufReader::new(login.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        assert_ne!(words.read_line(&mut line).unwrap(), 0, "no user code was shown");
        if line.split_whitespace().any(|word| far.server.approve_device(word)) {
            break;
        }
    }
    let mut rest = String::new();
    words.read_to_string(&mut rest).unwrap();
    assert_eq!(ended(login.wait_with_output().unwrap()).code, 0, "{rest}");
}

#[test]
fn a_proxy_that_fails_is_named_and_costs_no_login() {
    let far = Far::new();
    let proxy = far.proxy().wants("ada", PASSWORD);
    let with = format!("http://ada:{}@{}", PASSWORD.replace(' ', "%20"), proxy.address());
    let home = far.home(&format!("proxy = '{with}'"));
    far.signed_in(&home);
    let address = format!("http://{}", proxy.address());
    for (mood, words) in [
        (Mood::Says(b"HTTP/1.1 407 No\r\n\r\n"), "refuses the name and password that `proxy` in the configuration has"),
        (Mood::Says(b"HTTP/1.1 502 No\r\n\r\n"), "does not let through to id.invalid"),
        (Mood::Says(b""), "did not answer as a proxy does"),
        (Mood::Says(b"SSH-2.0-OpenSSH_9.9\r\n"), "does not let through to id.invalid"),
        (Mood::Silent, "did not lead to id.invalid within 2 s"),
    ] {
        let before = far.server.count_grant("refresh_token");
        let patience = if matches!(mood, Mood::Silent) { "6s" } else { "2s" };
        proxy.now(mood);
        fails_within(&home, patience, &[&address, words]);
        assert_eq!(far.server.count_grant("refresh_token"), before, "{words}: the token was sent");
        proxy.now(Mood::Leads);
        served(&home);
    }
    assert!(far.server.families().iter().all(|family| family.ended.is_none()));
    let told = format!("servers are asked through {address} (`proxy` in the configuration)");
    assert!(home.run(&["doctor"]).stdout.contains(&told));
    for arguments in [&["doctor"][..], &["status", "--json"], &["agent", "status", "--json"]] {
        let ended = home.run(arguments);
        assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
    }
    assert!(!log_of(&home).contains("canary") && !log_of(&home).contains("Basic "));

    // One that wants a password and was given none; one that nobody listens at.
    far.configure(&home, &format!("proxy = '{address}'"), "");
    home.ok(&["agent", "stop"]);
    fails_with(&home, &[&address, "wants a name and a password (HTTP 407)", "http://NAME:PASSWORD@HOST:PORT"]);
    let nobody = Nobody::new();
    far.configure(&home, &format!("proxy = 'http://ada:canary@{}'", nobody.address), "");
    home.ok(&["agent", "stop"]);
    fails_with(&home, &[&format!("http://{}", nobody.address), "could not be reached", "Connection refused"]);
}

#[test]
fn the_environment_names_a_proxy_and_the_configuration_another() {
    let far = Far::new();
    let (named, configured) = (far.proxy(), far.proxy());
    let mut home = far.home("");
    home.ok(&["agent", "stop"]);
    home.set("HTTPS_PROXY", &named.address().to_string());
    far.signed_in(&home);
    assert!(!named.asked().is_empty());

    far.configure(&home, &format!("proxy = 'http://{}'", configured.address()), "");
    home.ok(&["agent", "stop"]);
    wait_for_expiry(&home);
    served(&home);
    assert!(named.asked().is_empty() && !configured.asked().is_empty());

    // Without a proxy there is nobody of that name.
    for network in ["proxy = 'direct'", "no_proxy = ['10.0.0.0/8', '.invalid']"] {
        far.configure(&home, network, "");
        home.ok(&["agent", "stop"]);
        fails_with(&home, &["id.invalid could not be reached"]);
    }
    far.configure(&home, "", "");
    home.ok(&["agent", "stop"]);
    home.set("NO_PROXY", "id.invalid");
    fails_with(&home, &["id.invalid could not be reached"]);
    assert!(named.asked().is_empty() && configured.asked().is_empty());

    home.ok(&["agent", "stop"]);
    home.set("HTTPS_PROXY", "ftp://ada:canary@proxy.example");
    home.set("NO_PROXY", "");
    wait_for_expiry(&home);
    let refused = home.run(&["get-token", "--timeout", "4s"]);
    assert_eq!(refused.code, 19, "{}", refused.stderr);
    let told = "the variable HTTPS_PROXY names no proxy";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    let doctor = home.run(&["doctor"]);
    assert!(doctor.code == 1 && doctor.stdout.contains(told) && !doctor.stdout.contains("canary"), "{doctor:?}");
    assert!(!refused.stderr.contains("canary") && !log_of(&home).contains("canary"));
    home.ok(&["agent", "stop"]);
    home.set("HTTPS_PROXY", &named.address().to_string());
    served(&home);
}

#[test]
fn a_socks_proxy_leads_as_well() {
    let far = Far::new();
    let proxy = far.proxy().wants("ada", "hush");
    let with = |credentials: &str| format!("proxy = 'socks5h://{credentials}{}'", proxy.address());
    let home = far.home(&with("ada:hush@"));
    far.signed_in(&home);
    assert!(proxy.asked().iter().all(|authority| authority == "id.invalid:443"));
    far.configure(&home, &with("ada:canary@"), "");
    home.ok(&["agent", "stop"]);
    fails_with(&home, &[&format!("socks5h://{}", proxy.address()), "does not let through"]);
}

#[test]
fn a_proxy_that_is_none_is_told_by_file_line_and_key() {
    let home = Home::new();
    home.configure("[network]\n\nproxy = 'http://ada:canary/word@proxy.example:3128'\n");
    let checked = home.run(&["config", "check"]);
    assert_eq!(checked.code, 19, "{}", checked.stderr);
    let told = "config.toml:3: `proxy`: the URL of a proxy is needed here, such as `http://proxy.example:3128`";
    assert!(checked.stderr.contains(told) && !checked.stderr.contains("canary"), "{}", checked.stderr);
}
