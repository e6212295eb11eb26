//! GitHub: errors with status 200, tokens as a form unless JSON is asked for, a device login without a secret, a code that
//! takes one, a page of its own for who signed in, and tokens that are deleted rather than revoked.

use std::sync::Mutex;

use cred_helper::provider::{Preset, Template};
use serde_json::{Value, json};

use super::super::home::Home;
use super::play::Play;
use super::site::{Asked, Desk, Reply, Site, reply};

/// An OAuth App's tokens have no end; a GitHub App's last eight hours.
pub(super) fn github(expiring: bool) -> Site {
    let newest = Mutex::new(String::new());
    Site::start(move |desk, asked| match role(&asked.path) {
        "/authorize" => desk.agree(asked),
        "/device" => device(desk, asked),
        "/token" if asked.header("accept") != "application/json" || asked.is_json() => {
            Reply(200, vec![], "error=bad_verification_code".into())
        }
        "/token" => token(desk, asked, expiring, &newest),
        "/userinfo"
            if asked.header("authorization").starts_with("Bearer gh") && !asked.header("user-agent").is_empty() =>
        {
            reply(200, &json!({"login": "octocat", "id": 583_231, "name": null, "email": null}))
        }
        "/revoke" => match (asked.method.as_str(), asked.basic().as_deref(), asked.get("access_token")) {
            ("DELETE", Some("app:hush"), token) if token.starts_with("gh") => Reply(204, vec![], String::new()),
            ("DELETE", Some("app:hush"), _) => reply(422, &json!({"message": "Validation Failed"})),
            _ => reply(404, &json!({"message": "Not Found"})),
        },
        _ => reply(404, &json!({"message": "Not Found"})),
    })
}

/// What a path is, where all of them are as on a GitHub Enterprise Server.
fn role(path: &str) -> &str {
    match path {
        "/login/oauth/authorize" => "/authorize",
        "/login/device/code" => "/device",
        "/login/oauth/access_token" => "/token",
        "/api/v3/user" => "/userinfo",
        "/api/v3/applications/app/token" => "/revoke",
        path => path,
    }
}

fn device(desk: &Desk, asked: &Asked) -> Reply {
    assert_eq!((asked.get("client_id"), asked.get("scope")), ("app", "read:user"));
    let page = format!("{}/login/device", desk.origin.lock().unwrap());
    let codes = json!({"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": page, "expires_in": 899, "interval": 1});
    reply(200, &codes)
}

/// Every refusal is an error with status 200.
fn token(desk: &Desk, asked: &Asked, expiring: bool, newest: &Mutex<String>) -> Reply {
    let error = |word: &str| {
        reply(
            200,
            &json!({"error": word, "error_description": format!("{word}."), "error_uri": "https://docs.github.com"}),
        )
    };
    match asked.get("grant_type") {
        "urn:ietf:params:oauth:grant-type:device_code" => {
            if !desk.approved.swap(true, std::sync::atomic::Ordering::Relaxed) {
                return error("authorization_pending");
            }
        }
        "authorization_code" if asked.get("client_secret") != "hush" => return error("incorrect_client_credentials"),
        "authorization_code" if desk.redeem(asked).is_err() => return error("bad_verification_code"),
        "authorization_code" => {}
        "refresh_token" => {
            if let Some(instead) = desk.take_instead() {
                return instead;
            }
            if *newest.lock().unwrap() != asked.get("refresh_token") {
                return error("bad_refresh_token");
            }
        }
        _ => return error("unsupported_grant_type"),
    }
    let mut answer = json!({"access_token": desk.next("gho_"), "token_type": "bearer", "scope": "read:user"});
    if expiring {
        let refresh = desk.next("ghr_");
        newest.lock().unwrap().clone_from(&refresh);
        answer["access_token"] = desk.next("ghu_").into();
        answer["expires_in"] = 28_800.into();
        answer["refresh_token"] = refresh.into();
        answer["refresh_token_expires_in"] = 15_897_600.into();
        answer["scope"] = "".into();
    }
    reply(200, &answer)
}

