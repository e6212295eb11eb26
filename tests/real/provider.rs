//! Logins at a certified OpenID Connect server, from discovery to revocation, with the programs that users run.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use url::Url;

use crate::home::{Ended, Home, ended, first_line};
use crate::support::browser::Browser;
use crate::support::http;
use crate::support::oidc_provider::OidcProvider;
use crate::support::programs::missing_oidc_provider;

const LIMIT: Duration = Duration::from_secs(20);
const RESOURCE: &str = "https://api.example/v1";

fn start(options: &Value) -> Option<OidcProvider> {
    (!missing_oidc_provider()).then(|| OidcProvider::start(options))
}

/// Runs a login whose person follows the URL; how it ended, and the page that the browser showed at last.
pub(crate) fn log_in(home: &Home, arguments: &[&str], input: &str) -> (Ended, String) {
    let mut command = home.command(&[&["login"], arguments, &["--no-browser"]].concat());
    let mut login = command.stdin(Stdio::piped()).spawn().unwrap();
    login.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let url = first_line(&mut login);
    let page = if url.is_empty() { String::new() } else { Browser::default().visit(&url).text() };
    (ended(login.wait_with_output().unwrap()), page)
}

#[track_caller]
fn signed_in(server: &OidcProvider) -> Home {
    let home = Home::with_vault();
    let (ended, page) = log_in(&home, &[&server.issuer, "--client-id", "native"], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(page.contains("You’re signed in"), "{page}");
    home
}

/// Whom the server takes the bearer of an access token for.
fn who(server: &OidcProvider, token: &str) -> Option<String> {
    let url = Url::parse(&format!("{}/me", server.issuer)).unwrap();
    let reply = http::request("GET", &url, &[("Authorization", &format!("Bearer {token}"))], "");
    (reply.status == 200).then(|| reply.member("sub"))
}

/// The claims of a JWT, which nobody here has to trust.
fn claims(jwt: &str) -> Value {
    use base64::Engine as _;
    let payload = jwt.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Until the login's token has ended: the programs' clock is the machine's, so time itself has to be waited for.
fn wait_for_expiry(home: &Home) {
    let end = home.json(&["account", "show", "--json"])["expires_at"].as_u64().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    std::thread::sleep(Duration::from_secs(end).saturating_sub(now));
}

#[test]
fn a_login_by_code_finds_the_endpoints_keeps_the_id_token_and_survives_a_kill() {
    let Some(server) = start(&json!({})) else { return };
    let home = signed_in(&server);
    let token = home.token();
    assert_eq!(who(&server, &token).as_deref(), Some("ada"));
    let account = home.json(&["account", "show", "--json"]);
    assert_eq!(account["identity"]["email"], "ada@example.com", "{account}");
    assert_eq!((&account["id_token"], &account["refreshable"]), (&json!(true), &json!(true)), "{account}");
    let id = claims(&home.ok(&["get-token", "--token-type", "id"]));
    assert_eq!((&id["aud"], &id["iss"], &id["sub"]), (&json!("native"), &json!(server.issuer), &json!("ada")));
    home.kill_agent();
    assert_eq!(home.token(), token, "a kill loses nothing");
    assert_eq!(claims(&home.ok(&["get-token", "--token-type", "id"])), id);
    home.ok(&["refresh"]);
    assert_ne!(home.token(), token);
    assert_eq!(claims(&home.ok(&["get-token", "--token-type", "id"]))["sub"], "ada", "an ID token is still there");
}

#[test]
fn a_login_by_device_waits_for_a_person_elsewhere() {
    let Some(server) = start(&json!({})) else { return };
    let home = Home::with_vault();
    let mut login = home.start(&["login", &server.issuer, "--client-id", "native", "--device"]);
    let mut words = BufReader::new(login.stderr.take().unwrap()).lines().map_while(Result::ok);
    let page = words.find(|line| line.trim_start().starts_with("http")).expect("an address is shown");
    let code = words.find(|line| line.trim().len() == 9 && line.contains('-')).expect("a user code is shown");
    let page = Browser::default().visit(&format!("{}?user_code={}", page.trim(), code.trim()));
    assert_eq!(page.status, 200, "{}", page.text());
    let rest: Vec<String> = words.collect();
    assert!(login.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("Signed in") && line.contains("ada@example.com")), "{rest:?}");
    assert_eq!(who(&server, &home.token()).as_deref(), Some("ada"));
}

#[test]
fn public_basic_and_post_clients_log_in_refresh_and_log_out() {
    let Some(mut server) = start(&json!({})) else { return };
    let ways =
        [("native", None, "none"), ("basic", Some("basic: secret/+%"), "basic"), ("post", Some("post secret"), "post")];
    for (client, secret, way) in ways {
        let home = Home::new();
        let secret = secret.map(|secret| format!("secret = '{secret}', ")).unwrap_or_default();
        home.configure(&format!(
            "[providers.work]\nissuer = '{}'\nscopes = ['openid', 'offline_access']\n\
             client = {{ id = '{client}', {secret}authentication = '{way}' }}\n",
            server.issuer
        ));
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        let (ended, _) = log_in(&home, &["work"], "");
        assert_eq!(ended.code, 0, "{client}: {}", ended.stderr);
        home.kill_agent();
        home.ok(&["refresh"]);
        let token = home.token();
        assert!(who(&server, &token).is_some(), "{client}");
        home.ok(&["logout"]);
        assert_eq!(who(&server, &token), None, "{client}: the server has ended the grant");
    }
    let refreshes = server.wait_for_grants("refresh_token", 3, LIMIT);
    assert_eq!(refreshes.iter().map(|line| &line["client"]).collect::<Vec<_>>(), ["native", "basic", "post"]);
    assert!(refreshes.iter().all(|line| line["status"] == 200), "{refreshes:?}");
}

#[test]
fn a_secret_from_standard_input_is_kept_for_refreshes_and_a_wrong_one_is_told() {
    let Some(server) = start(&json!({})) else { return };
    let home = Home::with_vault();
    let arguments = [&server.issuer, "--client-id", "basic", "--client-secret-stdin"];
    let (ended, page) = log_in(&home, &arguments, "not the secret\n");
    assert_eq!(ended.code, 19, "{}", ended.stderr);
    assert!(!ended.stderr.contains("not the secret") && !page.contains("not the secret"));
    assert!(page.contains("Sign-in failed"), "{page}");
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0, "nothing half-written stays");
    let (ended, _) = log_in(&home, &arguments, "basic: secret/+%\n");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    home.kill_agent();
    home.ok(&["refresh"]);
    assert!(who(&server, &home.token()).is_some());
}

