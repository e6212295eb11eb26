//! Token exchange (RFC 8693): a token of one server for a token of another. Further parameters (`requested_token_type`,
//! `audience`, an actor) are the provider's own, under `token.parameters`.

use crate::oauth::token_request::Parameters;
use crate::provider::schema::TokenSource;
use crate::token::TokenKind;

/// Section 2.1.
pub(super) fn parameters(subject: &str, source: Option<&TokenSource>) -> Parameters {
    Parameters::default()
        .with("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
        .with("subject_token", subject)
        .with("subject_token_type", token_type(source))
}

/// Section 3. A file's token is taken for a JWT: what a cluster or a CI service mounts is one.
fn token_type(source: Option<&TokenSource>) -> &str {
    match source {
        Some(TokenSource { token_type: Some(named), .. }) => named,
        Some(TokenSource { file: Some(_), .. }) => "urn:ietf:params:oauth:token-type:jwt",
        Some(TokenSource { token: Some(TokenKind::Id), .. }) => "urn:ietf:params:oauth:token-type:id_token",
        _ => "urn:ietf:params:oauth:token-type:access_token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_token_is_called_what_it_is() {
        let named = |text: &str| {
            let source: TokenSource = toml::from_str(text).expect("TOML");
            let kind = token_type(Some(&source)).to_owned();
            kind.strip_prefix("urn:ietf:params:oauth:token-type:").map(str::to_owned).unwrap_or(kind)
        };
        assert_eq!(named("file = '/t'"), "jwt");
        assert_eq!(named("account = 'a'"), "access_token");
        assert_eq!(named("account = 'a'\ntoken = 'id'"), "id_token");
        assert_eq!(named("file = '/t'\ntoken_type = 'urn:ietf:params:oauth:token-type:saml2'"), "saml2");
        assert_eq!(named("file = '/t'\ntoken_type = 'urn:mine:own'"), "urn:mine:own");
    }
}
