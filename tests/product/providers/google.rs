//! Google: a refresh token only for those who ask for it, the same for good, and words of its own for a token that is gone.

use serde_json::json;

use super::play::Play;
use super::site::{Site, reply};

fn google() -> Site {
    Site::start(|desk, asked| {
        let mut offline = false;
        let mut nonce = None;
        match (asked.path.as_str(), asked.get("grant_type")) {
            ("/authorize", _) => {
                let asked_for = asked.get("access_type") == "offline" && asked.get("prompt") == "consent";
                desk.approved.store(asked_for, std::sync::atomic::Ordering::Relaxed);
                return desk.agree(asked);
            }
            ("/revoke", _) if asked.get("token") == "1//refresh" => {
                return reply(400, &json!({"error": "invalid_token", "error_description": "Token expired or revoked"}));
            }
            // A desktop client has a secret, which is none, and it is wanted in the body.
            ("/token", _) if asked.get("client_secret") != "GOCSPX-mine" => {
                return reply(401, &json!({"error": "invalid_client", "error_description": "Unauthorized"}));
            }
            ("/token", "authorization_code") => match desk.redeem(asked) {
                Ok(found) => {
                    offline = desk.approved.load(std::sync::atomic::Ordering::Relaxed);
                    nonce = found;
                }
                Err(why) => return reply(400, &json!({"error": "invalid_grant", "error_description": why})),
            },
            ("/token", "refresh_token") if asked.get("refresh_token") == "1//refresh" => {
                if let Some(instead) = desk.take_instead() {
                    return instead;
                }
            }
            _ => return reply(404, &json!({})),
        }
        let origin = desk.origin.lock().unwrap().clone();
        let who = json!({"email": "ada@example.org", "hd": "example.org"});
        let mut answer = json!({
            "access_token": desk.next("ya29.a0-"), "expires_in": 3599, "token_type": "Bearer",
            "scope": "openid https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email",
            "id_token": desk.id_token(&origin, "mine", nonce.as_deref(), &who),
        });
        if offline {
            answer["refresh_token"] = "1//refresh".into();
        }
        reply(200, &answer)
    })
}

const CLIENT: &str = "client = { id = 'mine', secret = 'GOCSPX-mine' }\n";

#[test]
fn a_google_login_asks_for_a_refresh_token_and_keeps_it() {
    let site = google();
    let play = Play::new("google", &site, CLIENT);
    play.log_in(&["google"]);
    let identity = play.identity("google");
    assert_eq!((&identity["email"], &identity["organization"]), (&"ada@example.org".into(), &"example.org".into()));
    assert!(play.home.ok(&["status"]).contains("ada@example.org (example.org)"));
    for _ in 0..3 {
        play.home.ok(&["refresh", "google"]);
    }
    play.home.kill_agent();
    play.home.ok(&["refresh", "google"]);
    assert!(play.home.ok(&["get-token", "google"]).starts_with("ya29."));
    // A token that the server doesn't know any more is as good as revoked.
    let logout = play.home.json(&["logout", "google", "--json"]);
    assert_eq!(logout["accounts"][0]["revocation"], "revoked");
}

#[test]
fn googles_refusals_mean_what_they_say() {
    let site = google();
    let play = Play::new("google", &site, CLIENT);
    play.log_in(&["google"]);
    let cases = [
        (
            401,
            json!({"error": "deleted_client", "error_description": "The OAuth client was deleted."}),
            19,
            "deleted_client",
        ),
        (400, json!({"error": "admin_policy_enforced"}), 20, "admin_policy_enforced"),
    ];
    for (status, body, code, words) in cases {
        site.instead(status, &body);
        play.refused("google", code, words);
    }
    play.home.ok(&["refresh", "google"]);
    let expired = json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
    site.instead_twice(400, &expired);
    play.refused("google", 10, "expired or revoked");
}
