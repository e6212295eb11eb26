//! Logins, tokens and accounts at the HTTP door.

use cred_helper::demo::server::{RedirectBehaviour, Server};
use serde_json::Value;

use super::super::home::{Home, browse, fetch};
use super::{Door, server};

/// A login of the provider whose redirect comes to the door; the account's token.
fn sign_in(door: &Door, provider: &str) -> Value {
    let started = door.get(&format!("/auth/{provider}/start"));
    assert_eq!(started.status, 200, "{started:?}");
    let page = browse(started.json()["url"].as_str().unwrap());
    assert!(page.contains("signed in"), "{page}");
    door.get(&format!("/auth/{provider}/status")).json()
}

#[test]
fn an_app_signs_in_asks_reports_and_signs_out() {
    let server = server();
    let (home, door) = Home::with_door(&server);
    let before = door.get("/auth/free/status").json();
    assert_eq!((&before["connected"], &before["state"]), (&false.into(), &"signed_out".into()));

    let started = door.get("/auth/free/start").json();
    let url = started["url"].as_str().unwrap().to_owned();
    assert!(
        url.contains(&format!("redirect_uri=http%3A%2F%2F127.0.0.1%3A{}%2Fauth%2Ffree%2Fcallback", door.port)),
        "{url}"
    );
    assert!(!started.to_string().contains("verifier"), "{started}");
    let pending = door.get("/auth/free/status").json();
    assert_eq!(pending["login"]["state"], "pending");
    // Whoever asks again is sent to the same place.
    assert_eq!(door.get("/auth/free/start").json()["url"], *url);
    let page = browse(&url);
    assert!(page.contains("signed in") && page.contains("close this tab"), "{page}");

    let status = door.get("/auth/free/status").json();
    assert_eq!((&status["connected"], &status["account"]), (&true.into(), &"free".into()), "{status}");
    assert_eq!(status["fallback"], false);
    assert!(status["expires_at"].is_u64() && status["login"]["state"] == "completed", "{status}");
    let token = door.get("/v1/token/free").json();
    assert!(server.is_live(token["token"].as_str().unwrap()));
    assert_eq!(home.token(), token["token"].as_str().unwrap(), "the socket's callers have the same");

    let body = serde_json::json!({ "token": token["token"] }).to_string();
    assert_eq!(door.post("/v1/token/free/reject", &body).json()["outcome"], "refreshed");
    assert_eq!(door.post("/v1/token/free/reject", &body).json()["outcome"], "already_replaced");
    let second = door.get("/v1/token/free").json();
    assert!(second["token"] != token["token"] && server.is_live(second["token"].as_str().unwrap()));
    assert_eq!(door.post("/auth/free/refresh", "").json()["account"], "free");

    assert_eq!(door.get("/v1/status").json()["accounts"][0]["account"], "free");
    let out = door.post("/auth/free/logout", "").json();
    assert_eq!(out["accounts"][0]["account"], "free", "{out}");
    assert!(!server.is_live(second["token"].as_str().unwrap()));
    assert_eq!(door.get("/v1/token/free").kind(), "login_required");
    assert_eq!(door.get("/auth/free/status").json()["connected"], false);
}

#[test]
fn where_the_preset_fixes_another_redirect_the_callback_is_not_used() {
    let server = server();
    let (_home, door) = Home::with_door(&server);
    let url = door.get("/auth/fixed/start").json()["url"].as_str().unwrap().to_owned();
    assert!(url.contains("%2Fcallback") && !url.contains("%2Fauth%2F"), "{url}");
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let stray = door.ask("GET", &format!("/auth/fixed/callback?code=x&state={state}"), "", "");
    assert_eq!(stray.status, 404, "{stray:?}");
    assert_eq!(door.get("/auth/fixed/status").json()["login"]["state"], "pending");
    // Its own listener serves it just the same.
    assert!(browse(&url).contains("signed in"));
    assert_eq!(door.get("/auth/fixed/status").json()["connected"], true);
}

