//! A request to the token endpoint (RFC 6749 sections 2.3.1, 4.1.3 and 6), and to its neighbours that take the same
//! form: revocation (RFC 7009) and device authorization (RFC 8628).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;
use zeroize::{Zeroize as _, Zeroizing};

use super::client_assertion::ASSERTION_TYPE;
use super::http::{Body, Request};
use crate::secret::Secret;
use crate::token::ClientAuthentication;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The client identifier.
    pub id: &'a str,
    /// The client secret.
    pub secret: Option<&'a Secret>,
    /// How it is shown.
    pub authentication: ClientAuthentication,
    /// What it signed for this request, where it shows a signature rather than a secret.
    pub assertion: Option<&'a Secret>,
}

/// The parameters of a request, in order; a name is there once.
#[derive(Default)]
pub struct Parameters(Vec<(String, Zeroizing<String>)>);

impl Parameters {
    /// Adds one, unless the name is there already: what the standard fixes is never replaced by a configured extra.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.iter().any(|(there, _)| there == name) {
            self.0.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        }
        self
    }

    /// Adds one that may be missing.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    /// Those that nobody may see, for who has to know them again.
    pub fn secrets(&self) -> Vec<Secret> {
        const SECRETS: &[&str] =
            &["refresh_token", "code", "code_verifier", "device_code", "client_secret", "assertion", "subject_token"];
        let secret = self.0.iter().filter(|(name, _)| SECRETS.contains(&name.as_str()));
        secret.map(|(_, value)| Secret::from(value.to_string())).collect()
    }

    fn form(&self) -> Vec<u8> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        self.0.iter().for_each(|(name, value)| {
            form.append_pair(name, value);
        });
        form.finish().into_bytes()
    }

    fn json(&self) -> Vec<u8> {
        let mut object: serde_json::Map<String, serde_json::Value> =
            self.0.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let bytes = serde_json::to_vec(&object).unwrap_or_default();
        object.values_mut().for_each(|value| {
            if let serde_json::Value::String(text) = value {
                text.zeroize();
            }
        });
        bytes
    }
}

/// A request with its parameters and the client's authentication. `json`: for the servers that want it so.
pub fn request(url: &str, client: Credentials<'_>, parameters: Parameters, json: bool) -> Request {
    let exposed = client.secret.map(Secret::expose);
    let secret = exposed.as_deref().unwrap_or_default();
    let (parameters, authorization) = match client.authentication {
        // Some servers ask for no client where the assertion says enough (RFC 7521 section 4.1).
        ClientAuthentication::None => (parameters.with_some("client_id", some(client.id)), None),
        ClientAuthentication::Post => (parameters.with("client_id", client.id).with("client_secret", secret), None),
        ClientAuthentication::Basic => (parameters, Some(basic(client.id, secret))),
        ClientAuthentication::PrivateKeyJwt => {
            let assertion = client.assertion.map(Secret::expose);
            let parameters = parameters
                .with("client_id", client.id)
                .with("client_assertion_type", ASSERTION_TYPE)
                .with_some("client_assertion", assertion.as_deref());
            (parameters, None)
        }
    };
    let (content_type, bytes) = match json {
        false => ("application/x-www-form-urlencoded", parameters.form()),
        true => ("application/json", parameters.json()),
    };
    let body = Some(Body { content_type, bytes: Zeroizing::new(bytes) });
    Request { url: url.to_owned(), authorization, body, ..Request::default() }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> Secret {
    let encode = |text: &str| Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
    let joined = Zeroizing::new(format!("{}:{}", *encode(id), *encode(secret)));
    Secret::from(format!("Basic {}", *Zeroizing::new(STANDARD.encode(joined.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(authentication: ClientAuthentication, json: bool) -> (Option<String>, String) {
        let secret = Secret::from("p:ä s+".to_owned());
        let assertion = Secret::from("j.w.t".to_owned());
        let assertion = Some(&assertion);
        let client = Credentials { id: "my client:1", secret: Some(&secret), authentication, assertion };
        let parameters = Parameters::default().with("grant_type", "x y&z").with("grant_type", "replaced");
        let request = request("https://a.example/token", client, parameters, json);
        let body = request.body.expect("body");
        (request.authorization.map(|a| a.expose().to_owned()), String::from_utf8(body.bytes.to_vec()).expect("text"))
    }

    #[test]
    fn each_authentication_shows_the_client_in_its_own_place() {
        use ClientAuthentication::*;
        assert_eq!(made(None, false), (Option::None, "grant_type=x+y%26z&client_id=my+client%3A1".to_owned()));
        let (authorization, body) = made(Basic, false);
        let encoded = STANDARD.encode("my+client%3A1:p%3A%C3%A4+s%2B");
        assert_eq!((authorization, body), (Some(format!("Basic {encoded}")), "grant_type=x+y%26z".to_owned()));
        let (authorization, body) = made(Post, false);
        assert_eq!(authorization, Option::None);
        assert!(body.ends_with("&client_id=my+client%3A1&client_secret=p%3A%C3%A4+s%2B"), "{body}");
        let (authorization, body) = made(PrivateKeyJwt, false);
        assert_eq!(authorization, Option::None);
        let (_, shown) = body.split_once("&client_id=my+client%3A1&").expect("its identifier");
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        assert_eq!(shown, format!("client_assertion_type={kind}&client_assertion=j.w.t"));
    }

    #[test]
    fn a_json_body_is_an_object_of_texts() {
        let (_, body) = made(ClientAuthentication::Post, true);
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let expected =
            serde_json::json!({"grant_type": "x y&z", "client_id": "my client:1", "client_secret": "p:ä s+"});
        assert_eq!(body, expected);
    }
}
