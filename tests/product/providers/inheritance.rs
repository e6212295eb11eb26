//! Providers of the user's own that complete a preset, and those that need none.

use cred_helper::demo::server::{Bodies, Options, Server};

use super::super::home::{Home, lasting_server};
use super::super::tokens::account_of;

#[test]
fn a_provider_of_ones_own_completes_a_preset() {
    let server = lasting_server();
    let home = Home::with_vault();
    home.configure(&format!(
        "[providers.work]\npreset = 'anthropic'\ntitle = 'Work'\nauthorization_endpoint = '{}'\ntoken_endpoint = '{}'\n\
         scopes = ['profile']\nclient.id = '{}'\nredirect.loopback = true\ntoken.body = 'form'\n",
        server.url("/authorize"),
        server.url("/token"),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
    let shown = home.json(&["provider", "show", "work", "--json"]);
    assert_eq!(shown["title"], "Work");
    assert!(shown["notice"]["text"].as_str().unwrap().contains("Anthropic"), "what isn't said is the preset's");
    let ended = home.log_in_with(&["login", "work", "--no-browser", "--accept-notice"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    home.kill_agent();
    home.ok(&["refresh", "work"]);
    assert!(server.is_live(&home.ok(&["get-token", "work"])));
}

/// What the picker shows of them, too.
#[test]
fn a_preset_says_whether_it_needs_a_client_of_ones_own() {
    let home = Home::with_vault();
    home.configure("[providers.gitlab]\nclient.id = 'mine'\n[providers.own]\nissuer = 'https://id.example'\n");
    home.ok(&["agent", "stop"]);
    let answer = home.json(&["provider", "list", "--json"]);
    let providers = answer["providers"].as_array().unwrap();
    let needing = providers.iter().filter(|provider| provider["needs_client"] == true);
    let needing: Vec<&str> = needing.map(|provider| provider["name"].as_str().unwrap()).collect();
    assert_eq!(needing, ["github", "github-copilot", "google", "huggingface", "microsoft", "openai", "own"]);
}

#[test]
fn sso_is_a_login_at_any_issuer() {
    let server = lasting_server();
    let home = Home::with_vault();
    let (issuer, client) = (server.issuer(), server.client_id());
    let ended = home.log_in_with(&["login", "--sso", &issuer, "--client-id", &client, "--no-browser"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(server.is_live(&home.ok(&["get-token", &account_of(&home, &server)])));
}

/// Two servers of one kind; they read JSON alone, so that every request shows whether the provider was still known.
fn two_servers_of_a_kind() -> (Server, Server, Home) {
    let start = || Server::start(Options { bodies: Bodies::Json, ..Options::default() }).unwrap();
    let (own, other) = (start(), start());
    let home = Home::with_vault();
    home.configure(&format!(
        "[providers.forge]\ntitle = 'Forge at {{host}}'\nauthorization_endpoint = 'http://{{host}}/authorize'\n\
         token_endpoint = 'http://{{host}}/token'\nparameters.host = '{}'\nclient.id = '{}'\ntoken.body = 'json'\n",
        host(&own),
        own.client_id(),
    ));
    home.ok(&["agent", "stop"]);
    (own, other, home)
}

fn host(server: &Server) -> String {
    server.issuer().strip_prefix("http://").unwrap().to_owned()
}

#[test]
fn an_account_at_another_host_is_named_after_it_and_stays_known() {
    let (own, other, home) = two_servers_of_a_kind();
    let name = host(&other).replace(':', "-");
    let ended = home.log_in_with(&["login", "forge", "--host", &host(&other), "--no-browser"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("Forge at {}", host(&other))), "{}", ended.stderr);
    assert_eq!(home.log_in_with(&["login", "forge", "--no-browser"]).code, 0);
    home.kill_agent();
    home.ok(&["refresh", &name]);
    home.ok(&["refresh", "forge"]);
    assert!(other.is_live(&home.ok(&["get-token", &name])));
    assert!(own.is_live(&home.ok(&["get-token", "forge"])));
    let shown = home.json(&["provider", "show", &name, "--json"]);
    assert_eq!((&shown["origin"], &shown["parameters"]["host"]), (&"login".into(), &host(&other).into()));
    // By its short name it is the same account.
    let again = home.log_in_with(&["login", &name, "--no-browser"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().len(), 2);
    assert!(other.is_live(&home.ok(&["get-token", &name])));
}

#[test]
fn what_a_login_was_told_of_its_provider_is_kept() {
    let server = lasting_server();
    let home = Home::with_vault();
    home.configure(&format!(
        "[providers.cloud]\nauthorization_endpoint = '{0}?tenant={{tenant}}'\ntoken_endpoint = '{1}'\nclient.id = '{2}'\n\
         parameters.tenant = ''\n",
        server.url("/authorize"),
        server.url("/token"),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
    let untold = home.run(&["login", "cloud", "--no-browser"]);
    assert_eq!(untold.code, 19, "{}", untold.stderr);
    assert!(untold.stderr.contains("it has to be told tenant: with --parameter NAME=VALUE"), "{}", untold.stderr);
    for (parameter, words) in [
        ("tenant=a/b", "letters, digits"),
        ("host=a", "no parameter `host`; it takes tenant"),
        ("tenant", "NAME=VALUE"),
    ] {
        let refused = home.run(&["login", "cloud", "--parameter", parameter, "--no-browser"]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let told = home.log_in_with(&["login", "cloud", "--parameter", "tenant=contoso", "--no-browser"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    home.kill_agent();
    // The account remembers.
    let again = home.log_in_with(&["login", "cloud", "--no-browser"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let elsewhere = ["login", "cloud", "--parameter", "tenant=fabrikam", "--no-browser"];
    let refused = home.log_in_with(&elsewhere);
    assert_eq!(refused.code, 26, "{}", refused.stderr);
    let second = [&elsewhere[..], &["--account", "second"]].concat();
    assert_eq!(home.log_in_with(&second).code, 0);
    assert_eq!(home.log_in_with(&[&elsewhere[..], &["--replace"]].concat()).code, 0);
}
