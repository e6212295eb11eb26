//! The authorization request (RFC 6749 section 4.1.1) and the redirect that answers it (4.1.2), with `iss` (RFC 9207).

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::secret::Secret;

/// The longest query that is read; codes of several KiB exist.
const MAX_QUERY: usize = 16 * 1024;

/// An authorization request.
#[derive(Debug)]
pub struct AuthorizationRequest<'a> {
    /// The authorization endpoint; a query in it stays (section 3.1).
    pub endpoint: &'a str,
    /// The client identifier.
    pub client_id: &'a str,
    /// Where the person is sent back to.
    pub redirect_uri: &'a str,
    /// What that parameter is called, where it isn't `redirect_uri`.
    pub redirect_parameter: Option<&'a str>,
    /// Whether redirect and code challenge are all that is sent.
    pub bare: bool,
    /// The scopes asked for.
    pub scope: &'a [String],
    /// Ties the redirect to this login.
    pub state: &'a Secret,
    /// RFC 7636 section 4.3.
    pub code_challenge: &'a str,
    /// Ties the ID token to this login (OpenID Connect Core section 3.1.2.1).
    pub nonce: Option<&'a Secret>,
    /// The provider's own parameters; they replace none of the standard's.
    pub parameters: &'a BTreeMap<String, String>,
}

impl AuthorizationRequest<'_> {
    /// The URL that the person opens.
    pub fn url(&self) -> Result<String, url::ParseError> {
        let mut url = url::Url::parse(self.endpoint)?;
        url.set_fragment(None);
        let scope = self.scope.join(" ");
        let (state, nonce) = (self.state.expose(), self.nonce.map(Secret::expose));
        let standard = [
            ("response_type", Some("code")),
            ("client_id", Some(self.client_id)),
            (self.redirect_parameter.unwrap_or("redirect_uri"), Some(self.redirect_uri)),
            ("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty())),
            ("state", Some(&*state)),
            ("code_challenge", Some(self.code_challenge)),
            ("code_challenge_method", Some("S256")),
            ("nonce", nonce.as_deref()),
        ];
        let standard = standard.map(|(name, value)| {
            let bare = name.starts_with("code_challenge") || value == Some(self.redirect_uri);
            (name, value.filter(|_| bare || !self.bare))
        });
        let extra = self.parameters.iter().filter(|(name, _)| standard.iter().all(|(fixed, _)| fixed != name));
        url.query_pairs_mut()
            .extend_pairs(standard.iter().filter_map(|(name, value)| Some((name, (*value)?))))
            .extend_pairs(extra);
        Ok(url.into())
    }
}

/// What a redirect brought.
#[derive(Debug)]
pub struct Redirected {
    /// The state it claims.
    pub state: Option<Secret>,
    /// The issuer it claims (RFC 9207 section 2).
    pub issuer: Option<String>,
    /// Whether it is an address, which has room for an issuer; a code that a page showed has none.
    pub addressed: bool,
    /// The code, or the server's error.
    pub outcome: Outcome,
}

/// A redirect's outcome.
#[derive(Debug)]
pub enum Outcome {
    /// Section 4.1.2.
    Code(Secret),
    /// Section 4.1.2.1.
    Error {
        /// `error`.
        error: String,
        /// `error_description`.
        description: Option<String>,
    },
}

/// Why a query is no redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectedError {
    /// Longer than any.
    #[error("it is too long")]
    TooLong,
    /// A parameter is there twice (section 3.1 forbids it), so nobody knows which is meant.
    #[error("a parameter is there twice")]
    Duplicate,
    /// Neither a code nor an error.
    #[error("there is neither a code nor an error in it")]
    Nothing,
}

/// Reads a redirect's query, without its question mark.
pub fn decode(query: &str) -> Result<Redirected, RedirectedError> {
    if query.len() > MAX_QUERY {
        return Err(RedirectedError::TooLong);
    }
    let names = ["code", "state", "iss", "error", "error_description"];
    let mut found: [Option<String>; 5] = Default::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(at) = names.iter().position(|known| *known == name) else { continue };
        if found[at].replace(value.into_owned()).is_some() {
            return Err(RedirectedError::Duplicate);
        }
    }
    let [code, state, issuer, error, description] = found;
    let outcome = match (code.filter(|code| is_code(code)), error) {
        (_, Some(error)) => Outcome::Error { error, description },
        (Some(code), None) => Outcome::Code(Secret::from(code)),
        (None, None) => return Err(RedirectedError::Nothing),
    };
    Ok(Redirected { state: state.map(Secret::from), issuer, addressed: true, outcome })
}