#[test]
fn a_pasted_redirect_ends_a_login_and_another_logins_does_not() {
    let server = server();
    let (_home, door) = Home::with_door(&server);
    assert_eq!(door.post("/auth/free/paste", r#"{"text":"code#state"}"#).kind(), "cancelled");
    let url = door.get("/auth/free/start?label=work").json()["url"].as_str().unwrap().to_owned();
    let answer = fetch(&url);
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    let state = location.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let paste = |text: &str| door.post("/auth/free/paste?label=work", &serde_json::json!({ "text": text }).to_string());
    assert_eq!(paste(&location.replace(state, "somebody-elses")).kind(), "invalid_paste");
    assert_eq!(door.get("/auth/free/status?label=work").json()["login"]["state"], "pending");
    assert_eq!(paste(&location).status, 200);
    let status = door.get("/auth/free/status?label=work&wait=60").json();
    assert_eq!((&status["account"], &status["accounts"][0]), (&"free/work".into(), &"free/work".into()), "{status}");
    assert!(server.is_live(door.get("/v1/token/free/work").json()["token"].as_str().unwrap()));
    assert!(server.is_live(door.get("/v1/token/free%2Fwork").json()["token"].as_str().unwrap()));
}

#[test]
fn a_notice_is_accepted_first_and_a_login_can_be_cancelled() {
    let server = server();
    let (_home, door) = Home::with_door(&server);
    let refused = door.get("/auth/noticed/start");
    assert_eq!((refused.status, refused.kind().as_str()), (428, "notice_required"));
    let notice = refused.json()["error"]["data"]["notice"]["id"].as_str().unwrap().to_owned();
    assert_eq!(door.get("/auth/noticed/start?accept_notice=0000").status, 428);
    let started = door.get(&format!("/auth/noticed/start?accept_notice={notice}"));
    assert_eq!(started.status, 200, "{started:?}");
    assert_eq!(door.post("/auth/noticed/cancel", "").status, 200);
    assert_eq!(door.post("/auth/noticed/cancel", "").kind(), "cancelled");
    let status = door.get("/auth/noticed/status").json();
    assert_eq!((&status["login"]["state"], &status["connected"]), (&"failed".into(), &false.into()), "{status}");
    assert_eq!(door.get("/auth/noticed/start").status, 200, "it was accepted before");
}

#[test]
fn a_login_that_the_provider_refuses_is_told_in_the_page_and_in_the_status() {
    let server: Server = server();
    let (_home, door) = Home::with_door(&server);
    server.set_redirect(RedirectBehaviour::Error("access_denied".into(), "not today".into()));
    let url = door.get("/auth/free/start").json()["url"].as_str().unwrap().to_owned();
    assert!(browse(&url).contains("declined"));
    let status = door.get("/auth/free/status").json();
    assert_eq!(status["login"]["error"]["data"]["kind"], "denied", "{status}");
    assert!(status["login"]["error"]["message"].as_str().unwrap().contains("not today"));
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_to_do() {
    let server = server();
    let (_home, door) = Home::with_door(&server);
    assert_eq!(sign_in(&door, "free")["connected"], true);
    for (method, address, status, kind) in [
        ("GET", "/auth/nobody/start", 404, "unknown_account"),
        ("GET", "/auth/nobody/status", 404, "unknown_account"),
        ("POST", "/auth/nobody/refresh", 403, "login_required"),
        ("POST", "/auth/nobody/logout", 403, "login_required"),
        ("GET", "/v1/token/nobody", 403, "login_required"),
        ("GET", "/v1/token/free?token_type=refresh", 400, "invalid_params"),
        ("GET", "/auth/free/start?flow=device&client_id=nobody-elses", 422, "misconfigured"),
        ("POST", "/auth/free/paste", 400, "invalid_params"),
        ("GET", "/auth/free/logout", 405, "invalid_request"),
        ("GET", "/", 404, "method_not_found"),
        ("POST", "/rpc", 404, "method_not_found"),
    ] {
        let reply = door.ask(method, address, &door.with_secret(), "");
        assert_eq!((reply.status, reply.kind().as_str()), (status, kind), "{method} {address}");
        assert!(reply.head.contains("cache-control: no-store"), "{reply:?}");
    }
    assert!(door.get("/openapi.yaml").body.starts_with("openapi: 3.1"));
}
