//! The HTTP door's judgement: which requests are let in at a port that every program and every web page of this machine can
//! reach. `route` says what those that are let in ask for.
//!
//! Pure: `agent/door` listens, this judges. The order matters: Host and Origin come before the secret, so that a web page
//! learns nothing, and the secret before the address, so that nobody learns which addresses there are.

pub(crate) mod route;

use crate::secret::Secret;

/// What a header may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given<'a> {
    /// It isn't there.
    Absent,
    /// Once, and text.
    One(&'a str),
    /// More than once, or no text.
    Odd,
}

/// A request, as far as it is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// The host in the request's target, where it has one (RFC 9112 section 3.2.2).
    pub(crate) authority: Option<&'a str>,
    /// The path, without the query.
    pub(crate) path: &'a str,
    pub(crate) host: Given<'a>,
    pub(crate) origin: Given<'a>,
    pub(crate) authorization: Given<'a>,
}

/// What a request may be let in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// A browser asks on behalf of a page of a named origin; it gets headers and nothing else.
    Preflight,
    /// The redirect of a login: whether of one that is under way is told by its state.
    Callback,
    /// Whoever sent it knows the secret.
    Asked,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was sent to another name (DNS rebinding), or to none.
    Host,
    /// It was sent by a web page that the configuration doesn't name.
    Origin,
    /// It has no secret.
    NoSecret,
    /// It has another secret.
    WrongSecret,
}

/// What requests are judged by.
#[derive(Debug)]
pub(crate) struct Keeper {
    authorities: [String; 3],
    origins: Vec<String>,
    secret: Secret,
}

impl Keeper {
    /// For a door at this port.
    pub(crate) fn new(port: u16, origins: Vec<String>, secret: Secret) -> Self {
        Self { authorities: ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")), origins, secret }
    }

    /// What lets in.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Judges a request.
    pub(crate) fn admit(&self, head: &Head<'_>) -> Result<Admitted, Refused> {
        let here = |authority: &str| self.authorities.iter().any(|own| own.eq_ignore_ascii_case(authority));
        if !matches!(head.host, Given::One(host) if here(host)) || !head.authority.is_none_or(here) {
            return Err(Refused::Host);
        }
        let origin = match head.origin {
            Given::Absent => None,
            Given::One(origin) if self.is_named(origin) => Some(origin),
            _ => return Err(Refused::Origin),
        };
        if origin.is_some() && head.method == "OPTIONS" {
            return Ok(Admitted::Preflight);
        }
        if route::callback(head.path).is_some() {
            return Ok(Admitted::Callback);
        }
        match head.authorization {
            Given::Absent => Err(Refused::NoSecret),
            Given::One(credentials) if self.is_ours(credentials) => Ok(Admitted::Asked),
            _ => Err(Refused::WrongSecret),
        }
    }

    /// Whether the configuration names that origin: as a browser writes it, character by character.
    pub(crate) fn is_named(&self, origin: &str) -> bool {
        self.origins.iter().any(|named| named == origin)
    }

    /// `Bearer SECRET` (RFC 6750 section 2.1); the scheme's case is free (RFC 9110 section 11.1).
    fn is_ours(&self, credentials: &str) -> bool {
        let Some((scheme, secret)) = credentials.split_once(' ') else { return false };
        scheme.eq_ignore_ascii_case("bearer") && Secret::from(secret.to_owned()).matches(&self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head<'_> = Head {
        method: "GET",
        authority: None,
        path: "/v1/status",
        host: Given::One("127.0.0.1:4711"),
        origin: Given::Absent,
        authorization: Given::One("Bearer right"),
    };
    const CALLBACK: &str = "/auth/google/callback";

    fn admit(head: Head<'_>) -> Result<Admitted, Refused> {
        let origins = vec!["https://app.example".to_owned(), "tauri://localhost".to_owned()];
        Keeper::new(4711, origins, Secret::from("right".to_owned())).admit(&head)
    }

    #[test]
    fn only_the_doors_own_names_and_port_are_its_host() {
        for host in ["127.0.0.1:4711", "localhost:4711", "LocalHost:4711", "[::1]:4711"] {
            assert_eq!(admit(Head { host: Given::One(host), ..HEAD }), Ok(Admitted::Asked), "{host}");
        }
        let foreign =
            ["", "localhost", "127.0.0.1", "127.0.0.1:4712", "127.1:4711", "evil.example:4711", "0.0.0.0:4711"];
        let more = ["localhost.evil.example:4711", "127.0.0.1:4711.evil.example", "localhost.:4711", "[::]:4711"];
        for host in foreign.iter().chain(&more) {
            for path in [HEAD.path, CALLBACK] {
                assert_eq!(admit(Head { host: Given::One(host), path, ..HEAD }), Err(Refused::Host), "{host}");
            }
        }
        for host in [Given::Absent, Given::Odd] {
            assert_eq!(admit(Head { host, ..HEAD }), Err(Refused::Host));
        }
        assert_eq!(admit(Head { authority: Some("evil.example:4711"), ..HEAD }), Err(Refused::Host));
        assert_eq!(admit(Head { authority: Some("localhost:4711"), ..HEAD }), Ok(Admitted::Asked));
    }

    #[test]
    fn only_named_origins_may_ask_and_only_they_are_told_so() {
        for origin in ["https://app.example", "tauri://localhost"] {
            assert_eq!(admit(Head { origin: Given::One(origin), ..HEAD }), Ok(Admitted::Asked));
            let preflight =
                Head { origin: Given::One(origin), method: "OPTIONS", authorization: Given::Absent, ..HEAD };
            assert_eq!(admit(preflight), Ok(Admitted::Preflight));
        }
        let foreign = ["null", "", "*", "http://app.example", "https://app.example:8443", "https://app.example.evil"];
        for origin in foreign.map(Given::One).into_iter().chain([Given::Odd, Given::One("http://127.0.0.1:4711")]) {
            for (method, path) in [("GET", HEAD.path), ("POST", HEAD.path), ("OPTIONS", HEAD.path), ("GET", CALLBACK)] {
                assert_eq!(admit(Head { method, origin, path, ..HEAD }), Err(Refused::Origin), "{origin:?} {method}");
            }
        }
        // Without an origin it is no browser's question.
        let plain = Head { method: "OPTIONS", authorization: Given::Absent, ..HEAD };
        assert_eq!(admit(plain), Err(Refused::NoSecret));
    }

    #[test]
    fn everything_but_the_callback_takes_the_secret() {
        let with = |authorization| admit(Head { authorization, ..HEAD });
        assert_eq!(with(Given::One("bearer right")), Ok(Admitted::Asked));
        assert_eq!(with(Given::Absent), Err(Refused::NoSecret));
        for wrong in ["Bearer wrong", "Bearer right ", "Bearer  right", "Bearer", "right", "Basic right", ""] {
            assert_eq!(with(Given::One(wrong)), Err(Refused::WrongSecret), "{wrong}");
        }
        assert_eq!(with(Given::Odd), Err(Refused::WrongSecret));
        let at = |path| admit(Head { path, authorization: Given::Absent, ..HEAD });
        assert_eq!(at(CALLBACK), Ok(Admitted::Callback));
        for path in ["/", "/auth/google/start", "/auth/callback", "/auth//callback", "/auth/a/b/callback", "/x"] {
            assert_eq!(at(path), Err(Refused::NoSecret), "{path}");
        }
    }
}
