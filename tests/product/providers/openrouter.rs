//! OpenRouter: no client, no state, no token; a code and its verifier for an API key.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::super::home::fetch;
use super::play::Play;
use super::site::{Reply, Site, reply};

fn openrouter() -> Site {
    let challenges = Mutex::new(HashMap::<String, String>::new());
    Site::start(move |desk, asked| match asked.path.as_str() {
        "/authorize" => {
            let mut names: Vec<&str> = asked.parameters.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["callback_url", "code_challenge", "code_challenge_method"]);
            let code = desk.next("code-");
            challenges.lock().unwrap().insert(code.clone(), asked.get("code_challenge").to_owned());
            Reply(302, vec![("location", format!("{}?code={code}", asked.get("callback_url")))], String::new())
        }
        "/token" if asked.is_json() && asked.get("code_challenge_method") == "S256" => {
            assert_eq!(asked.parameters.len(), 3, "code, verifier and method are all");
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked.get("code_verifier")));
            match challenges.lock().unwrap().remove(asked.get("code")) {
                Some(known) if known == challenge => {
                    reply(200, &json!({"key": desk.next("sk-or-v1-made-"), "user_id": "user_1"}))
                }
                _ => reply(403, &json!({"error": {"message": "Invalid code or code_verifier", "code": 403}})),
            }
        }
        _ => reply(405, &json!({})),
    })
}

#[test]
fn a_login_ends_in_a_key_and_its_redirect_is_this_logins_own() {
    let site = openrouter();
    let play = Play::new("openrouter", &site, "");
    let ended = play.log_in(&["openrouter"]);
    assert!(ended.stderr.contains("API key is stored"), "{}", ended.stderr);
    let callback = site.asked("/authorize")[0].get("callback_url").to_owned();
    let state = callback.rsplit('/').next().unwrap();
    assert!(callback.starts_with("http://localhost:") && state.len() >= 43, "{callback}");
    let answer = play.home.json(&["get-token", "--format", "json"]);
    assert_eq!((&answer["method"], &answer["token"]), (&json!("api_key"), &json!("sk-or-v1-made-1")), "{answer}");
    play.home.kill_agent();
    assert_eq!(play.home.token(), "sk-or-v1-made-1");
    // Again: the new key takes the old one's place.
    play.log_in(&["openrouter"]);
    assert_eq!(play.home.token(), "sk-or-v1-made-3");
}

#[test]
fn a_code_of_somebody_elses_is_no_key() {
    let site = openrouter();
    let play = Play::new("openrouter", &site, "");
    let mut login = play.home.start(&["login", "openrouter", "--no-browser"]);
    let url = url::Url::parse(&super::super::home::first_line(&mut login)).unwrap();
    let callback = url.query_pairs().find(|(name, _)| name == "callback_url").unwrap().1.into_owned();
    let (without_state, _) = callback.rsplit_once('/').unwrap();
    assert!(fetch(&format!("{without_state}?code=theirs")).starts_with("HTTP/1.1 404"), "the path is the state");
    assert!(login.try_wait().unwrap().is_none(), "and the login goes on waiting");
    fetch(&format!("{callback}?code=theirs"));
    let ended = super::super::home::ended(login.wait_with_output().unwrap());
    assert_eq!(ended.code, 20, "{}", ended.stderr);
    assert!(ended.stderr.contains("Invalid code or code_verifier"), "{}", ended.stderr);
    assert_eq!(play.home.run(&["get-token", "openrouter"]).code, 10);
}
