//! What a provider's types can't say: that it is complete, and that nothing of it goes over an open wire.

use super::schema::{DeviceStep, GrantType, Provider, TokenSource};
use super::target::{self, TargetError};
use crate::token::ClientAuthentication;

/// Where a revocation endpoint of its own kind takes the client identifier.
pub const CLIENT_ID_PLACE: &str = "{client_id}";

/// What is wrong with a provider whose TOML could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Neither an issuer nor endpoints.
    #[error(
        "a provider needs `issuer`, or `token_endpoint` with `authorization_endpoint` or `device_authorization_endpoint`, or \
         for API keys alone `variables.api_key` or `api.key_header`"
    )]
    NoEndpoints,
    /// An endpoint that anybody could read or answer.
    #[error("`{0}` has to be an https URL (http is for 127.0.0.1, [::1] and localhost only)")]
    Insecure(&'static str),
    /// A place that no parameter fills.
    #[error("`{0}` has a place in braces that no parameter of that name fills")]
    Open(&'static str),
    /// What is no header's name.
    #[error("`api.key_header` is the name of a header: letters, digits and dashes")]
    Header,
    /// A loopback redirect to somewhere else.
    #[error("`redirect.host` is 127.0.0.1, [::1] or localhost, and `redirect.path` starts with a slash")]
    Redirect,
    /// A token source that is none, or two.
    #[error("`{0}` takes either `file`, an absolute path, or `account`, with which `token` and `audience` may go")]
    Source(&'static str),
    /// `private_key_jwt` and no key, or a key for nothing.
    #[error("`client.authentication = \"private_key_jwt\"` and `client.key_file`, an absolute path, need each other")]
    SigningKey,
    /// Half a device login.
    #[error(
        "`device` needs `page`, `poll_endpoint`, `identifier`, `redirect_uri` and `pending`, and \
         `device_authorization_endpoint` beside it"
    )]
    Device,
    /// What no program could name.
    #[error("`targets`: {0}")]
    Target(#[from] TargetError),
    /// A user name that Basic authentication can't carry.
    #[error("`targets`: `username` is without colons and control characters")]
    Username,
    /// A JSON pointer that is none.
    #[error("`{0}` takes JSON pointers, which start with a slash")]
    Pointer(&'static str),
}

impl Provider {
    /// Whether there is anything to sign in to; without it there are API keys only.
    pub fn has_login(&self) -> bool {
        let endpoints =
            [&self.issuer, &self.authorization_endpoint, &self.token_endpoint, &self.device_authorization_endpoint];
        endpoints.iter().any(|endpoint| endpoint.is_some())
    }

    /// Whether it says anything of API keys.
    pub fn takes_api_keys(&self) -> bool {
        self.api.key_header.is_some() || !self.variables.api_key.is_empty()
    }

    /// What the types can't say.
    pub fn check(&self) -> Result<(), ProviderError> {
        let keys_alone = !self.has_login() && self.takes_api_keys();
        if (self.issuer.is_none() || !self.discovery) && !self.has_its_endpoints() && !keys_alone {
            return Err(ProviderError::NoEndpoints);
        }
        // This place is the login's to fill.
        let place = if self.revocation.is_some() { CLIENT_ID_PLACE } else { "" };
        let revocation = self.revocation_endpoint.as_ref().map(|url| url.replace(place, ""));
        let urls = [
            ("issuer", &self.issuer),
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("revocation_endpoint", &revocation),
            ("revocation_page", &self.revocation_page),
            ("device_authorization_endpoint", &self.device_authorization_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
            ("redirect.page", &self.redirect.page),
        ];
        let second = self.second_step.as_ref().map(|step| step.url.clone());
        let key = self.key.as_ref().and_then(|step| step.url.clone());
        let device = |get: fn(&DeviceStep) -> &String| self.device.as_ref().map(|device| get(device).clone());
        let (page, poll) = (device(|device| &device.page), device(|device| &device.poll_endpoint));
        let steps =
            [("second_step.url", &second), ("key.url", &key), ("device.page", &page), ("device.poll_endpoint", &poll)];
        let mut urls = urls.into_iter().chain(steps);
        let open = urls.clone().find(|(_, url)| url.as_deref().is_some_and(|url| url.contains(['{', '}'])));
        if let Some((field, _)) = open {
            return Err(ProviderError::Open(field));
        }
        let insecure = urls.find(|(_, url)| url.as_deref().is_some_and(|url| !is_secure_url(url)));
        if let Some((field, _)) = insecure {
            return Err(ProviderError::Insecure(field));
        }
        if self.other_token_endpoints.iter().any(|url| !is_secure_url(url)) {
            return Err(ProviderError::Insecure("other_token_endpoints"));
        }
        if self.api.key_header.as_deref().is_some_and(|name| !is_header_name(name)) {
            return Err(ProviderError::Header);
        }
        let redirect = &self.redirect;
        if !matches!(redirect.host.as_str(), "127.0.0.1" | "[::1]" | "localhost") || !redirect.path.starts_with('/') {
            return Err(ProviderError::Redirect);
        }
        for own in &self.targets {
            own.url.as_ref().map_err(|error| *error)?;
            if own.username.as_deref().is_some_and(|name| !target::is_username(name)) {
                return Err(ProviderError::Username);
            }
        }
        self.check_grants()
    }

    /// What the grants beyond a person's login need.
    fn check_grants(&self) -> Result<(), ProviderError> {
        for (name, source) in [("assertion", &self.assertion), ("subject", &self.subject)] {
            if source.as_ref().is_some_and(|source| !source.is_one_place()) {
                return Err(ProviderError::Source(name));
            }
        }
        let (signs, key) =
            (self.client.authentication == Some(ClientAuthentication::PrivateKeyJwt), &self.client.key_file);
        if signs != key.is_some() || key.as_ref().is_some_and(|file| !file.is_absolute()) {
            return Err(ProviderError::SigningKey);
        }
        if self.device.as_ref().is_some_and(|step| !self.is_whole(step)) {
            return Err(ProviderError::Device);
        }
        if self.key.as_ref().is_some_and(|step| !step.pointer.starts_with('/')) {
            return Err(ProviderError::Pointer("key"));
        }
        if let Some(step) = &self.second_step {
            let optional = [&step.expires_at, &step.expires_in, &step.refresh_in, &step.api_base];
            let mut pointers = optional.into_iter().flatten().chain([&step.token]);
            if pointers.any(|pointer| !pointer.starts_with('/')) {
                return Err(ProviderError::Pointer("second_step"));
            }
        }
        Ok(())
    }

    fn is_whole(&self, device: &DeviceStep) -> bool {
        let texts = [&device.page, &device.poll_endpoint, &device.identifier, &device.redirect_uri];
        let said = texts.into_iter().all(|text| !text.is_empty()) && !device.pending.is_empty();
        said && self.device_authorization_endpoint.is_some()
    }

    /// Where a login that was made at this token endpoint is renewed: there, unless its provider has moved since.
    pub fn endpoint_now<'a>(&'a self, made_at: &'a str) -> &'a str {
        let moved = self.other_token_endpoints.iter().any(|other| other == made_at);
        self.token_endpoint.as_deref().filter(|_| moved).unwrap_or(made_at)
    }

    /// Whether its endpoints are all here, so that no issuer has to be asked.
    pub fn has_its_endpoints(&self) -> bool {
        let person = self.authorization_endpoint.is_some() || self.device_authorization_endpoint.is_some();
        self.token_endpoint.is_some() && (person || !self.grant.needs_person())
    }

    /// Whether its server has to know the client.
    pub fn needs_client(&self) -> bool {
        self.grant.needs_client() && !self.authorization.bare
    }

    /// Where the assertion or subject token of its grant comes from, for a grant that has one.
    pub fn token_source(&self) -> Option<&TokenSource> {
        match self.grant {
            GrantType::AuthorizationCode | GrantType::ClientCredentials => None,
            GrantType::JwtBearer => self.assertion.as_ref(),
            GrantType::TokenExchange => self.subject.as_ref(),
        }
    }

    /// What only the user can add and nobody has: the keys, as the configuration names them.
    pub fn lacks(&self) -> Vec<String> {
        let source = match self.grant {
            GrantType::JwtBearer if self.assertion.is_none() => Some("assertion".to_owned()),
            GrantType::TokenExchange if self.subject.is_none() => Some("subject".to_owned()),
            _ => None,
        };
        let missing = self.token.required.iter().filter(|name| !self.token.parameters.contains_key(*name));
        missing.map(|name| format!("token.parameters.{name}")).chain(source).collect()
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
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
        let revocation = "issuer = 'https://a.example'\nrevocation_endpoint = 'https://a.example/{client_id}'";
        assert_eq!(parse(revocation), Err(ProviderError::Open("revocation_endpoint")));
        assert_eq!(parse(&format!("{revocation}\nrevocation.method = 'DELETE'")), Ok(()));
        assert_eq!(parse("variables.api_key = ['X_API_KEY']"), Ok(()));
        assert_eq!(
            parse("token_endpoint = 'https://a.example/t'\napi.key_header = 'x'"),
            Err(ProviderError::NoEndpoints)
        );
        assert_eq!(parse("api.key_header = 'x-key: y'"), Err(ProviderError::Header));
        assert!(toml::from_str::<Provider>("[refresh]\nmargin = 'soon'").is_err());
    }

    #[test]
    fn a_grant_without_a_person_says_what_it_lacks() {
        let parse = |text: &str| toml::from_str::<Provider>(text).expect("parses");
        let base = "token_endpoint = 'https://a.example/t'\n";
        let jwt = parse(&format!("{base}grant = 'jwt_bearer'\ntoken.required = ['rule']"));
        assert_eq!(jwt.check(), Ok(()));
        assert_eq!(jwt.lacks(), ["token.parameters.rule", "assertion"]);
        let whole = parse(&format!("{base}grant = 'jwt_bearer'\nassertion.account = 'okta'"));
        assert_eq!((whole.check(), whole.lacks().len()), (Ok(()), 0));
        let sources =
            ["file = 'relative'", "", "file = '/a', account = 'b'", "account = 'a b'", "file = '/a', token = 'id'"];
        for source in sources {
            let provider = parse(&format!("{base}grant = 'token_exchange'\nsubject = {{ {source} }}"));
            assert_eq!(provider.check(), Err(ProviderError::Source("subject")), "{source}");
        }
        for client in ["authentication = 'private_key_jwt'", "key_file = '/key.pem'"] {
            let provider = parse(&format!("{base}grant = 'client_credentials'\nclient = {{ {client} }}"));
            assert_eq!(provider.check(), Err(ProviderError::SigningKey), "{client}");
        }
        let second = |step: &str| parse(&format!("issuer = 'https://a.example'\n[second_step]\n{step}")).check();
        assert_eq!(second("url = 'http://a.example'\ntoken = '/t'"), Err(ProviderError::Insecure("second_step.url")));
        assert_eq!(second("url = 'https://a.example'\ntoken = 't'"), Err(ProviderError::Pointer("second_step")));
        assert_eq!(second("url = 'https://a.example'"), Err(ProviderError::Pointer("second_step")));
        assert_eq!(second("token = '/t'"), Err(ProviderError::Insecure("second_step.url")));
        let device = "device_authorization_endpoint = 'https://a.example/d'\n[device]\npage = 'https://a.example'\n\
                      identifier = 'id'\nredirect_uri = 'https://a.example/r'\npending = [403]\n";
        let check = |text: &str| parse(&format!("{base}{text}")).check();
        let whole = format!("{device}poll_endpoint = 'https://a.example/p'");
        assert_eq!(check(&whole), Ok(()));
        assert_eq!(check(&whole.replace("[403]", "[]")), Err(ProviderError::Device));
        assert_eq!(
            check(&whole.replace("https://a.example/p", "http://a.example")),
            Err(ProviderError::Insecure("device.poll_endpoint"))
        );
    }
}
