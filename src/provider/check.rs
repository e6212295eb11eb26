//! What a provider's types can't say: that it is complete, and that nothing of it goes over an open wire.

use super::schema::Provider;

/// What is wrong with a provider whose TOML could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Neither an issuer nor endpoints.
    #[error(
        "a provider needs `issuer`, or `token_endpoint` with `authorization_endpoint` or `device_authorization_endpoint`"
    )]
    NoEndpoints,
    /// An endpoint that anybody could read or answer.
    #[error("`{0}` has to be an https URL (http is for 127.0.0.1, [::1] and localhost only)")]
    Insecure(&'static str),
    /// A place that no parameter fills.
    #[error("`{0}` has a place in braces that no parameter of that name fills")]
    Open(&'static str),
    /// A loopback redirect to somewhere else.
    #[error("`redirect.host` is 127.0.0.1, [::1] or localhost, and `redirect.path` starts with a slash")]
    Redirect,
}

impl Provider {
    /// What the types can't say.
    pub fn check(&self) -> Result<(), ProviderError> {
        let complete = self.token_endpoint.is_some()
            && (self.authorization_endpoint.is_some() || self.device_authorization_endpoint.is_some());
        if (self.issuer.is_none() || !self.discovery) && !complete {
            return Err(ProviderError::NoEndpoints);
        }
        let urls = [
            ("issuer", &self.issuer),
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("revocation_endpoint", &self.revocation_endpoint),
            ("revocation_page", &self.revocation_page),
            ("device_authorization_endpoint", &self.device_authorization_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
            ("redirect.page", &self.redirect.page),
        ];
        let open = urls.iter().find(|(_, url)| url.as_deref().is_some_and(|url| url.contains(['{', '}'])));
        if let Some((field, _)) = open {
            return Err(ProviderError::Open(field));
        }
        let insecure = urls.iter().find(|(_, url)| url.as_deref().is_some_and(|url| !is_secure_url(url)));
        if let Some((field, _)) = insecure {
            return Err(ProviderError::Insecure(field));
        }
        if self.other_token_endpoints.iter().any(|url| !is_secure_url(url)) {
            return Err(ProviderError::Insecure("other_token_endpoints"));
        }
        let redirect = &self.redirect;
        if !matches!(redirect.host.as_str(), "127.0.0.1" | "[::1]" | "localhost") || !redirect.path.starts_with('/') {
            return Err(ProviderError::Redirect);
        }
        Ok(())
    }
}

/// Whether a URL is https, or http on this machine. Plain http elsewhere would hand tokens to whoever listens.
pub fn is_secure_url(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_are_secure() {
        for url in ["https://a.example/x", "http://127.0.0.1:8/", "http://[::1]:8/", "http://localhost/"] {
            assert!(is_secure_url(url), "{url}");
        }
        for url in
            ["http://a.example/", "http://127.0.0.1.a.example/", "ftp://127.0.0.1/", "x", "https://", "file:///x"]
        {
            assert!(!is_secure_url(url), "{url}");
        }
    }

    #[test]
    fn half_a_provider_is_refused() {
        let parse = |text: &str| toml::from_str::<Provider>(text).expect("parses").check();
        assert_eq!(parse("token_endpoint = 'https://a.example/t'"), Err(ProviderError::NoEndpoints));
        assert_eq!(parse("issuer = 'http://a.example'"), Err(ProviderError::Insecure("issuer")));
        assert_eq!(
            parse("issuer = 'https://a.example'\n[redirect]\nhost = 'evil.example'"),
            Err(ProviderError::Redirect)
        );
        assert_eq!(parse("issuer = 'https://{host}/'"), Err(ProviderError::Open("issuer")));
        assert!(toml::from_str::<Provider>("[refresh]\nmargin = 'soon'").is_err());
    }
}
