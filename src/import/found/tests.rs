//! What is found in files as programs write them.

use super::*;
use crate::ipc::message::import::ImportFormat;

fn json(text: &str) -> Document {
    Document::parse(text, ImportFormat::Json).expect("JSON")
}

#[test]
fn the_usual_names_are_found_wherever_they_are() {
    let table = [
        (r#"{"access_token":"t"}"#, "/access_token", None, None),
        (
            r#"{"claudeAiOauth":{"accessToken":"t","refreshToken":"r","expiresAt":1}}"#,
            "/claudeAiOauth/accessToken",
            Some("/claudeAiOauth/refreshToken"),
            Some("/claudeAiOauth/expiresAt"),
        ),
        (
            r#"{"a/b":{"type":"oauth","access":"t","refresh":"r","expires":5}}"#,
            "/a~1b/access",
            Some("/a~1b/refresh"),
            Some("/a~1b/expires"),
        ),
        (r#"{"token":"t","deeper":{"access_token":"u"}}"#, "/token", None, None),
        (r#"{"token":null,"access_token":"","tokens":{"access_token":"u"}}"#, "/tokens/access_token", None, None),
        (r#"{"refresh":"r","tokens":{"access_token":"u"}}"#, "/tokens/access_token", None, None),
        (r#""t""#, "", None, None),
    ];
    for (text, access, refresh, expires) in table {
        let pointers = Pointers::usual(&json(text)).expect(text);
        let got = (
            pointers.access_token.as_deref().expect("one"),
            pointers.refresh_token.as_deref(),
            pointers.expires_at.as_deref(),
        );
        assert_eq!(got, (access, refresh, expires), "{text}");
    }
    assert_eq!(Pointers::usual(&json("{}")), Err(ImportError::NoToken));
    let several = Pointers::usual(&json(r#"{"a":{"access":"1"},"b":{"access":"2"}}"#));
    assert_eq!(several, Err(ImportError::Several(vec!["/a/access".into(), "/b/access".into()])));
}

#[test]
fn a_refresh_token_alone_is_found_where_there_is_no_access_token() {
    let document = json(r#"{"tool":{"access":"","refresh_token":"r","client_id":"c"},"refresh":5}"#);
    let pointers = Pointers::usual(&document).expect("one");
    assert_eq!(
        (pointers.access_token.as_deref(), pointers.refresh_token.as_deref()),
        (None, Some("/tool/refresh_token"))
    );
    let found = pointers.read(&document).expect("found");
    assert_eq!((found.access_token.is_none(), found.client_id.as_deref()), (true, Some("c")));
    let several = Pointers::usual(&json(r#"{"a":{"refresh":"1"},"b":{"refresh":"2"}}"#));
    assert_eq!(several, Err(ImportError::Several(vec!["/a/refresh".into(), "/b/refresh".into()])));
    assert_eq!(Pointers::default().read(&document).map(|_| ()), Err(ImportError::NoToken));
}

#[test]
fn times_are_seconds_milliseconds_or_rfc_3339() {
    let table = [
        ("1790000000", Some(1_790_000_000)),
        ("1790000000000", Some(1_790_000_000)),
        ("1790000000.75", Some(1_790_000_000)),
        (r#""1790000000123""#, Some(1_790_000_000)),
        (r#""2026-09-21T14:13:20Z""#, Some(1_790_000_000)),
        (r#""2026-09-21T16:13:20.5+02:00""#, Some(1_790_000_000)),
        ("0", None),
        ("-5", None),
        ("true", None),
        (r#""tomorrow""#, None),
    ];
    for (text, expected) in table {
        let value = serde_json::from_str(text).expect(text);
        assert_eq!(time(&value), expected.map(Timestamp), "{text}");
    }
}

#[test]
fn what_is_said_to_be_a_token_has_to_be_one() {
    let document = json(r#"{"t":"ok","blank":"a b","line":"a\nb","n":5,"end":"x","scope":["b a","a"]}"#);
    let at = |pointer: &str| Pointers { access_token: Some(pointer.to_owned()), ..Pointers::default() };
    for pointer in ["/blank", "/line", "/n", "/none", ""] {
        assert!(matches!(at(pointer).read(&document), Err(ImportError::NotAToken(_))), "{pointer}");
    }
    let wrong_time = Pointers { expires_at: Some("/end".into()), ..at("/t") };
    assert_eq!(wrong_time.read(&document).map(|_| ()), Err(ImportError::NotATime("/end".into())));
    let absent = Pointers { expires_at: Some("/none".into()), refresh_token: Some("/none".into()), ..at("/t") };
    let found = Pointers { scope: Some("/scope".into()), ..absent }.read(&document).expect("found");
    assert_eq!(
        (found.expires_at, found.refresh_token.is_none(), found.scope),
        (None, true, vec!["a".into(), "b".into()])
    );
}

#[test]
fn a_jwt_says_itself_when_it_ends_where_the_file_does_not() {
    let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":1790000000,"sub":"x"}"#);
    let document = json(&format!(r#"{{"access_token":"e30.{claims}.c2ln","expires_at":5}}"#));
    let mut pointers = Pointers { access_token: Some("/access_token".into()), ..Pointers::default() };
    assert_eq!(pointers.read(&document).expect("found").expires_at, Some(Timestamp(1_790_000_000)));
    pointers.expires_at = Some("/expires_at".into());
    assert_eq!(pointers.read(&document).expect("found").expires_at, Some(Timestamp(5)));
}
