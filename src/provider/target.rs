//! What a token is wanted for: a URL that another program names, compared with the URLs that an account answers for.
//!
//! Scheme, host and port are equal or not; of the path whole segments are. Both URLs are read by the same rules (WHATWG URL),
//! so that no spelling of a host passes for another one; nothing here looks for a part of a text. What other programs read as
//! another host's is no target: whoever asks goes there by its own rules, with our token.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use super::is_secure_url;

/// Longer than any URL that names a repository, a registry or an index.
const LONGEST: usize = 8192;

/// A URL as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    scheme: String,
    host: Host,
    /// The scheme's own where none is said; none where the scheme has none.
    port: Option<u16>,
    /// Without the empty last one of a slash at the end.
    segments: Vec<String>,
    user: Option<String>,
}

/// Why a text names no target. It is not repeated: a password may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No URL, or one without a host.
    #[error("a target is a URL with a host, such as https://git.example.com/team")]
    NoHost,
    /// What a rule can't say.
    #[error("the URL of a rule has no password, query or fragment")]
    Beyond,
    /// A token would go over an open wire.
    #[error("the URL of a rule is https or another scheme; http is for 127.0.0.1, [::1] and localhost only")]
    Insecure,
    /// One of many hosts.
    #[error("the URL of a rule names one host: there are no patterns, so each host has a rule of its own")]
    Pattern,
    /// A path that not everybody reads alike.
    #[error("the path of a target has no `.` and no `..`: programs differ in where they lead")]
    Dots,
}

impl Target {
    /// The URL that a program names. Password, query and fragment say nothing of who answers.
    pub fn of_request(text: &str) -> Result<Self, TargetError> {
        Self::of_url(&parse(text)?)
    }

    fn of_url(url: &Url) -> Result<Self, TargetError> {
        let host = match url.host().ok_or(TargetError::NoHost)? {
            // The hosts of schemes that browsers don't know (imaps, smtp) are left as they were written.
            Host::Domain(name) if !is_special(url.scheme()) => Host::parse(name).map_err(|_| TargetError::NoHost)?,
            host => host.to_owned(),
        };
        let mut segments: Vec<String> = url.path().split('/').skip(1).map(str::to_owned).collect();
        if segments.last().is_some_and(String::is_empty) {
            segments.pop();
        }
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(str::to_owned);
        Ok(Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default(), segments, user })
    }

    /// Whether this is a rule for `asked`.
    pub fn covers(&self, asked: &Target) -> bool {
        self.is_above(asked) && (self.user.is_none() || self.user == asked.user)
    }

    /// Whether this, a user's, is meant by `asked`, which need not name the user.
    pub fn is_meant_by(&self, asked: &Target) -> bool {
        self.is_above(asked) && (asked.user.is_none() || asked.user == self.user)
    }

    fn is_above(&self, asked: &Target) -> bool {
        let Self { scheme, host, port, segments, user: _ } = self;
        (scheme, host, port) == (&asked.scheme, &asked.host, &asked.port) && asked.segments.starts_with(segments)
    }

    /// The same without a path below it.
    pub fn is_at(&self, asked: &Target) -> bool {
        self.is_meant_by(asked) && self.segments == asked.segments
    }

    /// How closely it describes what it covers; of rules for the same request the highest counts.
    pub fn closeness(&self) -> (usize, bool) {
        (self.segments.len(), self.user.is_some())
    }

    /// What the closest of those that cover this one has, itself included: whole paths before shorter ones, and of the same
    /// path the one with a user. It is asked for each of them, however many there are elsewhere.
    pub fn closest<T>(&self, mut has: impl FnMut(&Target) -> Option<T>) -> Option<T> {
        let mut wider = self.clone();
        loop {
            wider.user.clone_from(&self.user);
            let with_user = wider.user.as_ref().and_then(|_| has(&wider));
            wider.user = None;
            let found = with_user.or_else(|| has(&wider));
            if found.is_some() || wider.segments.pop().is_none() {
                return found;
            }
        }
    }

    /// The same for a user, whoever was named.
    pub fn of_user(&self, name: &str) -> Result<Self, TargetError> {
        let mut url = Url::parse(&self.origin()).map_err(|_| TargetError::NoHost)?;
        // A percent sign is no part of what a URL escapes.
        url.set_username(&name.replace('%', "%25")).map_err(|()| TargetError::NoHost)?;
        Ok(Self { user: Some(url.username().to_owned()).filter(|user| !user.is_empty()), ..self.clone() })
    }

    /// The same for whoever it is.
    pub fn of_anybody(&self) -> Self {
        Self { user: None, ..self.clone() }
    }

    /// As a URL, without the user.
    pub fn url(&self) -> String {
        self.segments.iter().fold(self.origin(), |url, segment| url + "/" + segment)
    }

    /// All of its host and port: no path, no user.
    #[must_use]
    pub fn whole_host(&self) -> Self {
        Self { segments: Vec::new(), user: None, ..self.clone() }
    }

    /// Whether any of these is at this whole host; itself is not meant.
    pub fn has_below<T>(&self, targets: &BTreeMap<Target, T>) -> bool {
        // Nothing of the same host is sorted before it.
        let mut after = targets.range((Bound::Excluded(self), Bound::Unbounded));
        after.next().is_some_and(|(next, _)| self.covers(next))
    }

    /// Scheme, host and port, for people.
    pub fn origin(&self) -> String {
        let port = self.port.filter(|port| default_port(&self.scheme) != Some(*port));
        format!("{}://{}{}", self.scheme, self.host, port.map(|port| format!(":{port}")).unwrap_or_default())
    }
}

