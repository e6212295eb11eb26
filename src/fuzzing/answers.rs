//! What authorization servers answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::quotes_nothing;
use crate::clock::Timestamp;
use crate::oauth::device_authorization::DeviceAuthorization;
use crate::oauth::{
    device_authorization, id_token, metadata, retry_after as waits, second_step, sts, token_error, token_response,
};
use crate::redact;

const ISSUER: &str = "https://id.example";

/// A header can carry every token, and the lifetime can be reckoned with.
pub(super) fn token_answers(input: &[u8]) {
    let answer = match token_response::decode(input) {
        Ok(answer) => answer,
        Err(error) => return quotes_nothing(error),
    };
    let tokens = [Some(&answer.access), answer.refresh.as_ref(), answer.id.as_ref()];
    for token in tokens.into_iter().flatten() {
        let token = token.expose();
        assert!(!token.is_empty() && token.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert!(token.len() <= input.len());
    }
    for lifetime in [answer.expires_in, answer.refresh_expires_in] {
        assert!(lifetime.is_none_or(|seconds| (1..=10 * 366 * 24 * 3600).contains(&seconds)));
    }
    assert!(answer.token_type.bytes().all(|byte| byte.is_ascii_graphic()) && answer.token_type.len() <= 64);
    assert!(answer.scope.is_sorted() && answer.scope.iter().all(|scope| !scope.contains(char::is_whitespace)));
    for name in ["access_token", "refresh_token", "id_token"] {
        assert!(answer.document.get(name).is_none(), "{name} stayed in the document");
    }
}

/// A header can carry the token, and its life can be reckoned with.
pub(super) fn second_steps(input: &[u8]) {
    let pointers = second_step::Pointers {
        token: "/token",
        expires_at: Some("/expires_at"),
        expires_in: Some("/expires_in"),
        refresh_in: Some("/refresh_in"),
        api_base: Some("/endpoints/api"),
    };
    let answer = match second_step::decode(input, pointers, Timestamp(1_790_000_000)) {
        Ok(answer) => answer,
        Err(error) => return quotes_nothing(error),
    };
    let token = answer.token.expose();
    assert!(!token.is_empty() && token.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    for span in [answer.lifetime, answer.refresh_in].into_iter().flatten() {
        assert!((1..=253_402_300_799).contains(&span.as_secs()));
    }
    assert!(answer.api_base.is_none_or(|url| url.len() <= 2048));
}

/// What AWS's programs are given is one word each, and ends.
pub(super) fn sts_answers(input: &[u8]) {
    let refusal = sts::decode_refusal(input);
    [refusal.code, refusal.message].into_iter().flatten().for_each(|text| quotes_nothing(redact::server_text(&text)));
    let assumed = match sts::decode(input, Timestamp(1_790_000_000)) {
        Ok(assumed) => assumed,
        Err(error) => return quotes_nothing(error),
    };
    let texts = [&*assumed.secret_access_key.expose(), &*assumed.session_token.expose(), &assumed.access_key_id];
    assert!(texts.iter().all(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())));
    assert!((1..=253_402_300_799).contains(&assumed.lifetime.as_secs()));
}

/// What is repeated of a refusal is fit for a terminal.
pub(super) fn token_errors(input: &[u8]) {
    let Some(answer) = token_error::decode(input) else { return };
    let words = answer.error.iter().chain(&answer.description).chain(&answer.suberrors);
    words.for_each(|word| quotes_nothing(redact::server_text(word)));
}

/// Texts of servers in whatever wording: one line, no token, no end of it cut in the middle of a character.
pub(super) fn server_texts(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for shown in [redact::server_text(&text), redact::url(&text)] {
        quotes_nothing(&shown);
        assert!(shown.chars().count() <= 301);
    }
}

pub(super) fn metadata(input: &[u8]) {
    match metadata::decode(input, ISSUER) {
        Ok(metadata) => assert_eq!(metadata.issuer.trim_end_matches('/'), ISSUER),
        Err(error) => quotes_nothing(error),
    }
    let issuer = String::from_utf8_lossy(input);
    for location in metadata::locations(&issuer).into_iter().flatten() {
        let url = url::Url::parse(&location).expect("a location is a URL");
        assert!(url.has_host() && url.query().is_none() && url.fragment().is_none());
    }
}

/// What is shown can be shown, what is opened is a web page, and the wait is neither none nor for ever.
pub(super) fn device_answers(input: &[u8]) {
    match device_authorization::decode_code(input) {
        Ok(answer) => assert!(!answer.code.is_empty() && !answer.verifier.is_empty()),
        Err(error) => quotes_nothing(error),
    }
    let page = "https://id.example/device";
    for answer in [device_authorization::decode(input), device_authorization::decode_at(input, "device_auth_id", page)]
    {
        match answer {
            Ok(answer) => fit_to_be_shown(&answer),
            Err(error) => quotes_nothing(error),
        }
    }
}

fn fit_to_be_shown(answer: &DeviceAuthorization) {
    assert!(!answer.user_code.contains(char::is_control) && answer.user_code.chars().count() <= 64);
    assert!((1..=300).contains(&answer.interval.as_secs()));
    for page in Some(&answer.verification_uri).into_iter().chain(&answer.verification_uri_complete) {
        let scheme = url::Url::parse(page).expect("a page is a URL").scheme().to_owned();
        assert!(["http", "https"].contains(&scheme.as_str()) && page.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// The input as a token, and as the claims of one.
pub(super) fn id_tokens(input: &[u8]) {
    let expected = id_token::Expected { issuer: Some(ISSUER), client_id: "client", nonce: None, now: Timestamp(1000) };
    let made = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(input));
    for token in [String::from_utf8_lossy(input).as_ref(), &made] {
        match id_token::decode(token) {
            Ok(claims) => {
                if let Err(error) = claims.check(expected) {
                    quotes_nothing(error);
                } else {
                    assert!(claims.text("sub").is_some_and(|subject| !subject.is_empty()));
                    assert_eq!(claims.text("iss"), Some(ISSUER));
                }
            }
            Err(error) => quotes_nothing(error),
        }
    }
    let is_object = matches!(serde_json::from_slice(input), Ok(Value::Object(_)));
    assert_eq!(id_token::decode(&made).is_ok(), is_object, "claims are an object and nothing else");
}

pub(super) fn retry_after(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for now in [Timestamp(0), Timestamp(784_111_777), Timestamp(i64::MAX)] {
        assert!(waits::decode(&text, now).is_none_or(|wait| wait.as_secs() <= 24 * 3600));
    }
}
