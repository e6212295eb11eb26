//! Addresses and what they ask for.

use super::*;

fn account(text: &str) -> AccountName {
    text.parse().unwrap()
}

fn plain(provider: &str) -> Start {
    Start {
        provider: provider.to_owned(),
        label: None,
        parameters: BTreeMap::new(),
        flow: Flow::Auto,
        browser: true,
        client_id: None,
        scope: Vec::new(),
        replace: false,
        accept_notice: None,
    }
}

#[test]
fn every_address_is_a_question_to_the_agent() {
    let get = |name: &str| GetToken { account: Some(name.to_owned()), ..GetToken::default() };
    let started = Start {
        label: Some("work".into()),
        parameters: BTreeMap::from([("host".into(), "git.example".into()), ("tenant".into(), "a=b".into())]),
        flow: Flow::Paste,
        browser: false,
        scope: vec!["a".into(), "b".into()],
        replace: true,
        accept_notice: Some("1f".into()),
        ..plain("google")
    };
    let narrow = GetToken { scope: vec!["x".into()], min_validity: Some(60), token_type: TokenKind::Id, ..get("a/b") };
    let cases = [
        ("GET", "/auth/google/start", None, Route::Start(Box::new(plain("google")))),
        ("GET", "/auth/https%3A%2F%2Fid.example/start", None, Route::Start(Box::new(plain("https://id.example")))),
        (
            "GET",
            "/auth/google/start",
            Some(
                "label=work&parameter=host%3Dgit.example&parameter=tenant=a%3Db&flow=paste&browser=false&scope=a+b&replace=true&accept_notice=1f",
            ),
            Route::Start(Box::new(started)),
        ),
        ("GET", "/auth/google/status", None, Route::Status(account("google"), Duration::ZERO)),
        (
            "GET",
            "/auth/google/status",
            Some("label=me%40x.example&wait=60"),
            Route::Status(account("google/me@x.example"), Duration::from_secs(60)),
        ),
        ("POST", "/auth/google/paste", None, Route::Paste(account("google"))),
        ("POST", "/auth/google/cancel", None, Route::Cancel(account("google"))),
        ("POST", "/auth/google/logout", Some("label=work"), Route::Logout(account("google/work"))),
        ("POST", "/auth/google/refresh", None, Route::Refresh(account("google"))),
        ("GET", "/v1/token/google", None, Route::Token(Box::new(get("google")))),
        ("GET", "/v1/token/google/me%40x", None, Route::Token(Box::new(get("google/me@x")))),
        ("GET", "/v1/token/google%2Fwork", None, Route::Token(Box::new(get("google/work")))),
        ("GET", "/v1/token/a/b", Some("scope=x&min_validity=60&token_type=id"), Route::Token(Box::new(narrow))),
        ("GET", "/v1/token/google%2Freject", None, Route::Token(Box::new(get("google/reject")))),
        ("POST", "/v1/token/google/reject", None, Route::Reject(account("google"))),
        ("POST", "/v1/token/google/office/reject", None, Route::Reject(account("google/office"))),
        ("GET", "/v1/status", None, Route::Accounts),
        ("GET", "/openapi.yaml", None, Route::Description),
    ];
    for (method, path, query, expected) in cases {
        assert_eq!(route(method, path, query), Ok(expected), "{method} {path} {query:?}");
    }
}

#[test]
fn what_is_no_address_is_told_apart_from_what_is_wrong_in_one() {
    for path in [
        "",
        "/",
        "//",
        "/auth",
        "/auth/google",
        "/auth//start",
        "/auth/google/start/",
        "/v1",
        "/v1/token",
        "/auth/%zz/start",
        "/auth/%ff/start",
        "/auth/google/callback",
        "/v1/token/a/b/c",
        "*",
        "x",
    ] {
        assert_eq!(route("GET", path, None), Err(NoRoute::NotFound), "{path}");
    }
    let methods = [
        ("POST", "/auth/a/start", "GET"),
        ("HEAD", "/auth/a/status", "GET"),
        ("GET", "/auth/a/logout", "POST"),
        ("GET", "/auth/a/refresh", "POST"),
        ("GET", "/v1/token/a/reject", "POST"),
        ("PUT", "/v1/token/a", "GET"),
        ("DELETE", "/v1/token/a/b/reject", "POST"),
        ("POST", "/v1/status", "GET"),
    ];
    for (method, path, allowed) in methods {
        assert_eq!(route(method, path, None), Err(NoRoute::Method(allowed)), "{method} {path}");
    }
    let queries = [
        ("/auth/a/start", "flow=magic"),
        ("/auth/a/start", "browser=1"),
        ("/auth/a/start", "label="),
        ("/auth/a/start", "label=..%2Fx"),
        ("/auth/a/start", "label=x&label=y"),
        ("/auth/a/start", "parameter=hunter2"),
        ("/auth/a/start", "parameter=a%3Dhunter2&parameter=a%3Db"),
        ("/auth/a/start", "client_secret=hunter2"),
        ("/auth/.a/start", ""),
        ("/auth/a/status", "secret=hunter2"),
        ("/auth/a/status", "wait=61"),
        ("/auth/a/status", "wait=-1"),
        ("/v1/token/a", "token=hunter2"),
        ("/v1/token/a", "min_validity=-1"),
        ("/v1/token/a", "token_type=hunter2"),
        ("/v1/token/a", "audience=%00"),
        ("/v1/token/%2E", ""),
        ("/v1/status", "access_token=hunter2"),
    ];
    for (path, query) in queries {
        let Err(NoRoute::Wrong(what)) = route("GET", path, Some(query)) else { panic!("{path}?{query}") };
        assert!(!what.contains("hunter2"), "{what}");
    }
}

#[test]
fn percent_encoding_is_undone_once() {
    for (path, expected) in [("a/b", "a/b"), ("a%40b", "a@b"), ("%2540", "%40")] {
        assert_eq!(decoded(path).as_deref(), Some(expected));
    }
    for path in ["", "%", "%4", "%zz", "%+1", "%ff"] {
        assert_eq!(decoded(path), None, "{path}");
    }
}

#[test]
fn a_callback_is_a_providers_and_nothing_else() {
    assert_eq!(callback(&callback_path("127.0.0.1-80")), Some("127.0.0.1-80"));
    for path in ["/auth/callback", "/auth//callback", "/auth/a/b/callback", "/auth/a%2Fb/callback", "/callback", ""] {
        assert_eq!(callback(path), None, "{path}");
    }
}

#[test]
fn a_body_that_is_wrong_is_not_quoted() {
    assert_eq!(&*body::<Pasted>(br#"{"text":"code#state"}"#, "text").unwrap().text.expose(), "code#state");
    for text in ["", "hunter2", "[]", r#"{"text":1}"#, r#"{"text":"a","hunter2":1}"#, r#"{"text":"a"}hunter2"#] {
        let error = body::<Pasted>(text.as_bytes(), "text").unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidParams && !error.message.contains("hunter2"), "{text}");
    }
}