#[test]
fn tokens_of_two_seconds_are_rotated_for_fifty_callers_and_reuse_is_never_seen() {
    let Some(mut server) = start(&json!({"accessTokenTtl": 2})) else { return };
    let home = signed_in(&server);
    for _ in 0..2 {
        wait_for_expiry(&home);
        let callers: Vec<_> = (0..50).map(|_| home.start(&["get-token"])).collect();
        for caller in callers {
            let ended = ended(caller.wait_with_output().unwrap());
            assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1), "{}", ended.stderr);
        }
        home.kill_agent();
    }
    home.ok(&["refresh"]);
    assert!(who(&server, &home.token()).is_some(), "the grant lives, so no refresh token was used twice");
    let refreshes = server.wait_for_grants("refresh_token", 3, LIMIT);
    assert!(refreshes.iter().all(|line| line["status"] == 200), "{refreshes:?}");
    assert!(refreshes.len() < 12, "{} refreshes for 100 callers", refreshes.len());
}

#[test]
fn a_logout_ends_the_grant_at_the_server_and_forgets_it() {
    let Some(server) = start(&json!({})) else { return };
    let home = signed_in(&server);
    let token = home.token();
    assert!(who(&server, &token).is_some());
    let out = home.json(&["logout", "--json"]);
    assert_eq!(out["accounts"][0]["revocation"], "revoked", "{out}");
    assert_eq!(who(&server, &token), None);
    assert_eq!(home.run(&["get-token"]).code, 10);
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0);
}

