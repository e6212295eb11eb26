//! What the tests of all presets share: a preset whose every URL leads to a site on this machine, and nobody who could be
//! reached otherwise.

use std::net::TcpListener;

use cred_helper::provider::{PRESETS, Template};

use super::super::home::{Ended, Home};
use super::site::Site;

/// A home where the preset is the site's. Whatever would leave the machine goes to a proxy that lets nothing through.
pub(crate) struct Play {
    pub(crate) home: Home,
    proxy: TcpListener,
}

/// A preset's keys that hold a URL, and the site's path for each.
const PATHS: [(&str, &str); 6] = [
    ("authorization_endpoint", "/authorize"),
    ("token_endpoint", "/token"),
    ("device_authorization_endpoint", "/device"),
    ("revocation_endpoint", "/revoke"),
    ("userinfo_endpoint", "/userinfo"),
    ("issuer", ""),
];

impl Play {
    /// `more` goes into the provider's table.
    pub(crate) fn new(preset: &str, site: &Site, more: &str) -> Self {
        let toml = at_site(preset, site, more);
        // Every address that the program would ask is the site's.
        let table: toml::Table = toml::from_str(&toml).unwrap();
        let provider = table["providers"][preset].as_table().unwrap().clone();
        let filled = Template::configured(preset, provider).unwrap().fill(&Default::default()).unwrap();
        let mut urls: Vec<&String> = [
            &filled.issuer,
            &filled.authorization_endpoint,
            &filled.token_endpoint,
            &filled.device_authorization_endpoint,
            &filled.revocation_endpoint,
            &filled.userinfo_endpoint,
            &filled.redirect.page,
        ]
        .into_iter()
        .flatten()
        .collect();
        urls.extend(&filled.other_token_endpoints);
        urls.extend(filled.second_step.as_ref().map(|step| &step.url));
        urls.extend(filled.device.iter().flat_map(|device| [&device.page, &device.poll_endpoint]));
        urls.extend(filled.key.as_ref().and_then(|step| step.url.as_ref()));
        for url in urls {
            assert!(url.starts_with(&site.url("")), "{preset}: {url} is not on this machine");
        }
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        proxy.set_nonblocking(true).unwrap();
        let mut home = Home::new();
        for name in ["https_proxy", "http_proxy", "all_proxy"] {
            home.set(name, &format!("http://{}", proxy.local_addr().unwrap()));
        }
        home.configure(&toml);
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        Self { home, proxy }
    }

    #[track_caller]
    pub(crate) fn log_in(&self, arguments: &[&str]) -> Ended {
        let ended = self.home.log_in_with(&[&["login"], arguments, &["--no-browser"]].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended
    }

    #[track_caller]
    pub(crate) fn identity(&self, account: &str) -> serde_json::Value {
        self.home.json(&["account", "show", account, "--json"])["identity"].clone()
    }

    /// The refresh fails with this code, and says these words.
    #[track_caller]
    pub(crate) fn refused(&self, account: &str, code: i32, words: &str) {
        let ended = self.home.run(&["refresh", account]);
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.proxy.accept().is_err(), "a request left the machine");
        }
    }
}

fn at_site(preset: &str, site: &Site, more: &str) -> String {
    let text = PRESETS.iter().find(|known| known.name == preset).unwrap().text;
    let written: toml::Table = toml::from_str(text).unwrap();
    let mut toml = format!("[providers.{preset}]\npreset = '{preset}'\n");
    for (key, path) in PATHS {
        if written.contains_key(key) && !more.contains(&format!("{key} =")) {
            toml.push_str(&format!("{key} = '{}'\n", site.url(path)));
        }
    }
    if written.contains_key("device") {
        toml.push_str(&format!(
            "device = {{ page = '{}', poll_endpoint = '{}' }}\n",
            site.url("/page"),
            site.url("/poll")
        ));
    }
    if written.contains_key("other_token_endpoints") {
        toml.push_str("other_token_endpoints = []\n");
    }
    toml + more
}
