//! GitHub Copilot: GitHub's device login, and a second step that wants the scheme `token` and says who asks.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::play::Play;
use super::site::{Site, reply};

pub(super) fn copilot() -> Site {
    Site::start(|desk, asked| match role(&asked.path) {
        "/device" => {
            let page = format!("{}/login/device", desk.origin.lock().unwrap());
            let codes = json!({"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": page, "expires_in": 899, "interval": 1});
            reply(200, &codes)
        }
        // No end and no refresh token, as an OAuth App's.
        "/token" => reply(200, &json!({"access_token": "gho_first", "token_type": "bearer", "scope": "read:user"})),
        "/userinfo" => reply(200, &json!({"login": "octocat", "id": 583_231, "name": null, "email": null})),
        "/second" => {
            assert_eq!((asked.method.as_str(), asked.header("authorization")), ("GET", "token gho_first"));
            for name in ["user-agent", "editor-version", "editor-plugin-version"] {
                assert!(asked.header(name).starts_with("cred-helper/"), "{name}: {}", asked.header(name));
            }
            if let Some(instead) = desk.take_instead() {
                return instead;
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            reply(
                200,
                &json!({
                    "token": desk.next("tid=1;exp=2;sku=x:"), "expires_at": now + 1800, "refresh_in": 1500,
                    "endpoints": {"api": "https://api.business.githubcopilot.com", "proxy": "https://x.example"},
                }),
            )
        }
        _ => reply(404, &json!({"message": "Not Found"})),
    })
}

/// What a path is at GitHub itself.
fn role(path: &str) -> &str {
    match path {
        "/login/device/code" => "/device",
        "/login/oauth/access_token" => "/token",
        "/user" => "/userinfo",
        "/copilot_internal/v2/token" => "/second",
        path => path,
    }
}

#[test]
fn copilots_token_comes_with_the_address_of_its_api_and_githubs_stays_here() {
    let site = copilot();
    let more = format!("client.id = 'app'\nsecond_step.url = '{}'\n", site.url("/second"));
    let play = Play::new("github-copilot", &site, &more);
    let login = play.home.run(&["login", "github-copilot", "--accept-notice"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    assert!(login.stderr.contains("not documented"), "the notice is shown: {}", login.stderr);
    assert_eq!(play.identity("github-copilot")["name"], "octocat");
    let answer = play.home.json(&["get-token", "--format", "json"]);
    assert!(answer["token"].as_str().unwrap().starts_with("tid="), "{answer}");
    assert_eq!(answer["api_base"], "https://api.business.githubcopilot.com");
    assert_eq!(answer["headers"]["copilot-integration-id"], "cred-helper");
    play.home.ok(&["get-token"]);
    assert_eq!(site.asked("/second").len(), 1);
    site.instead(403, &json!({"message": "Copilot is not enabled", "error_details": {"message": "x"}}));
    play.refused("github-copilot", 20, "Copilot is not enabled");
    play.home.ok(&["refresh", "github-copilot"]);
    assert_eq!(play.home.json(&["status", "--json"])["accounts"][0]["state"], "signed_in");
}
