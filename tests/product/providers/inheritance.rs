//! Providers of the user's own that complete a preset, and those that need none.

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

#[test]
fn sso_is_a_login_at_any_issuer() {
    let server = lasting_server();
    let home = Home::with_vault();
    let (issuer, client) = (server.issuer(), server.client_id());
    let ended = home.log_in_with(&["login", "--sso", &issuer, "--client-id", &client, "--no-browser"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(server.is_live(&home.ok(&["get-token", &account_of(&home, &server)])));
}