/// The URL of a rule.
impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let url = parse(text)?;
        if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(TargetError::Beyond);
        }
        if url.host_str().is_some_and(|host| host.contains('*')) {
            return Err(TargetError::Pattern);
        }
        if url.scheme() == "http" && !is_secure_url(&format!("http://{}/", url.host_str().unwrap_or_default())) {
            return Err(TargetError::Insecure);
        }
        Self::of_url(&url)
    }
}

fn parse(text: &str) -> Result<Url, TargetError> {
    let url = Url::parse(text).ok().filter(|url| text.len() <= LONGEST && url.has_host());
    let url = url.filter(|url| url.scheme() != "file" && is_read_alike(text, url.scheme()));
    let url = url.ok_or(TargetError::NoHost)?;
    if has_dots(text) { Err(TargetError::Dots) } else { Ok(url) }
}

/// Whether a step up stands in the path, or in what could be taken for one. Browsers take it before they ask, `%2e%2e` as
/// well; others send it as it is, and it is the server that goes elsewhere, or doesn't.
fn has_dots(text: &str) -> bool {
    let written = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    written.split('/').skip(3).any(|segment| [".", ".."].contains(&segment))
}

/// Whether RFC 3986 finds the host where the URL standard does. A browser ends the host at a backslash, where curl and Python
/// still read a user; passes over tabs and line ends; and counts no slashes.
fn is_read_alike(text: &str, scheme: &str) -> bool {
    let rest =
        text.split_once("://").filter(|(before, _)| before.eq_ignore_ascii_case(scheme)).map_or("", |(_, it)| it);
    rest.starts_with(|c: char| !c.is_whitespace() && c != '/') && !text.contains(|c: char| c == '\\' || c.is_control())
}

/// The schemes whose hosts the URL standard itself normalizes.
fn is_special(scheme: &str) -> bool {
    default_port(scheme).is_some()
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

/// A host of a provider's own, in its TOML.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderTarget {
    /// Its URL; what is below is meant, too. A place in braces is no host: `check` tells of that.
    #[serde(deserialize_with = "written")]
    pub url: Result<Target, TargetError>,
    /// The user name beside which it takes the token for a password.
    #[serde(default)]
    pub username: Option<String>,
}

fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Result<Target, TargetError>, D::Error> {
    String::deserialize(deserializer).map(|text| text.parse())
}

