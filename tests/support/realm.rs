//! The token server of a container registry (distribution's token specification): it takes a user's password, or an identity
//! token as a refresh token, and signs what the registry takes.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::site::{Request, Response, Site, basic};

/// What issuer, service and audience are called.
pub const NAME: &str = "registry-of-a-test";

/// It serves until it is dropped.
pub struct Realm {
    site: Site,
    /// The certificate that the registry trusts.
    pub certificate: String,
    seen: Arc<Mutex<Vec<String>>>,
}

struct Signer {
    key: EcdsaKeyPair,
    certificate: String,
}

impl Realm {
    /// Whoever shows a live token gets what it asks for.
    pub fn start(is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der(), &random).unwrap();
        let signer = Signer { key: pair, certificate: STANDARD.encode(certificate.der()) };
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&seen);
        let site = Site::open(move |request| answer(request, &signer, &is_live, &noted));
        Self { site, certificate: certificate.pem(), seen }
    }

    pub fn url(&self) -> String {
        self.site.url("/token")
    }

    /// What was shown since the last call: `live oauth2` is a live token as oauth2's password, `live <token>` an identity token.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn answer(request: &Request, signer: &Signer, is_live: &dyn Fn(&str) -> bool, seen: &Mutex<Vec<String>>) -> Response {
    let shown = match (request.field("refresh_token"), request.header("authorization")) {
        (Some(token), _) => Some(("<token>".to_owned(), token)),
        (None, Some(authorization)) => basic(authorization),
        (None, None) => None,
    };
    let user = shown.map(|(user, token)| (user, is_live(&token)));
    seen.lock().unwrap().push(match &user {
        Some((user, true)) => format!("live {user}"),
        Some((user, false)) => format!("refused {user}"),
        None => "nothing".to_owned(),
    });
    let Some((_, true)) = user else {
        return Response::json(401, &json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "who is that?" }] }));
    };
    // In the query of a GET, in the form of a POST.
    let fields: Vec<_> = form_urlencoded::parse(request.query.as_bytes()).into_owned().chain(request.form()).collect();
    let scopes = fields.iter().filter(|(name, _)| name == "scope").flat_map(|(_, value)| value.split(' '));
    let token = signer.token(scopes);
    Response::json(200, &json!({ "token": token, "access_token": token, "expires_in": 60 }))
}

impl Signer {
    fn token<'a>(&self, scopes: impl Iterator<Item = &'a str>) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let access: Vec<Value> = scopes
            .filter_map(|scope| {
                let (kind, rest) = scope.split_once(':')?;
                let (name, actions) = rest.rsplit_once(':')?;
                Some(json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }))
            })
            .collect();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": NAME, "sub": "ada", "aud": NAME, "iat": now - 60, "nbf": now - 60, "exp": now + 60, "jti": "1", "access": access
        });
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
