//! Anthropic's Console: a login whose token makes an API key, which is all that is kept.

use serde_json::json;

use super::play::Play;
use super::site::{Site, reply};

fn console() -> Site {
    Site::start(|desk, asked| match asked.path.as_str() {
        "/authorize" if asked.get("code") == "true" => desk.agree(asked),
        "/token" if asked.is_json() && !asked.get("state").is_empty() => match desk.redeem(asked) {
            Ok(_) => reply(
                200,
                &json!({
                    "access_token": desk.next("sk-ant-oat01-login-"), "refresh_token": desk.next("sk-ant-ort01-login-"),
                    "expires_in": 28_800, "scope": "org:create_api_key user:profile",
                    "account": {"uuid": "u", "email_address": "ada@example.org"}, "organization": {"name": "Engines"},
                }),
            ),
            Err(why) => reply(400, &json!({"error": "invalid_grant", "error_description": why})),
        },
        "/key" => {
            let shown = asked.header("authorization");
            assert!(asked.method == "POST" && shown.starts_with("Bearer sk-ant-oat01-login-"));
            if let Some(instead) = desk.take_instead() {
                return instead;
            }
            reply(200, &json!({"raw_key": desk.next("sk-ant-api03-made-")}))
        }
        _ => reply(404, &json!({})),
    })
}

fn play(site: &Site) -> Play {
    let more =
        format!("redirect = {{ loopback = true, page = '{}' }}\nkey.url = '{}'\n", site.url("/page"), site.url("/key"));
    Play::new("anthropic-console", site, &more)
}

#[test]
fn a_login_at_the_console_ends_in_a_key_for_its_own_header() {
    let site = console();
    let play = play(&site);
    let refused = play.home.log_in_with(&["login", "anthropic-console", "--no-browser"]);
    assert_eq!(refused.code, 22, "the notice comes first: {}", refused.stderr);
    let ended = play.log_in(&["anthropic-console", "--accept-notice"]);
    assert!(
        ended.stderr.contains("as ada@example.org") && ended.stderr.contains("API key is stored"),
        "{}",
        ended.stderr
    );
    let headers = play.home.json(&["get-token", "--format", "headers-json"]);
    assert!(headers["x-api-key"].as_str().unwrap().starts_with("sk-ant-api03-made-"), "{headers}");
    assert!(headers.get("Authorization").is_none(), "{headers}");
    assert_eq!(play.home.json(&["get-token", "--format", "json"])["method"], "api_key");
}

#[test]
fn a_key_that_was_not_made_leaves_nothing_behind() {
    let site = console();
    let play = play(&site);
    for (status, body) in
        [(403, json!({"error": {"type": "permission_error", "message": "not an admin"}})), (200, json!({}))]
    {
        site.instead(status, &body);
        let ended = play.home.log_in_with(&["login", "anthropic-console", "--accept-notice", "--no-browser"]);
        assert_ne!(ended.code, 0, "{}", ended.stderr);
        assert!(!ended.stdout.contains("sk-ant-oat01") && !ended.stderr.contains("sk-ant-oat01"));
    }
    assert_eq!(play.home.run(&["get-token", "anthropic-console"]).code, 10);
}