#[test]
fn a_grant_that_the_server_has_forgotten_asks_for_a_login_once() {
    let Some(mut server) = start(&json!({"accessTokenTtl": 1, "refreshTokenTtl": 1})) else { return };
    let home = signed_in(&server);
    wait_for_expiry(&home);
    let ended = home.run(&["get-token"]);
    // A server whose clock is a little behind still takes the refresh token; its successor ends as soon.
    if ended.code == 0 {
        wait_for_expiry(&home);
    }
    let ended = home.run(&["get-token"]);
    assert_eq!(ended.code, 10, "{}", ended.stderr);
    assert!(ended.stderr.contains("cred-helper login"), "{}", ended.stderr);
    let before = server.wait_for_grants("refresh_token", 1, LIMIT).len();
    assert_eq!(home.run(&["get-token"]).code, 10);
    assert_eq!(server.wait_for_grants("refresh_token", before, LIMIT).len(), before, "it is not asked again");
    let (ended, _) = log_in(&home, &[&server.issuer, "--client-id", "native"], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn a_resource_and_its_scopes_are_answers_of_their_own() {
    let Some(mut server) = start(&json!({})) else { return };
    let home = Home::new();
    home.configure(&format!(
        "[providers.work]\nissuer = '{}'\nclient.id = 'native'\n\
         scopes = ['openid', 'offline_access', 'api:read', 'api:write']\n\
         authorization.parameters = {{ resource = '{RESOURCE}' }}\n",
        server.issuer
    ));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    let (ended, _) = log_in(&home, &["work"], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let get = |scope: &str| home.ok(&["get-token", "--audience", RESOURCE, "--scope", scope]);
    let (read, write) = (get("api:read"), get("api:write"));
    assert_eq!((&claims(&read)["aud"], &claims(&read)["scope"]), (&json!(RESOURCE), &json!("api:read")));
    assert_eq!(claims(&write)["scope"], "api:write");
    assert_eq!((get("api:read"), get("api:write")), (read, write), "each is kept");
    let refreshes = server.wait_for_grants("refresh_token", 2, LIMIT);
    assert!(refreshes.len() == 2 && refreshes.iter().all(|line| line["status"] == 200), "{refreshes:?}");
}

#[test]
fn a_refused_scope_or_audience_is_told_and_ends_no_login() {
    // This server uses a refresh token up before it looks at the resource, so with rotation a wrong one costs the login.
    let Some(server) = start(&json!({"rotate": false})) else { return };
    let home = signed_in(&server);
    for (flag, value, error) in
        [("--audience", "https://elsewhere.example/", "invalid_target"), ("--scope", "api:write", "invalid_scope")]
    {
        let ended = home.run(&["get-token", flag, value]);
        assert_eq!((ended.code, ended.stdout.as_str()), (19, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(error) && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    }
    assert!(who(&server, &home.token()).is_some());
    home.ok(&["refresh"]);
    let account = home.json(&["account", "show", "--json"]);
    assert_eq!((&account["state"], &account["problem"]), (&json!("signed_in"), &Value::Null));
}

#[test]
fn a_login_whose_caller_is_killed_is_forgotten() {
    let Some(server) = start(&json!({})) else { return };
    let home = Home::with_vault();
    let mut login = home.start(&["login", &server.issuer, "--client-id", "native", "--no-browser"]);
    let url = first_line(&mut login);
    let redirect = redirect_of(&url);
    let mut events = home.start(&["status", "--watch", "--json"]);
    first_line(&mut events);
    login.kill().unwrap();
    login.wait().unwrap();
    events.kill().unwrap();
    events.wait().unwrap();
    // The agent's door is closed when its caller is gone: a connection is refused, or ends without an answer.
    let mut tries = 0;
    while http::try_request("GET", &redirect, &[], "").is_ok_and(|reply| reply.status != 0) {
        tries += 1;
        assert!(tries < 1000, "the redirect is still waited for");
    }
    assert_eq!(home.json(&["status", "--json"])["accounts"], json!([]));
    let (ended, _) = log_in(&home, &[&server.issuer, "--client-id", "native"], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn a_login_whose_agent_is_killed_says_so_and_leaves_nothing() {
    let Some(server) = start(&json!({})) else { return };
    let home = Home::with_vault();
    let mut login = home.start(&["login", &server.issuer, "--client-id", "native", "--no-browser"]);
    first_line(&mut login);
    home.kill_agent();
    let mut words = String::new();
    login.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(login.wait().unwrap().code(), Some(18), "{words}");
    assert!(words.lines().last().unwrap_or_default().contains("cred-helper: "), "{words}");
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0);
    let (ended, _) = log_in(&home, &[&server.issuer, "--client-id", "native"], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

/// The redirect URI in an authorization request.
fn redirect_of(url: &str) -> Url {
    let url = Url::parse(url).unwrap();
    let redirect = url.query_pairs().find(|(name, _)| name == "redirect_uri").expect("a redirect").1;
    Url::parse(&redirect).unwrap()
}
