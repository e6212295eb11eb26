//! Microsoft: tenants in the path, an issuer that `common` doesn't name, and errors told apart by their numbers.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::play::Play;
use super::site::{Site, reply};

fn microsoft() -> Site {
    let known = Mutex::new(Vec::<String>::new());
    Site::start(move |desk, asked| {
        let mut nonce = None;
        match (asked.path.as_str(), asked.get("grant_type")) {
            ("/contoso.example/authorize", _) => return desk.agree(asked),
            ("/contoso.example/token", "authorization_code") => match desk.redeem(asked) {
                Ok(found) => nonce = found,
                Err(why) => return reply(400, &json!({"error": "invalid_grant", "error_description": why})),
            },
            // Older refresh tokens go on working.
            ("/contoso.example/token", "refresh_token") => {
                assert!(known.lock().unwrap().iter().any(|token| token == asked.get("refresh_token")));
                if let Some(instead) = desk.take_instead() {
                    return instead;
                }
            }
            _ => return reply(404, &json!({})),
        }
        let refresh = desk.next("1.AX");
        known.lock().unwrap().push(refresh.clone());
        let tenant = "9122040d-6c67-4c5b-b112-36a304b66dad";
        let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let who = json!({"tid": tenant, "preferred_username": "ada@contoso.example", "name": "Ada"});
        reply(
            200,
            &json!({
                "token_type": "Bearer", "scope": "email openid profile User.Read", "expires_in": 4210, "ext_expires_in": 4210,
                "access_token": desk.next("ey"), "refresh_token": refresh,
                "id_token": desk.id_token(&issuer, "app", nonce.as_deref(), &who), "client_info": "e30",
            }),
        )
    })
}

fn play(site: &Site) -> Play {
    let at = |path: &str| site.url(&format!("/{{tenant}}/{path}"));
    let endpoints = format!("authorization_endpoint = '{}'\ntoken_endpoint = '{}'\n", at("authorize"), at("token"));
    Play::new("microsoft", site, &format!("client.id = 'app'\n{endpoints}"))
}

fn error(code: u32, suberror: Option<&str>) -> Value {
    let mut body = json!({
        "error": "invalid_grant", "error_description": format!("AADSTS{code}: No.\r\nTrace ID: 0"), "error_codes": [code],
    });
    body["suberror"] = suberror.into();
    body
}

#[test]
fn a_tenants_login_works_and_its_errors_mean_what_their_numbers_say() {
    let site = microsoft();
    let play = play(&site);
    play.log_in(&["microsoft", "--parameter", "tenant=contoso.example"]);
    let asked = &site.asked("/contoso.example/authorize")[0];
    assert!(
        asked.get("scope").split(' ').any(|scope| scope == "offline_access"),
        "without it there is no refresh token"
    );
    assert!(asked.get("redirect_uri").starts_with("http://localhost:"), "{}", asked.get("redirect_uri"));
    let identity = play.identity("microsoft");
    assert_eq!(identity["name"], "ada@contoso.example");
    assert_eq!(identity["organization"], "9122040d-6c67-4c5b-b112-36a304b66dad");
    play.home.kill_agent();
    play.home.ok(&["refresh", "microsoft"]);
    // A policy's no and a request that is wrong end no login, whatever they say of the grant.
    site.instead_twice(400, &error(53003, Some("message_only")));
    play.refused("microsoft", 20, "AADSTS53003");
    for body in [error(9_002_313, None), error(700_005, Some("client_mismatch"))] {
        site.instead(400, &body);
        play.refused("microsoft", 19, "AADSTS");
    }
    play.home.ok(&["refresh", "microsoft"]);
    site.instead_twice(400, &error(50076, Some("basic_action")));
    play.refused("microsoft", 10, "AADSTS50076");
    let logout = play.home.run(&["logout", "microsoft"]);
    assert!(logout.stderr.contains("end the login at https://myapps.microsoft.com"), "{}", logout.stderr);
}
