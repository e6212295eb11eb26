//! GitHub on a host of one's own: every endpoint is there, over TLS as any host but this machine has to be.

use super::super::home::Home;
use super::super::tls::{Authority, Front};
use super::github::github;
use super::github_copilot::copilot;
use super::site::Site;

/// A host in front of a site, and a home that trusts it and has this table besides.
fn at_a_host_of_its_own(site: &Site, table: &str) -> (String, Home) {
    let authority = Authority::new("ours");
    let front = Front::of(&site.url(""), authority.issues("localhost", 2999));
    let home = Home::with_vault();
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    home.configure(&format!("ca_file = '{}'\n{table}", ca.display()));
    home.ok(&["agent", "stop"]);
    (front.url("").strip_prefix("https://").unwrap().to_owned(), home)
}

#[test]
fn an_enterprise_server_has_all_its_endpoints_at_its_own_host() {
    let site = github(true);
    let (host, mut home) =
        at_a_host_of_its_own(&site, "[providers.github]\nclient = { id = 'app', secret = 'hush' }\n");
    let login = home.run(&["login", "github", "--host", &host, "--device"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    assert!(login.stderr.contains(&format!("GitHub ({host})")), "{}", login.stderr);
    let account = host.replace(':', "-");
    assert_eq!(home.json(&["account", "show", &account, "--json"])["identity"]["name"], "octocat");
    home.ok(&["refresh", &account]);
    home.set("GH_TOKEN", "ghp_of_github.com");
    assert!(home.ok(&["get-token", &account]).starts_with("ghu_"), "it is no token of this server");
    home.set("GH_ENTERPRISE_TOKEN", "ghp_of_this_server");
    assert_eq!(home.ok(&["get-token", &account]), "ghp_of_this_server");
    let answer = home.json(&["get-token", &account, "--format", "json"]);
    assert_eq!(answer["api_host"], host, "{answer}");
    let logout = home.run(&["logout", &account]);
    assert!(logout.stderr.contains("the server has revoked the login"), "{}", logout.stderr);
    for path in ["/login/device/code", "/login/oauth/access_token", "/api/v3/user", "/api/v3/applications/app/token"] {
        assert!(!site.asked(path).is_empty(), "{path}");
    }
}

/// The API's name would be one below `localhost`, which not every resolver knows.
#[test]
fn a_tenants_copilot_is_asked_at_its_own_host() {
    let site = copilot();
    let table = "[providers.github-copilot]\nclient.id = 'app'\nderived.api = [{ value = '{host}' }]\n";
    let (host, home) = at_a_host_of_its_own(&site, table);
    let login = home.run(&["login", "github-copilot", "--host", &host, "--accept-notice"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    let answer = home.json(&["get-token", "--format", "json"]);
    assert_eq!(answer["account"], host.replace(':', "-"));
    assert!(answer["token"].as_str().unwrap().starts_with("tid="), "{answer}");
    assert_eq!(answer["api_host"], format!("copilot-api.{host}"));
    assert_eq!(site.asked("/copilot_internal/v2/token").len(), 1);
}
