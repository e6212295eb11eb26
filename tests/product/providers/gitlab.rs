//! GitLab: any host, two hours, and a refresh that ends the pair before it.

use std::sync::Mutex;

use serde_json::json;

use super::super::home::Home;
use super::play::Play;
use super::site::{Site, reply};

fn gitlab() -> Site {
    let newest = Mutex::new(String::new());
    Site::start(move |desk, asked| {
        let dead = || {
            let words =
                "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI";
            reply(400, &json!({"error": "invalid_grant", "error_description": words}))
        };
        let mut nonce = None;
        match (asked.path.as_str(), asked.get("grant_type")) {
            ("/authorize", _) => return desk.agree(asked),
            ("/revoke", _) if asked.get("client_id") == "app" => {
                newest.lock().unwrap().clear();
                return reply(200, &json!({}));
            }
            ("/token", "authorization_code") => match desk.redeem(asked) {
                Ok(found) => nonce = found,
                Err(_) => return dead(),
            },
            ("/token", "refresh_token") => {
                let mut newest = newest.lock().unwrap();
                if *newest != asked.get("refresh_token") {
                    // Reuse ends the whole family.
                    newest.clear();
                    return dead();
                }
            }
            _ => return reply(404, &json!({"error": "404 Not Found"})),
        }
        let (refresh, origin) = (desk.next("refresh-"), desk.origin.lock().unwrap().clone());
        newest.lock().unwrap().clone_from(&refresh);
        let who = json!({"nickname": "ada", "email": "ada@example.org", "groups_direct": ["maths"]});
        let mut answer = json!({
            "access_token": desk.next("access-"), "token_type": "Bearer", "expires_in": 7200, "refresh_token": refresh,
            "scope": "email openid profile read_api", "created_at": 1_700_000_000,
        });
        if nonce.is_some() {
            answer["id_token"] = desk.id_token(&origin, "app", nonce.as_deref(), &who).into();
        }
        reply(200, &answer)
    })
}

#[test]
fn a_gitlab_login_rotates_and_is_revoked() {
    let site = gitlab();
    let play = Play::new("gitlab", &site, "client.id = 'app'\n");
    play.log_in(&["gitlab"]);
    let identity = play.identity("gitlab");
    assert_eq!((&identity["email"], &identity["name"]), (&"ada@example.org".into(), &"ada".into()));
    for _ in 0..2 {
        play.home.ok(&["refresh", "gitlab"]);
    }
    play.home.kill_agent();
    play.home.ok(&["refresh", "gitlab"]);
    play.home.ok(&["logout", "gitlab"]);
    let revoked = &site.asked("/revoke")[0];
    assert_eq!(revoked.get("token_type_hint"), "refresh_token");
    let last = site.asked("/token").last().unwrap().clone();
    assert_ne!(revoked.get("token"), last.get("refresh_token"), "it is the newest that is revoked");
}

#[test]
fn a_token_that_was_used_elsewhere_ends_the_login() {
    let site = gitlab();
    let play = Play::new("gitlab", &site, "client.id = 'app'\n");
    play.log_in(&["gitlab"]);
    play.home.ok(&["refresh", "gitlab"]);
    site.desk.log.lock().unwrap().clear();
    // Somebody ends it; a login this young is asked about twice.
    super::super::home::fetch(&site.url("/revoke?client_id=app"));
    play.refused("gitlab", 10, "invalid_grant");
    assert_eq!(site.asked("/token").len(), 2);
}

#[test]
fn a_login_follows_its_provider_to_a_new_token_endpoint() {
    let site = gitlab();
    let play = Play::new("gitlab", &site, "client.id = 'app'\n");
    play.log_in(&["gitlab"]);
    let (old, new) = (site.url("/token"), site.url("/token").replace("127.0.0.1", "localhost"));
    let moved = |others: &str| {
        play.home.configure(&format!(
            "[providers.gitlab]\npreset = 'gitlab'\nissuer = '{}'\ntoken_endpoint = '{new}'\n\
             other_token_endpoints = [{others}]\n",
            site.url("")
        ));
        play.home.ok(&["agent", "stop"]);
        play.home.ok(&["refresh", "gitlab"]);
        site.asked("/token").last().unwrap().header("host").split(':').next().unwrap().to_owned()
    };
    assert_eq!(moved(""), "127.0.0.1", "an old login's token goes nowhere that its provider doesn't vouch for");
    assert_eq!(moved(&format!("'{old}'")), "localhost");
}

#[test]
fn each_host_is_an_account_of_its_own() {
    let home = Home::with_vault();
    let login = home.run(&["login", "gitlab", "--host", "git.example.com"]);
    assert_eq!(login.code, 19, "{}", login.stderr);
    assert!(login.stderr.contains("https://git.example.com/-/user_settings/applications"), "{}", login.stderr);
    assert!(login.stderr.contains("[providers.gitlab]"), "{}", login.stderr);
    for host in ["git.example.com/x", "a@git.example.com", "https://git.example.com"] {
        let refused = home.run(&["login", "gitlab", "--host", host, "--client-id", "x"]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("is a host such as git.example.com"), "{}", refused.stderr);
    }
    let mut login = home.start(&["login", "gitlab", "--host", "git.example.com", "--client-id", "x", "--no-browser"]);
    let url = super::super::home::first_line(&mut login);
    assert!(url.starts_with("https://git.example.com/oauth/authorize?"), "{url}");
    login.kill().unwrap();
    login.wait().unwrap();
}
