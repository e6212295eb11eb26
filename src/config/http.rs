//! `[http]`: the door for programs that cannot open a Unix socket. Off unless it is wished for.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The HTTP door.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Whether there is one.
    #[serde(default)]
    pub enabled: bool,
    /// Its port on the loopback addresses; zero: any that is free.
    #[serde(default)]
    pub port: u16,
    /// The origins of web pages that may ask, as browsers write them.
    #[serde(default, deserialize_with = "origins")]
    pub origins: Vec<String>,
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(deserializer)?;
    match origins.iter().all(|origin| is_origin(origin)) {
        true => Ok(origins),
        false => Err(D::Error::custom(
            "origins as browsers send them are needed here, such as `https://app.example` or `http://localhost:3000`: \
             scheme, host and port, in lower case, without a path; none stands for all",
        )),
    }
}

/// RFC 6454 section 6.2, for whatever scheme an app's own window has. What is no origin would never match, and `*` and `null`
/// stand for everybody.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    let host_fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b);
    let default_port =
        matches!((scheme, host.rsplit_once(':')), ("http", Some((_, "80"))) | ("https", Some((_, "443"))));
    scheme_fits && !host.is_empty() && host.bytes().all(host_fits) && !default_port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_door_is_off_unless_it_is_wished_for() {
        let config = Config::parse("", "config.toml").unwrap();
        assert_eq!(config.http, HttpSettings::default());
        let text = "[http]\nenabled = true\nport = 4711\norigins = ['https://app.example', 'tauri://localhost']\n";
        let http = Config::parse(text, "config.toml").unwrap().http;
        assert_eq!((http.enabled, http.port, http.origins.len()), (true, 4711, 2));
    }

    #[test]
    fn what_is_no_origin_is_refused_with_its_line() {
        for origin in [
            "*",
            "null",
            "",
            "app.example",
            "https://",
            "https://app.example/",
            "https://App.example",
            "https://app.example:443",
            "http://a b",
            "https://*.example",
            "https://user@app.example",
            "://x",
        ] {
            let text = format!("[http]\norigins = ['{origin}']\n");
            let error = Config::parse(&text, "config.toml").expect_err(origin).to_string();
            assert!(error.starts_with("config.toml:2: `origins`: origins as browsers send them"), "{origin}: {error}");
        }
        for origin in
            ["http://localhost:3000", "http://[::1]:8080", "vscode-webview://abc-1", "https://app.example:8443"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        let error = Config::parse("[http]\nenable = true\n", "config.toml").expect_err("refused").to_string();
        assert_eq!(error, "config.toml:2: unknown key `enable`; did you mean `enabled`?");
    }
}
