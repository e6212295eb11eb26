//! The server, spoken to over real connections.

mod assertions;
mod client;
mod device;
mod faults;

use serde_json::json;

use self::client::*;
use super::*;
use crate::token::ClientAuthentication;

pub(super) fn server(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::default();
    change(&mut options);
    Server::start(options).expect("starts")
}

#[test]
fn the_code_flow_ends_with_tokens_that_work() {
    let server = server(|_| {});
    let reply = authorize(&server, &[("nonce", "n-1")]);
    assert_eq!(reply.redirected("state").as_deref(), Some("s-1"));
    assert_eq!(reply.redirected("iss"), Some(server.issuer()));
    let tokens = redeem(&server, &reply.redirected("code").expect("a code"), VERIFIER);
    assert_eq!(
        (tokens.status, tokens.text("token_type"), tokens.text("scope")),
        (200, "Bearer".into(), "openid mail".into())
    );
    assert_eq!(tokens.header("cache-control"), Some("no-store"));

    let access = tokens.text("access_token");
    assert_eq!(bearer(&server.url("/resource"), &access).status, 200);
    assert_eq!(bearer(&server.url("/userinfo"), &access).text("email"), "ada@example.com");
    let refused = bearer(&server.url("/resource"), "guess");
    assert_eq!(refused.refusal(), (401, "invalid_token".into()));
    assert!(refused.header("www-authenticate").expect("a challenge").contains("invalid_token"));

    let issued = server.issued_tokens();
    for token in ["access_token", "refresh_token", "id_token"] {
        assert!(issued.contains(&tokens.text(token)), "{token}");
    }
    let entry = server.log().into_iter().find(|entry| entry.is_grant("authorization_code")).expect("logged");
    assert!(entry.succeeded());
    server.expire_access_tokens();
    assert_eq!(bearer(&server.url("/resource"), &access).status, 401);
}

#[test]
fn a_request_whose_client_or_redirect_is_wrong_is_never_redirected() {
    let server = server(|_| {});
    for change in [
        ("client_id", "stranger"),
        ("client_id", ""),
        ("redirect_uri", "http://127.0.0.1:4711/elsewhere"),
        ("redirect_uri", "http://evil.example/callback"),
    ] {
        let reply = authorize(&server, &[change]);
        assert_eq!((reply.status, reply.header("location")), (400, None), "{change:?}");
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("state", ""), "invalid_request"),
        (("resource", "not a URI"), "invalid_target"),
    ] {
        assert_eq!(authorize(&server, &[change]).redirected("error").as_deref(), Some(error), "{change:?}");
    }
}

#[test]
fn a_wrong_verifier_or_redirect_is_refused_and_leaves_the_code_to_its_owner() {
    let server = server(|_| {});
    let code = authorize(&server, &[]).redirected("code").expect("a code");
    let other = "a".repeat(43);
    assert_eq!(redeem(&server, &code, &other).refusal(), (400, "invalid_grant".into()));
    assert_eq!(redeem(&server, &code, "short").refusal(), (400, "invalid_grant".into()));
    assert_eq!(redeem(&server, "guess", VERIFIER).refusal(), (400, "invalid_grant".into()));
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "http://127.0.0.1:4712/callback"),
        ("code_verifier", VERIFIER),
        ("client_id", DEFAULT_CLIENT),
    ];
    assert_eq!(post(&server.url("/token"), &fields).refusal(), (400, "invalid_grant".into()));
    assert_eq!(redeem(&server, &code, VERIFIER).status, 200);
}

#[test]
fn a_replayed_code_revokes_what_it_gave() {
    let server = server(|_| {});
    let code = authorize(&server, &[]).redirected("code").expect("a code");
    let tokens = redeem(&server, &code, VERIFIER);
    assert_eq!(redeem(&server, &code, VERIFIER).refusal(), (400, "invalid_grant".into()));
    assert!(!server.is_live(&tokens.text("access_token")) && !server.is_active(&tokens.text("refresh_token")));
    assert_eq!(server.families()[0].ended, Some(Ended::CodeReplayed));
}

#[test]
fn a_used_refresh_token_revokes_the_family() {
    let server = server(|_| {});
    let first = login(&server).text("refresh_token");
    let rotated = refresh(&server, &first).expect("an answer");
    let second = rotated.text("refresh_token");
    assert!(first != second && server.is_active(&second) && !server.is_active(&first));
    assert_eq!(refresh(&server, &first).expect("an answer").refusal(), (400, "invalid_grant".into()));
    assert!(!server.is_active(&second) && !server.is_live(&rotated.text("access_token")));
    assert_eq!(server.families()[0].ended, Some(Ended::RefreshTokenReused));
    assert_eq!(server.count_grant("refresh_token"), 2);
}

