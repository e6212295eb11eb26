//! The proxy on the way to the servers, as the configuration or the environment names it.
//!
//! Its URL may hold a name and a password: the whole of it is a secret, and what may be shown is kept beside it.

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::secret::Secret;

/// The variables that name a proxy for https, best first.
const NAMING: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Those with the hosts that need none.
const PASSING: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Where a SOCKS proxy listens when it isn't said.
const SOCKS_PORT: u16 = 1080;

/// How servers are reached.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// By which way.
    pub way: Way,
    /// Hosts that are reached without a proxy, as `NO_PROXY` writes them.
    pub passed_by: String,
}

/// Which way requests take.
#[derive(Clone, Debug, Default)]
pub enum Way {
    /// Straight to the server.
    #[default]
    Direct,
    /// As the settings of macOS or Windows say.
    System,
    /// Through this proxy.
    Through(Arc<Proxy>),
    /// A proxy is named that cannot be used: what to do about it. Nothing goes out past it unasked.
    Unusable(String),
}

/// A proxy.
pub struct Proxy {
    address: String,
    origin: String,
    has_credentials: bool,
    url: Secret,
}

/// What a proxy's URL has to be; what it was is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the URL of a proxy is needed here, such as `http://proxy.example:3128`: with http, https, socks5 or socks5h, and with \
     NAME:PASSWORD@ before the host if it wants them (`%40` for an @ in them, `%3A` for a colon, `%2F` for a slash)"
)]
pub struct NoProxyUrl;

impl Proxy {
    /// Reads a proxy's URL; `origin` says to people where it stands. Without a scheme it is http, as everywhere.
    pub fn parse(text: &str, origin: &str) -> Result<Self, NoProxyUrl> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let mut url = Url::parse(&whole).map_err(|_| NoProxyUrl)?;
        let default_port = match url.scheme() {
            "http" => 80,
            "https" => 443,
            "socks5" | "socks5h" => SOCKS_PORT,
            _ => return Err(NoProxyUrl),
        };
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|host| bare && is_host(host)).ok_or(NoProxyUrl)?;
        let address = format!("{}://{host}:{}", url.scheme(), url.port().unwrap_or(default_port));
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        if url.port().is_none() && default_port == SOCKS_PORT {
            url.set_port(Some(SOCKS_PORT)).map_err(|()| NoProxyUrl)?;
        }
        Ok(Self { address, origin: origin.to_owned(), has_credentials, url: Secret::from(String::from(url)) })
    }

    /// Scheme, host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it is named.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether a name and a password go with it.
    pub fn has_credentials(&self) -> bool {
        self.has_credentials
    }

    /// The whole URL, for who connects.
    pub fn url(&self) -> &Secret {
        &self.url
    }
}

/// What the HTTP library can't read as a host it would pass by.
fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte))
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).field("url", &self.url).finish_non_exhaustive()
    }
}

impl Proxies {
    /// As the variables say, else the system's settings where it has some.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set =
            |name: &'static str| variable(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value));
        let way = match NAMING.into_iter().find_map(set) {
            Some((name, value)) => match Proxy::parse(&value, name) {
                Ok(proxy) => Way::Through(Arc::new(proxy)),
                Err(wrong) => Way::Unusable(format!(
                    "the variable {name} names no proxy that can be used: {wrong}; `proxy` in [network] of the \
                     configuration comes before it"
                )),
            },
            None if cfg!(any(target_os = "macos", windows)) => Way::System,
            None => Way::Direct,
        };
        let passed_by = PASSING.into_iter().find_map(set).map_or_else(String::new, |(_, value)| value);
        Self { way, passed_by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let cases = [
            ("http://proxy.example:3128", "http://proxy.example:3128", false),
            ("proxy.example:3128", "http://proxy.example:3128", false),
            ("HTTP://u:p@proxy.example/", "http://proxy.example:80", true),
            ("u:hunter2@proxy.example", "http://proxy.example:80", true),
            ("https://u@proxy.example", "https://proxy.example:443", true),
            ("http://[::1]:8080", "http://[::1]:8080", false),
            ("socks5h://u:hunter2@127.0.0.1", "socks5h://127.0.0.1:1080", true),
            ("http://u:hunter%402@proxy.example", "http://proxy.example:80", true),
        ];
        for (text, address, has_credentials) in cases {
            let proxy = Proxy::parse(text, "HTTPS_PROXY").expect(text);
            assert_eq!((proxy.address(), proxy.has_credentials()), (address, has_credentials), "{text}");
            assert!(!format!("{proxy:?}").contains("hunter"), "{proxy:?}");
        }
        assert_eq!(&*Proxy::parse("socks5://h", "").expect("one").url().expose(), "socks5://h:1080");
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_not_quoted() {
        for text in [
            "",
            "http://",
            "ftp://hunter2.example",
            "socks4://hunter2",
            "socks5://",
            "http://hunter2.example/path",
            "http://u:12/hunter2@proxy.example:3128",
            "http://u:hunter2@:3128",
            "http://proxy.example:hunter2",
            "http://proxy.example?hunter2",
            "http://hunter2{.example:3128",
            "socks5h://hunter2%20.example",
            "socks5://höst.example",
            "file:///hunter2",
        ] {
            let refused = Proxy::parse(text, "HTTPS_PROXY").map(|proxy| proxy.address().to_owned());
            assert_eq!(refused, Err(NoProxyUrl), "{text}");
        }
        assert!(!NoProxyUrl.to_string().contains("hunter2"));
    }

    /// Variables and their values.
    type Set = &'static [(&'static str, &'static str)];

    #[test]
    fn the_variable_for_https_comes_before_the_one_for_all() {
        let from = |set: Set| {
            let value = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
            let Proxies { way, passed_by } = Proxies::from_variables(value);
            let way = match way {
                Way::Through(proxy) => format!("{} {}", proxy.origin(), proxy.address()),
                Way::Unusable(why) => why,
                Way::Direct | Way::System => "none".to_owned(),
            };
            (way, passed_by)
        };
        let cases: [(Set, &str, &str); 6] = [
            (&[], "none", ""),
            (&[("HTTP_PROXY", "http://p")], "none", ""),
            (&[("HTTPS_PROXY", ""), ("NO_PROXY", "a, b")], "none", "a, b"),
            (&[("ALL_PROXY", "http://p"), ("no_proxy", "b")], "ALL_PROXY http://p:80", "b"),
            (&[("ALL_PROXY", "http://a"), ("https_proxy", "http://p")], "https_proxy http://p:80", ""),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "a"), ("no_proxy", "b")], "HTTPS_PROXY http://p:80", "a"),
        ];
        for (set, way, passed_by) in cases {
            assert_eq!(from(set), (way.to_owned(), passed_by.to_owned()), "{set:?}");
        }
        let wrong = from(&[("HTTPS_PROXY", "ftp://u:hunter2@p")]).0;
        assert!(wrong.starts_with("the variable HTTPS_PROXY names no proxy") && !wrong.contains("hunter2"), "{wrong}");
    }
}