/// Whether it can be a user name of Basic authentication (RFC 7617 section 2).
pub fn is_username(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.contains(|c: char| c == ':' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(rule: &str, asked: &str) -> bool {
        let rule: Target = rule.parse().expect(rule);
        Target::of_request(asked).is_ok_and(|asked| rule.covers(&asked))
    }

    #[test]
    fn what_is_the_same_to_a_browser_is_the_same_target() {
        for (rule, asked) in [
            ("https://git.example.com", "https://git.example.com"),
            ("https://git.example.com", "HTTPS://GIT.Example.COM:443/team/x.git?a#b"),
            ("https://git.example.com:443/", "https://git.example.com/"),
            ("https://git.example.com:8443", "https://ada:secret@git.example.com:8443/x"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://git.example.com/team/", "https://git.example.com/team"),
            ("https://git.example.com/team", "https://git.example.com/team/.git/..x?/../"),
            ("https://git.example.com/a b", "https://git.example.com/a%20b"),
            ("https://[2001:db8::1]", "https://[2001:DB8:0:0:0:0:0:1]/x"),
            ("http://127.0.0.1:8080", "http://0x7f.1:8080/r.git"),
            ("http://localhost:3000/r", "http://LOCALHOST:3000/r"),
            ("smtp://Mail.Example.com:587", "smtp://me@mail.example.com:587"),
            ("https://ada@git.example.com", "https://ada@git.example.com/x"),
        ] {
            assert!(covers(rule, asked), "{rule} {asked}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for (rule, asked) in [
            ("https://git.example.com", "http://git.example.com"),
            ("https://git.example.com", "https://git.example.com:444"),
            ("https://git.example.com", "https://git.example.com.evil.example"),
            ("https://git.example.com", "https://evil-git.example.com"),
            ("https://git.example.com", "https://sub.git.example.com"),
            ("https://git.example.com", "https://git.example.com@evil.example/"),
            ("https://git.example.com", "https://evil.example/https://git.example.com"),
            ("https://git.example.com", "https://evil.example\\@git.example.com"),
            ("https://git.example.com", "https:"),
            ("https://git.example.com", "git.example.com"),
            ("https://git.example.com", "https://"),
            ("https://git.example.com/team", "https://git.example.com"),
            ("https://git.example.com/team", "https://git.example.com/teams"),
            ("https://git.example.com/team", "https://git.example.com/Team"),
            ("https://git.example.com/team", "https://git.example.com/team/../other"),
            ("https://git.example.com/team", "https://git.example.com/team/%2e%2e/other"),
            ("https://git.example.com/team", "https://git.example.com/other/../team/y"),
            ("https://git.example.com/team", "https://git.example.com/other/%2E./team"),
            ("https://git.example.com", "https://git.example.com/team/.."),
            ("https://git.example.com", "https://git.example.com/%2e"),
            ("https://git.example.com/team", "https://git.example.com/team%2Fx"),
            ("https://git.example.com/team", "https://git.example.com//team"),
            ("https://ada@git.example.com", "https://git.example.com"),
            ("https://ada@git.example.com", "https://Ada@git.example.com"),
            ("https://example.com", "https://éxample.com"),
            ("smtp://mail.example.com:587", "smtp://mail.example.com"),
            ("smtp://mail.example.com", "smtp:mail.example.com"),
            // Where curl and Python go elsewhere than a browser does.
            ("https://git.example.com", "https://git.example.com\\@evil.example/"),
            ("https://git.example.com", "https://git.example.com/a\\b"),
            ("https://git.example.com", "https:/git.example.com"),
            ("https://git.example.com", "https:///git.example.com"),
            ("https://git.example.com", "https:git.example.com://x"),
            ("https://git.example.com", "https://git.exam\tple.com"),
            ("https://git.example.com", "https://git.example.com\r"),
            ("https://git.example.com", "\nhttps://git.example.com"),
        ] {
            assert!(!covers(rule, asked), "{rule} {asked}");
        }
    }

    #[test]
    fn a_rule_is_a_url_with_a_host_and_nothing_that_it_cannot_mean() {
        use TargetError::{Beyond, Dots, Insecure, NoHost, Pattern};
        for (text, error) in [
            ("", NoHost),
            ("git.example.com", NoHost),
            ("https://", NoHost),
            ("mailto:ada@example.com", NoHost),
            ("file:///etc", NoHost),
            ("file://host/etc", NoHost),
            ("https://a:b@git.example.com", Beyond),
            ("https://git.example.com?x", Beyond),
            ("https://git.example.com#x", Beyond),
            ("http://git.example.com", Insecure),
            ("http://127.0.0.1.example.com", Insecure),
            ("https://*.example.com", Pattern),
            ("https://git.example.com/a/../b", Dots),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
        assert_eq!(Target::of_request(&format!("https://a.example/{}", "x".repeat(LONGEST))), Err(NoHost));
    }

    #[test]
    fn the_closest_of_those_that_cover_it_is_found_first() {
        let found = |asked: &str, there: &[&str]| {
            let there: Vec<Target> = there.iter().map(|url| url.parse().expect(url)).collect();
            Target::of_request(asked).expect(asked).closest(|wider| there.iter().position(|url| url == wider))
        };
        let there = ["https://a.example", "https://a.example/x/y", "https://ada@a.example/x", "https://a.example/x"];
        for (asked, position) in [
            ("https://a.example/x/y/z", Some(1)),
            ("https://ada@a.example/x/y", Some(1)),
            ("https://ada@a.example/x", Some(2)),
            ("https://bob@a.example/x/", Some(3)),
            ("https://ada@a.example", Some(0)),
            ("https://a.example:8443/x/y", None),
        ] {
            assert_eq!(found(asked, &there), position, "{asked}");
        }
    }

    #[test]
    fn what_is_kept_for_a_user_is_meant_by_whoever_names_nobody_or_that_one() {
        let kept = |url: &str, user: &str| Target::of_request(url).and_then(|url| url.of_user(user)).expect(url);
        for (url, user, asked, meant, at) in [
            ("https://a.example", "ada", "https://a.example", true, true),
            ("https://a.example/", "ada", "https://ada@A.example:443/team/x.git", true, false),
            ("https://a.example/team", "ada", "https://a.example/team/", true, true),
            ("https://a.example/team", "ada", "https://a.example/teams", false, false),
            ("https://a.example", "ada", "https://bob@a.example", false, false),
            ("https://bob@a.example", "ada", "https://ada@a.example", true, true),
            ("https://a.example", "ada@example.com", "https://ada%40example.com@a.example", true, true),
            ("https://a.example", "50%:/?#[]\\ ü", "https://50%25%3A%2F%3F%23%5B%5D%5C%20ü@a.example", true, true),
            ("smtp://mail.example:587", "me", "smtp://me@Mail.example:587", true, true),
            ("https://a.example", "<token>", "https://a.example", true, true),
        ] {
            let (kept, asked) = (kept(url, user), Target::of_request(asked).expect(asked));
            assert_eq!((kept.is_meant_by(&asked), kept.is_at(&asked)), (meant, at), "{url} {user}");
        }
        assert_eq!(kept("https://ada@A.example:443/team/", "bob").url(), "https://a.example/team");
        assert!(Target::of_request("urn:x").is_err());
    }

    #[test]
    fn what_is_below_a_whole_host_is_found_and_its_neighbours_are_not() {
        let host = Target::of_request("https://ada@b.example/x/y").expect("a target").whole_host();
        assert_eq!(host, "https://b.example".parse().expect("a target"));
        for (url, below) in [
            ("https://b.example/x", true),
            ("https://ada@b.example", true),
            ("https://b.example", false),
            ("https://b.example:8443/x", false),
            ("https://a.example/x", false),
            ("https://c.example", false),
            ("imaps://b.example/x", false),
        ] {
            let others: BTreeMap<Target, ()> = [(url.parse().expect(url), ())].into();
            assert_eq!(host.has_below(&others), below, "{url}");
        }
    }

    #[test]
    fn people_are_shown_scheme_host_and_port() {
        for (text, shown) in [
            ("https://Git.example.com:443/team", "https://git.example.com"),
            ("https://ada@git.example.com:8443", "https://git.example.com:8443"),
            ("imaps://mail.example.com:993/x", "imaps://mail.example.com:993"),
            ("https://[::1]:444", "https://[::1]:444"),
        ] {
            assert_eq!(text.parse::<Target>().expect(text).origin(), shown);
        }
    }
}
