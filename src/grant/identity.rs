//! Who signed in: from the token answer itself, the ID token, or the userinfo endpoint, in this order. In each, the
//! provider's own pointers go before the standard's names.

use std::time::Duration;

use serde_json::Value;

use crate::oauth::http::{Http, Request};
use crate::oauth::id_token::Claims;
use crate::provider::schema::IdentityPointers;
use crate::redact;
use crate::secret::Secret;
use crate::token::Identity;

/// A login doesn't wait long for a name.
const USERINFO_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any name, address or subject (OpenID Connect Core section 2: 255).
const MAX_NAME: usize = 255;

/// RFC 6901 pointers into the token answer.
pub(super) fn from_pointers(pointers: &IdentityPointers, document: &Value) -> Identity {
    let IdentityPointers { subject, email, name, organization } = pointers;
    let at = |pointer: &Option<String>| match document.pointer(pointer.as_deref()?)? {
        Value::String(text) => fit(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Identity { subject: at(subject), email: at(email), name: at(name), organization: at(organization) }
}

/// The ID token's claims (OpenID Connect Core section 5.1).
pub(super) fn from_claims(pointers: &IdentityPointers, claims: &Claims) -> Identity {
    or(from_pointers(pointers, &claims.document()), from_names(|name| claims.text(name)))
}

fn from_names<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Identity {
    let first = |names: &[&str]| names.iter().find_map(|name| text(name).and_then(fit));
    Identity {
        subject: first(&["sub"]),
        email: first(&["email"]),
        name: first(&["name", "preferred_username"]),
        organization: first(&["org_name", "hd"]),
    }
}

/// Fills what the first doesn't say from the second.
pub(super) fn or(first: Identity, second: Identity) -> Identity {
    Identity {
        subject: first.subject.or(second.subject),
        email: first.email.or(second.email),
        name: first.name.or(second.name),
        organization: first.organization.or(second.organization),
    }
}

/// Asks the userinfo endpoint (OpenID Connect Core section 5.3). A name is worth one short question and no failure.
pub(super) async fn from_userinfo(
    http: &Http,
    url: &str,
    access: &Secret,
    subject: Option<&str>,
    pointers: &IdentityPointers,
) -> Identity {
    let authorization = Some(Secret::from(format!("Bearer {}", &*access.expose())));
    let timeout = Some(USERINFO_TIMEOUT);
    let request = Request { url: url.to_owned(), authorization, timeout, ..Request::default() };
    let Ok(response) = http.send(request).await else { return Identity::default() };
    if response.status != 200 {
        return Identity::default();
    }
    userinfo(&response.body, subject, pointers)
}

/// Section 5.3.2: an answer about somebody else than the ID token is not used.
fn userinfo(body: &[u8], subject: Option<&str>, pointers: &IdentityPointers) -> Identity {
    let Ok(document @ Value::Object(_)) = serde_json::from_slice(body) else { return Identity::default() };
    let named = from_names(|name| document.get(name).and_then(Value::as_str));
    let identity = or(from_pointers(pointers, &document), named);
    match subject {
        Some(subject) if identity.subject.as_deref() != Some(subject) => Identity::default(),
        _ => identity,
    }
}

/// A text that may be shown and compared.
fn fit(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= MAX_NAME && redact::visible(text) == text;
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_find_texts_and_numbers_and_nothing_else() {
        let pointer = |text: &str| Some(text.to_owned());
        let pointers = IdentityPointers {
            subject: pointer("/account/uuid"),
            email: pointer("/account/email_address"),
            name: pointer("/account"),
            organization: pointer("/no/such"),
        };
        let document = serde_json::json!({"account": {"uuid": 7, "email_address": "a@b.example"}});
        let identity = from_pointers(&pointers, &document);
        assert_eq!((identity.subject.as_deref(), identity.email.as_deref()), (Some("7"), Some("a@b.example")));
        assert_eq!((identity.name, identity.organization), (None, None));
    }

    #[test]
    fn userinfo_about_somebody_else_is_not_used() {
        let body = br#"{"sub":"s","email":"a@b.example","preferred_username":"ab"}"#;
        let userinfo = |body: &[u8], subject| super::userinfo(body, subject, &IdentityPointers::default());
        assert_eq!(userinfo(body, Some("s")).display(), Some("a@b.example"));
        assert_eq!(userinfo(body, None).name.as_deref(), Some("ab"));
        assert_eq!(userinfo(body, Some("t")), Identity::default());
        for body in [&b""[..], b"[]", b"<html>", b"\xff", br#"{"sub":7}"#] {
            assert_eq!(userinfo(body, None), Identity::default());
        }
    }

    #[test]
    fn names_that_would_write_to_a_terminal_or_turn_its_lines_are_dropped() {
        assert_eq!(fit("ada\u{202e}moc.elpmaxe@"), None);
        assert_eq!(fit("Ada\u{1b}[2J"), None);
        assert_eq!(fit(&"x".repeat(256)), None);
        assert_eq!(fit("Ada Lovelace").as_deref(), Some("Ada Lovelace"));
    }
}
