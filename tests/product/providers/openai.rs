//! OpenAI: a code by form, a refresh as JSON, errors in an object of their own, organizations inside a claim, and a device
//! login of its own that ends in a code. That one is played as its own open client speaks it: OpenAI documents none.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::json;

use super::super::home::Home;
use super::play::Play;
use super::site::{Asked, Desk, Reply, Site, reply};

fn openai() -> Site {
    let newest = Mutex::new(String::new());
    Site::start(move |desk, asked| {
        let mut nonce = None;
        match (asked.path.as_str(), asked.get("grant_type")) {
            ("/authorize", _) if asked.get("id_token_add_organizations") == "true" => return desk.agree(asked),
            ("/revoke", _) => return reply(200, &json!({})),
            ("/device", _) | ("/poll", _) => return device(desk, asked),
            ("/token", "authorization_code") if asked.get("code") == "by-device" => {
                assert!(!asked.is_json(), "a form, as after a redirect");
                assert_eq!(asked.get("redirect_uri"), "https://auth.openai.com/deviceauth/callback");
                assert_eq!((asked.get("code_verifier"), asked.get("client_id")), ("the-servers-own", "app"));
            }
            ("/token", "authorization_code") if !asked.is_json() => match desk.redeem(asked) {
                Ok(found) => nonce = found,
                Err(why) => return reply(400, &json!({"error": {"message": why, "code": "invalid_grant"}})),
            },
            ("/token", "refresh_token") if asked.is_json() => {
                assert_eq!(
                    *newest.lock().unwrap(),
                    asked.get("refresh_token"),
                    "the newest is the only one that is sent"
                );
                if let Some(instead) = desk.take_instead() {
                    return instead;
                }
            }
            _ => {
                return reply(
                    400,
                    &json!({"error": {"message": "no", "type": "invalid_request_error", "code": "unknown"}}),
                );
            }
        }
        let (refresh, origin) = (desk.next("rt_"), desk.origin.lock().unwrap().clone());
        newest.lock().unwrap().clone_from(&refresh);
        let who = json!({
            "email": "ada@example.org",
            "https://api.openai.com/auth": {"chatgpt_account_id": "acc-1", "organizations": [{"id": "org-1", "title": "Engines"}]},
        });
        reply(
            200,
            &json!({
                "access_token": desk.next("ey"), "refresh_token": refresh, "expires_in": 864_000,
                "id_token": desk.id_token(&origin, "app", nonce.as_deref(), &who),
            }),
        )
    })
}

/// Both questions are JSON; 403 and 404 say that the person has not signed in yet.
fn device(desk: &Desk, asked: &Asked) -> Reply {
    assert!(asked.is_json() && asked.header("authorization").is_empty());
    if asked.path == "/device" {
        assert_eq!(asked.parameters, HashMap::from([("client_id".to_owned(), "app".to_owned())]));
        return match desk.take_instead() {
            Some(instead) => instead,
            None => reply(200, &json!({"device_auth_id": "deviceauth_1", "user_code": "AB12-CD34", "interval": "1"})),
        };
    }
    let identifiers = [("device_auth_id", "deviceauth_1"), ("user_code", "AB12-CD34")];
    assert_eq!(asked.parameters, identifiers.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    match desk.log.lock().unwrap().iter().filter(|asked| asked.path == "/poll").count() {
        1 => reply(403, &json!({"error": {"message": "unknown", "code": "deviceauth_authorization_unknown"}})),
        2 => reply(404, &json!({})),
        _ => reply(
            200,
            &json!({"authorization_code": "by-device", "code_challenge": "x", "code_verifier": "the-servers-own"}),
        ),
    }
}

#[test]
fn an_openai_login_by_device_ends_in_a_code_that_is_exchanged() {
    let site = openai();
    let play = Play::new("openai", &site, "client.id = 'app'\n");
    site.instead(404, &json!({"detail": "Not Found"}));
    let refused = play.home.run(&["login", "openai", "--device"]);
    assert_eq!(refused.code, 19, "{}", refused.stderr);
    assert!(refused.stderr.contains("sign in with a browser"), "{}", refused.stderr);
    let login = play.home.run(&["login", "openai", "--device"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    assert!(login.stderr.contains("AB12-CD34") && login.stderr.contains(&site.url("/page")), "{}", login.stderr);
    assert_eq!(site.asked("/poll").len(), 3);
    assert_eq!(play.identity("openai")["email"], "ada@example.org");
    play.home.ok(&["refresh", "openai"]);
}

#[test]
fn an_openai_login_refreshes_by_json_and_knows_its_organization() {
    let site = openai();
    let play = Play::new("openai", &site, "client.id = 'app'\n");
    play.log_in(&["openai"]);
    assert!(site.asked("/authorize")[0].get("redirect_uri").ends_with("/auth/callback"));
    let identity = play.identity("openai");
    assert_eq!((&identity["email"], &identity["organization"]), (&"ada@example.org".into(), &"Engines".into()));
    play.home.ok(&["refresh", "openai"]);
    play.home.kill_agent();
    play.home.ok(&["refresh", "openai"]);
    play.home.ok(&["logout", "openai"]);
    assert_eq!(site.asked("/revoke").len(), 1);
}

#[test]
fn a_refresh_token_that_somebody_else_used_ends_the_login_at_once() {
    let site = openai();
    let play = Play::new("openai", &site, "client.id = 'app'\n");
    play.log_in(&["openai"]);
    let error = json!({"message": "used", "type": "invalid_request_error", "code": "refresh_token_reused"});
    site.instead(401, &json!({"error": error}));
    play.refused("openai", 10, "used");
    assert_eq!(play.home.json(&["status", "--json"])["accounts"][0]["state"], "reauthorization_required");
}

#[test]
fn without_a_client_the_sanctioned_way_is_told() {
    let home = Home::with_vault();
    let login = home.run(&["login", "openai"]);
    assert_eq!(login.code, 19, "{}", login.stderr);
    assert!(login.stderr.contains("cred-helper api-key set openai"), "{}", login.stderr);
}
