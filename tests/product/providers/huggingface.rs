//! Hugging Face: a public app, a device login, and names from the userinfo.

use serde_json::json;

use super::play::Play;
use super::site::{Site, reply};

fn huggingface() -> Site {
    Site::start(|desk, asked| {
        let approved = &desk.approved;
        match (asked.path.as_str(), asked.get("grant_type")) {
            ("/device", _) if asked.get("client_id") == "app" => {
                let page = format!("{}/oauth/device", desk.origin.lock().unwrap());
                reply(
                    200,
                    &json!({
                        "device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": page,
                        "verification_uri_complete": format!("{page}?user_code=ABCD-EFGH"), "expires_in": 900, "interval": 1,
                    }),
                )
            }
            ("/token", "urn:ietf:params:oauth:grant-type:device_code")
                if !approved.swap(true, std::sync::atomic::Ordering::Relaxed) =>
            {
                reply(400, &json!({"error": "authorization_pending"}))
            }
            ("/token", _) => match desk.take_instead() {
                Some(instead) => instead,
                None => reply(
                    200,
                    &json!({
                        "access_token": desk.next("hf_oauth_"), "token_type": "bearer", "expires_in": 28_800,
                        "refresh_token": desk.next("hf_refresh_"), "scope": "openid profile inference-api",
                    }),
                ),
            },
            ("/userinfo", _) if asked.header("authorization").starts_with("Bearer hf_oauth_") => {
                let orgs = json!([{"sub": "o", "name": "engines", "preferred_username": "engines"}]);
                reply(200, &json!({"sub": "h-1", "name": "Ada Lovelace", "preferred_username": "ada", "orgs": orgs}))
            }
            _ => reply(404, &json!({})),
        }
    })
}

#[test]
fn a_public_app_signs_in_by_device_and_is_named_by_the_userinfo() {
    let site = huggingface();
    let play = Play::new("huggingface", &site, "client.id = 'app'\n");
    let login = play.home.run(&["login", "huggingface", "--device"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    let identity = play.identity("huggingface");
    assert_eq!((&identity["name"], &identity["organization"]), (&"ada".into(), &"engines".into()));
    play.home.ok(&["refresh", "huggingface"]);
    assert!(play.home.ok(&["get-token", "huggingface"]).starts_with("hf_oauth_"));
    let logout = play.home.run(&["logout", "huggingface"]);
    assert!(logout.stderr.contains("https://huggingface.co/settings/connected-applications"), "{}", logout.stderr);
}