#[test]
fn a_github_app_signs_in_by_device_and_its_tokens_rotate() {
    let site = github(true);
    let play = Play::new("github", &site, "client.id = 'app'\n");
    let login = play.home.run(&["login", "github"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    assert!(login.stderr.contains("WDJB-MJHT"), "{}", login.stderr);
    assert_eq!(play.identity("github"), json!({"subject": "583231", "name": "octocat"}));
    let first = play.home.ok(&["get-token", "github"]);
    assert!(first.starts_with("ghu_"));
    play.home.ok(&["refresh", "github"]);
    play.home.kill_agent();
    play.home.ok(&["refresh", "github"]);
    assert_ne!(play.home.ok(&["get-token", "github"]), first);
    let status = play.home.json(&["status", "--json"])["accounts"][0].clone();
    let seconds = |key: &str| status[key].as_i64().unwrap_or_else(|| panic!("{key}: {status}"));
    let left = seconds("refresh_expires_at") - seconds("refreshed_at");
    assert!((15_897_500..=15_897_600).contains(&left) && status["ends_within"].is_null(), "{status}");
    assert!(site.asked("/token").iter().all(|asked| !asked.parameters.contains_key("client_secret")), "there is none");
    let headers = play.home.json(&["get-token", "github", "--format", "headers-json"]);
    assert_eq!(headers["x-github-api-version"], "2022-11-28");

    site.instead(200, &json!({"error": "bad_refresh_token", "error_description": "The refresh token is expired."}));
    play.refused("github", 10, "bad_refresh_token");
    assert_eq!(play.home.json(&["status", "--json"])["accounts"][0]["state"], "reauthorization_required");
    let logout = play.home.run(&["logout", "github"]);
    assert!(logout.stderr.contains("end the login at https://github.com/settings/applications"), "{}", logout.stderr);
    assert!(site.asked("/revoke").is_empty());
}

#[test]
fn an_oauth_app_with_a_secret_signs_in_by_browser_and_its_token_has_no_end() {
    let site = github(false);
    let play = Play::new("github", &site, "client = { id = 'app', secret = 'hush' }\n");
    play.log_in(&["github"]);
    let asked = &site.asked("/token")[0];
    assert_eq!((asked.get("client_id"), asked.header("authorization")), ("app", ""));
    let status = play.home.json(&["status", "--json"]);
    assert_eq!(
        (&status["accounts"][0]["expires_at"], &status["accounts"][0]["refreshable"]),
        (&Value::Null, &false.into())
    );
    assert!(play.home.ok(&["get-token", "github"]).starts_with("gho_"));
    // What the caller's own environment says comes first.
    let mut own = play.home.command(&["get-token", "github"]);
    let own = own.env("GH_TOKEN", "ghp_of_the_caller").output().unwrap();
    assert_eq!(String::from_utf8(own.stdout).unwrap().trim_end(), "ghp_of_the_caller");
}

#[test]
fn with_the_clients_secret_a_token_is_deleted_and_otherwise_its_page_is_named() {
    let site = github(false);
    let play = Play::new("github", &site, "client = { id = 'app', secret = 'hush' }\n");
    play.log_in(&["github"]);
    let first = play.home.ok(&["get-token", "github"]);
    // A new login ends the one before it.
    play.log_in(&["github"]);
    let second = play.home.ok(&["get-token", "github"]);
    let logout = play.home.run(&["logout", "github"]);
    assert!(logout.stderr.contains("the server has revoked the login."), "{}", logout.stderr);
    let mut deleted: Vec<String> =
        site.wait_for("/revoke", 2).iter().map(|asked| asked.get("access_token").to_owned()).collect();
    deleted.sort();
    assert_eq!(deleted, [first, second]);
    play.log_in(&["github"]);
    play.home.configure(
        &std::fs::read_to_string(play.home.path().join(".config/cred-helper/config.toml"))
            .unwrap()
            .replace("hush", "new"),
    );
    play.home.ok(&["agent", "restart"]);
    let logout = play.home.run(&["logout", "github"]);
    assert!(logout.stderr.contains("could not be told") && logout.stderr.contains("Not Found"), "{}", logout.stderr);

    let site = github(true);
    let play = Play::new("github", &site, "client = { id = 'app', secret = 'hush' }\n");
    play.log_in(&["github"]);
    let logout = play.home.run(&["logout", "github"]);
    assert!(logout.stderr.contains("it takes no refresh token back"), "{}", logout.stderr);
    assert!(site.asked("/revoke")[0].get("access_token").starts_with("ghu_"));
}

#[test]
fn each_of_githubs_kinds_has_its_api_where_it_says() {
    let preset = |name: &str, host: &str| {
        let parameters = [("host".to_owned(), host.to_owned())].into();
        let preset = Template::of_preset(Preset::named(name).unwrap()).unwrap();
        let filled = preset.fill(&parameters).unwrap();
        assert_eq!(filled.check(), Ok(()), "{name} {host}");
        let second = filled.second_step.map(|step| step.url);
        (
            filled.title,
            filled.userinfo_endpoint.unwrap(),
            filled.api.host.unwrap(),
            second,
            filled.variables.oauth_token,
        )
    };
    let (title, user, api, _, variables) = preset("github", "github.com");
    assert_eq!(
        (title.as_str(), user.as_str(), api.as_str()),
        ("GitHub", "https://api.github.com/user", "api.github.com")
    );
    assert_eq!(variables, ["GH_TOKEN", "GITHUB_TOKEN"]);
    let (title, user, api, _, variables) = preset("github", "octo.ghe.com");
    let expected = ("GitHub (octo.ghe.com)", "https://api.octo.ghe.com/user", "api.octo.ghe.com");
    assert_eq!((title.as_str(), user.as_str(), api.as_str()), expected);
    assert_eq!(variables, ["GH_TOKEN", "GITHUB_TOKEN"]);
    let (_, user, api, second, _) = preset("github-copilot", "octo.ghe.com");
    assert_eq!((user.as_str(), api.as_str()), ("https://api.octo.ghe.com/user", "copilot-api.octo.ghe.com"));
    assert_eq!(second.as_deref(), Some("https://api.octo.ghe.com/copilot_internal/v2/token"));
    let (.., api, second, _) = preset("github-copilot", "github.com");
    assert_eq!(
        (api.as_str(), second.as_deref()),
        ("api.githubcopilot.com", Some("https://api.github.com/copilot_internal/v2/token"))
    );
}

#[test]
fn a_wrong_secret_is_the_registrations_fault() {
    let site = github(false);
    let play = Play::new("github", &site, "client = { id = 'app', secret = 'wrong' }\n");
    let login = play.home.log_in_with(&["login", "github", "--no-browser"]);
    assert_eq!(login.code, 19, "{}", login.stderr);
    assert!(login.stderr.contains("incorrect_client_credentials"), "{}", login.stderr);
}

#[test]
fn without_a_client_the_way_to_one_is_told() {
    let home = Home::with_vault();
    let login = home.run(&["login", "github"]);
    assert_eq!(login.code, 19, "{}", login.stderr);
    for words in
        ["https://github.com/settings/developers", "Enable Device Flow", "--client-id ID", "[providers.github]"]
    {
        assert!(login.stderr.contains(words), "{words}: {}", login.stderr);
    }
    let paste = home.run(&["login", "github", "--client-id", "app", "--paste"]);
    assert_eq!(paste.code, 19, "{}", paste.stderr);
    assert!(paste.stderr.contains("--device, or --client-secret-stdin"), "{}", paste.stderr);
}
