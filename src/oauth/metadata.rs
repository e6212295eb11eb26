//! An authorization server's metadata (RFC 8414, OpenID Connect Discovery 1.0).

use serde::Deserialize;

/// What is used of the metadata.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Metadata {
    /// Whose metadata it is.
    pub issuer: String,
    /// RFC 8414 section 2, as all below.
    #[serde(default)]
    pub authorization_endpoint: Option<String>,
    /// `token_endpoint`.
    #[serde(default)]
    pub token_endpoint: Option<String>,
    /// `revocation_endpoint`.
    #[serde(default)]
    pub revocation_endpoint: Option<String>,
    /// RFC 8628 section 4.
    #[serde(default)]
    pub device_authorization_endpoint: Option<String>,
    /// OpenID Connect Discovery section 3.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    /// `code_challenge_methods_supported`.
    #[serde(default)]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// RFC 9207 section 3.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Why a document is not the metadata asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// No JSON, or without an issuer.
    #[error("it is no authorization server metadata")]
    NotMetadata,
    /// Another server's (RFC 8414 section 3.3).
    #[error("it names another issuer: {}", crate::redact::url(.0))]
    OtherIssuer(String),
    /// PKCE with S256 is not among its methods.
    #[error("the server doesn't support PKCE with S256, without which no login is started")]
    NoS256,
}

/// Where an issuer publishes its metadata, in the order of trying: OpenID Connect appends to the issuer's path, RFC 8414
/// section 3.1 puts the well-known part before it.
pub fn locations(issuer: &str) -> Option<[String; 2]> {
    let url = url::Url::parse(issuer).ok()?;
    // RFC 8414 section 2: no query, no fragment.
    let is_web = matches!(url.scheme(), "https" | "http");
    if !is_web || url.query().is_some() || url.fragment().is_some() || !url.has_host() {
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = url.clone();
        url.set_path(&path);
        String::from(url)
    };
    Some([
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// Reads a metadata document and checks whose it is.
pub fn decode(body: &[u8], asked: &str) -> Result<Metadata, MetadataError> {
    let metadata: Metadata = serde_json::from_slice(body).map_err(|_| MetadataError::NotMetadata)?;
    // People leave out a slash at the end; nothing else is forgiven.
    let same = metadata.issuer == asked || metadata.issuer.strip_suffix('/') == Some(asked);
    if !same {
        return Err(MetadataError::OtherIssuer(metadata.issuer));
    }
    let methods = metadata.code_challenge_methods_supported.as_deref();
    if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
        return Err(MetadataError::NoS256);
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_each_standard_puts_it() {
        let cases = [
            ("https://a.example", "", ""),
            ("https://a.example/", "", ""),
            ("https://a.example/tenant/1", "/tenant/1", "/tenant/1"),
            ("https://a.example/tenant/1/", "/tenant/1", "/tenant/1"),
        ];
        for (issuer, before, after) in cases {
            let expected = [
                format!("https://a.example{before}/.well-known/openid-configuration"),
                format!("https://a.example/.well-known/oauth-authorization-server{after}"),
            ];
            assert_eq!(locations(issuer), Some(expected), "{issuer}");
        }
        for issuer in ["https://a.example/?x", "https://a.example/#x", "a.example", "mailto:a@b"] {
            assert_eq!(locations(issuer), None, "{issuer}");
        }
    }

    #[test]
    fn another_issuers_metadata_is_refused() {
        let of = |issuer: &str| format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://a/t"}}"#);
        let read = |issuer: &str, asked: &str| decode(of(issuer).as_bytes(), asked).map(|m| m.issuer);
        assert_eq!(read("https://a", "https://a"), Ok("https://a".into()));
        assert_eq!(read("https://a/", "https://a"), Ok("https://a/".into()));
        for (issuer, asked) in [("https://a", "https://a/"), ("https://a//", "https://a"), ("https://A", "https://a")] {
            assert_eq!(read(issuer, asked), Err(MetadataError::OtherIssuer(issuer.into())), "{asked}");
        }
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        for body in ["", "<html>", "{}", "[]", r#"{"issuer":7}"#, r#"{"issuer":"https://a","token_endpoint":[]}"#] {
            assert_eq!(decode(body.as_bytes(), "https://a"), Err(MetadataError::NotMetadata), "{body}");
        }
        let with = |methods: &str| {
            let body = format!(r#"{{"issuer":"https://a","code_challenge_methods_supported":{methods}}}"#);
            decode(body.as_bytes(), "https://a").map(|_| ())
        };
        assert_eq!(with(r#"["plain"]"#), Err(MetadataError::NoS256));
        assert_eq!(with(r#"["plain","S256"]"#), Ok(()));
        assert_eq!(with("null"), Ok(()));
    }
}
