//! Requests as the endpoints read them and answers as they write them: plain values, so that an endpoint is a function.
//! Parameters are read as RFC 6749 section 3.1 says: an empty one is absent, a repeated one is an error.

use hyper::Method;
use hyper::header::HeaderMap;
use serde_json::Value;

use super::options::{Bodies, RotationMode};

/// One request, read to its end.
#[derive(Debug)]
pub(super) struct Request {
    pub method: Method,
    pub path: String,
    pub query: Parameters,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What this request does with refresh tokens.
    pub rotation: RotationMode,
}

impl Request {
    /// The parameters of a POST; anything else is the client's mistake.
    pub(super) fn form(&self, bodies: Bodies) -> Result<Parameters, OAuthError> {
        if self.method != Method::POST {
            return Err(OAuthError::invalid_request("this endpoint takes POST").status(405));
        }
        if !self.query.0.is_empty() {
            return Err(OAuthError::invalid_request("parameters belong in the body (RFC 6749 section 3.2)"));
        }
        let content_type = self.header("content-type").unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match (essence.as_str(), bodies) {
            ("application/x-www-form-urlencoded", Bodies::Form | Bodies::Both) => Ok(Parameters::parse(&self.body)),
            ("application/json", Bodies::Json | Bodies::Both) => Parameters::from_json(&self.body),
            _ => Err(OAuthError::invalid_request("the body's content type is not accepted here")),
        }
    }

    /// A header's value, where it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bearer token (RFC 6750 section 2.1).
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }
}

/// Names and values in the order they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// From a query string or a form.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    fn from_json(body: &[u8]) -> Result<Self, OAuthError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(OAuthError::invalid_request("the body is not a JSON object"));
        };
        let mut pairs = Vec::new();
        for (name, value) in members {
            match value {
                Value::String(text) => pairs.push((name, text)),
                Value::Number(number) => pairs.push((name, number.to_string())),
                Value::Array(items) if items.iter().all(Value::is_string) => {
                    pairs.extend(items.iter().filter_map(Value::as_str).map(|item| (name.clone(), item.to_owned())));
                }
                _ => return Err(OAuthError::invalid_request("a parameter is not a string")),
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter that may be left out.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, OAuthError> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(OAuthError::invalid_request(format!("`{name}` is there more than once")));
        }
        Ok(first)
    }

    /// A parameter that may not.
    pub(super) fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name)?.ok_or_else(|| OAuthError::invalid_request(format!("`{name}` is missing")))
    }

    /// A parameter that may be repeated (`resource`, RFC 8707 section 2).
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The audiences asked for, by either name: `resource` (RFC 8707) has to be an absolute URI without fragment.
    pub(super) fn audiences(&self) -> Result<Vec<String>, OAuthError> {
        for resource in self.all("resource") {
            if !url::Url::parse(resource).is_ok_and(|url| url.fragment().is_none()) {
                return Err(OAuthError::new("invalid_target", "`resource` is not an absolute URI"));
            }
        }
        Ok(self.all("resource").chain(self.all("audience")).map(str::to_owned).collect())
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// The OAuth error in it, for the log.
    pub error: Option<String>,
}

impl Answer {
    /// JSON that nobody may keep (RFC 6749 section 5.1).
    pub(super) fn json(value: &Value) -> Self {
        Self::new(200, "application/json", value.to_string())
    }

    /// A page: no script, nothing from elsewhere.
    pub(super) fn page(status: u16, html: String) -> Self {
        let mut answer = Self::new(status, "text/html; charset=utf-8", html);
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
        answer.headers.push(("content-security-policy", policy.to_owned()));
        answer.headers.push(("referrer-policy", "no-referrer".to_owned()));
        answer
    }

    /// A redirect that turns a POST into a GET.
    pub(super) fn redirect(location: String) -> Self {
        let mut answer = Self::new(303, "text/plain", String::new());
        answer.headers.push(("location", location));
        answer
    }

    /// Any other.
    pub(super) fn new(status: u16, content_type: &str, body: String) -> Self {
        let headers = vec![("content-type", content_type.to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body, error: None }
    }

    /// The same JSON with one member changed, or left out.
    pub(super) fn with(mut self, name: &str, value: Option<Value>) -> Self {
        if let Ok(Value::Object(mut members)) = serde_json::from_str(&self.body) {
            match value {
                Some(value) => members.insert(name.to_owned(), value),
                None => members.remove(name),
            };
            self.body = Value::Object(members).to_string();
        }
        self
    }
}

/// An error as RFC 6749 section 5.2 writes it.
#[derive(Debug)]
pub(super) struct OAuthError {
    status: u16,
    code: &'static str,
    description: String,
    challenge: Option<String>,
}

impl OAuthError {
    pub(super) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { status: 400, code, description: description.into(), challenge: None }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// RFC 6749 section 5.2: 401, with the scheme that the client tried.
    pub(super) fn invalid_client(description: impl Into<String>) -> Self {
        let error = Self { status: 401, ..Self::new("invalid_client", description) };
        error.challenge("Basic realm=\"token\"")
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn challenge(self, challenge: impl Into<String>) -> Self {
        Self { challenge: Some(challenge.into()), ..self }
    }

    /// What the error is called.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// What it says to people.
    pub(super) fn description(&self) -> &str {
        &self.description
    }
}

impl From<OAuthError> for Answer {
    fn from(error: OAuthError) -> Self {
        let body = serde_json::json!({"error": error.code, "error_description": error.description});
        let mut answer = Answer { status: error.status, ..Answer::json(&body) };
        answer.headers.extend(error.challenge.map(|challenge| ("www-authenticate", challenge)));
        answer.error = Some(error.code.to_owned());
        answer
    }
}