/// RFC 6749 appendix A.11: printable ASCII.
pub fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// RFC 9207 section 2.4: compared as text, and demanded where the server promises it.
pub fn check_issuer(expected: Option<&str>, promised: bool, claimed: Option<&str>) -> Result<(), &'static str> {
    match (expected, claimed) {
        (Some(expected), Some(claimed)) if expected != claimed => {
            Err("the redirect names another issuer than the one that was asked; the login was stopped")
        }
        (Some(_), None) if promised => {
            Err("the redirect doesn't name its issuer although the server promises to; the login was stopped")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_keeps_the_endpoints_query_and_the_standards_parameters() {
        let parameters = BTreeMap::from([("code".into(), "true".into()), ("state".into(), "mine".into())]);
        let request = AuthorizationRequest {
            endpoint: "https://a.example/authorize?tenant=x#frag",
            client_id: "id",
            redirect_uri: "http://127.0.0.1:1/callback",
            redirect_parameter: None,
            bare: false,
            scope: &["a:b".into(), "openid".into()],
            state: &Secret::from("S".to_owned()),
            code_challenge: "C",
            nonce: Some(&Secret::from("N".to_owned())),
            parameters: &parameters,
        };
        assert_eq!(
            request.url().expect("URL"),
            "https://a.example/authorize?tenant=x&response_type=code&client_id=id&redirect_uri=http%3A%2F%2F127.0.0.1\
             %3A1%2Fcallback&scope=a%3Ab+openid&state=S&code_challenge=C&code_challenge_method=S256&nonce=N&code=true"
        );
        let endpoint = "https://a.example/auth";
        let bare = AuthorizationRequest { endpoint, redirect_parameter: Some("callback_url"), bare: true, ..request };
        assert_eq!(
            bare.url().expect("URL"),
            "https://a.example/auth?callback_url=http%3A%2F%2F127.0.0.1%3A1%2Fcallback&code_challenge=C\
             &code_challenge_method=S256&code=true"
        );
    }

    #[test]
    fn redirects_are_read_and_odd_ones_refused() {
        let code = |query| match decode(query).map(|r| (r.outcome, r.state, r.issuer)) {
            Ok((Outcome::Code(code), state, issuer)) => {
                Ok((code.expose().to_owned(), state.map(|s| s.expose().to_owned()), issuer))
            }
            Ok((Outcome::Error { error, .. }, ..)) => Ok((format!("error {error}"), None, None)),
            Err(error) => Err(error),
        };
        let text = |t: &str| Some(t.to_owned());
        assert_eq!(
            code("code=a%2Fb+c&state=s&iss=https%3A%2F%2Fi"),
            Ok(("a/b c".into(), text("s"), text("https://i")))
        );
        assert_eq!(code("code=a"), Ok(("a".into(), None, None)));
        assert_eq!(code("error=access_denied&state=s"), Ok(("error access_denied".into(), None, None)));
        assert_eq!(code("code=a&error=e"), Ok(("error e".into(), None, None)));
        for query in ["", "state=s", "code=", "code=%00", "code=%C3%A9", "&&&=", "code"] {
            assert_eq!(code(query), Err(RedirectedError::Nothing), "{query}");
        }
        assert_eq!(code("code=a&code=b"), Err(RedirectedError::Duplicate));
        assert_eq!(code("code=a&state=1&state=1"), Err(RedirectedError::Duplicate));
        assert_eq!(code(&format!("code={}", "a".repeat(MAX_QUERY))), Err(RedirectedError::TooLong));
    }

    #[test]
    fn the_issuer_is_compared_as_text_and_demanded_when_promised() {
        let cases = [
            (Some("https://i"), true, Some("https://i"), true),
            (Some("https://i"), false, None, true),
            (Some("https://i"), true, None, false),
            (Some("https://i"), false, Some("https://i/"), false),
            (Some("https://i"), false, Some("https://I"), false),
            (None, false, Some("https://anything"), true),
            (None, true, None, true),
        ];
        for (expected, promised, claimed, fits) in cases {
            assert_eq!(check_issuer(expected, promised, claimed).is_ok(), fits, "{expected:?} {claimed:?}");
        }
    }
}
