//! Through what a request goes: nothing for this machine, else the proxy that is named, unless the host is passed by.
//!
//! What is told to people and what the HTTP library does come from the same place, so that they cannot differ.

use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use crate::oauth::proxy::{Proxies, Proxy, Way};
use crate::redact;
use crate::secret::Secret;

/// Which client a URL needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// http on this machine: no trust store, never a proxy.
    Local,
    /// https on this machine: never a proxy.
    LocalTls,
    /// https elsewhere, through a proxy if there is one.
    Remote,
}

impl Route {
    pub(super) fn of(url: &url::Url) -> Option<Self> {
        let loopback = match url.host()? {
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
            url::Host::Domain(name) => name == "localhost",
        };
        match (url.scheme(), loopback) {
            ("http", true) => Some(Self::Local),
            ("https", true) => Some(Self::LocalTls),
            ("https", false) => Some(Self::Remote),
            _ => None,
        }
    }
}

/// The proxy that a request goes through, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Through {
    /// Scheme, host and port.
    pub(super) address: String,
    /// Where it is named.
    pub(super) origin: String,
    /// Whether a name and a password go with it.
    pub(super) has_credentials: bool,
}

/// The ways out of this machine.
pub(super) struct Passage {
    way: Way,
    /// Takes what isn't passed by; the library's own reading of the list.
    not_passed_by: Matcher,
    system: Option<Matcher>,
}

impl Passage {
    pub(super) fn new(proxies: &Proxies) -> Self {
        let Proxies { way, passed_by } = proxies;
        let not_passed_by = Matcher::builder().https("http://proxy").no(passed_by.as_str()).build();
        let system = matches!(way, Way::System).then(Matcher::from_system);
        Self { way: way.clone(), not_passed_by, system }
    }

    /// What a request to `url` goes through; an error if that cannot be used.
    pub(super) fn through(&self, url: &url::Url) -> Result<Option<Through>, String> {
        let Some(uri) = self.uri(url) else { return Ok(None) };
        match &self.way {
            Way::Direct => Ok(None),
            Way::Unusable(why) => Err(why.clone()),
            Way::Through(proxy) => Ok(Some(through(proxy))),
            Way::System => Ok(self.of_system(&uri).map(|url| Through {
                address: redact::url(&url),
                origin: "the system's settings".to_owned(),
                has_credentials: false,
            })),
        }
    }

    /// The proxy that is named, whoever is asked; an error if it cannot be used.
    pub(super) fn named(&self) -> Result<Option<Through>, String> {
        match &self.way {
            Way::Direct | Way::System => Ok(None),
            Way::Unusable(why) => Err(why.clone()),
            Way::Through(proxy) => Ok(Some(through(proxy))),
        }
    }

    /// The proxy's URL, for the library.
    pub(super) fn url(&self, url: &url::Url) -> Option<Secret> {
        let uri = self.uri(url)?;
        match &self.way {
            Way::Direct | Way::Unusable(_) => None,
            Way::Through(proxy) => Some(proxy.url().duplicate()),
            Way::System => self.of_system(&uri).map(Secret::from),
        }
    }

    /// `None`: it is on this machine, or passed by.
    fn uri(&self, url: &url::Url) -> Option<Uri> {
        let uri = url.origin().ascii_serialization().parse::<Uri>().ok()?;
        (Route::of(url)? == Route::Remote && self.not_passed_by.intercept(&uri).is_some()).then_some(uri)
    }

    fn of_system(&self, uri: &Uri) -> Option<String> {
        self.system.as_ref()?.intercept(uri).map(|found| found.uri().to_string())
    }
}

/// The proxy of every request that needs one, as the HTTP library asks for it.
pub(super) fn proxy(passage: &Arc<Passage>) -> reqwest::Proxy {
    let passage = Arc::clone(passage);
    reqwest::Proxy::custom(move |url| passage.url(url).map(|url| url.expose().to_owned()))
}

fn through(proxy: &Proxy) -> Through {
    Through {
        address: proxy.address().to_owned(),
        origin: proxy.origin().to_owned(),
        has_credentials: proxy.has_credentials(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_routes() {
        let cases = [
            ("https://a.example/t", Some(Route::Remote)),
            ("https://localhost:1/t", Some(Route::LocalTls)),
            ("http://127.0.0.1:1/t", Some(Route::Local)),
            ("http://[::1]/t", Some(Route::Local)),
            ("http://a.example/t", None),
            ("http://127.0.0.1.a.example/t", None),
            ("ftp://127.0.0.1/t", None),
            ("data:text/plain,x", None),
        ];
        for (url, route) in cases {
            assert_eq!(Route::of(&url::Url::parse(url).expect(url)), route, "{url}");
        }
    }

    /// What it can't read, the library passes by without a word.
    #[test]
    fn every_proxy_that_may_be_named_is_one_that_the_library_goes_through() {
        let far = Uri::from_static("https://id.example");
        for text in [
            "proxy.example:3128",
            "https://Proxy.example",
            "http://[::1]:8080",
            "socks5://127.1",
            "socks5h://u:p@proxy_1.example",
            "http://bücher.example",
            "http://u:{\"`<>|^\\%zz !$&'()*+,;=~@proxy.example",
            "http://hunter2{.example:3128",
            "http://hunter2`.example:3128",
            "socks5h://hunter2%20.example",
            "socks5://bücher.example",
        ] {
            let Ok(proxy) = Proxy::parse(text, "HTTPS_PROXY") else { continue };
            let read = Matcher::builder().all(&*proxy.url().expose()).build();
            assert!(read.intercept(&far).is_some(), "{text}");
        }
    }

    #[test]
    fn who_is_passed_by_is_reached_without_the_proxy() {
        let passed_by = "id.example, .corp.example,10.0.0.0/8, 192.0.2.7,fd00::/8";
        let cases = [
            ("https://a.example/t", true),
            ("https://id.example/t", false),
            ("https://ID.example:8443/t", false),
            ("https://deep.id.example", false),
            ("https://notid.example", true),
            ("https://corp.example", false),
            ("https://a.corp.example", false),
            ("https://10.1.2.3/t", false),
            ("https://11.1.2.3/t", true),
            ("https://192.0.2.7:8443", false),
            ("https://[fd00::1]/", false),
            ("https://[fe80::1]/", true),
            ("https://localhost/", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("http://127.0.0.1/", false),
        ];
        let proxy = Proxy::parse("http://u:hunter2@proxy.example:3128", "HTTPS_PROXY").expect("a proxy");
        let way = Way::Through(Arc::new(proxy));
        let passage = Passage::new(&Proxies { way: way.clone(), passed_by: passed_by.to_owned() });
        for (url, is_through) in cases {
            let url = url::Url::parse(url).expect(url);
            let through = passage.through(&url).expect("usable");
            assert_eq!((through.is_some(), passage.url(&url).is_some()), (is_through, is_through), "{url}");
            assert!(!format!("{through:?}").contains("hunter2"));
        }
        let all = Passage::new(&Proxies { way, passed_by: "*".to_owned() });
        assert_eq!(all.through(&url::Url::parse("https://a.example").expect("a URL")), Ok(None));
    }
}
