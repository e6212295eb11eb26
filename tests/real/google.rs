//! Google's own Python package runs our executable for the ID token of a login at a certified OpenID Connect server, and shows
//! it to a token service that knows that server's keys.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::home::{Ended, Home, ended};
use crate::provider::log_in;
use crate::support::jwks::Jwks;
use crate::support::oidc_provider::OidcProvider;
use crate::support::programs::missing_oidc_provider;
use crate::support::python_index::clients;
use crate::support::site::{Request, Response, Site};

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/own";
const SCRIPT: &str = "
import google.auth, google.auth.transport.requests
credentials, _ = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.token)
";

/// Google's token service, as far as it goes.
struct Service {
    server: Site,
    /// The subjects of the tokens that it was shown; none for one that nobody signed.
    shown: Arc<Mutex<Vec<Option<Value>>>>,
    refuses: Arc<AtomicBool>,
}

impl Service {
    fn start(jwks: Jwks) -> Self {
        let (shown, refuses) = (Arc::<Mutex<Vec<Option<Value>>>>::default(), Arc::new(AtomicBool::new(false)));
        let (kept, no) = (Arc::clone(&shown), Arc::clone(&refuses));
        let server = Site::open(move |request| exchange(request, &jwks, &kept, no.load(Ordering::SeqCst)));
        Self { server, shown, refuses }
    }
}

fn exchange(request: &Request, jwks: &Jwks, shown: &Mutex<Vec<Option<Value>>>, refuses: bool) -> Response {
    assert_eq!(request.field("audience").as_deref(), Some(AUDIENCE));
    let kind = "urn:ietf:params:oauth:token-type:id_token";
    assert_eq!(request.field("subject_token_type").as_deref(), Some(kind));
    let claims = jwks.claims(&request.field("subject_token").unwrap_or_default());
    shown.lock().unwrap().push(claims.clone());
    if claims.is_none() || refuses {
        return Response::json(400, &json!({ "error": "invalid_grant", "error_description": "not that one" }));
    }
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let token =
        json!({ "access_token": "of-google", "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600 });
    Response::json(200, &token)
}

/// Runs the package in a home with this command for its executable.
fn run(home: &Home, service: &Service, words: &str) -> Option<Ended> {
    let python = clients("python-clients")?.join("python");
    let configuration = json!({
        "type": "external_account", "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "token_url": service.server.url("/v1/token"),
        "credential_source": { "executable": {
            "command": format!("{} helper google{words}", env!("CARGO_BIN_EXE_cred-helper")), "timeout_millis": 30000
        } }
    });
    let file = home.path().join("google.json");
    std::fs::write(&file, configuration.to_string()).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).env_clear().current_dir(home.path());
    command.envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("GOOGLE_CLOUD_PROJECT", "p");
    command.env("GOOGLE_APPLICATION_CREDENTIALS", file).env("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    Some(ended(command.output().unwrap()))
}

#[test]
fn googles_package_exchanges_the_id_token_of_the_account() {
    if missing_oidc_provider() {
        return;
    }
    let server = OidcProvider::start(&json!({}));
    let service = Service::start(Jwks::fetch(server.metadata()["jwks_uri"].as_str().unwrap()));
    let home = Home::with_vault();
    home.configure(&format!(
        "[providers.id]\nissuer = '{}'\nclient.id = 'native'\nscopes = ['openid', 'offline_access', 'email']\n\
         [targets]\n'https:{AUDIENCE}' = 'id'\n",
        server.issuer
    ));
    home.ok(&["agent", "stop"]);
    let (ended, page) = log_in(&home, &["id"], "");
    assert_eq!(ended.code, 0, "{}{page}", ended.stderr);
    for words in [" --account id", ""] {
        let Some(ended) = run(&home, &service, words) else { return };
        assert_eq!((ended.code, ended.stdout.trim()), (0, "of-google"), "{}", ended.stderr);
        let shown = service.shown.lock().unwrap().pop().unwrap().expect("a token that the issuer has signed");
        assert_eq!((&shown["sub"], &shown["iss"]), (&json!("ada"), &json!(server.issuer)));
    }

    service.refuses.store(true, Ordering::SeqCst);
    let refused = run(&home, &service, "").unwrap();
    assert!(refused.code != 0 && refused.stderr.contains("not that one"), "{}", refused.stderr);
    assert_eq!(service.shown.lock().unwrap().len(), 1, "once");

    for (before, words, said) in [
        ("agent stop", " --account nobody", "login_required, message: cred-helper: nobody is signed in as nobody"),
        (
            "logout --all",
            " --account id",
            "login_required, message: cred-helper: nobody is signed in as id: run `cred-helper login id`",
        ),
    ] {
        home.ok(&before.split(' ').collect::<Vec<_>>());
        let told = run(&home, &service, words).unwrap();
        assert!(told.code != 0 && told.stderr.contains(said), "{}", told.stderr);
    }
}
