//! Grants without a person: a login is one exchange, the same exchange renews it, and whoever asks notices no difference.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use cred_helper::demo::server::{Behaviour, Options, PublicKey, RegisteredClient, Server, TrustedIssuer};
use cred_helper::token::ClientAuthentication;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;

use super::home::{Home, lasting_server};
use super::tokens::wait_for_expiry_of;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const API: &str = "https://api.example/";

/// A home whose configuration is this.
fn configured(toml: &str) -> Home {
    let home = Home::with_vault();
    home.configure(toml);
    home.ok(&["agent", "stop"]);
    home
}

/// A server that trusts another one, as a cloud trusts a cluster.
fn trusting(issuer: &Server, audience: &str, more: impl FnOnce(&mut Options)) -> Server {
    let trusted = TrustedIssuer { issuer: issuer.issuer(), audience: audience.to_owned(), key: issuer.shared_key() };
    let mut options = Options { trusted: vec![trusted], ..Options::default() };
    more(&mut options);
    Server::start(options).unwrap()
}

/// A file as a cluster mounts it.
fn mount(home: &Home, issuer: &Server, subject: &str) -> PathBuf {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    let token = issuer.mint(&json!({"iss": issuer.issuer(), "sub": subject, "aud": API, "exp": end}));
    let file = home.path().join("mounted-token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    file
}

#[test]
fn client_credentials_make_a_login_and_renew_it_once_for_everybody() {
    let clients = vec![RegisteredClient::confidential("app", "hush-hush", ClientAuthentication::Basic)];
    let server = Server::start(Options { clients, ..Options::default() }).unwrap();
    // The first token is short; those that come after it last.
    server.set_behaviour(Behaviour::ExpiresIn(1.into()), 1);
    let home = configured(&format!(
        "[providers.robot]\ntitle = 'Robot'\ngrant = 'client_credentials'\ntoken_endpoint = '{}'\n\
         scopes = ['read', 'write']\nclient = {{ id = 'app', secret = 'hush-hush' }}\n",
        server.url("/token")
    ));
    let login = home.run(&["login", "robot"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    assert!(login.stderr.contains("client credentials, without a browser"), "{}", login.stderr);
    assert!(login.stderr.contains("renews itself"), "{}", login.stderr);
    let account = home.json(&["account", "show", "robot", "--json"]);
    assert_eq!((&account["refreshable"], &account["scope"]), (&json!(true), &json!(["read", "write"])));
    wait_for_expiry_of(&home, "robot");
    let before = server.count_grant("client_credentials");
    let tokens = home.tokens_at_once(16);
    assert_eq!((server.count_grant("client_credentials") - before, tokens.len()), (1, 1), "for 16 programs");
    assert!(server.is_live(tokens[0].trim_end()));
    let narrow = home.ok(&["get-token", "--scope", "read"]);
    assert_eq!(server.families().last().unwrap().scope, ["read"]);
    assert_ne!(narrow, home.token(), "a narrower token is another one");
    home.kill_agent();
    assert_eq!(home.token(), tokens[0].trim_end(), "and it is kept");
    assert_eq!(server.count_grant("refresh_token"), 0);
}

#[test]
fn a_refused_token_a_busy_server_and_a_wrong_secret_are_what_they_are_for_any_login() {
    let clients = vec![RegisteredClient::confidential("app", "hush-hush", ClientAuthentication::Post)];
    let server = Server::start(Options { clients, ..Options::default() }).unwrap();
    let toml = |secret: &str| {
        format!(
            "[providers.robot]\ngrant = 'client_credentials'\nissuer = '{}'\n\
             client = {{ id = 'app', secret = '{secret}', authentication = 'post' }}\n",
            server.issuer()
        )
    };
    let home = configured(&toml("hush-hush"));
    home.ok(&["login", "robot"]);
    let first = home.token();
    server.expire_access_tokens();
    assert_eq!(home.run_with(&["reject"], &first).code, 0);
    let second = home.token();
    assert!(first != second && server.is_live(&second));
    server.set_behaviour(Behaviour::Status(503, None), 1);
    server.set_behaviour(Behaviour::ResetConnection, 1);
    home.ok(&["refresh", "robot"]);
    assert!(server.is_live(&home.token()), "it was asked again until it answered");
    home.configure(&toml("wrong"));
    home.ok(&["agent", "stop"]);
    let refused = home.run(&["refresh", "robot"]);
    assert_eq!(refused.code, 19, "{}", refused.stderr);
    assert!(refused.stderr.contains("invalid_client") && !refused.stderr.contains("wrong\""), "{}", refused.stderr);
    assert_eq!(home.json(&["account", "show", "robot", "--json"])["state"], "signed_in", "no refusal ends it");
    home.configure(&toml("hush-hush"));
    home.ok(&["agent", "stop"]);
    home.ok(&["refresh", "robot"]);
}

#[test]
fn a_client_that_signs_keeps_its_key_in_a_file() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let clients = vec![RegisteredClient::with_key("app", PublicKey::P256(key.public_key_raw().to_vec()))];
    let server = Server::start(Options { clients, ..Options::default() }).unwrap();
    let home = Home::with_vault();
    let file = home.path().join("key.pem");
    std::fs::write(&file, key.serialize_pem()).unwrap();
    home.configure(&format!(
        "[providers.robot]\ngrant = 'client_credentials'\nissuer = '{issuer}'\n\
         [providers.robot.client]\nid = 'app'\nauthentication = 'private_key_jwt'\nkey_file = '{file}'\n\
         [providers.work]\nissuer = '{issuer}'\nscopes = ['openid', 'offline_access']\n\
         [providers.work.client]\nid = 'app'\nauthentication = 'private_key_jwt'\nkey_file = '{file}'\n",
        issuer = server.issuer(),
        file = file.display()
    ));
    home.ok(&["agent", "stop"]);
    home.ok(&["login", "robot"]);
    home.ok(&["refresh", "robot"]);
    // A person's login at the same client: the code, each refresh and the revocation are signed.
    let login = home.log_in_with(&["login", "work", "--no-browser"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    home.ok(&["refresh", "work"]);
    let out = home.ok(&["logout", "work"]);
    assert!(server.families().iter().any(|family| family.ended.is_some()), "{out}");
    std::fs::write(&file, "no key").unwrap();
    let refused = home.run(&["refresh", "robot"]);
    assert_eq!(refused.code, 19, "{}", refused.stderr);
    assert!(refused.stderr.contains("key.pem") && refused.stderr.contains("no private key"), "{}", refused.stderr);
    std::fs::write(&file, key.serialize_pem()).unwrap();
    home.ok(&["refresh", "robot"]);
}

#[test]
fn a_mounted_token_is_read_anew_at_each_exchange() {
    let cluster = lasting_server();
    let server = trusting(&cluster, API, |options| {
        options.clientless = true;
        options.required = vec![("federation_rule_id".to_owned(), "fdrl_1".to_owned())];
    });
    let home = Home::with_vault();
    let file = mount(&home, &cluster, "pod-1");
    let toml = |rule: &str| {
        format!(
            "[providers.cloud]\ntitle = 'Cloud'\ngrant = 'jwt_bearer'\ntoken_endpoint = '{}'\n\
             [providers.cloud.assertion]\nfile = '{}'\n\
             [providers.cloud.token]\nbody = 'json'\nrequired = ['federation_rule_id']\n{rule}",
            server.url("/token"),
            file.display()
        )
    };
    home.configure(&toml(""));
    home.ok(&["agent", "stop"]);
    let lacking = home.run(&["login", "cloud"]);
    assert_eq!(lacking.code, 19, "{}", lacking.stderr);
    assert!(lacking.stderr.contains("token.parameters.federation_rule_id"), "{}", lacking.stderr);
    assert_eq!(server.log().len(), 0, "nothing was sent");
    home.configure(&toml("parameters = { federation_rule_id = 'fdrl_1' }\n"));
    home.ok(&["agent", "stop"]);
    home.ok(&["login", "cloud"]);
    assert!(server.is_live(&home.token()));
    mount(&home, &cluster, "pod-2");
    home.ok(&["refresh", "cloud"]);
    let subjects: Vec<_> = server.families().into_iter().map(|family| family.subject).collect();
    assert_eq!(subjects, ["pod-1", "pod-2"]);
    // An assertion that is refused ends nothing: the next one may be taken.
    std::fs::write(&file, "e30.e30.e30").unwrap();
    let refused = home.run(&["refresh", "cloud"]);
    assert_eq!(refused.code, 20, "{}", refused.stderr);
    std::fs::remove_file(&file).unwrap();
    let missing = home.run(&["refresh", "cloud"]);
    assert_eq!(missing.code, 19, "{}", missing.stderr);
    assert!(missing.stderr.contains("its assertion cannot be had") && missing.stderr.contains("mounted-token"));
    mount(&home, &cluster, "pod-3");
    home.ok(&["refresh", "cloud"]);
    assert!(server.is_live(&home.token()));
    assert_eq!(server.families().len(), 3);
}

#[test]
fn another_accounts_token_is_the_assertion_and_is_fresh_when_it_is_sent() {
    let okta = lasting_server();
    okta.set_behaviour(Behaviour::ExpiresIn(1.into()), 1);
    let client = okta.client_id();
    let by_id = trusting(&okta, &client, |options| options.clientless = true);
    let by_access = trusting(&okta, API, |options| options.clientless = true);
    let home = configured(&format!(
        "[providers.okta]\nissuer = '{}'\nscopes = ['openid', 'offline_access']\nclient.id = '{client}'\n\
         [providers.cloud]\ngrant = 'jwt_bearer'\ntoken_endpoint = '{}'\nassertion.account = 'okta'\n\
         [providers.exchange]\ngrant = 'token_exchange'\ntoken_endpoint = '{}'\n\
         subject = {{ account = 'okta', audience = '{API}' }}\n",
        okta.issuer(),
        by_id.url("/token"),
        by_access.url("/token")
    ));
    let early = home.run(&["login", "cloud"]);
    assert_eq!(early.code, 10, "{}", early.stderr);
    assert!(early.stderr.contains("cred-helper login okta"), "{}", early.stderr);
    let login = home.log_in_with(&["login", "okta", "--no-browser"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    home.ok(&["login", "cloud"]);
    home.ok(&["login", "exchange"]);
    assert!(by_id.is_live(&home.ok(&["get-token", "cloud"])));
    assert!(by_access.is_live(&home.ok(&["get-token", "exchange"])));
    assert_eq!((by_id.count_grant(JWT_BEARER), by_access.count_grant(TOKEN_EXCHANGE)), (1, 1));
    assert!(by_id.families().iter().chain(&by_access.families()).all(|family| family.subject == "user-1"));
    // The person's login ends: what hangs on it says so, names it, and is well again with it.
    okta.revoke_everything();
    assert_ne!(home.run(&["refresh", "okta"]).code, 0);
    home.ok(&["logout", "okta"]);
    let hangs = home.run(&["refresh", "cloud"]);
    assert_eq!(hangs.code, 10, "{}", hangs.stderr);
    assert!(hangs.stderr.contains("cloud: its assertion cannot be had"), "{}", hangs.stderr);
    assert!(by_id.is_live(&home.ok(&["get-token", "cloud"])), "what is valid is served meanwhile");
    assert_eq!(home.log_in_with(&["login", "okta", "--no-browser"]).code, 0);
    home.ok(&["refresh", "cloud"]);
}

/// Nobody asks for that account itself meanwhile.
#[test]
fn another_programs_token_is_read_anew_for_the_accounts_that_hang_on_it() {
    let issuer = lasting_server();
    let server = trusting(&issuer, API, |options| options.clientless = true);
    let home = configured(&format!(
        "[providers.tool]\nissuer = '{}'\nclient.id = 'app'\n[providers.cloud]\ngrant = 'jwt_bearer'\n\
         token_endpoint = '{}'\nassertion = {{ account = 'tool', token = 'access' }}\n",
        issuer.issuer(),
        server.url("/token")
    ));
    let file = home.path().join("tool.json");
    let write = |subject: &str| {
        let token = std::fs::read_to_string(mount(&home, &issuer, subject)).unwrap();
        std::fs::write(&file, json!({"access_token": token.trim(), "expires_at": "2999-01-01T00:00:00Z"}).to_string())
            .unwrap();
    };
    write("first");
    home.ok(&["import", "tool", "--from", &file.display().to_string()]);
    home.ok(&["login", "cloud"]);
    write("second");
    home.ok(&["refresh", "cloud"]);
    let subjects: Vec<_> = server.families().into_iter().map(|family| family.subject).collect();
    assert_eq!(subjects, ["first", "second"]);
}

#[test]
fn accounts_that_wait_for_each_other_are_told_so() {
    let server = lasting_server();
    let home = configured(&format!(
        "[providers.one]\ngrant = 'jwt_bearer'\ntoken_endpoint = '{url}'\nassertion.account = 'two'\n\
         [providers.two]\ngrant = 'jwt_bearer'\ntoken_endpoint = '{url}'\nassertion.account = 'one'\n\
         [providers.self]\ngrant = 'jwt_bearer'\ntoken_endpoint = '{url}'\nassertion.account = 'self'\n",
        url = server.url("/token")
    ));
    for name in ["one", "two", "self"] {
        let ended = home.run(&["login", name]);
        assert_eq!(ended.code, 19, "{}", ended.stderr);
        assert!(ended.stderr.contains("that is a circle"), "{}", ended.stderr);
    }
    assert_eq!(server.log().len(), 0);
}

/// A server that repeats what it was sent is no place to read it from, and neither is the log at its loudest.
#[cfg(target_os = "linux")]
#[test]
fn no_assertion_and_no_key_is_in_what_is_said_or_kept() {
    let cluster = lasting_server();
    let server = trusting(&cluster, API, |options| options.clientless = true);
    let mut home = Home::with_vault();
    home.set("CRED_HELPER_LOG", "trace");
    let (file, key) = (mount(&home, &cluster, "pod-1"), home.path().join("key.pem"));
    let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    std::fs::write(&key, &pem).unwrap();
    home.configure(&format!(
        "[providers.cloud]\ngrant = 'jwt_bearer'\ntoken_endpoint = '{url}'\nassertion.file = '{}'\n\
         [providers.robot]\ngrant = 'client_credentials'\ntoken_endpoint = '{url}'\n\
         [providers.robot.client]\nid = 'demo-native'\nauthentication = 'private_key_jwt'\nkey_file = '{}'\n",
        file.display(),
        key.display(),
        url = server.url("/token")
    ));
    home.ok(&["agent", "stop"]);
    let assertion = std::fs::read_to_string(&file).unwrap();
    let mut said = Vec::new();
    let mut keep = |ended: super::home::Ended| said.extend([ended.stdout, ended.stderr]);
    keep(home.run(&["login", "cloud"]));
    for description in [format!("it is {assertion}"), format!("about {}", &assertion[20..50])] {
        let echo = json!({"error": "invalid_grant", "error_description": description});
        server.set_behaviour(Behaviour::Error(400, echo), 1);
        keep(home.run(&["refresh", "cloud"]));
    }
    keep(home.run(&["login", "robot"]));
    keep(home.run(&["status", "--json"]));
    keep(home.run(&["provider", "show", "robot"]));
    home.ok(&["agent", "stop"]);
    said.push(std::fs::read_to_string(home.state().join("agent.log")).unwrap());
    assert!(said.iter().any(|text| text.contains("DEBUG") || text.contains("TRACE")), "the log was at full verbosity");
    let lines = pem.lines().filter(|line| !line.contains("KEY")).map(str::to_owned);
    let secrets: Vec<_> = server.issued_tokens().into_iter().chain([assertion]).chain(lines).collect();
    super::canary::assert_no_token(&said, &secrets);
}
