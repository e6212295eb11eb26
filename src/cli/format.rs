//! A token in the shapes that other programs take: pure functions, text in, text out.
//!
//! A token or name that the shape cannot carry (a newline in a header, a blank in a netrc) is refused, never mangled.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::args::Format;
use crate::ipc::message::token::{AuthMethod, Token};
use crate::secret::Secret;

/// What the caller says of the other end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer<'a> {
    /// The user name there.
    pub user: Option<&'a str>,
    /// Its host.
    pub host: Option<&'a str>,
    /// Its port.
    pub port: Option<u16>,
}

/// Why a token has no such shape. The values are not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Nobody said whose it is.
    #[error("this format needs a user name: add --user NAME")]
    NoUser,
    /// Nobody said where it goes.
    #[error("this format needs a host: add --host HOST")]
    NoHost,
    /// A control character, which would break out of the format.
    #[error("the {0} has a control character in it, which this format cannot carry")]
    Control(&'static str),
    /// What such a server takes is an access token.
    #[error("an API key answers, and this format carries access tokens only")]
    Key,
    /// A blank or a quote in a netrc.
    #[error("the {0} has a blank, a quote or a # in it, which a netrc file cannot carry")]
    Netrc(&'static str),
    /// It could not be encoded.
    #[error("the answer cannot be shown as JSON")]
    Json,
}

/// The token in that shape, without a newline at its end.
pub fn render(format: Format, token: &Token, peer: Peer<'_>) -> Result<Secret, FormatError> {
    let user = peer.user.or(token.identity.as_deref());
    let host = peer.host.or(token.api_host.as_deref());
    match format {
        Format::Raw => Ok(token.token.duplicate()),
        Format::Json => serde_json::to_string_pretty(token).map(Secret::from).map_err(|_| FormatError::Json),
        Format::Header => header(token),
        Format::HeadersJson => headers_json(token),
        Format::CurlConfig => curl_config(token),
        Format::Netrc => netrc(token, user.ok_or(FormatError::NoUser)?, host.ok_or(FormatError::NoHost)?),
        Format::Xoauth2 => xoauth2(token, user.ok_or(FormatError::NoUser)?),
        Format::Oauthbearer => oauthbearer(token, user.ok_or(FormatError::NoUser)?, peer.host, peer.port),
    }
}

/// The header with the token: its name and its value.
fn carrier(token: &Token) -> Result<(String, Secret), FormatError> {
    match &token.key_header {
        None => Ok(("Authorization".to_owned(), credentials(token)?)),
        Some(name) => {
            check("header", name)?;
            check("token", &token.token.expose())?;
            Ok((name.clone(), token.token.duplicate()))
        }
    }
}

fn header(token: &Token) -> Result<Secret, FormatError> {
    let (name, value) = carrier(token)?;
    Ok(Secret::from(format!("{name}: {}", &*value.expose())))
}

/// The value of `Authorization` (RFC 6750 section 2.1). Servers write the type in any case; the scheme is `Bearer`.
fn credentials(token: &Token) -> Result<Secret, FormatError> {
    let scheme = if token.token_type.eq_ignore_ascii_case("bearer") { "Bearer" } else { &token.token_type };
    check("token type", scheme)?;
    check("token", &token.token.expose())?;
    Ok(Secret::from(format!("{scheme} {}", &*token.token.expose())))
}

fn check(what: &'static str, text: &str) -> Result<(), FormatError> {
    if text.chars().any(char::is_control) { Err(FormatError::Control(what)) } else { Ok(()) }
}

/// The one with the token first, then what the provider's API wants beside it.
fn headers(token: &Token) -> Result<Vec<(String, Secret)>, FormatError> {
    let mut headers = vec![carrier(token)?];
    for (name, value) in &token.headers {
        check("header", name)?;
        check("header", value)?;
        headers.push((name.clone(), Secret::from(value.clone())));
    }
    Ok(headers)
}

fn headers_json(token: &Token) -> Result<Secret, FormatError> {
    let headers = headers(token)?;
    let shown: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    let map: BTreeMap<&str, &str> = shown.iter().map(|(name, value)| (*name, &**value)).collect();
    serde_json::to_string_pretty(&map).map(Secret::from).map_err(|_| FormatError::Json)
}

/// curl's configuration file: in quotes, a backslash goes before a backslash and a quote.
fn curl_config(token: &Token) -> Result<Secret, FormatError> {
    let lines: Vec<String> = headers(token)?
        .iter()
        .map(|(name, value)| {
            let header = format!("{name}: {}", &*value.expose()).replace('\\', r"\\").replace('"', r#"\""#);
            format!("header = \"{header}\"")
        })
        .collect();
    Ok(Secret::from(lines.join("\n")))
}

fn netrc(token: &Token, user: &str, host: &str) -> Result<Secret, FormatError> {
    for (what, text) in [("host", host), ("user name", user), ("token", &*token.token.expose())] {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'\\#".contains(c);
        if text.is_empty() || text.contains(odd) {
            return Err(FormatError::Netrc(what));
        }
    }
    Ok(Secret::from(format!("machine {host} login {user} password {}", &*token.token.expose())))
}

/// The SASL mechanism of Google's and Microsoft's mail servers.
fn xoauth2(token: &Token, user: &str) -> Result<Secret, FormatError> {
    check_method(token)?;
    check("user name", user)?;
    let text = Secret::from(format!("user={user}\x01auth={}\x01\x01", &*credentials(token)?.expose()));
    Ok(Secret::from(STANDARD.encode(text.expose().as_bytes())))
}

fn check_method(token: &Token) -> Result<(), FormatError> {
    if token.method == AuthMethod::ApiKey { Err(FormatError::Key) } else { Ok(()) }
}

/// RFC 7628 section 3.1, with the user name escaped as RFC 5801 section 4 says.
fn oauthbearer(token: &Token, user: &str, host: Option<&str>, port: Option<u16>) -> Result<Secret, FormatError> {
    check_method(token)?;
    check("user name", user)?;
    let user = user.replace('=', "=3D").replace(',', "=2C");
    let mut text = format!("n,a={user},\x01");
    if let Some(host) = host {
        check("host", host)?;
        text.push_str(&format!("host={host}\x01"));
    }
    if let Some(port) = port {
        text.push_str(&format!("port={port}\x01"));
    }
    let text = Secret::from(format!("{text}auth={}\x01\x01", &*credentials(token)?.expose()));
    Ok(Secret::from(STANDARD.encode(text.expose().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenKind;

    fn token(text: &str) -> Token {
        Token {
            account: "a".to_owned(),
            token: Secret::from(text.to_owned()),
            kind: TokenKind::Access,
            token_type: "bearer".to_owned(),
            method: AuthMethod::Oauth,
            source: "login".to_owned(),
            fallback_since: None,
            fallback_reason: None,
            expires_at: None,
            scope: Vec::new(),
            key_header: None,
            headers: BTreeMap::from([("anthropic-beta".to_owned(), "x\"y".to_owned())]),
            api_host: Some("api.example".to_owned()),
            api_base: None,
            identity: None,
            min_validity_met: true,
            persisted: true,
            warning: None,
            environment: Vec::new(),
            variables: Vec::new(),
            for_target: None,
        }
    }

    fn text(format: Format, from: &str, peer: Peer<'_>) -> Result<String, FormatError> {
        render(format, &token(from), peer).map(|secret| secret.expose().to_owned())
    }

    const USER: Peer<'_> = Peer { user: Some("me@x.example"), host: None, port: None };

    #[test]
    fn every_format_has_its_shape() {
        let cases = [
            (Format::Raw, "to\\ken"),
            (Format::Header, "Authorization: Bearer to\\ken"),
            (Format::HeadersJson, "{\n  \"Authorization\": \"Bearer to\\\\ken\",\n  \"anthropic-beta\": \"x\\\"y\"\n}"),
            (Format::CurlConfig, "header = \"Authorization: Bearer to\\\\ken\"\nheader = \"anthropic-beta: x\\\"y\""),
        ];
        for (format, expected) in cases {
            assert_eq!(text(format, "to\\ken", Peer::default()).as_deref(), Ok(expected), "{format:?}");
        }
        let line = text(Format::Netrc, "tok", USER);
        assert_eq!(line.as_deref(), Ok("machine api.example login me@x.example password tok"));
        let json = text(Format::Json, "tok", Peer::default()).expect("json");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("parses")["token"], "tok");
    }

    #[test]
    fn sasl_strings_are_those_of_the_documents() {
        let decode = |text: String| String::from_utf8(STANDARD.decode(text).expect("base64")).expect("utf-8");
        let xoauth2 = text(Format::Xoauth2, "tok", USER).expect("xoauth2");
        assert_eq!(decode(xoauth2), "user=me@x.example\x01auth=Bearer tok\x01\x01");
        let peer = Peer { user: Some("a,b=c"), host: Some("imap.example"), port: Some(993) };
        let bearer = text(Format::Oauthbearer, "tok", peer).expect("oauthbearer");
        let expected = "n,a=a=2Cb=3Dc,\x01host=imap.example\x01port=993\x01auth=Bearer tok\x01\x01";
        assert_eq!(decode(bearer), expected);
        let bare = text(Format::Oauthbearer, "tok", USER).expect("oauthbearer");
        assert_eq!(decode(bare), "n,a=me@x.example,\x01auth=Bearer tok\x01\x01");
    }

    #[test]
    fn a_key_has_the_header_that_its_provider_names() {
        let key = |header: Option<&str>| {
            let key_header = header.map(str::to_owned);
            Token { method: AuthMethod::ApiKey, key_header, headers: BTreeMap::new(), ..token("key") }
        };
        let text = |format, key: &Token| render(format, key, USER).map(|secret| secret.expose().to_owned());
        let named = key(Some("x-api-key"));
        assert_eq!(text(Format::Header, &named).as_deref(), Ok("x-api-key: key"));
        assert_eq!(text(Format::HeadersJson, &named).as_deref(), Ok("{\n  \"x-api-key\": \"key\"\n}"));
        assert_eq!(text(Format::CurlConfig, &named).as_deref(), Ok("header = \"x-api-key: key\""));
        assert_eq!(text(Format::Header, &key(None)).as_deref(), Ok("Authorization: Bearer key"));
        assert_eq!(text(Format::Header, &key(Some("x\r\ny"))), Err(FormatError::Control("header")));
        for format in [Format::Xoauth2, Format::Oauthbearer] {
            assert_eq!(text(format, &named), Err(FormatError::Key));
        }
    }

    #[test]
    fn what_a_format_cannot_carry_is_refused() {
        for format in [Format::Header, Format::HeadersJson, Format::CurlConfig, Format::Xoauth2, Format::Oauthbearer] {
            assert_eq!(text(format, "a\r\nb", USER), Err(FormatError::Control("token")), "{format:?}");
        }
        assert_eq!(text(Format::Netrc, "a b", USER), Err(FormatError::Netrc("token")));
        let blank = Peer { user: Some("a b"), ..Peer::default() };
        assert_eq!(text(Format::Netrc, "tok", blank), Err(FormatError::Netrc("user name")));
        assert_eq!(text(Format::Netrc, "tok", Peer::default()), Err(FormatError::NoUser));
        assert_eq!(text(Format::Xoauth2, "tok", Peer::default()), Err(FormatError::NoUser));
        let split = Peer { user: Some("a\x01b"), ..Peer::default() };
        assert_eq!(text(Format::Xoauth2, "tok", split), Err(FormatError::Control("user name")));
    }
}