#[test]
fn a_refresh_may_narrow_the_scope_and_name_an_audience_but_not_widen() {
    let server = server(|options| options.rotation = RotationMode::None);
    let token = login(&server).text("refresh_token");
    let ask = |name, value| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str()),
            ("client_id", DEFAULT_CLIENT),
            (name, value),
        ];
        post(&server.url("/token"), &fields)
    };
    assert_eq!(ask("scope", "mail").text("scope"), "mail");
    assert_eq!(ask("scope", "mail admin").refusal(), (400, "invalid_scope".into()));
    let answer = ask("resource", "https://api.example/v1");
    assert_eq!(answer.json()["audience"], json!(["https://api.example/v1"]));
    assert_eq!(answer.text("access_token").split('.').count(), 3);
    assert_eq!(answer.json().get("refresh_token"), None);
}

#[test]
fn revoking_either_token_ends_the_login() {
    for which in ["access_token", "refresh_token"] {
        let server = server(|_| {});
        let tokens = login(&server);
        let reply = post(&server.url("/revoke"), &[("token", &tokens.text(which)), ("client_id", DEFAULT_CLIENT)]);
        assert_eq!(reply.status, 200);
        assert!(!server.is_live(&tokens.text("access_token")) && !server.is_active(&tokens.text("refresh_token")));
        let unknown = post(&server.url("/revoke"), &[("token", "guess"), ("client_id", DEFAULT_CLIENT)]);
        assert_eq!(unknown.status, 200);
    }
}

#[test]
fn a_client_authenticates_as_it_registered_and_no_other_way() {
    use base64::Engine as _;
    let server = server(|options| {
        options.clients.push(RegisteredClient::confidential("basic", "s b", ClientAuthentication::Basic));
        options.clients.push(RegisteredClient::confidential("post", "s", ClientAuthentication::Post));
    });
    // An unknown refresh token is what is wrong with a request whose client is right.
    let ask = |basic: Option<&str>, fields: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", "guess")];
        all.extend(fields);
        let header = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(basic.unwrap_or_default()));
        let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded")];
        headers.extend(basic.map(|_| ("Authorization", header.as_str())));
        exchange(&server.url("/token"), "POST", &headers, &form(&all)).expect("an answer").text("error")
    };
    assert_eq!(ask(Some("basic:s+b"), &[]), "invalid_grant");
    assert_eq!(ask(Some("basic:wrong"), &[]), "invalid_client");
    assert_eq!(ask(Some("post:s"), &[]), "invalid_client");
    assert_eq!(ask(None, &[("client_id", "post"), ("client_secret", "s")]), "invalid_grant");
    assert_eq!(ask(None, &[("client_id", "post")]), "invalid_client");
    assert_eq!(ask(None, &[("client_id", "basic"), ("client_secret", "s b")]), "invalid_client");
    assert_eq!(ask(Some("basic:s+b"), &[("client_secret", "s b")]), "invalid_request");
    assert_eq!(ask(None, &[("client_id", DEFAULT_CLIENT)]), "invalid_grant");
    assert_eq!(ask(None, &[("client_id", DEFAULT_CLIENT), ("client_secret", "s")]), "invalid_client");
    assert_eq!(ask(None, &[("client_id", "stranger")]), "invalid_client");
    assert_eq!(ask(None, &[]), "invalid_request");
}

#[test]
fn bodies_are_read_as_the_options_say() {
    let body =
        json!({"grant_type": "refresh_token", "refresh_token": "guess", "client_id": DEFAULT_CLIENT}).to_string();
    for (bodies, as_json, as_form) in [
        (Bodies::Form, "invalid_request", "invalid_grant"),
        (Bodies::Json, "invalid_grant", "invalid_request"),
        (Bodies::Both, "invalid_grant", "invalid_grant"),
    ] {
        let server = server(|options| options.bodies = bodies);
        let headers = [("Content-Type", "application/json")];
        let reply = exchange(&server.url("/token"), "POST", &headers, &body).expect("an answer");
        assert_eq!(reply.text("error"), as_json, "{bodies:?}");
        assert_eq!(refresh(&server, "guess").expect("an answer").text("error"), as_form, "{bodies:?}");
    }
}

#[test]
fn metadata_is_where_both_documents_say() {
    let server = server(|options| options.issuer_path = "/tenant".to_owned());
    let origin = server.issuer().replace("/tenant", "");
    for path in ["/tenant/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/tenant"] {
        let document = get(&format!("{origin}{path}")).json();
        assert_eq!(document["issuer"], json!(server.issuer()));
        assert_eq!(document["authorization_response_iss_parameter_supported"], json!(true));
    }
    assert_eq!(get(&format!("{origin}/.well-known/openid-configuration")).status, 404);
    assert_eq!(login(&server).status, 200);
}

#[test]
fn the_consent_page_asks_and_takes_either_answer_once() {
    let server = server(|options| options.auto_approve = false);
    for (decision, outcome) in [("approve", "code"), ("deny", "error")] {
        let page = authorize(&server, &[]);
        assert!(page.status == 200 && page.body.contains("<code>mail</code>") && !page.body.contains("<script"));
        let start = page.body.find("name=request value=\"").expect("a request") + 20;
        let id = &page.body[start..start + 43];
        let fields = [("request", id), ("decision", decision)];
        assert!(post(&server.url("/authorize/decision"), &fields).redirected(outcome).is_some(), "{decision}");
        assert_eq!(post(&server.url("/authorize/decision"), &fields).status, 400);
    }
}
