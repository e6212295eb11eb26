//! Anthropic's workload identity federation: a JSON body, no client, a rule and a service account that have to be named, and a
//! token from a file or from another account.

use serde_json::json;

use super::play::Play;
use super::site::{Site, reply};

const RULE: &str =
    "token.parameters = { federation_rule_id = 'fdrl_1', organization_id = 'o-1', service_account_id = 'svac_1' }\n";

fn anthropic() -> Site {
    Site::start(|desk, asked| {
        let named = ["federation_rule_id", "organization_id", "service_account_id"].map(|name| asked.get(name));
        let refuse = |error: &str, why: &str| reply(400, &json!({"error": error, "error_description": why}));
        match () {
            () if asked.path != "/token" || !asked.is_json() => reply(404, &json!({})),
            () if asked.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                refuse("unsupported_grant_type", "")
            }
            () if !asked.header("anthropic-beta").contains("oidc-federation-") => {
                refuse("unsupported_grant_type", "that is no person's grant")
            }
            () if asked.parameters.contains_key("client_id") => refuse("invalid_request", "there are no clients here"),
            () if named != ["fdrl_1", "o-1", "svac_1"] => refuse("invalid_request", "no such rule"),
            () if asked.get("assertion").split('.').count() != 3 => refuse("invalid_grant", "the assertion is no JWT"),
            () => reply(
                200,
                &json!({
                    "access_token": desk.next("sk-ant-oat01-"), "token_type": "Bearer", "expires_in": 600,
                    "scope": "workspace:inference",
                }),
            ),
        }
    })
}

#[test]
fn a_workload_names_its_rule_and_shows_its_own_token() {
    let site = anthropic();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "e30.e30.one\n").unwrap();
    let play = Play::new("anthropic-wif", &site, &format!("{RULE}assertion.file = '{}'\n", file.display()));
    let login = play.home.run(&["login", "anthropic-wif"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    let answer = play.home.json(&["get-token", "--format", "json"]);
    assert!(answer["token"].as_str().unwrap().starts_with("sk-ant-oat01-"), "{answer}");
    assert_eq!(answer["headers"]["anthropic-beta"], "oauth-2025-04-20");
    std::fs::write(&file, "e30.e30.two\n").unwrap();
    play.home.ok(&["refresh", "anthropic-wif"]);
    let shown: Vec<_> = site.asked("/token").iter().map(|asked| asked.get("assertion").to_owned()).collect();
    assert_eq!(shown, ["e30.e30.one", "e30.e30.two"]);
    std::fs::write(&file, "opaque\n").unwrap();
    play.refused("anthropic-wif", 20, "no JWT");
}

#[test]
fn what_only_the_user_knows_is_asked_for_by_name() {
    let site = anthropic();
    let play = Play::new("anthropic-wif", &site, "");
    let ended = play.home.run(&["login", "anthropic-wif"]);
    assert_eq!(ended.code, 19, "{}", ended.stderr);
    for name in ["federation_rule_id", "organization_id", "service_account_id", "assertion", "Claude Console"] {
        assert!(ended.stderr.contains(name), "{name}: {}", ended.stderr);
    }
    assert!(site.asked("/token").is_empty());
}
