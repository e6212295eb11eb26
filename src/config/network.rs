//! `[network]`: the way to the servers, where it isn't the one that the environment names.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::oauth::proxy::{Proxies, Proxy, Way};
use crate::provider::schema;

/// What stands for no proxy at all.
const DIRECT: &str = "direct";

/// The way to the servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    #[serde(default, deserialize_with = "proxy")]
    proxy: Option<Way>,
    #[serde(default, deserialize_with = "hosts")]
    no_proxy: Option<String>,
    /// How long name resolution, connection and TLS handshake may take together.
    #[serde(default = "ten_seconds", deserialize_with = "a_second_at_least")]
    pub connect_timeout: Duration,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { proxy: None, no_proxy: None, connect_timeout: ten_seconds() }
    }
}

impl NetworkSettings {
    /// What is configured, and the environment's where it isn't.
    pub fn proxies(&self, environment: Proxies) -> Proxies {
        Proxies {
            way: self.proxy.clone().unwrap_or(environment.way),
            passed_by: self.no_proxy.clone().unwrap_or(environment.passed_by),
        }
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn a_second_at_least<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let time = schema::duration(deserializer)?;
    match time < Duration::from_secs(1) {
        true => Err(D::Error::custom("a second is the least")),
        false => Ok(time),
    }
}

fn proxy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Way>, D::Error> {
    let text = zeroize::Zeroizing::new(String::deserialize(deserializer)?);
    if *text == DIRECT {
        return Ok(Some(Way::Direct));
    }
    let proxy = Proxy::parse(&text, "`proxy` in the configuration");
    let proxy = proxy.map_err(|wrong| D::Error::custom(format!("{wrong}; `{DIRECT}` stands for none")))?;
    Ok(Some(Way::Through(Arc::new(proxy))))
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    match hosts.iter().all(|host| is_understood(host)) {
        true => Ok(Some(hosts.join(","))),
        false => Err(D::Error::custom(
            "a list of hosts is needed here: `id.example` (with all below it), `.id.example` (the same), an \
             address, a network such as `10.0.0.0/8`, or `*` for all; without scheme and port",
        )),
    }
}

/// What the HTTP library understands: what it doesn't would be passed over in silence.
fn is_understood(host: &str) -> bool {
    let network = |(address, length): (&str, &str)| {
        let most = address.parse::<IpAddr>().ok().map(|address| if address.is_ipv4() { 32 } else { 128 });
        length.parse::<u8>().is_ok_and(|length| most.is_some_and(|most| length <= most))
    };
    let name = host.strip_prefix('.').unwrap_or(host);
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    host == "*" || host.parse::<IpAddr>().is_ok() || host.split_once('/').is_some_and(network) || is_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn environment() -> Proxies {
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://environment.example:1".to_owned()),
            "NO_PROXY" => Some("environment.example".to_owned()),
            _ => None,
        };
        Proxies::from_variables(variable)
    }

    fn way(text: &str) -> (String, String, Duration) {
        let network = Config::parse(text, "config.toml").expect(text).network;
        let Proxies { way, passed_by } = network.proxies(environment());
        let way = match way {
            Way::Through(proxy) => proxy.address().to_owned(),
            way => format!("{way:?}"),
        };
        (way, passed_by, network.connect_timeout)
    }

    #[test]
    fn the_configuration_comes_before_the_environment_key_by_key() {
        let expected =
            |way: &str, passed_by: &str, seconds| (way.to_owned(), passed_by.to_owned(), Duration::from_secs(seconds));
        let variable = "http://environment.example:1";
        assert_eq!(way(""), expected(variable, "environment.example", 10));
        let own = "[network]\nproxy = 'http://u:hunter2@own.example:3128'\n";
        assert_eq!(way(own), expected("http://own.example:3128", "environment.example", 10));
        let hosts = "[network]\nno_proxy = ['a.example', '10.0.0.0/8']\nconnect_timeout = '3s'\n";
        assert_eq!(way(hosts), expected(variable, "a.example,10.0.0.0/8", 3));
        assert_eq!(way("[network]\nproxy = 'direct'\nno_proxy = []\n"), expected("Direct", "", 10));
        assert!(!format!("{:?}", Config::parse(own, "config.toml").expect("parses")).contains("hunter2"));
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_key_and_without_its_value() {
        for (line, words) in [
            ("proxy = 'ftp://u:hunter2@own.example'", "config.toml:2: `proxy`: the URL of a proxy is needed here"),
            ("proxy = 'http://u:p/hunter2@own.example'", "config.toml:2: `proxy`: the URL of a proxy is needed here"),
            ("proxy = 3128", "config.toml:2: `proxy`: expected a string"),
            ("no_proxy = ['http://hunter2']", "config.toml:2: `no_proxy`: a list of hosts"),
            ("no_proxy = ['*.hunter2']", "config.toml:2: `no_proxy`: a list of hosts"),
            ("no_proxy = ['hunter2:443']", "config.toml:2: `no_proxy`: a list of hosts"),
            ("no_proxy = ['a,hunter2']", "config.toml:2: `no_proxy`: a list of hosts"),
            ("no_proxy = ['10.0.0.0/33']", "config.toml:2: `no_proxy`: a list of hosts"),
            ("connect_timeout = '0s'", "config.toml:2: `connect_timeout`: a second is the least"),
            ("proxi = 'http://u:hunter2@own.example'", "config.toml:2: unknown key `proxi`; did you mean `proxy`?"),
        ] {
            let error = Config::parse(&format!("[network]\n{line}\n"), "config.toml").expect_err(line).to_string();
            assert!(error.starts_with(words) && !error.contains("hunter2"), "{line}: {error}");
        }
    }
}
